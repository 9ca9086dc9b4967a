"""Hooks into the training loop. A callback is any object with these methods; the base class does nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["Callback", "PrintLosses", "TrainingContext"]


@dataclass
class TrainingContext:
    """What a callback sees: how far training is, the last epoch's record, and a way to stop it."""

    max_epochs: int
    epoch: int = 0
    record: dict[str, float] = field(default_factory=dict)
    stop: bool = False


class Callback:
    """No-op hooks; override what you need."""

    def on_fit_start(self, context: TrainingContext) -> None:
        """Run before the first epoch."""

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
