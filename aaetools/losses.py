"""Reconstruction, adversarial and consistency terms: functions of tensors, each with its source.

A term over no rows is 0, not NaN. Adversarial terms take logits, and so do those of booleans and categories.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "adversarial_direction",
    "bernoulli_loss",
    "categorical_divergence",
    "categorical_loss",
    "discriminator_loss",
    "generator_loss",
    "mean_or_zero",
    "negative_binomial_loss",
    "reconstruction_loss",
    "squared_loss",
]


def mean_or_zero(per_row: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the mean over rows, each times its weight if given, and 0 where there are no rows."""
    weighted = per_row if weight is None else weight * per_row
    return weighted.sum() / max(per_row.shape[0], 1)


def reconstruction_loss(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return half the squared error per feature, averaged over rows (Makhzani et al. 2015, appendix A)."""
    return 0.5 * mean_or_zero((x_hat - x).square().mean(dim=1))


def squared_loss(x_hat: Tensor, x: Tensor) -> Tensor:
    """Return half the squared error of each cell, which is -log N(x; x_hat, 1) up to a constant."""
    return 0.5 * (x_hat - x).square()


def bernoulli_loss(logits: Tensor, x: Tensor) -> Tensor:
    """Return -log Bernoulli(x; sigmoid(logits)) of each cell, x in [0, 1] (Kingma and Welling 2014, appendix C.1)."""
    return functional.binary_cross_entropy_with_logits(logits, x, reduction="none")


def categorical_loss(logits: Tensor, x: Tensor) -> Tensor:
    """Return the cross-entropy -log softmax(logits) at the level of each row, shape (n,) (Bishop 2006, eq. 4.108).

    Both have shape (n, n_levels), ``x`` is one-hot. A row of zeros, a level that is not known, costs nothing.
    """
    return -(x * logits.log_softmax(dim=1)).sum(dim=1)


def negative_binomial_loss(log_mean: Tensor, log_dispersion: Tensor, x: Tensor) -> Tensor:
    """Return -log NB(x; mean, dispersion) of each cell, in nats (Lopez et al. 2018, scVI, methods).

    The variance is mean + mean^2 / dispersion: a large dispersion parameter makes it a Poisson distribution. Written
    in logarithms, so that neither a mean of 0 nor a huge one overflows.

    Parameters
    ----------
    log_mean
        Shape (n, n_counts).
    log_dispersion
        One per column, shape (n_counts,).
    x
        Counts from 0 on, shape (n, n_counts).
    """
    dispersion, log_odds = log_dispersion.exp(), log_mean - log_dispersion
    constant = torch.lgamma(dispersion) + torch.lgamma(x + 1) - torch.lgamma(x + dispersion)
    return constant + (dispersion + x) * functional.softplus(log_odds) - x * log_odds


def discriminator_loss(prior_logits: Tensor, posterior_logits: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return D's cross-entropy: prior draws are positive, encoded rows negative (section 2).

    2 log 2 = 1.386 where D cannot tell the two apart and rows weigh 1.
    """
    return mean_or_zero(functional.softplus(-prior_logits) + functional.softplus(posterior_logits), weight)


def generator_loss(posterior_logits: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the encoder's non-saturating loss, -log D(encoder(x)) (Goodfellow et al. 2014, section 3).

    log 2 = 0.693 where D cannot tell encoded rows from prior draws and rows weigh 1.
    """
    return mean_or_zero(functional.softplus(-posterior_logits), weight)


def categorical_divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return KL(p || q) of each row for log-probabilities of shape (n, K); shape (n,), never negative."""
    return (log_p.exp() * (log_p - log_q)).sum(dim=1)


def adversarial_direction(
    log_posterior: Callable[[Tensor], Tensor],
    x: Tensor,
    reference: Tensor,
    *,
    xi: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return the unit direction that changes the class posterior most (Miyato et al. 2018, section 3.3).

    One step of power iteration from a random direction: the gradient of KL(reference || posterior(x + xi d)).

    Parameters
    ----------
    log_posterior
        Maps inputs (n, n_features) to log-probabilities (n, K).
    x
        Inputs, shape (n, n_features).
    reference
        ``log_posterior(x)``, without gradient.
    xi
        Length of the finite-difference step, in input units.

    Returns
    -------
    Tensor, shape (n, n_features), rows of length 1, without gradient
    """
    direction = torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)
    direction = functional.normalize(direction, dim=1).requires_grad_()
    divergence = categorical_divergence(reference, log_posterior(x + xi * direction)).sum()
    (gradient,) = torch.autograd.grad(divergence, direction)
    return functional.normalize(gradient, dim=1)
