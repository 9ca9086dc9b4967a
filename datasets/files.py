"""Readers of data files: from a path to a :class:`Table`, one function per format in :data:`READERS`.

Files are foreign. No reader runs code from a file (no pickle), none allocates what a header merely claims,
and whatever is wrong with a file ends in a :class:`DataError`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aaetools.datasets.messages import did_you_mean, listing, quote
from aaetools.datasets.tables import MAX_FEATURES, NA_WORDS, Table, is_text
from aaetools.exceptions import DataError

if TYPE_CHECKING:
    import zipfile

    from numpy.typing import NDArray

__all__ = ["FEATURE_ARRAYS", "READERS", "read_file"]

FEATURE_ARRAYS = ("X", "x", "data")
"""Arrays of an npz file that can hold the features."""

# First bytes of a file, what that is, and the suffix it should have (None: not supported).
MAGIC: tuple[tuple[bytes, str, str | None], ...] = (
    (b"PAR1", "a parquet file", ".parquet"),
    (b"\x93NUMPY", "a npy file", ".npy"),
    (b"PK\x03\x04", "a zip archive, as npz files are", ".npz"),
    (b"PK\x05\x06", "an empty zip archive", ".npz"),
    (b"\x1f\x8b", "compressed by gzip", None),
    (b"BZh91AY&SY", "compressed by bzip2", None),
    (b"\xfd7zXZ\x00", "compressed by xz", None),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", None),
    (b"\x89HDF\r\n", "a HDF5 file", None),
    (b"\xff\xfe", "text in UTF-16", None),
    (b"\xfe\xff", "text in UTF-16", None),
    (b"%PDF-", "a PDF document", None),
    (b"\x89PNG", "a picture", None),
    (b"\xff\xd8\xff", "a picture", None),
    (b"SQLite format 3\x00", "a SQLite database", None),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", None),
)

BINARY = {suffix: what for _, what, suffix in reversed(MAGIC) if suffix is not None}

# Bytes per value while loading: float64 on the way and float32 in the end.
_BYTES_PER_VALUE = 12


def read_file(path: Path) -> Table:
    """Read a data file with the reader of its suffix, after checking that its content is of that kind.

    Raises
    ------
    DataError
        If the path is no readable file of a supported format.
    """
    suffix = path.suffix.lower()
    _check_path(path)
    if suffix not in READERS:
        hint = "unpack it first; " if suffix in {".gz", ".bz2", ".xz", ".zst", ".zip"} else ""
        what = f"files ending in {quote(suffix)}" if suffix else "files without a suffix"
        raise _error(path, f"{what} cannot be read; {hint}supported are {', '.join(READERS)}")
    try:
        if path.stat().st_size == 0:
            raise _error(path, "is empty")
        with path.open("rb") as file:
            _check_magic(path, file.read(64), suffix)
        return READERS[suffix](path)
    except MemoryError:
        raise _error(path, "does not fit into memory") from None
    except OSError as error:
        raise _error(path, f"cannot be read ({_reason(error)})") from None


def _error(path: Path, problem: str, line: int | None = None) -> DataError:
    return DataError(f"{quote(path)}: {'' if line is None else f'line {line}: '}{problem}")


def _reason(error: BaseException) -> str:
    """Return what another library says about a failure, as part of one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(text.split())[:200]
    return "".join(c if c.isprintable() else "?" for c in line) or type(error).__name__


def _check_path(path: Path) -> None:
    # os.path answers False where Path.exists raises, as for names that are too long
    if not os.path.exists(path):
        folder = path.parent
        try:
            names = [entry.name for entry in folder.iterdir()]
        except (OSError, ValueError):
            names = []
        raise _error(path, f"no such file{did_you_mean(path.name, names)}")
    if path.is_dir():
        raise _error(path, f"is a folder; name one file in it ({', '.join(READERS)})")
    if not path.is_file():
        raise _error(path, "is not a regular file")


def _check_magic(path: Path, start: bytes, suffix: str) -> None:
    """Refuse a file whose first bytes say that it is something else than its suffix says."""
    for magic, what, proper in MAGIC:
        if not start.startswith(magic):
            continue
        if proper == suffix:
            return
        advice = "convert it" if proper is None else f"rename it to {proper}"
        if what.startswith("compressed"):
            advice = "unpack it first"
        if "UTF-16" in what:
            advice = "save it as UTF-8"
        raise _error(path, f"is {what}, not a {suffix[1:]} file; {advice}")
    if suffix in BINARY:
        raise _error(path, f"is not {BINARY[suffix]}; the file is damaged or has the wrong suffix")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise _error(path, f"is a web page or XML, not a {suffix[1:]} file; download the data itself")


