"""The few kinds of block that a page is made of.

Chapters are put together from these; the template knows how each of them looks, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from markupsafe import Markup
from matplotlib.axes import Axes

from aaetools.reports import text
from aaetools.reports.figures import draw_svg, svg_data_uri, svg_size

__all__ = [
    "FOLD",
    "Answer",
    "Block",
    "Chapter",
    "Explorer",
    "Figure",
    "Listing",
    "Note",
    "Row",
    "Table",
    "Tone",
    "facts",
    "figure",
    "settings",
    "side_by_side",
]

Tone = Literal["good", "mixed", "bad", "none"]

FOLD = 12
"""Tables with more lines than this are folded away at first."""

_WIDE = 640
"""Figures of more CSS pixels than this do not share the width of the page."""

# Digits with what may stand between and around them, a dash where there is no number, or an interval.
_NUMBER = re.compile("[-<0-9.,% \N{MINUS SIGN}\N{EN DASH}\N{MULTIPLICATION SIGN}\u2070-\u207f\u00b9\u00b2\u00b3]*|\\S+% to \\S+%")  # fmt: skip # noqa: E501


@dataclass(frozen=True)
class Answer:
    """One question of the summary with its answer; `rule` says how the tone was decided."""

    question: str
    value: str
    sentence: str
    tone: Tone
    rule: str
    link: str


@dataclass(frozen=True)
class Figure:
    """One picture; `how` says how to read it, `alt` what it shows to those who cannot see it."""

    src: Markup
    width: int
    height: int
    alt: str
    how: str


@dataclass(frozen=True)
class Table:
    """A table whose first column names the rows; cells found in `tones` are shown as a coloured chip."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    folded: bool = False
    tones: Mapping[str, Tone] = field(default_factory=dict)

    @property
    def aligned(self) -> tuple[str, ...]:
        """One CSS class per column: "number" where every cell below its head is a number or a dash."""
        if not self.columns:
            return ("words", "words")
        cells = list(zip(*self.rows, strict=True)) or [() for _ in self.columns]
        numeric = [i > 0 and all(map(_NUMBER.fullmatch, column)) for i, column in enumerate(cells)]
        return tuple("number" if yes else "words" for yes in numeric)


@dataclass(frozen=True)
class Note:
    """One paragraph."""

    text: str


@dataclass(frozen=True)
class Listing:
    """Many short names in columns, folded away at first."""

    caption: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """Blocks that stand side by side where the page is wide enough."""

    blocks: tuple[Figure | Table | Note, ...]


@dataclass(frozen=True)
class Explorer:
    """A map of rows that scripts make explorable; without them a sentence stands in its place."""

    data: Markup
    """What the script needs, as JSON that can end no element."""
    views: tuple[tuple[str, str], ...]
    """Values and names of the planes that rows can be shown in."""
    axes: tuple[str, ...]
    """Latent axes of which any two can be shown; () where there is no such choice."""
    colorings: tuple[tuple[str, str], ...]
    """Values and names of what points can be coloured by."""
    splits: bool
    """Whether there are both training and hold-out rows."""
    outlined: bool
    """Whether there are outlines of the prior."""


Block = Figure | Table | Note | Listing | Row | Explorer


@dataclass(frozen=True)
class Chapter:
    """A part of the page: its verdict first, then its blocks."""

    id: str
    title: str
    verdict: str
    blocks: tuple[Block, ...]


def figure(draw: Callable[[Axes], object], size: tuple[float, float], *, alt: str, how: str) -> Figure:
    """Return a figure of `size` (width, height in inches) with what `draw(ax)` draws."""
    svg = draw_svg(draw, *size)
    # Percent-encoded: no character that could end the attribute is left.
    return Figure(Markup(svg_data_uri(svg)), *svg_size(svg), alt, how)


def facts(caption: str, pairs: Sequence[tuple[str, str]], *, folded: bool = False) -> Table:
    """Return a table of names and values, without a head."""
    return Table(caption, (), tuple((name, value or text.MISSING) for name, value in pairs), folded=folded)


def settings(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values in the order of the names, shortened."""
    return sorted(
        (text.shorten(str(name)), text.shorten(text.setting(value), 200)) for name, value in parameters.items()
    )


def side_by_side(*blocks: Figure | Table | Note) -> tuple[Block, ...]:
    """Put blocks into one row, but leave out those that need its whole width, or next to none of it."""
    narrow = tuple(
        block
        for block in blocks
        if not (isinstance(block, Figure) and block.width > _WIDE) and not (isinstance(block, Table) and block.folded)
    )
    if len(narrow) < 2:
        return blocks
    return (Row(narrow), *(block for block in blocks if block not in narrow))
