"""A page as Markdown: the same answers, steps and tables, with figures told by their alternative text.

What is written is what CommonMark and GitHub's tables have in common. Strings may be as hostile as the data had them:
everything that could be markup, a cell's end or a line's start is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from aaetools.reports import text
from aaetools.reports.blocks import Answer, Block, Figure, Listing, Note, Row, Stack, Table
from aaetools.reports.comparison import comparison_page
from aaetools.reports.html import page_of
from aaetools.reports.page import Page

if TYPE_CHECKING:
    from aaetools.analysis.comparison_results import Comparison
    from aaetools.analysis.results import Analysis

__all__ = ["escape", "render_comparison_markdown", "render_markdown", "write_markdown"]

_MARKS = {"good": "good", "mixed": "mixed", "bad": "bad", "none": "not judged"}
_SPECIAL = re.compile(r"[\\`*_\[\]{}~$^]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}
_LINE_START = re.compile(r"^(\d+)([.)])(?=\s|$)|^([#=:]|[+-](?=[\s-]|$))")


def render_markdown(analysis: Analysis) -> str:
    """Return the report of `analysis` as Markdown; the same analysis gives the same text.

    Parameters
    ----------
    analysis
        What :func:`aaetools.analysis.analyze` returned, or what was read from a run folder.
    """
    return write_markdown(page_of(analysis))


def render_comparison_markdown(comparison: Comparison, analyses: Sequence[Analysis]) -> str:
    """Return a comparison as Markdown. Parameters as of :func:`aaetools.reports.render_comparison`."""
    return write_markdown(comparison_page(comparison, analyses))


def write_markdown(page: Page) -> str:
    """Return a page as Markdown that ends in a newline; its figures are not drawn."""
    parts = [
        f"# {escape(text.shorten(page.title, 120))}",
        f"{escape(page.kind)}. {escape(page.done)}",
        "## Summary",
        _answers(page.answers),
        "\n".join(f"- Rule of {escape(repr(answer.question))}: {escape(answer.rule)}" for answer in page.answers),
    ]
    if page.steps:
        steps = (
            f"{i}. {'**Alarm:** ' if step.alarm else ''}{escape(step.text)}"
            f"{f' {_code(step.command)}' if step.command else ''}"
            for i, step in enumerate(page.steps, start=1)
        )
        parts += ["## What to do next", "\n".join(steps)]
    for chapter in page.chapters:
        parts += [f"## {escape(chapter.title)}", escape(chapter.verdict), *_blocks(chapter.blocks)]
    parts.append(f"Made by aaetools {escape(text.shorten(page.made_by))} from {escape(text.shorten(page.made_from))}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def escape(words: str) -> str:
    """Return text that Markdown shows as it is, in a paragraph, a heading, a list or a cell.

    Examples
    --------
    >>> print(escape("a|b <b>*bold*</b>"))
    a&#124;b &lt;b&gt;\\*bold\\*&lt;/b&gt;
    >>> print(escape("1. no list"))
    1\\. no list
    """
    cleaned = text.clean(words).strip()
    shown = _SPECIAL.sub(r"\\\g<0>", cleaned)
    for character, entity in _ENTITIES.items():
        shown = shown.replace(character, entity)
    # addresses become links by themselves on some sites
    shown = shown.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")
    return _LINE_START.sub(lambda match: f"{match[1]}\\{match[2]}" if match[1] else f"\\{match[3]}", shown)


def _answers(answers: Iterable[Answer]) -> str:
    lines = [
        f"| {escape(answer.question)} | **{escape(answer.value)}** {escape(answer.sentence)} | {_MARKS[answer.tone]} |"
        for answer in answers
    ]
    return "\n".join(["| question | answer | judged |", "| --- | --- | --- |", *lines])


def _code(words: str) -> str:
    """Return words in code style; a backtick inside would end it."""
    return f"`{text.clean(words).replace('`', chr(39))}`"


def _blocks(blocks: Iterable[Block | Stack]) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Row | Stack):
            yield from _blocks(block.blocks)
        elif isinstance(block, Note):
            yield escape(block.text)
        elif isinstance(block, Figure):
            yield f"*Figure: {escape(block.alt)}* {escape(block.how)}"
        elif isinstance(block, Listing):
            yield f"**{escape(block.caption)}:** {', '.join(map(escape, block.items))}"
        elif isinstance(block, Table):
            yield f"**{escape(block.caption)}**"
            yield _table(block.columns or ("", ""), block.rows, block.aligned)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], aligned: Sequence[str] = ()) -> str:
    """Return a table as GitHub's Markdown has it; numbers stand at the right."""
    kinds = aligned or ("words",) * len(heads)
    cells = [f"| {' | '.join(map(escape, line))} |" for line in (heads, *rows)]
    rule = f"| {' | '.join('---:' if kind == 'number' else '---' for kind in kinds)} |"
    return "\n".join([cells[0], rule, *cells[1:]])
