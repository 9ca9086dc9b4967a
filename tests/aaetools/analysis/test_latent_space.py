"""Neighbours that stay neighbours, against known cases, scikit-learn and sums by hand."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from aaetools.analysis.latent_space import effective_dimension, latent_space
from aaetools.analysis.results import LatentSpace, Preservation
from aaetools.analysis.serialise import result_from_json, result_to_json
from aaetools.exceptions import DataError

module: Any = import_module("aaetools.analysis.latent_space")  # the package has a function of that name


def cloud(n: int, d: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal((n, d))


def part(found: LatentSpace, space: str = "codes", of: str = "features") -> Preservation:
    preserved = found.find(space, of)
    assert preserved is not None
    return preserved


def values(preserved: Preservation) -> Any:
    """Return trustworthiness, continuity, and recall at each number of neighbours."""
    return np.array([i.value for i in (preserved.trustworthiness, preserved.continuity, *preserved.recall)])


@pytest.mark.parametrize("ties", [False, True])
def test_the_identity_keeps_everything(ties: bool) -> None:
    X = np.random.default_rng(0).integers(3, size=(90, 4)) if ties else cloud(90, 4)
    assert (values(part(latent_space(X, X, random_state=0))) == 1).all()


def test_turning_shifting_and_stretching_change_no_neighbour() -> None:
    X = cloud(90, 4)
    turn = np.linalg.qr(cloud(4, 4, 1))[0]
    assert (values(part(latent_space(3 * X @ turn - 7, X, random_state=0))) == 1).all()


@pytest.mark.parametrize(
    ("codes", "tolerance"), [(cloud(900, 3, 5), 0.04), (np.full((900, 3), 0.1), 0.12)], ids=["random", "all the same"]
)
def test_codes_that_have_nothing_to_do_with_the_features_are_at_chance(codes: Any, tolerance: float) -> None:
    # sorted, so that the order of the rows itself would tell
    found = latent_space(codes, np.sort(cloud(900, 1), axis=0), random_state=0)
    preserved = part(found)
    assert found.chance == tuple(k / 899 for k in (5, 10, 30))
    for recall, chance in zip(preserved.recall, found.chance, strict=True):
        assert abs(recall.value - chance) < 0.01
    for measure in (preserved.trustworthiness, preserved.continuity):
        assert abs(measure.value - found.chance_trustworthiness) < tolerance


def test_recall_and_trustworthiness_by_hand() -> None:
    # features on a line; the codes swap the third with the last row
    X = np.array([0, 1, 2.1, 4, 8, 17])[:, None]
    Z = np.array([0, 1, 17, 4, 8, 2.1])[:, None]
    # two nearest in X:  0:{1,2} 1:{0,2} 2:{1,3} 3:{2,1} 4:{3,2} 5:{4,3}
    # two nearest in Z:  0:{1,5} 1:{0,5} 2:{4,3} 3:{5,1} 4:{3,5} 5:{1,3}
    shared = [1, 1, 1, 1, 1, 1]
    # rank in X of the one that is new in Z, less 2
    too_far = [5 - 2, 5 - 2, 4 - 2, 5 - 2, 5 - 2, 4 - 2]
    found = part(latent_space(Z, X, random_state=0, neighbours=[2]))
    assert found.recall[0].value == pytest.approx(sum(shared) / 12)
    assert found.trustworthiness.value == pytest.approx(1 - 2 / (6 * 2 * (12 - 6 - 1)) * sum(too_far))
    assert found.trustworthiness.n == 6


@pytest.mark.parametrize("k", [5, 10, 30])
def test_trustworthiness_is_scikit_learns_and_continuity_is_it_with_roles_swapped(k: int) -> None:
    X = cloud(300, 6)
    Z = np.tanh(X[:, :2] + 0.3 * cloud(300, 2, 1))
    found = part(latent_space(Z, X, random_state=0, neighbours=[k]))
    assert found.trustworthiness.value == pytest.approx(trustworthiness(X, Z, n_neighbors=k), abs=1e-6)
    assert found.continuity.value == pytest.approx(trustworthiness(Z, X, n_neighbors=k), abs=1e-6)


def test_leaving_rows_out_is_what_measuring_without_them_gives() -> None:
    X = cloud(40, 5)
    Z = X[:, :2] + cloud(40, 2, 1)

    def measured(rows: Any) -> Any:
        spaces: Any = {("codes", "features"): Z[rows]}
        return module._measures(spaces, {"codes": Z[rows], "features": X[rows]}, (3, 7), 7)["codes", "features"]

    again = [measured(np.delete(np.arange(40), row)) for row in range(40)]
    for i, measure in enumerate(measured(np.arange(40))):
        np.testing.assert_allclose(measure.without, [values[i].value for values in again], rtol=1e-12)
        # the jackknife's variance, Efron and Stein (1981)
        spread = np.sqrt(39 / 40 * np.square(measure.without - measure.without.mean()).sum())
        found = measure.interval(-9, 9)
        assert (found.high - found.low) / 2 == pytest.approx(1.959964 * spread, rel=1e-5)


@pytest.mark.slow
def test_intervals_hold_the_mean_over_samples_about_as_often_as_they_say() -> None:
    turn, rng = cloud(6, 2, 1), np.random.default_rng(0)
    found = []
    for seed in range(150):
        X = rng.standard_normal((120, 6)) * [3, 2, 1, 1, 0.5, 0.5]
        preserved = part(latent_space(np.tanh(X @ turn / 6), X, random_state=seed, neighbours=[10]))
        parts = (preserved.trustworthiness, preserved.continuity, *preserved.recall)
        found.append([(i.value, i.low, i.high) for i in parts])
    value, low, high = np.moveaxis(np.array(found), 2, 0)
    held = ((low <= value.mean(axis=0)) & (value.mean(axis=0) <= high)).mean(axis=0)
    assert held.min() > 0.88


def test_pictures_are_compared_with_features_and_codes_and_pca_stands_beside_them() -> None:
    X = cloud(120, 6) * np.arange(6, 0, -1)
    Z = PCA(3).fit_transform(X)
    found = latent_space(Z, X, {"map": Z[:, :2], "noise": cloud(120, 2, 3)}, 0)
    pairs = [(p.space, p.n_axes, p.of) for p in found.preservation]
    assert pairs == [
        *(("codes", 3, "features"), ("PCA", 3, "features"), ("map", 2, "features"), ("noise", 2, "features")),
        *(("PCA", 2, "features"), ("map", 2, "codes"), ("noise", 2, "codes"), ("PCA", 2, "codes")),
    ]
    gain = part(found).gain
    assert gain is not None
    assert [(i.value, i.low, i.high) for i in gain] == [(0, 0, 0)] * 3
    worse = part(found, "noise", "codes").gain
    assert worse is not None
    assert all(i.high < 0 for i in worse)
    assert part(found, "PCA", "codes").gain is None
    assert "about as many as PCA" in found.verdict
    assert "the map keeps" in found.verdict
    assert result_from_json(result_to_json(found), LatentSpace) == found


def test_without_features_pictures_are_compared_with_codes_alone() -> None:
    Z = cloud(60, 4)
    found = latent_space(Z, picture=Z[:, :3], random_state=0, neighbours=[7])
    assert {(p.space, p.of) for p in found.preservation} == {("picture", "codes"), ("PCA", "codes")}
    assert (found.neighbours, found.k) == ((7,), 7)
    assert latent_space(Z, random_state=0).preservation == ()


def test_where_codes_have_as_many_axes_as_the_features_there_is_no_pca_beside_them() -> None:
    X = cloud(60, 2)
    found = latent_space(np.c_[X, cloud(60, 1, 1)], X, random_state=0)
    assert [p.space for p in found.preservation] == ["codes"]
    assert part(found).gain is None


def test_of_many_rows_a_stated_choice_is_compared() -> None:
    X = cloud(500, 5)
    first = latent_space(X[:, :2], X, random_state=1, max_compared=100)
    assert (first.n, first.n_compared, part(first).recall[0].n) == (500, 100, 100)
    assert first.notes == ("100 of 500 rows, chosen at random, were compared with each other.",)
    assert first == latent_space(X[:, :2], X, random_state=1, max_compared=100)
    assert first != latent_space(X[:, :2], X, random_state=2, max_compared=100)


def test_blocks_of_rows_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    X = cloud(130, 5)
    whole = latent_space(X[:, :2], X, random_state=1)
    monkeypatch.setattr(module, "_BLOCK", 48)
    steps: list[tuple[str, int, int]] = []
    assert latent_space(X[:, :2], X, random_state=1, progress=lambda *step: steps.append(step)) == whole
    assert steps == [("comparing neighbours", done, 130) for done in (48, 96, 130)]


def test_intervals_hold_the_value_and_narrow_with_the_rows() -> None:
    X = cloud(800, 5)
    wide, narrow = (part(latent_space(X[:n, :3], X[:n], random_state=0)).recall[1] for n in (50, 800))
    for interval in (wide, narrow):
        assert interval.low < interval.value < interval.high
    assert 2.5 < (wide.high - wide.low) / (narrow.high - narrow.low) < 6.5  # 4 where rows were independent


# -- dimension -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spread", "dimension"),
    [((1, 1, 1), 3.0), ((1, 0, 0), 1.0), ((2, 1, 0), 25 / 17)],  # (4 + 1)^2 / (16 + 1)
)
def test_effective_dimension_by_hand(spread: tuple[float, ...], dimension: float) -> None:
    Z = np.concatenate([np.diag(spread), -np.diag(spread)])
    assert effective_dimension(Z).value == pytest.approx(dimension)


def test_its_interval_is_about_that_of_the_bootstrap() -> None:
    Z = cloud(400, 4) * [3, 2, 1, 1]
    found = effective_dimension(Z)
    rng = np.random.default_rng(0)
    drawn = [effective_dimension(Z[rng.integers(400, size=400)]).value for _ in range(200)]
    assert 1.96 * np.std(drawn) == pytest.approx((found.high - found.low) / 2, rel=0.15)


def test_spread_dead_axes_and_components() -> None:
    found = latent_space(cloud(500, 4) * [3, 3, 0.01, 0.5], random_state=0, prior_codes=cloud(2000, 4))
    assert found.dead_axes == (2,)
    assert found.n_components_95 == 2
    np.testing.assert_allclose(found.spread, [3, 3, 0.01, 0.5], rtol=0.1)
    assert found.prior_dimension is not None
    assert 3.9 < found.prior_dimension <= 4
    assert "1 of the axes carries nothing" in found.verdict


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_codes_that_are_all_the_same_have_no_dimension(value: float) -> None:
    codes = np.full((40, 3), value, dtype=np.float32)
    found = latent_space(codes, cloud(40, 5), {"map": codes[:, :2]}, random_state=0)
    assert {p.of for p in found.preservation} == {"features"}
    assert np.isnan(found.effective_dimension.value)
    assert (found.n_components_95, found.dead_axes) == (0, (0, 1, 2))
    assert found.verdict == "All codes are nearly the same: the latent space says nothing about the rows."


# -- refusals --------------------------------------------------------------------------------------------------------


BROKEN = cloud(40, 3)
BROKEN[[7, 9], 1] = np.nan


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"Z": cloud(10, 2)}, "10 rows are too few to look at neighbours; at least 11"),
        ({"Z": cloud(20, 2), "neighbours": [3, 10]}, "10 neighbours are too many for 20 rows.*at most 9"),
        ({"Z": cloud(99, 2), "neighbours": [10], "max_compared": 20}, "too many for 20 rows"),
        ({"Z": cloud(20, 2), "neighbours": [0]}, "at least 1"),
        ({"Z": BROKEN}, r"codes: row 7 \(counted from 0\) holds NaN or infinity.*2 in all"),
        ({"Z": cloud(40, 2), "X": BROKEN}, "features: row 7"),
        ({"Z": cloud(40, 2), "picture": {"UMAP": BROKEN}}, "UMAP: row 7"),
        ({"Z": cloud(40, 2), "X": cloud(39, 3)}, "features have 39 rows, but there are 40 codes"),
        ({"Z": cloud(40, 2), "X": np.ones((40, 3))}, "the features are the same in every row"),
        ({"Z": cloud(40, 2), "picture": {"PCA": cloud(40, 2)}}, "cannot be called 'PCA'"),
        ({"Z": np.ones(5)}, "must be of shape"),
    ],
)
def test_what_cannot_be_answered_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        latent_space(**arguments, random_state=0)
