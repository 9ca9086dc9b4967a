"""What single rows are recognised by when one looks at them one by one: a small picture, or a few features."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aaetools.analysis.results import Previews

__all__ = ["MAX_PREVIEWS", "MAX_SIDE", "row_previews", "telling_features"]

MAX_PREVIEWS = 2_000
"""Rows that get a preview, at most."""

MAX_SIDE = 32
"""Pixels of a thumbnail's longer side, at most."""

_MAX_PIXELS = 800_000
"""Pixels of all thumbnails together; large ones are made of fewer rows."""

_N_FEATURES = 6


def row_previews(
    X: ArrayLike,
    groups: ArrayLike,
    *,
    image_shape: tuple[int, ...] | None = None,
    feature_names: Sequence[str] = (),
    random_state: int = 0,
) -> Previews:
    """Return thumbnails of rows that are images, the most telling features of others.

    Parameters
    ----------
    X
        Rows in the data's own units, shape (n, n_features).
    groups
        What the rows are taken for, shape (n,): classes or clusters. Previews are spread over the groups as evenly
        as their sizes allow.
    image_shape
        (height, width) or (height, width, channels) where rows are images.
    feature_names
        Names of the features; numbered from 0 by default.
    random_state
        Seed of the choice of rows.
    """
    features = np.asarray(X, dtype=np.float32)
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    rng = np.random.default_rng(random_state)
    if image_shape is not None:
        small = _shrunk(features[:1].reshape(-1, *image_shape))
        chosen = _spread(codes, min(MAX_PREVIEWS, max(1, _MAX_PIXELS // max(small.size, 1))), rng)
        return Previews(rows=chosen, thumbnails=_as_bytes(_shrunk(features[chosen].reshape(-1, *image_shape))))
    chosen = _spread(codes, MAX_PREVIEWS, rng)
    best = telling_features(features[chosen], codes[chosen])[:_N_FEATURES]
    names = tuple(feature_names) if len(feature_names) == features.shape[1] else range(features.shape[1])
    return Previews(
        rows=chosen,
        feature_names=tuple(str(names[column]) for column in best),
        features=np.ascontiguousarray(features[np.ix_(chosen, best)]),
    )


def telling_features(X: NDArray[np.float32], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the columns of ``X`` by how much of their variance lies between groups (eta squared), most first.

    With a single group the variance itself decides. Equal columns keep their order.
    """
    values = X.astype(np.float64)
    values -= values.mean(axis=0)
    total = np.square(values).sum(axis=0)
    sizes = np.bincount(codes)
    if len(sizes) < 2:
        return np.asarray(np.argsort(-total, kind="stable"))
    sums = np.zeros((len(sizes), X.shape[1]))
    np.add.at(sums, codes, values)
    between = (np.square(sums) / np.maximum(sizes, 1)[:, None]).sum(axis=0)
    share = np.divide(between, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(np.argsort(-share, kind="stable"))


def _spread(codes: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose n rows at random, one of every group before a second of any; in the order of the rows."""
    order = rng.permutation(len(codes))
    by_group = np.argsort(codes[order], kind="stable")
    sizes = np.bincount(codes)
    turn = np.arange(len(codes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.asarray(np.sort(order[by_group][np.argsort(turn, kind="stable")[:n]]), dtype=np.int64)


def _shrunk(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return images no side of which is longer than :data:`MAX_SIDE`: means of blocks, what does not fill one cut."""
    step = math.ceil(max(images.shape[1:3]) / MAX_SIDE)
    if images.ndim == 4 and images.shape[3] != 3:  # one or two channels are shown as grey, more as their first three
        images = images[..., 0] if images.shape[3] < 3 else images[..., :3]
    if step <= 1:
        return images
    n, height, width = images.shape[0], max(images.shape[1] // step, 1), max(images.shape[2] // step, 1)
    cut = images[:, : height * step, : width * step]
    tall, wide = cut.shape[1] // height, cut.shape[2] // width
    return np.asarray(cut.reshape(n, height, tall, width, wide, *images.shape[3:]).mean(axis=(2, 4)))


def _as_bytes(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return pixels as 0 to 255, the smallest and the largest of all images."""
    low, high = float(images.min()), float(images.max())
    return np.asarray(np.round((images - low) * (255 / (high - low) if high > low else 0)), dtype=np.uint8)
