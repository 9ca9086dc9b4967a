"""How far latent codes are from the prior: goodness of fit by Monte Carlo, overall and class by class.

The prior is known and can be sampled, so this is a one-sample problem. A statistic T compares a sample with
one large reference drawn from the prior; B fresh samples of the size of the codes give its null distribution.
Given the reference, the codes and the fresh samples are exchangeable when the codes are independent draws
from the prior, so ``p = (1 + #{T_b >= T}) / (B + 1)`` is exact at every n, d and B, whatever T is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil, exp, inf, lgamma, pi, sqrt
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist

from aaetools.analysis.results import GoodnessOfFit, PriorMatch
from aaetools.analysis.threads import one_thread_for
from aaetools.exceptions import DataError, LabelError

__all__ = [
    "CLOSE_RATIO",
    "DIVERGENCES",
    "LEVEL",
    "MAX_CLASS_CODES",
    "MAX_CODES",
    "MIN_CODES",
    "SampleablePrior",
    "Statistic",
    "divergence",
    "energy",
    "holm",
    "mmd",
    "prior_match",
    "sliced_wasserstein",
]

LEVEL = 0.05
"""Results are rejected below this adjusted p-value."""

CLOSE_RATIO = 2.0
"""A rejected result under this many times the null's 95% quantile is "close", above it "not met"."""

MIN_CODES = 10
"""Fewer codes than this are not tested: the answer would say more about n than about the codes."""

MAX_CODES = 4_000
"""More codes than this are thinned to it: near the prior, n beyond this only rejects what does not matter."""

MAX_CLASS_CODES = 500
"""The same for the codes of one class."""

_N_FREQUENCIES = 320
_N_BANDWIDTHS = 5
_N_PROJECTIONS = 64
_N_GRID = 4_096
_REFERENCE_ROWS = 20_000
_BLOCK_VALUES = 1 << 21

Codes = NDArray[np.float32]
Values = NDArray[np.float64]
Statistic = Callable[[Codes], Values]
"""Maps a stack of samples, shape (B, n, d), to one value each, shape (B,)."""


class SampleablePrior(Protocol):
    """What the tests need of a prior."""

    @property
    def name(self) -> str:
        """Name for the report."""
        ...

    @property
    def n_dims(self) -> int:
        """Latent dimensions."""
        ...

    @property
    def n_components(self) -> int:
        """Number of class components, 0 for none."""
        ...

    def sample(self, n: int, labels: Any = None, generator: Any = None) -> Any:
        """Draw a tensor of shape (n, n_dims); ``labels`` (int64, -1 = whole mixture) choose components."""
        ...


# --- Statistics: reference -> (stack of samples -> values) ------------------------------------------


def mmd(reference: Codes, n: int, rng: np.random.Generator) -> Statistic:
    r"""Unbiased squared maximum mean discrepancy to ``reference``; may be slightly negative.

    The kernel is the mean of Gaussian kernels ``exp(-|x - y|^2 / 2 h^2)`` over bandwidths that grow from the
    finest structure of the reference to twice its spread, see :func:`_bandwidths`, evaluated through random
    Fourier features: ``k(x, y) = mean_w cos(w (x - y))`` with ``w ~ N(0, I / h^2)``. That is linear in n, and
    since ``|phi(x)| = 1`` the diagonal can be taken out exactly, so the U-statistic stays unbiased.

    Parameters
    ----------
    reference
        Prior draws, shape (m, d).
    n
        Size of the samples to come; not used here.
    rng
        Draws the frequencies.

    Notes
    -----
    Gretton et al., "A kernel two-sample test", JMLR 2012, lemma 6; Rahimi and Recht, NIPS 2007.
    """
    squared = _bandwidths(reference)
    d = reference.shape[1]
    per_bandwidth = _N_FREQUENCIES // len(squared)
    frequencies = np.concatenate([rng.standard_normal((d, per_bandwidth)) / sqrt(h2) for h2 in squared], axis=1)
    frequencies = frequencies.astype(np.float32)

    def features(samples: Codes) -> NDArray[np.float32]:
        """Mean feature of each sample, shape (B, 2 * n_frequencies)."""
        angles = samples @ frequencies
        cosines = np.cos(angles).mean(axis=-2)
        return np.concatenate([cosines, np.sin(angles, out=angles).mean(axis=-2)], axis=-1)

    n_frequencies = frequencies.shape[1]
    m = len(reference)
    # In blocks of equal size, so that the mean of their means is the mean.
    blocks = reference[: m - m % 1_000].reshape(-1, 1_000, d) if m >= 1_000 else reference[None]
    m = blocks.shape[0] * blocks.shape[1]
    mean_reference: Values = np.stack([features(block[None])[0] for block in blocks]).mean(axis=0, dtype=np.float64)
    within_reference = (m * (mean_reference @ mean_reference) / n_frequencies - 1) / (m - 1)

    def statistic(samples: Codes) -> Values:
        size = samples.shape[1]
        means = features(samples).astype(np.float64)
        within = (size * np.einsum("bf,bf->b", means, means) / n_frequencies - 1) / (size - 1)
        return np.asarray(within - 2 * means @ mean_reference / n_frequencies + within_reference)

    return statistic


