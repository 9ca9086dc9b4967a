"""A wrapper that calibrates only on labels that its models were not trained on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.analysis.calibrated import CalibratedClassifier
from aaetools.exceptions import DataError, LabelError


class Nearest(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Nearest class mean of the labelled rows, too sure of itself; remembers what it was given."""

    seen: list[Any] = []  # noqa: RUF012

    def fit(self, X: Any, y: Any) -> Nearest:
        self.seen.append((np.asarray(X), np.asarray(y)))
        labels = np.asarray(y, dtype=object)
        known = np.array([label not in (-1, None) for label in labels])
        self.classes_ = np.unique(labels[known])
        self.means_ = np.stack([np.asarray(X)[labels == label].mean(axis=0) for label in self.classes_])
        return self

    def predict_proba(self, X: Any) -> Any:
        powers = -4 * np.square(np.asarray(X)[:, None] - self.means_).sum(axis=2)
        powers = np.exp(powers - powers.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)


def groups(n: int = 300, seed: int = 0) -> tuple[Any, Any]:
    """Three overlapping groups, rows numbered in the third feature."""
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    X = rng.normal(size=(n, 3)) + 2 * np.eye(3)[y]
    X[:, 2] = np.arange(n) / 1e4
    return X, y


@pytest.fixture(autouse=True)
def forget() -> None:
    Nearest.seen.clear()


@pytest.mark.parametrize("n_folds", [None, 3])
def test_rows_that_calibrate_a_model_were_not_given_to_it_with_or_without_a_label(n_folds: int | None) -> None:
    X, y = groups()
    given = np.where(np.arange(300) < 120, y, -1)
    model = CalibratedClassifier(Nearest(), n_folds=n_folds, random_state=0).fit(X, given)
    assert len(Nearest.seen) == len(model.models_) == (n_folds or 1)
    for (rows, labels), held in zip(Nearest.seen, model.calibration_rows_, strict=True):
        assert not np.isin(X[held, 2], rows[:, 2]).any()
        assert len(rows) == 300 - len(held)
        assert (labels == -1).sum() == 180
    held = np.concatenate(model.calibration_rows_)
    assert len(np.unique(held)) == len(held) == sum(model.fold_sizes_)
    assert (given[held] >= 0).all()
    assert len(held) == (120 if n_folds else 36)


def test_a_frozen_model_is_neither_copied_nor_fitted() -> None:
    X, y = groups()
    base = Nearest().fit(X[:100], y[:100])
    Nearest.seen.clear()
    model = CalibratedClassifier(FrozenEstimator(base)).fit(X[100:], y[100:])
    assert Nearest.seen == []
    assert model.fold_sizes_ == [200]
    assert (model.predict(X) == base.classes_[base.predict_proba(X).argmax(axis=1)]).all()
    with pytest.raises(LabelError, match=r"row 2 .* has the label 7, no class of the model"):
        CalibratedClassifier(FrozenEstimator(base)).fit(X[:3], [0, 1, 7])


@pytest.mark.parametrize("n_folds", [None, 4])
def test_probabilities_sets_and_rules_work_for_any_classifier(n_folds: int | None) -> None:
    X, y = groups(900)
    X_new, y_new = groups(2_000, seed=1)
    words = np.array(["ant", "bee", "cow"], dtype=object)
    model = CalibratedClassifier(Nearest(), n_folds=n_folds, random_state=0).fit(X, words[y])
    assert model.classes_.tolist() == ["ant", "bee", "cow"]
    assert model.temperature_ is not None
    assert model.temperature_.low > 1
    proba = model.predict_proba(X_new)
    assert proba.sum(axis=1) == pytest.approx(np.ones(2_000))
    right = model.predict(X_new) == words[y_new]
    assert proba.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.05)
    assert model.score(X_new, words[y_new]) == pytest.approx(right.mean())
    sets = model.predict_set(X_new, level=0.9)
    assert sets[np.arange(2_000), y_new].mean() == pytest.approx(0.9, abs=0.04)
    assert model.predict_set(X_new[:5], 0.9, class_conditional=True).shape == (5, 3)
    accepted = model.accept(X_new, max_error=0.15)
    assert 0.05 < accepted.mean() < 1
    assert (~right[accepted]).mean() < 0.15 < (~right).mean()
    assert model.guaranteed_coverage_(0.9) == (0.9 if n_folds is None else pytest.approx(0.8, abs=0.02))


