"""How many threads a fit uses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

__all__ = ["largest_layer", "threads_for"]

_WORTH_SHARING = 2**25
"""Multiply-adds of the largest layer over a batch below which a second thread costs more than it brings.

Handing out a product this small takes about as long as computing it, and where another program wants the second core
every product waits for it: a step then takes some ten times as long.
"""


def largest_layer(modules: tuple[nn.Module, ...]) -> int:
    """Return the number of weights of the largest layer."""
    return max((p.numel() for module in modules for p in module.parameters()), default=0)


@contextmanager
def threads_for(modules: tuple[nn.Module, ...], n_rows: int) -> Iterator[None]:
    """Run a block on one thread if the networks are small, and put the number of threads back afterwards."""
    before = torch.get_num_threads()
    try:
        if largest_layer(modules) * n_rows < _WORTH_SHARING:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)
