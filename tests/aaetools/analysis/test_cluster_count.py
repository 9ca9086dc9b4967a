"""The number of clusters is chosen by what each criterion says it looks at."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aaetools.analysis.cluster_count import CHOOSERS, choose_n_clusters
from aaetools.exceptions import DataError


def blobs(k: int, n: int = 40, d: int = 3, apart: float = 12.0) -> Any:
    rng = np.random.default_rng(k)
    centres = apart * np.stack([np.cos(np.arange(k)), np.sin(2.3 * np.arange(k)), np.arange(k) % 3], axis=1)[:, :d]
    return (centres[np.repeat(np.arange(k), n)] + rng.normal(size=(k * n, d))).astype(np.float32)


@pytest.mark.parametrize("choose", CHOOSERS)
@pytest.mark.parametrize("k", [2, 5])
def test_separate_groups_are_counted(choose: str, k: int) -> None:
    found = choose_n_clusters(blobs(k), choose, random_state=0, max_clusters=7)
    assert found.n_clusters == k
    first, last = {"bic": (1, 7), "gap": (1, 8)}.get(choose, (2, 7))
    assert [score.n_clusters for score in found.scores] == list(range(first, last + 1))
    assert found.n == 40 * k
    assert all(np.isfinite(score.score) for score in found.scores)


@pytest.mark.parametrize("choose", ["bic", "gap"])
def test_one_group_is_one_where_the_criterion_can_say_so(choose: str) -> None:
    for codes in (blobs(1, 300), np.random.default_rng(0).normal(size=(300, 2)) * [3.0, 1.0]):
        assert choose_n_clusters(codes, choose, random_state=0, max_clusters=5).n_clusters == 1


def test_other_methods_than_k_means_are_counted_too() -> None:
    for method in ("gaussian_mixture", "agglomerative", "spectral"):
        assert choose_n_clusters(blobs(3), "silhouette", method, 0, max_clusters=4).n_clusters == 3
    with pytest.raises(DataError, match="no number of clusters can be chosen for 'hdbscan'"):
        choose_n_clusters(blobs(3), "gap", "hdbscan")


def test_groups_equally_far_from_each_other_are_counted_by_the_gap_too() -> None:
    # two clusters are no better than one here, and ten are: the statistic's own rule stops at one
    centres = 10 * np.eye(10)[np.repeat(np.arange(10), 20)]
    found = choose_n_clusters(centres + np.random.default_rng(0).normal(size=(200, 10)), "gap", random_state=0)
    assert found.n_clusters == 10
    assert "Tibshirani's own rule stops at 1" in found.reason


def test_a_choice_at_the_edge_is_said() -> None:
    found = choose_n_clusters(blobs(6), "silhouette", random_state=0, max_clusters=4)
    assert found.n_clusters == 4
    assert "the most that was tried" in found.reason
    assert "the most that was tried" not in choose_n_clusters(blobs(3), max_clusters=4, random_state=0).reason


def test_what_cannot_be_told_apart_is_one_cluster() -> None:
    for choose in CHOOSERS:
        same = choose_n_clusters(np.ones((30, 2)), choose, random_state=0)
        assert (same.n_clusters, same.scores) == (1, ())
        assert "too alike" in same.reason
        assert "too few" in choose_n_clusters(np.eye(3), choose, random_state=0).reason
        # three distinct codes: only two clusters can be tried
        three = choose_n_clusters(np.repeat(9 * np.eye(3), 20, axis=0), choose, random_state=0)
        assert max(score.n_clusters for score in three.scores) == 2


def test_long_tables_are_thinned_and_the_steps_are_told() -> None:
    told: list[tuple[int, int]] = []
    codes = np.repeat(blobs(3), 50, axis=0) + np.random.default_rng(0).normal(size=(6_000, 3))
    found = choose_n_clusters(
        codes, random_state=0, max_clusters=4, progress=lambda what, done, total: told.append((done, total))
    )
    assert (found.n, found.n_clusters) == (4_000, 3)
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_the_same_seed_gives_the_same_choice() -> None:
    codes = np.random.default_rng(0).normal(size=(80, 2))
    for choose in CHOOSERS:
        first, second = (choose_n_clusters(codes, choose, random_state=4, max_clusters=3) for _ in range(2))
        assert str(first) == str(second)  # NaN is not equal to itself


def test_unknown_names_and_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="unknown way to choose the number of clusters 'elbow'"):
        choose_n_clusters(blobs(2), "elbow")
    with pytest.raises(DataError, match="at least 1, not 0"):
        choose_n_clusters(blobs(2), max_clusters=0)
