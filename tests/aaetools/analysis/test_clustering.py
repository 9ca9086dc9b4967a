"""Clusters are found, counted and compared with labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from aaetools.analysis.clustering import CLUSTERERS, cluster_agreement, cluster_latents, contingency
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
    found, clustering = cluster_latents(codes, 3, truth, method, 0, prior=prior)
    assert adjusted_rand_score(truth, found) == 1
    assert clustering.sizes == (50, 40, 30)
    assert clustering.reason == "given"
    assert clustering.agreement is not None
    assert clustering.agreement.accuracy.value == 1
    assert clustering.agreement.adjusted_rand == clustering.agreement.adjusted_mutual_info == 1


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


def test_agreement_uses_the_best_one_to_one_matching() -> None:
    clusters = np.array([1, 1, 1, 0, 0, 2, -1])
    labels = np.array([0, 0, 1, 1, 1, 1, 0])
    # cluster 1 is class 0 (2 rows), cluster 0 is class 1 (2 rows); cluster 2 has no partner and noise is an
    # error
    assert cluster_agreement(clusters, labels).accuracy.value == pytest.approx(4 / 7)
    assert contingency(clusters, labels).tolist() == [[0, 2], [2, 1], [0, 1]]


def test_identical_codes_are_one_cluster() -> None:
    found, clustering = cluster_latents(np.ones((30, 2)), 4, random_state=0)
    assert set(found) == {0}
    assert clustering.sizes == (30,)
    assert clustering.silhouette is None
    assert "only 1 distinct codes exist" in clustering.reason
    assert cluster_latents(np.ones((30, 2)), random_state=0)[1].n_clusters == 1


def test_few_rows_are_one_cluster_with_a_reason() -> None:
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
    with pytest.raises(LabelError, match="2 labels were given for 120"):
        cluster_latents(codes, 3, truth[:2])
    with pytest.raises(DataError, match="need a prior with class components"):
        cluster_latents(codes, 3, method="prior")
    with pytest.raises(DataError, match="cannot give 4 clusters"):
        cluster_latents(codes, 4, method="prior", prior=prior)
    with pytest.raises(DataError, match="at least one row"):
        cluster_latents(np.empty((0, 2)))
