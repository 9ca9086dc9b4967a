"""Data made by a formula, with known classes and any number of rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aaetools.datasets.dataset import Dataset
from aaetools.exceptions import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["make_blobs", "make_moons", "make_swiss_roll"]


def make_swiss_roll(
    n_rows: int = 1500, *, n_classes: int = 10, noise: float = 0.05, random_state: int | None = 0
) -> Dataset:
    """Draw points of a sheet rolled up in three dimensions; classes are equal segments along the roll.

    Parameters
    ----------
    n_rows
        Number of points.
    n_classes
        Number of segments: class 0 is the innermost, and sizes differ by one row at most.
    noise
        Standard deviation of the Gaussian noise added to each coordinate (the roll is about 25 wide).
    random_state
        Seed of the draw; None for a new one each time.

    Returns
    -------
    Dataset
        Three features; ``y`` holds integers.

    Notes
    -----
    S. Marsland (2009), Machine Learning: An Algorithmic Perspective, chapter 10, by way of scikit-learn.
    """
    import numpy as np
    from sklearn import datasets

    _check_counts("swiss roll", n_rows, n_classes)
    X, position = datasets.make_swiss_roll(n_rows, noise=noise, random_state=random_state)
    rank = np.argsort(np.argsort(position))
    names = ("x", "height", "z")
    return _synthetic("swiss_roll", X, rank * n_classes // n_rows, names, "segment", random_state)


def make_blobs(
    n_rows: int = 1000,
    *,
    n_classes: int = 5,
    n_features: int = 8,
    cluster_std: float = 1.0,
    random_state: int | None = 0,
) -> Dataset:
    """Draw one round Gaussian cloud per class.

    Parameters
    ----------
    n_rows
        Number of points; class sizes differ by one row at most.
    n_classes
        Number of clouds; their centres are uniform in [-10, 10] on every axis.
    n_features
        Number of features.
    cluster_std
        Standard deviation of every cloud on every axis.
    random_state
        Seed of the draw; None for a new one each time.

    Returns
    -------
    Dataset
        ``n_features`` features; ``y`` holds integers.
    """
    from sklearn import datasets

    _check_counts("blobs", n_rows, n_classes)
    X, y = datasets.make_blobs(
        n_rows, n_features, centers=n_classes, cluster_std=cluster_std, random_state=random_state
    )[:2]
    names = tuple(f"x{i}" for i in range(n_features))
    return _synthetic("blobs", X, y, names, "blob", random_state)


def make_moons(n_rows: int = 600, *, noise: float = 0.1, random_state: int | None = 0) -> Dataset:
    """Draw two interleaved half circles of radius 1; classes are "upper" and "lower".

    Parameters
    ----------
    n_rows
        Number of points, half of them per class.
    noise
        Standard deviation of the Gaussian noise added to each coordinate.
    random_state
        Seed of the draw; None for a new one each time.

    Returns
    -------
    Dataset
        Two features; ``y`` holds strings.
    """
    import numpy as np
    from sklearn import datasets

    _check_counts("moons", n_rows, 2)
    X, y = datasets.make_moons(n_rows, noise=noise, random_state=random_state)
    labels = np.array(["upper", "lower"], dtype=object)[y]
    return _synthetic("moons", X, labels, ("x", "y"), "moon", random_state)


def _check_counts(what: str, n_rows: int, n_classes: int) -> None:
    """Refuse fewer than one class, or fewer rows than classes."""
    if not 1 <= n_classes <= n_rows:
        raise DataError(f"{what}: {n_rows} rows cannot hold {n_classes} classes; use 1 to n_rows classes")


def _synthetic(
    name: str,
    X: NDArray[Any],
    y: NDArray[Any],
    names: tuple[str, ...],
    target_name: str,
    random_state: int | None,
) -> Dataset:
    """Wrap points drawn by scikit-learn."""
    return Dataset(
        name=name,
        X=X.astype("float32"),
        y=y,
        feature_names=names,
        target_name=target_name,
        source=f"synthetic, made by scikit-learn with random_state={random_state}",
    )
