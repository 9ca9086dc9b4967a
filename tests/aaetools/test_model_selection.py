"""Splits that never test an unlabelled row, scores that never count one, both inside scikit-learn's own tools."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier

from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import is_unlabeled
from aaetools.model_selection import SCORERS, SemiSupervisedSplit, make_labeled_scorer


@pytest.fixture
def blobs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows, all labels, and 12 labels per class."""
    X, y = make_blobs(150, 3, centers=8 * np.eye(3), random_state=0)
    return X, y, mask_labels(y, per_class=12, random_state=0)


KINDS: list[Any] = [
    pytest.param([0, 1, -1] * 8, id="integers"),
    pytest.param(np.array(["a", "b", None] * 8, dtype=object), id="strings with None"),
    pytest.param(np.array([0.0, 1.0, np.nan] * 8), id="floats with NaN"),
    pytest.param(pd.Series(["a", "b", pd.NA] * 8, dtype="string"), id="pandas strings with NA"),
    pytest.param(pd.Series([True, False, None] * 8, dtype="boolean"), id="pandas booleans with NA"),
]


@pytest.mark.parametrize("y", KINDS)
@pytest.mark.parametrize("test_size", [None, 0.25, 4])
def test_unlabelled_rows_train_in_every_split_and_are_never_tested(y: Any, test_size: Any) -> None:
    gaps = np.flatnonzero(is_unlabeled(y))
    splitter = SemiSupervisedSplit(4, test_size=test_size, random_state=0)
    parts = list(splitter.split(np.zeros((24, 1)), y))
    assert len(parts) == splitter.get_n_splits() == 4
    for train, test in parts:
        assert set(gaps) <= set(train)
        assert not set(gaps) & set(test)
        assert sorted([*train, *test]) == list(range(24))
        assert len(test) == 4
        assert len(set(np.asarray(y, dtype=object)[test])) == 2


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(5, 20), min_size=2, max_size=5),
    gaps=st.integers(0, 30),
    n_splits=st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_folds_test_each_labelled_row_once_in_equal_shares(
    counts: list[int], gaps: int, n_splits: int, seed: int
) -> None:
    y = np.random.RandomState(seed).permutation(np.repeat(np.arange(-1, len(counts)), [gaps, *counts]))
    tested = []
    for train, test in SemiSupervisedSplit(n_splits, random_state=seed).split(y[:, None], y):
        assert not set(train) & set(test)
        of_class = np.bincount(y[test], minlength=len(counts))
        assert (np.abs(of_class - np.array(counts) / n_splits) < 1).all()
        tested += test.tolist()
    assert sorted(tested) == np.flatnonzero(y >= 0).tolist()


def test_the_seed_decides_and_the_order_of_rows_without_shuffling(blobs: Any) -> None:
    X, _, y = blobs

    def parts(seed: int | None, **settings: Any) -> list[list[int]]:
        return [test.tolist() for _, test in SemiSupervisedSplit(3, random_state=seed, **settings).split(X, y)]

    assert parts(1) == parts(1) != parts(2)
    assert parts(1, shuffle=False) == parts(2, shuffle=False)
    again = SemiSupervisedSplit(3, random_state=7)
    assert [t.tolist() for _, t in again.split(X, y)] == [t.tolist() for _, t in again.split(X, y)]


def test_a_training_part_can_be_left_few_labels(blobs: Any) -> None:
    X, _, y = blobs
    for train, test in SemiSupervisedSplit(3, labels_per_class=2, random_state=0).split(X, y):
        assert np.bincount(y[train] + 1).tolist() == [150 - 36, 2, 2, 2]
        assert len(test) == 12
        assert not set(train) & set(test)


def test_groups_stay_together_the_unlabelled_rows_of_a_tested_group_included() -> None:
    groups = np.repeat(np.arange(12), 4)
    y = np.tile([0, 1, -1, -1], 12)
    for train, test in SemiSupervisedSplit(3, random_state=0).split(y[:, None], y, groups):
        assert not set(groups[train]) & set(groups[test])
        assert (y[test] >= 0).all()
        assert (y[train] < 0).any()
    with pytest.raises(DataError, match="know no groups"):
        list(SemiSupervisedSplit(3, test_size=0.2).split(y[:, None], y, groups))


def test_a_single_label_of_a_class_trains_and_a_warning_says_so() -> None:
    y = np.array(["a"] * 6 + ["b"] * 6 + ["rare"] + [None] * 5, dtype=object)
    with pytest.warns(UserWarning, match="class rare has a single labelled row"):
        parts = list(SemiSupervisedSplit(3, random_state=0).split(y[:, None], y))
    assert all(12 in train for train, _ in parts)


def test_fewer_labels_than_folds_warn_as_in_scikit_learn_and_none_with_enough_is_an_error() -> None:
    y = np.array([0] * 6 + [1] * 3 + [-1] * 5)
    with pytest.warns(UserWarning, match=r"fewer labelled rows than the 5 folds.* class 1 \(3\)"):
        parts = list(SemiSupervisedSplit(5, random_state=0).split(y[:, None], y))
    assert sorted(np.concatenate([test for _, test in parts])) == list(range(9))
    with pytest.raises(LabelError, match="no class has more than 6 labelled rows"):
        list(SemiSupervisedSplit(7).split(y[:, None], y))


