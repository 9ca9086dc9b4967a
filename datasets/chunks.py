"""Files read some rows at a time, in memory that does not grow with their length.

A reader of :data:`CHUNK_READERS` looks at a file once, checks what concerns all of it, and returns
:class:`TableChunks`, which can be gone through any number of times, wholly or a few columns of it. Every cell comes
out as the reader of the whole file gives it. Formats without a reader here are read as a whole and handed out in
slices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaetools.datasets.files import (
    LABEL_READERS,
    READERS,
    ArrayHeader,
    UnusableError,
    array_header,
    arrow_frame,
    check_arrow_types,
    check_parts,
    checked_suffix,
    cut_short,
    damaged_parquet,
    flattened,
    idx_header,
    idx_labels_for,
    labels_by_name,
    line_of,
    lost_rows,
    parquet_parts,
    parse_text,
    parsing,
    place_in_parts,
    read_errors,
    read_file,
    scan_text,
)
from aaetools.datasets.gzipped import open_binary, unpacked_size
from aaetools.datasets.h5ad import OBS_NAMES, read_head, read_rows
from aaetools.datasets.refusals import refused
from aaetools.datasets.tables import Columns, Table, row_position

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["CHUNK_READERS", "TableChunks", "chunk_size", "open_chunks", "sliced"]

_CHUNK_CELLS = 2**21
"""Cells of a chunk: 8 MB of float32, and a few times that while they are checked."""

_WIDE_CHUNK_CELLS = 2**24
"""The same where rows are wide: pandas takes its time for every column of every chunk, so there should be few."""

_MOST_ROWS = 2**17

_BATCH = 2048
"""Chunks hold a multiple of this many rows, so that networks that take that many at once are given the same batches."""

_READ_AHEAD = 2**18
"""Bytes of a column that are read at once; without this, pyarrow takes all that a row group has of it."""


def chunk_size(n_columns: int) -> int:
    """Return how many rows of so many columns make a chunk.

    Examples
    --------
    >>> chunk_size(64), chunk_size(784), chunk_size(1_000_000)
    (32768, 2048, 16)
    """
    rows = min(_MOST_ROWS, _CHUNK_CELLS // max(1, n_columns))
    if rows >= _BATCH or rows == _MOST_ROWS:
        return rows - rows % min(_BATCH, rows)
    return max(1, min(_BATCH, _WIDE_CHUNK_CELLS // n_columns))


@dataclass(frozen=True, eq=False)
class TableChunks(Columns):
    """A file that is read some rows at a time.

    Attributes
    ----------
    path
        The file, for messages.
    length
        Number of rows.
    column_names
        Named columns, as in :class:`Table`.
    chunks
        Called with a number of rows and the names of the columns that are wanted (None: all, and the block), it
        yields tables of that many rows, the last of fewer, in the order of the file. Each knows its ``first_row``.
    block_names, image_shape, unusable, id_name, text, locate
        As in :class:`Table`.
    """

    path: Path
    length: int
    column_names: tuple[str, ...]
    chunks: Callable[[int, Collection[str] | None], Iterator[Table]]
    block_names: tuple[str, ...] = ()
    image_shape: tuple[int, ...] | None = None
    unusable: Mapping[str, str] = field(default_factory=dict)
    id_name: str | None = None
    text: bool = False
    locate: Callable[[int], str] = row_position

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        return list(self.column_names)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.length

    @property
    def has_block(self) -> bool:
        """Whether the features are a block of numbers."""
        return bool(self.block_names)

    @property
    def chunk_size(self) -> int:
        """How many rows suit a chunk."""
        return chunk_size(len(self.column_names) + len(self.block_names))

    def column(self, name: str) -> Iterator[tuple[int, pd.Series[Any]]]:
        """Yield a column piece by piece, each with the row at which it begins."""
        for table in self.chunks(self.chunk_size, [name]):
            yield table.first_row, table.columns[name]

    def has_fractions(self, name: str) -> bool:
        """Tell whether a column is of floats and one of them is no whole number."""
        return any(table.has_fractions(name) for table in self.chunks(self.chunk_size, [name]))

    def is_index(self, name: str) -> bool:
        """Tell whether the cells of a column are integers or text, other in every row."""
        from aaetools.datasets.distinct import first_repeated

        return all(cells.dtype.kind in "iuO" for _, cells in self.column(name)) and first_repeated(self, name) is None

    def place(self, row: int) -> str:
        """Return a row number counted from 0 in words, such as "line 7"."""
        return self.locate(row)


def open_chunks(path: Path) -> TableChunks:
    """Look at a file, or a folder, and return what reads it chunk by chunk.

    Raises
    ------
    DataError
        If the path is no readable file of a supported format, or if what concerns all of it is not in order.
    """
    with read_errors(path):
        suffix = checked_suffix(path)
        if suffix is None:
            parts = parquet_parts(path)
            return _read_parts(path, parts) if parts else sliced(read_file(path))
        if suffix in LABEL_READERS and suffix not in READERS:
            raise labels_by_name(path)
        reader = CHUNK_READERS.get(suffix)
        return sliced(read_file(path)) if reader is None else reader(path)


def sliced(table: Table) -> TableChunks:
    """Hand out a table that is in memory in slices."""

    def chunks(n_rows: int, columns: Collection[str] | None) -> Iterator[Table]:
        for start in range(0, table.n_rows, n_rows):
            rows = slice(start, start + n_rows)
            block = None if table.block is None else table.block[rows]
            yield replace(table, columns=table.columns.iloc[rows].reset_index(drop=True), block=block, first_row=start)

    return TableChunks(
        path=table.path,
        length=table.n_rows,
        column_names=tuple(table.names),
        chunks=chunks,
        block_names=table.block_names,
        image_shape=table.image_shape,
        unusable=table.unusable,
        id_name=table.id_name,
        text=table.text,
        locate=table.locate,
    )


def _exactly(frames: Iterable[pd.DataFrame], n_rows: int) -> Iterator[pd.DataFrame]:
    """Join and cut frames so that each but the last has ``n_rows`` rows."""
    import pandas as pd

    held: list[pd.DataFrame] = []
    n_held = 0
    for frame in frames:
        rest = frame
        if not held and len(frame) == n_rows:  # as it mostly is: no copy
            yield frame
            continue
        while n_held + len(rest) >= n_rows:
            held.append(rest.iloc[: n_rows - n_held])
            rest = rest.iloc[n_rows - n_held :]
            yield pd.concat(held, ignore_index=True)
            held, n_held = [], 0
        if len(rest):
            held.append(rest)
            n_held += len(rest)
    if held:
        yield pd.concat(held, ignore_index=True)


# csv and tsv


def _read_text(path: Path, delimiter: str) -> TableChunks:
    """Look at a text table: its lines are checked once with the csv module, as for :func:`read_text`.

    The types of its columns are those of the whole column, which a second look finds out where there is more than one
    chunk: a column may begin with whole numbers and go on with words.
    """
    header, length = scan_text(path, delimiter)
    if length == 0:
        raise refused(path, "has a header but no rows")
    locate = partial(line_of, path, delimiter)

    @cache
    def types() -> dict[str, _TextType]:
        size = chunk_size(len(header))
        found = {name: _TextType() for name in header}
        for frame in _parsed(path, delimiter, header, length, chunksize=size):
            for name, kind in found.items():
                kind.see(frame[name])
        return found

    def chunks(n_rows: int, columns: Collection[str] | None) -> Iterator[Table]:
        asked = set(header if columns is None else columns)
        wanted = [name for name in header if name in asked]
        known = {name: types()[name] for name in wanted} if n_rows < length else {}
        options: dict[str, Any] = {"dtype": {n: kind.dtype for n, kind in known.items() if kind.dtype is not None}}
        if columns is not None:
            options["usecols"] = wanted
        start = 0
        for frame in _parsed(path, delimiter, header, length, chunksize=n_rows, **options):
            for name, kind in known.items():
                if kind.gappy_booleans:
                    frame[name] = frame[name].astype(object)
            part = Table(path=path, columns=frame, text=True, locate=locate, first_row=start)
            yield replace(part, is_chunk=len(frame) < length)
            start += len(frame)

    return TableChunks(path=path, length=length, column_names=tuple(header), chunks=chunks, text=True, locate=locate)


def _parsed(path: Path, delimiter: str, header: list[str], length: int, **options: Any) -> Iterator[pd.DataFrame]:
    """Yield the frames that pandas parses; all together must have as many rows as the csv module found."""
    import pandas as pd

    n_rows = 0
    with open_binary(path) as file:
        with parsing(path):
            frames = parse_text(file, delimiter, header, **options)
        while True:
            with parsing(path):
                frame = next(frames, None)
            if frame is None:
                break
            n_rows += len(frame)
            frame.columns = pd.Index([str(name) for name in frame.columns], dtype=object)
            yield frame.reset_index(drop=True)
    if n_rows != length:
        raise lost_rows(path, length, n_rows)


class _TextType:
    """The type that pandas gives to a whole column of text cells, from the types that it gives to pieces of it."""

    def __init__(self) -> None:
        self._kinds: set[str] = set()
        self._negative = False

    def see(self, cells: pd.Series[Any]) -> None:
        """Take the next piece into account."""
        kind: str = cells.dtype.kind
        if kind == "f" and bool(cells.isna().all()):
            kind = "gaps"
        elif kind == "O":
            there = cells.dropna()
            if all(isinstance(cell, bool) for cell in there):
                kind = "b"
                self._kinds.add("gaps")
            else:  # whole numbers of more than 64 bits stay text, but among fractions they are floats
                kind = "long" if all(map(_is_plain_number, there)) else "text"
        elif kind == "i":
            self._negative = self._negative or bool((cells < 0).any())
        self._kinds.add(kind)

    @property
    def gappy_booleans(self) -> bool:
        """Whether the column is of booleans with missing cells, which are objects."""
        return self._kinds == {"b", "gaps"}

    @property
    def dtype(self) -> str | None:
        """What a piece of the column must be read as; None where pandas finds it out by itself."""
        kinds = self._kinds - {"gaps"}
        if "text" in kinds or ("b" in kinds and kinds != {"b"}):
            return "object"
        if kinds <= {"b"}:
            return None
        if "f" in kinds:
            return "float64"
        if "long" in kinds or ("u" in kinds and (self._negative or "gaps" in self._kinds)):
            return "object"
        if "gaps" in self._kinds:
            return "float64"
        return "uint64" if "u" in kinds else "int64"


def _is_plain_number(cell: str) -> bool:
    digits = cell.strip().lstrip("+-")
    return digits.isdigit() and digits.isascii()


# parquet


def _read_parquet(path: Path) -> TableChunks:
    """Look at a parquet file; its rows are decoded as they are asked for, also within one row group."""
    return _arrow_chunks(path, [path], None)


def _read_parts(path: Path, parts: list[Path]) -> TableChunks:
    """Look at parquet files with the same columns, which are one table."""
    check_parts(path, parts, whole=False)
    return _arrow_chunks(path, parts, place_in_parts)


def _arrow_chunks(
    path: Path, parts: list[Path], places: Callable[[list[Path], list[int]], Callable[[int], str]] | None
) -> TableChunks:
    import pyarrow.parquet as pq

    sizes, types = [], []
    for part in parts:
        with damaged_parquet(part), pq.ParquetFile(part) as file:
            check_arrow_types(part, file.schema_arrow)
            sizes.append(file.metadata.num_rows)
            types.append(arrow_frame(file.schema_arrow.empty_table()).dtypes)
            names = [str(name) for name in file.schema_arrow.names]
    joined = _joined_types(types)
    locate, length = row_position if places is None else places(parts, sizes), sum(sizes)

    def chunks(n_rows: int, columns: Collection[str] | None) -> Iterator[Table]:
        asked = set(names if columns is None else columns)
        wanted = [name for name in names if name in asked]
        common = {name: kind for name, kind in joined.items() if name in asked}
        frames = (frame for part in parts for frame in _decoded(part, n_rows, wanted, common))
        start = 0
        for frame in _exactly(frames, n_rows):
            part = Table(path=path, columns=frame, locate=locate, first_row=start)
            yield replace(part, is_chunk=len(frame) < length)
            start += len(frame)
        if start != length:  # a damaged file may end early without a word
            raise cut_short(path, length, start)

    return TableChunks(path=path, length=length, column_names=tuple(names), chunks=chunks, locate=locate)


def _decoded(part: Path, n_rows: int, wanted: list[str], common: dict[str, np.dtype[Any]]) -> Iterator[pd.DataFrame]:
    """Yield the rows of one file, at most so many at a time, in the types that its columns have in all files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with damaged_parquet(part):
        file = pq.ParquetFile(part, buffer_size=_READ_AHEAD, pre_buffer=False)
    with file:
        batches = file.iter_batches(batch_size=n_rows, columns=wanted, use_threads=False)
        while True:
            with damaged_parquet(part):
                batch = next(batches, None)
                if batch is None:
                    return
                frame = arrow_frame(pa.Table.from_batches([batch]))
            here = {name: kind for name, kind in common.items() if frame.dtypes[name] != kind}
            # integers with gaps came as floats, and stay so
            changed = {name: kind for name, kind in here.items() if not (kind.kind in "iu" and frame[name].hasnans)}
            yield frame.astype(changed) if changed else frame


