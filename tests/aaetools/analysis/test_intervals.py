"""Intervals of shares, and paired tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_1samp

from aaetools.analysis.intervals import corrected_t_test, error_bound, mcnemar, paired_difference, wilson_interval


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


def test_paired_difference_is_the_one_in_newcombes_paper() -> None:
    found = paired_difference(36, 2, 12, 0)
    assert (found.value, found.n) == (0.2, 50)
    assert (found.low, found.high) == pytest.approx((0.0569, 0.3404), abs=5e-5)


@pytest.mark.parametrize("table", [(36, 2, 12, 0), (400, 6, 39, 5), (0, 3, 9, 0), (20, 0, 0, 0), (0, 0, 7, 0)])
def test_paired_difference_turns_with_the_methods(table: tuple[int, int, int, int]) -> None:
    both, first, second, neither = table
    there, back = paired_difference(both, first, second, neither), paired_difference(both, second, first, neither)
    assert back.value == -there.value
    assert (back.low, back.high) == pytest.approx((-there.high, -there.low), abs=1e-12)
    assert -1 <= there.low <= there.value <= there.high <= 1
    assert there.low < there.high


def test_paired_difference_of_no_rows_is_anything() -> None:
    found = paired_difference(0, 0, 0, 0)
    assert np.isnan(found.value)
    assert (found.low, found.high, found.n) == (-1.0, 1.0, 0)


def test_paired_difference_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    shares = np.array([0.8, 0.04, 0.1, 0.06])
    tables = rng.multinomial(80, shares, size=500)
    held = [(found := paired_difference(*map(int, t))).low <= shares[2] - shares[1] <= found.high for t in tables]
    assert 0.92 <= np.mean(held) <= 0.99


def test_the_t_test_without_correction_is_students() -> None:
    d = [0.01, 0.03, -0.01, 0.02]
    found, p = corrected_t_test(d, 0.0)
    oracle = ttest_1samp(d, 0)
    assert p == pytest.approx(oracle.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval()))
    wider, larger = corrected_t_test(d, 1 / 3)
    assert larger > p
    # variance (1/n + 1/3) in place of 1/n
    assert (wider.high - wider.low) / (found.high - found.low) == pytest.approx(np.sqrt(1 + 4 / 3))


def test_equal_differences_say_nothing_of_their_spread() -> None:
    found, p = corrected_t_test([0.02, 0.02, 0.02], 1 / 3)
    assert found.value == pytest.approx(0.02)
    assert np.isnan([found.low, found.high]).all()
    assert p == 1
