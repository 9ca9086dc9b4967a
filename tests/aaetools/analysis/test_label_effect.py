"""The effect of labels: what each fit may see, what the checks can tell, what the numbers mean."""

from __future__ import annotations

from itertools import permutations
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.datasets import make_blobs
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aaetools.analysis import label_effect, result_from_json, result_to_json
from aaetools.analysis.label_effect import plan_fits, renaming_test
from aaetools.analysis.results import LabelEffect
from aaetools.exceptions import DataError, LabelError


class NearestMean(ClassifierMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The nearest class mean of the labelled rows; every fit is written down."""

    fits: ClassVar[list[Any]] = []

    def __init__(self, random_state: int | None = None, unlabeled: Any = "?") -> None:
        self.random_state, self.unlabeled = random_state, unlabeled

    def fit(self, X: Any, y: Any = None) -> NearestMean:
        self.fits.append((len(X), None if y is None else y.copy(), self.random_state))
        self.classes_ = np.empty(0) if y is None else np.unique(y[y >= 0])
        self.means_ = np.array([X[y == k].mean(0) for k in self.classes_])
        return self

    def transform(self, X: Any) -> Any:
        return X

    def predict(self, X: Any) -> Any:
        return self.classes_[np.square(X[:, None] - self.means_[None]).sum(2).argmin(1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        return tags


class Leaky(NearestMean):
    """Knows every answer by the first feature, whatever labels it is given."""

    def predict(self, X: Any) -> Any:
        return np.round(X[:, 0]).astype(int)


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Overlapping clouds of five classes: 200 rows to learn from, 200 to test."""
    X, y = make_blobs(400, 5, centers=3 * np.eye(5), random_state=0)
    return X[:200], y[:200], X[200:], y[200:]


@pytest.fixture
def measured(rows: Any) -> LabelEffect:
    NearestMean.fits.clear()
    return label_effect(NearestMean(), *rows, labels_per_class=(1, 4, 16), n_draws=4, random_state=0)


def test_each_draw_has_nested_labels_one_seed_and_a_fit_without_labels(measured: LabelEffect) -> None:
    assert len(NearestMean.fits) == measured.n_fits == plan_fits(3, 4, 5) == 20
    by_seed: dict[Any, list[Any]] = {}
    for n, y, seed in NearestMean.fits:
        assert n == measured.n_train == 200
        by_seed.setdefault(seed, []).append(y)
    assert len(by_seed) == 4
    for fits in by_seed.values():
        none, few, more, most, permuted = sorted(fits, key=lambda y: -1 if y is None else (y >= 0).sum())[:5]
        assert none is None
        if not set(np.flatnonzero(more >= 0)) <= set(np.flatnonzero(most >= 0)):
            most, permuted = permuted, most
        assert np.bincount(few + 1).tolist() == [195, 1, 1, 1, 1, 1]
        assert set(np.flatnonzero(few >= 0)) <= set(np.flatnonzero(more >= 0)) <= set(np.flatnonzero(most >= 0))
        assert set(np.flatnonzero(most >= 0)) == set(np.flatnonzero(permuted >= 0))
        assert np.bincount(most + 1).tolist() == np.bincount(permuted + 1).tolist() == [120, 16, 16, 16, 16, 16]


def test_more_labels_help_and_permuted_ones_do_not(measured: LabelEffect) -> None:
    curve = measured.curves[0]
    assert curve.method == "model"
    assert [each.method for each in measured.curves[1:]] == ["label_spreading", "logistic_regression", "knn"]
    assert curve.accuracy[0].value + 0.1 < curve.accuracy[-1].value
    assert measured.permuted is not None
    assert measured.permuted.chance == 0.2
    assert measured.permuted.verdict == "at chance"
    assert measured.permuted.accuracy.value < 0.5
    assert measured.verdict.count("Permuted labels give") == 1


def test_numbers_are_means_of_draws_with_intervals_around_them(measured: LabelEffect) -> None:
    for curve in (*measured.curves, *measured.without):
        for accuracy, draws in zip(curve.accuracy, curve.draws, strict=True):
            assert len(draws) == accuracy.n == 4
            assert accuracy.value == pytest.approx(np.mean(draws))
            assert 0 <= accuracy.low < accuracy.value < accuracy.high <= 1
            half = 1.96 * np.sqrt(accuracy.value * (1 - accuracy.value) / 200)  # rows alone
            assert accuracy.high - accuracy.low < 2 * half + 6.4 * np.std(draws) + 1e-9
    ours, free = measured.curves[0].draws[-1], max(measured.without, key=lambda each: each.accuracy[0].value)
    assert measured.gain_over_none is not None
    assert measured.best_without == free.method
    assert measured.gain_over_none.value == pytest.approx(np.mean(ours) - np.mean(free.draws[0]))
    assert measured.gain_of_last_step is not None
    assert measured.gain_of_last_step.value == pytest.approx(np.mean(ours) - np.mean(measured.curves[0].draws[1]))
    assert measured.labels_in_last_step == 60
    assert measured.best_baseline in ("label_spreading", "logistic_regression", "knn")


def test_the_result_goes_through_json_and_the_seed_decides(measured: LabelEffect, rows: Any) -> None:
    assert result_from_json(result_to_json(measured), LabelEffect) == measured
    settings: Any = {"labels_per_class": (1, 4, 16), "n_draws": 4}
    assert label_effect(NearestMean(), *rows, **settings, random_state=0) == measured
    assert label_effect(NearestMean(), *rows, **settings, random_state=1).curves != measured.curves


def test_a_model_that_knows_the_answers_is_found_out(rows: Any) -> None:
    X, y, X_test, y_test = rows
    X, X_test = np.c_[y, X], np.c_[y_test, X_test]
    found = label_effect(Leaky(), X, y, X_test, y_test, labels_per_class=(2,), random_state=0, baselines=())
    assert found.permuted is not None
    assert found.permuted.verdict == "above chance"
    assert found.verdict.startswith("Do not trust these numbers: permuted labels give 100.0%")
    assert found.gain_of_last_step is None
    assert found.gain_over_baseline is None


def test_labels_that_say_nothing_are_not_said_to_help() -> None:
    random = np.random.RandomState(0)
    X, y = random.normal(size=(300, 4)), random.randint(3, size=300)
    found = label_effect(NearestMean(), X[:150], y[:150], X[150:], y[150:], labels_per_class=(5, 20), random_state=0)
    assert "cannot be said to have helped" in found.verdict
    assert "whether more would help cannot be told" in found.verdict


def test_without_test_rows_labels_are_held_back_and_no_fit_sees_them(rows: Any) -> None:
    X, y = rows[:2]
    y = y.astype(float)
    y[50:] = np.nan
    NearestMean.fits.clear()
    found = label_effect(NearestMean(), X, y, labels_per_class=(2, 50), n_draws=3, permuted=False, random_state=0)
    assert found.held_back
    assert found.n_test == 12
    assert {n for n, _, _ in NearestMean.fits} == {200 - 12}
    assert found.labels_per_class[0] == 2
    assert 2 < found.labels_per_class[1] < 10
    assert "12 of 50 labelled rows are held back" in found.notes[0]
    assert "no more labels per class are tried" in found.notes[1]
    assert found.permuted is None


def test_unlabelled_test_rows_are_left_out_and_unknown_classes_are_errors(rows: Any) -> None:
    X, y, X_test, y_test = rows
    kept = y != 4
    names = np.array(["a", "b", "c", "d", "e"], dtype=object)
    answers = names[y_test]
    answers[:20] = "?"  # what the model calls unlabelled
    found = label_effect(
        NearestMean(), X[kept], names[y[kept]], X_test, answers, labels_per_class=(10,), random_state=0, without=False
    )
    assert found.classes == ("a", "b", "c", "d")
    assert found.n_test == 180
    unknown = int((answers == "e").sum())
    assert f"{unknown} test rows have a label that no other row has" in found.notes[0]
    assert found.curves[0].accuracy[0].value <= 1 - unknown / 180
    assert found.without == ()
    assert "chance is 25.0%" in found.verdict


def test_pipelines_data_frames_and_images_are_taken(rows: Any) -> None:
    X, y, X_test, y_test = rows
    pipe = make_pipeline(StandardScaler(), NearestMean())
    settings: Any = {"labels_per_class": (3,), "n_draws": 2, "random_state": 0, "permuted": False, "without": False}
    frames = [pd.DataFrame(part, columns=list("abcde")) for part in (X, X_test)]
    of_frames = label_effect(pipe, frames[0], y, frames[1], y_test, **settings)
    assert of_frames == label_effect(pipe, X, y, X_test, y_test, **settings)
    with pytest.raises(DataError, match="different columns"):
        label_effect(pipe, frames[0], y, frames[1][list("edcba")], y_test, **settings)


def test_progress_counts_the_fits(rows: Any) -> None:
    told: list[tuple[str, int, int]] = []
    label_effect(
        NearestMean(),
        *rows,
        labels_per_class=(2,),
        n_draws=2,
        random_state=0,
        progress=lambda *step: told.append(step),
    )
    assert told == [("fitting", done, 6) for done in range(7)]


def test_two_classes_get_draws_enough_to_tell_a_leak(rows: Any) -> None:
    X, y, X_test, y_test = rows
    found = label_effect(
        NearestMean(), X, y % 2, X_test, y_test % 2, labels_per_class=(3,), n_draws=2, random_state=0, without=False
    )
    assert found.permuted is not None
    assert len(found.permuted.draws) == 8
    assert found.n_fits == plan_fits(1, 2, 2, without=False) == 10
    assert found.permuted.smallest_p_value < 0.01
    assert found.permuted.verdict == "at chance"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": object()}, "no scikit-learn classifier"),
        ({"n_draws": 1}, "at least 2"),
        ({"baselines": ("oracle",)}, "unknown baseline 'oracle'"),
        ({"labels_per_class": (0, 2)}, "at least 1"),
        ({"labels_per_class": ()}, "at least 1"),
        ({"y_test": None}, "together, or neither"),
        ({"y": np.zeros(200)}, "fewer than two classes"),
        ({"y": np.zeros(7)}, "X has 200 rows, but y has 7 labels"),
        ({"y_test": np.zeros(7)}, "X_test has 200 rows, but y_test has 7 labels"),
        ({"y_test": np.full(200, np.nan)}, "y_test has no label"),
        ({"X_test": np.zeros((200, 2))}, "rows of X_test have shape"),
        ({"X_test": np.full((200, 5), np.nan)}, "X_test, row 0"),
        ({"X": np.zeros(200)}, "one row per line"),
        ({"X": np.full((200, 5), "a")}, "features must be numbers"),
    ],
)
def test_what_cannot_be_measured_is_refused_before_any_fit(change: dict[str, Any], words: str, rows: Any) -> None:
    NearestMean.fits.clear()
    given = {"model": NearestMean(), **dict(zip(("X", "y", "X_test", "y_test"), rows, strict=True)), **change}
    with pytest.raises(DataError, match=words):
        label_effect(**given)
    assert NearestMean.fits == []


