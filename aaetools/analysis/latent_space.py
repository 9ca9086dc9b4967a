"""Whether the latent space and its pictures can be believed: neighbours that stay neighbours, and room that is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import mul
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.decomposition import PCA

from aaetools.analysis.health import dead_axes
from aaetools.analysis.progress import Progress, tell
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
_BLOCK = 512
_VARIANCE = 0.95
_PICTURE = "picture"

Of = Literal["features", "codes"]
Points = NDArray[np.float64]
Neighbours = tuple[NDArray[np.int64], NDArray[np.int32]]
"""Other rows from near to far, and the rank of each row; see :func:`_neighbour_order`."""


def latent_space(
    Z: ArrayLike,
    X: ArrayLike | None = None,
    picture: ArrayLike | Mapping[str, ArrayLike] | None = None,
    random_state: int | None = None,
    *,
    neighbours: Sequence[int] | None = None,
    prior_codes: ArrayLike | None = None,
    max_compared: int = MAX_COMPARED,
    split: Literal["holdout", "train", "all"] = "all",
    progress: Progress | None = None,
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
        Seed of the rows that are compared and of how ties are broken.
    neighbours
        Numbers of neighbours k; 5, 10 and 30 by default, as far as k < n / 2.
    prior_codes
        Draws from the prior, shape (any, d), to say which effective dimension it asks for.
    max_compared
        With more rows so many are chosen at random and compared with each other. Neighbours are then farther apart
        than among all rows, so compare numbers at one number of rows only.
    split
        Which rows these are, recorded.
    progress
        Called with what is being done, how many rows are done, and how many there are.

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

    Intervals are normal ones of the jackknife: each row in turn is left out, as a row and as a neighbour of others.

    Recall is the mean overlap of k nearest neighbours, Q_NX(k) of Lee and Verleysen, "Quality assessment of
    dimensionality reduction", Neurocomputing 2009.

    Examples
    --------
    >>> Z = np.random.default_rng(0).standard_normal((200, 3))
    >>> found = latent_space(Z, 2 * Z, random_state=0)
    >>> found.find("codes", "features").recall[0].value
    1.0
    """
    codes = _matrix(Z, "codes").astype(np.float64)
    n, d = codes.shape
    spaces: dict[tuple[str, Of], Points] = {}
    features = None if X is None else _matrix(X, "features", n)
    pictures = {name: _matrix(points, name, n) for name, points in _named(picture).items()}
    rng = np.random.default_rng(random_state)
    notes: list[str] = []
    numbers = _neighbours(neighbours, min(n, max_compared))
    main = _MAIN if _MAIN in numbers else numbers[len(numbers) // 2]
    chosen = rng.permutation(n)[:max_compared]  # also shuffles the rows, so that ties are broken at random
    if len(chosen) < n:
        notes.append(f"{len(chosen):,} of {n:,} rows, chosen at random, were compared with each other.")
    codes_here = codes[chosen]
    shown = {name: points[chosen].astype(np.float64) for name, points in pictures.items()}
    references: dict[Of, Points] = {"codes": codes_here}
    if features is not None:
        references["features"] = features[chosen].astype(np.float64)
        if not np.ptp(references["features"], axis=0).any():
            raise DataError("the features are the same in every row, so that no row is near another; check the data")
        spaces["codes", "features"] = codes_here
        spaces.update({(name, "features"): points for name, points in shown.items()})
    if np.ptp(codes_here, axis=0).any():  # else no code is near another
        spaces.update({(name, "codes"): points for name, points in shown.items()})
    with one_thread_for(len(chosen) * len(chosen)):
        for of in ("features", "codes"):
            for width in sorted({points.shape[1] for (_, other), points in spaces.items() if other == of}):
                if width < min(references[of].shape):  # else it would be the reference itself
                    components = PCA(width, random_state=random_state).fit_transform(references[of])
                    spaces[f"PCA {width}", of] = np.asarray(components)
        measures = _measures(spaces, references, numbers, main, progress)
    found = tuple(_preservation(name, of, spaces[name, of].shape[1], measures) for name, of in _order(spaces))
    result = LatentSpace(
        split=split,
        n=n,
        n_compared=len(chosen),
        n_axes=d,
        neighbours=numbers,
        k=main,
        chance=tuple(k / (len(chosen) - 1) for k in numbers),
        chance_trustworthiness=_chance_trustworthiness(len(chosen), main),
        random_state=random_state,
        preservation=found,
        effective_dimension=effective_dimension(codes),
        prior_dimension=None if prior_codes is None else effective_dimension(prior_codes).value,
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
    codes = _matrix(Z, "codes").astype(np.float64)
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


def _matrix(values: ArrayLike, what: str, n: int | None = None) -> NDArray[np.floating[Any]]:
    """Return a finite matrix with as many rows as the codes; large ones in float32 are not copied."""
    matrix = np.asarray(values)
    if matrix.dtype != np.float32:
        matrix = matrix.astype(np.float64, copy=False)
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


def _order(spaces: Mapping[tuple[str, Of], Points]) -> list[tuple[str, Of]]:
    """Return the spaces compared with the features, then those compared with the codes, each PCA after its likes."""
    of_rank = {"features": 0, "codes": 1}
    place = {key: index for index, key in enumerate(spaces)}
    return sorted(
        spaces, key=lambda key: (of_rank[key[1]], -spaces[key].shape[1], key[0].startswith("PCA"), place[key])
    )


# -- neighbours ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Measure:
    """A mean over rows, and what it would be without each of them, shape (n,)."""

    value: float
    without: NDArray[np.float64]

    def __sub__(self, other: _Measure) -> _Measure:
        return _Measure(self.value - other.value, self.without - other.without)

    def interval(self, low: float, high: float) -> Interval:
        """Return the mean with the normal interval of the jackknife, inside of what is possible."""
        n = len(self.without)
        half = norm.ppf(0.975) * np.sqrt((n - 1) * np.var(self.without))
        return Interval(self.value, max(low, float(self.value - half)), min(high, float(self.value + half)), n)


def _measures(
    spaces: Mapping[tuple[str, Of], Points],
    references: Mapping[Of, Points],
    numbers: tuple[int, ...],
    main: int,
    progress: Progress | None = None,
) -> dict[tuple[str, Of], tuple[_Measure, ...]]:
    """Return trustworthiness and continuity at ``main`` neighbours and recall at each number, for each space."""
    n = len(references["codes"])
    sums = {key: np.zeros((2 + len(numbers), 2, n)) for key in spaces}  # of each row, and changed by leaving it out
    used = {of for _, of in spaces}
    for start in range(0, n, _BLOCK):
        rows = slice(start, min(start + _BLOCK, n))
        truth = {of: _neighbour_order(references[of], rows) for of in used}
        seen: dict[int, Neighbours] = {}
        for (name, of), points in spaces.items():
            if id(points) not in seen:  # one picture may be compared with features and codes
                seen[id(points)] = _neighbour_order(points, rows)
            here, there = seen[id(points)], truth[of]
            block = (
                _intruders(here, there, main),
                _intruders(there, here, main),
                *(_shared(here, there, k) for k in numbers),
            )
            for total, (own, others) in zip(sums[name, of], block, strict=True):
                total[0, rows] = own
                total[1] += others
        tell(progress, "comparing neighbours", rows.stop, n)
    return {
        key: (
            *(_measure(total, lambda m: -m * main * (2 * m - 3 * main - 1) / 2, 1.0) for total in of_space[:2]),
            *(_measure(total, partial(mul, k), 0.0) for total, k in zip(of_space[2:], numbers, strict=True)),
        )
        for key, of_space in sums.items()
    }


def _measure(total: NDArray[np.float64], scale: Callable[[int], float], offset: float) -> _Measure:
    own, others = total
    n = len(own)
    return _Measure(float(offset + own.sum() / scale(n)), offset + (own.sum() - own + others) / scale(n - 1))


def _intruders(here: Neighbours, there: Neighbours, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return by how many ranks beyond k the nearest rows here lie there, summed over each row's k nearest.

    Also return, for all rows of the data, by how much the sum over these rows changes where one is left out: another
    one takes its place here, and there all that are farther move up by one.
    """
    (order, _), (order_there, rank_there) = here, there
    ranks = np.take_along_axis(rank_there, order[:, : k + 1], axis=1)
    near, following = ranks[:, :k], ranks[:, k:]
    excess = np.maximum(near - k, 0)
    replaced = np.maximum(following - k - (near < following), 0) - excess
    others = np.bincount(order[:, :k].ravel(), replaced.ravel(), minlength=rank_there.shape[1]).astype(np.float64)
    beyond = np.maximum(np.arange(1, rank_there.shape[1]), k)
    moved = np.zeros(order_there.shape, dtype=np.int32)
    for column in near.T:
        moved += column[:, None] > beyond
    others -= np.bincount(order_there.ravel(), moved.ravel(), minlength=len(others))
    return np.asarray(excess.sum(axis=1)), others


def _shared(here: Neighbours, there: Neighbours, k: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return how many of each row's k nearest rows here are among the k nearest there, and the change as above."""
    (order, rank), (order_there, rank_there) = here, there
    n = rank.shape[1]
    in_both = np.take_along_axis(rank_there, order[:, :k], axis=1) <= k
    next_here, next_there = order[:, k : k + 1], order_there[:, k : k + 1]
    # the next in line comes in where one is left out; it counts where it is near in the other space, too
    comes_here = np.take_along_axis(rank_there, next_here, axis=1) <= k
    comes_there = np.take_along_axis(rank, next_there, axis=1) <= k
    in_both_without = np.where(in_both, (next_here == next_there) * 1 - 1, 0)
    others = np.bincount(order[:, :k].ravel(), (in_both_without + comes_here).ravel(), n)
    others += np.bincount(order_there[:, :k].ravel(), np.repeat(comes_there, k), n)
    return np.asarray(in_both.sum(axis=1)), others.astype(np.float64)


def _neighbour_order(points: Points, rows: slice) -> Neighbours:
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


def _preservation(
    name: str, of: Of, n_axes: int, measures: Mapping[tuple[str, Of], tuple[_Measure, ...]]
) -> Preservation:
    trustworthiness, continuity, *recall = measures[name, of]
    is_reference = name.startswith("PCA")
    beside = None if is_reference else measures.get((f"PCA {n_axes}", of))
    gain = None
    if beside is not None:
        gain = tuple((own - other).interval(-1, 1) for own, other in zip(recall, beside[2:], strict=True))
    return Preservation(
        space="PCA" if is_reference else name,
        of=of,
        n_axes=n_axes,
        trustworthiness=trustworthiness.interval(0, 1),
        continuity=continuity.interval(0, 1),
        recall=tuple(measure.interval(0, 1) for measure in recall),
        gain=gain,
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
    if found.prior_dimension is not None:
        room += f" (the prior {found.prior_dimension:.1f})"
    if found.dead_axes:
        room += f"; {len(found.dead_axes)} of the axes carr{'y' if len(found.dead_axes) > 1 else 'ies'} nothing"
    return [*said, f"{room}."]


def _codes_sentence(found: LatentSpace, codes: Preservation, at: int) -> str:
    share = codes.recall[at]
    said = (
        f"Of a row's {found.k} nearest neighbours in the features the codes keep {share.value:.0%} "
        f"({share.low:.0%} to {share.high:.0%}; chance {found.chance[at]:.1%})"
    )
    if codes.gain is None:
        return f"{said}."
    gain = codes.gain[at]
    against = "about as many as"
    if gain.low > 0:
        against = "more than"
    elif gain.high < 0:
        against = "fewer than"
    return f"{said}, {against} PCA with as many axes ({share.value - gain.value:.0%})."


def _the(space: str) -> str:
    return f"the {space} keeps" if space[:1].islower() else f"{space} keeps"
