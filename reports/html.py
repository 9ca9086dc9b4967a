"""An `Analysis` as one HTML page that needs nothing else.

Three steps, each blind to the next: chapters are put together from the analysis, figures are drawn as they
ask for them, and one template lays everything out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaetools.analysis.threads import one_thread_for
from aaetools.reports import summary
from aaetools.reports.blocks import Chapter
from aaetools.reports.chapters import CHAPTERS
from aaetools.reports.page import Page, write_page

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["N_DENSITY_VALUES", "chapters_of", "page_of", "render"]

N_DENSITY_VALUES = 60 * 60
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
    with one_thread_for(N_DENSITY_VALUES):
        return write_page(page_of(analysis))


def page_of(analysis: Analysis) -> Page:
    """Return what the page consists of; its figures are not drawn yet."""
    return Page(
        kind="Adversarial autoencoder report",
        title=analysis.data.name or "unnamed data",
        done=summary.what_was_done(analysis),
        answers=tuple(summary.answers(analysis)),
        steps=tuple(summary.next_steps(analysis)),
        chapters=chapters_of(analysis),
        made_by=analysis.provenance.versions.get("aaetools", ""),
        made_from=analysis.provenance.created,
    )


def chapters_of(analysis: Analysis) -> tuple[Chapter, ...]:
    """Return the chapters that have something to say, in the reader's order."""
    return tuple(chapter for make in CHAPTERS.values() if (chapter := make(analysis)) is not None)
