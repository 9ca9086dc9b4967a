"""Each alarm is set off by what it is for, and a healthy run sets off none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aaetools.analysis.classification import classify
from aaetools.analysis.health import dead_axes, health_warnings, late_mean
from aaetools.analysis.prior_match import prior_match
from aaetools.analysis.results import Classification
from aaetools.analysis.scores import Predictions


@pytest.fixture(scope="module")
def healthy(make_prior: Any) -> dict[str, Any]:
    codes = np.random.default_rng(0).standard_normal((100, 2))
    return {
        "discriminator_accuracy": 0.52,
        "prior_match": prior_match(codes, make_prior(2), random_state=0, n_resamples=39),
        "dead": (),
        "n_components": 2,
        "cluster_sizes": (60, 40),
        "reconstruction_r2": 0.8,
    }


def test_a_healthy_run_is_quiet(healthy: dict[str, Any]) -> None:
    assert health_warnings(**healthy) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"discriminator_accuracy": 0.99}, "discriminator is right on 99.0%"),
        ({"dead": (1,)}, "1 of 2 latent axes carry nothing"),
        ({"cluster_sizes": (96, 4)}, "One cluster holds 96.0%"),
        ({"reconstruction_r2": -0.1}, "no better than the mean"),
    ],
)
def test_each_alarm_is_set_off_alone(healthy: dict[str, Any], change: dict[str, Any], says: str) -> None:
    (warning,) = health_warnings(**{**healthy, **change})
    assert says in warning


def test_a_fooled_discriminator_beside_a_failed_match_is_an_alarm(healthy: dict[str, Any], make_prior: Any) -> None:
    shifted = np.random.default_rng(0).standard_normal((100, 2)) + 3
    far = prior_match(shifted, make_prior(2), random_state=0, n_resamples=39)
    (warning,) = health_warnings(**{**healthy, "prior_match": far})
    assert "but the test tells them apart" in warning
    assert health_warnings(**{**healthy, "prior_match": far, "discriminator_accuracy": 0.8}) == ()


def test_numbers_that_are_not_known_are_no_alarm(healthy: dict[str, Any]) -> None:
    unknown = {**healthy, "discriminator_accuracy": float("nan"), "reconstruction_r2": float("nan")}
    assert health_warnings(**{**unknown, "cluster_sizes": (10,)}) == ()


def test_dead_axes_are_those_without_spread() -> None:
    codes = np.random.default_rng(0).standard_normal((200, 3)) * [1, 0.01, 0.2]
    assert dead_axes(codes) == (1,)
    assert dead_axes(codes[:1]) == ()


def test_late_mean_is_over_the_last_tenth() -> None:
    history: dict[str, list[float]] = {"a": [float(i) for i in range(100)], "short": [1.0, 3.0]}
    assert late_mean(history, "a") == np.mean(range(90, 100))
    assert late_mean(history, "short") == 3
    assert np.isnan(late_mean(history, "missing"))


def judged(model_right: int, baseline_right: int | None) -> Classification:
    """A model and a baseline on 100 rows of which each is right on the first so many."""

    def predicted(right: int) -> Any:
        return (np.arange(100) >= right).astype(int)

    others = {}
    if baseline_right is not None:
        others = {
            "label_spreading": Predictions(predicted(baseline_right)),
            "knn": Predictions(predicted(2)),
        }
    return classify(np.zeros(100, dtype=int), predicted(model_right), [0, 1], baselines=others)[0]


def test_a_model_that_a_baseline_clearly_beats_is_an_alarm(healthy: dict[str, Any]) -> None:
    (warning,) = health_warnings(**healthy, classification=judged(41, 92))
    assert warning.startswith(
        "The model is right on 41.0% of 100 hold-out rows, 51.0 points fewer than label spreading with the "
        "same labels (McNemar p = "
    )
    for advice in ("more epochs", "--recipe", "label more rows"):
        assert advice in warning


@pytest.mark.parametrize(("model", "baseline"), [(90, 92), (92, 41), (90, 90), (41, None)])
def test_a_model_that_is_level_or_better_or_not_compared_is_no_alarm(
    healthy: dict[str, Any], model: int, baseline: int | None
) -> None:
    assert health_warnings(**healthy, classification=judged(model, baseline)) == ()
