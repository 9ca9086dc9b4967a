"""Does kill -9 ever cost more than one interval? Kill fits at random points, resume them, compare the bits.

Each round starts a small fit in a process of its own that saves after every epoch, kills it at a random moment, looks
at what is left, and starts it again, until a fit gets through. Its weights must be those of a fit that nobody killed.

    python benchmarks/kill.py            200 kills, some minutes
    python benchmarks/kill.py --kills 25
    TMPDIR=/dev/shm python benchmarks/kill.py     where flushing to the disk is slow; a kill loses nothing in memory
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
import safetensors.torch  # noqa: F401  # before the forks, so that no killed fit spends its time on importing it
import torch
from tables import machine, markdown_table, publish, versions

from aaetools import AdversarialAutoencoder, save
from aaetools.training import Callback, Checkpoints, TrainingContext

X = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
Y = np.where(np.arange(60) % 3 == 0, np.arange(60) % 2, -1)


class Tell(Callback):
    """Writes down which epoch is over, before it is saved."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_epoch_end(self, context: TrainingContext) -> None:
        """Write the number of the epoch."""
        with (self.folder / "epochs").open("a") as file:
            file.write(f"{context.epoch}\n")


def fit(folder: Path, epochs: int) -> None:
    """Fit, from the last checkpoint if there is one, and save the model."""
    saver = Checkpoints(folder / "checkpoints", every_epochs=1, resume=True)
    model = AdversarialAutoencoder(hidden_layer_sizes=(8,), max_epochs=epochs, batch_size=16, random_state=0)
    model.set_params(recipe_params={"propagate": False})  # what comes before the first epoch is not looked at
    model.set_params(callbacks=[Tell(folder), saver]).fit(X, Y)
    save(model.set_params(callbacks=None), folder / "model", force=(folder / "model").exists())


def start(folder: Path, epochs: int) -> int:
    """Fit in a process of its own, which is a copy of this one: importing torch takes longer than such a fit."""
    folder.mkdir(exist_ok=True)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            fit(folder, epochs)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def ended_well(pid: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def digest(folder: Path) -> str:
    return hashlib.sha256((folder / "model" / "weights.safetensors").read_bytes()).hexdigest()


def told(folder: Path) -> list[int]:
    file = folder / "epochs"
    return [int(line) for line in file.read_text().split()] if file.is_file() else []


def run(kills: int, epochs: int, seed: int) -> dict[str, float]:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole = Path(scratch, "whole")
        began = time.perf_counter()
        assert ended_well(start(whole, epochs))
        seconds, expected = time.perf_counter() - began, digest(whole)
        killed = fits = worst = differing = 0
        while killed < kills:
            folder = Path(scratch, str(fits))
            over = False
            while not over and killed < kills:
                before = told(folder)
                pid = start(folder, epochs)
                time.sleep(chance.uniform(0, seconds))
                os.kill(pid, signal.SIGKILL)  # which does nothing to one that is through
                over = ended_well(pid)
                killed += not over
                if after := told(folder)[len(before) :]:  # how many finished epochs it had to do again
                    worst = max(worst, max(before, default=0) + 1 - after[0])
            assert over or ended_well(start(folder, epochs)), "a fit could not be resumed"
            differing += digest(folder) != expected
            fits += 1
    assert differing == 0, f"{differing} of {fits} fits ended with other weights"
    return {"kills": killed, "fits": fits, "seconds": seconds, "repeated": worst, "differing": differing}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write the results file")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # a process with more threads must not be copied
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports for seconds, which no copy should have to do again
    found = run(arguments.kills, arguments.epochs, arguments.seed)
    table = markdown_table(
        ["kills", "fits they were spread over", "fits with other weights than an uninterrupted one",
         "finished epochs that had to be done again, at most"],
        [[f"{found['kills']}", f"{found['fits']}", f"{found['differing']}", f"{found['repeated']}"]],
    )  # fmt: skip
    text = (
        "# Killed fits\n\nMade by `benchmarks/kill.py`: fits that save after every epoch, killed by SIGKILL at random "
        f"points and resumed until they got through.\n\n{table}\n"
        f"An uninterrupted fit of {arguments.epochs} epochs takes {found['seconds']:.1f} s. {machine()}. {versions()}\n"
    )
    publish("kill.md", text, arguments.write)


if __name__ == "__main__":
    main()
