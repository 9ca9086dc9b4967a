"""``torch.compile`` for the networks of a fit, with a way back."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["compiled"]


@contextmanager
def compiled(modules: Sequence[nn.Module], trial: Callable[[Sequence[nn.Module]], Tensor] | None) -> Iterator[None]:
    """Run a block with modules compiled in place, or as they are, with a warning that says why.

    Their weights, hooks and copies stay ordinary: only the call is compiled, and it is given back at the end. On a
    CUDA device the mode is "reduce-overhead", which records CUDA graphs.

    Parameters
    ----------
    trial
        Runs modules like these forward on a small batch and returns a scalar; what it or its gradient raises is the
        reason not to compile. None compiles nothing.
    """
    if trial is None:
        yield
        return
    devices = {p.device.type for module in modules for p in module.parameters()}
    mode = "reduce-overhead" if "cuda" in devices else "default"
    try:
        tried = [copy.deepcopy(module) for module in modules]
        for module in tried:
            module.compile(mode=mode)
        trial(tried).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    except Exception as error:  # a compiler can fail in any way
        reason = (str(error).strip().splitlines() or [""])[0]
        warnings.warn(
            f"torch.compile does not work here, training goes on without it: {type(error).__name__}: {reason}",
            UserWarning,
            stacklevel=4,
        )
        yield
        return
    try:
        for module in modules:
            module.compile(mode=mode)
        yield
    finally:
        for module in modules:
            module._compiled_call_impl = None
        torch.compiler.reset()