def sliced_wasserstein(reference: Codes, n: int, rng: np.random.Generator) -> Statistic:
    """Sliced Wasserstein distance of order 2 to ``reference``, in latent units.

    The root of the mean, over fixed random directions, of the squared one-dimensional Wasserstein-2 distances
    between projections. Has a positive floor that shrinks with n; read it against its null.

    Parameters
    ----------
    reference
        Prior draws, shape (m, d); only the first ``n * (m // n)`` are used, so that each code of a sample
        meets the same number of reference quantiles. At least n rows.
    n
        Size of the samples to come.
    rng
        Draws the directions.

    Notes
    -----
    Bonneel et al., "Sliced and Radon Wasserstein barycenters of measures", JMIV 2015.
    """
    directions = _directions(reference.shape[1], rng)
    per_code = len(reference) // n
    if per_code == 0:
        raise ValueError(f"the reference has {len(reference)} rows, fewer than the sample's {n}")
    quantiles = np.sort(directions @ reference[: per_code * n].T, axis=-1).reshape(len(directions), n, per_code)
    means = quantiles.mean(axis=-1)
    # W2^2 splits into the distance to each group's mean and the spread inside the groups, which no code
    # changes.
    spread = float(quantiles.var(axis=-1, dtype=np.float64).mean())

    def statistic(samples: Codes) -> Values:
        projected = np.sort(directions @ samples.swapaxes(-1, -2), axis=-1)
        projected -= means
        squares = np.einsum("bln,bln->b", projected, projected) / (projected.shape[1] * projected.shape[2])
        return np.asarray(np.sqrt(squares.astype(np.float64) + spread))

    return statistic


def energy(reference: Codes, n: int, rng: np.random.Generator) -> Statistic:
    r"""Unbiased energy distance ``2 E|x - Y| - E|x - x'| - E|Y - Y'|`` to ``reference``; may be negative.

    Computed on projections: for a random direction, ``E|<theta, x>| = |x| Gamma(d/2) / (sqrt(pi)
    Gamma((d+1)/2))``, so the mean over directions of the one-dimensional energy distances is the energy
    distance up to that constant, and each costs one sort.

    Parameters
    ----------
    reference
        Prior draws, shape (m, d).
    n
        Size of the samples to come; not used here.
    rng
        Draws the directions.

    Notes
    -----
    Szekely and Rizzo, "Energy statistics", JSPI 2013.
    """
    d = reference.shape[1]
    directions = _directions(d, rng)
    constant = sqrt(pi) * exp(lgamma((d + 1) / 2) - lgamma(d / 2))
    projected = np.sort(directions @ reference.T, axis=-1).astype(np.float64)
    m = projected.shape[1]
    within_reference = _gini(projected)
    # E|x - Y| as a function of x, tabulated per direction; beyond the reference it is exactly linear.
    low, high = projected[:, 0], projected[:, -1]
    step = np.maximum(high - low, np.finfo(np.float32).tiny) / (_N_GRID - 1)
    grid = low[:, None] + step[:, None] * np.arange(_N_GRID)
    below = np.stack([np.searchsorted(row, points) for row, points in zip(projected, grid, strict=True)])
    sums = np.concatenate([np.zeros((len(directions), 1)), np.cumsum(projected, axis=1)], axis=1)
    table = (grid * (2 * below - m) + sums[:, -1:] - 2 * np.take_along_axis(sums, below, axis=1)) / m
    table = table.astype(np.float32)
    slope = np.diff(table, axis=1, append=table[:, -1:]).ravel()
    table = table.ravel()
    rows = (np.arange(len(directions)) * _N_GRID)[:, None]
    low, step = low[:, None].astype(np.float32), step[:, None].astype(np.float32)

    def statistic(samples: Codes) -> Values:
        position = (directions @ samples.swapaxes(-1, -2) - low) / step
        inside = np.clip(position, 0, _N_GRID - 1)
        cells = inside.astype(np.intp)
        outside = np.abs(position - inside).mean(axis=-1, dtype=np.float64) * step[:, 0]
        inside -= cells
        cells += rows
        across = (table[cells] + slope[cells] * inside).mean(axis=-1, dtype=np.float64) + outside
        position.sort(axis=-1)
        within = _gini(position) * step[:, 0]
        return np.asarray(constant * (2 * across - within - within_reference).mean(axis=-1))

    return statistic


