"""What commands that analyse a run have in common: where the result goes, and how it is printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from aaetools.cli.options import force_option, json_option, out_file_option, quiet_option
from aaetools.cli.output import check_out_file, columns, write_file

__all__ = ["check_result_file", "deliver_result", "result_options", "text_table"]

F = TypeVar("F", bound=Callable[..., Any])

_SUFFIXES = (".json",)


def result_options(name: str) -> Callable[[F], F]:
    """Add ``--out``, ``--force``, ``--json`` and ``--quiet``; ``name`` is the file in RUN that is written by default.

    The command gets ``out``, ``force``, ``as_json`` and ``quiet``.
    """

    def decorate(command: F) -> F:
        for option in (
            quiet_option("the result's path"),
            json_option,
            force_option,
            out_file_option(*_SUFFIXES, default=f"{name} in RUN, which is replaced"),
        ):
            command = option(command)
        return command

    return decorate


def check_result_file(run: Path, name: str, out: Path | None, force: bool) -> Path:
    """Return the file that the result goes to, after checking, before the work, that it can be written.

    Raises
    ------
    RunFolderError
        If it cannot.
    """
    place = run / name if out is None else out
    if out is not None or run.is_dir():
        check_out_file(place, force or out is None, _SUFFIXES)
    return place


def deliver_result(result: Any, place: Path, text: str, *, as_json: bool, quiet: bool) -> None:
    """Write a result as JSON, and print it: the table ``text``, with ``--json`` the same JSON.

    The last line printed is the file's path, except with ``--json``.
    """
    from aaetools.analysis import result_to_json

    document = result_to_json(result)
    write_file(place, document.encode("ascii"))
    if as_json:
        click.echo(document, nl=False)
        return
    if not quiet:
        click.echo(text)
    click.echo(place)


def text_table(headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return an aligned table with headings in capitals, "-" where a cell is None.

    Examples
    --------
    >>> print(text_table(["class", "n"], [["cat", 3], ["no name", None]]))
    CLASS    N
    cat      3
    no name  -
    """
    cells = [tuple("-" if cell is None else str(cell) for cell in row) for row in rows]
    return columns([tuple(heading.upper() for heading in headings), *cells])
