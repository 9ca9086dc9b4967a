"""Sparse matrices of foreign files, written out with their zeros once every part of them has been looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aaetools.datasets.refusals import BYTES_PER_VALUE, check_size, refused
from aaetools.datasets.tables import MAX_FEATURES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["check_sparse_shape", "written_out"]


def check_sparse_shape(path: Path, n_rows: int, n_columns: int) -> None:
    """Refuse a matrix that would fill the memory with its zeros, before its values are read.

    Raises
    ------
    DataError
        If it has too many columns, or needs more than half of the machine's memory.
    """
    if n_columns > MAX_FEATURES:
        raise refused(path, f"sparse matrix: has {n_columns:,} columns; at most {MAX_FEATURES:,} are supported")
    check_size(path, n_rows * n_columns * BYTES_PER_VALUE, "the sparse matrix written out with its zeros")


def written_out(
    path: Path,
    kind: Literal["csr", "csc", "coo"],
    shape: tuple[int, int],
    data: NDArray[Any],
    first: NDArray[Any],
    second: NDArray[Any],
) -> NDArray[np.float32]:
    """Return a matrix with its zeros, float32.

    Parameters
    ----------
    path
        Where it comes from.
    kind
        How it is stored.
    shape
        Rows and columns, as :func:`check_sparse_shape` lets through.
    data
        Values, shape (n,).
    first, second
        Rows and columns of the values (coo), or indices along one axis and pointers into them along the other.

    Raises
    ------
    DataError
        If an index or a pointer leads outside.
    """
    import numpy as np
    from scipy import sparse

    n_rows, n_columns = shape
    if any(part.ndim != 1 for part in (data, first, second)):
        raise refused(path, "sparse matrix: its arrays are no lists of numbers")
    if kind != "coo":  # indices of one axis are listed, those of the other given as pointers into the list
        n_lines = n_rows if kind == "csr" else n_columns
        lengths = second[1:].astype(np.int64) - second[:-1].astype(np.int64)
        if len(second) != n_lines + 1 or second[0] != 0 or second[-1] != len(data) or (lengths < 0).any():
            raise refused(path, "sparse matrix: its pointers do not fit its values; damaged")
        other = np.repeat(np.arange(n_lines), lengths)
        first, second = (other, first) if kind == "csr" else (first, other)
    if not len(first) == len(second) == len(data):
        raise refused(path, "sparse matrix: its indices do not fit its values; damaged")
    for indices, size, axis in ((first, n_rows, "row"), (second, n_columns, "column")):
        if len(indices) and not (indices.min() >= 0 and indices.max() < size):
            raise refused(path, f"sparse matrix: an index is beyond the last {axis}; damaged")
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused with its place
        matrix = sparse.coo_array((data.astype(np.float32), (first, second)), shape=shape)
        block: NDArray[np.float32] = matrix.toarray()
    return block