DIVERGENCES: dict[str, Callable[[Codes, int, np.random.Generator], Statistic]] = {
    "mmd": mmd,
    "sliced_wasserstein": sliced_wasserstein,
    "energy": energy,
}
"""Name -> function(reference, n, rng) that prepares the reference once and returns a statistic of samples."""


def divergence(codes: ArrayLike, reference: ArrayLike, statistic: str = "mmd", random_state: int | None = 0) -> float:
    """Return one statistic of ``codes`` (n, d) against ``reference`` (m, d), without a test."""
    codes, reference = _checked_codes(codes), _checked_codes(reference)
    prepared = _known_statistic(statistic)(reference, len(codes), np.random.default_rng(random_state))
    return float(prepared(codes[None])[0])


# --- The test ---------------------------------------------------------------------------------------


def prior_match(
    codes: ArrayLike,
    prior: SampleablePrior,
    labels: ArrayLike | None = None,
    *,
    n_resamples: int = 199,
    random_state: int | None = None,
    statistics: Sequence[str] = tuple(DIVERGENCES),
    class_names: Sequence[str] | None = None,
    split: Literal["holdout", "train"] = "holdout",
) -> PriorMatch:
    """Test whether ``codes`` look like draws from ``prior``, overall and class by class.

    Use codes of rows that training did not see: training adapts its own codes to the prior. The overall test
    compares with the whole mixture, so class shares that differ from the prior's weights count against the
    codes.

    Parameters
    ----------
    codes
        Latent codes, shape (n, d). More than ``MAX_CODES`` (``MAX_CLASS_CODES`` per class) are thinned at
        random; fewer than ``MIN_CODES`` are not tested.
    prior
        Anything with ``name``, ``n_dims``, ``n_components`` and ``sample``.
    labels
        Component of each row, shape (n,): integers below ``prior.n_components``, -1 where not known. The
        codes of class k are then compared with draws from component k. Ignored by priors without components.
    n_resamples
        Fresh prior samples per test, at least. Raised to 40 per test in the Holm family where that is more,
        because with fewer the smallest p-value that can be reached would not survive the correction.
    random_state
        Seed of everything that is drawn here; None draws one and records it.
    statistics
        Names from ``DIVERGENCES``; the first one leads the verdict.
    class_names
        Names of the prior's components, for ``scope``; their numbers by default.
    split
        Which rows the codes belong to; recorded.

    Returns
    -------
    PriorMatch
        ``p_adjusted`` is Holm's over the scopes (overall and classes) of the same statistic. A result is
        "met" where ``p_adjusted >= 0.05``; else "close" while the statistic stays under twice the 95%
        quantile of fresh prior samples of the same size; else "not met".

    Raises
    ------
    DataError
        Codes that are not finite or have other dimensions than the prior, or an unknown statistic.
    LabelError
        Labels of another length, or outside the prior's components.
    """
    codes = _checked_codes(codes)
    for name in statistics:
        _known_statistic(name)
    if codes.shape[1] != prior.n_dims:
        raise DataError(f"codes have {codes.shape[1]} columns but the prior has {prior.n_dims} dimensions")
    component = _checked_labels(labels, len(codes), prior.n_components)
    if random_state is None:
        random_state = int(np.random.default_rng().integers(2**31))
    if len(codes) < MIN_CODES or not statistics:
        reason = "no statistic was asked for" if not statistics else f"{len(codes)} rows, {MIN_CODES} are needed"
        return PriorMatch(
            prior=prior.name,
            split=split,
            n=len(codes),
            n_resamples=0,
            random_state=random_state,
            results=(),
            verdict=f"Not tested: {reason}.",
        )
    sizes = np.bincount(component[component >= 0], minlength=prior.n_components)
    tested = [int(k) for k in np.flatnonzero(sizes >= MIN_CODES)]
    n_resamples = max(n_resamples, ceil(2 / LEVEL) * (1 + len(tested)) - 1)

    results: list[GoodnessOfFit] = []
    with one_thread_for(codes.size):
        for k in (None, *tested):
            # One stream per scope: leaving a class out does not move the numbers of the others.
            rng = np.random.default_rng([random_state, 0 if k is None else k + 1])
            scope = "overall" if k is None else (str(k) if class_names is None else class_names[k])
            chosen = codes if k is None else codes[component == k]
            results += _test_scope(chosen, prior, k, scope, statistics, n_resamples, rng)
    results = _adjusted(results)
    return PriorMatch(
        prior=prior.name,
        split=split,
        n=len(codes),
        n_resamples=n_resamples,
        random_state=random_state,
        results=tuple(results),
        verdict=_verdict(results, statistics[0]),
    )


