"""Recipes: how the pieces of a game are put together. A variant of the paper is one more class in this file's dict.

A recipe is a frozen dataclass of settings with a number of steps and ``prepare``, which returns the game to play
and the class codes that the discriminator is told.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from aaetools.exceptions import DataError
from aaetools.networks import Discriminator
from aaetools.priors import Prior
from aaetools.propagation import propagate_labels
from aaetools.training.averaging import running_average
from aaetools.training.consistency import AdversarialConsistency, posterior_temperature
from aaetools.training.game import AdversarialGame, LatentMatch, linear_decay, linear_ramp
from aaetools.training.loop import Game

__all__ = [
    "RECIPES",
    "FewLabelsRecipe",
    "PaperRecipe",
    "Parts",
    "Recipe",
    "Run",
    "balancing_weights",
    "inner_scale",
    "make_recipe",
]


@dataclass(frozen=True, eq=False)
class Run:
    """A game ready to be played.

    Attributes
    ----------
    codes
        Class code of each row as the discriminator is told it, -1 for "no label", shape (n_rows,).
    prior
        The prior, with the class weights that the recipe settled on.
    also_unlabeled
        Rows with a code that play the unlabelled game too, see :class:`BalancedBatches`.
    averages
        Running averages of encoder and decoder, to be used instead of their last weights.
    """

    game: Game
    codes: Tensor
    prior: Prior
    also_unlabeled: Tensor | None = None
    averages: tuple[AveragedModel, ...] = ()


@dataclass(frozen=True, eq=False)
class Parts:
    """What a recipe puts together, all on one device.

    Attributes
    ----------
    x
        Scaled rows, shape (n_rows, n_features).
    codes
        Given class codes, -1 where unlabelled, int64 of shape (n_rows,).
    generator
        Source of prior draws and noise.
    """

    x: Tensor
    codes: Tensor
    encoder: nn.Module
    decoder: nn.Module
    discriminator: Discriminator
    prior: Prior
    learning_rate: float
    generator: torch.Generator


class Recipe(Protocol):
    """Settings of a game."""

    @property
    def n_steps(self) -> int:
        """Steps that training takes unless the user says otherwise."""

    def prepare(self, parts: Parts) -> Run:
        """Return the game that these parts play."""


@dataclass(frozen=True)
class PaperRecipe:
    """The bare game of section 2.3: two phases, two encoder updates a batch, and nothing else.

    Parameters
    ----------
    n_steps
        Steps of training where the user does not set epochs.
    decay_from
        Share of training after which the learning rate falls linearly.
    """

    n_steps: int = 2400
    decay_from: float = 0.5

    def prepare(self, parts: Parts) -> Run:
        """Return the game; the discriminator is told the given labels only."""
        game = AdversarialGame(
            parts.encoder,
            parts.decoder,
            [LatentMatch(parts.prior, parts.discriminator, parts.generator)],
            learning_rate=parts.learning_rate,
            schedule=linear_decay(self.decay_from),
        )
        return Run(game, parts.codes, parts.prior)


@dataclass(frozen=True)
class FewLabelsRecipe:
    """Section 2.3 made to learn from few labels; the discriminator is still the only one that is told any.

    Beside the bare game: labels are propagated over a nearest-neighbour graph of the inputs, and the discriminator is
    told the propagated class of every row; rows without a given label play the unlabelled game as well, with a
    weight that ramps up; the class posterior of the prior is kept consistent under adversarial perturbation of the
    inputs, which needs no label; inputs and codes get Gaussian noise; and the weights are averaged over the steps.

    Parameters
    ----------
    n_steps
        Steps of training where the user does not set epochs.
    propagate
        Tell the discriminator propagated labels.
    n_neighbors
        Neighbours in the graph.
    class_shares
        Share of each class among all rows, one positive number per class in sorted order; by default estimated, see
        :func:`aaetools.propagation.class_shares`. Worth giving where classes are of very different size, because
        balanced labels do not show it.
    balance_classes
        Give rows of rare classes more weight in the labelled game (see :func:`balancing_weights`); otherwise a rare
        class hardly plays and is swallowed by a large one.
    unlabeled_weight, ramp
        Final weight of the unlabelled game, and the share of training over which it is reached.
    reconstruction_weight
        Weight of the reconstruction error.
    consistency, radius, sharpness
        Weight of the consistency term, left out where the prior's regions touch; length of its perturbation in
        root-mean-square row norms; log-odds of a typical code's class to which the posterior is tempered inside
        the term.
    input_noise
        Standard deviation of noise on scaled inputs.
    code_noise
        Standard deviation of noise on codes that D sees, in units of the narrowest axis of a class region; none where
        the regions touch.
    averaging
        Decay of the running average of weights; 0 for none.
    decay_from
        Share of training after which the learning rate falls linearly, to 2%.
    """

    n_steps: int = 1200
    propagate: bool = True
    n_neighbors: int = 10
    class_shares: tuple[float, ...] | None = None
    balance_classes: bool = True
    unlabeled_weight: float = 0.3
    ramp: float = 0.4
    reconstruction_weight: float = 0.1
    consistency: float = 1.0
    radius: float = 0.3125
    sharpness: float = 8.0
    input_noise: float = 0.3
    code_noise: float = 0.6
    averaging: float = 0.995
    decay_from: float = 0.5

    def prepare(self, parts: Parts) -> Run:
        """Return the game; without any label it is that of :class:`PaperRecipe`."""
        x, codes, prior = parts.x, parts.codes, parts.prior
        if prior.n_classes == 0 or not bool((codes >= 0).any()):
            return PaperRecipe(decay_from=self.decay_from).prepare(parts)
        unlabeled = codes < 0
        told = codes
        if self.propagate and bool(unlabeled.any()):
            probabilities, shares = propagate_labels(
                x.cpu().numpy(),
                codes.cpu().numpy(),
                prior.n_classes,
                n_neighbors=self.n_neighbors,
                shares=self._given_shares(prior.n_classes),
            )
            told = torch.from_numpy(probabilities.argmax(axis=1)).to(codes)
            if prior.weights is None:
                prior = replace(prior, weights=tuple(shares.tolist()))
        averaged = (parts.encoder, parts.decoder) if self.averaging else ()
        game = AdversarialGame(
            parts.encoder,
            parts.decoder,
            [
                LatentMatch(
                    prior,
                    parts.discriminator,
                    parts.generator,
                    unlabeled_weight=linear_ramp(self.ramp, self.unlabeled_weight),
                    class_weights=balancing_weights(told, prior.n_classes) if self.balance_classes else None,
                    noise=self.code_noise * inner_scale(prior) if prior.separated else 0.0,
                )
            ],
            terms={
                "consistency": AdversarialConsistency(
                    parts.encoder,
                    prior,
                    weight=self.consistency,
                    radius=self.radius * float(x.square().sum(1).mean().sqrt()),
                    temperature=posterior_temperature(prior, self.sharpness),
                    generator=parts.generator,
                )
            }
            if self.consistency and prior.separated
            else {},
            reconstruction_weight=self.reconstruction_weight,
            input_noise=self.input_noise,
            shared_pass=True,
            learning_rate=parts.learning_rate,
            betas=(0.5, 0.999),
            adversarial_betas=(0.0, 0.999),
            schedule=linear_decay(self.decay_from, 0.02),
            averages=[running_average(module, self.averaging) for module in averaged],
            generator=parts.generator,
        )
        return Run(game, told, prior, also_unlabeled=unlabeled, averages=game.averages)

    def _given_shares(self, n_classes: int) -> NDArray[np.float64] | None:
        if self.class_shares is None:
            return None
        shares = np.asarray(self.class_shares, dtype=np.float64)
        if shares.shape != (n_classes,) or not (shares > 0).all():
            raise DataError(f"class_shares must be {n_classes} positive numbers, one per class in sorted order")
        return np.asarray(shares / shares.sum())


def balancing_weights(codes: Tensor, n_classes: int) -> Tensor:
    """Return one weight per class, 1 / sqrt(its rows), scaled to 1 for classes of equal size.

    The square root is half of the way to equal weight: all of it would let a few rows of a rare class, some of them
    wrongly propagated, pull as hard as thousands.
    """
    counts = torch.bincount(codes[codes >= 0], minlength=n_classes).clamp(min=1)
    return (counts.sum() / (n_classes * counts)).sqrt()


def inner_scale(prior: Prior, n: int = 2000) -> float:
    """Return the standard deviation of a class region along its narrowest axis."""
    labels = torch.zeros(n, dtype=torch.long) if prior.n_classes else None
    z = prior.sample(n, labels, torch.Generator().manual_seed(0))
    return math.sqrt(max(float(torch.linalg.eigvalsh(torch.cov(z.T).reshape(prior.n_dims, -1))[0]), 1e-12))


RECIPES: dict[str, Callable[..., Recipe]] = {"few-labels": FewLabelsRecipe, "paper": PaperRecipe}
"""Name -> recipe class."""


def make_recipe(name: str, settings: Mapping[str, Any] | None = None) -> Recipe:
    """Make a recipe by name, with settings that differ from its defaults.

    Raises
    ------
    DataError
        If the recipe has no such setting, or a value is not of the kind of the default.
    """
    kind, given = RECIPES[name], dict(settings or {})
    known = inspect.signature(kind).parameters
    unknown = [setting for setting in given if setting not in known]
    if unknown:
        raise DataError(f"recipe {name!r} has no setting {', '.join(map(repr, unknown))}; it has {', '.join(known)}")
    for setting, value in given.items():
        default = known[setting].default
        number = isinstance(value, Real) and not isinstance(value, bool)
        if isinstance(default, bool):
            fits, wanted = isinstance(value, bool), "true or false"
        elif isinstance(default, int):
            fits = isinstance(value, Integral) and number and int(value) >= 1
            wanted = "a whole number of at least 1"
        elif isinstance(default, float):
            fits, wanted = number and 0 <= value < math.inf, "a number of at least 0"
        else:
            continue
        if not fits:
            raise DataError(
                f"recipe {name!r}, setting {setting}: {value!r} is not {wanted}; the default is {str(default).lower()}"
            )
    return kind(**given)