def test_a_class_without_labels_to_spare_is_named() -> None:
    y = np.array(["a"] * 8 + ["b"] * 8 + ["rare"] + [None] * 20, dtype=object)
    X = np.random.RandomState(0).normal(size=(37, 2))
    with pytest.warns(UserWarning, match="class rare has a single labelled row"):
        found = label_effect(NearestMean(), X, y, labels_per_class=(1, 5), n_draws=2, permuted=False, random_state=0)
    assert found.labels_per_class == (1,)
    with pytest.raises(LabelError, match="fewer than two classes"):
        label_effect(NearestMean(), X, np.where(y == "b", None, y))


# -- the test by renaming --------------------------------------------------------------------------------------------


def test_renaming_is_the_exact_test_over_all_names() -> None:
    confusion = np.array([[8, 1, 1], [2, 5, 3], [0, 4, 6]])
    all_names = [sum(confusion[k, names[k]] for k in range(3)) / 30 for names in permutations(range(3))]
    p_value, smallest, q95 = renaming_test([confusion], n_renamings=60_000, random_state=0)
    assert p_value == pytest.approx(np.mean(np.array(all_names) >= 19 / 30), abs=0.01)
    assert smallest == pytest.approx(1 / 6, abs=0.01)
    assert q95 == max(all_names)


