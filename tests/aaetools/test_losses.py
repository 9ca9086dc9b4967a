"""Losses: their values where the theory gives them, no rows, and gradients."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from aaetools.losses import (
    adversarial_direction,
    bernoulli_loss,
    categorical_divergence,
    categorical_loss,
    discriminator_loss,
    generator_loss,
    mean_or_zero,
    negative_binomial_loss,
    reconstruction_loss,
    squared_loss,
)


def test_an_undecided_discriminator_has_the_losses_of_the_theory() -> None:
    logits = torch.zeros(10)
    assert float(discriminator_loss(logits, logits)) == pytest.approx(2 * math.log(2))
    assert float(generator_loss(logits)) == pytest.approx(math.log(2))


def test_prior_draws_are_the_positives() -> None:
    sure = torch.full((4,), 5.0)
    assert discriminator_loss(sure, -sure) < 0.05
    assert discriminator_loss(-sure, sure) > 5


def test_the_encoder_wants_its_codes_taken_for_prior_draws() -> None:
    assert generator_loss(torch.tensor([5.0])) < generator_loss(torch.tensor([-5.0]))


def test_the_generator_loss_does_not_saturate_where_the_discriminator_is_sure() -> None:
    logits = torch.tensor([-20.0], requires_grad=True)
    generator_loss(logits).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert float(logits.grad) == pytest.approx(-1, abs=1e-3)


@pytest.mark.parametrize("huge", [1e4, -1e4])
def test_adversarial_losses_stay_finite_at_huge_logits(huge: float) -> None:
    logits = torch.tensor([huge])
    assert torch.isfinite(discriminator_loss(logits, logits))
    assert torch.isfinite(generator_loss(logits))


def test_a_loss_over_no_rows_is_zero() -> None:
    nothing = torch.empty(0)
    assert float(mean_or_zero(nothing)) == 0
    assert float(discriminator_loss(nothing, nothing)) == 0
    assert float(reconstruction_loss(torch.empty(0, 3), torch.empty(0, 3))) == 0


def test_weights_scale_rows() -> None:
    logits = torch.tensor([0.0, 5.0])
    one = float(generator_loss(logits[:1]))
    assert float(generator_loss(logits, torch.tensor([2.0, 0.0]))) == pytest.approx(one)
    assert float(discriminator_loss(logits, logits, torch.zeros(2))) == 0


def test_reconstruction_is_half_the_mean_squared_error() -> None:
    assert float(reconstruction_loss(torch.ones(2, 3), torch.zeros(2, 3))) == 0.5


def test_divergence_is_zero_for_equals_and_positive_otherwise() -> None:
    p = torch.tensor([[0.7, 0.2, 0.1]]).log()
    q = torch.tensor([[0.1, 0.2, 0.7]]).log()
    assert float(categorical_divergence(p, p)) == 0
    assert float(categorical_divergence(p, q)) == pytest.approx(0.6 * math.log(7))


def test_the_adversarial_direction_is_the_one_that_matters() -> None:
    # only the first of five inputs moves the posterior, so the direction must point along it
    def log_posterior(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([3 * x[:, 0], -3 * x[:, 0]], dim=1).log_softmax(1)

    x = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    direction = adversarial_direction(
        log_posterior, x, log_posterior(x), xi=0.1, generator=torch.Generator().manual_seed(1)
    )
    assert torch.allclose(direction.norm(dim=1), torch.ones(20))
    assert (direction[:, 0].abs() > 0.999).all()


@pytest.mark.parametrize("dispersion", [0.3, 2.0, 50.0])
def test_the_negative_binomial_is_that_of_scipy(dispersion: float) -> None:
    counts, mean = torch.tensor([0.0, 1, 7, 300]).double(), torch.tensor([0.01, 1.0, 9.0, 250.0]).double()
    found = negative_binomial_loss(mean.log()[:, None], torch.tensor([dispersion]).double().log(), counts[:, None])
    p = dispersion / (dispersion + mean.numpy())
    assert found[:, 0].numpy() == pytest.approx(-stats.nbinom.logpmf(counts.numpy(), dispersion, p), rel=1e-6)


def test_the_negative_binomial_sums_to_one_and_becomes_poisson() -> None:
    counts = torch.arange(400.0)[:, None].double()
    mean, dispersion = torch.tensor([9.0]).double(), torch.tensor([1.5]).double()
    p = (-negative_binomial_loss(mean.log(), dispersion.log(), counts)).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-6)
    assert float((p * counts).sum()) == pytest.approx(9, rel=1e-5)
    assert float((p * (counts - 9).square()).sum()) == pytest.approx(9 + 81 / 1.5, rel=1e-4)
    poisson = -torch.distributions.Poisson(mean).log_prob(counts[:30])
    large = negative_binomial_loss(mean.log(), torch.tensor([1e7]).double().log(), counts[:30])
    assert torch.allclose(large, poisson, atol=1e-4)


def test_the_negative_binomial_is_finite_where_means_are_extreme_and_least_at_the_count() -> None:
    log_mean = torch.tensor([[-20.0], [0.0], [40.0]], requires_grad=True)
    loss = negative_binomial_loss(log_mean, torch.zeros(1), torch.full((3, 1), 5.0))
    loss.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss).all()
    assert log_mean.grad is not None
    assert torch.isfinite(log_mean.grad).all()
    at = torch.linspace(-2, 5, 701)[:, None]
    assert float(at[negative_binomial_loss(at, torch.zeros(1), torch.tensor([7.0])).argmin()]) == pytest.approx(
        math.log(7), abs=0.01
    )


def test_bernoulli_and_categorical_are_those_of_torch() -> None:
    logits = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    x = (logits > 0).float()
    assert torch.allclose(bernoulli_loss(logits, x), -torch.distributions.Bernoulli(logits=logits).log_prob(x))
    one_hot = torch.eye(4)[[0, 1, 2, 3, 0, 1]]
    expected = -torch.distributions.OneHotCategorical(logits=logits).log_prob(one_hot)
    assert torch.allclose(categorical_loss(logits, one_hot), expected)
    assert float(categorical_loss(logits, torch.zeros(6, 4)).abs().sum()) == 0, "an unknown level costs nothing"


def test_the_squared_loss_is_the_reconstruction_loss_of_each_cell() -> None:
    x_hat, x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    assert float(squared_loss(x_hat, x).mean()) == pytest.approx(float(reconstruction_loss(x_hat, x)))
    normal = -torch.distributions.Normal(x_hat, 1.0).log_prob(x) - 0.5 * math.log(2 * math.pi)
    assert torch.allclose(squared_loss(x_hat, x), normal, atol=1e-6)
