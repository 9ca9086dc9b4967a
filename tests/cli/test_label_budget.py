from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aaetools.cli.label_budget import ChosenLabels, LabelBudget, choose_labels
from aaetools.exceptions import LabelError
from aaetools.labels import is_unlabeled


def choose(y: Any, labels: str, per_class: int | None = None, seed: int = 0) -> ChosenLabels:
    return choose_labels(y, LabelBudget.parse(labels), per_class, seed)


def kept(chosen: ChosenLabels) -> dict[Any, int]:
    """Return the number of labels of each class."""
    assert chosen.y is not None
    values, counts = np.unique(chosen.y[~is_unlabeled(chosen.y)].astype(str), return_counts=True)
    return dict(zip(values.tolist(), counts.tolist(), strict=True))


@pytest.fixture
def integers() -> NDArray[Any]:
    return np.repeat(np.arange(3), 40)


@pytest.fixture
def words() -> NDArray[Any]:
    return np.array(["a"] * 30 + ["b"] * 20 + ["c"] * 4, dtype=object)


@pytest.mark.parametrize("text", ["partial", "full", "none", "2", "100", "0.25", " Full "])
def test_a_budget_is_read_and_written_back(text: str) -> None:
    assert str(LabelBudget.parse(text)) == text.strip().lower()


@pytest.mark.parametrize("text", ["", "0", "1", "-5", "1.0", "2.5", "nan", "inf", "half", "0.0"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="none of partial, full, none"):
        LabelBudget.parse(text)


def test_partial_hides_all_but_ten_labels_per_class_of_fully_labelled_rows(integers: NDArray[Any]) -> None:
    chosen = choose(integers, "partial")
    assert kept(chosen) == {"0": 10, "1": 10, "2": 10}
    assert (chosen.per_class, chosen.notes) == (10, ())


def test_partial_keeps_given_labels_as_they_are_where_there_are_gaps(integers: NDArray[Any]) -> None:
    integers[::2] = -1
    np.testing.assert_array_equal(choose(integers, "partial").y, integers)


def test_a_number_per_class_thins_out_labels_with_gaps(integers: NDArray[Any]) -> None:
    integers[::2] = -1
    assert kept(choose(integers, "partial", per_class=3)) == {"0": 3, "1": 3, "2": 3}


def test_a_class_with_too_few_rows_keeps_all_its_labels_and_a_note_says_so(words: NDArray[Any]) -> None:
    chosen = choose(words, "partial")
    assert kept(chosen) == {"a": 10, "b": 10, "c": 4}
    assert chosen.per_class is None
    assert "c (4)" in chosen.notes[0]


def test_all_classes_may_be_short() -> None:
    assert kept(choose(np.array([True, False, True, False]), "partial")) == {"False": 2, "True": 2}


def test_a_number_per_class_that_a_class_does_not_have_is_refused(words: NDArray[Any]) -> None:
    with pytest.raises(LabelError, match=r"c \(4\)"):
        choose(words, "partial", per_class=5)


def test_words_numbers_and_fractions(words: NDArray[Any]) -> None:
    assert choose(words, "full").y is words
    assert choose(words, "none").y is None
    assert kept(choose(words, "9")) == {"a": 3, "b": 3, "c": 3}
    assert kept(choose(words, "0.5")) == {"a": 15, "b": 10, "c": 2}


@pytest.mark.parametrize("labels", ["partial", "10", "0.2"])
def test_the_draw_depends_on_the_seed_alone(integers: NDArray[Any], labels: str) -> None:
    first, again, other = (choose(integers, labels, seed=seed).y for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(np.asarray(first), np.asarray(other))


@pytest.mark.parametrize("y", [None, np.full(5, -1)])
def test_partial_trains_without_labels_where_there_are_none(y: Any) -> None:
    chosen = choose(y, "partial")
    assert chosen.y is None
    assert "no labels" in chosen.notes[0]


@pytest.mark.parametrize("labels", ["full", "10", "0.5"])
def test_labels_that_are_asked_for_must_be_there(labels: str) -> None:
    with pytest.raises(LabelError, match="--target"):
        choose(None, labels)


def test_labels_per_class_goes_with_partial_only(integers: NDArray[Any]) -> None:
    with pytest.raises(LabelError, match="--labels-per-class goes with --labels partial"):
        choose(integers, "full", per_class=3)
