"""Intervals of shares, paired comparisons of methods on the same rows, and corrections for many tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binomtest, norm, t

from aaetools.analysis.results import Interval, Proportion

__all__ = [
    "corrected_t_test",
    "error_bound",
    "holm",
    "mcnemar",
    "paired_difference",
    "shifted_interval",
    "wilson_interval",
]


def wilson_interval(k: int, n: int, level: float = 0.95) -> Proportion:
    """Return ``k / n`` with its Wilson score interval; without rows the value is NaN and the interval [0, 1].

    Notes
    -----
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Examples
    --------
    >>> p = wilson_interval(9, 10)
    >>> round(p.low, 3), round(p.high, 3)
    (0.596, 0.982)
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    if n == 0:
        return Proportion(float("nan"), 0.0, 1.0, 0)
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    share = k / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2) / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At k = 0 and k = n the interval ends exactly at 0 and 1; rounding would leave it an ulp inside or
    # outside.
    low = 0.0 if k == 0 else float(centre - half)
    high = 1.0 if k == n else float(centre + half)
    return Proportion(share, low, high, n)


def mcnemar(right: ArrayLike, other_right: ArrayLike) -> float:
    """Return McNemar's exact two-sided p-value, given which of the rows each of two methods got right."""
    a, b = np.asarray(right, dtype=bool), np.asarray(other_right, dtype=bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def paired_difference(both: int, only_first: int, only_second: int, neither: int) -> Interval:
    """Return the share of rows that the second of two methods got right less that of the first, with its 95% interval.

    Parameters
    ----------
    both, only_first, only_second, neither
        Rows that both methods, the first alone, the second alone and neither of them got right; the n of the interval
        is their sum.

    Notes
    -----
    Method 10 of Newcombe, "Improved confidence intervals for the difference between binomial proportions based
    on paired data", Statistics in Medicine 1998: Wilson's intervals of both shares, put together with their
    correlation.

    Examples
    --------
    >>> found = paired_difference(36, 2, 12, 0)  # the paper's first example
    >>> round(found.value, 2), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0569, 0.3404)
    """
    n = both + only_first + only_second + neither
    if n == 0:
        return Interval(float("nan"), -1.0, 1.0, 0)
    first, second = wilson_interval(both + only_first, n), wilson_interval(both + only_second, n)
    margins = (both + only_first) * (only_second + neither) * (both + only_second) * (only_first + neither)
    excess = float(both * neither - only_first * only_second)
    if excess > 0:
        excess = max(excess - n / 2, 0.0)
    phi = excess / np.sqrt(margins) if margins else 0.0
    value = (only_second - only_first) / n
    below, above = second.value - second.low, first.high - first.value
    low = value - np.sqrt(max(below**2 - 2 * phi * below * above + above**2, 0.0))
    below, above = first.value - first.low, second.high - second.value
    high = value + np.sqrt(max(above**2 - 2 * phi * above * below + below**2, 0.0))
    return Interval(value, float(max(low, -1.0)), float(min(high, 1.0)), n)


def corrected_t_test(differences: ArrayLike, test_share: float) -> tuple[Interval, float]:
    """Return the mean of differences between two methods over random splits of the data, and its p-value.

    Parameters
    ----------
    differences
        One per split, shape (n_splits,), at least two.
    test_share
        Test rows per training row of a split. Splits share rows, so their results are not independent; without a
        correction the test finds differences far too often.

    Returns
    -------
    tuple
        Mean with its 95% interval, and the two-sided p-value. Where all differences are equal, they say nothing of
        their spread: the ends are then NaN and the p-value is 1.

    Notes
    -----
    Nadeau and Bengio, "Inference for the generalization error", Machine Learning 2003.
    """
    d = np.asarray(differences, dtype=np.float64)
    mean, n = float(d.mean()), len(d)
    error = float(np.sqrt((1 / n + test_share) * d.var(ddof=1)))
    if error <= 1e-12:
        return Interval(mean, float("nan"), float("nan"), n), 1.0
    half = float(t.ppf(0.975, n - 1)) * error
    return Interval(mean, mean - half, mean + half, n), float(2 * t.sf(abs(mean) / error, n - 1))


def shifted_interval(
    value: float, draws: NDArray[np.float64], n: int, lowest: float = -np.inf, highest: float = np.inf
) -> Interval:
    """Return an estimate with the middle 95% of its bootstrap draws about their mean, moved to it.

    Resampling shifts some indices (it inflates mutual information); the spread of the draws is what is wanted. Draws
    that are not finite are left out; the interval is NaN where none is left.

    Examples
    --------
    >>> shifted_interval(0.9, np.array([0.4, 0.5, 0.6]), 3, highest=1.0).high
    0.995
    """
    draws = draws[np.isfinite(draws)]
    if len(draws) == 0:
        return Interval(value, float("nan"), float("nan"), n)
    low, high = np.quantile(draws, [0.025, 0.975]) - draws.mean()
    return Interval(value, max(lowest, value + float(low)), min(highest, value + float(high)), n)


def error_bound(errors: int, n: int, confidence: float = 0.95) -> float:
    """Return the one-sided upper Clopper-Pearson bound of a rate of which ``errors`` of ``n`` trials were seen.

    The true rate is above it in at most a share ``1 - confidence`` of samples, exactly, whatever the rate and n are.

    Notes
    -----
    Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 1934.

    Examples
    --------
    >>> round(error_bound(0, 59), 3)
    0.05
    """
    if not 0 <= errors <= n:
        raise ValueError(f"{errors} of {n} is not a share")
    return 1.0 if errors == n else float(beta.ppf(confidence, errors + 1, n - errors))


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return Holm's step-down adjusted p-values, shape (n,), in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
