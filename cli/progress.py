"""What is shown on standard error while a run is made: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID
    from rich.status import Status

    from aaetools.training.callbacks import TrainingContext

__all__ = ["Display", "losses_line", "open_display"]

# In full for a line of its own, and short enough to stand beside a bar in 80 columns.
_LOSSES = {
    "reconstruction_loss": ("reconstruction", "recon"),
    "discriminator_loss": ("discriminator", "D"),
    "generator_loss": ("generator", "G"),
    "discriminator_accuracy": ("D accuracy", "D acc"),
}
_LINES_PER_FIT = 10


def losses_line(record: dict[str, float], *, short: bool = False) -> str:
    """Return the losses of an epoch in one line; those that the record lacks are left out.

    Examples
    --------
    >>> losses_line({"epoch": 3, "reconstruction_loss": 0.25, "discriminator_accuracy": 0.5})
    'reconstruction 0.250  D accuracy 0.500'
    """
    return "  ".join(f"{names[short]} {record[key]:.3f}" for key, names in _LOSSES.items() if key in record)


class Display:
    """Shows stages, and as a callback of the estimator the progress of training.

    Parameters
    ----------
    quiet
        Show nothing.
    live
        Draw bars and spinners, for terminals; else write lines.
    patience
        Seconds that some long work may take before its steps are shown.
    """

    def __init__(self, *, quiet: bool, live: bool, patience: float = 2.0) -> None:
        self.quiet = quiet
        self.live = live and not quiet
        self.patience = patience
        self._began: float | None = None
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._status: Status | None = None

    def note(self, text: str) -> None:
        """Say something that the user should know."""
        if not self.quiet:
            self._write(f"Note: {text}")

    def stage(self, text: str) -> None:
        """Say what is done next."""
        self.close()
        if self.live:
            from rich.console import Console
            from rich.text import Text

            self._status = Console(stderr=True).status(Text(f"{text[:1].upper()}{text[1:]} ..."))
            self._status.start()
        elif not self.quiet:
            self._write(f"{text[:1].upper()}{text[1:]} ...")

    def step(self, what: str, done: int, total: int) -> None:
        """Say how many parts of some long work are done; see :data:`aaetools.analysis.progress.Progress`."""
        if self._began is None:
            self._began = time.perf_counter()
        if time.perf_counter() - self._began < self.patience:
            return
        if self.live:
            if self._progress is None or self._task is None:
                self._open_bar(total)
            assert self._progress is not None
            assert self._task is not None
            self._progress.update(self._task, completed=done, total=total, losses=what)
            if done >= total:
                self.close()
        elif not self.quiet and done and _is_turn(done, total):
            self._write(f"{what[:1].upper()}{what[1:]}: {done} of {total}")

    def close(self) -> None:
        """Take bars and spinners off the screen."""
        if self._progress is not None:
            self._progress.stop()
        if self._status is not None:
            self._status.stop()
        self._progress = self._status = None

    def on_fit_start(self, context: TrainingContext) -> None:
        """Show the bar."""
        if not self.live:
            return
        self._open_bar(context.max_epochs)

    def on_epoch_end(self, context: TrainingContext) -> None:
        """Show the losses of this epoch if its turn has come."""
        if self._progress is not None and self._task is not None:
            losses = losses_line(context.record, short=True)
            self._progress.update(self._task, completed=context.epoch, losses=losses)
        elif not self.quiet and _is_turn(context.epoch, context.max_epochs):
            self._write(f"Epoch {context.epoch}/{context.max_epochs}  {losses_line(context.record)}")

    def on_fit_end(self, context: TrainingContext) -> None:
        """Leave the bar as it is at the end."""
        self.close()

    def _open_bar(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self.close()
        self._progress = Progress(
            BarColumn(bar_width=14),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task("training", total=total, losses="")
        self._progress.start()

    def _write(self, text: str) -> None:
        if self._progress is not None:
            self._progress.console.print(text, markup=False, highlight=False)
        elif self._status is not None:
            self._status.console.print(text, markup=False, highlight=False)
        else:
            click.echo(text, err=True)


def _is_turn(epoch: int, max_epochs: int) -> bool:
    """Tell whether this epoch completes another tenth of training."""
    return epoch * _LINES_PER_FIT // max_epochs > (epoch - 1) * _LINES_PER_FIT // max_epochs


@contextmanager
def open_display(*, quiet: bool) -> Iterator[Display]:
    """Yield a display for this terminal; Python's warnings become its notes, each once.

    Warnings of other libraries are about our use of them, not about the user's, and stay out of sight unless
    Python was started with -W.
    """
    display = Display(quiet=quiet, live=sys.stderr.isatty())
    said: set[str] = set()

    def show(message: Any, category: type[Warning], filename: str, *rest: Any, **more: Any) -> None:
        text = " ".join(str(message).split())
        if text not in said:
            said.add(text)
            display.note(text)

    with warnings.catch_warnings():
        if not sys.warnoptions:
            warnings.simplefilter("ignore")
            warnings.filterwarnings("always", category=UserWarning, module=r"aaetools(\.|$)")
        warnings.showwarning = show
        try:
            yield display
        finally:
            display.close()
