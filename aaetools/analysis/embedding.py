"""Two-dimensional pictures of latent codes: a linear map, which other points can go through, and UMAP."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.decomposition import PCA
from sklearn.neighbors import NearestNeighbors

from aaetools.analysis.results import LatentMap
from aaetools.exceptions import DataError

__all__ = [
    "MAX_UMAP_ROWS",
    "MIN_UMAP_ROWS",
    "apply_map",
    "compile_umap",
    "kept_threads",
    "project_latents",
    "umap_embed",
]

MIN_UMAP_ROWS = 20
"""With fewer rows UMAP has no neighbourhoods to keep."""

MAX_UMAP_ROWS = 20_000
"""UMAP is fitted on at most this many rows and places the others among them."""

_UMAP_PARAMETERS: dict[str, Any] = {"n_neighbors": 15, "min_dist": 0.1, "metric": "euclidean"}


def project_latents(Z: ArrayLike, centres: ArrayLike | None = None) -> tuple[NDArray[np.float64], LatentMap]:
    """Choose a linear map of latent codes to the plane.

    Two axes are drawn as they are, one axis along x with y = 0. More go through the map that lays the prior's
    classes on a circle, where there is one, and else through the first two principal components: classes that are
    all equally far apart have no main axes, and any two would hide some of them behind others.

    Parameters
    ----------
    Z
        Codes, shape (n, d), finite.
    centres
        Centre of each class of the prior, shape (n_classes, d), if it has classes.

    Returns
    -------
    coordinates : ndarray of shape (n, 2)
    latent_map : LatentMap
        Sends other codes to the same plane, see :func:`apply_map`; ``umap`` is None.
    """
    codes = np.asarray(Z, dtype=np.float64)
    if codes.ndim != 2 or codes.size == 0 or not np.isfinite(codes).all():
        raise DataError(f"codes must be finite and of shape (rows, latent axes), at least one each, not {codes.shape}")
    n, d = codes.shape
    if d <= 2:
        names = ("latent axis 0", "latent axis 1" if d == 2 else "(a single latent axis)")
        projection = ((1.0, 0.0), (0.0, 1.0)) if d == 2 else ((1.0,), (0.0,))
        latent_map = LatentMap("axes", *names, projection, (0.0, 0.0), umap=None)
    elif n < 2 or not codes.var(axis=0).any():
        first, second = np.eye(d)[:2]
        latent_map = LatentMap(
            "axes", "latent axis 0", "latent axis 1", (_floats(first), _floats(second)), (0.0, 0.0), umap=None
        )
    elif centres is not None and (circle := _circle_of_classes(np.asarray(centres, dtype=np.float64))) is not None:
        latent_map = circle
    else:
        total = codes.var(axis=0, ddof=1).sum()
        pca = PCA(2, svd_solver="covariance_eigh").fit(codes)
        shares = pca.explained_variance_ / total
        offset = -pca.components_ @ pca.mean_
        latent_map = LatentMap(
            kind="pca",
            x_name=f"principal component 1 ({shares[0]:.0%} of the variance)",
            y_name=f"principal component 2 ({shares[1]:.0%} of the variance)",
            projection=(_floats(pca.components_[0]), _floats(pca.components_[1])),
            offset=(float(offset[0]), float(offset[1])),
            umap=None,
        )
    return apply_map(latent_map, codes), latent_map


def _circle_of_classes(centres: NDArray[np.float64]) -> LatentMap | None:
    """Return the linear map that sends class centres to the corners of a regular polygon, if one comes close."""
    n_classes = len(centres)
    if n_classes < 3:
        return None
    angle = 2 * np.pi * np.arange(n_classes) / n_classes
    corners = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    middle = centres.mean(axis=0)
    weights = np.linalg.lstsq(centres - middle, corners, rcond=1e-6)[0]
    missed = np.square((centres - middle) @ weights - corners).sum() / n_classes
    if missed > 0.02:
        return None
    projection = weights.T / np.sqrt(np.square(weights).sum() / 2)  # about as long as an orthogonal projection
    offset = -projection @ middle
    return LatentMap(
        kind="classes",
        x_name="first axis of the plane of classes",
        y_name="second axis of the plane of classes",
        projection=(_floats(projection[0]), _floats(projection[1])),
        offset=(float(offset[0]), float(offset[1])),
        umap=None,
    )


def apply_map(latent_map: LatentMap, Z: ArrayLike) -> NDArray[np.float64]:
    """Return where codes of shape (n, d) lie in the map's plane, shape (n, 2)."""
    codes = np.asarray(Z, dtype=np.float64)
    return np.asarray(codes @ np.asarray(latent_map.projection).T + np.asarray(latent_map.offset))


