"""The training loop: fit -> epoch -> step. It knows no model: a game says what a step is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor

from aaetools.exceptions import TrainingError
from aaetools.training.batches import Batch
from aaetools.training.callbacks import Callback, TrainingContext
from aaetools.training.state import Stateful

__all__ = ["Batches", "Game", "fit_loop", "run_epoch"]


class Game(Protocol):
    """What the loop needs of a model variant."""

    def train_step(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Learn from one batch and return detached scalars to record.

        ``progress`` is the share of all steps already taken, in [0, 1).
        """


class Batches(Protocol):
    """What the loop needs of the data: a length in steps, and the batches of one epoch.

    An epoch that was broken off goes on after :meth:`restore`, where there is one: the loop takes as many batches
    as are left of it.
    """

    def __len__(self) -> int: ...

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""


def fit_loop(
    game: Game,
    batches: Batches,
    max_epochs: int,
    callbacks: Sequence[Callback] = (),
    identity: Callable[[], dict[str, str]] = dict,
) -> dict[str, list[float]]:
    """Train for ``max_epochs`` epochs, or until a callback sets ``context.stop``.

    A callback may restore the context at the start: training then goes on from that state.

    Parameters
    ----------
    game, batches, callbacks
        Those that are :class:`aaetools.training.state.Stateful` are part of the state of training.
    identity
        See :class:`TrainingContext`.

    Returns
    -------
    dict
        The history: one list per recorded quantity, one number per epoch.

    Raises
    ------
    TrainingError
        After the first epoch with a loss or a gradient that is not finite; the message names the step.
    """
    context = TrainingContext(max_epochs, parts=_stateful(game, batches, callbacks), identity=identity)
    for callback in callbacks:
        callback.on_fit_start(context)
    # a callback need not be of our class, and those made for an older loop know no steps
    watchers = [callback for callback in callbacks if hasattr(callback, "on_step_end")]

    def after_step() -> None:
        for watcher in watchers:
            watcher.on_step_end(context)

    while context.epoch < max_epochs and not context.stop:
        started = time.perf_counter()
        epoch = context.epoch + 1
        means = run_epoch(game, batches, context.epoch / max_epochs, 1 / max_epochs, epoch, context, after_step)
        record = {"epoch": float(epoch), **means, "seconds": time.perf_counter() - started}
        for name, value in record.items():
            context.history.setdefault(name, []).append(value)
        context.epoch, context.record = epoch, record
        context.recorded.clear()
        for callback in callbacks:
            callback.on_epoch_end(context)
    for callback in callbacks:
        callback.on_fit_end(context)
    return context.history


def _stateful(game: Game, batches: Batches, callbacks: Sequence[Callback]) -> dict[str, Stateful]:
    """Return what has a state, by names that are the same in every process."""
    given: dict[str, object] = {"game": game, "batches": batches}
    found: dict[str, Stateful] = {name: part for name, part in given.items() if isinstance(part, Stateful)}
    for callback in callbacks:
        if isinstance(callback, Stateful):
            kind = type(callback).__name__
            found[f"{kind} {sum(name.startswith(f'{kind} ') for name in found)}"] = callback
    return found


def run_epoch(
    game: Game,
    batches: Batches,
    start: float,
    share: float,
    epoch: int = 1,
    context: TrainingContext | None = None,
    after_step: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Run the steps of one epoch that are left and return the mean of what all of them recorded.

    ``start`` is the progress at the first step, ``share`` the epoch's part of the whole. Sums stay on the device;
    there is one transfer at the end.

    Raises
    ------
    TrainingError
        If there was no batch, or a loss or a gradient was not finite.
    """
    context = TrainingContext(1) if context is None else context
    steps = context.recorded
    total: Tensor | None = None
    for values in steps:  # one after the other, as they were added before
        total = values if total is None else total + values
    for batch in islice(batches.epoch(), len(batches) - len(steps)):
        recorded = game.train_step(batch, start + share * len(steps) / len(batches))
        context.names = tuple(recorded)
        values = torch.stack(tuple(recorded.values()))
        total = values if total is None else total + values
        steps.append(values)
        after_step()
    if total is None:
        raise TrainingError("there was no batch to learn from")
    means = (total / len(batches)).tolist()
    if not all(map(math.isfinite, means)):
        raise _diverged(_first_not_finite(context.names, torch.stack(steps).tolist()), len(steps), epoch)
    # a step later a loss would have told, so it was the last one
    if (network := getattr(game, "not_finite", lambda: None)()) is not None:
        raise _diverged(f"a gradient of the {network} is not finite in step {len(steps)}", len(steps), epoch)
    return dict(zip(context.names, means, strict=True))


def _diverged(what: str, n_steps: int, epoch: int) -> TrainingError:
    return TrainingError(
        f"{what} of {n_steps} of epoch {epoch}: training diverged; lower learning_rate, or check the data for extreme "
        "values"
    )


def _first_not_finite(names: Sequence[str], steps: list[list[float]]) -> str:
    """Name the first loss that is not finite and its step; the last step where only the sum has overflown."""
    for step, values in enumerate(steps, start=1):
        for name, value in zip(names, values, strict=True):
            if not math.isfinite(value):
                return f"{name} is {value} in step {step}"
    return f"a mean loss is not finite after step {len(steps)}"
