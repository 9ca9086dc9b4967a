"""Scaling of inputs: any numeric matrix to what the networks see, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aaetools.exceptions import DataError

__all__ = ["SCALINGS", "InputScaler", "choose_scaling"]

SCALINGS = ("auto", "standard", "shared", "none")
"""``standard`` divides each feature by its own standard deviation, ``shared`` all by one number (their root mean
variance), ``none`` leaves the data alone, ``auto`` lets :func:`choose_scaling` decide."""

_CHUNK = 4096
"""Rows that are held in float64 at once."""


def choose_scaling(X: NDArray[Any]) -> Literal["standard", "shared"]:
    """Say whether the features share a unit, as pixels do, or each has its own, as the columns of a table.

    They share one if their largest magnitudes are alike (the median is at least half of the maximum) or if no
    feature's standard deviation is over four times another's. Shared units keep their relative spread, because a
    pixel that hardly varies says little; standardising would blow its noise up.

    Examples
    --------
    >>> choose_scaling(np.array([[0.0, 16.0], [8.0, 3.0], [16.0, 0.0]]))
    'shared'
    >>> choose_scaling(np.array([[0.1, 1600.0], [0.5, 300.0], [0.9, 20.0]]))
    'standard'
    """
    return _choose(_Columns.of(X))


@dataclass(frozen=True, eq=False)
class _Columns:
    """Statistics of each feature in float64, shape (n_features,), gathered without a second copy of the data."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    lowest: NDArray[np.float64]
    magnitude: NDArray[np.float64]

    @classmethod
    def of(cls, X: NDArray[Any]) -> _Columns:
        # results are written into arrays that are there already: kept between large ones, small new ones would hold on
        # to the memory that the large ones leave
        total, squares = np.zeros((2, X.shape[1]))
        lowest, highest = np.full(X.shape[1], np.inf), np.full(X.shape[1], -np.inf)
        for part in _parts(X):
            total += part.sum(axis=0)
            np.minimum(lowest, part.min(axis=0), out=lowest)
            np.maximum(highest, part.max(axis=0), out=highest)
        mean = total / len(X)
        for part in _parts(X):
            deviation = part - mean
            squares += np.square(deviation, out=deviation).sum(axis=0)
        spread = np.where(highest > lowest, np.sqrt(squares / len(X)), 0.0)
        return cls(mean, spread, lowest, np.maximum(np.abs(lowest), np.abs(highest)))


def _parts(X: NDArray[Any]) -> Iterator[NDArray[np.float64]]:
    """Yield the rows in float64, a few at a time."""
    for start in range(0, len(X), _CHUNK):
        yield X[start : start + _CHUNK].astype(np.float64, copy=False)


def _mapped(X: NDArray[Any], function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float32]:
    """Apply a function of rows to the rows in float64, a few at a time."""
    mapped = np.empty(X.shape, dtype=np.float32)
    for start, part in zip(range(0, len(X), _CHUNK), _parts(X), strict=True):
        mapped[start : start + _CHUNK] = function(part)
    return mapped


def _choose(columns: _Columns) -> Literal["standard", "shared"]:
    spread, magnitude = columns.spread, columns.magnitude
    varies = spread > 0
    if not varies.any():
        return "shared"
    typical = np.quantile(magnitude[varies], 0.5, method="lower")  # of two features the smaller one
    bounded = bool(typical >= 0.5 * magnitude[varies].max()) and bool((columns.lowest >= 0).all())
    even = bool(spread[varies].max() <= 4 * spread[varies].min())
    return "shared" if bounded or even else "standard"


@dataclass(frozen=True, eq=False)
class InputScaler:
    """Subtracts each feature's mean and divides by its scale; constant features are only centred.

    Attributes
    ----------
    kind
        "standard", "shared" or "none".
    center, scale
        float64, shape (n_features,).
    """

    kind: str
    center: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, X: NDArray[Any], scaling: str = "auto", scaled: NDArray[np.bool_] | None = None) -> InputScaler:
        """Learn centre and scale from rows, shape (n_rows, n_features).

        With ``scaled``, shape (n_features,), only these features are looked at and scaled. They are columns of a
        table then, each with its own unit, so that "auto" is "standard".
        """
        if scaling not in SCALINGS:
            raise DataError(f"unknown scaling {scaling!r}; choose from {', '.join(SCALINGS)}")
        if scaled is not None:
            kind = "standard" if scaling == "auto" else scaling
            center, scale = np.zeros(X.shape[1]), np.ones(X.shape[1])
            if scaled.any():
                part = cls.fit(X[:, scaled], kind)
                center[scaled], scale[scaled] = part.center, part.scale
            return cls(kind, center, scale)
        columns = _Columns.of(X)
        kind = _choose(columns) if scaling == "auto" else scaling
        if kind == "none":
            return cls(kind, np.zeros(X.shape[1]), np.ones(X.shape[1]))
        spread = columns.spread
        scale = np.full(X.shape[1], np.sqrt(np.square(spread).mean())) if kind == "shared" else spread
        tiny = np.finfo(np.float64).eps * np.maximum(columns.magnitude, np.finfo(np.float64).tiny)
        return cls(kind, columns.mean, np.where(scale > 10 * tiny, scale, 1.0))

    def transform(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return scaled rows, float32, shape (n_rows, n_features)."""
        return _mapped(X, lambda part: (part - self.center) / self.scale)

    def inverse_transform(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return rows in the data's own units, float32, shape (n_rows, n_features)."""
        return _mapped(X, lambda part: part * self.scale + self.center)