def umap_embed(
    Z: ArrayLike, random_state: int | None = None, force: bool = False
) -> tuple[NDArray[np.float32] | None, dict[str, Any]]:
    """Embed latent codes in the plane with UMAP, on one thread so that the same seed gives the same picture.

    Parameters
    ----------
    Z
        Codes, shape (n, d). Two dimensions or fewer are not embedded, nor are fewer than ``MIN_UMAP_ROWS`` rows.
    random_state
        Seed of the layout and of the rows that are fitted above ``MAX_UMAP_ROWS``.
    force
        Embed two dimensions or fewer, too: UMAP then shows which codes are neighbours, but not where they lie.

    Returns
    -------
    coordinates : ndarray of float32, shape (n, 2), or None
    parameters : dict
        What UMAP was called with, or ``{"skipped": reason}`` where coordinates are None.

    Notes
    -----
    McInnes, Healy and Melville, "UMAP", arXiv:1802.03426.
    """
    codes = np.asarray(Z, dtype=np.float32)
    n, d = codes.shape
    if d <= 2 and not force:
        return None, {"skipped": f"the latent space has {d} dimension{'s' if d > 1 else ''} and is drawn as it is"}
    if n < MIN_UMAP_ROWS:
        return None, {"skipped": f"{n} rows are too few, {MIN_UMAP_ROWS} are needed"}
    seed = int(np.random.default_rng().integers(2**31)) if random_state is None else random_state
    rng = np.random.default_rng(seed)
    fitted = np.sort(rng.choice(n, MAX_UMAP_ROWS, replace=False)) if n > MAX_UMAP_ROWS else np.arange(n)
    parameters = {
        **_UMAP_PARAMETERS,
        "n_neighbors": min(int(_UMAP_PARAMETERS["n_neighbors"]), len(fitted) - 1),
        "random_state": seed,
        "n_fitted": len(fitted),
    }
    with warnings.catch_warnings(), kept_threads():
        # umap and numba warn about their own inner workings (spectral start, compiler features), not the
        # codes.
        warnings.simplefilter("ignore")
        from umap import UMAP

        reducer = UMAP(
            n_neighbors=parameters["n_neighbors"],
            min_dist=parameters["min_dist"],
            metric=parameters["metric"],
            random_state=seed,
            n_jobs=1,
            # Exact neighbours from scikit-learn spare umap's own search, whose compilation is half of the
            # time a small embedding takes. Placing further rows needs umap's search index, so then it does
            # both itself.
            **({} if len(fitted) < n else _exact_neighbours(codes, parameters["n_neighbors"])),
        )
        coordinates = np.empty((n, 2), dtype=np.float32)
        coordinates[fitted] = reducer.fit_transform(codes[fitted])
        rest = np.setdiff1d(np.arange(n), fitted, assume_unique=True)
        if len(rest):
            coordinates[rest] = reducer.transform(codes[rest])
    return coordinates, parameters


def compile_umap() -> None:
    """Import and compile what :func:`umap_embed` needs, four fifths of the time that a small embedding takes."""
    umap_embed(np.random.default_rng(0).standard_normal((4 * MIN_UMAP_ROWS, 3)), 0)


@contextmanager
def kept_threads() -> Iterator[None]:
    """Give torch its number of threads back: numba, once it starts its own, resets the count they share."""
    torch = sys.modules.get("torch")
    n_threads = None if torch is None else torch.get_num_threads()
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(n_threads)


def _exact_neighbours(codes: NDArray[np.float32], n_neighbors: int) -> dict[str, Any]:
    """Return UMAP's arguments for neighbours that are known already; each row counts as its own first one."""
    distances, rows = NearestNeighbors(n_neighbors=n_neighbors).fit(codes).kneighbors(codes)
    found = (rows.astype(np.int32), distances.astype(np.float32))
    return {"precomputed_knn": found, "force_approximation_algorithm": True}


def _floats(row: NDArray[Any]) -> tuple[float, ...]:
    return tuple(float(value) for value in row)
