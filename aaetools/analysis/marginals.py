"""Parts of the prior match with a known null distribution: codes along single axes, and component weights."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import kolmogi, ndtr, xlogy
from scipy.stats import chi2, kstwo, ncx2

from aaetools.analysis.divergences import Codes, Target, Values
from aaetools.analysis.intervals import holm
from aaetools.analysis.nulls import LEVEL
from aaetools.analysis.results import AxisMatch, WeightMatch

if TYPE_CHECKING:  # reading a run must not need torch
    from aaetools.priors import GaussianComponents

__all__ = [
    "axis_matches",
    "axis_null",
    "g_statistic",
    "own_coordinates",
    "smallest_axis_shift",
    "smallest_moved_share",
    "standardized",
    "weight_match",
]

_N_DRAWS = 9_999
_N_LEVELS = 64
_POWER = 0.8
_N_SIMULATED, _N_SAMPLES, _LARGEST_SHIFT = 500, 80, 100.0
_N_COUNTED = 20_000


# --- Coordinates of a mixture's components ----------------------------------------------------------


def standardized(codes: NDArray[Any], components: GaussianComponents, k: int) -> Codes:
    """Return codes along component k's own axes, from its mean, in its standard deviations, shape (n, d).

    Draws from the component become N(0, I). The axes are its covariance's eigenvectors, narrowest first.
    """
    values, vectors = np.linalg.eigh(components.covariances[k])
    return np.asarray((codes - components.means[k]) @ (vectors / np.sqrt(values)), dtype=np.float32)


def own_coordinates(codes: Codes, components: GaussianComponents, rng: np.random.Generator) -> Codes:
    """Return each code in the coordinates of a component that is drawn from p(k | z), shape (n, d).

    With z from the mixture and k from p(k | z), the pair is one of the mixture's own, so these coordinates are
    exactly N(0, I), however much the components overlap.
    """
    chosen = drawn_components(codes, components, rng)
    found = np.empty_like(codes)
    for k in np.unique(chosen):
        found[chosen == k] = standardized(codes[chosen == k], components, int(k))
    return found


def drawn_components(codes: Codes, components: GaussianComponents, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return a component for each code, drawn from the mixture's posterior p(k | z), shape (n,)."""
    weights = components.weights
    logs = np.empty((len(codes), len(weights)))
    for k, weight in enumerate(weights):
        turned = standardized(codes, components, k)
        size = np.linalg.slogdet(components.covariances[k])[1]
        logs[:, k] = np.log(weight) - 0.5 * (size + np.einsum("nd,nd->n", turned, turned, dtype=np.float64))
    return np.asarray((logs + rng.gumbel(size=logs.shape)).argmax(axis=1), dtype=np.int64)


# --- Axes -------------------------------------------------------------------------------------------


def axis_matches(codes: Codes, target: Target, rng: np.random.Generator) -> tuple[AxisMatch, ...]:
    """Test codes (n, d) along every latent axis, and along the own axes of the target's components.

    Where the target is a mixture of Gaussians its distribution along an axis is known and the p-value exact;
    otherwise the codes are compared with the target's reference sample (two-sample test, limiting distribution).
    """
    n, d = codes.shape
    components = target.components
    distances: dict[str, float] = {}
    for axis in range(d):
        ordered = np.sort(codes[:, axis])
        if components is None:
            distances[f"z{axis}"] = _two_sample_distance(ordered, np.sort(target.reference[:, axis]))
        else:
            distances[f"z{axis}"] = _distance_to_uniform(_mixture_cdf(ordered, components, axis))
    if components is not None and _has_own_axes(components):
        own = own_coordinates(codes, components, rng)
        distances |= {f"own {axis}": _distance_to_uniform(ndtr(np.sort(own[:, axis]))) for axis in range(d)}
    p = np.atleast_1d(kstwo.sf(list(distances.values()), _effective_size(n, target)))
    return tuple(
        AxisMatch(axis, distance, float(raw), float(corrected))
        for (axis, distance), raw, corrected in zip(distances.items(), p, holm(p), strict=True)
    )


