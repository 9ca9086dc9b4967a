"""What the discriminator is told of rows without a given label, revised by what the encoder has learned meanwhile."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aaetools.priors import Prior
from aaetools.propagation import balance_shares, surest_labels
from aaetools.training.averaging import refresh_batch_norm
from aaetools.training.batches import GameBatches
from aaetools.training.callbacks import Callback, TrainingContext
from aaetools.training.state import State

__all__ = ["Retelling"]

_CHUNK = 8192


class Retelling(Callback):
    """Tells the discriminator the encoder's own surest classes instead of the propagated ones.

    Once an encoder has learned from propagated labels and from the unlabelled game, its surest rows are more often
    right than those of the graph it began with, and cover more of the data. This is self-training (Lee 2013) by way
    of the discriminator: encoder and decoder still see no label. Given labels stand.

    Parameters
    ----------
    encoder
        The averaged encoder; it is copied before use.
    given
        Given class codes, -1 where unlabelled, shape (n_rows,).
    temperature
        By which the posterior's log-odds are divided, so that sureness does not saturate.
    rounds
        Pairs of a share of training and the share of the rows of each class that are told from then on.
    evidence
        What the encoder's class probabilities are multiplied by, positive, shape (n_rows, n_classes), such as a power
        of the graph's (a logarithmic opinion pool, Genest and Zidek 1986). An encoder that takes a kind of a class for
        another class is confirmed by what it says itself; the graph is not.
    """

    def __init__(
        self,
        batches: GameBatches,
        encoder: nn.Module,
        prior: Prior,
        given: NDArray[np.int64],
        temperature: float,
        rounds: Sequence[tuple[float, float]],
        evidence: NDArray[np.float64] | None = None,
    ) -> None:
        self.batches = batches
        self.encoder = encoder
        self.prior = prior
        self.given = given
        self.temperature = temperature
        self.rounds = list(rounds)
        self.evidence = evidence

    def on_epoch_end(self, context: TrainingContext) -> None:
        """Revise the codes when a round is due."""
        progress = context.epoch / context.max_epochs
        due = [share for at, share in self.rounds if at <= progress]
        if due and progress < 1:
            self.rounds = self.rounds[len(due) :]
            codes = surest_labels(self.probabilities(), self.given, due[-1])
            self.batches.tell(torch.from_numpy(codes).to(self.batches.codes))

    def state(self) -> State:
        """Return the rounds that are still to come."""
        return {"rounds": self.rounds}

    def restore(self, state: State) -> None:
        """Go back to a state."""
        self.rounds = [(at, share) for at, share in state["rounds"]]

    def probabilities(self) -> NDArray[np.float64]:
        """Return class probabilities by encoder and evidence, in the prior's shares, shape (n_rows, n_classes)."""
        encoder, x = copy.deepcopy(self.encoder), self.batches.x
        refresh_batch_norm(encoder, x[: 2 * _CHUNK])
        encoder.eval()
        with torch.inference_mode():
            log_odds = torch.cat([self.prior.class_log_posterior(encoder(part)) for part in torch.split(x, _CHUNK)])
        posterior = (log_odds / self.temperature).double().softmax(dim=1).cpu().numpy()
        if self.evidence is not None:
            posterior *= self.evidence
            posterior /= posterior.sum(axis=1, keepdims=True)
        shares = np.full(self.prior.n_classes, 1 / self.prior.n_classes)
        if self.prior.weights is not None:
            shares = np.asarray(self.prior.weights)
        return balance_shares(posterior, shares, sharpness=1.0)
