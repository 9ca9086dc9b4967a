"""An `Analysis` as one HTML page that needs nothing else.

Three steps, each blind to the next: chapters are put together from the analysis, figures are drawn as they
ask for them, and one template lays everything out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaetools.analysis.threads import one_thread_for
from aaetools.reports import summary
from aaetools.reports.blocks import Chapter, Explorer
from aaetools.reports.chapters import CHAPTERS
from aaetools.reports.explorer import explorer_library, explorer_script, explorer_style
from aaetools.reports.page import Page, write_page

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["N_DENSITY_VALUES", "chapters_of", "page_of", "render"]

N_DENSITY_VALUES = 60 * 60
"""Points at which the densities in the figures are computed, the only linear algebra there."""


def render(analysis: Analysis, *, explorer: bool = True) -> str:
    """Return `analysis` as one self-contained HTML page.

    The page makes no request; the same analysis gives the same bytes. Strings from the data are shortened and
    escaped. Scripts run for the explorer only, and every number and figure is there without them.

    Parameters
    ----------
    analysis
        What :func:`aaetools.analysis.analyze` returned, or what was read from a run folder.
    explorer
        Whether the page has the map of all rows to explore, which takes 0.5 MB for its script and 10 to 60 bytes a
        row; without it the page has no script.
    """
    with one_thread_for(N_DENSITY_VALUES):
        return write_page(page_of(analysis, explorer=explorer))


def page_of(analysis: Analysis, *, explorer: bool = False) -> Page:
    """Return what the page consists of; its figures are not drawn yet."""
    chapters = chapters_of(analysis, explorer=explorer)
    explorable = any(isinstance(block, Explorer) for chapter in chapters for block in chapter.blocks)
    return Page(
        kind="Adversarial autoencoder report",
        title=analysis.data.name or "unnamed data",
        done=summary.what_was_done(analysis),
        answers=tuple(summary.answers(analysis)),
        steps=tuple(summary.next_steps(analysis)),
        chapters=chapters,
        made_by=analysis.provenance.versions.get("aaetools", ""),
        made_from=analysis.provenance.created,
        styles=(explorer_style(),) if explorable else (),
        scripts=(explorer_script(),) if explorable else (),
        libraries=(explorer_library(),) if explorable else (),
    )


def chapters_of(analysis: Analysis, *, explorer: bool = False) -> tuple[Chapter, ...]:
    """Return the chapters that have something to say, in the reader's order; the explorer is for a page only."""
    makers = [make for name, make in CHAPTERS.items() if explorer or name != "explorer"]
    return tuple(chapter for make in makers if (chapter := make(analysis)) is not None)
