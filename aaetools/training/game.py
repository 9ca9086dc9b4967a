"""The adversarial game between an autoencoder and its discriminators (Makhzani et al. 2015, section 2).

A variant of the paper is a choice of three things: what each discriminator sees (:class:`LatentMatch`), what the
decoder gets, and which further terms the encoder minimises (:class:`Term`). The loop and this step know none of
them by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel

from aaetools.exceptions import TrainingError
from aaetools.losses import discriminator_loss, generator_loss, reconstruction_loss
from aaetools.networks import Discriminator
from aaetools.priors import Prior
from aaetools.training.augmentation import Augmentation
from aaetools.training.batches import Batch
from aaetools.training.precision import full_precision
from aaetools.training.state import State, optimizer_state, restore_optimizer

__all__ = ["AdversarialGame", "LatentMatch", "Term", "blurred", "linear_decay", "linear_ramp"]


class Term(Protocol):
    """A further term of the encoder's loss. It never sees the batch's class codes, only inputs and codes z."""

    def __call__(self, x: Tensor, z: Tensor, progress: float) -> Tensor:
        """Return the weighted term, a scalar."""


@dataclass(frozen=True, eq=False)
class LatentMatch:
    """One adversarial match: a discriminator pushes codes toward a prior.

    With ``n_classes`` > 0 it is the match of section 2.3: a labelled row is compared with draws from its class's
    region, and an unlabelled one, marked by the extra entry, with draws from the whole prior. Labelled and
    unlabelled parts are averaged apart, so that few labels weigh as much as many unlabelled rows.

    Attributes
    ----------
    unlabeled_weight
        Weight of the unlabelled part as a function of progress; 1 throughout in the paper. Ramping it up lets the
        labels place their classes before the unlabelled rows settle. It does not apply where there are no labels.
    class_weights
        Weight of each class in the labelled part, shape (n_classes,); equal in the paper.
    noise
        Standard deviation of Gaussian noise on every code that D sees, drawn or encoded; 0 in the paper. It keeps
        the two overlapping, so that D's gradient does not vanish (Arjovsky and Bottou 2017, section 3).
    """

    prior: Prior
    discriminator: Discriminator
    generator: torch.Generator
    unlabeled_weight: Callable[[float], float] = lambda progress: 1.0
    noise: float = 0.0
    class_weights: Tensor | None = None

    @property
    def n_classes(self) -> int:
        """Classes that D can be told about; 0 for the plain match of section 2."""
        return max(self.discriminator.n_entries - 1, 0)

    def entries(self, batch: Batch) -> Tensor | None:
        """Return the label rows that D sees, one-hot with the extra "no label" entry last, shape (n_judged, K+1)."""
        if self.n_classes == 0:
            return None
        judged = batch.judged_codes()
        codes = torch.where(judged < 0, self.n_classes, judged)
        return functional.one_hot(codes, self.n_classes + 1).to(batch.x.dtype)

    def draw(self, batch: Batch) -> Tensor:
        """Draw one prior code per row that D sees: from its class, or from the whole prior where it has no label."""
        codes = batch.judged_codes()
        with full_precision(codes):
            return self.prior.sample(len(codes), codes if self.n_classes else None, self.generator)

    def discriminator_step(
        self, batch: Batch, z: Tensor, entries: Tensor | None, progress: float
    ) -> tuple[Tensor, Tensor]:
        """Return D's loss, and the share of draws and codes that it tells apart."""
        z_prior = self.draw(batch)
        both = None if entries is None else torch.cat([entries, entries])
        real, fake = self._judge(torch.cat([z_prior, batch.judged(z)]), both).chunk(2)
        loss = self._weighted(lambda rows, weight: discriminator_loss(real[rows], fake[rows], weight), batch, progress)
        accuracy = 0.5 * ((real > 0).float().mean() + (fake < 0).float().mean())
        return loss, accuracy

    def encoder_step(self, batch: Batch, z: Tensor, entries: Tensor | None, progress: float) -> Tensor:
        """Return the encoder's loss for fooling D."""
        logits = self._judge(batch.judged(z), entries)
        return self._weighted(lambda rows, weight: generator_loss(logits[rows], weight), batch, progress)

    def _judge(self, z: Tensor, entries: Tensor | None) -> Tensor:
        z = blurred(z, self.noise, self.generator)
        logits: Tensor = self.discriminator(z) if entries is None else self.discriminator(z, entries)
        return logits.float()

    def _weighted(self, loss: Callable[[slice, Tensor | None], Tensor], batch: Batch, progress: float) -> Tensor:
        labeled, unlabeled = slice(None, batch.n_labeled), slice(batch.n_labeled, None)
        if batch.n_labeled == 0:
            return loss(unlabeled, None)
        weight = None if self.class_weights is None else self.class_weights[batch.codes[labeled]]
        return loss(labeled, weight) + self.unlabeled_weight(progress) * loss(unlabeled, None)


