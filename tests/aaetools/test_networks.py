"""Networks: shapes, and no way in for a label but through the discriminator."""

from __future__ import annotations

import inspect

import pytest
import torch
from torch import nn

from aaetools.exceptions import DataError
from aaetools.networks import ARCHITECTURES, Discriminator


@pytest.mark.parametrize(
    ("architecture", "shape"),
    [
        ("mlp", (7,)),
        ("mlp", (8, 8)),
        ("conv", (8, 8)),
        ("conv", (28, 28)),
        ("conv", (5, 9, 3)),
        ("conv", (4, 4)),
    ],
)
def test_encoder_and_decoder_map_rows_to_codes_and_back(architecture: str, shape: tuple[int, ...]) -> None:
    n_features = torch.Size(shape).numel()
    encoder, decoder = ARCHITECTURES[architecture](shape, 3, (16, 8))
    x = torch.randn(6, n_features)
    z = encoder(x)
    assert z.shape == (6, 3)
    assert decoder(z).shape == x.shape


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_encoder_and_decoder_take_one_tensor_and_no_label(architecture: str) -> None:
    for module in ARCHITECTURES[architecture]((8, 8), 3, (8,)):
        assert list(inspect.signature(module.forward).parameters) == ["input"]
        with pytest.raises(TypeError):
            module(torch.randn(4, 64), torch.randn(4, 11))


def test_batch_normalisation_stands_in_the_encoder_only() -> None:
    def norms(module: nn.Module) -> int:
        return sum(isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d) for part in module.modules())

    for build in ARCHITECTURES.values():
        encoder, decoder = build((8, 8), 3, (8, 8))
        assert norms(encoder) > 0
        assert norms(decoder) == 0
    assert norms(Discriminator(3, 11, (8, 8))) == 0


def test_the_label_row_reaches_the_discriminator() -> None:
    torch.manual_seed(0)
    critic = Discriminator(2, 4, (16,))
    z = torch.zeros(4, 2)
    logits = critic(z, torch.eye(4))
    assert logits.shape == (4,)
    assert len(logits.unique()) == 4, "the same code must be judged by the boundary that its label row selects"
    with pytest.raises(DataError, match="needs the label rows"):
        critic(z)


def test_a_plain_discriminator_judges_codes_alone() -> None:
    assert Discriminator(2, 0, (16,))(torch.zeros(5, 2)).shape == (5,)


@pytest.mark.parametrize("shape", [(64,), (3, 3), (2, 8, 1)])
def test_convolutions_need_pictures(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match="image_shape"):
        ARCHITECTURES["conv"](shape, 2, (8,))
