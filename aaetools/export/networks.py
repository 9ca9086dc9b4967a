"""Encoders as ONNX nodes.

A module is traced by ``torch.fx``, which runs its ``forward`` once on a stand-in and writes down what happens. Each
layer, function and method has one line or function here; what has none is refused by name. To add one, put it into
:data:`LAYERS`, :data:`FUNCTIONS` or :data:`METHODS`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn
from torch.nn import functional

from aaetools.exceptions import DataError
from aaetools.export.graph import Graph

__all__ = ["FUNCTIONS", "LAYERS", "METHODS", "write_network"]


def write_network(graph: Graph, module: nn.Module, x: str) -> str:
    """Add the nodes of a module in evaluation mode, on the CPU, and return the name of its output.

    Parameters
    ----------
    graph
        Takes the nodes.
    module
        Maps one tensor to another.
    x
        Name of the value that the module is applied to, float32.

    Raises
    ------
    DataError
        If the module cannot be traced, or does something that has no translation; the message names it.
    """
    try:
        traced = fx.symbolic_trace(nn.Sequential(module))  # a bare layer would be traced inside
    except Exception as error:  # a user's forward may do anything
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DataError(
            f"the encoder {type(module).__name__} cannot be written as ONNX: its forward cannot be traced ({reason}); "
            "build it from layers, without branches or loops that depend on the data"
        ) from error
    values: dict[fx.Node, Any] = {}
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            if values:
                raise _refused(module, "a second input")
            values[node] = x
        elif node.op == "output":
            result = fx.map_arg(node.args[0], values.__getitem__)
            if not isinstance(result, str):
                raise _refused(module, "more than one output")
            return result
        elif node.op == "get_attr":
            tensor = operator.attrgetter(str(node.target))(traced)
            values[node] = graph.constant(_array(tensor))
        else:
            values[node] = _apply(graph, module, traced, node, values)
    raise _refused(module, "no output")


def _apply(graph: Graph, module: nn.Module, traced: fx.GraphModule, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
    """Add the nodes of one traced step and return what it gives: a value's name, or a shape."""
    arguments: Any = fx.map_arg(node.args, values.__getitem__)
    named: Any = fx.map_arg(node.kwargs, values.__getitem__)
    if node.op == "call_module":
        layer = traced.get_submodule(str(node.target))
        write: Any = LAYERS.get(type(layer))
        what, arguments = f"the layer {layer}", (layer, *arguments)
    else:
        write = (FUNCTIONS if node.op == "call_function" else METHODS).get(node.target)
        what = f"the function {getattr(node.target, '__name__', node.target)}"
    if write is None:
        raise _refused(module, what)
    try:
        return write(graph, *arguments, **named)
    except (TypeError, ValueError, IndexError) as error:  # arguments that the translation does not know
        raise _refused(module, f"{what} as it is used here ({error})") from error


def _refused(module: nn.Module, what: str) -> DataError:
    known = ", ".join(sorted(layer.__name__ for layer in LAYERS))
    return DataError(
        f"the encoder {type(module).__name__} cannot be written as ONNX: there is no translation for {what}; "
        f"layers that have one: {known}"
    )


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()


# -- layers ----------------------------------------------------------------------------------------------------------


def _linear(graph: Graph, layer: nn.Linear, x: str) -> str:
    product = graph.add("MatMul", x, graph.constant(_array(layer.weight).T))
    return product if layer.bias is None else graph.add("Add", product, graph.constant(_array(layer.bias)))


def _batch_norm(graph: Graph, layer: nn.BatchNorm1d | nn.BatchNorm2d, x: str) -> str:
    if layer.running_mean is None or layer.running_var is None:
        raise ValueError("without running statistics")
    ones, zeros = torch.ones(layer.num_features), torch.zeros(layer.num_features)
    scale, shift = (ones, zeros) if layer.weight is None else (layer.weight, layer.bias)
    parts = [graph.constant(_array(part)) for part in (scale, shift, layer.running_mean, layer.running_var)]
    return graph.add("BatchNormalization", x, *parts, epsilon=layer.eps)


