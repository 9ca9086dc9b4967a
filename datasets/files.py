"""Readers of data files: from a path to a :class:`Table`, one function per format in :data:`READERS`.

Files are foreign. No reader runs code from a file (no pickle), none allocates what a header merely claims,
and whatever is wrong with a file ends in a :class:`DataError`.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aaetools.datasets.gzipped import open_binary, unpacked_size
from aaetools.datasets.h5ad import read_h5ad
from aaetools.datasets.messages import did_you_mean, listing, quote
from aaetools.datasets.refusals import BYTES_PER_VALUE, check_size, reason, refused
from aaetools.datasets.sparse import check_sparse_shape, written_out
from aaetools.datasets.tables import MAX_FEATURES, NA_WORDS, Table, is_text
from aaetools.exceptions import AAEToolsError, DataError

if TYPE_CHECKING:
    import zipfile

    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["FEATURE_ARRAYS", "READERS", "read_file", "suffix_of"]

FEATURE_ARRAYS = ("X", "x", "data")
"""Arrays of an npz file that can hold the features."""

# First bytes of a file, what that is, and the suffix it should have (None: not supported).
MAGIC: tuple[tuple[bytes, str, str | None], ...] = (
    (b"PAR1", "a parquet file", ".parquet"),
    (b"\x93NUMPY", "a npy file", ".npy"),
    (b"PK\x03\x04", "a zip archive, as npz files are", ".npz"),
    (b"PK\x05\x06", "an empty zip archive", ".npz"),
    (b"\x1f\x8b", "compressed by gzip", ".gz"),
    (b"BZh91AY&SY", "compressed by bzip2", None),
    (b"\xfd7zXZ\x00", "compressed by xz", None),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", None),
    (b"\x89HDF\r\n", "a HDF5 file", ".h5ad"),
    (b"\xff\xfe", "text in UTF-16", None),
    (b"\xfe\xff", "text in UTF-16", None),
    (b"%PDF-", "a PDF document", None),
    (b"\x89PNG", "a picture", None),
    (b"\xff\xd8\xff", "a picture", None),
    (b"SQLite format 3\x00", "a SQLite database", None),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", None),
)

BINARY = {suffix: what for _, what, suffix in reversed(MAGIC) if suffix is not None}


def read_file(path: Path, *, labels: bool = False) -> Table:
    """Read a data file with the reader of its suffix, or a folder, after checking that its content is of that kind.

    Parameters
    ----------
    path
        The file, or a folder of parquet files or of pictures.
    labels
        Whether the file holds labels for another one, so that one value per row is enough.

    Raises
    ------
    DataError
        If the path is no readable file of a supported format.
    """
    with read_errors(path):
        suffix = checked_suffix(path)
        if suffix is None:
            return read_folder(path)
        reader = LABEL_READERS.get(suffix) if labels else None
        reader = reader or READERS.get(suffix)
        if reader is None:
            raise labels_by_name(path)
        return reader(path)


def checked_suffix(path: Path) -> str | None:
    """Return the key of the readers that a file's name ends with, None for a folder.

    Raises
    ------
    DataError
        If there is no such file, if no reader knows the suffix, or if the content is of another kind than it says.
    """
    _check_path(path)
    if path.is_dir():
        return None
    suffix = suffix_of(path)
    if suffix is None:
        raise _unknown(path)
    if path.stat().st_size == 0:
        raise refused(path, "is empty")
    with path.open("rb") as file:
        _check_magic(path, file.read(64), suffix)
    if suffix.endswith(".gz"):
        with open_binary(path) as file:
            _check_magic(path, file.read(64), suffix.removesuffix(".gz"))
    return suffix


def labels_by_name(path: Path) -> DataError:
    """Return the error for a file of labels that was given as the data."""
    return refused(path, "holds labels by its name; name the file of images, and this one with target=")


@contextmanager
def read_errors(path: Path) -> Iterator[None]:
    """Turn what the system says against reading a file into a DataError."""
    try:
        yield
    except MemoryError:
        raise refused(path, "does not fit into memory") from None
    except OSError as error:
        if isinstance(error, AAEToolsError):
            raise
        raise refused(path, f"cannot be read ({reason(error)})") from None


def suffix_of(path: Path) -> str | None:
    """Return the key of the readers that a file's name ends with, None if there is none."""
    name = path.name.lower()
    return max((suffix for suffix in {**READERS, **LABEL_READERS} if name.endswith(suffix)), key=len, default=None)


