"""Settings that every test runs under."""

from __future__ import annotations

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # read once, when scipy is imported; scikit-learn's checks ask for it

import matplotlib as mpl
import torch

mpl.use("agg")
# one thread: the networks are tiny, and several test processes may share the cores
torch.set_num_threads(1)
