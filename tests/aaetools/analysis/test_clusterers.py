"""Clusterers keep scikit-learn's contract."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.cluster import HDBSCAN, AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from aaetools.analysis import PriorComponents
from aaetools.analysis.clusterers import CLUSTERERS, MixtureClusters, SampledClusters, fit_clusters, method_of
from aaetools.exceptions import DataError
from aaetools.priors import PRIORS, GaussianPrior, make_prior


@parametrize_with_checks(
    [PriorComponents(n_clusters=3), MixtureClusters(n_clusters=3), SampledClusters(AgglomerativeClustering(3), 40)]
)
def test_estimators_pass_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("name", PRIORS)
def test_draws_of_a_component_are_given_back_to_it(name: str) -> None:
    import torch

    prior = make_prior(name, n_dims=2, n_classes=4)
    labels = np.repeat(np.arange(4), 100)
    codes = prior.sample(400, torch.as_tensor(labels), torch.Generator().manual_seed(0)).numpy()
    found = PriorComponents(prior).fit(codes)
    assert (found.labels_ == labels).mean() > 0.97
    assert (found.predict(codes) == found.labels_).all()
    np.testing.assert_allclose(found.predict_proba(codes).sum(axis=1), 1, atol=1e-5)


def test_priors_that_cannot_cluster_the_codes_are_refused() -> None:
    codes = np.zeros((5, 3))
    with pytest.raises(DataError, match="a prior with class components"):
        PriorComponents(GaussianPrior(3)).fit(codes)
    with pytest.raises(DataError, match="2 dimensions and the codes 3"):
        PriorComponents(GaussianPrior(2, 4)).fit(codes)
    with pytest.raises(DataError, match="whole number of at least 1"):
        PriorComponents("ring", n_clusters=0).fit(codes)


def test_many_rows_are_assigned_as_few_are() -> None:
    codes = np.random.default_rng(0).normal(size=(9_000, 2))
    prior = make_prior("swiss_roll", n_dims=2, n_classes=5)
    everything = PriorComponents(prior).fit_predict(codes)
    assert (everything[8_990:] == PriorComponents(prior).fit_predict(codes[8_990:])).all()


def test_a_clusterer_of_codes_goes_into_a_pipeline() -> None:
    codes = np.random.default_rng(0).normal(size=(50, 2))
    pipeline = make_pipeline(StandardScaler(), PriorComponents(make_prior("gaussian", n_dims=2, n_classes=4)))
    assert set(pipeline.fit_predict(codes)) == {0, 1, 2, 3}


def test_the_mixture_does_not_depend_on_the_scale_of_the_data() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(60, 3)), 5 + rng.normal(size=(60, 3)) * [0.2, 2, 1]])
    found = [MixtureClusters(2, random_state=0).fit_predict(scale * rows) for scale in (1, 1e-4, 1e4)]
    assert (found[0] == found[1]).all()
    assert (found[0] == found[2]).all()
    with pytest.raises(DataError, match="n_samples=120 should be >= n_clusters=121"):
        MixtureClusters(121).fit(rows)


def test_rows_beyond_the_limit_join_their_nearest_fitted_row() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1], 300)
    rows = rng.normal(size=(600, 2)) + 20 * truth[:, None]
    sampled = SampledClusters(AgglomerativeClustering(2), max_rows=50, random_state=0).fit(rows)
    assert len(sampled.sample_indices_) == len(np.unique(sampled.sample_indices_)) == 50
    assert len(sampled.estimator_.labels_) == 50
    assert adjusted_rand_score(truth, sampled.labels_) == 1
    assert (sampled.labels_[sampled.sample_indices_] == sampled.estimator_.labels_).all()
    assert (sampled.predict(rows[:5] + 0.01) == sampled.labels_[:5]).all()
    again = clone(sampled).fit(rows)
    assert (again.labels_ == sampled.labels_).all()


def test_a_row_beside_noise_is_noise() -> None:
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.normal(size=(60, 2)), 30 + rng.normal(size=(60, 2)), [[500.0, 500.0]]])
    sampled = SampledClusters(HDBSCAN(min_cluster_size=10, copy=True)).fit(rows)
    assert sampled.labels_[-1] == -1
    assert sampled.predict([[501.0, 501.0]]).tolist() == [-1]


def test_every_entry_makes_a_clusterer_and_own_ones_are_taken() -> None:
    rows = np.random.default_rng(0).normal(size=(60, 2)) + 9 * np.repeat([[0], [1], [2]], 20, axis=0)
    prior = make_prior("ring", n_dims=2, n_classes=3)
    for name, way in CLUSTERERS.items():
        labels, estimator = fit_clusters(rows, name, 3, 0, prior)
        assert labels.shape == (60,)
        assert labels.dtype == np.int64
        assert (estimator.labels_ == labels).all()
        assert way.number in ("asked", "found", "prior")
    own = KMeans(2, random_state=0)
    assert method_of(own).number == "found"
    assert set(fit_clusters(rows, own, 0, None)[0]) == {0, 1}
    assert not hasattr(own, "labels_")  # the caller's object is not touched


def test_hdbscan_takes_the_smallest_size_that_is_asked_for() -> None:
    rows = np.random.default_rng(0).normal(size=(90, 2)) + 30 * np.repeat([[0], [1], [2]], [60, 22, 8], axis=0)
    assert set(fit_clusters(rows, "hdbscan", 0, 0, min_cluster_size=5)[0]) >= {0, 1, 2}
    assert set(fit_clusters(rows, "hdbscan", 0, 0, min_cluster_size=20)[0]) <= {-1, 0, 1}
