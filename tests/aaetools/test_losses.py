"""Losses: their values where the theory gives them, no rows, and gradients."""

from __future__ import annotations

import math

import pytest
import torch

from aaetools.losses import (
    adversarial_direction,
    categorical_divergence,
    discriminator_loss,
    generator_loss,
    mean_or_zero,
    reconstruction_loss,
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
