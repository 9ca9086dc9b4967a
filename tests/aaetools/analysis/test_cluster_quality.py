"""Separation and stability are what they are called."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn import metrics
from sklearn.cluster import KMeans

from aaetools.analysis.cluster_quality import pairwise_stability, separation, silhouette, stability

rng = np.random.default_rng(0)
TRUTH = np.repeat([0, 1, 2], [50, 60, 40])
CODES = rng.normal(size=(150, 3)) + 4 * np.eye(3)[TRUTH]


def test_measures_are_those_of_scikit_learn_without_the_noise() -> None:
    clusters = np.where(np.arange(150) % 10 == 0, -1, TRUTH)
    kept = clusters >= 0
    found = separation(CODES, clusters, random_state=0)
    assert found.silhouette is not None
    assert found.davies_bouldin is not None
    assert found.calinski_harabasz is not None
    assert found.silhouette.value == pytest.approx(metrics.silhouette_score(CODES[kept], TRUTH[kept]))
    assert found.davies_bouldin.value == pytest.approx(metrics.davies_bouldin_score(CODES[kept], TRUTH[kept]))
    assert found.calinski_harabasz.value == pytest.approx(metrics.calinski_harabasz_score(CODES[kept], TRUTH[kept]))
    for measure in (found.silhouette, found.davies_bouldin, found.calinski_harabasz):
        assert measure.low < measure.value < measure.high
        assert measure.n == 135
    assert (found.stability, found.n_subsamples) == (None, 0)


def test_intervals_hold_what_other_rows_of_the_same_clusters_give() -> None:
    draws = np.random.default_rng(1)
    found = []
    for _ in range(40):
        truth = draws.integers(3, size=150)
        codes = draws.normal(size=(150, 3)) + 4 * np.eye(3)[truth]
        found.append(separation(codes, truth, random_state=0))
    for name in ("davies_bouldin", "calinski_harabasz"):
        intervals = [getattr(each, name) for each in found]
        mean = np.mean([interval.value for interval in intervals])
        assert np.mean([interval.low <= mean <= interval.high for interval in intervals]) >= 0.85, (
            name
        )  # nominally 95% of 40 repeats


@pytest.mark.parametrize("clusters", [np.zeros(150, np.int64), np.arange(150), np.full(150, -1)])
def test_there_is_no_separation_where_it_is_not_defined(clusters: np.ndarray) -> None:
    found = separation(CODES, clusters, random_state=0)
    assert (found.silhouette, found.davies_bouldin, found.calinski_harabasz) == (None, None, None)


def test_equal_codes_in_two_clusters_do_not_stop_the_measures() -> None:
    found = separation(np.ones((20, 2)), np.arange(20) % 2, random_state=0)
    assert found.silhouette is not None
    assert found.silhouette.value == 0


def test_a_silhouette_of_many_rows_is_that_of_a_sample() -> None:
    codes, clusters = np.repeat(CODES, 20, axis=0), np.repeat(TRUTH, 20)
    found = silhouette(codes, clusters, 0)
    assert found is not None
    assert found.n == 2_000
    assert found.value == pytest.approx(metrics.silhouette_score(CODES, TRUTH), abs=0.02)


def test_stability_is_the_mean_index_of_pairs_on_the_rows_they_share() -> None:
    draws = np.random.default_rng(2)
    found = draws.integers(3, size=(5, 40))
    found[0] = found[1]
    found[draws.random(found.shape) < 0.2] = -2
    found[2, :4] = -1  # noise
    pairs = {}
    for a, b in combinations(range(5), 2):
        both = (found[a] > -2) & (found[b] > -2)
        pairs[a, b] = metrics.adjusted_rand_score(found[a][both], found[b][both])
    value, error = pairwise_stability(found)
    assert value == pytest.approx(np.mean(list(pairs.values())))
    without = [np.mean([v for pair, v in pairs.items() if i not in pair]) for i in range(5)]
    assert error == pytest.approx(np.sqrt(4 / 5 * np.sum((without - np.mean(without)) ** 2)))
    assert np.isnan(pairwise_stability(found[:2])[1])


def test_true_groups_are_stable_and_arbitrary_cuts_are_not() -> None:
    def fit(k: int) -> object:
        return lambda rows, seed: KMeans(k, n_init=1, random_state=seed).fit_predict(rows)

    told: list[int] = []
    sure = stability(CODES, fit(3), random_state=0, progress=lambda what, done, total: told.append(done))  # type: ignore[arg-type]
    round_cloud = np.random.default_rng(3).normal(size=(150, 3))
    vague = stability(round_cloud, fit(4), random_state=0)  # type: ignore[arg-type]
    assert sure is not None
    assert vague is not None
    assert sure.value > 0.95
    assert vague.value < 0.7
    assert sure.low > vague.high
    assert told == list(range(11))
    assert stability(CODES[:9], fit(2)) is None  # type: ignore[arg-type]
