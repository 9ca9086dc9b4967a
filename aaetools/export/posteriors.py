"""The class posterior p(k | z) of each prior as ONNX nodes, in double precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aaetools.exceptions import DataError
from aaetools.export.graph import Graph
from aaetools.priors import (
    GaussianPrior,
    Prior,
    RingPrior,
    SampledPrior,
    SimplexPrior,
    SwissRollPrior,
    UniformPrior,
)

__all__ = ["POSTERIORS", "write_posterior"]


def write_posterior(graph: Graph, prior: Prior, z: str) -> str:
    """Add the nodes of p(k | z) and return the name of the probabilities, float64, shape (n, K).

    Parameters
    ----------
    graph
        Takes the nodes.
    prior
        A prior with classes.
    z
        Name of the codes, float32, shape (n, n_dims).

    Raises
    ------
    DataError
        If the prior is a class of the user's own.
    """
    write = POSTERIORS.get(type(prior))
    if write is None:
        raise DataError(
            f"the prior {type(prior).__name__} cannot be written as ONNX; export the codes alone (codes_only=True)"
        )
    return write(graph, prior, graph.cast(z, np.float64))


def _double(values: Tensor) -> NDArray[np.float64]:
    return values.detach().cpu().double().numpy()


def _weights(prior: Prior) -> NDArray[np.float64]:
    return _double(prior._weights(None))


def _gaussians(graph: Graph, prior: Any, z: str) -> str:
    """One Gaussian per class, each along its own axes."""
    axes = torch.eye(prior.n_dims)[None] if prior.axes is None else prior.axes
    turn = _double(axes).swapaxes(1, 2) / _double(prior.stds)
    return _kernels(graph, z, _double(prior.means)[:, None], turn, np.log(_weights(prior))[:, None])


def _roll(graph: Graph, prior: SwissRollPrior, z: str) -> str:
    """Kernels along the roll, in its plane; further axes say nothing of the class."""
    n_nodes = prior.n_nodes * max(1, math.ceil(prior.n_classes / 10))
    u = (torch.arange(n_nodes) + 0.5) / n_nodes
    owner = torch.bucketize(u, prior._edges(None)[1:-1].contiguous())
    curve = _double(prior.curve(u))
    counts = np.bincount(owner, minlength=prior.n_classes)
    points = np.zeros((prior.n_classes, counts.max(), prior.n_dims))
    offsets = np.full(points.shape[:2], -np.inf)  # classes with fewer nodes than others are filled up with nothing
    for k, (weight, count) in enumerate(zip(_weights(prior), counts, strict=True)):
        points[k, :count, :2] = curve[owner == k]
        offsets[k, :count] = math.log(weight) - math.log(max(count, 1))
    turn = np.eye(prior.n_dims, 2)[None] / prior.noise_std
    return _kernels(graph, z, points, turn, offsets)


def _draws(graph: Graph, prior: SampledPrior, z: str) -> str:
    """Kernels on reference draws."""
    points, bandwidth = (_double(value) for value in prior._reference)
    offsets = np.broadcast_to(np.log(_weights(prior))[:, None], points.shape[:2])
    return _kernels(graph, z, points, np.diag(1 / bandwidth)[None], offsets)


def _kernels(
    graph: Graph,
    z: str,
    points: NDArray[np.float64],
    turn: NDArray[np.float64],
    offsets: NDArray[np.float64],
) -> str:
    """p(k | z) ~ sum_m exp(offset_km - |(z - point_km) turn_k|^2 / 2).

    Parameters
    ----------
    points
        Shape (K, m, n_dims).
    turn
        Shape (K or 1, n_dims, e).
    offsets
        Shape (K, m).
    """
    spread = graph.add("Unsqueeze", z, graph.constant([1, 2], np.int64))
    apart = graph.add("Sub", spread, graph.constant(points))
    turned = graph.add("MatMul", apart, graph.constant(turn))
    squared = graph.add("ReduceSumSquare", turned, graph.constant([3], np.int64), keepdims=0)
    exponent = graph.add("Sub", graph.constant(offsets), graph.add("Mul", squared, graph.constant(0.5)))
    joint = graph.add("ReduceLogSumExp", exponent, graph.constant([2], np.int64), keepdims=0)
    return graph.add("Softmax", joint, axis=1)


def _gaussian(graph: Graph, prior: GaussianPrior, z: str) -> str:
    edges = prior._edges(None)
    if prior.n_dims == 1:
        scaled = graph.add("Div", z, graph.constant(prior.std, np.float64))
        return _slabs(graph, scaled, _double(torch.special.ndtri(edges)), prior.softness)
    return _sectors(graph, prior, z, _double(edges))


def _uniform(graph: Graph, prior: UniformPrior, z: str) -> str:
    first = graph.add("Slice", z, *(graph.constant([value], np.int64) for value in (0, 1, 1)))
    inside = graph.add("Clip", first, *(graph.constant(side * prior.half_width, np.float64) for side in (-1, 1)))
    return _slabs(graph, inside, prior.half_width * (2 * _double(prior._edges(None)) - 1), prior.softness)


def _slabs(graph: Graph, value: str, edges: NDArray[np.float64], softness: float) -> str:
    """Softened membership in the intervals between edges; ``value`` has shape (n, 1)."""
    above = graph.add("Sub", value, graph.constant(edges[:-1]))
    below = graph.add("Sub", graph.constant(edges[1:]), value)
    return _softened(graph, graph.add("Min", above, below), softness)


def _sectors(graph: Graph, prior: GaussianPrior, z: str, edges: NDArray[np.float64]) -> str:
    """Softened membership in sectors of the plane of the first two axes: radius * (half - |angle - middle|).

    The angle between a code and a sector's middle is 2 atan(|cross| / (radius + dot)), which needs no atan2.
    """
    middle, half = np.pi * (edges[:-1] + edges[1:]), np.pi * (edges[1:] - edges[:-1])
    embed = np.eye(prior.n_dims, 2) / prior.std
    along = np.stack([np.cos(middle), np.sin(middle)])
    across = np.stack([-np.sin(middle), np.cos(middle)])
    dot = graph.add("MatMul", z, graph.constant(embed @ along))
    cross = graph.add("Abs", graph.add("MatMul", z, graph.constant(embed @ across)))
    plane = graph.add("MatMul", z, graph.constant(embed))
    squared = graph.add("ReduceSumSquare", plane, graph.constant([1], np.int64), keepdims=1)
    radius = graph.add("Sqrt", squared)
    least = graph.constant(np.finfo(np.float64).tiny, np.float64)  # at the origin, where there is no angle
    ratio = graph.add("Div", cross, graph.add("Max", graph.add("Add", radius, dot), least))
    quarter = graph.add("Atan", graph.cast(ratio, np.float32))  # onnxruntime has it in float32 only
    gap = graph.add("Mul", graph.cast(quarter, np.float64), graph.constant(2.0))
    distance = graph.add("Mul", radius, graph.add("Sub", graph.constant(half), gap))
    return _softened(graph, distance, prior.softness)


def _softened(graph: Graph, distance: str, softness: float) -> str:
    return graph.add("Softmax", graph.add("Div", distance, graph.constant(softness, np.float64)), axis=1)


POSTERIORS: dict[type[Prior], Callable[[Graph, Any, str], str]] = {
    GaussianPrior: _gaussian,
    RingPrior: _gaussians,
    SimplexPrior: _gaussians,
    SwissRollPrior: _roll,
    UniformPrior: _uniform,
    SampledPrior: _draws,
}
"""Kind of prior -> function(graph, prior, codes in float64) that adds the nodes of p(k | z)."""
