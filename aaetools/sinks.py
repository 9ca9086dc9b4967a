"""Where results go that are made a part at a time: one class per file format in :data:`SINKS`.

A sink is opened with a path and a :class:`Layout`, is given :class:`Part` after part, and is closed. It knows nothing
of models and of where the rows come from; :func:`open_sink` sees to it that a file appears whole or not at all.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from aaetools.exceptions import AAEToolsError, RunFolderError
from aaetools.staging import file_beside, put_in_place

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = [
    "CLASS_SINKS",
    "SINKS",
    "Layout",
    "Part",
    "Sink",
    "check_out_file",
    "guarded",
    "open_sink",
    "to_csv",
    "writing",
]


@dataclass(frozen=True)
class Layout:
    """What a result will hold, known before its first row.

    Attributes
    ----------
    numbers
        Names of the numbers of each row: ``z0``, ``z1`` and so on of a latent code, or ``p_CLASS`` for each class.
    classes
        The model's classes where each row has a predicted one, shape (n_classes,); None where it has not.
    n_rows
        How many rows there will be.
    source
        Where they come from, for formats that carry on what else is said of the rows there.
    """

    numbers: tuple[str, ...]
    classes: NDArray[Any] | None
    n_rows: int
    source: str = ""


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of a result, in the order of the data.

    Attributes
    ----------
    row_ids
        One identifier per row, integers or text, of the same kind in all parts; shape (n,).
    numbers
        Latent codes or probabilities, float32, shape (n, len(layout.numbers)).
    label_pred
        Predicted class, shape (n,); None where there are none.
    """

    row_ids: NDArray[Any]
    numbers: NDArray[Any]
    label_pred: NDArray[Any] | None = None

    def frame(self, layout: Layout) -> pd.DataFrame:
        """Return the part as a table: ``row``, ``label_pred`` if there is one, and the numbers."""
        import pandas as pd

        table = pd.DataFrame(self.numbers, columns=list(layout.numbers))
        if self.label_pred is not None:
            table.insert(0, "label_pred", self.label_pred)
        table.insert(0, "row", self.row_ids)
        return table


class Sink(Protocol):
    """Takes a result part by part."""

    def write(self, part: Part) -> None:
        """Write the next rows."""

    def close(self) -> None:
        """Write what comes at the end and let go of the file; also called after an error, when the file goes."""


def guarded(cell: Any) -> Any:
    """Put a quote before text that a spreadsheet would run as a formula; leave numbers and other text alone.

    Examples
    --------
    >>> guarded("=1+1"), guarded("cat"), guarded(-1.5)
    ("'=1+1", 'cat', -1.5)
    """
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def to_csv(frame: pd.DataFrame, *, header: bool = True) -> str:
    """Return a table as CSV text in which no cell is a formula."""
    safe = frame.copy()
    for name in safe.select_dtypes(object):
        safe[name] = safe[name].map(guarded)
    safe.columns = safe.columns.map(guarded)
    return str(safe.to_csv(index=False, header=header, lineterminator="\n"))


class _Csv:
    def __init__(self, path: Path, layout: Layout) -> None:
        self._layout = layout
        self._file = path.open("wb")
        self._begun = False

    def write(self, part: Part) -> None:
        self._file.write(to_csv(part.frame(self._layout), header=not self._begun).encode("utf-8", "replace"))
        self._begun = True

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """One row group per part."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._layout = layout
        self._file = path.open("wb")
        self._writer: Any = None

    def write(self, part: Part) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = None if self._writer is None else self._writer.schema
        table = pa.Table.from_pandas(part.frame(self._layout), schema=schema, preserve_index=False)
        if self._writer is None:
            # a dictionary of numbers that hardly repeat takes four times as long and saves nothing
            texts = [column.name for column in table.schema if pa.types.is_string(column.type)]
            self._writer = pq.ParquetWriter(self._file, table.schema, use_dictionary=texts)
        self._writer.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self) -> None:
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            self._file.close()


class _Npy:
    """The numbers alone; its header comes first and says how many rows there will be."""

    def __init__(self, path: Path, layout: Layout) -> None:
        import numpy as np

        self._file = path.open("wb")
        header = {"descr": "<f4", "fortran_order": False, "shape": (layout.n_rows, len(layout.numbers))}
        np.lib.format.write_array_header_1_0(self._file, header)

    def write(self, part: Part) -> None:
        import numpy as np

        self._file.write(np.ascontiguousarray(part.numbers, dtype="<f4").data)

    def close(self) -> None:
        self._file.close()


SINKS: dict[str, Callable[[Path, Layout], Sink]] = {
    ".parquet": _Parquet,
    ".csv": _Csv,
    ".npy": _Npy,
}
"""Suffix to what is called with the path of a file to write and the layout of what will be written."""

CLASS_SINKS = tuple(suffix for suffix in SINKS if suffix != ".npy")
"""Suffixes of the formats that have a place for predicted classes, which may be text."""


def check_out_file(path: Path, force: bool, suffixes: Collection[str], *, replace_with: str = "force=True") -> None:
    """Check that a file can be written, before the work whose result it will hold.

    Parameters
    ----------
    path
        The file.
    force
        Whether it may replace one that is there.
    suffixes
        Those that say a format.
    replace_with
        What to give to replace it, for the message.

    Raises
    ------
    RunFolderError
        If it is there already and may not be replaced, if its suffix is none of ``suffixes``, or if its
        folder is missing or cannot be written.
    """
    if path.suffix.lower() not in suffixes:
        raise RunFolderError(f"{path}: its format is told by the suffix; choose from {', '.join(suffixes)}")
    with writing(path):
        if path.is_dir():
            raise RunFolderError(f"{path} is a folder; name a file in it")
        if os.path.lexists(path) and not force:
            raise RunFolderError(f"{path} is there already; choose another file, or replace it with {replace_with}")
        if not path.parent.is_dir():
            raise RunFolderError(f"cannot write {path}: there is no folder {path.parent}")
        with tempfile.TemporaryFile(dir=path.parent):
            pass


@contextmanager
def writing(place: object) -> Iterator[None]:
    """Turn what goes wrong in a block that writes into an error that names the place.

    Raises
    ------
    RunFolderError
        If the block could not write.
    """
    try:
        yield
    except (AAEToolsError, BrokenPipeError):  # of a broken pipe nobody wants to hear: its reader has seen enough
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RunFolderError(f"cannot write {place}: {' '.join(reason.split())}") from error


@contextmanager
def open_sink(out: Path, layout: Layout) -> Iterator[Sink]:
    """Yield the sink of a path's suffix; the file is there once the block has ended well, and not before.

    It is written under another name in the same folder, flushed to the disk, and moved into its place. If the block
    ends by an error or an interrupt, nothing is left of it and an older file stays.

    Raises
    ------
    RunFolderError
        If the file cannot be written.
    """
    place = Path(os.path.realpath(out))
    with writing(out):
        temporary = file_beside(place)
    try:
        with writing(out):
            sink = SINKS[out.suffix.lower()](temporary, layout)
        try:
            yield _Named(sink, out)
        except BaseException:
            with suppress(Exception):
                sink.close()
            raise
        with writing(out):
            sink.close()
            put_in_place(temporary, place)
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class _Named:
    """A sink whose errors name the file that was asked for."""

    sink: Sink
    out: Path

    def write(self, part: Part) -> None:
        with writing(self.out):
            self.sink.write(part)

    def close(self) -> None:
        with writing(self.out):
            self.sink.close()