def holm(p_values: ArrayLike) -> Values:
    """Return Holm's step-down adjusted p-values, shape (n,), in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _test_scope(
    codes: Codes,
    prior: SampleablePrior,
    component: int | None,
    scope: str,
    statistics: Sequence[str],
    n_resamples: int,
    rng: np.random.Generator,
) -> list[GoodnessOfFit]:
    limit = MAX_CODES if component is None else MAX_CLASS_CODES
    if len(codes) > limit:
        codes = codes[np.sort(rng.choice(len(codes), limit, replace=False))]
    n, d = codes.shape
    draw = _sampler(prior, component, rng)
    reference = draw(n * max(4, ceil((_REFERENCE_ROWS if component is None else _REFERENCE_ROWS // 4) / n)))
    prepared = {name: DIVERGENCES[name](reference, n, rng) for name in statistics}
    observed = {name: float(statistic(codes[None])[0]) for name, statistic in prepared.items()}
    null: dict[str, list[Values]] = {name: [] for name in statistics}
    per_block = max(1, _BLOCK_VALUES // (n * max(_N_FREQUENCIES, d)))
    for start in range(0, n_resamples, per_block):
        size = min(per_block, n_resamples - start)
        samples = draw(size * n).reshape(size, n, d)
        for name, statistic in prepared.items():
            null[name].append(statistic(samples))
    return [_goodness_of_fit(scope, name, n, observed[name], np.concatenate(null[name])) for name in statistics]


def _goodness_of_fit(scope: str, statistic: str, n: int, value: float, null: Values) -> GoodnessOfFit:
    q95 = float(np.quantile(null, 0.95))
    p_value = float((1 + np.count_nonzero(null >= value)) / (len(null) + 1))
    return GoodnessOfFit(
        scope=scope,
        statistic=statistic,
        n=n,
        value=value,
        null_mean=float(null.mean()),
        null_q95=q95,
        effect_ratio=value / q95 if q95 > 0 else (inf if value > 0 else 0.0),
        p_value=p_value,
        p_adjusted=p_value,
        verdict="met",
    )


def _adjusted(results: list[GoodnessOfFit]) -> list[GoodnessOfFit]:
    """Fill in Holm's p-values over the scopes of each statistic, and the verdicts that follow from them."""
    adjusted = list(results)
    for name in {result.statistic for result in results}:
        family = [i for i, result in enumerate(results) if result.statistic == name]
        for i, p in zip(family, holm([results[i].p_value for i in family]), strict=True):
            close = results[i].effect_ratio < CLOSE_RATIO
            verdict: Literal["met", "close", "not met"] = "met" if p >= LEVEL else ("close" if close else "not met")
            adjusted[i] = replace(results[i], p_adjusted=float(p), verdict=verdict)
    return adjusted


_VERDICTS = ("met", "close", "not met")
_OVERALL = {
    "met": "cannot be told from the prior",
    "close": "are close to the prior, not equal to it",
    "not met": "do not follow the prior",
}
# What the worst class adds, by (overall verdict, worst class's verdict): "but" where the two differ.
_WITHIN = {
    ("met", "met"): "and within classes they cannot either ({n} tested)",
    ("met", "close"): "but within classes they can: {k} of {n} classes are only close to their part of it",
    ("met", "not met"): "but within classes they can: {k} of {n} classes do not follow their part of it",
    ("close", "met"): "and within classes they cannot even be told from it ({n} tested)",
    ("close", "close"): "and so are those of {k} of {n} classes to their part of it",
    (
        "close",
        "not met",
    ): "but within classes they are far off: {k} of {n} classes do not follow their part of it",
    ("not met", "met"): "but within classes they cannot be told from it ({n} tested)",
    (
        "not met",
        "close",
    ): "but within classes they are nearer: {k} of {n} classes are close to their part of it",
    ("not met", "not met"): "and {k} of {n} classes do not follow their part of it",
}


