"""The process that opens a file of annotated matrices (AnnData's h5ad) and hands on what is in it, piece by piece.

The HDF5 library breaks down, or never comes to an end, on some damaged files; then only this process is lost. What
it writes on standard output are lines of JSON, some of them followed by so many bytes; :mod:`.h5ad` reads it.

The elements are those of anndata's documentation, "On-disk format", from anndata 0.7 on. HDF5 can also lead a reader
to other files, announce more than there is, and point many times at one long text: every element is looked at
before anything is allocated for it.
"""

from __future__ import annotations

import json
import math
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from aaetools.datasets.messages import listing, quote
from aaetools.datasets.refusals import BYTES_PER_VALUE, check_size, reason, refused
from aaetools.datasets.sparse import check_sparse_shape
from aaetools.datasets.tables import MAX_FEATURES
from aaetools.exceptions import DataError
from aaetools.memory import physical_memory

__all__ = ["main", "send"]

# HDF5's own numbers of the filters that h5py writes without plugins: gzip, shuffle, checksum, lzf
_FILTERS = {1, 2, 3, 32000}
_PACKING = {1, 32000}
_DENSEST = 1100
"""A byte that gzip or lzf has packed stands for no more bytes than so many."""

_LARGEST_CHUNK = 2**24
"""Larger pieces of an array must not be stored than this, unless the array is larger."""

_PIECE = 2**24
_TEXTS_AT_ONCE = (64, 8192)
_TEXT_BUDGET = 2**28


def main(name: str, part: str, n_rows: str) -> None:
    """Send what the file ``name`` holds to standard output, and end; arguments as for :func:`send`, as texts."""
    _limit_memory()
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as out:
        send(Path(name), out, part, int(n_rows))
        out.flush()
        os._exit(0)  # without closing what a damaged file has left of the library


def send(path: Path, out: IO[bytes], part: str = "all", n_rows: int = 0) -> None:
    """Write what a file holds; the last line says "end", or what is wrong with it.

    Parameters
    ----------
    path
        The file.
    out
        Where it is written to.
    part
        "all"; "head" for all but the values of X; or "rows" for X alone, ``n_rows`` rows at a time.
    n_rows
        Rows that are handed on at once.
    """
    try:
        import h5py

        with h5py.File(path, "r") as file:
            _send_parts(path, file, out, part, n_rows)
        _tell(out, end=True)
    except DataError as error:
        _tell(out, error=str(error))
    except MemoryError:
        _tell(out, error=str(refused(path, "does not fit into memory")))
    except Exception as error:  # h5py does not say what a damaged file makes it raise
        _tell(out, error=str(refused(path, f"cannot be read, truncated or damaged ({reason(error)})")))


def _limit_memory() -> None:
    """Let the library fail where a damaged file makes it ask for more than this machine could spare."""
    try:
        import resource
    except ImportError:  # no such thing on this system
        return
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    wanted = physical_memory() // 2 + 2**30
    if most == resource.RLIM_INFINITY or wanted < most:
        with suppress(ValueError, OSError):  # some systems know the limit but take none
            resource.setrlimit(resource.RLIMIT_AS, (wanted, most))


def _tell(out: IO[bytes], **facts: Any) -> None:
    out.write(json.dumps(facts).encode() + b"\n")
    out.flush()  # a sign of life


def _send_parts(path: Path, file: Any, out: IO[bytes], part: str, n_rows: int) -> None:
    for name in ("obs", "var", "X"):
        if name not in file:
            hint = f"; its layers are {listing(file['layers'], 5)}" if name == "X" and "layers" in file else ""
            raise refused(path, f"is a HDF5 file, but has no {name}, which AnnData's files have{hint}")
    if part != "rows":
        _send_obs(path, _part(path, file, "obs"), _part(path, file, "var"), out)
    matrix = _part(path, file, "X")
    kind, shape = _kind_of(path, matrix)
    _tell(out, matrix=kind, shape=shape)
    if part == "rows":
        _send_rows(path, matrix, kind, shape, n_rows, out)
    elif part == "all" and kind == "dense":
        check_size(path, math.prod(shape) * BYTES_PER_VALUE, "X")
        _send_values(path, matrix, out)
    elif part == "all":
        check_sparse_shape(path, *shape)
        for name in ("data", "indices", "indptr"):
            _send_values(path, _part(path, matrix, name), out)


