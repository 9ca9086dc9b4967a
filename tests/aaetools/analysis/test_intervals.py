"""Intervals of shares, and paired tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from aaetools.analysis.intervals import error_bound, mcnemar, wilson_interval


@pytest.mark.parametrize(("k", "n"), [(0, 5), (1, 7), (95, 100), (30, 30)])
def test_wilson_interval_is_scipys(k: int, n: int) -> None:
    share, oracle = wilson_interval(k, n), binomtest(k, n).proportion_ci(method="wilson")
    assert (share.value, share.n) == (k / n, n)
    assert (share.low, share.high) == pytest.approx((oracle.low, oracle.high), abs=1e-12)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_wilson_interval_without_rows_is_everything() -> None:
    share = wilson_interval(0, 0)
    assert np.isnan(share.value)
    assert (share.low, share.high, share.n) == (0.0, 1.0, 0)
    with pytest.raises(ValueError, match="5 of 4"):
        wilson_interval(5, 4)


def test_mcnemar_counts_only_the_rows_on_which_the_methods_differ() -> None:
    a, b = np.array([1] * 10 + [0] * 2 + [1] * 50), np.array([0] * 10 + [1] * 2 + [1] * 50)
    assert mcnemar(a, b) == pytest.approx(binomtest(10, 12).pvalue)
    assert mcnemar(a, b) == mcnemar(b, a)
    assert mcnemar(a, a) == 1


@pytest.mark.parametrize(("errors", "n"), [(0, 30), (3, 50), (50, 50)])
def test_error_bound_is_the_upper_end_of_scipys_exact_interval(errors: int, n: int) -> None:
    oracle = binomtest(errors, n, alternative="less").proportion_ci(0.95, method="exact")
    assert error_bound(errors, n) == pytest.approx(oracle.high, abs=1e-12)
    with pytest.raises(ValueError, match="is not a share"):
        error_bound(n + 1, n)