def _unknown(path: Path) -> DataError:
    suffix = path.suffix.lower()
    hint = "unpack it first; " if suffix in {".gz", ".bz2", ".xz", ".zst", ".zip"} else ""
    what = f"files ending in {quote(suffix)}" if suffix else "files without a suffix"
    return refused(path, f"{what} cannot be read; {hint}supported are {', '.join(READERS)}")


def _check_path(path: Path) -> None:
    # os.path answers False where Path.exists raises, as for names that are too long
    if not os.path.exists(path):
        folder = path.parent
        try:
            names = [entry.name for entry in folder.iterdir()]
        except (OSError, ValueError):
            names = []
        raise refused(path, f"no such file{did_you_mean(path.name, names)}")
    if not path.is_file() and not path.is_dir():
        raise refused(path, "is not a regular file")


def _check_magic(path: Path, start: bytes, suffix: str) -> None:
    """Refuse a file whose first bytes say that it is something else than its suffix says."""
    for magic, what, proper in MAGIC:
        if not start.startswith(magic):
            continue
        if proper == suffix or (proper == ".gz" and suffix.endswith(".gz")):
            return
        advice = "convert it" if proper is None else f"rename it to {proper}"
        if what.startswith("compressed"):
            advice = "unpack it first"
        if proper == ".h5ad":  # HDF5 holds much else
            advice = "rename it to .h5ad if it is AnnData's, else convert it"
        if "UTF-16" in what:
            advice = "save it as UTF-8"
        raise refused(path, f"is {what}, not a {suffix[1:]} file; {advice}")
    expected = ".gz" if suffix.endswith(".gz") else suffix
    if expected in BINARY:
        raise refused(path, f"is not {BINARY[expected]}; the file is damaged or has the wrong suffix")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise refused(path, f"is a web page or XML, not a {suffix[1:]} file; download the data itself")


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
    import pandas as pd

    unpacked_size(path)
    header, n_rows = scan_text(path, delimiter)
    check_size(path, n_rows * len(header) * BYTES_PER_VALUE)
    if n_rows == 0:
        raise refused(path, "has a header but no rows")
    with parsing(path), open_binary(path) as file:
        frame = parse_text(file, delimiter, header)
    if frame.shape != (n_rows, len(header)):
        raise lost_rows(path, n_rows, len(frame))
    frame.columns = pd.Index(header, dtype=object)
    return Table(path=path, columns=frame, text=True, locate=partial(line_of, path, delimiter))


def parse_text(file: IO[bytes], delimiter: str, header: list[str], **options: Any) -> Any:
    """Let pandas parse a text table whose structure was checked; ``options`` go to ``pandas.read_csv``."""
    import pandas as pd

    return pd.read_csv(
        file,
        sep=delimiter,
        encoding="utf-8-sig",
        header=0,
        names=header,
        index_col=False,
        skipinitialspace=True,
        low_memory=False,  # one type per column
        keep_default_na=False,
        na_values=list(NA_WORDS),
        **options,
    )


@contextmanager
def parsing(path: Path) -> Iterator[None]:
    """Turn what pandas says against a text into a DataError."""
    import warnings

    import pandas as pd

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # cells would be lost
            yield
    except (ValueError, OverflowError, RecursionError, pd.errors.ParserWarning) as error:
        if isinstance(error, AAEToolsError):
            raise
        raise refused(path, f"cannot be parsed ({reason(error)})") from None


def lost_rows(path: Path, n_lines: int, n_rows: int) -> DataError:
    """Return the error for a text of which pandas makes other rows than the csv module."""
    return refused(path, f"cannot be parsed: {n_lines} lines of data give {n_rows} rows; check its quotes")