def _verdict(results: Sequence[GoodnessOfFit], leading: str) -> str:
    """Say in one sentence what all results together say: overall first, then whether the classes agree."""
    overall = [result for result in results if result.scope == "overall"]
    # The numbers must be those of the result that decides; the leading statistic where several do.
    told = max(overall, key=lambda result: (_VERDICTS.index(result.verdict), result.statistic == leading))
    named = "MMD" if told.statistic == "mmd" else told.statistic.replace("_", " ")
    numbers = (
        f"{named} {max(told.effect_ratio, 0.0):.1f} times the 95% quantile of prior samples, "
        f"p = {told.p_adjusted:.2g}, n = {told.n}"
    )
    by_class: dict[str, int] = {}
    for result in results:
        if result.scope != "overall":
            by_class[result.scope] = max(by_class.get(result.scope, 0), _VERDICTS.index(result.verdict))
    if not by_class:
        return f"The codes {_OVERALL[told.verdict]} ({numbers})."
    worst = max(by_class.values())
    within = _WITHIN[told.verdict, _VERDICTS[worst]].format(
        k=sum(rank == worst for rank in by_class.values()), n=len(by_class)
    )
    return f"Overall the codes {_OVERALL[told.verdict]} ({numbers}), {within}."


# --- Small parts ------------------------------------------------------------------------------------


def _bandwidths(reference: Codes) -> Values:
    """Return squared bandwidths, geometric from the finest scale of the reference to 4 times its variance.

    The upper end is 4 times the total variance (4 d for N(0, I)); the lower end is a 16th of it (d / 16), or
    less where the closest 5% of pairs are closer than that, as inside the components of a mixture.
    """
    part = reference[:1_000].astype(np.float64)
    total = max(float(part.var(axis=0).sum()), float(np.finfo(np.float32).tiny))
    fine = float(np.quantile(pdist(part, "sqeuclidean"), 0.05, overwrite_input=True)) / 2
    low = min(total / 16, max(fine, total * 1e-6))
    return np.geomspace(low, 4 * total, _N_BANDWIDTHS)


def _directions(d: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return unit vectors, shape (L, d): the one axis for d = 1, else rotated orthonormal bases."""
    if d == 1:
        return np.ones((1, 1), dtype=np.float32)
    bases = [np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(ceil(_N_PROJECTIONS / d))]
    return np.concatenate(bases)[: max(_N_PROJECTIONS, d)].astype(np.float32)


def _gini(ordered: NDArray[Any]) -> Values:
    """Return the mean absolute difference of distinct pairs along the last axis, which is sorted."""
    n = ordered.shape[-1]
    weights = (2 * np.arange(1, n + 1) - n - 1).astype(ordered.dtype)
    return np.asarray(2 * (ordered @ weights) / (n * (n - 1)), dtype=np.float64)


def _sampler(prior: SampleablePrior, component: int | None, rng: np.random.Generator) -> Callable[[int], Codes]:
    """Return a function that draws (n, d) from the prior or one component, on a generator of its own."""
    import torch

    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))

    def draw(n: int) -> Codes:
        labels = None if component is None else torch.full((n,), component, dtype=torch.int64)
        drawn = prior.sample(n, labels=labels, generator=generator)
        return np.asarray(drawn.detach().cpu().numpy(), dtype=np.float32)

    return draw


def _checked_codes(codes: ArrayLike) -> Codes:
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


def _checked_labels(labels: ArrayLike | None, n: int, n_components: int) -> NDArray[np.int64]:
    if labels is None or n_components == 0:
        return np.full(n, -1, dtype=np.int64)
    array = np.asarray(labels)
    if array.shape != (n,):
        raise LabelError(f"labels have shape {array.shape} but there are {n} codes")
    if not np.issubdtype(array.dtype, np.integer):
        raise LabelError(f"labels must be integers that number the prior's components, not {array.dtype}")
    if n and (array.min() < -1 or array.max() >= n_components):
        raise LabelError(
            f"labels must lie in -1 ... {n_components - 1} (the prior has {n_components} components), "
            f"not {array.min()} ... {array.max()}"
        )
    return array.astype(np.int64)


def _known_statistic(name: str) -> Callable[[Codes, int, np.random.Generator], Statistic]:
    if name not in DIVERGENCES:
        raise DataError(f"unknown statistic {name!r}: choose from {', '.join(sorted(DIVERGENCES))}")
    return DIVERGENCES[name]
