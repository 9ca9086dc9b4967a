"""torch.compile: in place while it lasts, and a way back that says why."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from aaetools.training.compilation import compiled


def trial(modules: Sequence[nn.Module]) -> Tensor:
    total: Tensor = modules[0](torch.ones(4, 3)).mean()
    return total


def test_nothing_is_compiled_unless_asked_for() -> None:
    module = nn.Linear(3, 2)
    with compiled([module], None):
        assert module._compiled_call_impl is None


def test_a_compiler_that_fails_is_named_and_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: nn.Module, **options: object) -> None:
        raise RuntimeError("no compiler found\nmore lines")

    monkeypatch.setattr(nn.Module, "compile", broken)
    module = nn.Linear(3, 2)
    with (
        pytest.warns(UserWarning, match=r"goes on without it: RuntimeError: no compiler found$"),
        compiled([module], trial),
    ):
        assert trial([module]).isfinite()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings("ignore")  # torch's own
def test_a_compiled_module_computes_the_same_and_is_itself_again_afterwards() -> None:
    module = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    x = torch.randn(4, 3)
    expected = module(x)
    with compiled([module], trial):
        assert module._compiled_call_impl is not None
        assert torch.allclose(module(x), expected, atol=1e-5)
    assert module._compiled_call_impl is None
    assert torch.equal(module(x), expected)
