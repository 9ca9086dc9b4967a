"""Are fits the same to the bit? In other processes, beside other work, broken off and resumed, on more threads.

python benchmarks/determinism.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile

from tables import machine, markdown_table, publish, versions

WORKER = """
import hashlib, sys
import numpy as np
import torch
from sklearn.datasets import load_digits, load_wine
from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.training import Callback, Checkpoints
name, threads, epochs, recipe, stop, folder = sys.argv[1:]
torch.set_num_threads(int(threads))
load = {"digits": load_digits, "wine": load_wine}[name]
X, y = load(return_X_y=True)
y = mask_labels(y, per_class=10, random_state=0)

class Stop(Callback):
    def on_step_end(self, context):
        if context.epoch == int(stop):
            saver.interrupt = KeyboardInterrupt()

saver = Checkpoints(folder, resume=True)
callbacks = [saver, Stop()] if int(stop) else [saver]
hidden = (1000, 500) if int(threads) > 1 or recipe == "paper" else "auto"
model = AdversarialAutoencoder(max_epochs=int(epochs), recipe=recipe, hidden_layer_sizes=hidden, random_state=0)
try:
    model.set_params(callbacks=callbacks).fit(X, y)
except KeyboardInterrupt:
    model.set_params(callbacks=[Checkpoints(folder, resume=True)]).fit(X, y)
state = b"".join(t.numpy().tobytes() for m in model._modules() for t in m.state_dict().values())
print(hashlib.sha256(state + model.transform(X).tobytes()).hexdigest())
"""


def digest(data: str, threads: int, epochs: int, recipe: str, stop: int = 0) -> str:
    with tempfile.TemporaryDirectory() as folder:
        words = [data, str(threads), str(epochs), recipe, str(stop), folder]
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", WORKER, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the results file")
    arguments = parser.parse_args()
    rows = []
    for data, recipe, epochs in (("wine", "few-labels", 60), ("wine", "paper", 60), ("digits", "few-labels", 8)):
        first = digest(data, 1, epochs, recipe)
        again = [digest(data, 1, epochs, recipe) == first for _ in range(2)]
        resumed = [digest(data, 1, epochs, recipe, stop) == first for stop in (1, epochs // 2, epochs - 1)]
        rows.append([data, recipe, f"{epochs}", f"{sum(again)} of {len(again)}", f"{sum(resumed)} of {len(resumed)}"])
    table = markdown_table(["data", "recipe", "epochs", "same in another process", "same after a resume"], rows)
    two = [digest("wine", 2, 20, "few-labels") for _ in range(3)]
    text = (
        "# Determinism\n\nMade by `benchmarks/determinism.py`: SHA-256 of all weights and codes of fits in processes "
        f"of their own, one thread.\n\n{table}\n"
        f"With two threads and wide layers, {two.count(two[0]) - 1} of {len(two) - 1} fits equal the first.\n\n"
        f"{machine()}. {versions()}\n"
    )
    publish("determinism.md", text, arguments.write)


if __name__ == "__main__":
    main()
