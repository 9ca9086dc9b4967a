"""Whether the latent space and its pictures can be believed: neighbours that stay neighbours, and room that is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.decomposition import PCA

from aaetools.analysis.health import dead_axes
from aaetools.analysis.results import Interval, LatentSpace, Preservation
from aaetools.analysis.threads import one_thread_for
from aaetools.exceptions import DataError

__all__ = ["MAX_COMPARED", "MIN_COMPARED", "MIN_HELD_OUT", "NEIGHBOURS", "effective_dimension", "latent_space"]

NEIGHBOURS = (5, 10, 30)
"""Numbers of neighbours that are looked at by default, as far as there are rows for them."""

MIN_COMPARED = 11
"""With fewer rows not even five neighbours are less than half of the others."""

MAX_COMPARED = 2_000
"""Above it a random choice of rows is compared by default: every row has a distance to every other."""

MIN_HELD_OUT = 30
"""With fewer held-out rows the neighbours of a run are looked for among its training rows."""

_MAIN = 10
_N_BOOTSTRAP = 400
_BLOCK = 512
_VARIANCE = 0.95
_PICTURE = "picture"

Of = Literal["features", "codes"]
Points = NDArray[np.float64]


def latent_space(
    Z: ArrayLike,
    X: ArrayLike | None = None,
    picture: ArrayLike | Mapping[str, ArrayLike] | None = None,
    random_state: int | None = None,
    *,
    neighbours: Sequence[int] | None = None,
    prior_codes: ArrayLike | None = None,
    max_compared: int = MAX_COMPARED,
    n_bootstrap: int = _N_BOOTSTRAP,
    split: Literal["holdout", "train", "all"] = "all",
) -> LatentSpace:
    """Ask how far neighbours in the features are neighbours in the codes and in pictures, and what room codes take.

    Parameters
    ----------
    Z
        Codes, shape (n, d), finite.
    X
        The same rows as the model sees them (scaled features), shape (n, n_features); without them only pictures are
        compared, with the codes.
    picture
        The same rows in the plane, shape (n, 2) or any other width, such as a UMAP picture; several by their names.
    random_state
        Seed of the rows that are compared, of how ties are broken, and of the bootstrap.
    neighbours
        Numbers of neighbours k; 5, 10 and 30 by default, as far as k < n / 2.
    prior_codes
        Draws from the prior, shape (any, d), to say which effective dimension it asks for.
    max_compared
        With more rows so many are chosen at random and compared with each other. Neighbours are then farther apart
        than among all rows, so compare numbers at one number of rows only.
    n_bootstrap
        Resamples of the rows behind each interval.
    split
        Which rows these are, recorded.

    Returns
    -------
    LatentSpace

    Raises
    ------
    DataError
        If rows do not fit together, hold NaN or infinity, or are too few for the neighbours asked for.

    Notes
    -----
    Trustworthiness and continuity are those of Venna and Kaski, "Neighborhood preservation in nonlinear projection
    methods: an experimental study", ICANN 2001, section 2; the first is scikit-learn's, the second the first with the
    spaces swapped. Rows that are equally far are ordered at random, but in the same order in every space: the identity
    keeps all neighbours, and codes that are all the same keep them by chance only.

    Recall is the mean overlap of k nearest neighbours, Q_NX(k) of Lee and Verleysen, "Quality assessment of
    dimensionality reduction", Neurocomputing 2009.

    Examples
    --------
    >>> Z = np.random.default_rng(0).standard_normal((200, 3))
    >>> found = latent_space(Z, 2 * Z, random_state=0)
    >>> found.find("codes", "features").recall[0].value
    1.0
    """
    codes = _matrix(Z, "codes")
    n, d = codes.shape
    spaces: dict[tuple[str, Of], Points] = {}
    features = None if X is None else _matrix(X, "features", n)
    pictures = {name: _matrix(points, name, n) for name, points in _named(picture).items()}
    rng = np.random.default_rng(random_state)
    notes: list[str] = []
    numbers = _neighbours(neighbours, min(n, max_compared))
    chosen = rng.permutation(n)[:max_compared]  # also shuffles the rows, so that ties are broken at random
    if len(chosen) < n:
        notes.append(f"{len(chosen):,} of {n:,} rows, chosen at random, were compared with each other.")
    codes_here = codes[chosen]
    references: dict[Of, Points] = {"codes": codes_here}
    if features is not None:
        references["features"] = features[chosen]
        if not np.ptp(references["features"], axis=0).any():
            raise DataError("the features are the same in every row, so that no row is near another; check the data")
        spaces["codes", "features"] = codes_here
        spaces.update({(name, "features"): points[chosen] for name, points in pictures.items()})
    spaces.update({(name, "codes"): points[chosen] for name, points in pictures.items()})
    with one_thread_for(len(chosen) * len(chosen)):
        for of in ("features", "codes"):
            for width in {points.shape[1] for (_, other), points in spaces.items() if other == of}:
                spaces[f"PCA {width}", of] = _principal(references[of], width, random_state)
        values = _row_values(spaces, references, numbers)
    draws = _resamples(len(chosen), n_bootstrap, rng)
    found = tuple(
        _preservation(name, of, spaces[name, of].shape[1], values, numbers, draws) for name, of in _order(spaces)
    )
    ratio = effective_dimension(codes)
    result = LatentSpace(
        split=split,
        n=n,
        n_compared=len(chosen),
        n_axes=d,
        neighbours=numbers,
        k=_MAIN if _MAIN in numbers else numbers[len(numbers) // 2],
        chance=tuple(k / (len(chosen) - 1) for k in numbers),
        chance_trustworthiness=tuple(_chance_trustworthiness(len(chosen), k) for k in numbers),
        n_bootstrap=n_bootstrap,
        random_state=random_state,
        preservation=found,
        effective_dimension=ratio,
        prior_dimension=float("nan") if prior_codes is None else effective_dimension(prior_codes).value,
        n_components_95=_n_components(codes),
        spread=tuple(float(value) for value in codes.std(axis=0)),
        dead_axes=dead_axes(codes),
        verdict="",
        notes=tuple(notes),
    )
    return replace(result, verdict=" ".join(_sentences(result)))


def effective_dimension(Z: ArrayLike) -> Interval:
    """Return the participation ratio of the variances along the principal axes of codes, shape (n, d).

    It is (sum of variances)^2 / sum of squared variances: d where all directions have the same spread, 1 where a
    single one has any, NaN where none has. The interval is the normal one of the delta method.

    Notes
    -----
    Participation ratio: Gao et al., "A theory of multineuronal dimensionality, dynamics and measurement", bioRxiv
    214262 (2017), equation 3. With C the covariance, a = tr C and b = tr C^2 the ratio is a^2 / b; a row z, measured
    from the mean, moves a by |z|^2 - a and b by 2 (z' C z - b).

    Examples
    --------
    >>> effective_dimension([[1, 0], [-1, 0], [0, 1], [0, -1]]).value
    2.0
    """
    codes = _matrix(Z, "codes")
    n, d = codes.shape
    centred = codes - codes.mean(axis=0)
    covariance = centred.T @ centred / n
    a, b = float(np.trace(covariance)), float(np.square(covariance).sum())
    if not _has_spread(codes, a):
        return Interval(float("nan"), float("nan"), float("nan"), n)
    ratio = a * a / b
    moved_a = np.square(centred).sum(axis=1) - a
    moved_b = 2 * (((centred @ covariance) * centred).sum(axis=1) - b)
    half = float(norm.ppf(0.975) * np.std(2 * a / b * moved_a - ratio / b * moved_b) / np.sqrt(n))
    return Interval(ratio, max(1.0, ratio - half), min(float(d), ratio + half), n)


# -- what is compared ------------------------------------------------------------------------------------------------


def _matrix(values: ArrayLike, what: str, n: int | None = None) -> Points:
    """Return a finite matrix with as many rows as the codes."""
    matrix = np.asarray(values, dtype=np.float64)
    if matrix.ndim > 2:
        matrix = matrix.reshape(len(matrix), -1)  # images
    if matrix.ndim != 2 or matrix.size == 0:
        raise DataError(f"{what} must be of shape (rows, axes), at least one each, not {matrix.shape}")
    if n is not None and len(matrix) != n:
        raise DataError(f"{what} have {len(matrix)} rows, but there are {n} codes; give the same rows")
    broken = ~np.isfinite(matrix).all(axis=1)
    if broken.any():
        raise DataError(
            f"{what}: row {int(np.argmax(broken))} (counted from 0) holds NaN or infinity; leave such rows out "
            f"({int(broken.sum())} in all)"
        )
    return matrix


def _named(picture: ArrayLike | Mapping[str, ArrayLike] | None) -> dict[str, ArrayLike]:
    if picture is None:
        return {}
    if not isinstance(picture, Mapping):
        return {_PICTURE: picture}
    for name in picture:
        if name in ("codes", "features") or str(name).startswith("PCA"):
            raise DataError(f"a picture cannot be called {name!r}; that name is taken, choose another")
    return dict(picture)


def _neighbours(wanted: Sequence[int] | None, n: int) -> tuple[int, ...]:
    """Return the numbers of neighbours; each is below half of the rows, or trustworthiness is not defined."""
    if wanted is None:
        fitting = tuple(k for k in NEIGHBOURS if k < n / 2)
        if not fitting:
            raise DataError(f"{n} rows are too few to look at neighbours; at least {MIN_COMPARED} are needed")
        return fitting
    numbers = tuple(sorted({int(k) for k in wanted}))
    if not numbers or numbers[0] < 1:
        raise DataError(f"neighbours must be whole numbers of at least 1, not {list(wanted)}")
    if numbers[-1] >= n / 2:
        raise DataError(
            f"{numbers[-1]} neighbours are too many for {n} rows: there must be fewer than half as many; "
            f"ask for at most {(n - 1) // 2}"
        )
    return numbers


def _principal(points: Points, width: int, random_state: int | None) -> Points:
    """Return the first principal components; all there are, where the points have no more axes than that."""
    if width >= min(points.shape):
        return points
    return np.asarray(PCA(width, random_state=random_state).fit_transform(points))


def _order(spaces: Mapping[tuple[str, Of], Points]) -> list[tuple[str, Of]]:
    """Return the spaces compared with the features, then those compared with the codes, each PCA after its likes."""
    of_rank = {"features": 0, "codes": 1}
    place = {key: index for index, key in enumerate(spaces)}
    return sorted(
        spaces, key=lambda key: (of_rank[key[1]], -spaces[key].shape[1], key[0].startswith("PCA"), place[key])
    )


# -- neighbours ------------------------------------------------------------------------------------------------------


def _row_values(
    spaces: Mapping[tuple[str, Of], Points], references: Mapping[Of, Points], numbers: tuple[int, ...]
) -> dict[tuple[str, Of], NDArray[np.float64]]:
    """Return trustworthiness, continuity and recall of each row, shape (3, len(numbers), n), for each space."""
    n = len(references["codes"])
    values = {key: np.empty((3, len(numbers), n)) for key in spaces}
    used = {of for _, of in spaces}
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n))
        truth = {of: _neighbour_order(references[of], rows) for of in used}
        seen: dict[int, tuple[NDArray[np.int64], NDArray[np.int32]]] = {}
        for (name, of), points in spaces.items():
            # one picture may be compared with features and codes
            if id(points) not in seen:
                seen[id(points)] = _neighbour_order(points, rows)
            (order_true, rank_true), (order, rank) = truth[of], seen[id(points)]
            for i, k in enumerate(numbers):
                worst = k * (2 * n - 3 * k - 1) / 2  # the sum below where the farthest rows have come nearest
                near = np.take_along_axis(rank_true, order[:, :k], axis=1)
                far = np.take_along_axis(rank, order_true[:, :k], axis=1)
                values[name, of][0, i, rows] = 1 - np.maximum(near - k, 0).sum(axis=1) / worst
                values[name, of][1, i, rows] = 1 - np.maximum(far - k, 0).sum(axis=1) / worst
                values[name, of][2, i, rows] = (near <= k).mean(axis=1)
    return values


def _neighbour_order(points: Points, rows: slice) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return all other rows from near to far, and the rank that each row has (1 is the nearest), shape (rows, n).

    Equal distances are ordered by position. Distance and position are sorted as one whole number, which numpy does
    several times faster than it sorts positions by distance.
    """
    n = len(points)
    squares = np.square(points).sum(axis=1)
    distances = squares[rows, None] + squares - 2 * points[rows] @ points.T
    # the rounding to float32 is coarser than that of the products, so that equal distances are equal
    single = np.maximum(distances, 0).astype(np.float32)
    keys = (single.view(np.int32).astype(np.int64) << 32) | np.arange(n)
    keys[np.arange(len(keys)), np.arange(rows.start, rows.stop)] = np.iinfo(np.int64).max  # no row is its own neighbour
    keys.sort(axis=1)
    order = keys[:, :-1] & 0xFFFFFFFF
    rank = np.zeros((len(keys), n), dtype=np.int32)
    np.put_along_axis(rank, order, np.arange(1, n, dtype=np.int32)[None], axis=1)
    return order, rank


def _chance_trustworthiness(n: int, k: int) -> float:
    """Return the mean trustworthiness where every rank from 1 to n - 1 is as likely as any other."""
    return 1 - (n - 1 - k) * (n - k) / ((n - 1) * (2 * n - 3 * k - 1))


# -- intervals -------------------------------------------------------------------------------------------------------


def _resamples(n: int, n_bootstrap: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return how much each row weighs in each resample, shape (n_bootstrap, n)."""
    counts = np.zeros((n_bootstrap, n))
    for weights in counts:
        weights += np.bincount(rng.integers(n, size=n), minlength=n)
    return counts / n


def _preservation(
    name: str,
    of: Of,
    n_axes: int,
    values: Mapping[tuple[str, Of], NDArray[np.float64]],
    numbers: tuple[int, ...],
    draws: NDArray[np.float64],
) -> Preservation:
    own = values[name, of]
    is_reference = name.startswith("PCA")
    gain = None if is_reference else own[2] - values[f"PCA {n_axes}", of][2]
    return Preservation(
        space="PCA" if is_reference else name,
        of=of,
        n_axes=n_axes,
        trustworthiness=_intervals(own[0], draws),
        continuity=_intervals(own[1], draws),
        recall=_intervals(own[2], draws),
        gain=None if gain is None else _intervals(gain, draws),
    )


def _intervals(values: NDArray[np.float64], draws: NDArray[np.float64]) -> tuple[Interval, ...]:
    """Return the means of values per row, shape (any, n), with percentile bootstrap intervals."""
    means = values @ draws.T
    low, high = np.percentile(means, [2.5, 97.5], axis=1)
    n = values.shape[1]
    return tuple(
        Interval(float(row.mean()), float(a), float(b), n) for row, a, b in zip(values, low, high, strict=True)
    )


# -- dimension and words ---------------------------------------------------------------------------------------------


def _n_components(codes: Points) -> int:
    centred = codes - codes.mean(axis=0)
    variances = np.linalg.eigvalsh(centred.T @ centred / len(codes))[::-1]
    total = float(variances.sum())
    if not _has_spread(codes, total):
        return 0
    return int(np.searchsorted(np.cumsum(variances) / total, _VARIANCE - 1e-12) + 1)


def _has_spread(codes: Points, variance: float) -> bool:
    """Tell whether the sum of the variances is more than what rounding leaves of codes that are all the same."""
    return variance > 1e-20 * float(np.square(codes).sum(axis=1).mean())


def _sentences(found: LatentSpace) -> list[str]:
    if len(found.dead_axes) == found.n_axes:
        return ["All codes are nearly the same: the latent space says nothing about the rows."]
    at = found.neighbours.index(found.k)
    said = []
    codes = found.find("codes", "features")
    if codes is not None:
        said.append(_codes_sentence(found, codes, at))
    pictures = [part for part in found.preservation if part.of == "codes" and part.space != "PCA"]
    if pictures:
        kept = " and ".join(f"{_the(part.space)} {part.recall[at].value:.0%}" for part in pictures)
        said.append(f"Of those in the codes {kept}.")
    room = f"The codes use about {found.effective_dimension.value:.1f} of {found.n_axes} dimensions"
    if found.prior_dimension == found.prior_dimension:
        room += f" (the prior {found.prior_dimension:.1f})"
    if found.dead_axes:
        room += f"; {len(found.dead_axes)} of the axes carr{'y' if len(found.dead_axes) > 1 else 'ies'} nothing"
    return [*said, f"{room}."]


def _codes_sentence(found: LatentSpace, codes: Preservation, at: int) -> str:
    share = codes.recall[at]
    pca = next(part for part in found.preservation if (part.space, part.of) == ("PCA", "features"))
    assert codes.gain is not None
    gain = codes.gain[at]
    against = "about as many as"
    if gain.low > 0:
        against = "more than"
    elif gain.high < 0:
        against = "fewer than"
    return (
        f"Of a row's {found.k} nearest neighbours in the features the codes keep {share.value:.0%} "
        f"({share.low:.0%} to {share.high:.0%}; chance {found.chance[at]:.1%}), {against} PCA with as many axes "
        f"({pca.recall[at].value:.0%})."
    )


def _the(space: str) -> str:
    return f"the {space} keeps" if space[:1].islower() else f"{space} keeps"
