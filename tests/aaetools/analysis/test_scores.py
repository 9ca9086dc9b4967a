"""Scores are those of scikit-learn, and intervals do what they promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    balanced_accuracy_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    log_loss,
)

from aaetools.analysis.results import Scores
from aaetools.analysis.scores import N_BINS, Predictions, bootstrap_mean, confidence_bins, score_methods


def forecasts(n: int = 400, n_classes: int = 4, sharpness: float = 1.0, seed: int = 0) -> tuple[Any, Any]:
    """Draw classes from probabilities, and return them with the probabilities made sharper or flatter."""
    rng = np.random.default_rng(seed)
    proba = rng.dirichlet(np.full(n_classes, 0.4), size=n)
    true = (rng.random((n, 1)) > proba.cumsum(axis=1)).sum(axis=1).clip(max=n_classes - 1)
    powers = np.maximum(proba, 1e-12) ** sharpness
    return true, powers / powers.sum(axis=1, keepdims=True)


def scored(true: Any, proba: Any, n_classes: int = 4, **settings: Any) -> Scores:
    methods = {"a": Predictions(proba.argmax(axis=1), proba=proba)}
    return score_methods(true, methods, n_classes, reference="a", random_state=0, **settings)["a"]


@pytest.mark.parametrize("sharpness", [0.3, 1.0, 30.0])
def test_scores_are_scikit_learns(sharpness: float) -> None:
    true, proba = forecasts(sharpness=sharpness)
    found, predicted = scored(true, proba), proba.argmax(axis=1)
    assert found.log_loss is not None
    assert found.brier is not None
    assert found.log_loss.value == pytest.approx(log_loss(true, proba, labels=range(4)))
    assert found.brier.value == pytest.approx(brier_score_loss(true, proba, labels=range(4), scale_by_half=False))
    assert found.balanced_accuracy.value == pytest.approx(balanced_accuracy_score(true, predicted))
    assert found.macro_f1.value == pytest.approx(f1_score(true, predicted, average="macro"))
    assert [f1.value for f1 in found.f1] == pytest.approx(f1_score(true, predicted, average=None).tolist())
    assert np.array(found.confusion).tolist() == confusion_matrix(true, predicted).tolist()


def test_the_calibration_curve_is_scikit_learns_and_the_error_its_weighted_gap() -> None:
    true, proba = forecasts(sharpness=2.0)
    curve = scored(true, proba).calibration
    assert curve is not None
    right, confidence = proba.argmax(axis=1) == true, proba.max(axis=1)
    share, mean = calibration_curve(right, confidence, n_bins=N_BINS)
    assert [b.accuracy.value for b in curve.bins] == pytest.approx(share.tolist())
    assert [b.confidence for b in curve.bins] == pytest.approx(mean.tolist())
    weights = np.array([b.accuracy.n for b in curve.bins]) / 400
    assert curve.error.value == pytest.approx((weights * np.abs(share - mean)).sum())
    assert all(b.low < b.confidence <= b.high for b in curve.bins)


def test_bins_are_open_at_the_lower_end() -> None:
    assert confidence_bins(np.array([0.0, 0.1, 0.2, 0.2 + 1e-9, 1.0]), 5).tolist() == [0, 0, 0, 1, 4]


def test_a_calibrated_method_stays_below_the_limit_and_one_too_sure_exceeds_it() -> None:
    below = 0
    for seed in range(40):
        true, proba = forecasts(seed=seed)
        curve = scored(true, proba, n_bootstrap=0).calibration
        assert curve is not None
        below += curve.error.value <= curve.error_if_calibrated
    assert binomtest(below, 40, 0.95).pvalue > 0.01
    sure = scored(*forecasts(sharpness=3.0), n_bootstrap=0).calibration
    assert sure is not None
    assert sure.error.value > 2 * sure.error_if_calibrated


def test_bootstrap_intervals_hold_the_value_and_are_as_wide_as_the_standard_error_says() -> None:
    true, proba = forecasts(2_000)
    found = scored(true, proba)
    for interval in (found.balanced_accuracy, found.macro_f1, *found.f1, found.log_loss, found.brier):
        assert interval is not None
        assert interval.low < interval.value < interval.high
        assert interval.n == 2_000
    assert found.brier is not None
    rows = np.square(proba - np.eye(4)[true]).sum(axis=1)
    assert found.brier.high - found.brier.low == pytest.approx(2 * 1.96 * rows.std() / np.sqrt(2_000), rel=0.15)
    mean = bootstrap_mean(rows, random_state=0)
    assert (mean.low, mean.high) == pytest.approx((found.brier.low, found.brier.high), rel=0.02)


def test_the_error_of_a_calibrated_method_has_an_interval_that_reaches_down_to_nothing() -> None:
    curve = scored(*forecasts(2_000)).calibration
    assert curve is not None
    assert 0 <= curve.error.low < 0.01 < curve.error.value <= curve.error.high


def test_other_methods_are_compared_row_by_row() -> None:
    true = np.arange(200) % 2
    good, bad = true.copy(), true.copy()
    good[:10], bad[:30] = 1 - true[:10], 1 - true[:30]
    found = score_methods(
        true,
        {"good": Predictions(good), "bad": Predictions(bad), "same": Predictions(good.copy())},
        2,
        reference="good",
        random_state=0,
    )
    assert found["good"].difference is None
    assert found["good"].p_value is None
    bad_one, same = found["bad"], found["same"]
    assert bad_one.difference is not None
    assert same.difference is not None
    assert bad_one.difference.value == pytest.approx(0.1)
    assert 0 < bad_one.difference.low < 0.1 < bad_one.difference.high
    assert (same.difference.low, same.difference.high, same.p_value) == (0, 0, 1)
    assert bad_one.p_value == pytest.approx(binomtest(0, 20).pvalue)
    assert bad_one.p_adjusted == pytest.approx(2 * binomtest(0, 20).pvalue)
    assert bad_one.log_loss is None
    assert bad_one.calibration is None


def test_a_class_that_is_nowhere_counts_for_nothing_and_one_that_is_unknown_for_an_error() -> None:
    true = np.array([0, 0, 1, 3])
    proba = np.array([[0.8, 0.2, 0.0], [0.6, 0.4, 0.0], [0.1, 0.9, 0.0], [0.9, 0.1, 0.0]])
    found = scored(true, proba, 4)
    assert found.macro_f1.value == pytest.approx((0.8 + 1 + 0) / 3)
    assert found.balanced_accuracy.value == pytest.approx(2 / 3)
    assert found.brier is not None
    assert found.brier.value == pytest.approx((0.08 + 0.32 + 0.02 + 0.81 + 0.01 + 1) / 4)
    assert found.log_loss is not None
    assert found.log_loss.value > 36 / 4


def test_many_classes_leave_the_confusion_matrix_out() -> None:
    true, proba = forecasts(100, 60)
    assert scored(true, proba, 60).confusion == ()


def test_the_same_seed_gives_the_same_intervals_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    true, proba = forecasts(100)
    before = np.random.get_state()[1].tolist()
    first = scored(true, proba, n_bootstrap=50)
    monkeypatch.setattr("aaetools.analysis.scores._CHUNK", 700)
    assert scored(true, proba, n_bootstrap=50) == first
    assert np.random.get_state()[1].tolist() == before
