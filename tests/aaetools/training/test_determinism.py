"""The same seed gives the same bits, in whichever process and beside whatever else."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from aaetools.estimators import AdversarialAutoencoder

ROOT = Path(__file__).parents[3]
WORKER = """
import sys
import torch
torch.set_num_threads(1)
sys.path.insert(0, sys.argv[1])
from test_determinism import digest
print(digest())
"""


def digest() -> str:
    """Fit with all that is random in it, and return a hash of weights, codes and draws."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(80, 9)).astype(np.float32) + 3 * np.eye(4, 9, dtype=np.float32).repeat(20, 0)
    y = np.where(np.arange(80) % 4 == 0, np.repeat(np.array(["a", "b", "c", "d"]), 20), None)
    model = AdversarialAutoencoder(
        image_shape=(3, 3), augmentation="affine", hidden_layer_sizes=(16,), max_epochs=4, random_state=5
    ).fit(X, y)
    found = hashlib.sha256()
    for module in model._modules():
        for tensor in module.state_dict().values():
            found.update(tensor.numpy().tobytes())
    found.update(model.transform(X).tobytes() + model.sample(7, random_state=1).tobytes())
    return found.hexdigest()


@pytest.mark.slow
def test_another_process_finds_the_same_bits() -> None:
    here = digest()
    torch.manual_seed(99)  # nobody's business
    np.random.seed(99)
    assert digest() == here
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"}
    done = subprocess.run(
        [sys.executable, "-c", WORKER, str(Path(__file__).parent)], capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == here, done.stderr
