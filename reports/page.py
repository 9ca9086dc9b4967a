"""What a page consists of, and how it becomes one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import gzip
import hashlib
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from aaetools.reports import text
from aaetools.reports.blocks import Answer, Chapter, Step

__all__ = ["Page", "write_page"]


@dataclass(frozen=True)
class Page:
    """One page, ready to be laid out; strings may still be as long and as hostile as the data had them."""

    kind: str
    """What the page is, such as "Adversarial autoencoder report"."""
    title: str
    done: str
    """What was done, a few sentences below the title."""
    answers: tuple[Answer, ...]
    steps: tuple[Step, ...]
    """What to do next."""
    chapters: tuple[Chapter, ...]
    made_by: str
    """The version of aaetools."""
    made_from: str
    """When what the page shows was computed."""
    styles: tuple[str, ...] = field(default=())
    """Style sheets beside the page's own; trusted."""
    scripts: tuple[str, ...] = field(default=())
    """Scripts, run in this order at the end of the page; trusted. None of the content depends on them."""
    libraries: tuple[str, ...] = field(default=())
    """Scripts that `scripts` unpack and run; trusted. They are many times as long, so the page has them compressed."""


def write_page(page: Page) -> str:
    """Return a page as HTML: it makes no request, and what it says does not depend on scripts.

    The same page gives the same bytes. Strings from the data are shortened and escaped. A content policy lets the
    browser run and apply nothing but what is listed by its hash.
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
    own, _, _ = loader.get_source(environment, "report.css")
    styles, scripts = [*map(_lines, (own, *page.styles))], [*map(_lines, page.scripts)]
    libraries = [*map(_lines, page.libraries)]
    return environment.get_template("report.html.j2").render(
        # ours, and the only things besides the figures' addresses that are not escaped
        styles=[Markup(style) for style in styles],
        scripts=[Markup(script) for script in scripts],
        style_hashes=[*map(_digest, styles)],
        script_hashes=[*map(_digest, [*scripts, *libraries])],
        libraries=[_packed(library) for library in libraries],
        kind=page.kind,
        title=text.shorten(page.title, 120),
        done=page.done,
        answers=page.answers,
        steps=page.steps,
        chapters=page.chapters,
        version=text.shorten(page.made_by),
        created=text.shorten(page.made_from),
    )


def _lines(source: str) -> str:
    """Browsers hash what lies between the tags after turning all line ends into line feeds."""
    return source.replace("\r\n", "\n")


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode("ascii")


@cache
def _packed(source: str) -> str:
    """Return a script compressed, as base64; the same bytes whenever it is made."""
    return base64.b64encode(gzip.compress(source.encode(), 9, mtime=0)).decode("ascii")


def _finalize(value: Any) -> Any:
    """Clean every string on its way into the page, whatever chapter it comes from."""
    return text.clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value
