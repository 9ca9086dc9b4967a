"""Checkpoints: the state of training on disk, so that a crash costs minutes and not the whole fit."""

from __future__ import annotations

import os
import re
import shutil
import time
import warnings
from pathlib import Path
from typing import Any

import aaetools
from aaetools.exceptions import AAEToolsError, DataError, ModelFileError, RunFolderError
from aaetools.sealed import json_bytes, parse_json, read_sealed, write_sealed
from aaetools.training.callbacks import Callback, TrainingContext
from aaetools.training.state import State, pack, unpack

__all__ = ["CHECKPOINT_SCHEMA_VERSION", "Checkpoints", "checkpoints"]

CHECKPOINT_SCHEMA_VERSION = 1
_STATE, _TENSORS = "state.json", "tensors.safetensors"
_NAME = re.compile(r"checkpoint-(\d{6,})-(\d{9,})")
_KEPT = 2
"""The last one is of use when the newest turns out to be damaged."""
_MUST_AGREE = ("data", "settings")
"""What the state is meaningless without; where anything else of the identity differs, only the last digits do."""


class Checkpoints(Callback):
    """Saves the state of training now and then, and takes it up again.

    A fit that goes on from a checkpoint ends with the same bits as one that was never broken off, on the same machine
    with the same versions and threads, on the CPU. A callback of your own takes part if it has the methods of
    :class:`aaetools.training.state.Stateful`. Where a checkpoint cannot be written a warning says so, and training
    goes on: the one before is still there.

    Parameters
    ----------
    folder
        Where checkpoints go, one folder each; made if it is not there.
    every_minutes
        Save when so many minutes have passed since the last time, also in the middle of an epoch; None for never.
    every_epochs
        Save after every so many epochs as well; None for not.
    resume
        Go on from the newest checkpoint that is whole; without any, begin anew.

    Attributes
    ----------
    saved
        Epochs at which a checkpoint was saved, whole ones and parts.
    resumed_from
        Epochs that the checkpoint had behind it from which training went on; None if it began anew.
    seconds_before
        What these epochs took.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_minutes: float | None = 1.0,
        every_epochs: int | None = None,
        resume: bool = False,
    ) -> None:
        if (every_minutes is not None and not every_minutes > 0) or (every_epochs is not None and every_epochs < 1):
            raise DataError("every_minutes must be a number above 0, and every_epochs a whole number of at least 1")
        self.folder = Path(folder)
        self.every_minutes = every_minutes
        self.every_epochs = every_epochs
        self.resume = resume
        self.saved: list[float] = []
        self.resumed_from: float | None = None
        self.seconds_before = 0.0
        self.training = False
        self.interrupt: BaseException | None = None
        """Set it, from a signal's handler, to have the next step saved, and this raised after it."""
        self._last = 0.0
        self._identity: dict[str, str] = {}

    def on_fit_start(self, context: TrainingContext) -> None:
        """Go on from the newest whole checkpoint if asked to.

        Raises
        ------
        ModelFileError
            If checkpoints are there and none is whole, or they are of another fit.
        RunFolderError
            If checkpoints are there and nobody asked to resume, or the folder cannot be made.
        """
        self._identity = {**context.identity(), "aaetools": aaetools.__version__}
        self.saved, self.resumed_from, self.seconds_before = [], None, 0.0
        if self.resume:
            self._go_on(context)
        elif checkpoints(self.folder):
            raise RunFolderError(f"{self.folder} holds checkpoints of a fit; resume it, or choose another folder")
        self._last = time.monotonic()
        self.training = True

    def on_step_end(self, context: TrainingContext) -> None:
        """Save if the minutes have passed, or if training is to end here."""
        if self.interrupt is not None:
            self.training = False
            self.save(context)
            raise self.interrupt
        if self.every_minutes is not None and time.monotonic() - self._last >= 60 * self.every_minutes:
            self.save(context)

    def on_epoch_end(self, context: TrainingContext) -> None:
        """Save if it is this epoch's turn, or the last one of a fit long enough to have been saved before."""
        over = context.stop or context.epoch == context.max_epochs
        if (self.every_epochs is not None and context.epoch % self.every_epochs == 0) or (over and self.saved):
            self.save(context)

    def on_fit_end(self, context: TrainingContext) -> None:
        """Training is over."""
        self.training = False

    def save(self, context: TrainingContext) -> bool:
        """Write a checkpoint now, remove those that are not needed any more, and return whether it worked.

        Once training has diverged nothing is written: it ends with this epoch, and what was kept before stays.
        """
        from safetensors.torch import save as to_bytes

        if not context.is_finite():
            return False
        try:
            values, tensors = pack(context.state())
            document = {
                "schema_version": CHECKPOINT_SCHEMA_VERSION,
                "aaetools_version": aaetools.__version__,
                "identity": self._identity,
                "state": values,
            }
            files = {_STATE: json_bytes(document), _TENSORS: to_bytes(tensors)}
            name = f"checkpoint-{context.epoch:06d}-{context.step:09d}"
            write_sealed(self.folder / name, files)
            for old in checkpoints(self.folder)[_KEPT:]:
                shutil.rmtree(old, ignore_errors=True)
        except (OSError, TypeError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            warnings.warn(
                f"no checkpoint could be written to {self.folder}: {reason}; training goes on",
                UserWarning,
                stacklevel=2,
            )
            self._last = time.monotonic()
            return False
        self.saved.append(context.epoch)
        self._last = time.monotonic()
        return True

    def _go_on(self, context: TrainingContext) -> None:
        damaged: list[AAEToolsError] = []
        for folder in checkpoints(self.folder):
            try:
                document, state = _read(folder)
            except ModelFileError as error:
                damaged.append(error)
                continue
            self._check_identity(document["identity"], folder)
            try:
                context.restore(state)
            except Exception as error:  # what odd values do to all that takes them is not for us to list
                reason = (str(error).splitlines() or [""])[0] or type(error).__name__
                raise ModelFileError(f"{folder} cannot be taken up: {reason}") from error
            for newer in checkpoints(self.folder):
                if newer.name > folder.name:  # it would be taken for the newest again
                    shutil.rmtree(newer, ignore_errors=True)
            if damaged:
                warnings.warn(f"{damaged[0]}; the checkpoint before it is taken", UserWarning, stacklevel=2)
            self.resumed_from = context.epoch
            self.seconds_before = sum(context.history.get("seconds", []))
            return
        if damaged:
            raise damaged[0]

    def _check_identity(self, given: dict[str, str], folder: Path) -> None:
        other = [name for name in self._identity if given.get(name) != self._identity[name]]
        if fatal := [name for name in other if name in _MUST_AGREE]:
            raise ModelFileError(
                f"{folder} was made with other {' and '.join(fatal)}; give the same again, or begin anew elsewhere"
            )
        if other:
            changed = ", ".join(f"{name} {given.get(name)} (now {self._identity[name]})" for name in other)
            warnings.warn(
                f"the checkpoint was made with {changed}: the result may differ in the last digits from that of a fit "
                "that was not broken off",
                UserWarning,
                stacklevel=2,
            )


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, whole or not, the newest first."""
    if not folder.is_dir():
        return []
    return sorted((entry for entry in folder.iterdir() if _NAME.fullmatch(entry.name)), reverse=True)


def _read(folder: Path) -> tuple[dict[str, Any], State]:
    """Read a checkpoint that is as it was written."""
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    contents = read_sealed(folder, (_STATE, _TENSORS))
    document = parse_json(contents[_STATE], folder / _STATE)
    if document.get("schema_version") != CHECKPOINT_SCHEMA_VERSION:
        raise ModelFileError(
            f"{folder / _STATE} has schema version {document.get('schema_version')!r}, this aaetools reads "
            f"{CHECKPOINT_SCHEMA_VERSION}; go on with aaetools {document.get('aaetools_version', 'of the time')}"
        )
    try:
        if not isinstance(document["identity"], dict):
            raise TypeError("identity")
        return document, unpack(document["state"], from_bytes(contents[_TENSORS]))
    except (KeyError, TypeError, SafetensorError) as error:
        raise ModelFileError(f"{folder} is not what this aaetools writes") from error
