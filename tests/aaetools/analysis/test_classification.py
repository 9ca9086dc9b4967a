"""Accuracy, its interval, and an honest comparison with baselines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from aaetools.analysis import classification
from aaetools.analysis.classification import (
    BASELINES,
    BaselinePredictions,
    class_codes,
    classify,
    compare_baselines,
    mcnemar,
    wilson_interval,
)
from aaetools.exceptions import DataError, LabelError


@pytest.mark.parametrize(("k", "n"), [(0, 5), (1, 7), (95, 100), (30, 30)])
def test_wilson_interval_is_scipys(k: int, n: int) -> None:
    share, oracle = wilson_interval(k, n), binomtest(k, n).proportion_ci(method="wilson")
    assert (share.value, share.n) == (k / n, n)
    assert (share.low, share.high) == pytest.approx((oracle.low, oracle.high), abs=1e-12)
    assert 0 <= share.low <= share.value <= share.high <= 1


def test_wilson_interval_without_rows_is_everything() -> None:
    share = wilson_interval(0, 0)
    assert np.isnan(share.value)
    assert (share.low, share.high, share.n) == (0.0, 1.0, 0)
    with pytest.raises(ValueError, match="5 of 4"):
        wilson_interval(5, 4)


def test_mcnemar_counts_only_the_rows_on_which_the_methods_differ() -> None:
    a, b = np.array([1] * 10 + [0] * 2 + [1] * 50), np.array([0] * 10 + [1] * 2 + [1] * 50)
    assert mcnemar(a, b) == pytest.approx(binomtest(10, 12).pvalue)
    assert mcnemar(a, b) == mcnemar(b, a)
    assert mcnemar(a, a) == 1


def test_class_codes_find_labels_whatever_their_dtype() -> None:
    assert class_codes(np.array([2.0, np.nan, 7.0]), np.array([2, 7])).tolist() == [0, -1, 1]
    assert class_codes(np.array(["b", None, "x"], dtype=object), ["a", "b"]).tolist() == [1, -1, -1]


def groups(n: int = 60, seed: int = 0) -> tuple[Any, Any]:
    codes = np.arange(n) % 3
    return np.random.default_rng(seed).standard_normal((n, 2)) + 8 * np.eye(3)[codes][:, :2], codes


@pytest.mark.parametrize("name", sorted(BASELINES))
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
    for name in BASELINES:
        together = compare_baselines(X, given, X_eval, baselines=[name], random_state=0)[name].predicted
        alone = [
            compare_baselines(X, given, row[None], baselines=[name], random_state=0)[name].predicted[0]
            for row in X_eval[:5]
        ]
        assert together[:5].tolist() == alone


def test_graph_baseline_is_thinned_above_its_limit_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classification, "MAX_GRAPH_ROWS", 30)
    X, truth = groups()
    given = np.where(np.arange(60) < 9, truth, -1)
    rows = classification._graph_rows(given, 0)
    assert len(rows) == 30
    assert set(range(9)) <= set(rows.tolist())
    found = compare_baselines(X, given, X, baselines=["label_spreading"], random_state=0)["label_spreading"]
    assert found.note == "fitted on 30 of 60 rows to bound its memory"
    full = classification._graph_rows(truth, 0)
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
        "knn": BaselinePredictions(predictions(other_right)),
        "worse": BaselinePredictions(predictions(5)),
    }
    result, _ = classify(truth, predictions(model_right), [0, 1], baselines=others)
    assert result.best_baseline == "knn"
    assert result.verdict.startswith(start)


def test_predictions_must_match_the_rows() -> None:
    with pytest.raises(LabelError, match="2 true labels and 1 predictions"):
        classify([0, 1], [0], [0, 1])
