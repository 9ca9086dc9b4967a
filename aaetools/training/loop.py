"""The training loop: fit -> epoch -> step. It knows no model: a game says what a step is."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor

from aaetools.exceptions import TrainingError
from aaetools.training.batches import Batch
from aaetools.training.callbacks import Callback, TrainingContext

__all__ = ["Batches", "Game", "fit_loop", "run_epoch"]


class Game(Protocol):
    """What the loop needs of a model variant."""

    def train_step(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Learn from one batch and return detached scalars to record.

        ``progress`` is the share of all steps already taken, in [0, 1).
        """


class Batches(Protocol):
    """What the loop needs of the data: a length in steps, and the batches of one epoch."""

    def __len__(self) -> int: ...

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""


def fit_loop(
    game: Game, batches: Batches, max_epochs: int, callbacks: Sequence[Callback] = ()
) -> dict[str, list[float]]:
    """Train for ``max_epochs`` epochs, or until a callback sets ``context.stop``.

    Returns
    -------
    dict
        The history: one list per recorded quantity, one number per epoch.

    Raises
    ------
    TrainingError
        After the first epoch with a loss that is not finite; the message names the step.
    """
    context = TrainingContext(max_epochs)
    history: dict[str, list[float]] = {}
    for callback in callbacks:
        callback.on_fit_start(context)
    for epoch in range(1, max_epochs + 1):
        started = time.perf_counter()
        means = run_epoch(game, batches, (epoch - 1) / max_epochs, 1 / max_epochs, epoch)
        record = {"epoch": float(epoch), **means, "seconds": time.perf_counter() - started}
        for name, value in record.items():
            history.setdefault(name, []).append(value)
        context.epoch, context.record = epoch, record
        for callback in callbacks:
            callback.on_epoch_end(context)
        if context.stop:
            break
    for callback in callbacks:
        callback.on_fit_end(context)
    return history


def run_epoch(game: Game, batches: Batches, start: float, share: float, epoch: int = 1) -> dict[str, float]:
    """Run the steps of one epoch and return the mean of what they recorded.

    ``start`` is the progress at the first step, ``share`` the epoch's part of the whole. Sums stay on the device;
    there is one transfer at the end.

    Raises
    ------
    TrainingError
        If there was no batch, or a loss was not finite.
    """
    total: Tensor | None = None
    names: tuple[str, ...] = ()
    steps: list[Tensor] = []
    for step, batch in enumerate(batches.epoch()):
        recorded = game.train_step(batch, start + share * step / len(batches))
        names = tuple(recorded)
        values = torch.stack(tuple(recorded.values()))
        total = values if total is None else total + values
        steps.append(values)
    if total is None:
        raise TrainingError("there was no batch to learn from")
    means = (total / len(batches)).tolist()
    if not all(map(math.isfinite, means)):
        raise TrainingError(
            f"{_first_not_finite(names, torch.stack(steps).tolist())} of {len(steps)} of epoch {epoch}: training "
            "diverged; lower learning_rate, or check the data for extreme values"
        )
    return dict(zip(names, means, strict=True))


def _first_not_finite(names: Sequence[str], steps: list[list[float]]) -> str:
    """Name the first loss that is not finite and its step; the last step where only the sum has overflown."""
    for step, values in enumerate(steps, start=1):
        for name, value in zip(names, values, strict=True):
            if not math.isfinite(value):
                return f"{name} is {value} in step {step}"
    return f"a mean loss is not finite after step {len(steps)}"