def records_of(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the first line and the cells of each record; blank lines are skipped."""
    import csv

    with open_binary(path) as binary, io.TextIOWrapper(binary, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_lines(path, file), delimiter=delimiter, skipinitialspace=True, strict=True)
        line = 1
        while True:
            try:
                record = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise refused(path, f"{reason(error)}; check its quotes", line) from None
            if record not in ([], [""]):
                yield line, record
            line = reader.line_num + 1


def _lines(path: Path, file: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(file, start=1):
        if "\0" in line:
            raise refused(path, "holds a NUL character, so it is not a text table", number)
        yield line


def scan_text(path: Path, delimiter: str) -> tuple[list[str], int]:
    """Return column names and number of rows; refuse text that is no table in UTF-8."""
    header: list[str] | None = None
    n_rows = 0
    try:
        for line, record in records_of(path, delimiter):
            if header is None:
                header = [name.strip() for name in record]
                _check_header(path, header, delimiter, line)
            elif len(record) != len(header):
                raise refused(path, f"the number of cells is {len(record)}, but the header names {len(header)}", line)
            else:
                n_rows += 1
    except UnicodeDecodeError:
        line, byte = _first_undecodable(path)
        raise refused(path, f"byte 0x{byte:02x} is not UTF-8 text; save the file as UTF-8", line) from None
    if header is None:
        raise refused(path, "is empty")
    return header, n_rows


def _first_undecodable(path: Path) -> tuple[int, int]:
    """Return line and value of the first byte that is not UTF-8."""
    with open_binary(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return number, line[error.start]
    return 0, 0  # only if the file has changed meanwhile


def _check_header(path: Path, header: list[str], delimiter: str, line: int) -> None:
    """Refuse a first line that does not name columns."""
    if len(header) > MAX_FEATURES + 2:
        raise refused(path, f"names {len(header):,} columns; at most {MAX_FEATURES:,} are supported", line)
    if len(header) == 1:
        for other, advice in (
            ("\t", "rename it to .tsv"),
            (";", "save it with commas"),
            (",", "rename it to .csv"),
        ):
            if other != delimiter and other in header[0]:
                raise refused(path, f"cells seem to be separated by {quote(other)}; {advice}", line)
    seen: set[str] = set()
    for name in header:
        if name in seen:
            problem = f"column {quote(name)}: the name occurs more than once; rename or drop one of the columns"
            raise refused(path, problem, line)
        seen.add(name)
    # a frame without names is saved with the header 0, 1, 2, ...; other numbers are a row of data
    numbers = [_is_number(name) for name in header]
    if all(numbers) and header != [str(int(float(header[0])) + i) for i in range(len(header))]:
        raise refused(path, "holds numbers where the column names should be; add a header line", line)


def _is_number(text: str) -> bool:
    try:
        return abs(float(text)) < float("inf")
    except ValueError:
        return False


def line_of(path: Path, delimiter: str, row: int) -> str:
    """Return where a row starts: "line 7"; read again, because only error messages need it."""
    for position, (line, _) in enumerate(records_of(path, delimiter)):
        if position == row + 1:  # the header is the first record
            return f"line {line}"
    return f"row {row} (counted from 0)"


# parquet


def read_parquet(path: Path) -> Table:
    """Read a parquet file of numbers, booleans and text."""
    return Table(path=path, columns=_parquet_frame(path))


def _parquet_frame(path: Path) -> pd.DataFrame:
    import pyarrow.parquet as pq

    with damaged_parquet(path), pq.ParquetFile(path) as file:
        check_size(path, file.metadata.num_rows * len(file.schema_arrow) * BYTES_PER_VALUE)
        check_arrow_types(path, file.schema_arrow)
        table, announced = file.read(), file.metadata.num_rows
        if table.num_rows != announced:
            raise cut_short(path, announced, table.num_rows)
        return arrow_frame(table)


def arrow_frame(table: Any) -> pd.DataFrame:
    """Return an arrow table of checked types as a data frame."""
    import pyarrow as pa

    for position, column in enumerate(table.schema):
        if pa.types.is_decimal(column.type):
            table = table.set_column(position, column.name, table.column(position).cast(pa.float64()))
    # pandas' own metadata would turn columns back into an index, out of sight; they are read, and may be damaged, even
    # where they are to be ignored
    frame: pd.DataFrame = table.replace_schema_metadata(None).to_pandas(ignore_metadata=True)
    return frame


def cut_short(path: Path, announced: int, n_rows: int) -> DataError:
    """Return the error for a parquet file with other rows than it says."""
    return refused(path, f"announces {announced:,} rows, but {n_rows:,} could be read; truncated or damaged")


@contextmanager
def damaged_parquet(path: Path) -> Iterator[None]:
    """Turn what pyarrow says against a file into a DataError."""
    import pyarrow as pa

    try:
        yield
    except (AAEToolsError, MemoryError):
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError, TypeError, KeyError) as error:
        raise refused(path, f"cannot be read, truncated or damaged ({reason(error)})") from None


def check_arrow_types(path: Path, schema: Any) -> None:
    """Refuse columns that are neither numbers nor booleans nor dates nor text."""
    from pyarrow import types

    known = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_decimal,
        types.is_string,
        types.is_large_string,
        types.is_date,
        types.is_timestamp,
        types.is_null,
    )
    for column in schema:
        kind = column.type.value_type if types.is_dictionary(column.type) else column.type
        if not any(is_known(kind) for is_known in known):
            problem = f"column {quote(column.name)}: holds {quote(column.type)}; drop it or encode it as numbers"
            raise refused(path, problem)


# npy and npz


def read_npy(path: Path) -> Table:
    """Read one array of features without labels.

    Its shape is (n, d), (n, height, width) or (n, height, width, channels).
    """
    import pandas as pd

    array = _npy_array(path)
    block, names, image_shape = flattened(path, array, "array")
    return Table(path=path, columns=pd.DataFrame(), block=block, block_names=names, image_shape=image_shape)


def _npy_array(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        try:
            return _read_array(path, file, path.stat().st_size, "array")
        except UnusableError as error:
            raise refused(path, f"array: {error}") from None


def read_npy_labels(path: Path) -> Table:
    """Read one label per row, shape (n,) or (n, 1)."""
    return _label_table(path, _npy_array(path))


def _label_table(path: Path, array: NDArray[Any]) -> Table:
    import pandas as pd

    try:
        return Table(path=path, columns=pd.DataFrame({"label": _one_per_row(array, len(array) if array.ndim else 0)}))
    except UnusableError as error:
        raise refused(path, f"array: {error}") from None


def read_npz(path: Path) -> Table:
    """Read features from the array ``X`` (or ``x``, ``data``), and arrays with one entry per row beside it.

    An array ``feature_names`` of text names the features.
    """
    import pandas as pd

    with _archive(path) as archive:
        members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise refused(path, "two arrays have the same name")
        if {"format", "shape", "data"} <= set(members):
            return _sparse(path, archive, members)
        found = [name for name in FEATURE_ARRAYS if name in members]
        if len(found) != 1:
            held = listing(found or members) or "nothing"
            problem = f"the features must be in one array named {' or '.join(FEATURE_ARRAYS)}"
            raise refused(path, f"{problem}, but the file holds {held}")
        main = f"array {quote(found[0])}"
        try:
            X = _read_member(path, archive, members.pop(found[0]))
        except UnusableError as error:
            raise refused(path, f"{main}: {error}") from None
        block, names, image_shape = flattened(path, X, main)
        columns: dict[str, NDArray[Any]] = {}
        unusable: dict[str, str] = {}
        for name, info in members.items():
            try:
                array = _read_member(path, archive, info)
                if name == "feature_names" and array.dtype.kind == "U" and array.shape == (len(names),):
                    names = tuple(str(entry) for entry in array)
                else:
                    columns[name] = _one_per_row(array, len(block))
            except UnusableError as error:
                unusable[name] = str(error)
    if len(set(names)) != len(names):
        raise refused(path, "array 'feature_names': a name occurs more than once")
    return Table(
        path=path,
        columns=pd.DataFrame(columns),
        block=block,
        block_names=names,
        image_shape=image_shape,
        unusable=unusable,
    )


def _sparse(path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> Table:
    """Read what ``scipy.sparse.save_npz`` wrote, as a dense float32 block."""
    import pandas as pd

    try:
        parts = {name: _read_member(path, archive, info) for name, info in members.items()}
    except UnusableError as error:
        raise refused(path, f"sparse matrix: {error}") from None
    kind = parts["format"].tobytes().decode("latin-1").replace("\0", "")
    shape = parts["shape"]
    wanted = {"csr": ("indices", "indptr"), "csc": ("indices", "indptr"), "coo": ("row", "col")}.get(kind)
    if wanted is None:
        raise refused(path, f"sparse matrix: format {quote(kind)} cannot be read; save it as csr, csc or coo")
    if shape.shape != (2,) or shape.dtype.kind not in "iu" or min(shape.tolist()) < 0:
        raise refused(path, "sparse matrix: its shape is not two numbers of rows and columns")
    n_rows, n_columns = (int(size) for size in shape)
    check_sparse_shape(path, n_rows, n_columns)
    data = parts["data"]
    if data.dtype.kind not in "iufb" or any(name not in parts or parts[name].dtype.kind not in "iu" for name in wanted):
        raise refused(path, f"sparse matrix: has not the arrays of numbers that format {kind} needs")
    first, second = (parts[name] for name in wanted)
    block = written_out(path, kind, (n_rows, n_columns), data, first, second)  # type: ignore[arg-type]  # one of wanted
    names = tuple(f"x{i}" for i in range(n_columns))
    return Table(path=path, columns=pd.DataFrame(), block=block, block_names=names)


class UnusableError(Exception):
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
        raise refused(path, f"cannot be read, truncated or damaged ({reason(error)})") from None


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    import zipfile

    name = info.filename.removesuffix(".npy")
    if name == info.filename:
        raise UnusableError("is not an array")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refused(path, f"array {quote(name)}: compressed in a way that numpy does not write")
    with archive.open(info) as stream:
        return _read_array(path, stream, info.file_size, f"array {quote(name)}")


@dataclass(frozen=True)
class ArrayHeader:
    """What a npy stream holds by its header, which agrees with its length."""

    shape: tuple[int, ...]
    fortran_order: bool
    dtype: np.dtype[Any]


def array_header(path: Path, stream: IO[bytes], size: int, what: str) -> ArrayHeader:
    """Read the header of a npy stream of ``size`` bytes, which must agree with that; values come next."""
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
        raise refused(path, f"{what}: unknown version of the npy format") from None
    except (
        ValueError,
        TypeError,
        SyntaxError,
        OverflowError,
        RecursionError,
        AttributeError,
        tokenize.TokenError,
    ):
        raise refused(path, f"{what}: truncated or damaged header") from None
    if dtype.hasobject:
        raise UnusableError("holds Python objects, which are never unpickled; save numbers or text")
    n_values = math.prod(shape)
    if min(shape, default=0) < 0 or dtype.itemsize == 0:
        raise refused(path, f"{what}: impossible shape {shape} of {dtype}")
    announced = n_values * dtype.itemsize
    header_bytes = stream.tell()
    if header_bytes + announced != size:
        raise refused(
            path,
            f"{what}: its header announces {announced:,} bytes of values, but there are "
            f"{size - header_bytes:,}; truncated or damaged",
        )
    return ArrayHeader(shape, fortran_order, dtype)


def _read_array(path: Path, stream: IO[bytes], size: int, what: str) -> NDArray[Any]:
    """Read one npy stream of ``size`` bytes; its header must agree with that before memory is allocated."""
    import math

    import numpy as np

    header = array_header(path, stream, size, what)
    dtype, n_values = header.dtype, math.prod(header.shape)
    announced = n_values * dtype.itemsize
    check_size(path, announced + n_values * 4, what)
    buffer = stream.read(announced)
    if len(buffer) != announced:
        raise refused(path, f"{what}: truncated or damaged")
    values = np.frombuffer(buffer, dtype=dtype)
    if dtype.kind == "U" and (values.view(dtype.byteorder.replace("|", "=") + "u4") > sys.maxunicode).any():
        raise UnusableError("holds text that cannot be decoded")  # numpy would end in a SystemError
    return values.reshape(header.shape, order="F" if header.fortran_order else "C")


def flattened(
    path: Path, array: NDArray[Any], what: str
) -> tuple[NDArray[Any], tuple[str, ...], tuple[int, ...] | None]:
    """Return features of shape (n, d), their names, and the shape of a row if rows are images."""
    import math

    if array.dtype.kind not in "iufb":
        raise refused(path, f"{what}: holds {array.dtype}; features must be real numbers or booleans")
    if array.ndim not in (2, 3, 4):
        raise refused(
            path,
            f"{what}: has shape {array.shape}; features need (rows, columns), (rows, height, width) or "
            "(rows, height, width, channels)",
        )
    if array.ndim == 4 and array.shape[3] > 4 >= array.shape[1]:
        raise refused(path, f"{what}: has shape {array.shape}; move the channels to the end: transpose(0, 2, 3, 1)")
    row_shape = array.shape[1:]
    n_features = math.prod(row_shape)
    if n_features > MAX_FEATURES:
        raise refused(path, f"{what}: has {n_features:,} features per row; at most {MAX_FEATURES:,} are supported")
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
        raise UnusableError(f"has shape {array.shape}, not one entry per row (one-hot rows: save their argmax)")
    if len(array) != n_rows:
        raise UnusableError(f"has {len(array)} entries for {n_rows} rows of features")
    if array.dtype.kind not in "iufbUS":
        raise UnusableError(f"holds {array.dtype}, not integers, text or booleans")
    try:
        if array.dtype.kind == "S":
            return _objects(entry.decode("utf-8") for entry in array.tolist())
        if array.dtype.kind == "U":
            return _texts(array)
    except ValueError:
        raise UnusableError("holds text that cannot be decoded") from None
    return array.astype(array.dtype.newbyteorder("=") if array.dtype.kind in "iub" else "f8")


def _texts(array: NDArray[Any]) -> NDArray[Any]:
    """Return strings as objects; numpy keeps any code, but half of a surrogate pair cannot be written."""
    texts = array.astype(object)
    for row, text in enumerate(texts):
        if not is_text(text):
            raise UnusableError(
                f"holds half of a surrogate pair in {quote(text)} at row {row} (counted from 0), which is no character"
            )
    return texts


def _objects(values: Iterator[str]) -> NDArray[Any]:
    import numpy as np

    return np.array(list(values), dtype=object)


# IDX, the format of MNIST

_IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_IDX_BLOCK = 2**20


def read_idx(path: Path) -> Table:
    """Read features, and the labels beside them if the name is like MNIST's.

    The labels of ``train-images-idx3-ubyte`` are those of ``train-labels-idx1-ubyte`` in the same folder, with or
    without ``.gz``. An array of one dimension is no features but labels.

    The format is told in Y. LeCun, C. Cortes and C. Burges, The MNIST database of handwritten digits.
    """
    array = _idx_array(path)
    block, names, image_shape = flattened(path, array, "array")
    columns = idx_labels_for(path, len(block))
    return Table(path=path, columns=columns, block=block, block_names=names, image_shape=image_shape)


def idx_labels_for(path: Path, n_rows: int) -> pd.DataFrame:
    """Return the labels that lie beside a file of images, a table without columns if there are none."""
    import pandas as pd

    beside = _labels_beside(path)
    if beside is None:
        return pd.DataFrame()
    columns = read_idx_labels(beside).columns
    if len(columns) != n_rows:
        raise refused(beside, f"{len(columns):,} labels for the {n_rows:,} rows of {quote(path)}")
    return columns


def read_idx_labels(path: Path) -> Table:
    """Read one label per row."""
    return _label_table(path, _idx_array(path))


def _idx_array(path: Path) -> NDArray[Any]:
    """Read one array; its header must agree with the file's length before memory is allocated."""
    import math

    import numpy as np

    size = unpacked_size(path)
    with open_binary(path) as file:
        header = idx_header(path, file, size)
        announced = math.prod(header.shape) * header.dtype.itemsize
        check_size(path, announced + math.prod(header.shape) * 4)
        values = bytearray()
        while piece := file.read(_IDX_BLOCK):
            values += piece
    if len(values) != announced:  # the file has changed meanwhile
        raise refused(path, "truncated or damaged")
    array = np.frombuffer(values, dtype=header.dtype).reshape(header.shape)
    return array.astype(header.dtype.newbyteorder("="), copy=False)


def idx_header(path: Path, file: IO[bytes], size: int) -> ArrayHeader:
    """Read the header of an IDX file of ``size`` bytes, which must agree with that; values come next."""
    import math

    import numpy as np

    start = file.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _IDX_TYPES or start[3] == 0:
        raise refused(path, "is not an IDX file; the file is damaged or has the wrong suffix")
    n_dims = start[3]
    sizes = file.read(4 * n_dims)
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4))
    dtype = np.dtype(_IDX_TYPES[start[2]])
    announced = math.prod(shape) * dtype.itemsize
    there = size - 4 - 4 * n_dims
    if there != announced or n_dims > 4:
        raise refused(
            path,
            f"its header announces {announced:,} bytes of values, but there are {max(there, 0):,}; "
            "truncated or damaged",
        )
    return ArrayHeader(shape, False, dtype)