def test_new_rows_do_not_depend_on_each_other() -> None:
    X, y = groups()
    model = CalibratedClassifier(Nearest(), n_folds=3, random_state=0).fit(X, y)
    X_new = groups(50, seed=1)[0]
    assert model.predict_proba(X_new)[:5] == pytest.approx(model.predict_proba(X_new[:5]))
    assert (model.predict_set(X_new)[:5] == model.predict_set(X_new[:5])).all()


def test_what_the_labels_cannot_give_is_refused_with_the_reason_and_the_rest_works() -> None:
    X, y = groups(30)
    model = CalibratedClassifier(Nearest(), random_state=0).fit(X, y)
    assert model.temperature_ is None
    assert "9 labels held back are too few" in model.refusal_
    with pytest.raises(LabelError, match="9 labels held back are too few"):
        model.predict_proba(X)
    assert model.predict(X).shape == (30,)
    assert model.predict_set(X, 0.9).any(axis=1).all()
    with pytest.raises(LabelError, match="at least 19"):
        model.predict_set(X, 0.95)
    with pytest.raises(LabelError, match="cannot prove an error"):
        model.accept(X)


def test_labels_too_few_to_hold_any_back_are_refused() -> None:
    X, y = groups(12)
    given = np.where(np.arange(12) < 4, y, -1)
    with pytest.raises(LabelError, match="3 folds cannot be made: the rarest class has 1 labels"):
        CalibratedClassifier(Nearest(), n_folds=3).fit(X, np.array([0, 1, *[-1] * 10]))
    with pytest.raises(LabelError, match="cannot be split class by class"):
        CalibratedClassifier(Nearest(), calibration_fraction=0.01).fit(X, given)
    with pytest.raises(LabelError, match="X has 12 rows, but y has 4 labels"):
        CalibratedClassifier(Nearest()).fit(X, y[:4])
    with pytest.raises(DataError, match="calibration_fraction must lie within 0 and 1"):
        CalibratedClassifier(Nearest(), calibration_fraction=1.5).fit(X, y)
    with pytest.raises(LabelError, match="no labelled row to score"):
        CalibratedClassifier(FrozenEstimator(Nearest().fit(X, y))).fit(X, y).score(X, np.full(12, -1))


def test_progress_counts_the_fits() -> None:
    X, y = groups()
    told: list[tuple[str, int, int]] = []
    CalibratedClassifier(Nearest(), n_folds=2, progress=lambda *step: told.append(step)).fit(X, y)
    assert [(done, total) for _, done, total in told] == [(0, 2), (1, 2), (2, 2)]


def test_it_is_a_scikit_learn_estimator_with_repeatable_folds() -> None:
    X, y = load_iris(return_X_y=True)
    model = CalibratedClassifier(LogisticRegression(max_iter=1_000), n_folds=5, random_state=3)
    first, second = (clone(model).fit(X, y) for _ in range(2))
    assert (first.predict_proba(X) == second.predict_proba(X)).all()
    assert first.score(X, y) > 0.9
    assert clone(model).get_params()["n_folds"] == 5


def test_it_calibrates_an_autoencoder_given_a_data_frame() -> None:
    X, y = load_iris(return_X_y=True, as_frame=True)
    given = mask_labels(y.to_numpy(), per_class=20, random_state=0)
    base = AdversarialAutoencoder(max_epochs=2, hidden_layer_sizes=(8,), random_state=0)
    model = CalibratedClassifier(base, n_folds=2, random_state=0).fit(X, given)
    assert model.fold_sizes_ == [30, 30]
    assert model.predict_set(X, 0.8).shape == (150, 3)
