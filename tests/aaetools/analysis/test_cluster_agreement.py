"""Agreement of clusters with labels is what scikit-learn and the paper say, with intervals that hold."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from aaetools.analysis.cluster_agreement import (
    adjusted_rand,
    cluster_agreement,
    contingency,
    head_accuracy,
    head_rows,
    overlap_measures,
)


def partitions(seed: int, n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(4, size=n)
    return np.where(rng.random(n) < 0.7, labels + 1, rng.integers(6, size=n)), labels


@pytest.mark.parametrize("seed", range(5))
def test_indices_are_those_of_scikit_learn(seed: int) -> None:
    clusters, labels = partitions(seed)
    found = cluster_agreement(clusters, labels, random_state=0)
    assert found.adjusted_rand.value == pytest.approx(metrics.adjusted_rand_score(labels, clusters))
    assert found.adjusted_mutual_info.value == pytest.approx(metrics.adjusted_mutual_info_score(labels, clusters))
    assert found.normalized_mutual_info.value == pytest.approx(metrics.normalized_mutual_info_score(labels, clusters))
    h, c, v = metrics.homogeneity_completeness_v_measure(labels, clusters)
    assert (found.homogeneity.value, found.completeness.value, found.v_measure.value) == pytest.approx((h, c, v))
    for measure in (found.adjusted_rand, found.v_measure, found.homogeneity, found.completeness):
        assert measure.low < measure.value < measure.high
        assert measure.n == 300


def test_borders_agree_with_scikit_learn() -> None:
    ones, steps = np.zeros(6, dtype=np.int64), np.arange(6)
    for clusters, labels in ((ones, ones), (ones, steps % 2), (steps, ones), (steps, steps), (steps % 2, steps // 3)):
        found = cluster_agreement(clusters, labels, random_state=0)
        assert found.adjusted_rand.value == pytest.approx(metrics.adjusted_rand_score(labels, clusters))
        assert found.v_measure.value == pytest.approx(metrics.v_measure_score(labels, clusters))
        assert found.adjusted_mutual_info.value == pytest.approx(metrics.adjusted_mutual_info_score(labels, clusters))


def test_accuracy_is_by_the_best_one_to_one_matching_and_purity_by_the_majority() -> None:
    clusters = np.array([1, 1, 1, 0, 0, 2, -1])
    labels = np.array([0, 0, 1, 1, 1, 1, 0])
    # cluster 1 is class 0 (2 rows), cluster 0 is class 1 (2 rows); cluster 2 has no partner and noise is an error
    found = cluster_agreement(clusters, labels)
    assert found.accuracy.value == pytest.approx(4 / 7)
    assert found.purity.value == pytest.approx(5 / 7)
    assert (found.n, found.n_noise, found.paper_accuracy) == (7, 1, None)
    assert contingency(clusters, labels).tolist() == [[0, 2], [2, 1], [0, 1]]
    # noise is a group of its own in the indices
    groups = np.where(clusters < 0, 3, clusters)
    assert found.adjusted_rand.value == pytest.approx(metrics.adjusted_rand_score(labels, groups))


def test_the_papers_measure_names_a_cluster_after_its_surest_row_and_does_not_score_that_row() -> None:
    clusters = np.array([0, 0, 0, 0, 1, 1, 1, -1])
    labels = np.array([5, 5, 5, 2, 2, 2, 5, 5])
    sure = np.array([0.1, 0.2, 0.3, 0.9, 0.8, 0.1, 0.2, 1.0])
    assert head_rows(clusters, sure).tolist() == [3, 4]
    # the surest row of cluster 0 is its only 2: all others in it are wrong; of cluster 1 one other row is a 2
    share = head_accuracy(clusters, labels, sure)
    assert (share.value, share.n) == (pytest.approx(1 / 6), 6)
    sure[3] = 0
    assert head_accuracy(clusters, labels, sure).value == pytest.approx(3 / 6)
    assert np.isnan(head_accuracy(clusters[:1], labels[:1], sure[:1]).value)


def test_many_tables_at_once() -> None:
    tables = np.random.default_rng(0).integers(0, 9, size=(20, 3, 4)).astype(float)
    each = [float(adjusted_rand(table[None])[0]) for table in tables]
    assert adjusted_rand(tables) == pytest.approx(each)


@pytest.mark.parametrize(("n", "error"), [(60, 0.02), (60, 0.3), (400, 0.1)])
def test_the_intervals_hold_what_other_rows_would_give(n: int, error: float) -> None:
    rng = np.random.default_rng(n)
    shares = np.full((3, 3), error / 6)
    np.fill_diagonal(shares, (1 - error) / 3)
    found = [overlap_measures(rng.multinomial(n, shares.ravel()).reshape(3, 3), 0) for _ in range(120)]
    for name in ("adjusted_rand", "adjusted_mutual_info", "v_measure"):
        mean = np.mean([each[name].value for each in found])
        held = np.mean([each[name].low <= mean <= each[name].high for each in found])
        assert held >= 0.88, name  # nominally 95% of 120 repeats


def test_a_perfect_agreement_of_few_rows_is_no_certainty() -> None:
    few, many = (overlap_measures(np.diag([n, n, n]), 0)["adjusted_rand"] for n in (5, 500))
    assert few.value == many.value == few.high == many.high == 1
    assert few.low < 0.8 < 0.98 < many.low


def test_without_rows_there_is_no_value() -> None:
    found = cluster_agreement(np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert (found.n, found.adjusted_rand.n) == (0, 0)
    assert np.isnan(found.accuracy.value)
    assert np.isnan(found.adjusted_rand.value)


def test_the_same_seed_gives_the_same_intervals() -> None:
    clusters, labels = partitions(0)
    assert cluster_agreement(clusters, labels, random_state=1) == cluster_agreement(clusters, labels, random_state=1)
