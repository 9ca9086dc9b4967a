"""Clusters are found, counted and compared with labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.cluster import DBSCAN
from sklearn.metrics import adjusted_rand_score

from aaetools.analysis import CHOOSERS, CLUSTERERS, cluster_latents, result_from_json, result_to_json
from aaetools.analysis.results import Clustering
from aaetools.exceptions import DataError, LabelError


@pytest.fixture(scope="module")
def blobs(make_prior: Any) -> tuple[Any, Any, Any]:
    prior = make_prior(3, 3, distance=10.0)
    labels = np.repeat([0, 1, 2], [50, 40, 30])
    codes = np.random.default_rng(0).standard_normal((120, 3)) + prior.means.numpy()[labels]
    return codes.astype(np.float32), labels, prior


@pytest.mark.parametrize("method", sorted(CLUSTERERS))
def test_separate_groups_are_found_by_every_method(blobs: Any, method: str) -> None:
    codes, truth, prior = blobs
    given = None if method == "hdbscan" else 3
    found, clustering = cluster_latents(codes, given, truth, method, 0, prior=prior, n_subsamples=3)
    assert adjusted_rand_score(truth, found) == 1
    assert (clustering.n, clustering.n_noise, clustering.sizes) == (120, 0, (50, 40, 30))
    assert clustering.reason == ("given" if given else "found by hdbscan")
    agreement = clustering.agreement
    assert agreement is not None
    assert agreement.accuracy.value == agreement.purity.value == 1
    assert agreement.paper_accuracy is not None
    assert (agreement.paper_accuracy.value, agreement.paper_accuracy.n) == (1, 117)
    assert agreement.adjusted_rand.value == agreement.adjusted_mutual_info.value == 1
    assert clustering.separation is not None
    if method == "prior":
        assert clustering.separation.stability is None
    else:
        assert clustering.separation.stability is not None
        assert clustering.separation.stability.value == pytest.approx(1)


def test_the_number_is_chosen_by_silhouette_and_the_reason_is_said(blobs: Any) -> None:
    found, clustering = cluster_latents(blobs[0], random_state=0)
    assert clustering.n_clusters == len(np.unique(found)) == 3
    assert "highest silhouette" in clustering.reason
    assert clustering.agreement is None
    assert "well apart" in clustering.verdict


def test_known_classes_set_the_number(blobs: Any) -> None:
    assert cluster_latents(blobs[0], labels=blobs[1], random_state=0)[1].reason == "number of known classes"
    assert cluster_latents(blobs[0], n_classes=5, random_state=0)[1].n_clusters == 5
    by_prior = cluster_latents(blobs[0], method="prior", prior=blobs[2])[1]
    assert by_prior.reason == "number of components of the prior"


def test_unlabelled_rows_take_no_part_in_the_agreement(blobs: Any) -> None:
    codes, truth, _ = blobs
    names = np.array(["a", "b", "c"], dtype=object)[truth]
    names[10:] = None
    names[60:70] = "b"
    agreement = cluster_latents(codes, 3, names, random_state=0)[1].agreement
    assert agreement is not None
    assert agreement.n == agreement.accuracy.n == 20


def test_identical_codes_are_one_cluster() -> None:
    found, clustering = cluster_latents(np.ones((30, 2)), 4, random_state=0)
    assert set(found) == {0}
    assert clustering.sizes == (30,)
    assert clustering.silhouette is None
    assert "only 1 distinct codes exist" in clustering.reason
    assert cluster_latents(np.ones((30, 2)), random_state=0)[1].n_clusters == 1


def test_few_rows_are_one_cluster_with_a_reason() -> None:
    assert "3 rows are too few" in cluster_latents(np.eye(3), method="hdbscan")[1].reason
    assert "all the same" in cluster_latents(np.ones((30, 2)), method="hdbscan")[1].reason
    assert "too few" in cluster_latents(np.eye(3), random_state=0)[1].reason


def test_the_same_seed_gives_the_same_clusters(blobs: Any) -> None:
    first, second = (cluster_latents(blobs[0], 7, random_state=3)[0] for _ in range(2))
    assert (first == second).all()


def test_bad_input_is_named(blobs: Any) -> None:
    codes, truth, prior = blobs
    with pytest.raises(DataError, match="121 clusters were asked for but there are only 120 rows"):
        cluster_latents(codes, 121)
    with pytest.raises(DataError, match="at least 1"):
        cluster_latents(codes, 0)
    with pytest.raises(DataError, match="unknown clustering method 'k'"):
        cluster_latents(codes, 3, method="k")
    with pytest.raises(DataError, match="row 0 is not finite"):
        cluster_latents(np.full((5, 2), np.nan), 2)
    with pytest.raises(DataError, match="the encoder has diverged"):
        cluster_latents(codes * np.float32(1e16), 2)
    with pytest.raises(LabelError, match="2 labels were given for 120"):
        cluster_latents(codes, 3, truth[:2])
    with pytest.raises(DataError, match="need a prior with class components"):
        cluster_latents(codes, 3, method="prior")
    with pytest.raises(DataError, match="cannot give 4 clusters"):
        cluster_latents(codes, 4, method="prior", prior=prior)
    with pytest.raises(DataError, match="at least one row"):
        cluster_latents(np.empty((0, 2)))
    with pytest.raises(DataError, match="type is no clusterer"):
        cluster_latents(codes, method=type)
    with pytest.raises(DataError, match="hdbscan finds the number of clusters itself"):
        cluster_latents(codes, 3, method="hdbscan")
    with pytest.raises(DataError, match="nothing for 'gap' to choose"):
        cluster_latents(codes, 3, choose="gap")
    with pytest.raises(DataError, match="unknown way to choose the number of clusters 'aic'"):
        cluster_latents(codes, choose="aic")
    with pytest.raises(DataError, match="it cannot be chosen"):
        cluster_latents(codes, choose="gap", method="prior", prior=prior)
    with pytest.raises(DataError, match="min_cluster_size is for hdbscan"):
        cluster_latents(codes, 3, min_cluster_size=9)
    with pytest.raises(DataError, match="one row per code"):
        cluster_latents(codes, 3, X=codes[:5])
    with pytest.raises(DataError, match="2 feature names were given for 3 features"):
        cluster_latents(codes, 3, X=codes, feature_names=["a", "b"])
    with pytest.raises(DataError, match="features must be finite numbers"):
        cluster_latents(codes, 3, X=codes * np.nan)
    with pytest.raises(LabelError, match="2 row identifiers were given for 120"):
        cluster_latents(codes, 3, row_ids=[1, 2])
    with pytest.raises(DataError, match="fewer clusters than rows"):
        cluster_latents(codes, 120, method="spectral")


def test_a_known_number_of_classes_gives_way_to_a_criterion(blobs: Any) -> None:
    codes, truth, _ = blobs
    for choose in CHOOSERS:
        clustering = cluster_latents(
            codes, labels=np.where(truth == 2, 1, truth), choose=choose, random_state=0, max_clusters=5, n_subsamples=0
        )[1]
        assert clustering.n_clusters == 3, choose
        assert clustering.choice is not None
        assert (clustering.choice.criterion, clustering.choice.reason) == (choose, clustering.reason)
        assert clustering.separation is not None
        assert clustering.separation.stability is None


def test_noise_has_a_number_of_its_own_and_unlabelled_rows_do_not_share_it(blobs: Any) -> None:
    codes, truth, _ = blobs
    far = np.random.default_rng(1).uniform(-60, 60, size=(15, 3)).astype(np.float32)
    labels = np.concatenate([truth, np.repeat([0, -1], [5, 10])])
    labels[:20] = -1
    found, clustering = cluster_latents(np.concatenate([codes, far]), labels=labels, method="hdbscan", random_state=0)
    assert (found[:120] >= 0).all()
    assert (found[120:] == -1).all()
    assert (clustering.n, clustering.n_noise, sum(clustering.sizes)) == (135, 15, 120)
    assert clustering.agreement is not None
    # 100 labelled rows in clusters and 5 labelled rows of noise, which are errors
    assert (clustering.agreement.n, clustering.agreement.n_noise) == (105, 5)
    assert clustering.agreement.accuracy.value == pytest.approx(100 / 105)
    assert "15 of 135 rows in none" in clustering.verdict
    assert sum(profile.purity.n for profile in clustering.profiles if profile.purity) == 100


def test_nothing_but_noise_is_said_and_has_no_measures() -> None:
    class Nothing(ClusterMixin, BaseEstimator):
        def fit(self, X: Any, y: Any = None) -> Nothing:
            self.labels_ = np.full(len(X), -1)
            return self

    codes = np.random.default_rng(0).normal(size=(40, 2))
    found, clustering = cluster_latents(codes, labels=np.zeros(40), method=Nothing(), X=codes, random_state=0)
    assert (found == -1).all()
    assert (clustering.n_clusters, clustering.sizes, clustering.profiles) == (0, (), ())
    assert clustering.verdict == "No cluster was found: all 40 rows are noise."
    assert clustering.silhouette is None
    assert clustering.agreement is not None
    assert clustering.agreement.accuracy.value == 0
    assert clustering.agreement.paper_accuracy is not None
    assert clustering.agreement.paper_accuracy.value == 0
    assert result_from_json(result_to_json(clustering), Clustering) == clustering


def test_any_clusterer_of_scikit_learn_can_be_given(blobs: Any) -> None:
    codes, truth, _ = blobs
    found, clustering = cluster_latents(codes, labels=truth, method=DBSCAN(eps=3.0), random_state=0)
    assert adjusted_rand_score(truth, found) == 1
    assert (clustering.method, clustering.reason) == ("DBSCAN", "found by DBSCAN")


@pytest.mark.parametrize("k", [1, 3, 50])
def test_few_and_many_clusters_are_described(k: int) -> None:
    rng = np.random.default_rng(k)
    truth = np.repeat(np.arange(k), 20)
    codes = 30 * rng.normal(size=(k, 6))[truth] + rng.normal(size=(20 * k, 6))
    X = np.column_stack([codes[:, 0], np.ones(20 * k), truth])
    found, clustering = cluster_latents(
        codes, k, truth, "agglomerative", 0, X=X, feature_names=["a", "fixed", "truth"], n_subsamples=3
    )
    assert adjusted_rand_score(truth, found) == 1
    assert clustering.sizes == (20,) * k
    assert all(profile.purity is not None and profile.purity.value == 1 for profile in clustering.profiles)
    named = {effect.feature for profile in clustering.profiles for effect in profile.features}
    assert named == (set() if k == 1 else {"a", "truth"})
    again = result_from_json(result_to_json(clustering), Clustering)
    assert again == clustering


def test_repeated_rows_do_not_hinder_any_method() -> None:
    codes = np.repeat(np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]]), 30, axis=0)
    for method in ("kmeans", "gaussian_mixture", "hdbscan", "agglomerative", "spectral"):
        given = None if method == "hdbscan" else 3
        found, clustering = cluster_latents(codes, given, method=method, random_state=0, n_subsamples=3)
        assert clustering.sizes == (30, 30, 30), method
        assert adjusted_rand_score(np.repeat([0, 1, 2], 30), found) == 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["kmeans", "hdbscan", "agglomerative"])
def test_a_hundred_thousand_rows_are_clustered_and_what_was_sampled_is_said(method: str) -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(10, size=100_000)
    codes = (5 * rng.normal(size=(10, 8))[truth] + rng.normal(size=(100_000, 8))).astype(np.float32)
    given = None if method == "hdbscan" else 10
    found, clustering = cluster_latents(codes, given, truth, method, 0, X=codes, n_subsamples=2)
    assert adjusted_rand_score(truth, found) > 0.95
    assert any("2,000 random rows" in note for note in clustering.notes)
    limited = [note for note in clustering.notes if "the others joined" in note]
    assert len(limited) == (method in ("hdbscan", "agglomerative", "spectral"))
