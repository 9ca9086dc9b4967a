"""Axes and weights: exact distances and p-values, coordinates that are standard normal, Holm's correction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from aaetools.analysis.divergences import Target
from aaetools.analysis.marginals import (
    axis_matches,
    axis_null,
    drawn_components,
    g_statistic,
    holm,
    own_coordinates,
    smallest_axis_shift,
    smallest_moved_share,
    standardized,
    weight_match,
)
from aaetools.priors import make_prior

RING = make_prior("ring", n_dims=3, n_classes=4, weights=(0.4, 0.3, 0.2, 0.1))


def drawn(prior: Any, n: int, seed: int, labels: Any = None) -> Any:
    return prior.sample(n, labels, torch.Generator().manual_seed(seed)).numpy()


def target_of(prior: Any, n: int, closed: bool = True) -> Target:
    def draw(size: int, rng: np.random.Generator) -> Any:
        return drawn(prior, size, int(rng.integers(2**62)))

    return Target(n, prior.n_dims, draw, (0,), prior.gaussian_components() if closed else None)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def test_holm_matches_a_worked_example() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


def test_distances_and_p_values_along_axes_are_scipys() -> None:
    codes = drawn(make_prior("gaussian", n_dims=2, std=2.0), 80, 0) + np.float32([0.5, 0])
    found = axis_matches(codes, target_of(make_prior("gaussian", n_dims=2, std=2.0), 80), rng())
    assert [match.axis for match in found] == ["z0", "z1"]
    for axis, match in enumerate(found):
        peer = stats.kstest(codes[:, axis].astype(float), stats.norm(0, 2).cdf, method="exact")
        assert (match.distance, match.p_value) == pytest.approx((peer.statistic, peer.pvalue), abs=1e-6)
    assert [match.p_adjusted for match in found] == holm([match.p_value for match in found]).tolist()


def test_without_a_closed_form_codes_meet_a_reference_as_in_scipys_two_sample_test() -> None:
    prior = make_prior("uniform", n_dims=1)
    target, codes = target_of(prior, 50), drawn(prior, 50, 1)
    assert target.components is None
    peer = stats.ks_2samp(codes[:, 0], target.reference[:, 0], method="asymp")
    (match,) = axis_matches(codes, target, rng())
    assert (match.distance, match.p_value) == pytest.approx((peer.statistic, peer.pvalue), abs=1e-6)


def test_draws_are_standard_normal_along_the_components_own_axes() -> None:
    components = RING.gaussian_components()
    inside = standardized(drawn(RING, 4_000, 0, torch.full((4_000,), 2)), components, 2)
    assert np.abs(inside.mean(0)).max() < 0.08
    assert np.abs(np.cov(inside.T) - np.eye(3)).max() < 0.08
    own = own_coordinates(drawn(RING, 4_000, 1), components, rng())
    assert min(stats.kstest(own[:, axis], "norm").pvalue for axis in range(3)) > 0.01


def test_components_are_drawn_with_the_posterior_also_where_they_overlap() -> None:
    wide = make_prior("simplex", n_dims=1, n_classes=2, distance=1.0, weights=(0.7, 0.3))
    codes = np.full((4_000, 1), 0.2, dtype=np.float32)
    expected = float(wide.class_log_posterior(torch.tensor([[0.2]])).exp()[0, 0])
    share = (drawn_components(codes, wide.gaussian_components(), rng()) == 0).mean()
    assert share == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 4_000))


def test_a_bad_own_axis_is_named_where_latent_axes_hide_it() -> None:
    components = RING.gaussian_components()
    labels = torch.arange(800) % 4
    own = np.random.default_rng(0).standard_normal((800, 3))
    own[:, 0] = 0.9 * np.sign(own[:, 0]) + 0.4 * np.random.default_rng(1).standard_normal(800)
    codes = np.empty((800, 3), dtype=np.float32)
    for k in range(4):
        values, vectors = np.linalg.eigh(components.covariances[k])
        codes[labels == k] = own[labels == k] * np.sqrt(values) @ vectors.T + components.means[k]
    found = {match.axis: match.p_adjusted for match in axis_matches(codes, target_of(RING, 800), rng())}
    assert min(found, key=lambda axis: found[axis]) == "own 0"
    assert found["own 0"] < 1e-6


def test_the_null_of_the_largest_distance_is_that_of_simulated_uniforms() -> None:
    n, axes = 100, 6
    ordered = np.sort(np.random.default_rng(0).random((3_000, axes, n)), axis=-1)
    steps = np.arange(n + 1) / n
    largest = np.maximum(steps[1:] - ordered, ordered - steps[:-1]).max(axis=(1, 2))
    mean, q95 = axis_null(axes, n, target_of(make_prior("gaussian", n_dims=1), n))
    assert mean == pytest.approx(largest.mean(), rel=0.02)
    assert q95 == pytest.approx(np.quantile(largest, 0.95), rel=0.03)


def test_the_smallest_shift_along_an_axis_is_rejected_in_four_cases_of_five() -> None:
    target = target_of(make_prior("gaussian", n_dims=1), 200)
    shift = smallest_axis_shift(1, 200, target)
    codes = np.random.default_rng(0).standard_normal((500, 200)) + shift
    rejected = np.mean([stats.kstest(row, "norm", method="asymp").pvalue < 0.05 for row in codes])
    assert 0.7 < rejected < 0.92


def test_the_g_statistic_is_scipys() -> None:
    counts, shares = np.array([20, 30, 50]), np.array([0.3, 0.3, 0.4])
    peer = stats.power_divergence(counts, 100 * shares, lambda_="log-likelihood")
    assert g_statistic(counts, shares) == pytest.approx(peer.statistic)
    assert g_statistic(np.array([100, 0, 0]), shares) == pytest.approx(-200 * np.log(0.3))


@pytest.mark.parametrize("labelled", [True, False])
def test_weights_that_fit_are_met_and_others_are_not(labelled: bool) -> None:
    names = list("abcd")
    equal = torch.arange(400) % 4
    fitting = torch.multinomial(torch.tensor(RING.weights), 400, True, generator=torch.Generator().manual_seed(0))
    for labels, met in ((fitting, True), (equal, False)):
        known = labels.numpy() if labelled else np.where(np.arange(400) < 399, labels, -1)
        found = weight_match(drawn(RING, 400, 1, labels), RING, known, names, target_of(RING, 400), rng())
        assert found is not None
        assert found.source == ("labels" if labelled else "posterior")
        assert found.components == tuple("abcd")
        assert sum(found.shares) == pytest.approx(1)
        assert found.expected == pytest.approx(RING.weights)
        assert (found.p_value > 0.05) is met
        peer = stats.chi2.sf(found.g, 3)
        assert found.p_value == pytest.approx(peer, abs=0.02)


def test_weights_of_other_priors_are_counted_by_their_posterior() -> None:
    prior = make_prior("uniform", n_dims=2, n_classes=3)
    unknown = np.full(300, -1)
    codes = drawn(prior, 300, 1)
    found = weight_match(codes, prior, unknown, list("abc"), target_of(prior, 300), rng())
    assert found is not None
    assert found.source == "posterior"
    assert found.p_value > 0.01
    lopsided = drawn(prior, 300, 1, torch.zeros(300, dtype=torch.long))
    off = weight_match(lopsided, prior, unknown, list("abc"), target_of(prior, 300), rng())
    assert off is not None
    assert off.p_value < 0.001


def test_there_are_no_weights_without_components() -> None:
    prior = make_prior("gaussian", n_dims=2)
    assert weight_match(drawn(prior, 30, 0), prior, np.full(30, -1), [], target_of(prior, 30), rng()) is None


def test_the_smallest_moved_share_is_seen_in_four_cases_of_five() -> None:
    moved = smallest_moved_share(500, 4)
    shares = np.full(4, 0.25 - moved / 3)
    shares[0] = 0.25 + moved
    g = g_statistic(np.random.default_rng(0).multinomial(500, shares, size=4_000), np.full(4, 0.25))
    assert (g > stats.chi2.isf(0.05, 3)).mean() == pytest.approx(0.8, abs=0.04)