def axis_null(n_axes: int, n: int, target: Target) -> tuple[float, float]:
    """Return mean and 95% quantile of the largest distance over axes, as if the axes were independent.

    From the limiting distribution with Stephens' correction for n (JRSS B 1970), within 1% from 10 codes on.
    """
    levels = ((np.arange(_N_LEVELS) + 0.5) / _N_LEVELS) ** (1 / n_axes)
    size = _effective_size(n, target)
    return float(_critical_distance(1 - levels, size).mean()), float(_critical_distance(LEVEL / n_axes, size))


def smallest_axis_shift(n_axes: int, n: int, target: Target) -> float:
    """Return the shift along the first axis, in the target's standard deviations, that is seen in 80% of cases.

    By simulation: 80 samples of the target, shifted, against the critical value of Holm's first step. Above 500 codes
    the shift is that of 500, which shrinks with the root of n.
    """
    small = min(n, _N_SIMULATED)
    critical = float(_critical_distance(LEVEL / n_axes, small))
    spread = sqrt(float(target.moments[1][0, 0]))
    if critical >= 1 or spread == 0:
        return float("nan")
    drawn = np.sort(target.draw(_N_SAMPLES * small, target.rng(5))[:, 0].reshape(_N_SAMPLES, small), axis=1)
    ordered = None if target.components is not None else np.sort(target.reference[:, 0])
    steps = np.arange(small + 1) / small

    def power(shift: float) -> float:
        moved = (drawn + shift * spread).ravel()
        if target.components is not None:
            below = _mixture_cdf(moved, target.components, 0)
        else:
            assert ordered is not None
            below = np.searchsorted(ordered, moved, side="right") / len(ordered)
        below = below.reshape(drawn.shape)
        return float((np.maximum(steps[1:] - below, below - steps[:-1]).max(axis=1) > critical).mean())

    low, high = 0.0, 4.0 / sqrt(small)
    while power(high) < _POWER:
        low, high = high, 2 * high
        if high > _LARGEST_SHIFT:
            return float("nan")
    for _ in range(8):
        middle = (low + high) / 2
        low, high = (low, middle) if power(middle) >= _POWER else (middle, high)
    return high * sqrt(small / n)


def _has_own_axes(components: GaussianComponents) -> bool:
    """Whether the components' axes are others than the latent ones."""
    covariance = components.covariances[0]
    return len(components.weights) > 1 or not np.allclose(covariance, np.diag(np.diag(covariance)))


def _mixture_cdf(x: NDArray[Any], components: GaussianComponents, axis: int) -> Values:
    total = np.zeros(len(x))
    for weight, mean, covariance in zip(*components, strict=True):
        total += weight * ndtr((x - mean[axis]) / sqrt(covariance[axis, axis]))
    return total


def _distance_to_uniform(ordered: Values) -> float:
    """Return the Kolmogorov-Smirnov distance of sorted numbers in [0, 1] from the uniform distribution."""
    n = len(ordered)
    steps = np.arange(n + 1) / n
    return float(max((steps[1:] - ordered).max(), (ordered - steps[:-1]).max()))


def _two_sample_distance(first: NDArray[Any], second: NDArray[Any]) -> float:
    points = np.concatenate([first, second])
    below = np.searchsorted(first, points, side="right") / len(first)
    return float(np.abs(below - np.searchsorted(second, points, side="right") / len(second)).max())


def _critical_distance(p: Any, n: int) -> Any:
    """Return the distance that is exceeded with probability p."""
    return kolmogi(p) / (sqrt(n) + 0.12 + 0.11 / sqrt(n))


def _effective_size(n: int, target: Target) -> int:
    if target.components is not None:
        return n
    m = len(target.reference)
    return max(1, round(n * m / (n + m)))


# --- Component weights ------------------------------------------------------------------------------


