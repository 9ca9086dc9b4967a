"""A class without labels is found as a cluster; chance is not."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs

from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.analysis import find_novel_classes, novel_classes, result_from_json, result_to_json
from aaetools.analysis.novel_classes import ClusterTree, log_chance_of_no_label
from aaetools.analysis.results import NovelClasses
from aaetools.exceptions import DataError, LabelError


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any, Any, Any]:
    X, y = load_digits(n_class=5, return_X_y=True)
    X, y = X[:600], y[:600]
    given = mask_labels(y, n_labels=60, random_state=0)
    model = AdversarialAutoencoder(max_epochs=1, random_state=0).fit(X, given)
    return X, y, given, model


def test_a_digit_that_nobody_labelled_is_found(digits: Any) -> None:
    X, y, given, model = digits
    given = np.where(given == 3, -1, given)
    found = find_novel_classes(model, X, given, random_state=0, n_permutations=199)
    assert len(found.clusters) == 1
    rows = np.array(found.clusters[0].rows)
    assert (y[rows] == 3).mean() > 0.9
    assert len(rows) > 0.8 * (y == 3).sum()
    assert (given[rows] == -1).all()
    assert set(found.clusters[0].typical) <= set(range(600))
    assert found.clusters[0].p_value == found.smallest_p_value <= 0.05
    assert sum(count for _, count in found.clusters[0].taken_for) == len(rows)
    assert "without a labelled class" in found.verdict


def test_nothing_is_found_where_every_class_has_labels(digits: Any) -> None:
    X, _, given, model = digits
    first, again = (find_novel_classes(model, X, given, random_state=1, n_permutations=99) for _ in range(2))
    assert first.clusters == ()
    assert first.verdict.startswith("No cluster")
    assert first == again == result_from_json(result_to_json(first), NovelClasses)


def test_fewer_labels_need_a_larger_cluster(digits: Any) -> None:
    X, y, _, model = digits
    sizes = [
        find_novel_classes(model, X, mask_labels(y, n_labels=n, random_state=0), n_permutations=99).smallest_detectable
        for n in (25, 100)
    ]
    assert sizes[0] is not None
    assert sizes[1] is not None
    assert sizes[0] > sizes[1]


def test_of_many_rows_a_part_is_clustered_and_the_others_follow(digits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    X, y, given, model = digits
    monkeypatch.setattr(novel_classes, "MAX_CLUSTERED", 400)
    found = find_novel_classes(model, X, np.where(given == 0, -1, given), n_permutations=99)
    assert found.n_compared == 400
    rows = np.array(found.clusters[0].rows)
    assert (y[rows] == 0).mean() > 0.9
    assert len(rows) > 0.8 * (y == 0).sum()


def test_the_chance_of_no_label_is_hypergeometric() -> None:
    found = np.exp(log_chance_of_no_label(np.array([[3, 2], [0, 0], [9, 0]]), np.array([10, 8]), np.array([4, 1])))
    assert found == pytest.approx([comb(7, 4) / comb(10, 4) * 6 / 8, 1, 0])


def test_nodes_of_the_tree_are_the_groups_and_count_their_rows() -> None:
    X, y = make_blobs([20, 30, 40], 3, centers=10 * np.eye(3), cluster_std=0.1, random_state=0)
    tree = ClusterTree.of(X)
    groups = {tuple(sorted(tree.rows(node))) for node in range(len(tree.low))}
    assert {tuple(np.flatnonzero(y == k)) for k in range(3)} <= groups
    marked = np.stack([y == 0, y == 1])
    expected = [[int((y[tree.rows(node)] == k).sum()) for node in range(len(tree.low))] for k in range(2)]
    assert tree.count(marked).tolist() == expected


def test_what_cannot_be_searched_is_refused(digits: Any) -> None:
    X, y, given, model = digits
    with pytest.raises(DataError, match="between 0 and 1"):
        find_novel_classes(model, X, given, level=1.5)
    with pytest.raises(DataError, match="cannot reach the level"):
        find_novel_classes(model, X, given, level=0.01, n_permutations=19)
    with pytest.raises(LabelError, match="two or more known"):
        find_novel_classes(model, X, np.where(given == 1, 1, -1))
    with pytest.raises(LabelError, match="every row has a label"):
        find_novel_classes(model, X, y)
    with pytest.raises(LabelError, match="600 rows, but y has 3"):
        find_novel_classes(model, X, [0, 1, -1])
    with pytest.raises(DataError, match="too few"):
        find_novel_classes(model, X[:30], given[:30])
