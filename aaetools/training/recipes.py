"""Recipes: how the pieces of a game are put together. A variant of the paper is one more class in this file's dict.

A recipe is a frozen dataclass of settings with a number of steps and ``prepare``, which returns the game to play
and the class codes that the discriminator is told.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from aaetools.exceptions import DataError
from aaetools.losses import reconstruction_loss
from aaetools.networks import Discriminator
from aaetools.priors import Prior
from aaetools.propagation import (
    estimate_shares,
    neighbor_graph,
    propagate_labels,
    propagation_pays,
    surest_labels,
)
from aaetools.training.augmentation import Augmentation
from aaetools.training.averaging import running_average
from aaetools.training.batches import GameBatches
from aaetools.training.callbacks import Callback
from aaetools.training.consistency import AdversarialConsistency, AugmentationConsistency, posterior_temperature
from aaetools.training.game import AdversarialGame, LatentMatch, Term, linear_decay, linear_ramp
from aaetools.training.loop import Game
from aaetools.training.telling import Retelling

__all__ = [
    "MANY_ROWS",
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


MANY_ROWS = 10_000
"""From here on "auto" means larger networks and batches, and that not every row is told a label."""
_TOLD_OF_MANY = 0.8
_RETOLD = ((0.35, 0.25), (0.65, 0.5))
"""At which share of training the rows that are told are chosen anew, and how many of those left out at first join."""
_RETOLD_BY_TWO = ((0.35, 0.5), (0.65, 0.75))
"""The same where the graph is asked beside the encoder: what both say may be told of more rows."""
_VIEWS = 8
"""Changed versions of every row that neighbours are looked for from, beside the row as it is, under augmentation."""
_CHUNK = 4096
"""Rows that are augmented at once before training."""
_TRUSTED = 2.0
"""Power of the graph's word beside the encoder's, under augmentation."""
_LEAST = 1e-6
"""Probability that the graph gives any class at least where it is asked beside the encoder: it may be wrong."""
_AUGMENTED = 2.0
"""Consistency under augmentation weighs so much more than under adversarial change, which is the harder one."""


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
        Rows with a code that play the unlabelled game too, see :class:`GameBatches`.
    averages
        Running averages of encoder and decoder, to be used instead of their last weights.
    callbacks
        Makes the recipe's own callbacks, given the batches.
    """

    game: Game
    codes: Tensor
    prior: Prior
    also_unlabeled: Tensor | None = None
    averages: tuple[AveragedModel, ...] = ()
    callbacks: Callable[[GameBatches], list[Callback]] = lambda batches: []


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
    precision
        Context in which forward passes run.
    augment
        Random change of inputs that leaves the class alone.
    reconstruction
        The reconstruction error of decoded rows and rows.
    """

    x: Tensor
    codes: Tensor
    encoder: nn.Module
    decoder: nn.Module
    discriminator: Discriminator
    prior: Prior
    learning_rate: float
    generator: torch.Generator
    precision: Callable[[], AbstractContextManager[object]] = nullcontext
    augment: Augmentation | None = None
    reconstruction: Callable[[Tensor, Tensor], Tensor] = reconstruction_loss


class Recipe(Protocol):
    """Settings of a game."""

    @property
    def n_steps(self) -> int:
        """Steps that training takes at least, unless the user says otherwise."""

    @property
    def n_epochs(self) -> int:
        """Passes over all rows that training takes at least, unless the user says otherwise."""

    def prepare(self, parts: Parts) -> Run:
        """Return the game that these parts play."""


@dataclass(frozen=True)
class PaperRecipe:
    """The bare game of section 2.3: two phases, two encoder updates a batch, and nothing else.

    Parameters
    ----------
    n_steps, n_epochs
        Steps and passes over all rows that training takes at least, where the user does not set epochs.
    decay_from
        Share of training after which the learning rate falls linearly.
    shared_pass
        One encoder pass and one update a batch instead of the paper's two, see :class:`AdversarialGame`: faster, and
        no longer to the letter.
    """

    n_steps: int = 2400
    n_epochs: int = 10
    decay_from: float = 0.5
    shared_pass: bool = False

    def prepare(self, parts: Parts) -> Run:
        """Return the game; the discriminator is told the given labels only."""
        game = AdversarialGame(
            parts.encoder,
            parts.decoder,
            [LatentMatch(parts.prior, parts.discriminator, parts.generator)],
            learning_rate=parts.learning_rate,
            schedule=linear_decay(self.decay_from),
            shared_pass=self.shared_pass,
            augment=parts.augment,
            precision=parts.precision,
            reconstruction=parts.reconstruction,
        )
        return Run(game, parts.codes, parts.prior)


@dataclass(frozen=True)
class FewLabelsRecipe:
    """Section 2.3 made to learn from few labels; the discriminator is still the only one that is told any.

    Beside the bare game: labels are propagated over a nearest-neighbour graph of the inputs (and of their augmented
    versions, if there are any), and the discriminator is told the propagated class of every row; rows without a given
    label play the unlabelled game as well, with a weight that ramps up; the class posterior of the prior is kept
    consistent under adversarial perturbation of the inputs, which needs no label; inputs and codes get Gaussian noise;
    and the weights are averaged over the steps.

    Parameters
    ----------
    n_steps, n_epochs
        Steps and passes over all rows that training takes at least, where the user does not set epochs.
    propagate
        Tell the discriminator propagated labels: True, False, or "auto", which lets the given labels decide, see
        :func:`aaetools.propagation.propagation_pays`.
    told_share
        Share of the rows of each class, surest first, whose propagated label the discriminator is told; "auto" is all
        of them below 10,000 rows, where every hint counts, and 0.8 from there on. Where it is less than 1, the
        encoder's own surest rows are told instead after 35% (a quarter of the others more) and after 65% (half of
        the others more) of training, see :class:`aaetools.training.telling.Retelling`.
    graph_trust
        Power to which the graph's class probabilities then multiply the encoder's; "auto" is 2 under augmentation, and
        0 without. Where it is over 0, a half and three quarters of those left out at first join.
    n_neighbors
        Neighbours in the graph.
    class_shares
        Share of each class among all rows, one positive number per class in sorted order; by default estimated, see
        :func:`aaetools.propagation.estimate_shares`. Worth giving where classes are of very different size, because
        balanced labels do not show it.
    balance_classes
        Give rows of rare classes more weight in the labelled game (see :func:`balancing_weights`); otherwise a rare
        class hardly plays and is swallowed by a large one.
    unlabeled_weight, ramp
        Final weight of the unlabelled game ("auto" is 0.3, or 1 where not every row is told), and the share of training
        over which it is reached.
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
    n_epochs: int = 16
    propagate: bool | str = "auto"
    told_share: float | str = "auto"
    graph_trust: float | str = "auto"
    n_neighbors: int = 10
    class_shares: tuple[float, ...] | None = None
    balance_classes: bool = True
    unlabeled_weight: float | str = "auto"
    ramp: float = 0.4
    reconstruction_weight: float = 0.1
    consistency: float = 1.0
    radius: float = 0.3125
    sharpness: float = 8.0
    input_noise: float = 0.3
    code_noise: float = 0.6
    averaging: float = 0.995
    decay_from: float = 0.5

    def __post_init__(self) -> None:
        if not isinstance(self.propagate, bool) and self.propagate != "auto":
            raise DataError(f"propagate must be true, false or 'auto', not {self.propagate!r}")
        share = self.told_share
        if share != "auto" and (isinstance(share, str | bool) or not 0 < share <= 1):
            raise DataError(f"told_share must be 'auto' or a number above 0 and at most 1, not {share!r}")
        for name in ("graph_trust", "unlabeled_weight"):
            value = getattr(self, name)
            if value != "auto" and (isinstance(value, str | bool) or not 0 <= value < math.inf):
                raise DataError(f"{name} must be 'auto' or a number of at least 0, not {value!r}")

    def prepare(self, parts: Parts) -> Run:
        """Return the game; without any label it is that of :class:`PaperRecipe`."""
        x, codes, prior = parts.x, parts.codes, parts.prior
        if prior.n_classes == 0 or not bool((codes >= 0).any()):
            return PaperRecipe(decay_from=self.decay_from).prepare(parts)
        unlabeled = codes < 0
        told_share = self._resolved_told_share(len(x))
        probabilities, shares = self._propagated(parts)
        given = codes.cpu().numpy()
        told = (
            codes
            if probabilities is None
            else torch.from_numpy(surest_labels(probabilities, given, told_share)).to(codes)
        )
        if prior.weights is None and shares is not None:
            prior = replace(prior, weights=tuple(shares.tolist()))
        trust = self.graph_trust
        if isinstance(trust, str):
            trust = 0.0 if parts.augment is None else _TRUSTED
        evidence = None if probabilities is None or trust == 0 else np.maximum(probabilities, _LEAST) ** trust
        weight = self.unlabeled_weight
        if isinstance(weight, str):
            weight = 0.3 if told_share == 1 else 1.0
        averaged = (parts.encoder, parts.decoder) if self.averaging else ()
        game = AdversarialGame(
            parts.encoder,
            parts.decoder,
            [
                LatentMatch(
                    prior,
                    parts.discriminator,
                    parts.generator,
                    unlabeled_weight=linear_ramp(self.ramp, weight),
                    class_weights=balancing_weights(told, prior.n_classes) if self.balance_classes else None,
                    noise=self.code_noise * inner_scale(prior) if prior.separated else 0.0,
                )
            ],
            terms=self._terms(parts, prior),
            reconstruction_weight=self.reconstruction_weight,
            input_noise=self.input_noise,
            augment=parts.augment,
            shared_pass=True,
            learning_rate=parts.learning_rate,
            betas=(0.5, 0.999),
            adversarial_betas=(0.0, 0.999),
            schedule=linear_decay(self.decay_from, 0.02),
            averages=[running_average(module, self.averaging) for module in averaged],
            precision=parts.precision,
            reconstruction=parts.reconstruction,
            generator=parts.generator,
        )

        def callbacks(batches: GameBatches) -> list[Callback]:
            if told_share == 1 or not prior.separated or bool((told == codes).all()):
                return []  # everything is told already, or the given labels refuse to be passed on
            encoder = game.averages[0].module if game.averages else parts.encoder
            untold = 1 - told_share
            rounds = [
                (at, told_share + share * untold) for at, share in (_RETOLD if evidence is None else _RETOLD_BY_TWO)
            ]
            temperature = posterior_temperature(prior, self.sharpness)
            return [Retelling(batches, encoder, prior, given, temperature, rounds, evidence)]

        return Run(game, told, prior, also_unlabeled=unlabeled, averages=game.averages, callbacks=callbacks)

    def _terms(self, parts: Parts, prior: Prior) -> dict[str, Term]:
        if not self.consistency or not prior.separated:
            return {}
        temperature = posterior_temperature(prior, self.sharpness)
        if parts.augment is not None:
            weight = _AUGMENTED * self.consistency
            return {
                "consistency": AugmentationConsistency(
                    parts.encoder, prior, weight=weight, temperature=temperature, augment=parts.augment
                )
            }
        return {
            "consistency": AdversarialConsistency(
                parts.encoder,
                prior,
                weight=self.consistency,
                temperature=temperature,
                radius=self.radius * float(torch.linalg.vector_norm(parts.x)) / math.sqrt(len(parts.x)),
                generator=parts.generator,
            )
        }

    def _propagated(self, parts: Parts) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
        """Return class probabilities, None where labels are not passed on, and class shares, None if left open."""
        X, codes, n_classes = parts.x.cpu().numpy(), parts.codes.cpu().numpy(), parts.prior.n_classes
        shares = self._given_shares(n_classes)
        if not self.propagate or (codes >= 0).all():
            return None, shares
        graph = neighbor_graph(X, self.n_neighbors, views=_views(parts.x, parts.augment))
        if self.propagate == "auto" and not propagation_pays(X, graph, codes, n_classes, seed=0):
            if shares is None:
                shares = estimate_shares(graph, codes, n_classes)
            return None, shares
        return propagate_labels(X, codes, n_classes, shares=shares, graph=graph)

    def _resolved_told_share(self, n_rows: int) -> float:
        if isinstance(self.told_share, str):
            return _TOLD_OF_MANY if n_rows >= MANY_ROWS else 1.0
        return self.told_share

    def _given_shares(self, n_classes: int) -> NDArray[np.float64] | None:
        if self.class_shares is None:
            return None
        shares = np.asarray(self.class_shares, dtype=np.float64)
        if shares.shape != (n_classes,) or not (shares > 0).all():
            raise DataError(f"class_shares must be {n_classes} positive numbers, one per class in sorted order")
        return np.asarray(shares / shares.sum())


def _views(x: Tensor, augment: Augmentation | None) -> Iterator[NDArray[np.float32]]:
    """Yield all rows again and again, each time changed at random, where something is known that changes no class."""
    if augment is not None:
        for _ in range(_VIEWS):
            yield torch.cat([augment(part) for part in torch.split(x, _CHUNK)]).cpu().numpy()


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
