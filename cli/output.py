"""Files that commands write: whole or not at all, and never over something by accident."""

from __future__ import annotations

import io
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools import staging
from aaetools.exceptions import RunFolderError

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
    if path.suffix.lower() not in suffixes:
        raise RunFolderError(f"{path}: its format is told by the suffix; choose from {', '.join(suffixes)}")
    try:
        if path.is_dir():
            raise RunFolderError(f"{path} is a folder; name a file in it")
        if os.path.lexists(path) and not force:
            raise RunFolderError(f"{path} is there already; choose another file, or replace it with --force")
        if not path.parent.is_dir():
            raise RunFolderError(f"cannot write {path}: there is no folder {path.parent}")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except RunFolderError:
        raise
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def write_file(path: Path, content: bytes) -> None:
    """Write a file through a temporary one in the same folder, so that nobody ever sees a part of it.

    Raises
    ------
    RunFolderError
        If it cannot be written; nothing is left behind.
    """
    try:
        staging.write_file(path, content)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: BaseException) -> RunFolderError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return RunFolderError(f"cannot write {path}: {reason}")


def guarded(cell: Any) -> Any:
    """Put a quote before text that a spreadsheet would run as a formula; leave numbers and other text alone.

    Examples
    --------
    >>> guarded("=1+1"), guarded("cat"), guarded(-1.5)
    ("'=1+1", 'cat', -1.5)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def to_csv(frame: pd.DataFrame) -> str:
    """Return a table as CSV text in which no cell is a formula."""
    safe = frame.copy()
    for name in safe.select_dtypes(object):
        safe[name] = safe[name].map(guarded)
    safe.columns = safe.columns.map(guarded)
    return str(safe.to_csv(index=False, lineterminator="\n"))


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
        What else there is to say: keys of the JSON object. An "accuracy" is told to people as well.
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
    if facts.get("accuracy") is not None:
        low, high = facts["accuracy_interval"]
        click.echo(
            f"Accuracy on {facts['n_labeled']:,} labelled rows: {facts['accuracy']:.1%} "
            f"(95% interval {low:.1%} to {high:.1%}); rows that the run was trained on are not left out",
            err=True,
        )
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
