from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import make_blobs

from aaetools import AdversarialAutoencoder
from aaetools.analysis import audit_labels, find_novel_classes, suggest_labels
from aaetools.analysis.about_labels import CHEAP_LABEL_PARTS, LABEL_PARTS, MAX_ROWS, about_labels
from aaetools.analysis.results import AboutLabels
from aaetools.exceptions import DataError

Fitted = tuple[AdversarialAutoencoder, NDArray[np.float64], NDArray[np.int64]]


@pytest.fixture(scope="module")
def fitted() -> Fitted:
    X, y = make_blobs(120, 4, centers=3, cluster_std=0.5, random_state=0)
    given = np.where(np.arange(120) < 30, y, -1)
    model = AdversarialAutoencoder(max_epochs=3, hidden_layer_sizes=(16,), random_state=0).fit(X, given)
    return model, X, given


def filled(found: AboutLabels) -> set[str]:
    return {field.name for field in fields(found) if getattr(found, field.name) is not None}


def test_every_part_is_a_field_of_the_result() -> None:
    assert set(LABEL_PARTS) == {field.name for field in fields(AboutLabels)}


def test_by_default_all_is_asked_that_needs_no_further_fit(fitted: Fitted) -> None:
    said: list[str] = []
    found, notes = about_labels(*fitted, say=said.append)
    assert filled(found) == set(CHEAP_LABEL_PARTS)
    assert notes == ()
    assert len(said) == len(CHEAP_LABEL_PARTS)


def test_parts_that_share_a_graph_say_what_they_say_alone(fitted: Fitted) -> None:
    found, _ = about_labels(*fitted, random_state=3)
    assert found.audit == audit_labels(*fitted, random_state=3)
    assert found.novel_classes == find_novel_classes(*fitted, random_state=3)
    assert found.suggestions is not None
    assert found.suggestions == suggest_labels(*fitted, found.suggestions.n, random_state=3)


def test_only_what_is_named_is_asked(fitted: Fitted) -> None:
    assert filled(about_labels(*fitted, parts=["shares"])[0]) == {"shares"}
    assert filled(about_labels(*fitted, parts=[])[0]) == set()
    with pytest.raises(DataError, match=r"unknown part 'colour': choose from audit"):
        about_labels(*fitted, parts=["colour"])
    with pytest.raises(DataError, match="'auto' or a list"):
        about_labels(*fitted, parts="audit")


def test_without_labels_rows_to_begin_with_are_suggested(fitted: Fitted) -> None:
    model, X, given = fitted
    assert filled(about_labels(model, X, np.full_like(given, -1))[0]) == {"suggestions"}
    assert filled(about_labels(model, X, None)[0]) == {"suggestions"}


def test_where_every_row_is_labelled_there_is_only_the_audit(fitted: Fitted) -> None:
    model, X, _ = fitted
    assert filled(about_labels(model, X, np.arange(120) % 3)[0]) == {"audit"}


def test_what_cannot_be_said_is_noted_and_the_rest_stands(fitted: Fitted) -> None:
    model, X, given = fitted
    one = np.full_like(given, -1)
    one[:3] = [0, 1, 2]  # no class has a second label that could judge the first
    found, notes = about_labels(model, X, one)
    assert "suggestions" in filled(found)
    assert found.audit is None
    assert any(note.startswith("About the labels, audit: ") for note in notes)


def test_large_data_are_left_to_the_commands(fitted: Fitted) -> None:
    model, _, _ = fitted
    found, notes = about_labels(model, np.zeros((MAX_ROWS + 1, 4)), np.zeros(MAX_ROWS + 1))
    assert filled(found) == set()
    assert "20,001 rows" in notes[0]