@pytest.mark.parametrize(
    ("settings", "y", "words"),
    [
        ({}, None, "needs y"),
        ({}, [-1, -1, -1], "fewer than two classes"),
        ({}, [0, 0, 0, -1], "fewer than two classes"),
        ({"test_size": 0.01}, [0, 0, 1, 1], "does not leave a row of each"),
        ({"test_size": 1.5}, [0, 0, 1, 1], "share in"),
        ({"test_size": 0}, [0, 0, 1, 1], "share in"),
    ],
)
def test_what_cannot_be_split_is_refused(settings: dict[str, Any], y: Any, words: str) -> None:
    with pytest.raises(DataError, match=words):
        list(SemiSupervisedSplit(2, **settings).split(None, y))


def test_bad_settings_are_refused() -> None:
    with pytest.raises(DataError, match="n_splits must be a whole number of at least 2"):
        SemiSupervisedSplit(1)
    with pytest.raises(DataError, match="labels_per_class must be at least 1"):
        SemiSupervisedSplit(2, labels_per_class=0)
    with pytest.raises(LabelError, match="X has 3 rows, but y has 4 labels"):
        list(SemiSupervisedSplit(2).split(np.zeros((3, 1)), [0, 0, 1, 1]))
    with pytest.raises(DataError, match="one group per row"):
        list(SemiSupervisedSplit(2).split(None, [0, 0, 1, 1], [0, 1]))


def test_scores_are_those_of_the_labelled_rows() -> None:
    X = np.arange(6.0)[:, None]
    model = LogisticRegression().fit(X, [0, 0, 0, 1, 1, 1])
    y, known = np.array([0, -1, 1, 1, -1, 0]), [0, 2, 3, 5]
    predicted, proba = model.predict(X)[known], model.predict_proba(X)[known]
    assert SCORERS["accuracy"](model, X, y) == accuracy_score(y[known], predicted)
    assert SCORERS["balanced_accuracy"](model, X, y) == balanced_accuracy_score(y[known], predicted)
    assert SCORERS["f1_macro"](model, X, y) == f1_score(y[known], predicted, average="macro")
    assert SCORERS["neg_log_loss"](model, X, y) == pytest.approx(-log_loss(y[known], proba))
    weights = np.array([1.0, 9.0, 2.0, 3.0, 9.0, 4.0])
    weighted = accuracy_score(y[known], predicted, sample_weight=weights[known])
    assert SCORERS["accuracy"](model, X, y, sample_weight=weights) == weighted


@pytest.mark.parametrize(
    "y", [np.array([0.0, np.nan, 1.0]), np.array([0, None, 1], dtype=object), pd.Series([0, None, 1], dtype="Int64")]
)
def test_gaps_of_any_kind_are_left_out_of_scores(y: Any) -> None:
    model = DummyClassifier(strategy="constant", constant=1).fit(np.zeros((2, 1)), [0, 1])
    assert SCORERS["accuracy"](model, np.zeros((3, 1)), y) == 0.5


def test_a_score_needs_labels_that_the_estimator_knows() -> None:
    model = DummyClassifier(strategy="prior").fit(np.zeros((4, 1)), ["a", "a", "b", "b"])
    with pytest.raises(LabelError, match="no labelled row to score"):
        SCORERS["accuracy"](model, np.zeros((2, 1)), [None, None])
    with pytest.raises(LabelError, match="class 'c' is tested"):
        SCORERS["neg_log_loss"](model, np.zeros((2, 1)), ["a", "c"])
    with pytest.raises(DataError, match="response_method"):
        make_labeled_scorer(accuracy_score, response_method="transform")


@pytest.mark.parametrize(
    "model",
    [
        LabelSpreading(kernel="knn", n_neighbors=7),
        SelfTrainingClassifier(LogisticRegression()),
        AdversarialAutoencoder(max_epochs=5, random_state=0),
    ],
    ids=lambda model: type(model).__name__,
)
def test_cross_validate_scores_semi_supervised_classifiers_on_labelled_rows(model: Any, blobs: Any) -> None:
    X, _, y = blobs
    with np.errstate(invalid="ignore"):
        found = cross_validate(
            model, X, y, cv=SemiSupervisedSplit(2, random_state=0), scoring=SCORERS, return_train_score=True
        )
    assert found["test_accuracy"].mean() > 0.6  # a third by chance; -1 counted as a class would leave a quarter
    assert found["train_accuracy"].mean() > 0.6
    assert np.isfinite(found["test_neg_log_loss"]).all()


def test_cross_validate_takes_strings_with_none(blobs: Any) -> None:
    X, _, y = blobs
    names = np.array(["x", "y", "z", None], dtype=object)[y]
    model = AdversarialAutoencoder(max_epochs=5, random_state=0)
    found = cross_validate(model, X, names, cv=SemiSupervisedSplit(2, random_state=0), scoring=SCORERS["accuracy"])
    assert np.isfinite(found["test_score"]).all()


def test_a_search_chooses_by_labelled_rows(blobs: Any) -> None:
    X, truth, y = blobs
    model = LabelSpreading(kernel="rbf")
    search = GridSearchCV(
        model, {"gamma": [1e6, 1.0]}, cv=SemiSupervisedSplit(3, random_state=0), scoring=SCORERS["accuracy"]
    )
    with np.errstate(invalid="ignore"):
        assert search.fit(X, y).best_params_ == {"gamma": 1.0}
    assert (search.predict(X) == truth).mean() > 0.9
    assert clone(search).cv.n_splits == 3


def test_cross_val_predict_wants_every_row_tested_so_it_needs_labelled_rows_alone(blobs: Any) -> None:
    X, _, y = blobs
    known = y >= 0
    model = LogisticRegression()
    with pytest.raises(ValueError, match="only works for partitions"):
        cross_val_predict(model, X, y, cv=SemiSupervisedSplit(3))
    predicted = cross_val_predict(model, X[known], y[known], cv=SemiSupervisedSplit(3, random_state=0))
    assert (predicted == y[known]).mean() > 0.9