def blurred(values: Tensor, std: float, generator: torch.Generator) -> Tensor:
    """Return the values with Gaussian noise added; the very same tensor for std=0."""
    if std == 0:
        return values
    return values + std * torch.randn(values.shape, generator=generator, device=values.device)


def linear_ramp(until: float, to: float = 1.0) -> Callable[[float], float]:
    """Return a weight that rises from 0 to ``to`` over the first ``until`` of training and stays there."""
    return lambda progress: to if progress >= until else to * progress / until


def linear_decay(start: float, floor: float = 0.0) -> Callable[[float], float]:
    """Return a learning-rate factor: 1 until ``start``, then linearly down to ``floor`` at the end."""
    return lambda progress: 1.0 if progress <= start else 1.0 - (1.0 - floor) * (progress - start) / (1.0 - start)


class AdversarialGame:
    """One training step in the paper's order: reconstruction phase, then regularization phase.

    Parameters
    ----------
    encoder, decoder
        x -> z and z -> x_hat; neither is ever given a label by this class.
    matches
        The adversarial matches, usually one.
    terms
        Further terms of the encoder's loss by name; each is recorded.
    reconstruction_weight
        Weight of the reconstruction error in the encoder's loss.
    input_noise
        Standard deviation of Gaussian noise on the encoder's scaled inputs (the paper's appendix A has 0.3 for its
        semi-supervised model); the clean input is what is to be reconstructed.
    augment
        Changes a batch of inputs before anything else sees them; terms alone get them as they were.
    averages
        Running averages of the encoder's and the decoder's weights, updated after every step.
    precision
        Makes the context in which forward passes run, see :func:`aaetools.training.precision.mixed_precision`.
    reconstruction
        The reconstruction error of decoded rows and rows, a scalar.
    shared_pass
        True: the encoder runs once a batch and takes one step on the sum of both phases' losses; that differs from
        the paper in that the regularization phase sees the encoder before its reconstruction step.
        False: the paper's two encoder updates, each with an optimiser of its own.
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        matches: Sequence[LatentMatch],
        *,
        terms: Mapping[str, Term] | None = None,
        reconstruction_weight: float = 1.0,
        input_noise: float = 0.0,
        augment: Augmentation | None = None,
        shared_pass: bool = False,
        learning_rate: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        adversarial_betas: tuple[float, float] = (0.5, 0.999),
        schedule: Callable[[float], float] = lambda progress: 1.0,
        averages: Sequence[AveragedModel] = (),
        precision: Callable[[], AbstractContextManager[object]] = nullcontext,
        reconstruction: Callable[[Tensor, Tensor], Tensor] = reconstruction_loss,
        generator: torch.Generator | None = None,
    ) -> None:
        self.encoder = encoder
        self.decoder = decoder
        self.matches = tuple(matches)
        self.terms = dict(terms or {})
        self.reconstruction_weight = reconstruction_weight
        self.input_noise = input_noise
        self.augment = augment
        self.averages = tuple(averages)
        self.precision = precision
        self.reconstruction = reconstruction
        self.generator = generator
        self.shared_pass = shared_pass
        self.learning_rate = learning_rate
        self.schedule = schedule
        self._critics = [p for match in self.matches for p in match.discriminator.parameters()]

        def adam(parameters: list[nn.Parameter], betas: tuple[float, float]) -> torch.optim.Optimizer:
            return torch.optim.Adam(parameters, lr=learning_rate, betas=betas, fused=True)

        self.autoencoder_optimizer = adam([*encoder.parameters(), *decoder.parameters()], betas)
        self.discriminator_optimizer = adam(self._critics, adversarial_betas)
        self.generator_optimizer = None if shared_pass else adam([*encoder.parameters()], adversarial_betas)

    def encode(self, batch: Batch) -> Tensor:
        """Return the codes of a batch, its inputs blurred if the game says so."""
        x = batch.x
        if self.input_noise:
            if self.generator is None:
                raise TrainingError("a game with input noise needs a generator")
            x = blurred(x, self.input_noise, self.generator)
        return cast(Tensor, self.encoder(x)).float()

    def reconstruction_phase(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the codes and the reconstruction error of a batch; labels play no part in either."""
        z = self.encode(batch)
        return z, self.reconstruction(self.decoder(z).float(), batch.x)

    def train_step(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Play one batch; see :class:`aaetools.training.loop.Game`."""
        self._set_learning_rate(progress)
        inputs = batch.x
        if self.augment is not None:
            batch = replace(batch, x=self.augment(batch.x))

        # -- 1. Reconstruction phase: encoder and decoder learn to reconstruct -------------------------------------
        with self.precision():
            z, reconstruction = self.reconstruction_phase(batch)
        if self.generator_optimizer is not None:
            _descend(self.autoencoder_optimizer, self.reconstruction_weight * reconstruction)
            with self.precision():
                z = self.encode(batch)

        # -- 2a. Regularization phase: every discriminator learns to tell prior draws from codes -------------------
        entries = [match.entries(batch) for match in self.matches]
        with self.precision():
            judged = [
                match.discriminator_step(batch, z.detach(), rows, progress)
                for match, rows in zip(self.matches, entries, strict=True)
            ]
            discriminator = torch.stack([loss for loss, _ in judged]).sum()
        _descend(self.discriminator_optimizer, discriminator)

        # -- 2b. Regularization phase: the encoder learns to fool the discriminators -------------------------------
        _freeze(self._critics, True)
        with self.precision():
            fooling = [
                match.encoder_step(batch, z, rows, progress) for match, rows in zip(self.matches, entries, strict=True)
            ]
            generator = torch.stack(fooling).sum()
            extra = {name: term(inputs, z, progress) for name, term in self.terms.items()}
            encoder_loss = torch.stack([generator, *extra.values()]).sum()
            if self.generator_optimizer is None:
                encoder_loss = encoder_loss + self.reconstruction_weight * reconstruction
        _descend(self.generator_optimizer or self.autoencoder_optimizer, encoder_loss)
        _freeze(self._critics, False)

        for average, module in zip(self.averages, (self.encoder, self.decoder), strict=False):
            average.update_parameters(module)

        return {
            "reconstruction_loss": reconstruction.detach(),
            "discriminator_loss": discriminator.detach(),
            "generator_loss": generator.detach(),
            "discriminator_accuracy": torch.stack([accuracy for _, accuracy in judged]).mean().detach(),
            **{f"{name}_loss": value.detach() for name, value in extra.items()},
        }

    def state(self) -> State:
        """Return weights, averages, the optimisers' moments and the generators' states."""
        return {
            "modules": [module.state_dict() for module in self._modules()],
            "optimizers": [optimizer_state(optimizer) for optimizer in self._optimizers()],
            "generators": [generator.get_state() for generator in self._generators()],
        }

    def restore(self, state: State) -> None:
        """Go back to a state of a game of the same make."""
        for module, weights in zip(self._modules(), state["modules"], strict=True):
            module.load_state_dict(weights)
        for optimizer, moments in zip(self._optimizers(), state["optimizers"], strict=True):
            restore_optimizer(optimizer, moments)
        for generator, values in zip(self._generators(), state["generators"], strict=True):
            generator.set_state(values)

    def not_finite(self) -> str | None:
        """Name a network that has met a gradient that is not finite: Adam's running means never forget one."""
        networks = ("encoder or decoder", "discriminator", "encoder")
        for name, optimizer in zip(networks, self._optimizers(), strict=True):
            moments = [] if optimizer is None else [v["exp_avg"] for v in optimizer.state.values()]
            if moments and not bool(torch.stack(torch._foreach_norm(moments)).isfinite().all()):
                return name
        return None

    def _modules(self) -> list[nn.Module]:
        return [self.encoder, self.decoder, *(match.discriminator for match in self.matches), *self.averages]

    def _optimizers(self) -> list[torch.optim.Optimizer | None]:
        return [self.autoencoder_optimizer, self.discriminator_optimizer, self.generator_optimizer]

    def _generators(self) -> list[torch.Generator]:
        """Return the generators, each once; terms and augmentations draw from the same."""
        given = [self.generator, *(match.generator for match in self.matches)]
        return list({id(generator): generator for generator in given if generator is not None}.values())

    def _set_learning_rate(self, progress: float) -> None:
        rate = self.learning_rate * self.schedule(progress)
        for optimizer in self._optimizers():
            if optimizer is not None:
                for group in optimizer.param_groups:
                    group["lr"] = rate


def _descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    optimizer.step()


def _freeze(parameters: Sequence[nn.Parameter], frozen: bool) -> None:
    """Keep D's weights out of the encoder's gradient: the pass through D then costs only its input gradient."""
    for parameter in parameters:
        parameter.requires_grad_(not frozen)