def _labels_beside(path: Path) -> Path | None:
    """Return the file of labels that belongs to a file of images, by its name; None if there is none."""
    name = path.name.replace("images", "labels").replace("idx3", "idx1")
    plain = name[:-3] if name.lower().endswith(".gz") else name
    if plain == (path.name[:-3] if path.name.lower().endswith(".gz") else path.name):
        return None
    return next((path.with_name(one) for one in (plain, plain + ".gz") if path.with_name(one).is_file()), None)


# Folders


def read_folder(path: Path) -> Table:
    """Read a folder of parquet files, which are one table, or of pictures, one folder per class."""
    parts = parquet_parts(path)
    if parts:
        return _read_parts(path, parts)
    entries = _entries(path)
    from aaetools.datasets.pictures import is_picture, read_pictures

    if any(entry.is_dir() and any(map(is_picture, entry.iterdir())) for entry in entries):
        return read_pictures(path)
    raise refused(
        path,
        "is a folder, but neither of parquet files nor of pictures in one folder per class; "
        f"name one file in it ({', '.join(READERS)})",
    )


def _entries(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith((".", "_")))


def parquet_parts(path: Path) -> list[Path]:
    """Return the parquet files of a folder in the order of their names."""
    return [entry for entry in _entries(path) if entry.suffix.lower() == ".parquet" and entry.is_file()]


