"""Clusters are described by their own rows and by what sets them apart."""

from __future__ import annotations

import numpy as np
import pytest

from aaetools.analysis.cluster_profile import centre_distances, cluster_profiles, feature_effects

CLUSTERS = np.array([0] * 12 + [1] * 6 + [-1] * 2)
CODES = np.concatenate([np.linspace(-1, 1.2, 12)[:, None], np.full((6, 1), 9.0) + np.arange(6)[:, None], [[40], [50]]])


def test_typical_rows_are_nearest_to_the_centre_and_unusual_ones_farthest() -> None:
    ids = np.array([f"r{i}" for i in range(20)])
    first, second = cluster_profiles(CODES, CLUSTERS, 2, row_ids=ids)
    assert first.size == 12
    assert first.share == 0.6
    assert set(first.typical_rows) == {4, 5, 6, 7} | {first.typical_rows[-1]}
    assert set(first.unusual_rows[:2]) == {0, 11}
    assert first.typical_ids == tuple(f"r{i}" for i in first.typical_rows)
    # six rows: five are typical, and no row is named twice
    assert len(second.typical_rows) == 5
    assert len(second.unusual_rows) == 1
    assert not set(second.typical_rows) & set(second.unusual_rows)
    assert (first.majority_label, first.purity, first.features) == (None, None, ())
    distance = centre_distances(CODES, CLUSTERS)
    assert np.isnan(distance[-2:]).all()
    assert distance[12:18] == pytest.approx(np.abs(np.arange(6) - 2.5))


def test_purity_counts_rows_with_a_known_label() -> None:
    labels = np.array([1] * 5 + [0] * 2 + [-1] * 5 + [-1] * 6 + [0, 1])
    first, second = cluster_profiles(CODES, CLUSTERS, 2, labels=labels, class_names=["cat", "dog"])
    assert first.majority_label == "dog"
    assert first.purity is not None
    assert (first.purity.value, first.purity.n) == (pytest.approx(5 / 7), 7)
    assert first.purity.low < 5 / 7 < first.purity.high
    assert (second.majority_label, second.purity) == (None, None)
    tie = cluster_profiles(CODES, CLUSTERS, 2, labels=np.arange(20) % 2, class_names=["cat", "dog"])[0]
    assert tie.majority_label == "cat"


def test_an_effect_is_cohens_d_with_hedges_correction() -> None:
    rng = np.random.default_rng(0)
    clusters = rng.integers(-1, 3, size=200)
    X = rng.normal(size=(200, 4)) * [1, 10, 0.1, 1] + 5
    X[clusters == 1, 2] += 0.2
    found = feature_effects(X, clusters, 3, ["a", "b", "c", "d"], 4)[1]
    assert found[0].feature == "c"
    for effect in found:
        column = X[:, "abcd".index(effect.feature)]
        here, rest = column[clusters == 1], column[clusters != 1]
        pooled = np.sqrt((here.var() * len(here) + rest.var() * len(rest)) / 198)
        d = (here.mean() - rest.mean()) / pooled
        assert effect.effect.value == pytest.approx(d * (1 - 3 / (4 * 198 - 1)), rel=1e-3)
        assert (effect.mean, effect.mean_elsewhere) == (pytest.approx(here.mean()), pytest.approx(rest.mean()))
        half = 1.96 * np.sqrt(200 / (len(here) * len(rest)) + effect.effect.value**2 / 400)
        assert effect.effect.high - effect.effect.value == pytest.approx(half)
    sizes = [abs(effect.effect.value) for effect in found]
    assert sizes == sorted(sizes, reverse=True)


def test_effects_do_not_depend_on_the_unit_of_a_feature() -> None:
    rng = np.random.default_rng(1)
    clusters, x = rng.integers(2, size=80), rng.normal(size=(80, 1))
    for factor, shift in ((1e-6, 0.0), (1e6, 1e9)):
        first, second = feature_effects(np.column_stack([x, factor * x + shift]), clusters, 2, ["a", "b"], 2)[0]
        assert first.effect.value == pytest.approx(second.effect.value, rel=1e-4)


def test_constant_features_are_left_out_and_perfect_ones_have_finite_effects() -> None:
    clusters = np.repeat([0, 1], 10)
    X = np.column_stack([np.full(20, 0.1), clusters, np.zeros(20)])
    for effects in feature_effects(X, clusters, 2):
        assert [effect.feature for effect in effects] == ["feature 1"]
        assert 50 < abs(effects[0].effect.value) < np.inf


def test_without_other_rows_there_is_nothing_to_compare_with() -> None:
    assert feature_effects(np.random.default_rng(0).normal(size=(20, 2)), np.zeros(20, np.int64), 1) == [()]
    assert feature_effects(np.eye(5), np.array([0, 0, 0, 2, 2]), 3)[1] == ()


def test_an_empty_cluster_has_a_profile_without_rows() -> None:
    empty = cluster_profiles(CODES, np.where(CLUSTERS == 1, 2, CLUSTERS), 3, X=CODES)[1]
    assert (empty.size, empty.typical_rows, empty.unusual_rows, empty.features) == (0, (), (), ())


def test_long_tables_are_summed_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    X, clusters = rng.normal(size=(101, 5)), rng.integers(3, size=101)
    whole = feature_effects(X, clusters, 3)
    monkeypatch.setattr("aaetools.analysis.cluster_profile._BATCH_VALUES", 35)
    for one, other in zip(whole, feature_effects(X, clusters, 3), strict=True):
        assert [e.feature for e in one] == [e.feature for e in other]
        assert [e.effect.value for e in one] == pytest.approx([e.effect.value for e in other])
