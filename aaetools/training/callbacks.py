"""Hooks into the training loop. A callback is any object with these methods; the base class does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from aaetools.training.state import State, Stateful, generator_states, restore_generators

__all__ = ["Callback", "PrintLosses", "TrainingContext"]


@dataclass
class TrainingContext:
    """What a callback sees: how far training is, the last epoch's record, and a way to stop it.

    It is a :class:`aaetools.training.state.Stateful` itself: its state is that of the whole training.

    Attributes
    ----------
    max_epochs
        Epochs that training takes unless it is stopped.
    epoch, step
        Finished epochs, and steps taken since.
    record
        What the last epoch recorded.
    stop
        Set it to end training after this epoch.
    history
        One list per recorded quantity, one number per epoch.
    recorded
        What the steps of the epoch in hand recorded, by ``names``.
    parts
        Whatever has a state besides: the game, the batches, callbacks.
    identity
        Returns what training depends on besides its state, each by a short text: what differs can be named.
    """

    max_epochs: int
    epoch: int = 0
    record: dict[str, float] = field(default_factory=dict)
    stop: bool = False
    history: dict[str, list[float]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    recorded: list[Tensor] = field(default_factory=list)
    parts: Mapping[str, Stateful] = field(default_factory=dict)
    identity: Callable[[], dict[str, str]] = dict

    @property
    def step(self) -> int:
        """Steps taken since the last whole epoch."""
        return len(self.recorded)

    def is_finite(self) -> bool:
        """Tell whether the losses of the epoch in hand, and all gradients, have been numbers so far; waits for them."""
        losses_are = not self.recorded or bool(torch.stack(self.recorded).isfinite().all())
        return losses_are and getattr(self.parts.get("game"), "not_finite", lambda: None)() is None

    def state(self) -> State:
        """Return everything that the steps to come depend on."""
        return {
            "max_epochs": self.max_epochs,
            "epoch": self.epoch,
            "record": self.record,
            "stop": self.stop,
            "history": self.history,
            "names": list(self.names),
            "recorded": torch.stack(self.recorded) if self.recorded else None,
            "generators": generator_states(),
            "parts": {name: part.state() for name, part in self.parts.items()},
        }

    def restore(self, state: State) -> None:
        """Go back to a state; the steps to come are then the same to the bit."""
        if state["max_epochs"] != self.max_epochs or set(state["parts"]) != set(self.parts):
            raise ValueError("it belongs to another training")
        self.epoch, self.record, self.stop = state["epoch"], dict(state["record"]), state["stop"]
        self.history.clear()
        self.history.update({name: list(values) for name, values in state["history"].items()})
        self.names = tuple(state["names"])
        self.recorded[:] = [] if state["recorded"] is None else list(state["recorded"])
        for name, part in self.parts.items():
            part.restore(state["parts"][name])
        restore_generators(state["generators"])  # last, in case that restoring draws


class Callback:
    """No-op hooks; override what you need."""

    def on_fit_start(self, context: TrainingContext) -> None:
        """Run before the first epoch."""

    def on_step_end(self, context: TrainingContext) -> None:
        """Run after each step; keep it cheap."""

    def on_epoch_end(self, context: TrainingContext) -> None:
        """Run after each epoch; set ``context.stop`` to end training."""

    def on_fit_end(self, context: TrainingContext) -> None:
        """Run after the last epoch."""


class PrintLosses(Callback):
    """Prints one line of losses every ``every`` epochs."""

    def __init__(self, every: int = 10, write: Callable[[str], object] = print) -> None:
        self.every = every
        self.write = write

    def on_epoch_end(self, context: TrainingContext) -> None:
        """Print the record of this epoch if its turn has come."""
        if context.epoch % self.every and context.epoch != context.max_epochs:
            return
        losses = "  ".join(f"{name} {value:.4g}" for name, value in context.record.items() if name != "epoch")
        self.write(f"epoch {context.epoch}/{context.max_epochs}  {losses}")