def _send_obs(path: Path, obs: Any, var: Any, out: IO[bytes]) -> None:
    """Send the names of rows and features, and the keys of obs."""
    _send_names(path, obs, out)
    _send_names(path, var, out)
    names = [name if isinstance(name, str) else bytes(name).decode() for name in obs.attrs["column-order"]]
    _tell(out, columns=names)
    for name in names:
        element = _part(path, obs, name)
        words = _old_categories(path, obs, name)
        if words is None:
            _send_column(path, element, out)
        else:
            _tell(out, kind="categorical")
            _send_values(path, element, out)
            _send_column(path, words, out)


def _part(path: Path, group: Any, name: str) -> Any:
    """Return a part of a group, which must lie in this very file."""
    import h5py

    if not isinstance(group, h5py.Group):
        raise refused(path, f"{quote(group.name)} is stored as before anndata 0.7; write it with a newer anndata")
    if name not in group:
        raise refused(path, f"{quote(group.name)} has no {quote(name)}; damaged")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise refused(path, f"{quote(name)} is a link to another place, which is not followed; save it anew")
    return group[name]


def _send_names(path: Path, group: Any, out: IO[bytes]) -> None:
    """Send the names of rows or features."""
    key = getattr(group, "attrs", {}).get("_index", "_index")
    _send_values(path, _part(path, group, key if isinstance(key, str) else "_index"), out)


def _old_categories(path: Path, group: Any, name: str) -> Any:
    """Return the words of a categorical as anndata 0.7 wrote them, apart from its codes; None if it is none."""
    if "__categories" not in group or "categories" not in group[name].attrs:
        return None
    words = _part(path, group, "__categories")
    return _part(path, words, name) if name in words else None


def _send_column(path: Path, element: Any, out: IO[bytes]) -> None:
    """Send a key of obs: plain values, codes of categories, or values with a mask."""
    import h5py

    if isinstance(element, h5py.Dataset):
        _tell(out, kind="plain")
        _send_values(path, element, out)
        return
    kind = str(element.attrs.get("encoding-type", "a group"))
    if kind == "categorical":
        _tell(out, kind="categorical")
        _send_values(path, _part(path, element, "codes"), out)
        _send_column(path, _part(path, element, "categories"), out)
    elif kind in ("nullable-integer", "nullable-boolean", "nullable-string-array"):
        _tell(out, kind="masked")
        _send_values(path, _part(path, element, "values"), out)
        _send_values(path, _part(path, element, "mask"), out)
    else:
        _tell(out, kind="unusable", why=f"is stored as {quote(kind)}, not as integers, text or booleans")


def _send_values(path: Path, dataset: Any, out: IO[bytes]) -> None:
    """Send an array of numbers, or a list of texts."""
    import h5py

    what = quote(dataset.name)
    if not isinstance(dataset, h5py.Dataset):
        raise refused(path, f"{what} is a group where values should be; damaged")
    _check(path, dataset)
    if h5py.check_string_dtype(dataset.dtype) is not None:
        if dataset.ndim != 1:
            raise refused(path, f"{what}: has shape {dataset.shape}, not one text per row")
        _send_texts(path, dataset, out)
        return
    if dataset.dtype.kind not in "iufb":
        raise refused(path, f"{what}: holds {quote(dataset.dtype)}, neither numbers nor booleans nor text")
    if dataset.ndim == 0:
        raise refused(path, f"{what} is one value where many should be; damaged")
    _send_array(out, dataset)


