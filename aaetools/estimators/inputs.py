"""What can stand for a matrix besides an array: sparse matrices and annotated ones, without importing their library."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import issparse

from aaetools.exceptions import DataError
from aaetools.memory import physical_memory

__all__ = ["is_annotated", "is_lazy_frame", "matrix_of", "written_out"]


def is_annotated(X: Any) -> bool:
    """Tell whether this is an AnnData object; there is none unless its library has been imported."""
    library = sys.modules.get("anndata")
    return library is not None and isinstance(X, library.AnnData)


def is_lazy_frame(X: Any) -> bool:
    """Tell whether this is a lazy frame of polars, which is a plan and holds no rows."""
    library = sys.modules.get("polars")
    return library is not None and isinstance(X, library.LazyFrame)


def matrix_of(annotated: Any) -> pd.DataFrame:
    """Return the matrix of an AnnData object, its features named as ``var_names`` and its rows as ``obs_names``.

    Raises
    ------
    DataError
        If it has none, or if it is sparse and too large to be written out with its zeros.
    """
    X = annotated.X
    if X is None:
        raise DataError("the AnnData object has no X; put the features there, as adata.X = adata.layers[...]")
    if annotated.isbacked:  # still in its file
        X = annotated.to_memory().X
    rows = written_out(X) if issparse(X) else np.asarray(X)
    return pd.DataFrame(rows, index=annotated.obs_names, columns=annotated.var_names.astype(str), copy=False)


def written_out(X: Any) -> NDArray[Any]:
    """Return a sparse matrix with its zeros, real numbers as float32, unless that fills the memory.

    The rows are needed twice, as they are and scaled.

    Raises
    ------
    DataError
        If it would need more than half of the machine's memory.
    """
    n_bytes = 2 * 4 * math.prod(X.shape)
    physical = physical_memory()
    if n_bytes > physical // 2:
        raise DataError(
            f"X is sparse, shape {X.shape}; with its zeros it needs {n_bytes / 2**30:,.1f} GiB, more than half of this "
            f"machine's {physical / 2**30:,.1f} GiB; take fewer rows at once, or fewer columns (TruncatedSVD)"
        )
    if X.dtype.kind in "biuf":
        with np.errstate(over="ignore"):  # infinity is refused with the rest
            X = X.astype(np.float32)
    rows: NDArray[Any] = X.toarray()
    return rows