def _read_parts(path: Path, parts: list[Path]) -> Table:
    """Read parquet files with the same columns as one table, in the order of their names."""
    import pandas as pd

    check_parts(path, parts)
    frames = [_parquet_frame(part) for part in parts]
    columns = pd.concat(frames, ignore_index=True)
    return Table(path=path, columns=columns, locate=place_in_parts(parts, [len(frame) for frame in frames]))


def check_parts(path: Path, parts: list[Path], *, whole: bool = True) -> None:
    """Refuse parquet files whose columns are not alike, and where they are read as a ``whole``, too many rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    n_cells = 0
    first: list[str] | None = None
    for part in parts:
        with part.open("rb") as file:
            _check_magic(part, file.read(64), ".parquet")
        try:
            schema, n_rows = pq.read_schema(part), pq.read_metadata(part).num_rows
        except (pa.ArrowException, OSError, ValueError) as error:
            raise refused(part, f"cannot be read, truncated or damaged ({reason(error)})") from None
        first = schema.names if first is None else first
        if schema.names != first:
            odd = sorted(set(schema.names) ^ set(first))
            what = f"differ in {listing(odd, 5)}" if odd else "are in another order"
            raise refused(
                part, f"its columns {what} from those of {quote(parts[0].name)}; give all parts the same columns"
            )
        n_cells += n_rows * len(first)
        if whole:
            check_size(path, n_cells * BYTES_PER_VALUE, "the folder")


def place_in_parts(parts: list[Path], sizes: list[int]) -> Callable[[int], str]:
    """Return what tells the file and the row in it from the row in all files, of which each has so many rows."""
    import bisect
    from itertools import accumulate

    starts = [0, *accumulate(sizes)]

    def locate(row: int) -> str:
        part = bisect.bisect_right(starts, row) - 1
        return f"{quote(parts[part].name)}, row {row - starts[part]} (counted from 0)"

    return locate


READERS: dict[str, Callable[[Path], Table]] = {
    ".csv": partial(read_text, delimiter=","),
    ".csv.gz": partial(read_text, delimiter=","),
    ".tsv": partial(read_text, delimiter="\t"),
    ".tsv.gz": partial(read_text, delimiter="\t"),
    ".parquet": read_parquet,
    ".npz": read_npz,
    ".npy": read_npy,
    ".h5ad": read_h5ad,
    ".idx": read_idx,
    ".idx.gz": read_idx,
    "idx3-ubyte": read_idx,
    "idx3-ubyte.gz": read_idx,
}
"""End of a file's name in lower case to the function that reads such a file."""

LABEL_READERS: dict[str, Callable[[Path], Table]] = {
    ".npy": read_npy_labels,
    **dict.fromkeys((".idx", ".idx.gz", "idx1-ubyte", "idx1-ubyte.gz"), read_idx_labels),
}
"""The same for files with one label per row; the other formats need no such difference."""
