"""The figures of a report as files, for papers and slides."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from aaetools.analysis.threads import one_thread_for
from aaetools.exceptions import DataError
from aaetools.reports.blocks import Block, Chapter, Figure, Row, Stack
from aaetools.reports.figures import FILE_KINDS, draw_file
from aaetools.reports.html import N_DENSITY_VALUES, chapters_of

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["figure_files"]


def figure_files(analysis: Analysis, kinds: Sequence[str] = ("svg",)) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of a file for each figure of the report and each kind of file.

    Names tell what the figure shows, such as "confusion.pdf". The same analysis gives the same bytes.

    Parameters
    ----------
    analysis
        What :func:`aaetools.analysis.analyze` returned, or what was read from a run folder.
    kinds
        "svg" (text as outlines), "pdf" and "png" (300 dots per inch), all on white ground.

    Raises
    ------
    DataError
        For another kind, or none.

    Examples
    --------
    >>> from pathlib import Path
    >>> def save(analysis, folder: Path) -> None:
    ...     for name, content in figure_files(analysis, ["pdf", "png"]):
    ...         (folder / name).write_bytes(content)
    """
    unknown = [kind for kind in kinds if kind not in FILE_KINDS]
    if unknown or not kinds:
        raise DataError(f"figures can be saved as {', '.join(FILE_KINDS)}, not as {', '.join(unknown) or 'nothing'}")
    return _files(chapters_of(analysis), tuple(dict.fromkeys(kinds)))


def _files(chapters: Sequence[Chapter], kinds: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    for chapter in chapters:
        for number, figure in enumerate(_figures(chapter.blocks), start=1):
            name = figure.name or f"{chapter.id}-{number}"
            for kind in kinds:
                with one_thread_for(N_DENSITY_VALUES):
                    content = draw_file(figure.draw, *figure.size, kind)
                yield f"{name}.{kind}", content


def _figures(blocks: Iterable[Block | Stack]) -> Iterator[Figure]:
    for block in blocks:
        if isinstance(block, Row | Stack):
            yield from _figures(block.blocks)
        elif isinstance(block, Figure):
            yield block