def _joined_types(types: list[Any]) -> dict[str, np.dtype[Any]]:
    """Return the type that pandas gives to each column joined from frames with these types, where they differ."""
    import numpy as np
    import pandas as pd

    joined = {}
    for name, *kinds in zip(types[0].index, *types, strict=True):
        if any(kind != kinds[0] for kind in kinds):
            rows = [pd.DataFrame({name: np.zeros(1, k if isinstance(k, np.dtype) else object)}) for k in kinds]
            joined[str(name)] = pd.concat(rows).dtypes.iloc[0]
    return joined


# npy and IDX


def _read_npy(path: Path) -> TableChunks:
    """Look at an array of features; one that is stored column by column is read as a whole."""
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            header = array_header(path, file, size, "array")
            offset = file.tell()
    except UnusableError as error:
        raise refused(path, f"array: {error}") from None
    return sliced(read_file(path)) if header.fortran_order else _array_chunks(path, header, offset)


def _read_idx(path: Path) -> TableChunks:
    """Look at an array of images; the labels beside it, one byte each, are read as a whole."""
    size = unpacked_size(path, limited=False)
    with open_binary(path) as file:
        header = idx_header(path, file, size)
        offset = file.tell()
    return _array_chunks(path, header, offset, beside=True)


def _array_chunks(path: Path, header: ArrayHeader, offset: int, *, beside: bool = False) -> TableChunks:
    """Read the rows of an array one after another; they begin ``offset`` bytes into the file."""
    import numpy as np
    import pandas as pd

    shape, dtype = header.shape, header.dtype
    # an array of that shape which takes no memory: names, and what is wrong with shapes, come as for a real one
    _, names, image_shape = flattened(path, np.broadcast_to(np.zeros((), dtype=dtype), shape), "array")
    columns = idx_labels_for(path, shape[0]) if beside else pd.DataFrame()
    row_bytes = math.prod(shape[1:]) * dtype.itemsize

    def chunks(n_rows: int, wanted: Collection[str] | None) -> Iterator[Table]:
        for start in range(0, shape[0], n_rows) if wanted is not None else ():
            rows = columns.iloc[start : start + n_rows].reset_index(drop=True)
            yield Table(path=path, columns=rows, first_row=start)
        if wanted is not None:
            return
        with open_binary(path) as file:
            file.read(offset)
            for start in range(0, shape[0], n_rows):
                n_here = min(n_rows, shape[0] - start)
                with read_errors(path):
                    content = file.read(n_here * row_bytes)
                if len(content) != n_here * row_bytes:  # the file has changed meanwhile
                    raise refused(path, "truncated or damaged")
                values = np.frombuffer(content, dtype=dtype).reshape(n_here, *shape[1:])
                yield Table(
                    path=path,
                    columns=columns.iloc[start : start + n_rows].reset_index(drop=True),
                    block=values.astype(dtype.newbyteorder("="), copy=False).reshape(n_here, len(names)),
                    block_names=names,
                    image_shape=image_shape,
                    first_row=start,
                    is_chunk=n_here < shape[0],
                )

    return TableChunks(
        path=path,
        length=shape[0],
        column_names=tuple(str(name) for name in columns.columns),
        chunks=chunks,
        block_names=names,
        image_shape=image_shape,
    )


