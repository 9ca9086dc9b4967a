"""The statistics are what they claim to be: closed forms, other libraries' numbers, and what follows from both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import gamma, hyp1f1
from scipy.stats import energy_distance, wasserstein_distance_nd

from aaetools.analysis import divergences
from aaetools.analysis.divergences import DIVERGENCES, Samples, Target, divergence, mmd
from aaetools.exceptions import DataError
from aaetools.priors import GaussianComponents, make_prior

NAMES = sorted(DIVERGENCES)
MIXTURES = {
    "gaussian": make_prior("gaussian", n_dims=3),
    "ring": make_prior("ring", n_dims=3, n_classes=4),
    "simplex": make_prior("simplex", n_dims=3, n_classes=3, weights=(0.5, 0.3, 0.2)),
}


def normal(n: int, d: int, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def target_of(prior: Any, n: int, closed: bool = True, seed: int = 0) -> Target:
    def draw(size: int, rng: np.random.Generator) -> Any:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        return prior.sample(size, generator=generator).numpy()

    return Target(n, prior.n_dims, draw, (seed,), prior.gaussian_components() if closed else None)


def standard_normal(n: int, d: int) -> Target:
    components = GaussianComponents(np.ones(1), np.zeros((1, d)), np.eye(d)[None])
    return Target(n, d, lambda size, rng: rng.standard_normal((size, d), dtype=np.float32), (0,), components)


def value(target: Target, name: str, codes: Any) -> float:
    return float(target.statistic(name)(Samples(codes[None], target))[0])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("closed", [True, False])
def test_statistics_grow_with_a_shift(name: str, closed: bool) -> None:
    target, codes = target_of(MIXTURES["gaussian"], 400, closed), normal(400, 3, 1)
    values = [value(target, name, codes + np.float32(shift)) for shift in (0.0, 0.3, 1.0, 3.0)]
    assert values == sorted(values)
    assert values[-1] > 10 * max(values[0], 1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_of_samples_gives_what_each_sample_gives_alone(name: str) -> None:
    target, stack = target_of(MIXTURES["ring"], 200), normal(600, 3, 1).reshape(3, 200, 3)
    alone = [value(target, name, sample) for sample in stack]
    np.testing.assert_allclose(target.statistic(name)(Samples(stack, target)), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["mmd", "energy"])
@pytest.mark.parametrize("d", [1, 2, 8])
def test_unbiased_statistics_average_to_zero_under_the_null(name: str, d: int) -> None:
    target = standard_normal(100, d)
    values = target.statistic(name)(Samples(normal(300 * 100, d, 1).reshape(300, 100, d), target))
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))


@pytest.mark.parametrize("prior", MIXTURES)
def test_the_unbiased_mmd_of_mixtures_averages_to_zero_by_pairs_and_by_features(
    prior: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in (1_000, 10):
        monkeypatch.setattr(divergences, "_N_PAIRED", limit)
        target = target_of(MIXTURES[prior], 60)
        stack = target.draw(400 * 60, np.random.default_rng(5)).reshape(400, 60, 3)
        values = target.statistic("mmd")(Samples(stack, target))
        assert abs(values.mean()) < 3 * values.std() / np.sqrt(len(values))


def test_mmd_to_the_standard_normal_is_the_closed_form_of_its_kernels() -> None:
    d, codes = 2, (0.6 * normal(300, 2, 1) + 0.5).astype(np.float64)
    n, exact = len(codes), 0.0
    norms = np.square(codes).sum(1)
    for h2 in (4.0 * d, 1.0 * d, d / 4, d / 16):  # the bandwidths, from d/16 to 4 d
        kernel = np.exp(-np.square(codes[:, None] - codes[None]).sum(2) / (2 * h2))
        within = (kernel.sum() - n) / (n * (n - 1))
        across = ((h2 / (h2 + 1)) ** (d / 2) * np.exp(-norms / (2 * (h2 + 1)))).mean()
        exact += (within - 2 * across + (h2 / (h2 + 2)) ** (d / 2)) / 4
    assert value(standard_normal(n, d), "mmd", codes.astype(np.float32)) == pytest.approx(exact, abs=1e-6)


@pytest.mark.parametrize("prior", MIXTURES)
def test_closed_kernel_means_are_what_draws_average_to(prior: str) -> None:
    target = target_of(MIXTURES[prior], 50)
    x = target.draw(5, np.random.default_rng(8)).astype(np.float64)
    y, other = (target.draw(20_000, np.random.default_rng(s)).astype(np.float64) for s in (1, 2))
    assert target.components is not None
    for h2 in (0.05, 1.0, 20.0):
        both = np.exp(-np.square(y - other).sum(1) / (2 * h2))
        error = both.std() / np.sqrt(len(both))
        assert abs(both.mean() - divergences._mean_kernel(target.components, h2)) < 3 * error
    # the whole statistic: with x fixed, only E k(x, Y) and E k(Y, Y') are the target's, and both come from draws here
    small = target_of(MIXTURES[prior], 5)
    squared = divergences._bandwidths(small)
    pairs = np.square(x[:, None] - x[None]).sum(2)
    draws = np.zeros(20_000)
    within = 0.0
    for h2 in squared:
        draws += np.exp(-np.square(y - other).sum(1) / (2 * h2)) / len(squared)
        draws -= 2 * np.exp(-np.square(x[:, None] - y[None]).sum(2) / (2 * h2)).mean(axis=0) / len(squared)
        within += (np.exp(-pairs / (2 * h2)).sum() - 5) / 20 / len(squared)
    found = value(small, "mmd", x.astype(np.float32)) - within
    assert abs(draws.mean() - found) < 3 * draws.std() / np.sqrt(len(draws)) + 1e-6


@pytest.mark.parametrize("prior", MIXTURES)
def test_features_are_close_to_all_pairs(prior: str, monkeypatch: pytest.MonkeyPatch) -> None:
    target = target_of(MIXTURES[prior], 500)
    codes = 0.8 * target.draw(500, np.random.default_rng(3)) + np.float32(0.3)
    exact = value(target, "mmd", codes)
    monkeypatch.setattr(divergences, "_N_PAIRED", 10)
    again = target_of(MIXTURES[prior], 500)
    assert value(again, "mmd", codes) == pytest.approx(exact, rel=0.3)


@pytest.mark.parametrize("name", ["sliced_wasserstein", "max_sliced_wasserstein", "energy", "frechet"])
@pytest.mark.parametrize("prior", MIXTURES)
def test_closed_forms_agree_with_a_large_reference(name: str, prior: str) -> None:
    closed, drawn = target_of(MIXTURES[prior], 300), target_of(MIXTURES[prior], 300, closed=False)
    codes = 1.2 * closed.draw(300, np.random.default_rng(3)) + np.float32(0.4)
    assert value(closed, name, codes) == pytest.approx(value(drawn, name, codes), rel=0.15)


def test_energy_is_close_to_its_closed_form() -> None:
    codes = 0.7 * normal(400, 3, 1) + np.float32(0.4)
    norms = np.square(codes.astype(float)).sum(1)
    mean_to_normal = np.sqrt(2) * gamma(2) / gamma(1.5) * hyp1f1(-0.5, 1.5, -norms / 2)
    between = np.sqrt(np.square(codes[:, None] - codes[None]).sum(2)).sum() / (400 * 399)
    exact = 2 * mean_to_normal.mean() - between - 2 * gamma(2) / gamma(1.5)
    assert value(standard_normal(400, 3), "energy", codes) == pytest.approx(exact, rel=0.1)


def test_energy_in_one_dimension_is_scipys_but_for_the_diagonals() -> None:
    codes, reference = 3 * normal(50, 1, 1) + 4, normal(200, 1, 0)

    def mean_distance(a: NDArray[Any]) -> float:
        return float(np.abs(a - a.T).mean())

    # scipy gives the root of the V-statistic, whose means include each code's distance of 0 to itself
    biased = energy_distance(codes[:, 0], reference[:, 0]) ** 2
    unbiased = biased - mean_distance(codes) / 49 - mean_distance(reference) / 199
    assert divergence(codes, reference, "energy") == pytest.approx(unbiased, rel=1e-3)


def test_sliced_wasserstein_in_one_dimension_is_the_distance_between_quantile_functions() -> None:
    codes, reference = normal(30, 1, 1) + 1, normal(90, 1, 0)
    repeated = np.sort(np.repeat(codes[:, 0], 3))
    exact = np.sqrt(np.square(repeated - np.sort(reference[:, 0])).mean())
    for name in ("sliced_wasserstein", "max_sliced_wasserstein"):
        assert divergence(codes, reference, name) == pytest.approx(exact, rel=1e-5)


def test_sliced_wasserstein_is_that_of_pot_on_the_same_projections() -> None:
    ot = pytest.importorskip("ot")
    codes, reference = normal(200, 5, 1) * np.float32(1.3), normal(200, 5, 2)
    target = Target(200, 5, lambda n, rng: reference, (0,), given=reference)
    thetas = target.directions.T.astype(np.float64)
    for name, peer in {
        "sliced_wasserstein": lambda: ot.sliced_wasserstein_distance(codes, reference, projections=thetas),
        "max_sliced_wasserstein": lambda: ot.max_sliced_wasserstein_distance(
            codes, reference, projections=np.concatenate([thetas, np.eye(5)], axis=1)
        ),
    }.items():
        assert value(target, name, codes) == pytest.approx(float(peer()), abs=1e-6)


def by_geomloss(kind: str, codes: Any, reference: Any, blur: float = 1.0) -> float:
    """Return geomloss' distance without the share of its means that is each point's distance to itself."""
    loss = pytest.importorskip("geomloss").SamplesLoss(kind, blur=blur, backend="tensorized")
    own = {"energy": 0.0, "gaussian": 1.0}[kind]  # what the kernel gives for a point and itself
    found, sign = 2 * float(loss(torch.as_tensor(codes).double(), torch.as_tensor(reference).double())), 2 * own - 1
    for points in (codes, reference):
        n, apart = len(points), cdist(points, points)
        mean = float((apart if kind == "energy" else np.exp(-np.square(apart / blur) / 2)).mean())
        found += sign * ((n * mean - own) / (n - 1) - mean)
    return found


@pytest.mark.parametrize("prior", MIXTURES)
@pytest.mark.parametrize("name", ["mmd", "energy"])
def test_kernel_distances_average_over_features_and_directions_to_those_of_geomloss(name: str, prior: str) -> None:
    drawn = target_of(MIXTURES[prior], 150)
    codes = 0.8 * drawn.draw(150, np.random.default_rng(3)) + np.float32(0.3)
    reference = drawn.draw(600, np.random.default_rng(4))
    targets = [Target(150, 3, drawn.draw, (seed,), given=reference) for seed in range(30)]
    found = np.array([value(target, name, codes) for target in targets])
    if name == "energy":
        exact = by_geomloss("energy", codes, reference)
    else:
        blurs = np.sqrt(divergences._bandwidths(targets[0]))
        exact = float(np.mean([by_geomloss("gaussian", codes, reference, float(blur)) for blur in blurs]))
    assert abs(found.mean() - exact) < 3 * found.std(ddof=1) / np.sqrt(len(found))


def test_sliced_distances_lie_below_the_wasserstein_distance() -> None:
    codes, reference = normal(60, 3, 1) + 1, normal(60, 3, 2)
    # scipy's is of order 1, and order 2 is never less; a projection shortens distances
    whole = np.sqrt(np.square(codes - reference).sum(1).mean())
    assert wasserstein_distance_nd(codes, reference) <= whole
    largest = divergence(codes, reference, "max_sliced_wasserstein")
    assert divergence(codes, reference, "sliced_wasserstein") <= largest <= whole


@pytest.mark.parametrize("d", [1, 4])
def test_the_frechet_distance_of_a_shift_and_a_scale_is_known(d: int) -> None:
    codes = normal(20_000, d, 0)
    codes = (codes - codes.mean(0)) / codes.std(0, ddof=1)
    values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(codes.T)))
    codes = (codes @ vectors / np.sqrt(values)).astype(np.float32)
    found = value(standard_normal(len(codes), d), "frechet", 2 * codes + np.float32(3))
    assert found == pytest.approx(9 * d + d, rel=1e-3)


def test_the_nearest_neighbour_divergence_of_two_normals_is_near_its_closed_form() -> None:
    codes = 0.5 * normal(2_000, 2, 1) + np.array([1, 0], dtype=np.float32)
    exact = 0.5 * (2 * 0.25 + 1 - 2 - 2 * np.log(0.25))
    assert value(standard_normal(2_000, 2), "knn_kl", codes) == pytest.approx(exact, rel=0.1)


def test_the_nearest_neighbour_divergence_is_refused_above_four_dimensions() -> None:
    with pytest.raises(DataError, match="not computed above 4 latent dimensions"):
        divergence(normal(50, 5, 0), normal(200, 5, 1), "knn_kl")


@pytest.mark.parametrize("name", NAMES)
def test_collapsed_codes_give_a_finite_number(name: str) -> None:
    for closed in (True, False):
        assert np.isfinite(value(target_of(MIXTURES["gaussian"], 100, closed), name, np.zeros((100, 3), np.float32)))


def test_bandwidths_reach_from_a_sixteenth_of_the_variance_to_four_times() -> None:
    assert divergences._bandwidths(standard_normal(10, 8)) == pytest.approx([32, 8, 2, 0.5])
    fine = divergences._bandwidths(target_of(MIXTURES["ring"], 10))
    assert fine[0] > 4
    assert fine[-1] <= (2 * 0.5**2 + 0.1**2) / 16 * 1.001


def test_targets_made_alike_are_alike_and_streams_do_not_meet() -> None:
    first, second, other = (target_of(MIXTURES["ring"], 30, seed=seed) for seed in (1, 1, 2))
    assert (first.directions == second.directions).all()
    assert (first.reference == second.reference).all()
    assert not (first.reference == other.reference).all()
    assert first.rng(3).random() != first.rng(4).random()
    assert mmd(first)(Samples(normal(30, 3, 0)[None], first)) == mmd(second)(Samples(normal(30, 3, 0)[None], second))


def test_bad_input_is_named() -> None:
    with pytest.raises(DataError, match="unknown statistic 'mdm'"):
        divergence(normal(5, 2, 0), normal(9, 2, 0), "mdm")
    with pytest.raises(DataError, match="3 columns but the reference has 2"):
        divergence(normal(5, 3, 0), normal(9, 2, 0))
    with pytest.raises(DataError, match="at least as many rows of reference"):
        divergence(normal(9, 2, 0), normal(5, 2, 0))
    with pytest.raises(DataError, match="two dimensions"):
        divergence(np.zeros(5), normal(5, 2, 0))
