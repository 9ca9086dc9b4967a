"""Rows as numbers that can be averaged and read, whatever kinds of columns they come from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["decoded_in_units", "features_in_units"]


def features_in_units(model: Any, X: ArrayLike) -> NDArray[np.float32]:
    """Return rows in the data's own units, float32; levels of categories, booleans and marks of gaps as 0 and 1.

    Parameters
    ----------
    model
        A fitted estimator. One without ``columns_`` takes rows of numbers, which are returned as they are.
    X
        Rows as the estimator takes them.

    Returns
    -------
    ndarray, shape (n_rows, n_features), (n_rows, n_encoded) where columns were encoded, or that of images
    """
    if getattr(model, "columns_", None) is None:
        return np.asarray(X, dtype=np.float32)
    rows: NDArray[np.float32] = model.in_units(X)
    return rows


def decoded_in_units(model: Any, Z: ArrayLike) -> NDArray[np.float32]:
    """Decode codes to rows as :func:`features_in_units` has them: of levels and booleans their probabilities."""
    if getattr(model, "columns_", None) is None:
        return np.asarray(model.inverse_transform(Z), dtype=np.float32)
    rows: NDArray[np.float32] = model.decode_in_units(Z)
    return rows
