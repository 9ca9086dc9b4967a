"""Temperatures, and rules whose stated error holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn.metrics import log_loss

from aaetools.analysis.calibration import (
    MIN_TEMPERATURE_LABELS,
    accepted_needed,
    choose_rule,
    doubts,
    fit_temperature,
    likeliest_temperature,
    scale_probabilities,
)
from aaetools.analysis.intervals import error_bound
from aaetools.exceptions import DataError, LabelError


def draws(n: int, temperature: float, seed: int = 0) -> tuple[Any, Any]:
    """Probabilities that are too sure by a temperature, and classes drawn from the right ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 5))
    right = scale_probabilities(np.exp(logits), 1)
    codes = (rng.random((n, 1)) > right.cumsum(axis=1)).sum(axis=1).clip(max=4)
    return scale_probabilities(right, 1 / temperature), codes


def test_scaling_keeps_the_order_and_one_leaves_probabilities_alone() -> None:
    proba, _ = draws(50, 1)
    assert scale_probabilities(proba, 1) == pytest.approx(proba)
    flat = scale_probabilities(proba, 4)
    assert (flat.argsort(axis=1) == proba.argsort(axis=1)).all()
    assert (flat.max(axis=1) < proba.max(axis=1)).all()
    assert flat.sum(axis=1) == pytest.approx(np.ones(50))
    assert scale_probabilities(np.array([[1.0, 0.0]], dtype=np.float32), 100).max() < 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 8.0])
def test_the_temperature_is_found_again_and_minimises_the_log_loss(temperature: float) -> None:
    proba, codes = draws(4_000, temperature)
    found = fit_temperature(proba, codes)
    assert found.low < temperature < found.high
    assert found.value == pytest.approx(temperature, rel=0.1)
    best = minimize_scalar(
        lambda t: log_loss(codes, scale_probabilities(proba, t)), bounds=(temperature / 2, temperature * 2)
    )
    assert found.value == pytest.approx(best.x, rel=1e-3)


def test_the_interval_of_the_temperature_covers_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(200):
        found = fit_temperature(*draws(100, 3.0, seed))
        covered += found.low <= 3 <= found.high
    assert binomtest(covered, 200, 0.95).pvalue > 0.001


def test_too_few_labels_and_no_errors_are_refused() -> None:
    proba, codes = draws(MIN_TEMPERATURE_LABELS - 1, 1)
    with pytest.raises(LabelError, match="19 labels held back are too few to choose a temperature: at least 20"):
        fit_temperature(proba, codes)
    proba, _ = draws(100, 1)
    with pytest.raises(LabelError, match="none of 100 labels held back is predicted wrongly"):
        fit_temperature(proba, proba.argmax(axis=1))


def test_the_temperature_of_calibrated_log_odds_is_recovered() -> None:
    random = np.random.default_rng(0)
    log_odds = random.normal(size=(4000, 3)) * 2
    p = softmax(log_odds, axis=1)
    codes = (random.random((4000, 1)) > p.cumsum(axis=1)).sum(axis=1)
    assert likeliest_temperature(5 * log_odds, codes) == pytest.approx(5, rel=0.1)


def test_doubts_keep_their_digits_near_certainty() -> None:
    found = doubts(np.array([[1.0, 1e-30, 2e-30], [0.2, 0.5, 0.3]], dtype=np.float64))
    assert found[0] == pytest.approx([3e-30, 1, 1], rel=1e-12)
    assert found[1] == pytest.approx([0.8, 0.5, 0.7])


def test_the_least_number_of_rows_is_the_least_that_proves_the_goal() -> None:
    for max_error, confidence in ((0.05, 0.95), (0.01, 0.9), (0.2, 0.99)):
        least = accepted_needed(max_error, confidence)
        level = 1 - (1 - confidence) / 10
        assert error_bound(0, least, level) <= max_error < error_bound(0, least - 1, level)
    with pytest.raises(DataError, match="is no goal"):
        accepted_needed(0.0)


def population(rng: np.random.Generator, n: int, atoms: bool) -> tuple[Any, Any]:
    """Rows whose probability of an error is their doubt to the power 1.5, 40% of them equally sure if ``atoms``."""
    doubt = rng.random(n) ** 2
    if atoms:
        doubt = np.where(rng.random(n) < 0.4, 0.05, doubt)
    return doubt, rng.random(n) >= doubt**1.5


@pytest.mark.parametrize("atoms", [False, True])
@pytest.mark.parametrize(("n", "max_error"), [(150, 0.1), (600, 0.05)])
def test_the_stated_error_holds_with_the_stated_confidence(n: int, max_error: float, atoms: bool) -> None:
    rng = np.random.default_rng(0)
    doubt, right = population(rng, 100_000, atoms)
    order = np.argsort(doubt)
    ordered, error_below = doubt[order], np.cumsum(~right[order]) / np.arange(1, len(doubt) + 1)
    broken = used = 0
    for _ in range(1_000):
        try:
            rule = choose_rule(*population(rng, n, atoms), max_error, 0.9)
        except LabelError:
            continue
        used += 1
        accepted = np.searchsorted(ordered, rule.max_doubt, side="left")
        broken += error_below[accepted - 1] > max_error
    assert used > 300
    assert broken / 1_000 <= 0.1


def test_a_rule_accepts_all_where_all_are_right_and_none_where_errors_are_everywhere() -> None:
    rng = np.random.default_rng(0)
    doubt = rng.random(300)
    rule = choose_rule(doubt, np.ones(300, dtype=bool), 0.05)
    assert (rule.max_doubt, rule.n_accepted, rule.n_errors) == (1, 300, 0)
    with pytest.raises(LabelError, match=r"no rule keeps the error at 5\.0% with confidence 95%: of the surest"):
        choose_rule(doubt, rng.random(300) < 0.5, 0.05)
    with pytest.raises(LabelError, match=r"60 labels held back cannot prove an error of at most 5\.0%.*at least 104"):
        choose_rule(doubt[:60], np.ones(60, dtype=bool), 0.05)


def test_equally_doubtful_rows_are_accepted_together_or_not_at_all() -> None:
    doubt = np.repeat([0.1, 0.5], 200)
    right = np.repeat([True, False], 200)
    rule = choose_rule(doubt, right, 0.1)
    assert (rule.max_doubt, rule.n_accepted) == (0.5, 200)
