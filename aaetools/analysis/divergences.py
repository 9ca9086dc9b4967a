"""Statistics that tell how far samples are from a target distribution, each a number per sample.

Every entry of :data:`DIVERGENCES` prepares a :class:`Target` once and returns a function of :class:`Samples`, a stack
of samples of one size: the codes are a stack of one, the samples of a null distribution stacks of many. What
several statistics need, such as sorted projections, a stack computes once. Where the target is a mixture of Gaussians
its side of each statistic is a closed form; otherwise it is a large sample of the target, the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import ceil, exp, lgamma, pi, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import KDTree
from scipy.spatial.distance import pdist
from scipy.special import ndtr, ndtri

from aaetools.exceptions import DataError

if TYPE_CHECKING:  # reading a run must not need torch
    from aaetools.priors import GaussianComponents

__all__ = [
    "DIVERGENCES",
    "MANY_CODES",
    "MAX_NEIGHBOR_DIMS",
    "Codes",
    "Samples",
    "Statistic",
    "Target",
    "Values",
    "checked_codes",
    "divergence",
    "energy",
    "frechet",
    "knn_kl",
    "max_sliced_wasserstein",
    "mmd",
    "sliced_wasserstein",
]

MAX_NEIGHBOR_DIMS = 4
"""Above this many dimensions nearest neighbours say nothing reliable about densities."""

MANY_CODES = 5_000
"""Above this many codes half the directions and a quarter of the features do: the power is there, the time is not."""

_N_FREQUENCIES = 320
_N_PROJECTIONS = 64
_N_PAIRED = 1_000
_N_GRID = 4_096
_MAX_BANDWIDTHS = 8
_REFERENCE_ROWS = 20_000
_PAIRS_ROWS = 1_000
_N_NEIGHBORS = 5

Codes = NDArray[np.float32]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Target:
    """The distribution that samples of ``n`` codes are compared with, and what statistics need to know of it.

    Everything random comes from ``seed``, each purpose from a stream of its own: two targets made alike are alike.

    Attributes
    ----------
    n
        Codes per sample.
    n_dims
        Latent dimensions d.
    draw
        Function (n, rng) that returns a fresh sample, shape (n, d).
    seed
        Numbers that seed all streams.
    components
        The Gaussians that the target is a mixture of, None where it is none.
    given
        A sample that stands for the target, shape (m, d); drawn where it is None and needed.
    """

    n: int
    n_dims: int
    draw: Callable[[int, np.random.Generator], Codes]
    seed: tuple[int, ...] = (0,)
    components: GaussianComponents | None = None
    given: Codes | None = None

    def rng(self, purpose: int) -> np.random.Generator:
        """Return the stream of one purpose: 0 reference, 1 directions, 2 frequencies, 3 null, 4 and 5 shifts."""
        return np.random.default_rng([*self.seed, purpose])

    @cached_property
    def reference(self) -> Codes:
        """A large sample of the target, at least four times as large as the samples, shape (m, d)."""
        if self.given is not None:
            return self.given
        return self.draw(self.n * max(4, ceil(_REFERENCE_ROWS / self.n)), self.rng(0))

    @cached_property
    def moments(self) -> tuple[Values, Values]:
        """Mean, shape (d,), and covariance, shape (d, d)."""
        if self.components is None:
            return self.reference.mean(axis=0, dtype=np.float64), np.atleast_2d(np.cov(self.reference.T))
        weights, means, covariances = self.components
        mean = weights @ means
        apart = means - mean
        return mean, np.einsum("k,kij->ij", weights, covariances) + (weights[:, None] * apart).T @ apart

    @cached_property
    def directions(self) -> NDArray[np.float32]:
        """Unit vectors, shape (L, d): the one axis for d = 1, else randomly turned orthonormal bases."""
        if self.n_dims == 1:
            return np.ones((1, 1), dtype=np.float32)
        rng, wanted = self.rng(1), max(_N_PROJECTIONS // (1 if self.n <= MANY_CODES else 2), self.n_dims)
        bases = [
            np.linalg.qr(rng.standard_normal((self.n_dims, self.n_dims)))[0] for _ in range(ceil(wanted / self.n_dims))
        ]
        return np.concatenate(bases)[:wanted].astype(np.float32)

    @cached_property
    def axes(self) -> NDArray[np.float32]:
        """The coordinate axes as unit vectors, shape (d, d)."""
        return np.eye(self.n_dims, dtype=np.float32)

    @cached_property
    def _prepared(self) -> dict[str, Statistic]:
        return {}

    def statistic(self, name: str) -> Statistic:
        """Return a statistic of ``DIVERGENCES``, prepared once."""
        if name not in self._prepared:
            self._prepared[name] = DIVERGENCES[name](self)
        return self._prepared[name]

    def along(self, directions: NDArray[np.float32]) -> tuple[Values, Values]:
        """Return means and standard deviations of the components along directions, each of shape (L, K).

        Raises
        ------
        ValueError
            If the target is no mixture of Gaussians.
        """
        if self.components is None:
            raise ValueError("the target is no mixture of Gaussians")
        _, means, covariances = self.components
        turned = directions.astype(np.float64)
        variances = np.einsum("li,kij,lj->lk", turned, covariances, turned, optimize=True)
        return turned @ means.T, np.sqrt(variances)

    def quantiles(self, directions: NDArray[np.float32]) -> Values:
        """Return evenly spaced quantiles of the projections, shape (L, m), m a multiple of n."""
        if self.components is None:
            per_code = len(self.reference) // self.n
            if per_code == 0:
                raise ValueError(f"the reference has {len(self.reference)} rows, fewer than the sample's {self.n}")
            return np.sort(directions @ self.reference[: per_code * self.n].T, axis=-1).astype(np.float64)
        m = self.n * max(4, ceil(_REFERENCE_ROWS / self.n))
        levels = (np.arange(m) + 0.5) / m
        centers, spreads = self.along(directions)
        if centers.shape[1] == 1:
            return np.asarray(centers + spreads * ndtri(levels))
        grid = _grid(centers, spreads)
        weights = self.components.weights
        return np.stack(
            [
                np.interp(levels, ndtr((points[:, None] - center) / spread) @ weights, points)
                for points, center, spread in zip(grid, centers, spreads, strict=True)
            ]
        )


@dataclass(frozen=True, eq=False)
class Samples:
    """A stack of samples, ``codes`` of shape (B, n, d), and what several statistics need of it."""

    codes: Codes
    target: Target

    @cached_property
    def ordered(self) -> NDArray[np.float32]:
        """Sorted projections onto the target's directions, shape (B, L, n)."""
        return self.sorted_along(self.target.directions)

    @cached_property
    def moments(self) -> tuple[Values, Values]:
        """Means, shape (B, d), and covariances, shape (B, d, d)."""
        means = self.codes.mean(axis=1, dtype=np.float64)
        centered = self.codes - means[:, None].astype(np.float32)
        products = (centered.swapaxes(1, 2) @ centered).astype(np.float64)
        return means, products / (self.codes.shape[1] - 1)

    def sorted_along(self, directions: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return sorted projections onto directions (L, d), shape (B, L, n)."""
        projected = directions @ self.codes.swapaxes(1, 2)
        projected.sort(axis=-1)
        return projected


Statistic = Callable[[Samples], Values]
"""Maps a stack of B samples to one value each, shape (B,)."""


# --- Statistics: target -> (stack of samples -> values) ---------------------------------------------


def mmd(target: Target) -> Statistic:
    r"""Unbiased squared maximum mean discrepancy; may be slightly negative.

    The kernel is the mean of Gaussian kernels ``exp(-|x - y|^2 / 2 h^2)``. The squared bandwidths are four times the
    target's total variance (4 d for N(0, I)) and that divided by 4 again and again, down to a sixteenth of the variance
    (d / 16), or of that within the components of a mixture.

    Up to 1,000 codes all pairs are computed, and the target's side is the closed form: with N(m, S) a component,
    ``E k(x, Y) = |I + S / h^2|^(-1/2) exp(-(x - m)' (S + h^2 I)^(-1) (x - m) / 2)``. With more codes, or a target that
    is no mixture, the kernel is evaluated through random Fourier features, which is linear in n:
    ``k(x, y) = mean_w cos(w (x - y))`` with ``w ~ N(0, I / h^2)``; the target's mean feature is its characteristic
    function, or the mean over the reference. As ``|phi(x)| = 1`` the diagonal can be taken out, so the U-statistic
    stays unbiased.

    Notes
    -----
    Gretton et al., "A kernel two-sample test", JMLR 2012, lemma 6; Rahimi and Recht, NIPS 2007.
    """
    return _mmd_by_features(target) if target.components is None or target.n > _N_PAIRED else _mmd_by_pairs(target)


def sliced_wasserstein(target: Target) -> Statistic:
    """Sliced Wasserstein distance of order 2, in latent units.

    The root of the mean, over fixed random directions, of the squared one-dimensional Wasserstein-2 distances
    between projections. Has a positive floor that shrinks with n; read it against its null.

    Notes
    -----
    Bonneel et al., "Sliced and Radon Wasserstein barycenters of measures", JMIV 2015.
    """
    squares = _squared_wasserstein(target, target.directions)

    def statistic(samples: Samples) -> Values:
        return np.asarray(np.sqrt(squares(samples.ordered).mean(axis=-1)))

    return statistic


def max_sliced_wasserstein(target: Target) -> Statistic:
    """Largest one-dimensional Wasserstein-2 distance over many directions, in latent units.

    The directions are those of the sliced distance and, up to ``MANY_CODES`` codes, the coordinate axes. It is a lower
    bound on the max-sliced distance over all directions, which would have to be searched anew for every sample.

    Notes
    -----
    Deshpande et al., "Max-sliced Wasserstein distance and its use for GANs", CVPR 2019.
    """
    across = _squared_wasserstein(target, target.directions)
    along_axes = _squared_wasserstein(target, target.axes) if target.n <= MANY_CODES else None

    def statistic(samples: Samples) -> Values:
        largest = across(samples.ordered).max(axis=-1)
        if along_axes is not None:
            largest = np.maximum(largest, along_axes(samples.sorted_along(target.axes)).max(axis=-1))
        return np.asarray(np.sqrt(largest))

    return statistic


def energy(target: Target) -> Statistic:
    r"""Unbiased energy distance ``2 E|x - Y| - E|x - x'| - E|Y - Y'|``; may be negative.

    Computed on projections: for a random direction, ``E|<theta, x>| = |x| Gamma(d/2) / (sqrt(pi)
    Gamma((d+1)/2))``, so the mean over directions of the one-dimensional energy distances is the energy
    distance up to that constant, and each costs one sort. ``E|x - Y|`` is tabulated per direction: in closed form for
    mixtures of Gaussians, from the reference otherwise.

    Notes
    -----
    Szekely and Rizzo, "Energy statistics", JSPI 2013.
    """
    d = target.n_dims
    constant = sqrt(pi) * exp(lgamma((d + 1) / 2) - lgamma(d / 2))
    grid, distances, within_target = _mean_distances(target)
    low, step = grid[:, :1].astype(np.float32), (grid[:, 1:2] - grid[:, :1]).astype(np.float32)
    table = distances.astype(np.float32)
    slope = np.diff(table, axis=1, append=table[:, -1:]).ravel()
    table = table.ravel()
    rows = (np.arange(len(grid)) * _N_GRID)[:, None]

    def statistic(samples: Samples) -> Values:
        position = (samples.ordered - low) / step
        inside = np.clip(position, 0, _N_GRID - 1)
        cells = inside.astype(np.intp)
        # beyond the table the mean distance grows by one for each unit
        outside = np.abs(position - inside).mean(axis=-1, dtype=np.float64) * step[:, 0]
        inside -= cells
        cells += rows
        across = (table[cells] + slope[cells] * inside).mean(axis=-1, dtype=np.float64) + outside
        within = _gini(position) * step[:, 0]
        return np.asarray(constant * (2 * across - within - within_target).mean(axis=-1))

    return statistic


def frechet(target: Target) -> Statistic:
    r"""Frechet distance of the moments, ``|m - m'|^2 + tr(S + S' - 2 (S S')^(1/2))``, in squared latent units.

    It sees means and covariances only. Noise in them adds about ``(d + d(d+1)/4) / n`` (N(0, I)), so the mean of the
    null distribution is subtracted from what is reported.

    Notes
    -----
    Dowson and Landau, "The Frechet distance between multivariate normal distributions", JMVA 1982.
    """
    mean, covariance = target.moments
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T

    def statistic(samples: Samples) -> Values:
        means, covariances = samples.moments
        product = root @ covariances @ root
        roots = np.sqrt(np.clip(np.linalg.eigvalsh((product + product.swapaxes(1, 2)) / 2), 0, None)).sum(axis=-1)
        apart = np.square(means - mean).sum(axis=-1)
        return np.asarray(apart + np.trace(covariances, axis1=1, axis2=2) + np.trace(covariance) - 2 * roots)

    return statistic


def knn_kl(target: Target) -> Statistic:
    """Kullback-Leibler divergence KL(q || p) in nats from distances to 5th nearest neighbours; may be negative.

    Near the target its bias is small; far from it it is badly off, more so with more dimensions.

    Notes
    -----
    Wang, Kulkarni and Verdu, "Divergence estimation for multidimensional densities via k-nearest-neighbor
    distances", IEEE Transactions on Information Theory 2009, equation 5.

    Raises
    ------
    DataError
        Above ``MAX_NEIGHBOR_DIMS`` dimensions.
    """
    d = target.n_dims
    if d > MAX_NEIGHBOR_DIMS:
        raise DataError(
            f"knn_kl is not computed above {MAX_NEIGHBOR_DIMS} latent dimensions, here there are {d}: "
            "it would be far off; choose another statistic"
        )
    k = min(_N_NEIGHBORS, target.n - 1)
    tree, m = KDTree(target.reference), len(target.reference)
    least = float(np.finfo(np.float32).tiny)

    def statistic(samples: Samples) -> Values:
        found = np.empty(len(samples.codes))
        for i, codes in enumerate(samples.codes):
            own = KDTree(codes).query(codes, [k + 1])[0]
            other = tree.query(codes, [k])[0]
            ratios = np.log(np.maximum(other, least)) - np.log(np.maximum(own, least))
            found[i] = d * ratios.mean() + np.log(m / (len(codes) - 1))
        return found

    return statistic


DIVERGENCES: dict[str, Callable[[Target], Statistic]] = {
    "mmd": mmd,
    "sliced_wasserstein": sliced_wasserstein,
    "max_sliced_wasserstein": max_sliced_wasserstein,
    "energy": energy,
    "frechet": frechet,
    "knn_kl": knn_kl,
}
"""Name -> function that prepares a target once and returns a statistic of samples."""


def divergence(codes: ArrayLike, reference: ArrayLike, statistic: str = "mmd", random_state: int | None = 0) -> float:
    """Return one statistic of ``codes`` (n, d) against a sample ``reference`` (m, d), without a test.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> reference, codes = rng.standard_normal((5_000, 2)), rng.standard_normal((500, 2))
    >>> divergence(codes + [1, 0], reference, "frechet") > 10 * divergence(codes, reference, "frechet")
    True
    """
    codes, reference = checked_codes(codes), checked_codes(reference)
    if statistic not in DIVERGENCES:
        raise DataError(f"unknown statistic {statistic!r}: choose from {', '.join(sorted(DIVERGENCES))}")
    if codes.shape[1] != reference.shape[1]:
        raise DataError(f"codes have {codes.shape[1]} columns but the reference has {reference.shape[1]}")
    if len(codes) < 2 or len(reference) < len(codes):
        raise DataError(
            f"{len(codes)} codes and {len(reference)} rows of reference: at least 2 codes are needed, "
            "and at least as many rows of reference as codes"
        )
    seed = np.random.default_rng().integers(2**31) if random_state is None else random_state

    def draw(n: int, rng: np.random.Generator) -> Codes:
        return reference[rng.integers(len(reference), size=n)]

    target = Target(len(codes), codes.shape[1], draw, (int(seed),), given=reference)
    return float(target.statistic(statistic)(Samples(codes[None], target))[0])


def checked_codes(codes: ArrayLike) -> Codes:
    """Return codes as float32 of shape (n, d).

    Raises
    ------
    DataError
        If they are no table or not finite.
    """
    array = np.asarray(codes, dtype=np.float32)
    if array.ndim != 2 or array.shape[1] == 0:
        raise DataError(f"codes must have two dimensions (rows, latent axes), not shape {array.shape}")
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        raise DataError(
            f"the code of row {int(np.argmin(finite))} is not finite ({int((~finite).sum())} rows in all): "
            "the encoder has diverged, train it again with a lower learning rate"
        )
    return array


# --- Maximum mean discrepancy -----------------------------------------------------------------------


def _mmd_by_pairs(target: Target) -> Statistic:
    assert target.components is not None
    squared = _bandwidths(target)
    weights, means, covariances = target.components
    values, vectors = np.linalg.eigh(covariances)
    within_target = float(np.mean([_mean_kernel(target.components, h2) for h2 in squared]))
    # per component: its axes, and along them 1 / (variance + h^2) and the determinant's part, for every bandwidth
    scales = 1 / (values[:, :, None] + squared)
    heights = weights[:, None] * np.exp(-0.5 * np.log1p(values[:, :, None] / squared).sum(axis=1))
    middle = target.moments[0].astype(np.float32)

    def statistic(samples: Samples) -> Values:
        n = samples.codes.shape[1]
        across = np.zeros(samples.codes.shape[:2])
        for k in range(len(weights)):
            turned = (samples.codes - means[k].astype(np.float32)) @ vectors[k].astype(np.float32)
            exponents = np.square(turned) @ (-0.5 * scales[k]).astype(np.float32)
            across += np.exp(exponents) @ heights[k]
        within = np.fromiter(_kernel_sums(samples.codes - middle, squared), dtype=np.float64)
        within = (within - n * len(squared)) / (n * (n - 1))
        return np.asarray((within - 2 * across.mean(axis=1)) / len(squared) + within_target)

    return statistic


def _kernel_sums(stack: Codes, squared: Values) -> Iterator[float]:
    """Yield, for each sample, the sum over all pairs and all squared bandwidths, which fall by a factor of 4."""
    for codes in stack:
        norms = np.einsum("nd,nd->n", codes, codes)
        pairs = codes @ codes.T
        pairs *= -2
        pairs += norms[:, None]
        pairs += norms
        np.maximum(pairs, 0, out=pairs)
        np.fill_diagonal(pairs, 0)
        total, kernel = 0.0, pairs
        for i, h2 in enumerate(squared):
            if i % 3 == 0:  # afresh now and then: powers of powers lose digits
                kernel = np.exp(pairs * np.float32(-0.5 / h2))
            else:
                np.square(kernel, out=kernel)
                np.square(kernel, out=kernel)
            total += float(kernel.sum())
        yield total


def _mean_kernel(components: GaussianComponents, h2: float) -> float:
    """Return E k(Y, Y') of a mixture of Gaussians for one squared bandwidth."""
    weights, means, covariances = components
    eye = np.eye(means.shape[1])
    total = 0.0
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        both = (covariance + covariances) / h2 + eye
        apart = (mean - means) / sqrt(h2)
        exponents = np.einsum("kd,kd->k", apart, np.linalg.solve(both, apart[:, :, None])[:, :, 0])
        total += weight * float(weights @ np.exp(-0.5 * (exponents + np.linalg.slogdet(both)[1])))
    return total


def _mmd_by_features(target: Target) -> Statistic:
    squared = _bandwidths(target)
    d, rng = target.n_dims, target.rng(2)
    count = (_N_FREQUENCIES if target.n <= MANY_CODES else _N_FREQUENCIES // 4) // len(squared)
    frequencies = np.concatenate([rng.standard_normal((d, count)) / sqrt(h2) for h2 in squared], axis=1)
    n_frequencies = frequencies.shape[1]
    narrow = frequencies.astype(np.float32)

    def features(codes: Codes) -> Values:
        """Mean feature of each sample, shape (B, 2 * n_frequencies)."""
        angles = codes @ narrow
        cosines = np.cos(angles).mean(axis=-2, dtype=np.float64)
        return np.concatenate([cosines, np.sin(angles, out=angles).mean(axis=-2, dtype=np.float64)], axis=-1)

    if target.components is not None:
        weights, means, covariances = target.components
        decay = np.exp(-0.5 * np.einsum("df,kde,ef->kf", frequencies, covariances, frequencies, optimize=True))
        phases = means @ frequencies
        mean_target: Values = np.concatenate([weights @ (decay * np.cos(phases)), weights @ (decay * np.sin(phases))])
        within_target = float(mean_target @ mean_target) / n_frequencies
    else:
        # In blocks of equal size, so that the mean of their means is the mean.
        reference = target.reference
        m = len(reference)
        blocks = reference[: m - m % 1_000].reshape(-1, 1_000, d) if m >= 1_000 else reference[None]
        m = blocks.shape[0] * blocks.shape[1]
        mean_target = np.stack([features(block[None])[0] for block in blocks]).mean(axis=0)
        within_target = (m * float(mean_target @ mean_target) / n_frequencies - 1) / (m - 1)

    def statistic(samples: Samples) -> Values:
        n, means = samples.codes.shape[1], features(samples.codes)
        within = (n * np.einsum("bf,bf->b", means, means) / n_frequencies - 1) / (n - 1)
        return np.asarray(within - 2 * means @ mean_target / n_frequencies + within_target)

    return statistic


def _bandwidths(target: Target) -> Values:
    """Return squared bandwidths: 4 times the total variance, and a quarter of the last until the finest scale.

    That is a sixteenth of the total variance, or of the variance within the narrowest component; without components,
    half the squared distance of the closest 5% of pairs where that is less.
    """
    total = max(float(np.trace(target.moments[1])), float(np.finfo(np.float32).tiny))
    if target.components is not None:
        fine = float(np.trace(target.components.covariances, axis1=1, axis2=2).min()) / 16
    else:
        part = target.reference[:_PAIRS_ROWS].astype(np.float64)
        fine = float(np.quantile(pdist(part, "sqeuclidean"), 0.05, overwrite_input=True)) / 2
    count = 4 + ceil(np.log(max(total / 16 / max(fine, total * 1e-9), 1.0)) / np.log(4) - 1e-6)
    return 4 * total * 0.25 ** np.arange(min(count, _MAX_BANDWIDTHS))


# --- One dimension at a time ------------------------------------------------------------------------


def _squared_wasserstein(target: Target, directions: NDArray[np.float32]) -> Callable[[NDArray[np.float32]], Values]:
    """Return a function of sorted projections (B, L, n) that gives squared Wasserstein-2 distances (B, L)."""
    quantiles = target.quantiles(directions).reshape(len(directions), target.n, -1)
    means = quantiles.mean(axis=-1)
    # W2^2 splits into the distance to the mean of each code's share of the quantiles and the spread inside the shares,
    # which no code changes.
    spread = np.square(quantiles - means[:, :, None]).mean(axis=(1, 2))
    narrow = means.astype(np.float32)

    def squares(ordered: NDArray[np.float32]) -> Values:
        apart = ordered - narrow
        return np.asarray(np.einsum("bln,bln->bl", apart, apart) / apart.shape[-1] + spread)

    return squares


def _mean_distances(target: Target) -> tuple[Values, Values, Values]:
    """Tabulate E|x - Y| per direction: points (L, G), values (L, G), and E|Y - Y'| (L,)."""
    if target.components is not None:
        weights = target.components.weights
        centers, spreads = target.along(target.directions)
        grid = _grid(centers, spreads)
        distances = np.zeros_like(grid)
        for k, weight in enumerate(weights):
            distances += weight * _folded(grid - centers[:, k, None], spreads[:, k, None])
        both = np.sqrt(np.square(spreads)[:, :, None] + np.square(spreads)[:, None])
        within = np.einsum("lij,i,j->l", _folded(centers[:, :, None] - centers[:, None], both), weights, weights)
        return grid, distances, within
    projected = np.sort(target.directions @ target.reference.T, axis=-1).astype(np.float64)
    m = projected.shape[1]
    low, high = projected[:, :1], projected[:, -1:]
    step = np.maximum(high - low, np.finfo(np.float32).tiny) / (_N_GRID - 1)
    grid = low + step * np.arange(_N_GRID)
    below = np.stack([np.searchsorted(row, points) for row, points in zip(projected, grid, strict=True)])
    sums = np.concatenate([np.zeros((len(projected), 1)), np.cumsum(projected, axis=1)], axis=1)
    distances = (grid * (2 * below - m) + sums[:, -1:] - 2 * np.take_along_axis(sums, below, axis=1)) / m
    return grid, distances, _gini(projected)


def _grid(centers: Values, spreads: Values) -> Values:
    """Return evenly spaced points that hold all but 1e-15 of each mixture, shape (L, G)."""
    low = (centers - 8 * spreads).min(axis=1, keepdims=True)
    high = (centers + 8 * spreads).max(axis=1, keepdims=True)
    return np.asarray(low + (high - low) * np.linspace(0, 1, _N_GRID))


def _folded(mean: Values, std: Values) -> Values:
    """Return E|X| for X ~ N(mean, std^2)."""
    t = mean / std
    return np.asarray(mean * (2 * ndtr(t) - 1) + 2 * std * np.exp(-0.5 * np.square(t)) / sqrt(2 * pi))


def _gini(ordered: NDArray[Any]) -> Values:
    """Return the mean absolute difference of distinct pairs along the last axis, which is sorted."""
    n = ordered.shape[-1]
    weights = (2 * np.arange(1, n + 1) - n - 1).astype(ordered.dtype)
    return np.asarray(2 * (ordered @ weights) / (n * (n - 1)), dtype=np.float64)
