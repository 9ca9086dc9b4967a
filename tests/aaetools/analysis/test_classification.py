"""Accuracy, its interval, and an honest comparison with baselines."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from aaetools import AdversarialAutoencoder, mask_labels, split_holdout
from aaetools.analysis import result_from_json, result_to_json
from aaetools.analysis.classification import classify, classify_latents
from aaetools.analysis.results import Classification
from aaetools.analysis.scores import Predictions
from aaetools.exceptions import DataError, LabelError


def test_scores_of_a_worked_example() -> None:
    result, notes = classify(["a", "a", "a", "b", "b"], ["a", "a", "b", "b", "b"], ["a", "b", "c"])
    assert notes == ()
    assert result.confusion == ((2, 1, 0), (0, 2, 0), (0, 0, 0))
    assert result.model.accuracy.value == pytest.approx(0.8)
    assert result.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    a, b, c = result.per_class
    assert (a.recall.value, a.precision, a.f1) == pytest.approx((2 / 3, 1.0, 0.8))
    assert (b.recall.value, b.precision) == pytest.approx((1.0, 2 / 3))
    assert (c.n, c.precision, c.f1) == (0, None, 0.0)
    assert result.best_baseline is None
    assert result.p_value_best_baseline is None
    assert "no baseline" in result.verdict


def test_labels_that_training_never_had_count_as_errors_and_are_named() -> None:
    result, notes = classify([1, 2, 9, 9], [1, 2, 2, 1], np.array([1, 2]))
    assert result.classes == ("1", "2", "9")
    assert result.model.accuracy.value == 0.5
    assert np.sum(result.confusion) == 4
    assert result.per_class[2].recall.value == 0
    assert notes == (
        "2 hold-out rows have a label that no training row had (9); they cannot be predicted and count as errors.",
    )


@pytest.mark.parametrize(
    ("model_right", "other_right", "start"),
    [
        (100, 80, "Above knn by 20.0 points (McNemar p = "),
        (91, 90, "1.0 points above knn, which chance alone could explain"),
        (90, 90, "No better than knn (equal;"),
        (88, 90, "No better than knn (2.0 points below;"),
        (60, 90, "Below knn by 30.0 points"),
    ],
)
def test_the_verdict_claims_no_more_than_the_test_allows(model_right: int, other_right: int, start: str) -> None:
    truth = np.zeros(100, dtype=int)

    def predictions(right: int) -> Any:
        return (np.arange(100) >= right).astype(int)

    others = {
        "knn": Predictions(predictions(other_right)),
        "worse": Predictions(predictions(5)),
    }
    result, _ = classify(truth, predictions(model_right), [0, 1], baselines=others)
    assert result.best_baseline == "knn"
    assert result.verdict.startswith(start)


def test_predictions_must_match_the_rows() -> None:
    with pytest.raises(LabelError, match="2 true labels and 1 predictions"):
        classify([0, 1], [0], [0, 1])


# -- a fitted model beside probes and baselines ----------------------------------------------------------------------

FEW: dict[str, Any] = {"baselines": ["knn", "label_spreading"], "n_bootstrap": 100, "random_state": 0}


def classified(digits: Any, model: Any, **settings: Any) -> Classification:
    return classify_latents(model, digits.X, digits.y, digits.X_holdout, digits.y_holdout, **{**FEW, **settings})


def halves(digits: Any) -> tuple[dict[str, Any], Any, Any]:
    """Split the hold-out into calibration rows, as arguments, and test rows with their labels."""
    order = np.random.default_rng(0).permutation(len(digits.y_holdout))
    held, test = order[: len(order) // 2], order[len(order) // 2 :]
    settings = {"X_calibration": digits.X_holdout[held], "y_calibration": digits.y_holdout[held]}
    return settings, digits.X_holdout[test], digits.y_holdout[test]


def test_model_probes_and_baselines_are_scored_on_the_same_rows(digits: Any, digits_model: Any) -> None:
    found = classified(digits, digits_model, probes=["knn", GaussianNB()])
    assert [score.name for score in found.probes] == ["knn", "GaussianNB"]
    assert [score.name for score in found.baselines] == ["knn", "label_spreading"]
    assert (found.n_labeled, found.n_bootstrap, found.random_state) == (32, 100, 0)
    for score in (found.model, *found.probes, *found.baselines):
        assert score.scores is not None
        assert np.sum(score.scores.confusion) == score.accuracy.n == len(digits.y_holdout)
        assert score.accuracy.value > 0.7
        assert score.scores.log_loss is not None
    assert found.model.scores is not None
    assert found.model.scores.log_loss is not None
    proba = np.clip(digits_model.predict_proba(digits.X_holdout).astype(float), 2.3e-16, 1)
    own = -np.log(proba[np.arange(len(proba)), digits.y_holdout]).mean()
    assert found.model.scores.log_loss.value == pytest.approx(own, rel=1e-6)
    assert found.calibration is None
    assert found.conformal is None
    assert found.rejection is None
    assert result_from_json(result_to_json(found), Classification) == found


def test_test_rows_and_labels_reach_no_fit(digits: Any, digits_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: list[Any] = []
    for kind in (KNeighborsClassifier, LogisticRegression, LabelSpreading, SelfTrainingClassifier, PCA):
        original = kind.fit

        def fit(self: Any, X: Any, *rest: Any, original: Any = original, **more: Any) -> Any:
            fitted.append(np.array(X))
            return original(self, X, *rest, **more)

        monkeypatch.setattr(kind, "fit", fit)
    settings, X_test, y_test = halves(digits)
    arguments = {"baselines": ["knn", "label_spreading", "self_training"], "random_state": 0, "n_bootstrap": 20}
    arguments |= {**settings, "calibrate": True, "level": 0.9, "max_error": 0.2}
    first = classify_latents(digits_model, digits.X, digits.y, X_test, y_test, **arguments)
    seen, fitted[:] = list(fitted), []
    wrong = np.roll(y_test, 1)
    other = classify_latents(digits_model, digits.X, digits.y, X_test[::-1] * 0.5, wrong, **arguments)
    assert len(seen) == len(fitted) > 4
    assert all(np.array_equal(a, b) for a, b in zip(seen, fitted, strict=True))
    assert first.calibration is not None
    assert other.calibration is not None
    assert first.calibration.temperature == other.calibration.temperature
    assert first.rejection is not None
    assert other.rejection is not None
    assert first.rejection.max_doubt == other.rejection.max_doubt


def test_calibration_labels_change_nothing_but_calibration(digits: Any, digits_model: Any) -> None:
    settings, X_test, y_test = halves(digits)
    plain = classify_latents(digits_model, digits.X, digits.y, X_test, y_test, **FEW)
    with_more = classify_latents(
        digits_model, digits.X, digits.y, X_test, y_test, **FEW, **settings, calibrate=True, level=0.8, max_error=0.2
    )
    assert replace(with_more, calibration=None, conformal=None, rejection=None) == plain
    calibration, sets, rule = with_more.calibration, with_more.conformal, with_more.rejection
    assert calibration is not None
    assert calibration.before == replace(plain.model.scores, difference=None, p_value=None, p_adjusted=None)  # type: ignore[type-var]
    assert calibration.temperature.n == len(settings["y_calibration"])
    assert sets is not None
    assert sets.coverage is not None
    assert sets.guaranteed == sets.level == 0.8
    assert sum(sets.sizes) == sets.coverage.n == len(y_test)
    assert sets.mean_size is not None
    assert sets.mean_size.value == pytest.approx(np.average([1, 2, 3, 4], weights=sets.sizes))
    assert sets.coverage.high > 0.8
    assert rule is not None
    assert rule.accepted is not None
    assert rule.error is not None
    assert rule.error.n == round(rule.accepted.value * rule.accepted.n)
    assert rule.bound <= 0.2
    assert result_from_json(result_to_json(with_more), Classification) == with_more


def test_too_few_calibration_labels_are_refused_with_the_reason_and_the_rest_stays(
    digits: Any, digits_model: Any
) -> None:
    found = classified(
        digits,
        digits_model,
        X_calibration=digits.X_holdout[:12],
        y_calibration=digits.y_holdout[:12],
        calibrate=True,
        level=0.99,
        max_error=0.01,
    )
    assert found.calibration is not None
    assert found.conformal is not None
    assert found.rejection is not None
    for part, reason in (
        (found.calibration, "12 labels held back are too few"),
        (found.conformal, "12 labels held back cannot give sets"),
        (found.rejection, "12 labels held back cannot prove"),
    ):
        assert part.refused.startswith(reason)
        assert part.refused in part.verdict
    assert np.isnan(found.calibration.temperature.value)
    assert found.model.accuracy.value > 0.7


def test_cross_fitting_calibrates_without_further_rows() -> None:
    X, y = load_iris(return_X_y=True)
    train, test = split_holdout(y, 0.4, random_state=0)
    given = mask_labels(y[train], per_class=16, random_state=0)
    told: list[str] = []
    model = AdversarialAutoencoder(max_epochs=3, hidden_layer_sizes=(16,), random_state=0).fit(X[train], given)
    found = classify_latents(
        model,
        X[train],
        given,
        X[test],
        y[test],
        **FEW,
        n_folds=2,
        level=0.9,
        progress=lambda what, *_: told.append(what),
    )
    assert found.conformal is not None
    assert found.conformal.n_calibration == 48
    assert found.conformal.guaranteed < 0.8
    assert "2 copies of the model" in found.conformal.source
    assert told.count("fitting without labels held back") == 3


def test_labels_without_a_class_are_errors_in_tests_and_refused_elsewhere(digits: Any, digits_model: Any) -> None:
    y_test = digits.y_holdout.copy()
    y_test[:3], y_test[3:10] = 9, -1
    settings, _, _ = halves(digits)
    found = classify_latents(
        digits_model,
        digits.X,
        digits.y,
        digits.X_holdout,
        y_test,
        **FEW,
        **settings,
        calibrate=True,
        level=0.9,
        max_error=0.3,
    )
    assert found.classes == ("0", "1", "2", "3", "9")
    assert found.model.accuracy.n == len(y_test) - 7
    assert found.conformal is not None
    assert found.conformal.coverage_per_class[4].value == 0
    with pytest.raises(LabelError, match=r"training row 0 .* has the label 9, no class of the model"):
        classify_latents(digits_model, digits.X, np.full(len(digits.X), 9), digits.X_holdout, y_test)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": np.full(5, -1)}, LabelError, "5 labels were given for .* training rows"),
        ({"y": None}, LabelError, "0 labels were given for .* training rows"),
        ({"y_test": [1, 2]}, LabelError, "2 labels were given for .* test rows"),
        ({"level": 0.9}, DataError, "calibration needs labels that training had not"),
        ({"level": 0.9, "X_calibration": [[0]]}, DataError, "calibration needs labels that training had not"),
        ({"level": 0.9, "X_calibration": [[0]], "y_calibration": [0], "n_folds": 2}, DataError, "two ways"),
        ({"n_folds": 2}, DataError, "nothing to calibrate"),
        ({"probes": ["oracle"]}, DataError, "unknown probe 'oracle'"),
        ({"baselines": ["oracle"]}, DataError, "unknown baseline 'oracle'"),
    ],
)
def test_bad_input_is_named(
    digits: Any, digits_model: Any, change: dict[str, Any], error: type[Exception], message: str
) -> None:
    given = {"y": digits.y, "y_test": digits.y_holdout, **change}
    y, y_test = given.pop("y"), given.pop("y_test")
    with pytest.raises(error, match=message):
        classify_latents(digits_model, digits.X, y, digits.X_holdout, y_test, **given)


def test_no_labels_at_all_are_refused(digits: Any, digits_model: Any, make_model: Any) -> None:
    nothing = np.full(len(digits.y_holdout), -1)
    with pytest.raises(LabelError, match="no test row has a label"):
        classify_latents(digits_model, digits.X, digits.y, digits.X_holdout, nothing)
    with pytest.raises(LabelError, match="no training row has a label"):
        classify_latents(digits_model, digits.X, np.full(len(digits.X), -1), digits.X_holdout, digits.y_holdout)
    unlabelled = make_model(4).fit(digits.X)
    with pytest.raises(LabelError, match="fitted without labels"):
        classify_latents(unlabelled, digits.X, digits.y, digits.X_holdout, digits.y_holdout)
