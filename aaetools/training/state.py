"""The state of training: nested dicts and lists of plain values and tensors, and how it becomes files.

Whatever the steps to come depend on has ``state`` and ``restore``. A state has no objects in it, so that it can be
written as JSON and safetensors: reading one back runs no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

__all__ = [
    "State",
    "Stateful",
    "generator_states",
    "optimizer_state",
    "pack",
    "restore_generators",
    "restore_optimizer",
    "unpack",
]

State = dict[str, Any]
"""Names to numbers, texts, booleans, None, tensors, and lists and dicts of these."""

_TENSOR = "tensor"
"""Key of the object that stands for a tensor in JSON."""


@runtime_checkable
class Stateful(Protocol):
    """Something that changes while training."""

    def state(self) -> State:
        """Return everything that the future depends on; tensors may be the live ones."""

    def restore(self, state: State) -> None:
        """Take a state back that :meth:`state` returned, here or in another process."""


def generator_states() -> State:
    """Return the states of torch's global generators, which modules such as dropout draw from; byte tensors."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def restore_generators(state: State) -> None:
    """Put torch's global generators back."""
    torch.set_rng_state(state["cpu"])
    if state["cuda"]:
        torch.cuda.set_rng_state_all(state["cuda"])


def optimizer_state(optimizer: torch.optim.Optimizer | None) -> State:
    """Return the moments of an optimiser; its settings come from the game, its rate from the schedule."""
    if optimizer is None:
        return {}
    return {str(index): dict(values) for index, values in optimizer.state_dict()["state"].items()}


def restore_optimizer(optimizer: torch.optim.Optimizer | None, state: State) -> None:
    """Put the moments of an optimiser back."""
    if optimizer is not None:
        moments = {int(index): values for index, values in state.items()}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def pack(state: Any) -> tuple[Any, dict[str, Tensor]]:
    """Split a state into what JSON can hold and its tensors, named by their place.

    Examples
    --------
    >>> pack({"a": [1, torch.zeros(2)]})
    ({'a': [1, {'tensor': '/a/1'}]}, {'/a/1': tensor([0., 0.])})
    """
    tensors: dict[str, Tensor] = {}

    def walk(value: Any, place: str) -> Any:
        if isinstance(value, Tensor):
            # a clone, because the format refuses tensors that share memory, as tied layers do
            tensors[place] = value.detach().cpu().clone().contiguous()
            return {_TENSOR: place}
        if isinstance(value, Mapping):
            return {str(name): walk(inner, f"{place}/{name}") for name, inner in value.items()}
        if isinstance(value, list | tuple):
            return [walk(inner, f"{place}/{index}") for index, inner in enumerate(value)]
        return value

    return walk(state, ""), tensors


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put a state together again; a tensor that is not there is a KeyError."""
    if isinstance(value, dict):
        if set(value) == {_TENSOR}:
            return tensors[value[_TENSOR]]
        return {name: unpack(inner, tensors) for name, inner in value.items()}
    if isinstance(value, list):
        return [unpack(inner, tensors) for inner in value]
    return value
