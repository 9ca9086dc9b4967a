"""What do checkpoints cost? The same fits with and without them, in turn.

python benchmarks/checkpoint_cost.py
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_digits
from tables import machine, markdown_table, publish, versions

from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.training import Checkpoints, TrainingContext
from aaetools.training.checkpoints import checkpoints


class Timed(Checkpoints):
    """Checkpoints that time themselves.

    Attributes
    ----------
    saves
        Seconds of each checkpoint.
    inside
        Seconds of all calls by the training loop, those that saved nothing among them.
    """

    def __init__(self, folder: Path, **settings: Any) -> None:
        super().__init__(folder, **settings)
        self.saves: list[float] = []
        self.inside = 0.0

    def on_step_end(self, context: TrainingContext) -> None:
        """As usual, timed."""
        began = time.perf_counter()
        super().on_step_end(context)
        self.inside += time.perf_counter() - began

    def on_epoch_end(self, context: TrainingContext) -> None:
        """As usual, timed."""
        began = time.perf_counter()
        super().on_epoch_end(context)
        self.inside += time.perf_counter() - began

    def save(self, context: TrainingContext) -> bool:
        """As usual, timed."""
        began = time.perf_counter()
        saved = super().save(context)
        self.saves.append(time.perf_counter() - began)
        return saved


@dataclass
class Timings:
    """Of repeated fits: seconds by the clock and by the processor, share spent in checkpoints, seconds of each."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    saves: list[float] = field(default_factory=list)
    n_bytes: int = 0


WAYS: dict[str, dict[str, float | None] | None] = {
    "none": None,
    "default, one a minute": {"every_minutes": 1.0, "every_epochs": None},
    "one an epoch": {"every_minutes": None, "every_epochs": 1},
}


def fit(way: str, widths: tuple[int, ...] | str, epochs: int | str, timings: Timings) -> None:
    X, y = load_digits(return_X_y=True)
    y = mask_labels(y, per_class=10, random_state=0)
    model = AdversarialAutoencoder(hidden_layer_sizes=widths, max_epochs=epochs, random_state=0)
    with tempfile.TemporaryDirectory() as folder:
        settings = WAYS[way]
        saver = Timed(Path(folder, "c"), **settings) if settings is not None else None
        model.set_params(callbacks=saver)
        began, used = time.perf_counter(), time.process_time()
        model.fit(X, y)
        timings.wall.append(time.perf_counter() - began)
        timings.processor.append(time.process_time() - used)
        if saver is not None:
            timings.saves += saver.saves
            timings.share.append(saver.inside / timings.wall[-1])
            newest = checkpoints(saver.folder)[:1]
            timings.n_bytes = sum(file.stat().st_size for folder in newest for file in folder.iterdir())


def rows_of(name: str, widths: tuple[int, ...] | str, epochs: int | str, rounds: int) -> list[list[str]]:
    found = {way: Timings() for way in WAYS}
    for _ in range(rounds):
        for way in WAYS:  # in turn, so that what else the machine does hits all alike
            fit(way, widths, epochs, found[way])
    bare = found["none"]
    rows = []
    for way, timings in found.items():
        one = (
            f"{1000 * statistics.median(timings.saves):.0f} ms, {timings.n_bytes / 1e6:.1f} MB"
            if timings.saves
            else "-"
        )
        ratios = [
            statistics.median(a / b for a, b in zip(getattr(timings, clock), getattr(bare, clock), strict=True))
            for clock in ("wall", "processor")
        ]
        rows.append(
            [
                name,
                way,
                f"{len(timings.saves) / rounds:.0f}",
                one,
                f"{statistics.median(timings.wall):.1f} s",
                f"{statistics.median(timings.share):.3%}" if timings.share else "-",
                *(f"{ratio:.2f}" for ratio in ratios),
            ]
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="write the results file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    fit("none", (8,), 1, Timings())  # what is loaded once is nobody's cost
    rows = [
        *rows_of("digits, 256 and 256", "auto", "auto", arguments.rounds),
        *rows_of("digits, 1000, 500 and 250; 10 epochs", (1000, 500, 250), 10, arguments.rounds),
    ]
    columns = [
        "fit",
        "checkpoints",
        "of them",
        "one takes",
        "the fit takes",
        "of it in checkpoints",
        "times the bare one",
        "by processor time",
    ]
    text = (
        "# What checkpoints cost\n\nMade by `benchmarks/checkpoint_cost.py`: fits with and without checkpoints in "
        f"turn, medians of {arguments.rounds} rounds, one thread.\n\n{markdown_table(columns, rows)}\n"
        "A fit of less than a minute writes none by default: what is left is a look at the clock in each step. The "
        "share is timed inside the fits; the ratios also hold what else the machine did meanwhile.\n\n"
        f"{machine()}. {versions()}\n"
    )
    publish("checkpoint_cost.md", text, arguments.write)


if __name__ == "__main__":
    main()
