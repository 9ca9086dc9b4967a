"""Running averages of weights, and batch statistics to go with them (Izmailov et al. 2018, section 3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, update_bn

__all__ = ["refresh_batch_norm", "running_average", "use_averages"]

_CHUNK = 8192


def running_average(module: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential average of a module's weights whose memory grows to ``1 / (1 - decay)`` steps."""

    def step(averaged: Sequence[Tensor], current: Sequence[Tensor], n_averaged: Tensor | int) -> None:
        seen = int(n_averaged)
        torch._foreach_lerp_(list(averaged), list(current), 1 - min(decay, (1 + seen) / (10 + seen)))

    return AveragedModel(module, multi_avg_fn=step)


def use_averages(modules: Sequence[nn.Module], averages: Sequence[AveragedModel]) -> None:
    """Give modules their averaged weights."""
    for module, average in zip(modules, averages, strict=False):
        module.load_state_dict(average.module.state_dict())


def refresh_batch_norm(module: nn.Module, x: Tensor) -> None:
    """Set the batch normalisation's statistics to those of all rows, clean and with the weights as they are now."""
    update_bn([part for part in torch.split(x, _CHUNK) if len(part) > 1], module)