def _check_size(path: Path, n_bytes: int, what: str = "the file") -> None:
    """Refuse what needs more than half of the machine's memory, before any of it is allocated."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # unknown on this system
        physical = 2**34
    if n_bytes > physical // 2:
        raise _error(
            path,
            f"{what} needs {n_bytes / 2**30:,.1f} GiB of memory, more than half of this machine's "
            f"{physical / 2**30:,.1f} GiB; split it or take a part of the rows",
        )


# csv and tsv


def read_text(path: Path, delimiter: str) -> Table:
    """Read a text table in UTF-8 whose first line names the columns.

    Line structure is checked with the csv module before pandas parses the cells, because pandas fills short
    lines with missing values, and a missing label would pass for an unlabelled row.

    Parameters
    ----------
    path
        The file; blank lines are skipped, a byte-order mark is accepted.
    delimiter
        One character between the cells.
    """
    import warnings

    import pandas as pd

    header, n_rows = _scan(path, delimiter)
    _check_size(path, n_rows * len(header) * _BYTES_PER_VALUE)
    if n_rows == 0:
        raise _error(path, "has a header but no rows")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells would be lost
            frame = pd.read_csv(
                path,
                sep=delimiter,
                encoding="utf-8-sig",
                header=0,
                index_col=False,
                skipinitialspace=True,
                low_memory=False,  # one type per column
                keep_default_na=False,
                na_values=list(NA_WORDS),
            )
    except (ValueError, OverflowError, RecursionError, pd.errors.ParserWarning) as error:
        raise _error(path, f"cannot be parsed ({_reason(error)})") from None
    if frame.shape != (n_rows, len(header)):
        raise _error(path, f"cannot be parsed: {n_rows} lines of data give {len(frame)} rows; check its quotes")
    frame.columns = pd.Index(header, dtype=object)
    return Table(path=path, columns=frame, text=True, locate=partial(_line_of, path, delimiter))


def _records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line and the cells of each record; blank lines are skipped."""
    import csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_lines(path, file), delimiter=delimiter, skipinitialspace=True, strict=True)
        line = 1
        while True:
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise _error(path, f"{_reason(error)}; check its quotes", line) from None
            if record not in ([], [""]):
                yield line, record
            line = reader.line_num + 1


def _lines(path: Path, file: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if "\0" in line:
            raise _error(path, "holds a NUL character, so it is not a text table", number)
        yield line


def _scan(path: Path, delimiter: str) -> tuple[list[str], int]:
    """Return column names and number of rows; refuse text that is no table in UTF-8."""
    header: list[str] | None = None
    n_rows = 0
    try:
        for line, record in _records(path, delimiter):
            if header is None:
                header = [name.strip() for name in record]
                _check_header(path, header, delimiter, line)
            elif len(record) != len(header):
                raise _error(path, f"the number of cells is {len(record)}, but the header names {len(header)}", line)
            else:
                n_rows += 1
    except UnicodeDecodeError:
        line, byte = _first_undecodable(path)
        raise _error(path, f"byte 0x{byte:02x} is not UTF-8 text; save the file as UTF-8", line) from None
    if header is None:
        raise _error(path, "is empty")
    return header, n_rows


def _first_undecodable(path: Path) -> tuple[int, int]:
    """Return line and value of the first byte that is not UTF-8."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return 0, 0  # only if the file has changed meanwhile


def _check_header(path: Path, header: list[str], delimiter: str, line: int) -> None:
    """Refuse a first line that does not name columns."""
    if len(header) > MAX_FEATURES + 2:
        raise _error(path, f"names {len(header):,} columns; at most {MAX_FEATURES:,} are supported", line)
    if len(header) == 1:
        for other, advice in (
            ("\t", "rename it to .tsv"),
            (";", "save it with commas"),
            (",", "rename it to .csv"),
        ):
            if other != delimiter and other in header[0]:
                raise _error(path, f"cells seem to be separated by {quote(other)}; {advice}", line)
    seen: set[str] = set()
    for name in header:
        if name in seen:
            problem = f"column {quote(name)}: the name occurs more than once; rename or drop one of the columns"
            raise _error(path, problem, line)
        seen.add(name)
    # a frame without names is saved with the header 0, 1, 2, ...; other numbers are a row of data
    numbers = [_is_number(name) for name in header]
    if all(numbers) and header != [str(int(float(header[0])) + i) for i in range(len(header))]:
        raise _error(path, "holds numbers where the column names should be; add a header line", line)


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def _line_of(path: Path, delimiter: str, row: int) -> str:
    """Return where a row starts: "line 7"; read again, because only error messages need it."""
    for position, (line, _) in enumerate(_records(path, delimiter)):
        if position == row + 1:  # the header is the first record
            return f"line {line}"
    return f"row {row} (counted from 0)"


# parquet


def read_parquet(path: Path) -> Table:
    """Read a parquet file of numbers, booleans and text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            _check_size(path, file.metadata.num_rows * len(file.schema_arrow) * _BYTES_PER_VALUE)
            _check_arrow_types(path, file.schema_arrow)
            table = file.read()
        for position, column in enumerate(table.schema):
            if pa.types.is_decimal(column.type):
                table = table.set_column(position, column.name, table.column(position).cast(pa.float64()))
        # the metadata would turn columns back into an index, out of sight
        frame = table.to_pandas(ignore_metadata=True)
    except (DataError, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, TypeError, KeyError) as error:
        raise _error(path, f"cannot be read, truncated or damaged ({_reason(error)})") from None
    return Table(path=path, columns=frame)


def _check_arrow_types(path: Path, schema: Any) -> None:
    """Refuse columns that are neither numbers nor booleans nor text."""
    from pyarrow import types

    known = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_decimal,
        types.is_string,
        types.is_large_string,
        types.is_null,
    )
    for column in schema:
        kind = column.type.value_type if types.is_dictionary(column.type) else column.type
        if not any(is_known(kind) for is_known in known):
            problem = f"column {quote(column.name)}: holds {quote(column.type)}; drop it or encode it as numbers"
            raise _error(path, problem)