# h5ad


def _read_h5ad(path: Path) -> TableChunks:
    """Look at an AnnData file: what it says of its rows is kept in memory, its matrix is not."""
    head = read_head(path)
    if head.kind == "csc":  # its values come column by column
        return sliced(read_file(path))

    def chunks(n_rows: int, columns: Collection[str] | None) -> Iterator[Table]:
        blocks = repeat(None) if columns is not None else read_rows(path, n_rows)
        for start, block in zip(range(0, head.shape[0], n_rows), blocks, strict=False):
            rows = head.columns.iloc[start : start + n_rows].reset_index(drop=True)
            if block is None:
                yield Table(path=path, columns=rows, first_row=start)
            else:
                yield replace(head.table(block), columns=rows, first_row=start)

    return TableChunks(
        path=path,
        length=head.shape[0],
        column_names=tuple(str(name) for name in head.columns.columns),
        chunks=chunks,
        block_names=head.names,
        unusable=head.unusable,
        id_name=OBS_NAMES,
    )


CHUNK_READERS: dict[str, Callable[[Path], TableChunks]] = {
    ".csv": partial(_read_text, delimiter=","),
    ".csv.gz": partial(_read_text, delimiter=","),
    ".tsv": partial(_read_text, delimiter="\t"),
    ".tsv.gz": partial(_read_text, delimiter="\t"),
    ".parquet": _read_parquet,
    ".npy": _read_npy,
    ".h5ad": _read_h5ad,
    **dict.fromkeys((".idx", ".idx.gz", "idx3-ubyte", "idx3-ubyte.gz"), _read_idx),
}
"""End of a file's name in lower case to the function that reads such a file in chunks."""
