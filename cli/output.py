"""Files that commands write: whole or not at all, and never over something by accident."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools import sinks, staging
from aaetools.sinks import guarded, to_csv, writing

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "WRITERS",
    "check_out_file",
    "columns",
    "deliver",
    "guarded",
    "prepare_out",
    "to_csv",
    "write_file",
    "write_table",
]


def check_out_file(path: Path, force: bool, suffixes: tuple[str, ...]) -> None:
    """Check that a file can be written, before the work whose result it will hold.

    Raises
    ------
    RunFolderError
        If it is there already and may not be replaced, if its suffix is none of ``suffixes``, or if its
        folder is missing or cannot be written.
    """
    sinks.check_out_file(path, force, suffixes, replace_with="--force")


def write_file(path: Path, content: bytes) -> None:
    """Write a file through a temporary one in the same folder, so that nobody ever sees a part of it.

    Raises
    ------
    RunFolderError
        If it cannot be written; nothing is left behind.
    """
    with writing(path):
        staging.write_file(path, content)


def _csv(frame: pd.DataFrame, matrix: NDArray[Any]) -> bytes:
    return to_csv(frame).encode("utf-8", "replace")


def _parquet(frame: pd.DataFrame, matrix: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _npy(frame: pd.DataFrame, matrix: NDArray[Any]) -> bytes:
    import numpy as np

    buffer = io.BytesIO()
    np.save(buffer, matrix, allow_pickle=False)
    return buffer.getvalue()


WRITERS: dict[str, Callable[[pd.DataFrame, NDArray[Any]], bytes]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".npy": _npy,
}
"""Suffix to function(table, its numbers as an array) that returns a file's content."""


def write_table(path: Path, frame: pd.DataFrame, matrix: NDArray[Any]) -> None:
    """Write a table in the format of the path's suffix; a npy file holds ``matrix`` only."""
    write_file(path, WRITERS[path.suffix.lower()](frame, matrix))


def prepare_out(out: Path | None, force: bool, as_json: bool, suffixes: tuple[str, ...]) -> None:
    """Check --out and --json before the work; a JSON object and a table do not fit on one standard output."""
    if out is not None:
        check_out_file(out, force, suffixes)
    elif as_json:
        raise click.UsageError("--json needs --out: without it the table is printed", click.get_current_context())


def deliver(
    table: pd.DataFrame,
    matrix: NDArray[Any],
    out: Path | None,
    facts: dict[str, Any],
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write a table to a file or print it, and say what was written.

    Parameters
    ----------
    table
        What was asked for.
    matrix
        Its numbers, for npy files.
    out
        File to write, None for csv on standard output.
    facts
        What else there is to say: keys of the JSON object.
    """
    if out is None:
        click.echo(to_csv(table), nl=False)
    else:
        write_table(out, table, matrix)
    if as_json:
        click.echo(json.dumps({"out": str(out), "n_rows": len(table), **facts}))
        return
    if quiet:
        return
    if out is not None:
        click.echo(f"{len(table):,} rows written to {out}")


def columns(rows: Sequence[tuple[str, ...]], indent: str = "") -> str:
    """Return rows as aligned columns.

    Examples
    --------
    >>> print(columns([("a", "1"), ("long", "2")]))
    a     1
    long  2
    """
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"{indent}{line.rstrip()}" for line in lines)