def _send_array(out: IO[bytes], values: Any) -> None:
    """Send an array of numbers, in memory or in the file, some rows at a time."""
    import numpy as np

    dtype = values.dtype.newbyteorder("<")
    _tell(out, dtype=dtype.str, shape=values.shape)
    row_bytes = math.prod(values.shape[1:]) * dtype.itemsize
    step = max(1, _PIECE // max(1, row_bytes))
    for start in range(0, values.shape[0], step):
        piece = np.ascontiguousarray(values[start : start + step], dtype=dtype).tobytes()
        _tell(out, bytes=len(piece))
        out.write(piece)


def _send_texts(path: Path, dataset: Any, out: IO[bytes]) -> None:
    """Send texts a few at a time, unless they are more than half of the memory together."""
    least, most = _TEXTS_AT_ONCE
    step = min(most, max(least, _TEXT_BUDGET // max(1, path.stat().st_size)))
    total = 0
    _tell(out, texts=dataset.shape[0])
    for start in range(0, dataset.shape[0], step):
        texts = [text.decode() if isinstance(text, bytes) else str(text) for text in dataset[start : start + step]]
        total += sum(50 + len(text) for text in texts)  # a string of Python is 50 bytes and its letters
        check_size(path, total, quote(dataset.name))
        _tell(out, list=texts)


def _check(path: Path, dataset: Any, *, whole: bool = True) -> None:
    """Refuse an array that is elsewhere, announces more than its bytes can hold, or is too large as a ``whole``."""
    what = quote(dataset.name)
    if dataset.is_virtual or dataset.external:
        raise refused(path, f"{what} lies in another file, which is not followed; save it anew")
    properties = dataset.id.get_create_plist()
    filters = {properties.get_filter(position)[0] for position in range(properties.get_nfilters())}
    if not filters <= _FILTERS:
        raise refused(path, f"{what}: compressed in a way that is not supported; save it with gzip or lzf")
    item = dataset.id.get_type().get_size()
    announced, stored = dataset.size * item, min(dataset.id.get_storage_size(), path.stat().st_size)
    if announced > stored * (_DENSEST if filters & _PACKING else 1):
        raise refused(
            path, f"{what} announces {announced:,} bytes of values, but there are {stored:,}; truncated or damaged"
        )
    chunk = math.prod(dataset.chunks or (0,)) * item
    if chunk > max(announced, _LARGEST_CHUNK):
        raise refused(path, f"{what} is stored in pieces of {chunk:,} bytes for {announced:,} bytes of values; damaged")
    if whole:
        check_size(path, announced, what)


def _kind_of(path: Path, element: Any) -> tuple[str, list[int]]:
    """Return how X is stored, and its shape."""
    import h5py

    if isinstance(element, h5py.Dataset):
        kind, shape = "dense", list(element.shape)
        if len(shape) != 2:
            raise refused(path, f"X: has shape {element.shape}; features need (rows, columns)")
    else:
        kind = str(element.attrs.get("encoding-type", "a group")).removesuffix("_matrix")
        if kind not in ("csr", "csc"):
            raise refused(path, f"X: is stored as {quote(kind)}; save it as an array, csr or csc")
        shape = [int(size) for size in element.attrs.get("shape", ())]
        if len(shape) != 2 or min(shape) < 0:
            raise refused(path, "X: its shape is not two numbers of rows and columns")
    if shape[1] > MAX_FEATURES:
        raise refused(path, f"X: has {shape[1]:,} features; at most {MAX_FEATURES:,} are supported")
    return kind, shape


def _send_rows(path: Path, matrix: Any, kind: str, shape: list[int], n_rows: int, out: IO[bytes]) -> None:
    """Send X some rows at a time: an array, or the three arrays of a sparse matrix with these rows."""
    import numpy as np

    check_size(path, n_rows * shape[1] * BYTES_PER_VALUE, "a part of X")
    starts = range(0, shape[0], n_rows)
    if kind == "dense":
        _check(path, matrix, whole=False)
        if matrix.dtype.kind not in "iufb":
            raise refused(path, f"X: holds {quote(matrix.dtype)}; features must be numbers or booleans")
        for start in starts:
            _send_array(out, matrix[start : start + n_rows])
        return
    data, indices, indptr = (_part(path, matrix, name) for name in ("data", "indices", "indptr"))
    for values, kinds in ((data, "iufb"), (indices, "iu"), (indptr, "iu")):
        _check(path, values, whole=values is indptr)
        if values.dtype.kind not in kinds or values.ndim != 1:
            raise refused(path, "X: its parts are no lists of numbers; damaged")
    pointers = indptr[()].astype(np.int64)
    if len(pointers) != shape[0] + 1 or pointers[0] != 0 or (np.diff(pointers) < 0).any() or pointers[-1] != len(data):
        raise refused(path, "sparse matrix: its pointers do not fit its values; damaged")
    for start in starts:
        these = pointers[start : start + n_rows + 1]
        values = slice(int(these[0]), int(these[-1]))
        check_size(path, (values.stop - values.start) * BYTES_PER_VALUE, "a part of X")
        for array in (data[values], indices[values], these - these[0]):
            _send_array(out, array)