def _layer_norm(graph: Graph, layer: nn.LayerNorm, x: str) -> str:
    ones = torch.ones(layer.normalized_shape)
    parts = [graph.constant(_array(ones if layer.weight is None else layer.weight))]
    if layer.bias is not None:
        parts.append(graph.constant(_array(layer.bias)))
    return graph.add("LayerNormalization", x, *parts, axis=-len(layer.normalized_shape), epsilon=layer.eps)


def _convolution(graph: Graph, layer: nn.Conv1d | nn.Conv2d, x: str) -> str:
    if layer.padding_mode != "zeros" or isinstance(layer.padding, str):
        raise ValueError("padding other than a number of zeros")
    parts = [graph.constant(_array(part)) for part in (layer.weight, layer.bias) if part is not None]
    return graph.add(
        "Conv",
        x,
        *parts,
        strides=list(layer.stride),
        pads=[*layer.padding, *layer.padding],
        dilations=list(layer.dilation),
        group=layer.groups,
    )


def _max_pool(graph: Graph, layer: nn.MaxPool2d, x: str) -> str:
    return graph.add("MaxPool", x, **_window(layer), dilations=_pair(layer.dilation))


def _average_pool(graph: Graph, layer: nn.AvgPool2d, x: str) -> str:
    if layer.divisor_override is not None:
        raise ValueError("with another divisor")
    return graph.add("AveragePool", x, **_window(layer), count_include_pad=int(layer.count_include_pad))


def _window(layer: nn.MaxPool2d | nn.AvgPool2d) -> dict[str, Any]:
    return {
        "kernel_shape": _pair(layer.kernel_size),
        "strides": _pair(layer.stride),
        "pads": _pair(layer.padding) * 2,
        "ceil_mode": int(layer.ceil_mode),
    }


def _pair(size: Any) -> list[int]:
    return [int(size)] * 2 if isinstance(size, int) else [int(length) for length in size]


def _pool_to_one(graph: Graph, layer: nn.AdaptiveAvgPool2d, x: str) -> str:
    if layer.output_size not in (1, (1, 1)):
        raise ValueError("to another size than 1")
    return graph.add("GlobalAveragePool", x)


def _flatten(graph: Graph, x: str, start_dim: int = 0, end_dim: int = -1) -> str:
    if (start_dim, end_dim) != (1, -1):
        raise ValueError("over other axes than all but the first")
    return graph.add("Flatten", x, axis=1)


def _unflatten(graph: Graph, layer: nn.Unflatten, x: str) -> str:
    if layer.dim != 1:
        raise ValueError("of another axis than the second")
    return _reshape(graph, x, _ROWS, *layer.unflattened_size)


# -- functions -------------------------------------------------------------------------------------------------------

_ROWS = 0
"""Stands for the number of rows in a shape; ONNX takes that from the value that is reshaped."""


def _reshape(graph: Graph, x: str, *shape: Any) -> str:
    sizes = [int(size) for size in (shape[0] if len(shape) == 1 and isinstance(shape[0], list | tuple) else shape)]
    if _ROWS in sizes[1:]:
        raise ValueError("the number of rows anywhere but first")
    return graph.add("Reshape", x, graph.constant(sizes, np.int64))


def _permute(graph: Graph, x: str, *order: Any) -> str:
    axes = order[0] if len(order) == 1 and isinstance(order[0], list | tuple) else order
    return graph.add("Transpose", x, perm=[int(axis) for axis in axes])


def _size(graph: Graph, x: str, axis: int) -> int:
    if axis != 0:
        raise ValueError("of another axis than the first")
    return _ROWS


def _shape(graph: Graph, x: str, name: str) -> tuple[int]:
    if name != "shape":
        raise ValueError(name)
    return (_ROWS,)


def _item(graph: Graph, shape: Any, index: Any) -> int:
    if shape != (_ROWS,) or index != 0:
        raise ValueError("other than x.shape[0]")
    return _ROWS


def _between(kind: str, graph: Graph, left: Any, right: Any) -> str:
    """Add an operation on two values, or on a value and a number."""
    names = [side if isinstance(side, str) else graph.constant(float(side), np.float32) for side in (left, right)]
    return graph.add(kind, *names)


def _concatenate(graph: Graph, parts: Any, dim: int = 0) -> str:
    return graph.add("Concat", *parts, axis=dim)


