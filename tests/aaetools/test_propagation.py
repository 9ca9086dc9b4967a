"""Label propagation: the graph, the spreading's equation, shares."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_digits, make_blobs, make_classification

from aaetools.labels import mask_labels
from aaetools.propagation import (
    absorb_labels,
    balance_shares,
    class_shares,
    estimate_shares,
    neighbor_graph,
    propagate_labels,
    propagation_pays,
    reach,
    spread_labels,
    surest_labels,
)


def blobs(sizes: list[int], seed: int = 0, std: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    centers = 10.0 * np.eye(len(sizes))
    X, y = make_blobs(sizes, centers=centers, cluster_std=std, random_state=seed)
    return X, y


def test_the_graph_is_symmetric_with_weights_up_to_one_and_no_loops() -> None:
    X, _ = blobs([30, 30])
    graph = neighbor_graph(X, 5)
    assert abs(graph - graph.T).max() < 1e-12
    assert graph.diagonal().max() == 0
    assert graph.data.min() > 0
    assert graph.data.max() <= 1
    assert (np.asarray((graph > 0).sum(1)).ravel() >= 5).all()


def test_edges_that_only_one_end_counts_weigh_a_tenth() -> None:
    X = np.array([[0.0], [1.0], [1.5], [1.7]])
    mutual, loose = neighbor_graph(X, 1, one_sided=0.0), neighbor_graph(X, 1, one_sided=0.1)
    assert mutual[0, 1] == 0
    assert 0 < loose[0, 1] <= 0.1
    assert mutual[2, 3] == pytest.approx(loose[2, 3])


@pytest.mark.parametrize("n_rows", [2, 3, 8])
def test_fewer_rows_than_neighbours_is_fine(n_rows: int) -> None:
    X = np.random.RandomState(0).normal(size=(n_rows, 2))
    probabilities, shares = propagate_labels(X, np.array([0, 1] + [-1] * (n_rows - 2)), 2)
    assert np.allclose(probabilities.sum(1), 1)
    assert shares.sum() == pytest.approx(1)


def test_identical_rows_do_not_break_the_weights() -> None:
    X = np.zeros((20, 2))
    assert np.isfinite(neighbor_graph(X, 5).data).all()


def test_a_row_is_as_far_from_another_as_the_nearest_of_its_views() -> None:
    X = np.array([[0.0, 0.0], [0.0, 1.0], [10.0, 0.0], [10.0, 1.0]])
    moved = X + np.array([10.0, 0.0])
    plain, seen = neighbor_graph(X, 1), neighbor_graph(X, 1, views=[X, moved])
    assert plain[0, 1] > 0
    assert plain[0, 2] == plain[1, 3] == 0
    assert seen[0, 2] > 0
    assert seen[1, 3] > 0
    assert seen[0, 1] == 0  # the only neighbour that it looks for is nearer now


def test_views_give_the_neighbours_that_comparing_all_distances_gives() -> None:
    random = np.random.RandomState(0)
    X = random.normal(size=(40, 3))
    views = [X + 0.5 * random.normal(size=X.shape) for _ in range(4)]
    distance = np.min([np.linalg.norm(rows[:, None] - X, axis=2) for rows in [X, *views]], axis=0)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1)[:, :6]
    wanted = np.zeros((40, 40), dtype=bool)
    np.put_along_axis(wanted, nearest, values=True, axis=1)
    graph = neighbor_graph(X, 6, one_sided=1.0, views=views)
    assert ((graph.toarray() > 0) == (wanted | wanted.T)).all()
    assert abs(graph - graph.T).max() < 1e-12
    scale = np.take_along_axis(distance, nearest, 1)[:, 4]
    weight = np.where(wanted, np.exp(-np.square(distance) / np.outer(scale, scale)), 0.0)
    assert graph.toarray() == pytest.approx(np.maximum(weight, weight.T))


@pytest.mark.parametrize("n_rows", [2, 5])
def test_views_of_fewer_rows_than_neighbours_are_fine(n_rows: int) -> None:
    X = np.random.RandomState(0).normal(size=(n_rows, 2))
    graph = neighbor_graph(X, views=[X + 3, X[::-1]])
    assert np.isfinite(graph.data).all()
    assert graph.diagonal().max() == 0
    assert (graph > 0).sum() == n_rows * (n_rows - 1)


def test_spreading_solves_the_equation_of_the_paper() -> None:
    X, y = blobs([15, 15])
    codes = mask_labels(y, per_class=2, random_state=0)
    graph = neighbor_graph(X, 6)
    degree = np.asarray(graph.sum(1)).ravel()
    normalised = graph.toarray() / np.sqrt(np.outer(degree, degree))
    given = np.stack([codes == 0, codes == 1], axis=1).astype(float)
    exact = np.maximum(np.linalg.solve(np.eye(30) - 0.9 * normalised, given), 1e-12)
    found = spread_labels(graph, codes, 2, alpha=0.9)
    assert np.allclose(found, exact / exact.sum(0), atol=1e-6)


def test_balancing_meets_the_shares_and_keeps_probabilities() -> None:
    rows = np.random.RandomState(0).dirichlet([1, 1, 1], size=300)
    shares = np.array([0.5, 0.3, 0.2])
    balanced = balance_shares(rows, shares)
    assert np.allclose(balanced.sum(1), 1)
    assert balanced.mean(0) == pytest.approx(shares, abs=1e-3)


def test_given_labels_stay_and_others_follow_their_neighbours() -> None:
    X, y = blobs([40, 40, 40])
    codes = mask_labels(y, per_class=1, random_state=0)
    probabilities, _ = propagate_labels(X, codes, 3)
    assert (probabilities.argmax(1) == y).all()
    assert np.array_equal(probabilities[codes >= 0], np.eye(3)[codes[codes >= 0]])


def test_shares_are_read_off_the_data_where_balanced_labels_hide_them() -> None:
    X, y = blobs([120, 60, 20])
    codes = mask_labels(y, per_class=5, random_state=0)
    _, shares = propagate_labels(X, codes, 3)
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.05)


def test_shares_stay_those_of_the_labels_where_the_data_do_not_contradict() -> None:
    X, y = blobs([50, 50])
    codes = mask_labels(y, per_class=5, random_state=0)
    assert estimate_shares(neighbor_graph(X), codes, 2).tolist() == [0.5, 0.5]
    assert class_shares(np.array([0.55, 0.45]), codes).tolist() == [0.5, 0.5]
    assert class_shares(np.array([0.62, 0.38]), codes) == pytest.approx([0.56, 0.44])
    assert class_shares(np.array([0.9, 0.1]), codes) == pytest.approx([0.9, 0.1])


def test_walks_end_at_the_first_label_they_meet() -> None:
    X, y = blobs([15, 15])
    codes = mask_labels(y, per_class=2, random_state=0)
    graph = neighbor_graph(X, 6)
    free = codes < 0
    laplacian = np.diag(np.asarray(graph.sum(1)).ravel() + 1e-6) - graph.toarray()
    ends = np.eye(2)[codes[~free]]
    exact = np.linalg.solve(laplacian[free][:, free], graph.toarray()[free][:, ~free] @ ends)
    found = absorb_labels(graph, codes, 2)
    assert np.allclose(found[free], exact / exact.sum(1, keepdims=True), atol=1e-6)
    assert np.allclose(found[~free], ends)
    assert (absorb_labels(graph, y, 2).argmax(1) == y).all()


def test_with_ten_labels_of_each_class_clusters_are_counted() -> None:
    X, y = load_digits(return_X_y=True)
    rows = np.sort(np.concatenate([np.flatnonzero(y == k)[: 170 - 16 * k] for k in range(10)]))
    X, y = X[rows] / 16, y[rows]
    truth = np.bincount(y) / len(y)
    graph = neighbor_graph(X)
    errors = [
        np.abs(estimate_shares(graph, mask_labels(y, per_class=10, random_state=draw), 10) - truth).max()
        for draw in range(100, 104)
    ]
    assert max(errors) < 0.03


def test_where_classes_are_no_clusters_nothing_is_counted() -> None:
    X, y = make_classification(
        1000, 20, n_informative=8, n_redundant=2, n_classes=3, weights=[0.7, 0.2, 0.1], random_state=100
    )
    codes = np.where(np.random.RandomState(100).rand(1000) < 0.15, y, -1)
    given = np.bincount(codes[codes >= 0]) / (codes >= 0).sum()
    assert estimate_shares(neighbor_graph(X), codes, 3) == pytest.approx(given, abs=0.02)


def test_labels_travel_less_far_in_small_data() -> None:
    assert [reach(n) for n in (2, 10, 100, 500, 10**6)] == pytest.approx([0.5, 0.5, 0.95, 0.99, 0.99])


def test_given_shares_win() -> None:
    X, y = blobs([50, 50])
    codes = mask_labels(y, per_class=5, random_state=0)
    given = np.array([0.7, 0.3])
    probabilities, shares = propagate_labels(X, codes, 2, shares=given)
    assert shares is given
    assert probabilities.shape == (100, 2)


def test_a_row_that_no_label_reaches_gets_a_probability_all_the_same() -> None:
    graph = sp.block_diag([np.ones((3, 3)) - np.eye(3), np.ones((3, 3)) - np.eye(3)]).tocsr()
    spread = spread_labels(graph, np.array([0, 1, -1, -1, -1, -1]), 2)
    assert np.isfinite(spread).all()
    assert (spread > 0).all()


def test_the_surest_rows_of_each_class_are_told_and_given_labels_stand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.4, 0.6], [0.3, 0.7], [0.2, 0.8]])
    codes = np.array([-1, -1, 1, -1, -1, -1])
    assert surest_labels(probabilities, codes, 0.6).tolist() == [0, 0, 1, -1, 1, 1]
    assert surest_labels(probabilities, codes).tolist() == [0, 0, 1, 1, 1, 1]


def test_labels_refuse_propagation_where_classes_are_no_clusters() -> None:
    X, y = make_classification(
        1000, 20, n_informative=8, n_redundant=2, n_classes=3, weights=[0.7, 0.2, 0.1], random_state=0
    )
    codes = np.where(np.random.RandomState(0).rand(1000) < 0.2, y, -1)
    assert not propagation_pays(X, neighbor_graph(X), codes, 3, seed=0)
    X, y = load_digits(return_X_y=True)
    assert propagation_pays(X / 16, neighbor_graph(X), mask_labels(y, n_labels=50, random_state=0), 10, seed=0)


def test_too_few_labels_refuse_nothing() -> None:
    X, y = blobs([20, 20])
    assert propagation_pays(X, neighbor_graph(X), mask_labels(y, per_class=1, random_state=0), 2, seed=0)


def test_many_features_are_cut_to_their_principal_axes() -> None:
    X, _ = blobs([40, 40], std=0.1)
    noise = np.random.RandomState(0).normal(size=(80, 200)) * 0.001
    wide = np.hstack([X, noise])
    assert abs(neighbor_graph(wide, 5) - neighbor_graph(X, 5)).mean() < 0.02
