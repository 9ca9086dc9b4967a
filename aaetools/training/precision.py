"""In which precision the networks compute: float32, or bfloat16 products around float32 weights."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

__all__ = ["PRECISIONS", "bfloat16_is_fast", "full_precision", "mixed_precision", "resolve_precision"]

PRECISIONS = ("auto", "float32", "bfloat16")

_WORTH_CASTING = 2**23
"""Multiply-adds of the largest layer over a batch below which casting to bfloat16 costs more than it saves."""


def bfloat16_is_fast(device: torch.device) -> bool:
    """Say whether a device multiplies bfloat16 matrices in hardware, by its abilities and not by a measurement.

    A measurement could come out one way today and the other tomorrow, and with it every number of a fit.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type != "cpu":
        return False
    abilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch lack it
    return any(bool(abilities.get(name)) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def resolve_precision(wanted: str, device: torch.device, largest_layer: int, n_rows: int) -> str:
    """Return "float32" or "bfloat16".

    Parameters
    ----------
    wanted
        One of :data:`PRECISIONS`; "auto" takes bfloat16 where the device is fast at it and the products are large.
    largest_layer
        Weights of the largest layer.
    n_rows
        Rows of a batch.
    """
    if wanted != "auto":
        return wanted
    worth = largest_layer * n_rows >= _WORTH_CASTING
    return "bfloat16" if worth and bfloat16_is_fast(device) else "float32"


def mixed_precision(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """Return the context in which a step runs: products in bfloat16 if so wanted, sums and weights in float32."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()


def full_precision(tensor: Tensor) -> AbstractContextManager[object]:
    """Return a context without automatic casts, for what needs all digits of float32, such as densities of a prior."""
    return torch.autocast(tensor.device.type, enabled=False)