# npy and npz


def read_npy(path: Path) -> Table:
    """Read one array of features without labels.

    Its shape is (n, d), (n, height, width) or (n, height, width, channels).
    """
    import pandas as pd

    with path.open("rb") as file:
        try:
            array = _read_array(path, file, path.stat().st_size, "array")
        except _UnusableError as error:
            raise _error(path, f"array: {error}") from None
    block, names, image_shape = _flattened(path, array, "array")
    return Table(path=path, columns=pd.DataFrame(), block=block, block_names=names, image_shape=image_shape)


def read_npz(path: Path) -> Table:
    """Read features from the array ``X`` (or ``x``, ``data``), and arrays with one entry per row beside it.

    An array ``feature_names`` of text names the features.
    """
    import pandas as pd

    with _archive(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise _error(path, "two arrays have the same name")
        found = [name for name in FEATURE_ARRAYS if name in members]
        if len(found) != 1:
            held = listing(found or members) or "nothing"
            problem = f"the features must be in one array named {' or '.join(FEATURE_ARRAYS)}"
            raise _error(path, f"{problem}, but the file holds {held}")
        main = f"array {quote(found[0])}"
        try:
            X = _read_member(path, archive, members.pop(found[0]))
        except _UnusableError as error:
            raise _error(path, f"{main}: {error}") from None
        block, names, image_shape = _flattened(path, X, main)
        columns: dict[str, NDArray[Any]] = {}
        unusable: dict[str, str] = {}
        for name, info in members.items():
            try:
                array = _read_member(path, archive, info)
                if name == "feature_names" and array.dtype.kind == "U" and array.shape == (len(names),):
                    names = tuple(str(entry) for entry in array)
                else:
                    columns[name] = _one_per_row(array, len(block))
            except _UnusableError as error:
                unusable[name] = str(error)
    if len(set(names)) != len(names):
        raise _error(path, "array 'feature_names': a name occurs more than once")
    return Table(
        path=path,
        columns=pd.DataFrame(columns),
        block=block,
        block_names=names,
        image_shape=image_shape,
        unusable=unusable,
    )


class _UnusableError(Exception):
    """An array beside the features cannot be labels or row ids; only a problem if it is asked for."""


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive; every way in which it can be damaged becomes a DataError."""
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (DataError, MemoryError):
        raise
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,  # encrypted
        ValueError,
        OverflowError,
        IndexError,
        KeyError,
    ) as error:
        raise _error(path, f"cannot be read, truncated or damaged ({_reason(error)})") from None


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    import zipfile

    name = info.filename.removesuffix(".npy")
    if name == info.filename:
        raise _UnusableError("is not an array")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _error(path, f"array {quote(name)}: compressed in a way that numpy does not write")
    with archive.open(info) as stream:
        return _read_array(path, stream, info.file_size, f"array {quote(name)}")


def _read_array(path: Path, stream: IO[bytes], size: int, what: str) -> NDArray[Any]:
    """Read one npy stream of ``size`` bytes; its header must agree with that before memory is allocated."""
    import math
    import tokenize
    import warnings

    import numpy as np

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of odd headers, which are judged here
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, dtype = read_header(stream)
    except KeyError:
        raise _error(path, f"{what}: unknown version of the npy format") from None
    except (
        ValueError,
        TypeError,
        SyntaxError,
        OverflowError,
        RecursionError,
        AttributeError,
        tokenize.TokenError,
    ):
        raise _error(path, f"{what}: truncated or damaged header") from None
    if dtype.hasobject:
        raise _UnusableError("holds Python objects, which are never unpickled; save numbers or text")
    n_values = math.prod(shape)
    if min(shape, default=0) < 0 or dtype.itemsize == 0:
        raise _error(path, f"{what}: impossible shape {shape} of {dtype}")
    announced = n_values * dtype.itemsize
    header_bytes = stream.tell()
    if header_bytes + announced != size:
        raise _error(
            path,
            f"{what}: its header announces {announced:,} bytes of values, but there are "
            f"{size - header_bytes:,}; truncated or damaged",
        )
    _check_size(path, announced + n_values * 4, what)
    buffer = stream.read(announced)
    if len(buffer) != announced:
        raise _error(path, f"{what}: truncated or damaged")
    return np.frombuffer(buffer, dtype=dtype).reshape(shape, order="F" if fortran_order else "C")


def _flattened(
    path: Path, array: NDArray[Any], what: str
) -> tuple[NDArray[Any], tuple[str, ...], tuple[int, ...] | None]:
    """Return features of shape (n, d), their names, and the shape of a row if rows are images."""
    import math

    if array.dtype.kind not in "iufb":
        raise _error(path, f"{what}: holds {array.dtype}; features must be real numbers or booleans")
    if array.ndim not in (2, 3, 4):
        raise _error(
            path,
            f"{what}: has shape {array.shape}; features need (rows, columns), (rows, height, width) or "
            "(rows, height, width, channels)",
        )
    if array.ndim == 4 and array.shape[3] > 4 >= array.shape[1]:
        raise _error(path, f"{what}: has shape {array.shape}; move the channels to the end: transpose(0, 2, 3, 1)")
    row_shape = array.shape[1:]
    n_features = math.prod(row_shape)
    if n_features > MAX_FEATURES:
        raise _error(path, f"{what}: has {n_features:,} features per row; at most {MAX_FEATURES:,} are supported")
    block = array.reshape(len(array), n_features)
    if array.ndim == 2:
        return block, tuple(f"x{i}" for i in range(n_features)), None
    import numpy as np

    names = tuple("pixel_" + "_".join(map(str, index)) for index in np.ndindex(*row_shape))
    return block, names, row_shape


def _one_per_row(array: NDArray[Any], n_rows: int) -> NDArray[Any]:
    """Return an array that can be a column: one entry per row, in a type that pandas knows."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise _UnusableError(f"has shape {array.shape}, not one entry per row (one-hot rows: save their argmax)")
    if len(array) != n_rows:
        raise _UnusableError(f"has {len(array)} entries for {n_rows} rows of features")
    if array.dtype.kind not in "iufbUS":
        raise _UnusableError(f"holds {array.dtype}, not integers, text or booleans")
    try:
        if array.dtype.kind == "S":
            return _objects(entry.decode("utf-8") for entry in array.tolist())
        if array.dtype.kind == "U":
            return _texts(array)
    except ValueError:
        raise _UnusableError("holds text that cannot be decoded") from None
    return array.astype(array.dtype.newbyteorder("=") if array.dtype.kind in "iub" else "f8")


def _texts(array: NDArray[Any]) -> NDArray[Any]:
    """Return strings as objects; numpy keeps any code, but half of a surrogate pair cannot be written."""
    texts = array.astype(object)
    for row, text in enumerate(texts):
        if not is_text(text):
            raise _UnusableError(
                f"holds half of a surrogate pair in {quote(text)} at row {row} (counted from 0), which is no character"
            )
    return texts


def _objects(values: Iterator[str]) -> NDArray[Any]:
    import numpy as np

    return np.array(list(values), dtype=object)


READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": partial(read_text, delimiter=","),
    ".tsv": partial(read_text, delimiter="\t"),
    ".parquet": read_parquet,
    ".npz": read_npz,
    ".npy": read_npy,
}
"""Suffix in lower case to the function that reads such a file."""
