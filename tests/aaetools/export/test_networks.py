"""Layers and functions as ONNX nodes compute what torch computes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.nn import functional

from aaetools.exceptions import DataError
from aaetools.export.graph import Graph
from aaetools.export.networks import FUNCTIONS, LAYERS, METHODS, write_network
from aaetools.networks import ARCHITECTURES


def answer(module: nn.Module, x: Tensor) -> Any:
    graph = Graph()
    result = write_network(graph, module, "x")
    made = helper.make_graph(
        graph.nodes,
        "test",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *x.shape[1:]])],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
        graph.constants,
    )
    document = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return onnxruntime.InferenceSession(document.SerializeToString()).run(None, {"x": x.numpy()})[0]


def assert_same(module: nn.Module, shape: tuple[int, ...]) -> None:
    module.eval()
    for n in (1, 5):
        x = torch.randn((n, *shape), generator=torch.Generator().manual_seed(n))
        with torch.inference_mode():
            expected = module(x).numpy()
        np.testing.assert_allclose(answer(module, x), expected, rtol=1e-5, atol=2e-6)


def used(*features: int) -> nn.BatchNorm1d:
    """Return a layer with statistics other than those it begins with."""
    layer = nn.BatchNorm1d(*features, eps=1e-3)
    layer(3 * torch.randn(50, *features) + 1)
    return layer


CASES: list[tuple[Callable[[], nn.Module], tuple[int, ...]]] = [
    (lambda: nn.Linear(6, 3), (6,)),
    (lambda: nn.Linear(6, 3, bias=False), (2, 6)),
    (lambda: used(6), (6,)),
    (lambda: nn.BatchNorm2d(2, affine=False), (2, 4, 4)),
    (lambda: nn.LayerNorm(6), (6,)),
    (lambda: nn.LayerNorm((4, 4), elementwise_affine=False), (2, 4, 4)),
    (lambda: nn.Conv1d(2, 3, 3, padding=1), (2, 9)),
    (lambda: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), (2, 7, 8)),
    (lambda: nn.Conv2d(2, 4, 3, dilation=2, bias=False), (2, 7, 8)),
    (lambda: nn.MaxPool2d(2, ceil_mode=True), (2, 5, 7)),
    (lambda: nn.MaxPool2d(3, stride=1, padding=1, dilation=1), (2, 5, 7)),
    (lambda: nn.AvgPool2d((2, 3), padding=1, count_include_pad=False), (2, 5, 7)),
    (lambda: nn.AdaptiveAvgPool2d(1), (2, 5, 7)),
    (lambda: nn.Flatten(), (2, 3)),
    (lambda: nn.Unflatten(1, (2, 3)), (6,)),
    *((lambda kind=kind: kind(), (6,)) for kind in (nn.ReLU, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.GELU, nn.Softplus)),
    (lambda: nn.ELU(0.7), (6,)),
    (lambda: nn.LeakyReLU(0.2), (6,)),
    *((lambda kind=kind: kind(), (6, 2, 2)) for kind in (nn.Dropout, nn.Dropout2d, nn.Identity)),
]


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_layers_compute_what_torch_computes(make: Callable[[], nn.Module], shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    assert_same(make(), shape)


def test_every_layer_is_tried() -> None:
    assert {type(make()) for make, _ in CASES} == set(LAYERS)


@pytest.mark.parametrize(
    ("architecture", "shape"), [("mlp", (7,)), ("conv", (8, 8)), ("conv", (5, 9, 3)), ("conv", (28, 28))]
)
def test_built_encoders_compute_what_torch_computes(architecture: str, shape: tuple[int, ...]) -> None:
    assert set(ARCHITECTURES) == {"mlp", "conv"}
    torch.manual_seed(0)
    encoder, _ = ARCHITECTURES[architecture](shape, 3, (16, 8))
    assert_same(encoder, (torch.Size(shape).numel(),))


class Steps(nn.Module):
    """A user's own forward, given as a function of the module and its input."""

    def __init__(self, steps: Callable[[Any, Tensor], Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6)
        self.weight = nn.Parameter(torch.arange(6.0))
        self.steps = steps

    def forward(self, x: Tensor) -> Any:
        return self.steps(self, x)


OWN: dict[str, Callable[[Any, Tensor], Any]] = {
    "residual": lambda m, x: x + torch.relu(m.layer(x)),
    "constants": lambda m, x: (2 * x - 1) / 3 + m.weight * x,
    "functions": lambda m, x: torch.cat([functional.gelu(x), torch.tanh(x), torch.sigmoid(x)], dim=1),
    "more functions": lambda m, x: torch.add(functional.elu(x, 0.5), functional.leaky_relu(functional.silu(x), 0.3)),
    "and more": lambda m, x: torch.flatten(functional.relu(x).reshape(-1, 2, 3), 1),
    "methods": lambda m, x: x.view(x.size(0), 2, 3).permute(0, 2, 1).contiguous().flatten(1).relu().tanh().sigmoid(),
    "shapes": lambda m, x: x.reshape((x.shape[0], -1)),
}


@pytest.mark.parametrize("name", OWN)
def test_a_users_own_forward_is_followed(name: str) -> None:
    torch.manual_seed(0)
    assert_same(Steps(OWN[name]), (6,))


def test_every_function_and_method_is_tried() -> None:
    from torch import fx

    targets = {node.target for steps in OWN.values() for node in fx.symbolic_trace(Steps(steps)).graph.nodes}
    assert (set(FUNCTIONS) | set(METHODS)) <= targets


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "layer": (nn.Sequential(nn.Linear(2, 2), nn.Softshrink()), "no translation for the layer Softshrink"),
    "setting": (nn.Sequential(nn.AdaptiveAvgPool2d(2)), "to another size than 1"),
    "statistics": (nn.Sequential(nn.BatchNorm1d(2, track_running_stats=False)), "without running statistics"),
    "padding": (nn.Sequential(nn.Conv2d(1, 1, 3, padding="same")), "padding other than a number"),
    "function": (Steps(lambda m, x: torch.sin(x)), "no translation for the function sin"),
    "method": (Steps(lambda m, x: x.cumsum(1)), "no translation for the function cumsum"),
    "use": (Steps(lambda m, x: x.reshape(2, x.shape[1])), "no translation for the function"),
    "two outputs": (Steps(lambda m, x: (x, x)), "more than one output"),
    "branch": (Steps(lambda m, x: x if x.sum() > 0 else -x), "its forward cannot be traced"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_translation_is_named(name: str) -> None:
    module, words = REFUSED[name]
    with pytest.raises(DataError, match=words) as caught:
        write_network(Graph(), module, "x")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"the encoder {type(module).__name__} cannot be written as ONNX")
