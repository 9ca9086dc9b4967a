"""Other classifiers: what they learn from, and what they must not see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from aaetools.analysis import baselines
from aaetools.analysis.baselines import (
    BASELINES,
    FURTHER_BASELINES,
    PROBES,
    compare_baselines,
    predict_with,
    resolve_classifiers,
)
from aaetools.exceptions import DataError, LabelError

QUICK = sorted({*BASELINES, *FURTHER_BASELINES} - {"umap_knn"})
MAKERS = {**{f"probe {name}": make for name, make in PROBES.items()}, **BASELINES, **FURTHER_BASELINES}


def groups(n: int = 60, seed: int = 0) -> tuple[Any, Any]:
    codes = np.arange(n) % 3
    return np.random.default_rng(seed).standard_normal((n, 2)) + 8 * np.eye(3)[codes][:, :2], codes


@pytest.mark.parametrize("name", QUICK)
def test_baselines_learn_separate_groups_from_one_label_each(name: str) -> None:
    X, truth = groups()
    given = np.where(np.arange(60) < 3, truth, -1)
    X_eval, y_eval = groups(seed=1)
    found = compare_baselines(X, given, X_eval, baselines=[name], random_state=0)[name].predicted
    assert (found == y_eval).mean() > 0.9


def test_supervised_baselines_ignore_unlabelled_rows_and_none_sees_evaluated_rows() -> None:
    X, truth = groups()
    given = np.where(np.arange(60) < 9, truth, -1)
    other = X.copy()
    other[9:] += 100
    X_eval = groups(seed=1)[0]
    for name in ("logistic_regression", "knn"):
        first, second = (compare_baselines(rows, given, X_eval, baselines=[name])[name] for rows in (X, other))
        assert (first.predicted == second.predicted).all()
    for name in QUICK:
        together = compare_baselines(X, given, X_eval, baselines=[name], random_state=0)[name].predicted
        alone = [
            compare_baselines(X, given, row[None], baselines=[name], random_state=0)[name].predicted[0]
            for row in X_eval[:5]
        ]
        assert together[:5].tolist() == alone


def test_graph_baseline_is_thinned_above_its_limit_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MAX_GRAPH_ROWS", 30)
    X, truth = groups()
    given = np.where(np.arange(60) < 9, truth, -1)
    rows = baselines._graph_rows(given, 0)
    assert len(rows) == 30
    assert set(range(9)) <= set(rows.tolist())
    found = compare_baselines(X, given, X, baselines=["label_spreading"], random_state=0)["label_spreading"]
    assert found.note == "fitted on 30 of 60 rows to bound its memory"
    full = baselines._graph_rows(truth, 0)
    assert np.bincount(truth[full]).tolist() == [10, 10, 10]


def test_baselines_that_do_not_settle_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.linear_model import LogisticRegression

    monkeypatch.setitem(BASELINES, "logistic_regression", lambda seed: LogisticRegression(max_iter=1))
    X, truth = groups()
    note = compare_baselines(X, truth, X, baselines=["logistic_regression"])["logistic_regression"].note
    assert "stopped after 1 rounds" in note


def test_a_single_labelled_class_is_predicted_everywhere() -> None:
    X, _ = groups()
    given = np.full(60, -1)
    given[:4] = 2
    for found in compare_baselines(X, given, X[:5]).values():
        assert found.predicted.tolist() == [2] * 5
        assert found.note == "only one class has labels"


def test_baselines_refuse_unknown_names_and_no_labels() -> None:
    X, truth = groups()
    with pytest.raises(DataError, match="unknown baseline 'svm'"):
        compare_baselines(X, truth, X, baselines=["svm"])
    with pytest.raises(LabelError, match="no training row has a label"):
        compare_baselines(X, np.full(60, -1), X)


@pytest.mark.parametrize("name", sorted(set(MAKERS) - {"umap_knn"}))
def test_probabilities_are_of_all_classes_and_agree_with_the_predictions(name: str) -> None:
    X, truth = groups()
    given = np.where((np.arange(60) < 30) & (truth != 1), truth, -1)
    found = predict_with(MAKERS[name](0), X, given, groups(seed=1)[0], n_classes=4, random_state=0)
    if name == "probe svm":
        assert found.proba is None
        return
    assert found.proba is not None
    assert found.proba.shape == (60, 4)
    assert found.proba.sum(axis=1) == pytest.approx(np.ones(60))
    assert (found.proba[:, [1, 3]] == 0).all() or "near no label" in found.note
    assert (found.proba.argmax(axis=1) == found.predicted).all()


def test_rows_that_no_label_reaches_get_equal_probabilities_and_a_note() -> None:
    X = np.concatenate([np.zeros((20, 1)), np.ones((20, 1)), np.full((20, 1), 50.0)])
    X += np.random.default_rng(0).normal(0, 0.01, X.shape)
    given = np.full(60, -1)
    given[:2], given[20:22] = 0, 1
    found = compare_baselines(X, given, np.array([[0.0], [50.0]]), baselines=["label_spreading"])["label_spreading"]
    assert found.proba is not None
    assert found.proba[1].tolist() == [0.5, 0.5]
    assert "1 evaluated rows are near no label" in found.note


def test_self_training_needs_no_unlabelled_rows() -> None:
    X, truth = groups()
    found = compare_baselines(X, truth, X, baselines=["self_training"], random_state=0)["self_training"]
    assert (found.predicted == truth).mean() > 0.9


def test_embeddings_shrink_where_rows_are_few() -> None:
    X, truth = groups(6)
    assert compare_baselines(X, truth, X, baselines=["pca_knn"])["pca_knn"].predicted.tolist() == truth.tolist()


@pytest.mark.slow
def test_supervised_umap_learns_from_few_labels() -> None:
    X, truth = groups()
    given = np.where(np.arange(60) < 6, truth, -1)
    X_eval, y_eval = groups(seed=1)
    found = compare_baselines(X, given, X_eval, baselines=["umap_knn"], random_state=0)["umap_knn"]
    assert (found.predicted == y_eval).mean() > 0.9
    assert found.proba is not None
    assert found.proba.sum(axis=1) == pytest.approx(np.ones(60))


def test_neighbours_vote_by_distance_where_classes_have_fewer_labels_than_vote() -> None:
    X, truth = groups()
    given = np.where(np.arange(60) < 6, truth, -1)
    X_eval, y_eval = groups(seed=1)
    found = predict_with(PROBES["knn"](0), X, given, X_eval)
    assert (found.predicted == y_eval).mean() > 0.9


def test_any_classifier_can_be_passed_in_and_is_left_unfitted() -> None:
    own, tree = GaussianNB(), DecisionTreeClassifier()
    found = resolve_classifiers(["knn", own, ("small tree", tree)], PROBES, "probe", 7)
    assert list(found) == ["knn", "GaussianNB", "small tree"]
    assert found["small tree"].random_state == 7
    assert tree.random_state is None
    X, truth = groups()
    assert (predict_with(found["GaussianNB"], X, truth, X).predicted == truth).mean() > 0.9
    assert not hasattr(own, "classes_")
    assert predict_with(RidgeClassifier(), X, truth, X).proba is None
    assert "stopped" not in predict_with(SVC(), X, truth, X).note


def test_what_is_no_classifier_or_no_name_is_refused() -> None:
    with pytest.raises(DataError, match="unknown probe 'lda': choose from knn, logistic_regression"):
        resolve_classifiers(["lda"], PROBES, "probe", 0)
    with pytest.raises(DataError, match="no scikit-learn classifier"):
        resolve_classifiers([object()], PROBES, "probe", 0)
    with pytest.raises(DataError, match="two baselines are called 'LogisticRegression'"):
        resolve_classifiers([LogisticRegression(), LogisticRegression(C=2)], BASELINES, "baseline", 0)
