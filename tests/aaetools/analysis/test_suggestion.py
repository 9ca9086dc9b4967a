"""Suggested rows are unlabelled, spread, doubtful or under-served, and say why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from aaetools import AdversarialAutoencoder
from aaetools.analysis import STRATEGIES, result_from_json, result_to_json, suggest_labels, suggestion
from aaetools.analysis.results import Suggestions
from aaetools.analysis.suggestion import Candidates, Opinion, diffusion_similarity
from aaetools.exceptions import DataError, LabelError
from aaetools.propagation import neighbor_graph


@pytest.fixture(scope="module")
def groups() -> tuple[Any, Any, Any]:
    """Four groups of 50 rows; two of them have three labels each."""
    X, y = make_blobs(200, 5, centers=4, cluster_std=1.0, random_state=2)
    given = np.full(200, -1)
    for k in (0, 1):
        given[np.flatnonzero(y == k)[:3]] = k
    return X, y, given


@pytest.fixture(scope="module")
def model(groups: Any) -> AdversarialAutoencoder:
    return AdversarialAutoencoder(max_epochs=20, random_state=0).fit(groups[0], groups[2])


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_suggestions_are_distinct_unlabelled_rows_with_reasons(groups: Any, model: Any, strategy: str) -> None:
    X, _, given = groups
    first, again = (suggest_labels(model, X, given, 12, strategy=strategy, random_state=1) for _ in range(2))
    rows = [row.row for row in first.rows]
    assert len(set(rows)) == 12
    assert (given[rows] == -1).all()
    assert all(row.reason for row in first.rows)
    assert {row.label_pred for row in first.rows} <= {"0", "1"}
    assert first == again == result_from_json(result_to_json(first), Suggestions)


@pytest.mark.parametrize("strategy", ["auto", "coverage", "hybrid"])
def test_groups_without_a_label_come_first(groups: Any, model: Any, strategy: str) -> None:
    X, y, given = groups
    rows = [row.row for row in suggest_labels(model, X, given, 2, strategy=strategy).rows]
    assert set(y[rows]) == {2, 3}


def test_without_any_label_every_group_is_covered(groups: Any) -> None:
    X, y, _ = groups
    cold = AdversarialAutoencoder(max_epochs=1, random_state=0).fit(X)
    found = suggest_labels(cold, X, None, 4)
    assert found.strategy == "coverage"
    assert set(y[[row.row for row in found.rows]]) == {0, 1, 2, 3}
    assert {row.label_pred for row in found.rows} == {None}


def test_uncertain_rows_lie_between_the_classes() -> None:
    x = np.linspace(-1, 1, 101)[:, None].astype(np.float32)
    p = 1 / (1 + np.exp(-8 * x))
    opinion = Opinion("the model's codes", np.hstack([1 - p, p]).astype(np.float64), ("low", "high"))
    candidates = Candidates(x, np.zeros(101, dtype=bool), np.eye(101), None, opinion, 0)
    picks = STRATEGIES["uncertainty"](candidates, 3)
    assert max(abs(x[pick.row, 0]) for pick in picks) < 0.3
    assert len({pick.row for pick in picks}) == 3
    assert "waver between" in picks[0].reason


def test_labels_are_dealt_out_by_rows_per_label() -> None:
    component = np.repeat([0, 1, 2], [60, 30, 30])
    labeled = np.zeros(120, dtype=bool)
    labeled[60:64] = True  # the second component has all labels
    opinion = Opinion("the model's codes", np.eye(3)[component], ("a", "b", "c"))
    similarity = np.random.default_rng(0).random((120, 120))
    picks = STRATEGIES["components"](Candidates(component[:, None], labeled, similarity, None, opinion, 0), 9)
    assert np.bincount(component[[pick.row for pick in picks]], minlength=3).tolist() == [6, 0, 3]
    assert "component a has 0 labels for 60 rows" in {pick.reason for pick in picks}


def test_the_similarity_is_symmetric_with_a_unit_diagonal_and_zero_between_pieces() -> None:
    X = np.concatenate([np.random.default_rng(0).normal(size=(30, 2)), 100 + np.zeros((30, 2))])
    X[30:] += np.random.default_rng(1).normal(size=(30, 2))
    similarity = diffusion_similarity(neighbor_graph(X, 5))
    assert similarity == pytest.approx(similarity.T)
    assert np.diag(similarity) == pytest.approx(np.ones(60))
    assert similarity[:30, 30:].max() < 1e-9
    assert similarity.min() >= 0


def test_of_many_rows_a_part_is_compared(groups: Any, model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X, _, given = groups
    monkeypatch.setattr(suggestion, "MAX_CANDIDATES", 60)
    found = suggest_labels(model, X, given, 5)
    assert found.n_compared == 60
    assert (given[[row.row for row in found.rows]] == -1).all()
    with pytest.raises(DataError, match="ask for fewer at a time"):
        suggest_labels(model, X, given, 60)


def test_what_cannot_be_suggested_is_refused(groups: Any, model: Any) -> None:
    X, _, given = groups
    with pytest.raises(DataError, match="choose from auto, components, coverage"):
        suggest_labels(model, X, given, 5, strategy="luck")
    with pytest.raises(DataError, match="194 of 200 rows are unlabelled"):
        suggest_labels(model, X, given, 195)
    with pytest.raises(LabelError, match="200 rows, but y has 3"):
        suggest_labels(model, X, [0, 1, -1], 1)
    cold = AdversarialAutoencoder(max_epochs=1, random_state=0).fit(X)
    for strategy in ("uncertainty", "components"):
        with pytest.raises(LabelError, match="fitted without labels"):
            suggest_labels(cold, X, given, 5, strategy=strategy)
    with pytest.raises(LabelError, match="begin with 'coverage'"):
        suggest_labels(cold, X, None, 5, strategy="hybrid")
