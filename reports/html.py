"""An `Analysis` as one HTML page that needs nothing else.

Three steps, each blind to the next: chapters are put together from the analysis, figures are drawn as they
ask for them, and one template lays everything out.
"""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aaetools.analysis.threads import one_thread_for
from aaetools.reports import summary, text
from aaetools.reports.chapters import CHAPTERS

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["render"]

_N_DENSITY_VALUES = 60 * 60
"""Points at which the densities in the figures are computed, the only linear algebra there."""


def render(analysis: Analysis) -> str:
    """Return `analysis` as one self-contained HTML page.

    The page makes no request and runs no script; the same analysis gives the same bytes. Strings from the
    data are shortened and escaped.

    Parameters
    ----------
    analysis
        What :func:`aaetools.analysis.analyze` returned, or what was read from a run folder.
    """
    loader = PackageLoader("aaetools.reports")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["kind"] = lambda block: type(block).__name__
    css, _, _ = loader.get_source(environment, "report.css")
    # Browsers hash what lies between the style tags after turning all line ends into line feeds.
    css = css.replace("\r\n", "\n")
    with one_thread_for(_N_DENSITY_VALUES):
        chapters = [chapter for make in CHAPTERS.values() if (chapter := make(analysis)) is not None]
    return environment.get_template("report.html.j2").render(
        css=Markup(css),  # ours, and the only thing besides the figures' addresses that is not escaped
        css_hash=base64.b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii"),
        name=text.shorten(analysis.data.name, 120) or "unnamed data",
        created=text.shorten(analysis.provenance.created),
        version=text.shorten(analysis.provenance.versions.get("aaetools", "")),
        done=summary.what_was_done(analysis),
        answers=summary.answers(analysis),
        alarms=[text.shorten(warning, 400) for warning in analysis.warnings],
        chapters=chapters,
    )


def _finalize(value: Any) -> Any:
    """Clean every string on its way into the page, whatever chapter it comes from."""
    return text.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
