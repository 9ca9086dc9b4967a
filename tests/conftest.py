"""One thread for every test: the networks are tiny, and several test processes may share the cores."""

from __future__ import annotations

import matplotlib as mpl
import torch

mpl.use("agg")
torch.set_num_threads(1)