def test_draws_sharpen_the_renaming_test() -> None:
    confusion = np.array([[9, 1], [1, 9]])
    found = [renaming_test([confusion] * n, random_state=0)[0] for n in (1, 3, 6)]
    assert found == pytest.approx([1 / 2, 1 / 8, 1 / 64], abs=0.02)


def test_chance_is_rejected_as_often_as_it_should_be() -> None:
    # whole clusters that get one name each: rows are far from independent, where a binomial test would fail
    random = np.random.RandomState(0)
    p_values = []
    for number in range(400):
        confusions = [np.diag(random.randint(5, 60, size=6))[:, random.permutation(6)] for _ in range(3)]
        p_values.append(renaming_test(confusions, n_renamings=499, random_state=number)[0])
    for level in (0.05, 0.2):
        assert np.mean(np.array(p_values) <= level) <= level + 3 * np.sqrt(level * (1 - level) / 400)
    assert np.mean(np.array(p_values) <= 0.2) > 0.08


@pytest.mark.slow
def test_two_processes_find_what_one_does_and_the_real_model_learns() -> None:
    from aaetools import AdversarialAutoencoder

    X, y = make_blobs(120, 3, centers=6 * np.eye(3), random_state=0)
    model = AdversarialAutoencoder(max_epochs=40)
    settings: Any = {"labels_per_class": (4,), "n_draws": 2, "random_state": 0, "baselines": ()}
    one, two = (label_effect(model, X, y, **settings, n_jobs=n) for n in (1, 2))
    assert one == two
    assert one.without[0].accuracy[0].value > 0.5
    assert not hasattr(model, "encoder_")
