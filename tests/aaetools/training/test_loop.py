"""The loop: epochs, records, callbacks, and the stop at a loss that is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from aaetools.exceptions import TrainingError
from aaetools.training import Batch, Callback, PrintLosses, TrainingContext, fit_loop


class Batches:
    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def epoch(self) -> Iterator[Batch]:
        for _ in range(self.n):
            yield Batch(torch.zeros(2, 1), torch.full((2,), -1), 0)


class Counter:
    """A game that knows nothing of autoencoders: the loop must not care."""

    def __init__(self, bad_step: int = -1) -> None:
        self.progress: list[float] = []
        self.bad_step = bad_step

    def train_step(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        self.progress.append(progress)
        step = len(self.progress)
        return {"loss": torch.tensor(math.nan if step == self.bad_step else float(step))}


def test_the_history_holds_epoch_means_and_progress_rises_evenly() -> None:
    game = Counter()
    history = fit_loop(game, Batches(4), 2)
    assert history["loss"] == [2.5, 6.5]
    assert history["epoch"] == [1, 2]
    assert game.progress == pytest.approx([k / 8 for k in range(8)])


def test_a_loss_that_is_not_finite_stops_training_and_is_named() -> None:
    with pytest.raises(TrainingError, match="loss is nan in step 2 of 3 of epoch 2: training diverged"):
        fit_loop(Counter(bad_step=5), Batches(3), 4)


def test_callbacks_see_every_epoch_and_can_stop() -> None:
    calls: list[str] = []

    class Watcher(Callback):
        def on_fit_start(self, context: TrainingContext) -> None:
            calls.append(f"start of {context.max_epochs}")

        def on_epoch_end(self, context: TrainingContext) -> None:
            calls.append(f"epoch {context.epoch} loss {context.record['loss']:g}")
            context.stop = context.epoch == 2

        def on_fit_end(self, context: TrainingContext) -> None:
            calls.append("end")

    history = fit_loop(Counter(), Batches(1), 9, [Watcher()])
    assert calls == ["start of 9", "epoch 1 loss 1", "epoch 2 loss 2", "end"]
    assert len(history["epoch"]) == 2


def test_losses_are_printed_every_n_epochs_and_at_the_end() -> None:
    lines: list[str] = []
    fit_loop(Counter(), Batches(1), 5, [PrintLosses(2, lines.append)])
    assert [line.split()[1] for line in lines] == ["2/5", "4/5", "5/5"]


def test_no_batches_at_all_is_an_error() -> None:
    with pytest.raises(TrainingError, match="no batch"):
        fit_loop(Counter(), Batches(0), 1)


def test_a_gradient_that_is_not_finite_stops_training_although_every_loss_is() -> None:
    class Overflown(Counter):
        def not_finite(self) -> str | None:
            return "discriminator" if len(self.progress) >= 6 else None

    with pytest.raises(TrainingError, match="a gradient of the discriminator is not finite in step 3 of 3 of epoch 2"):
        fit_loop(Overflown(), Batches(3), 4)


def test_a_part_is_known_by_its_kind_and_not_by_its_place() -> None:
    class Kept(Callback):
        def __init__(self, value: int) -> None:
            self.value = value

        def state(self) -> dict[str, int]:
            return {"value": self.value}

        def restore(self, state: dict[str, int]) -> None:
            self.value = state["value"]

    states = []

    class Look(Callback):
        def on_fit_end(self, context: TrainingContext) -> None:
            states.append(context.state()["parts"])

    fit_loop(Counter(), Batches(1), 1, [Kept(1), Look(), Kept(2)])
    fit_loop(Counter(), Batches(1), 1, [Kept(1), Kept(2), Look()])
    assert states == [{"Kept 0": {"value": 1}, "Kept 1": {"value": 2}}] * 2
