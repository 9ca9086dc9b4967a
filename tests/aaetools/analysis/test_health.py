"""Each alarm is set off by what it is for, and a healthy run sets off none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from torch import Tensor, nn

from aaetools import AdversarialAutoencoder
from aaetools.analysis import analyze
from aaetools.analysis.classification import classify
from aaetools.analysis.health import dead_axes, explained_low, health_warnings, late_mean
from aaetools.analysis.prior_match import prior_match
from aaetools.analysis.results import Classification
from aaetools.analysis.scores import Predictions
from aaetools.exceptions import TrainingError
from aaetools.labels import mask_labels


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
        "reconstruction_r2_low": 0.7,
    }


def test_a_healthy_run_is_quiet(healthy: dict[str, Any]) -> None:
    assert health_warnings(**healthy) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"discriminator_accuracy": 0.99}, "discriminator is right on 99.0%"),
        ({"dead": (1,)}, "1 of 2 latent axes have next to no spread"),
        ({"cluster_sizes": (96, 4)}, "One cluster holds 96.0%"),
        ({"reconstruction_r2": -0.1, "reconstruction_r2_low": -0.2}, "no better than the mean"),
        ({"reconstruction_r2": 0.004, "reconstruction_r2_low": -0.001}, "by more than chance (R2 = 0.004)"),
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
    (warning,) = health_warnings(**{**healthy, "prior_match": far, "discriminator_accuracy": 0.2})
    assert "at 20.0%, worse than guessing" in warning


def test_numbers_that_are_not_known_are_no_alarm(healthy: dict[str, Any]) -> None:
    nan = float("nan")
    unknown = {**healthy, "discriminator_accuracy": nan, "reconstruction_r2": nan, "reconstruction_r2_low": nan}
    assert health_warnings(**{**unknown, "cluster_sizes": (10,)}) == ()


def test_dead_axes_are_those_without_spread() -> None:
    codes = np.random.default_rng(0).standard_normal((200, 3)) * [1, 0.01, 0.2]
    assert dead_axes(codes) == (1,)
    assert dead_axes(codes[:1]) == ()


def test_axes_on_which_the_prior_itself_is_narrow_are_dead_only_beside_it() -> None:
    draws = np.random.default_rng(0).standard_normal((500, 3)) * [5, 0.02, 0.02]
    codes = np.random.default_rng(1).standard_normal((200, 3)) * [5, 0.02, 0.0005]
    assert dead_axes(codes) == (1, 2)
    assert dead_axes(codes, draws) == (2,)


def test_what_has_learned_only_a_mean_explains_nothing_beyond_chance() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        rows, learned = rng.standard_normal((40, 5)), 0.2 * rng.standard_normal(5)
        assert explained_low(rows, np.square(rows - learned).mean(axis=1)) < 0
    assert 0.5 < explained_low(rows, 0.2 * np.square(rows).mean(axis=1)) < 0.8
    assert np.isnan(explained_low(np.ones((5, 2)), np.zeros(5)))
    assert np.isnan(explained_low(rows[:1], np.zeros(1)))


def test_codes_without_information_are_told_from_some_with_little() -> None:
    rng = np.random.default_rng(0)
    raised = 0
    for _ in range(100):
        rows = rng.standard_normal((100, 5))
        made = 0.1 * rng.standard_normal((100, 5))  # what is made varies but has nothing to do with the row
        raised += explained_low(rows, np.square(rows - made).mean(axis=1)) <= 0
    assert raised == 100
    made = 0.1 * rows + 0.05 * rng.standard_normal((100, 5))
    assert explained_low(rows, np.square(rows - made).mean(axis=1)) > 0


def test_one_row_far_away_does_not_make_a_good_reconstruction_doubtful(healthy: dict[str, Any]) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 4))
    rows[0] *= 1_000
    low = explained_low(rows, 0.1 * np.square(rows).mean(axis=1))
    assert low < 0
    assert health_warnings(**{**healthy, "reconstruction_r2": 0.9, "reconstruction_r2_low": low}) == ()


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


# --- Fits that are sick indeed ------------------------------------------------------------------------

X, Y = make_blobs(240, 6, centers=3, random_state=1)
X = X.astype(np.float32)
TRAIN, HOLDOUT = slice(0, 160), slice(160, None)
GIVEN = mask_labels(Y[TRAIN], per_class=8, random_state=0)


class Times(nn.Module):
    """Multiplies each axis by a number of its own."""

    def __init__(self, *factors: float) -> None:
        super().__init__()
        self.factors = factors

    def forward(self, z: Tensor) -> Tensor:
        return z * torch.tensor(self.factors)


def encoder(n_dims: int, *last: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, n_dims), *last)


def told(rows: Any = X, labels: Any = GIVEN, **settings: Any) -> str:
    """Return all alarms of a fit of 160 rows, one a line."""
    model = AdversarialAutoencoder(**{"hidden_layer_sizes": (16,), "max_epochs": 10, "random_state": 0, **settings})
    model.fit(rows[TRAIN], labels)
    found = analyze(
        model,
        rows[TRAIN],
        labels,
        X_holdout=rows[HOLDOUT],
        y_holdout=Y[HOLDOUT],
        baselines=("knn",),
        label_parts=(),
        embed=False,
        n_resamples=19,
    )
    return "\n".join(found.warnings)


@pytest.mark.slow
def test_an_encoder_whose_codes_lie_far_from_the_prior_loses_the_game() -> None:
    sick = encoder(4)
    nn.init.constant_(sick[-1].bias, 20.0)
    alarms = told(encoder=sick, n_components=4, prior="gaussian", max_epochs=20, batch_size=16)
    assert "the encoder has lost the game" in alarms


@pytest.mark.slow
def test_a_linear_discriminator_is_fooled() -> None:
    critic = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    alarms = told(labels=None, discriminator=critic, n_components=2, prior="gaussian", max_epochs=20)
    assert "but the test tells them apart" in alarms


@pytest.mark.slow
def test_axes_that_the_encoder_mutes_are_named() -> None:
    assert "2 of 3 latent axes have next to no spread (standard deviation under 0.05): 1, 2;" in told(
        encoder=encoder(3, Times(1.0, 0.0, 0.01)), n_components=3
    )


@pytest.mark.slow
def test_rows_in_other_units_put_all_others_into_one_cluster() -> None:
    rows = X.copy()
    rows[:2] *= 10_000
    assert "One cluster holds 99." in told(rows)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_has_learned_nothing_reconstructs_no_better_than_the_mean(seed: int) -> None:
    assert "no better than the mean" in told(learning_rate=1e-7, max_epochs=1, random_state=seed)


@pytest.mark.slow
def test_one_epoch_is_worse_than_the_baseline() -> None:
    assert "points fewer than knn" in told(max_epochs=1)


@pytest.mark.slow
def test_a_learning_rate_out_of_all_proportion_stops_training() -> None:
    with pytest.raises(
        TrainingError, match=r"loss is \w+ in step \d+ of 3 of epoch 1: training diverged; lower learning_rate"
    ):
        told(learning_rate=1e12)


@pytest.mark.slow
def test_a_fit_that_learns_raises_none_of_these() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((240, 2)) @ rng.standard_normal((2, 6))
    alarms = told(rows.astype(np.float32), None, prior="gaussian", n_components=2, max_epochs=60, batch_size=16)
    assert alarms == ""
