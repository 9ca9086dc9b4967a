"""Consistency of the prior's class posterior under small changes of the input. It uses no label."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aaetools.losses import adversarial_direction, categorical_divergence, mean_or_zero
from aaetools.priors import Prior
from aaetools.training.augmentation import Augmentation
from aaetools.training.precision import full_precision

__all__ = ["AdversarialConsistency", "AugmentationConsistency", "posterior_temperature"]


class _Consistency:
    """The class posterior that is to be kept, and its divergence from that of changed inputs.

    The posterior is tempered: its log-odds are divided by ``temperature``, because the regions of a good prior lie so
    far apart that the exact posterior has no gradient between them.
    """

    def __init__(self, encoder: nn.Module, prior: Prior, *, weight: float, temperature: float) -> None:
        self.encoder = encoder
        self.prior = prior
        self.weight = weight
        self.temperature = temperature

    def _divergence(self, reference: Tensor, changed: Tensor) -> Tensor:
        return self.weight * mean_or_zero(categorical_divergence(reference, self._posterior_of_inputs(changed)))

    def _posterior_of_inputs(self, x: Tensor) -> Tensor:
        return self._tempered(self.encoder(x))

    def _tempered(self, z: Tensor) -> Tensor:
        with full_precision(z):
            return (self.prior.class_log_posterior(z.float()) / self.temperature).log_softmax(dim=1)


class AdversarialConsistency(_Consistency):
    """Virtual adversarial consistency (Miyato et al. 2018) of p(k | z(x)), the prior's class posterior.

    The term is KL(p(k | z(x)) || p(k | z(x + r))), averaged over rows, with r the direction of length ``radius`` that
    changes the posterior most.
    """

    def __init__(
        self,
        encoder: nn.Module,
        prior: Prior,
        *,
        weight: float,
        temperature: float,
        radius: float,
        generator: torch.Generator,
        xi: float = 0.1,
    ) -> None:
        super().__init__(encoder, prior, weight=weight, temperature=temperature)
        self.radius = radius
        self.generator = generator
        self.xi = xi

    def __call__(self, x: Tensor, z: Tensor, progress: float) -> Tensor:
        """Return the weighted term for inputs x (n, n_features) with codes z (n, n_components)."""
        reference = self._tempered(z.detach())
        direction = adversarial_direction(self._posterior_of_inputs, x, reference, xi=self.xi, generator=self.generator)
        return self._divergence(reference, x + self.radius * direction)


class AugmentationConsistency(_Consistency):
    """Consistency of p(k | z(x)) under random augmentation (Xie et al. 2020, section 3; Sajjadi et al. 2016)."""

    def __init__(
        self, encoder: nn.Module, prior: Prior, *, weight: float, temperature: float, augment: Augmentation
    ) -> None:
        super().__init__(encoder, prior, weight=weight, temperature=temperature)
        self.augment = augment

    def __call__(self, x: Tensor, z: Tensor, progress: float) -> Tensor:
        """Return the weighted term for inputs x (n, n_features), and codes z (n, n_components) of another view."""
        return self._divergence(self._tempered(z.detach()), self.augment(x))


def posterior_temperature(prior: Prior, sharpness: float, n: int = 1000) -> float:
    """Return the temperature at which a typical prior draw's class has log-odds ``sharpness``; at least 1."""
    if prior.n_classes < 2:
        return 1.0
    z = prior.sample(n, generator=torch.Generator().manual_seed(0))
    best = prior.class_log_posterior(z).topk(2, dim=1).values
    return max(1.0, float((best[:, 0] - best[:, 1]).median()) / sharpness)