def weight_match(
    codes: Codes,
    prior: Any,
    labels: NDArray[np.int64],
    names: Sequence[str],
    target: Target,
    rng: np.random.Generator,
) -> WeightMatch | None:
    """Test how the codes share out over the prior's class components; None for a prior without, or with one.

    Labels count where every code has one and the prior says its ``weights``. Else each code counts for a component: for
    a mixture of Gaussians one drawn from p(k | z), for another prior the most probable one by its
    ``class_log_posterior``, compared with draws from the prior counted in the same way. P-values are exact, by
    multinomial or hypergeometric draws; None where the prior has no posterior.
    """
    k, n = int(prior.n_components), len(codes)
    if k < 2 or n == 0:
        return None
    components = target.components
    if components is not None and len(components.weights) != k:
        components = None
    expected = _said_weights(prior, k) if components is None else components.weights
    if expected is not None and (labels >= 0).all():
        return _against_shares("labels", names, np.bincount(labels, minlength=k), expected, rng)
    if components is not None:
        counts = np.bincount(drawn_components(codes, components, rng), minlength=k)
        return _against_shares("posterior", names, counts, components.weights, rng)
    if not hasattr(prior, "class_log_posterior"):
        return None
    counts = _most_probable(prior, codes, k)
    drawn = _most_probable(prior, target.draw(max(_N_COUNTED, n), rng), k)
    total = counts + drawn
    shares = total / total.sum()
    found = rng.multivariate_hypergeometric(total, n, size=_N_DRAWS, method="marginals")
    g = g_statistic(counts, shares) + g_statistic(drawn, shares)
    null = g_statistic(found, shares) + g_statistic(total - found, shares)
    return _weight_match("posterior", names, counts, drawn / drawn.sum(), float(g), null)


def g_statistic(counts: NDArray[np.int64], shares: Values) -> Any:
    """Return ``2 sum O ln(O / E)`` over the last axis of counts (..., K) against shares (K,)."""
    expected = counts.sum(axis=-1, keepdims=True) * shares
    return 2 * (xlogy(counts, counts) - xlogy(counts, expected)).sum(axis=-1)


def smallest_moved_share(n: int, k: int) -> float:
    """Return the share of codes moved into one of k equal components that the G-test sees in 80% of cases.

    From the noncentral chi-squared limit: ``n delta^2 (k + k / (k - 1))`` must reach the noncentrality of that power.
    """
    critical = float(chi2.isf(LEVEL, k - 1))
    needed = float(brentq(lambda size: float(ncx2.sf(critical, k - 1, size)) - _POWER, 1e-3, 1e4))
    return sqrt(needed / (n * (k + k / (k - 1))))


def _against_shares(
    source: Literal["labels", "posterior"],
    names: Sequence[str],
    counts: NDArray[np.int64],
    expected: Values,
    rng: np.random.Generator,
) -> WeightMatch:
    null = g_statistic(rng.multinomial(counts.sum(), expected, size=_N_DRAWS), expected)
    return _weight_match(source, names, counts, expected, float(g_statistic(counts, expected)), null)


def _weight_match(
    source: Literal["labels", "posterior"],
    names: Sequence[str],
    counts: NDArray[np.int64],
    expected: Values,
    g: float,
    null: Values,
) -> WeightMatch:
    p_value = (1 + np.count_nonzero(null >= g * (1 - 1e-12))) / (len(null) + 1)
    return WeightMatch(
        source=source,
        components=tuple(names),
        shares=tuple(float(share) for share in counts / counts.sum()),
        expected=tuple(float(share) for share in expected),
        g=g,
        p_value=float(p_value),
        n=int(counts.sum()),
    )


def _said_weights(prior: Any, k: int) -> Values | None:
    if not hasattr(prior, "weights"):
        return None
    return np.full(k, 1 / k) if prior.weights is None else np.asarray(prior.weights, dtype=np.float64)


def _most_probable(prior: Any, codes: Codes, k: int) -> NDArray[np.int64]:
    import torch

    with torch.no_grad():
        parts = torch.split(torch.as_tensor(codes), 4_096)
        chosen = [prior.class_log_posterior(part).argmax(1) for part in parts]
    return np.bincount(torch.cat(chosen).cpu().numpy(), minlength=k)
