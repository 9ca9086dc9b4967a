"""The few kinds of block that a page is made of.

Chapters are put together from these; the template knows how each of them looks, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
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
    "Stack",
    "Step",
    "Table",
    "Tone",
    "facts",
    "settings",
    "side_by_side",
]

Tone = Literal["good", "mixed", "bad", "none"]

FOLD = 12
"""Tables with more lines than this are folded away at first."""

_WIDE = 6.7
"""Figures of more inches than this do not share the width of the page."""

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
class Step:
    """Something to do next; `link` is the chapter that says more, `command` what to type."""

    text: str
    link: str
    command: str = ""
    alarm: bool = False


@dataclass(frozen=True, eq=False)
class Figure:
    """One picture, drawn when asked for; `how` says how to read it, `alt` what it shows to those who cannot see it."""

    draw: Callable[[Axes], object]
    """Draws on axes that it is given."""
    size: tuple[float, float]
    """Width and height in inches."""
    alt: str
    how: str
    name: str = ""
    """What a file of this picture is called; letters, digits and dashes."""

    @cached_property
    def _svg(self) -> str:
        return draw_svg(self.draw, *self.size)

    @property
    def src(self) -> Markup:
        """The picture as a data URI; percent-encoded, so no character that could end the attribute is left."""
        return Markup(svg_data_uri(self._svg))

    @property
    def width(self) -> int:
        """Width in CSS pixels, margins cut."""
        return svg_size(self._svg)[0]

    @property
    def height(self) -> int:
        """Height in CSS pixels, margins cut."""
        return svg_size(self._svg)[1]


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
        """One CSS class per column: "number" where every cell below its head is one number or a dash."""
        if not self.columns:
            return ("words", "words")
        cells = list(zip(*self.rows, strict=True)) or [() for _ in self.columns]
        numeric = [
            i > 0 and all(_NUMBER.fullmatch(cell) and ", " not in cell for cell in column)
            for i, column in enumerate(cells)
        ]
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
class Stack:
    """Blocks one above the other that make one column of a row."""

    blocks: tuple[Figure | Table | Note, ...]


@dataclass(frozen=True)
class Row:
    """Blocks that stand side by side where the page is wide enough."""

    blocks: tuple[Figure | Table | Note | Stack, ...]


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


def facts(caption: str, pairs: Sequence[tuple[str, str]], *, folded: bool = False) -> Table:
    """Return a table of names and values, without a head."""
    return Table(caption, (), tuple((name, value or text.MISSING) for name, value in pairs), folded=folded)


def settings(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values in the order of the names, shortened."""
    return sorted(
        (text.shorten(str(name)), text.shorten(text.setting(value), 200)) for name, value in parameters.items()
    )


def side_by_side(*blocks: Figure | Table | Note | Stack) -> tuple[Block, ...]:
    """Put blocks into one row, but leave out those that need its whole width, or next to none of it."""
    narrow = tuple(
        block
        for block in blocks
        if not (isinstance(block, Figure) and block.size[0] > _WIDE) and not (isinstance(block, Table) and block.folded)
    )
    if len(narrow) < 2:
        return tuple(part for block in blocks for part in (block.blocks if isinstance(block, Stack) else (block,)))
    wide = (block for block in blocks if block not in narrow and not isinstance(block, Stack))
    return (Row(narrow), *wide)
