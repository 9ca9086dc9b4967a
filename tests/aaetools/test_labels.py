"""What counts as unlabelled, how labels become codes, and fair draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from aaetools.exceptions import LabelError
from aaetools.labels import encode_labels, is_unlabeled, mask_labels, one_hot_entries, split_holdout

GAPS: list[tuple[Any, list[bool]]] = [
    ([0, -1, 2], [False, True, False]),
    (np.array([0.0, np.nan, -1.0]), [False, True, True]),
    (["a", None, "b"], [False, True, False]),
    (np.array(["a", None, np.nan, pd.NA], dtype=object), [False, True, True, True]),
    (pd.Series([1, None, 2], dtype="Int64"), [False, True, False]),
    (pd.Series(["a", pd.NA], dtype="string"), [False, True]),
    (pd.Series(["a", None], dtype="category"), [False, True]),
    (pd.Series([True, None], dtype="boolean"), [False, True]),
    ([True, False, None], [False, False, True]),
    (["a", None, -1], [False, True, True]),
]


@pytest.mark.parametrize(("y", "expected"), GAPS)
def test_every_kind_of_gap_counts_as_unlabelled(y: Any, expected: list[bool]) -> None:
    assert is_unlabeled(y).tolist() == expected
    assert (encode_labels(y).codes == -1).tolist() == expected


def test_a_named_category_or_nothing_can_stand_for_unlabelled() -> None:
    assert is_unlabeled(["a", "unknown"], "unknown").tolist() == [False, True]
    assert is_unlabeled([-1, 1], None).tolist() == [False, False]
    assert encode_labels([-1, 1], None).classes.tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        ([3, 1, -1, 3], [1, 3]),
        (["b", "a", None], ["a", "b"]),
        ([True, None, False], [False, True]),
        (np.array([2.0, np.nan, 1.0]), [1, 2]),
    ],
)
def test_codes_point_into_the_sorted_classes(y: Any, classes: list[Any]) -> None:
    coding = encode_labels(y)
    assert coding.classes.tolist() == classes
    known = coding.codes >= 0
    assert [coding.classes[c] for c in coding.codes[known]] == [v for v, k in zip(y, known, strict=True) if k]


def test_long_string_classes_are_not_cut() -> None:
    assert encode_labels(["a", "a much longer name", None]).classes.tolist() == ["a", "a much longer name"]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[1], [2]], "one label per row"),
        ([1, "a"], "mixes numbers and strings"),
        ([0.5, 1.0], "Unknown label type: continuous"),
        ([1 + 2j, 2], "one kind|integers, strings or booleans"),
    ],
)
def test_labels_of_no_use_are_refused(y: Any, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        encode_labels(y)


def test_one_hot_rows_have_an_extra_last_entry_for_unlabelled() -> None:
    rows = one_hot_entries(np.array([0, 2, -1]), 3)
    assert rows.shape == (3, 4)
    assert rows.argmax(1).tolist() == [0, 2, 3]
    assert (rows.sum(1) == 1).all()
    with pytest.raises(LabelError, match="codes must lie"):
        one_hot_entries(np.array([3]), 3)


@pytest.mark.parametrize("y", [np.repeat([0, 1, 2], 20), np.repeat(["a", "b", "c"], 20)])
def test_masking_keeps_a_balanced_subset_of_the_true_labels(y: np.ndarray[Any, Any]) -> None:
    masked = mask_labels(y, per_class=4, random_state=0)
    kept = ~is_unlabeled(masked)
    assert (masked[kept] == y[kept]).all()
    assert np.unique(masked[kept].astype(str), return_counts=True)[1].tolist() == [4, 4, 4]
    again = mask_labels(y, per_class=4, random_state=0)
    other = mask_labels(y, per_class=4, random_state=1)
    assert (is_unlabeled(again) == ~kept).all()
    assert (is_unlabeled(other) != ~kept).any()


def test_masking_by_number_spreads_the_labels_evenly() -> None:
    y = np.repeat([0, 1, 2], [2, 50, 50])
    counts = np.bincount(mask_labels(y, n_labels=20, random_state=0) + 1)[1:]
    assert counts.tolist() == [2, 9, 9]


def test_masking_by_fraction_keeps_at_least_one_label_of_each_class() -> None:
    y = np.repeat([0, 1], [100, 3])
    assert np.bincount(mask_labels(y, fraction=0.1, random_state=0) + 1)[1:].tolist() == [10, 1]


def test_masking_leaves_unlabelled_rows_unlabelled() -> None:
    y = np.array([0, 0, -1, 1, 1, -1])
    assert (mask_labels(y, per_class=2, random_state=0) == y).all()


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"per_class": 5}, r"fewer rows of class 1 \(2\)"),
        ({"per_class": 0}, "at least 1"),
        ({"n_labels": 1}, "from 2"),
        ({"n_labels": 99}, r"to 12 \(all\)"),
        ({"fraction": 0.0}, "fraction"),
        ({}, "exactly one"),
        ({"per_class": 1, "fraction": 0.5}, "exactly one"),
    ],
)
def test_impossible_label_budgets_are_refused(budget: dict[str, Any], message: str) -> None:
    with pytest.raises(LabelError, match=message):
        mask_labels(np.repeat([0, 1], [10, 2]), **budget)


def test_the_split_of_fully_labelled_data_is_scikit_learns() -> None:
    y = np.repeat([0, 1, 2], [40, 30, 30])
    train, holdout = split_holdout(y, 0.25, random_state=3)
    expected = train_test_split(np.arange(100), test_size=0.25, stratify=y, random_state=3)
    assert (train == expected[0]).all()
    assert (holdout == expected[1]).all()


def test_unlabelled_rows_and_lone_rows_of_a_class_are_never_held_out() -> None:
    y = np.concatenate([np.repeat([0, 1], 20), [2], np.full(30, -1)])
    train, holdout = split_holdout(y, 0.25, random_state=0)
    assert set(y[holdout]) == {0, 1}
    assert sorted([*train, *holdout]) == list(range(len(y)))
    assert len(holdout) == 10


def test_a_split_without_labels_or_without_a_hold_out() -> None:
    train, holdout = split_holdout(None, 0.25, n_rows=20, random_state=0)
    assert len(train), len(holdout) == (15, 5)
    train, holdout = split_holdout([0, 1], 0)
    assert (train.tolist(), holdout.tolist()) == ([0, 1], [])


def test_a_hold_out_too_small_for_the_classes_is_refused() -> None:
    with pytest.raises(LabelError, match="cannot hold every one of 3 classes"):
        split_holdout(np.repeat([0, 1, 2], 2), 0.2, random_state=0)
