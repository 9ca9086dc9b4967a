"""Priors: densities integrate to one, samples follow them, class regions hold apart."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch

from aaetools.exceptions import DataError
from aaetools.priors import (
    PRIORS,
    GaussianPrior,
    Prior,
    RingPrior,
    SampledPrior,
    SimplexPrior,
    UniformPrior,
    default_n_dims,
    make_prior,
)

CASES = [
    pytest.param(make_prior(name, n_dims=n_dims, n_classes=n_classes), id=f"{name}-d{n_dims}-k{n_classes}")
    for name in sorted(PRIORS)
    for n_dims, n_classes in [(2, 0), (2, 3), (2, 10), (3, 50), (12, 10)]
]
LABELLED = [case for case in CASES if case.values[0].n_classes]  # type: ignore[attr-defined]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("prior", CASES)
def test_samples_have_the_asked_shape_and_depend_on_the_generator_alone(prior: Prior) -> None:
    state = torch.random.get_rng_state()
    first, second, other = (prior.sample(50, generator=generator(seed)) for seed in (0, 0, 1))
    assert first.shape == (50, prior.n_dims)
    assert first.dtype == torch.float32
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.random.get_rng_state())
    assert prior.sample(0, generator=generator()).shape == (0, prior.n_dims)


@pytest.mark.parametrize("prior", [case for case in CASES if case.values[0].n_dims == 2])  # type: ignore[attr-defined]
@pytest.mark.slow
def test_the_density_integrates_to_one(prior: Prior) -> None:
    reach = float(prior.sample(5000, generator=generator()).abs().max()) + 1.5
    axis = torch.linspace(-reach, reach, 220)
    step = float(axis[1] - axis[0])
    grid = torch.cartesian_prod(axis, axis)
    mass = sum(float(prior.log_prob(part).exp().sum()) for part in grid.split(50_000)) * step**2
    assert mass == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("prior", [case for case in CASES if case.values[0].n_dims == 2])  # type: ignore[attr-defined]
def test_samples_follow_the_density(prior: Prior) -> None:
    # E_p[1 / p(z); z in A] is the area of A: importance sampling of a region's area by the prior's own draws
    z = prior.sample(8_000, generator=generator())
    weight = (-prior.log_prob(z)).exp()
    centre = z[0]
    inside = ((z - centre).abs() < 0.15).all(1) & torch.isfinite(weight)
    corner = centre - 0.15 + 0.3 * torch.rand(4000, 2, generator=generator(1))
    density = prior.log_prob(corner).exp()
    supported = float((density > 1e-6).float().mean()) * 0.09
    expected = float(density.mean()) * 0.09
    assert float(inside.float().mean()) == pytest.approx(expected, rel=0.25, abs=5e-3)
    assert supported > 0


@pytest.mark.parametrize("prior", LABELLED)
def test_draws_of_a_class_are_recognised_as_that_class(prior: Prior) -> None:
    labels = torch.arange(prior.n_classes).repeat_interleave(40)
    z = prior.sample(len(labels), labels, generator())
    posterior = prior.class_log_posterior(z)
    assert torch.allclose(posterior.exp().sum(1), torch.ones(len(labels)), atol=1e-4)
    least = 0.93 if prior.name == "swiss_roll" else 0.99  # neighbouring slices of the roll touch
    assert (posterior.argmax(1) == labels).float().mean() >= least


@pytest.mark.parametrize("prior", LABELLED)
def test_unlabelled_draws_come_from_the_whole_mixture_in_its_weights(prior: Prior) -> None:
    n = 6000
    z = prior.sample(n, torch.full((n,), -1), generator())
    counts = torch.bincount(prior.class_log_posterior(z).argmax(1), minlength=prior.n_classes)
    expected = n / prior.n_classes
    assert (counts - expected).abs().max() < 6 * math.sqrt(expected) + 0.1 * expected


@pytest.mark.parametrize("name", sorted(PRIORS))
def test_weights_set_the_shares_of_the_classes(name: str) -> None:
    prior = make_prior(name, n_dims=2, n_classes=3, weights=(0.6, 0.3, 0.1))
    z = prior.sample(8000, generator=generator())
    shares = torch.bincount(prior.class_log_posterior(z).argmax(1), minlength=3) / 8000
    assert shares.tolist() == pytest.approx([0.6, 0.3, 0.1], abs=0.03)


@pytest.mark.parametrize("prior", LABELLED)
def test_the_class_posterior_can_be_differentiated(prior: Prior) -> None:
    z = prior.sample(20, generator=generator()).requires_grad_()
    prior.class_log_posterior(z)[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    assert z.grad is not None
    assert torch.isfinite(z.grad).all()
    assert (z.grad != 0).any()


@pytest.mark.parametrize("prior", CASES)
def test_a_description_rebuilds_the_prior(prior: Prior) -> None:
    assert make_prior(prior.name, **prior.describe()) == prior


def test_the_ring_widens_until_neighbours_hold_apart() -> None:
    few, many = RingPrior(n_dims=2, n_classes=10), RingPrior(n_dims=2, n_classes=50)
    assert many.ring_radius > few.ring_radius
    for prior in (few, many):
        inner = (prior.ring_radius - 2 * prior.std_along) / prior.ring_radius * prior.means
        assert float((inner[0] - inner[1]).norm()) >= 5.99 * prior.std_across


@pytest.mark.parametrize(("n_dims", "n_classes"), [(9, 10), (12, 10), (3, 20), (2, 7), (1, 4), (32, 60)])
def test_simplex_corners_are_the_asked_distance_apart(n_dims: int, n_classes: int) -> None:
    prior = SimplexPrior(n_dims=n_dims, n_classes=n_classes)
    apart = torch.pdist(prior.means)
    assert float(apart.min()) == pytest.approx(prior.distance, rel=1e-4)
    if n_classes - 1 <= n_dims:
        assert float(apart.max()) == pytest.approx(prior.distance, rel=1e-4)


def test_a_users_sampler_is_a_prior_with_a_class_posterior() -> None:
    def squares(n: int, labels: torch.Tensor | None, generator: torch.Generator | None) -> torch.Tensor:
        assert labels is not None
        return torch.rand(n, 2, generator=generator) + 3 * labels[:, None]

    prior = SampledPrior(n_dims=2, n_classes=4, sampler=squares)
    labels = torch.arange(4).repeat_interleave(50)
    z = prior.sample(200, labels, generator())
    assert (prior.class_log_posterior(z).argmax(1) == labels).all()
    with pytest.raises(DataError, match="no density"):
        prior.log_prob(z)


def test_a_sampler_of_the_wrong_shape_is_refused() -> None:
    prior = SampledPrior(n_dims=2, sampler=lambda n, labels, generator: np.zeros((n, 3)))
    with pytest.raises(DataError, match=r"shape \(5, 3\), expected \(5, 2\)"):
        prior.sample(5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cube", "n_dims": 2}, "unknown prior 'cube'; choose from gaussian"),
        ({"name": "ring", "n_dims": 1, "n_classes": 3}, "at least 2 latent dimensions"),
        ({"name": "swiss_roll", "n_dims": 1, "n_classes": 3}, "at least 2 latent dimensions"),
        ({"name": "gaussian", "n_dims": 0}, "at least one latent dimension"),
        ({"name": "ring", "n_dims": 2, "n_classes": 2, "weights": [1.0]}, "1 prior weights given for 2"),
        ({"name": "ring", "n_dims": 2, "n_classes": 2, "weights": [0.9, 0.9]}, "sum to 1"),
        ({"name": "ring", "n_dims": 2, "n_classes": -2}, "-2 classes"),
    ],
)
def test_impossible_priors_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_prior(**arguments)  # type: ignore[arg-type]


def test_asking_a_prior_for_what_it_has_not_is_an_error() -> None:
    plain = make_prior("gaussian", n_dims=2)
    with pytest.raises(DataError, match="without classes"):
        plain.class_log_posterior(torch.zeros(1, 2))
    classes = make_prior("ring", n_dims=2, n_classes=3)
    with pytest.raises(DataError, match="class code 3"):
        classes.sample(1, torch.tensor([3]))
    with pytest.raises(DataError, match="for 2 draws"):
        classes.sample(2, torch.tensor([0]))


def test_priors_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        make_prior("ring", n_dims=2, n_classes=3).n_dims = 3  # type: ignore[misc]


def test_default_latent_sizes() -> None:
    assert default_n_dims("simplex", 10) == 11
    assert default_n_dims("simplex", 500) == 34
    assert default_n_dims("ring", 10) == 2


@pytest.mark.parametrize("prior", LABELLED)
def test_separated_priors_have_next_to_no_mass_between_their_classes(prior: Prior) -> None:
    best = prior.class_log_posterior(prior.sample(2000, generator=generator())).topk(2, dim=1).values
    doubtful = float(((best[:, 0] - best[:, 1]) < 1).float().mean())
    assert (doubtful < 0.008) is prior.separated


@pytest.mark.parametrize("prior", CASES)
def test_gaussian_components_have_the_moments_of_draws_and_the_density(prior: Prior) -> None:
    said = prior.gaussian_components()
    if said is None:
        assert prior.name in ("swiss_roll", "uniform")
        return
    k, d = len(said.weights), prior.n_dims
    assert said.weights.sum() == pytest.approx(1)
    assert (said.means.shape, said.covariances.shape) == ((k, d), (k, d, d))
    z = prior.sample(200, generator=generator())
    parts = [
        math.log(weight) + torch.distributions.MultivariateNormal(torch.tensor(mean), torch.tensor(cov)).log_prob(z)
        for weight, mean, cov in zip(said.weights, said.means, said.covariances, strict=True)
    ]
    whole = prior.log_prob(z)
    assert torch.allclose(torch.stack(parts).logsumexp(0), whole.double(), atol=2e-3)
    if k == prior.n_classes:
        draws = prior.sample(4_000, torch.full((4_000,), k - 1), generator(1)).double().numpy()
        error = np.sqrt(np.diag(said.covariances[-1]) / 4_000)
        assert (np.abs(draws.mean(0) - said.means[-1]) < 5 * error).all()


@pytest.mark.parametrize("cls", [GaussianPrior, UniformPrior])
def test_weights_whose_sum_rounds_to_more_than_one_leave_no_gap(cls: type[Prior]) -> None:
    for seed in range(60):
        weights = np.random.default_rng(seed).dirichlet(np.ones(13))
        prior = cls(n_dims=1, n_classes=13, weights=tuple(weights / weights.sum()))
        posterior = prior.class_log_posterior(torch.linspace(-3, 3, 7)[:, None]).exp()
        torch.testing.assert_close(posterior.sum(1), torch.ones_like(posterior[:, 0]))