def _same(graph: Graph, x: str, *rest: Any, **more: Any) -> str:
    return x


def _of_one(kind: str, graph: Graph, x: str, inplace: bool = False) -> str:
    return graph.add(kind, x)


def _leaky(graph: Graph, x: str, negative_slope: float = 0.01, inplace: bool = False) -> str:
    return graph.add("LeakyRelu", x, alpha=negative_slope)


def _elu(graph: Graph, x: str, alpha: float = 1.0, inplace: bool = False) -> str:
    return graph.add("Elu", x, alpha=alpha)


def _silu(graph: Graph, x: str, inplace: bool = False) -> str:
    return graph.add("Mul", x, graph.add("Sigmoid", x))


def _gelu(graph: Graph, x: str, approximate: str = "none") -> str:
    if approximate != "none":
        raise ValueError("approximate")
    # 0.5 x (1 + erf(x / sqrt 2))
    error = graph.add("Erf", _between("Mul", graph, x, 0.5**0.5))
    return graph.add("Mul", _between("Mul", graph, x, 0.5), _between("Add", graph, error, 1.0))


def _softplus(graph: Graph, layer: nn.Softplus, x: str) -> str:
    if layer.beta != 1:
        raise ValueError("with another beta than 1")
    return graph.add("Softplus", x)


def _ignoring_layer(write: Callable[..., str]) -> Callable[..., str]:
    return lambda graph, layer, x: write(graph, x)


LAYERS: dict[type[nn.Module], Callable[..., str]] = {
    nn.Linear: _linear,
    nn.BatchNorm1d: _batch_norm,
    nn.BatchNorm2d: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: _pool_to_one,
    nn.Flatten: lambda graph, layer, x: _flatten(graph, x, layer.start_dim, layer.end_dim),
    nn.Unflatten: _unflatten,
    nn.ReLU: _ignoring_layer(partial(_of_one, "Relu")),
    nn.Tanh: _ignoring_layer(partial(_of_one, "Tanh")),
    nn.Sigmoid: _ignoring_layer(partial(_of_one, "Sigmoid")),
    nn.SiLU: _ignoring_layer(_silu),
    nn.GELU: lambda graph, layer, x: _gelu(graph, x, layer.approximate),
    nn.ELU: lambda graph, layer, x: _elu(graph, x, layer.alpha),
    nn.LeakyReLU: lambda graph, layer, x: _leaky(graph, x, layer.negative_slope),
    nn.Softplus: _softplus,
    nn.Dropout: _ignoring_layer(_same),  # the model answers in evaluation mode
    nn.Dropout2d: _ignoring_layer(_same),
    nn.Identity: _ignoring_layer(_same),
}
"""Kind of layer -> function(graph, layer, value) that adds its nodes and returns the name of what it gives."""

FUNCTIONS: dict[Any, Callable[..., Any]] = {
    torch.relu: partial(_of_one, "Relu"),
    functional.relu: partial(_of_one, "Relu"),
    torch.tanh: partial(_of_one, "Tanh"),
    torch.sigmoid: partial(_of_one, "Sigmoid"),
    functional.silu: _silu,
    functional.gelu: _gelu,
    functional.elu: _elu,
    functional.leaky_relu: _leaky,
    torch.flatten: _flatten,
    torch.cat: _concatenate,
    torch.add: partial(_between, "Add"),
    operator.add: partial(_between, "Add"),
    operator.sub: partial(_between, "Sub"),
    operator.mul: partial(_between, "Mul"),
    operator.truediv: partial(_between, "Div"),
    getattr: _shape,
    operator.getitem: _item,
}
"""Function -> function(graph, its arguments) that adds its nodes."""

METHODS: dict[Any, Callable[..., Any]] = {
    "relu": partial(_of_one, "Relu"),
    "tanh": partial(_of_one, "Tanh"),
    "sigmoid": partial(_of_one, "Sigmoid"),
    "flatten": _flatten,
    "reshape": _reshape,
    "view": _reshape,
    "permute": _permute,
    "contiguous": _same,
    "size": _size,
}
"""Method of a tensor -> function(graph, tensor, its arguments) that adds its nodes."""
