"""The rows as a map to explore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaetools.reports.blocks import Chapter
from aaetools.reports.explorer import latent_explorer

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["explorer_chapter"]


def explorer_chapter(analysis: Analysis) -> Chapter | None:
    """Return the chapter, None where there is nothing to explore."""
    block = latent_explorer(analysis)
    if block is None:
        return None
    verdict = "Every row, to look at one by one, to colour by what is known of it, and to select and take away."
    return Chapter("explorer", "Latent explorer", verdict, (block,))
