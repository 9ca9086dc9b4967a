"""Encoder, decoder and discriminator builders: MLP (as in the paper) and convolutional.

Encoders and decoders are ordinary modules of one tensor: they have no input a label could come through. Only the
discriminator takes a second one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from aaetools.exceptions import DataError

__all__ = ["ARCHITECTURES", "Discriminator", "WithDispersion", "conv_networks", "mlp", "mlp_networks"]


def mlp(n_inputs: int, hidden: Sequence[int], n_outputs: int, *, batch_norm: bool = False) -> nn.Sequential:
    """Return ReLU layers of the given widths and a linear last layer."""
    layers: list[nn.Module] = []
    width = n_inputs
    for size in hidden:
        layers.append(nn.Linear(width, size, bias=not batch_norm))
        if batch_norm:
            layers.append(nn.BatchNorm1d(size))
        layers.append(nn.ReLU())
        width = size
    layers.append(nn.Linear(width, n_outputs))
    return nn.Sequential(*layers)


class Discriminator(nn.Module):
    """D(z, entries): one logit per row, high for codes taken for draws from the prior (section 2.3).

    ``entries`` are the label rows of K+1 entries; their last one, "no label", switches D to the decision boundary
    of the whole mixture. With ``n_entries=0`` it is the plain discriminator of section 2. There is no batch
    normalisation: it would mix prior and posterior rows.
    """

    def __init__(self, n_components: int, n_entries: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.n_entries = n_entries
        self.net = mlp(n_components + n_entries, hidden, 1)

    def forward(self, z: Tensor, entries: Tensor | None = None) -> Tensor:
        """Return logits, shape (n,), for codes (n, d) and label rows (n, n_entries)."""
        if self.n_entries:
            if entries is None:
                raise DataError("this discriminator needs the label rows beside the codes")
            z = torch.cat([z, entries], dim=1)
        logits: Tensor = self.net(z)
        return logits[:, 0]


class WithDispersion(nn.Module):
    """A decoder together with the logarithm of each count column's dispersion, which is learned but needs no code.

    Being one module, the two are trained, averaged, saved and moved together.
    """

    def __init__(self, net: nn.Module, n_counts: int) -> None:
        super().__init__()
        self.net = net
        self.log_dispersion = nn.Parameter(torch.zeros(n_counts))

    def forward(self, z: Tensor) -> Tensor:
        decoded: Tensor = self.net(z)
        return decoded


def mlp_networks(
    sample_shape: tuple[int, ...], n_components: int, hidden: Sequence[int]
) -> tuple[nn.Module, nn.Module]:
    """Return a fully connected encoder and decoder; batch normalisation in the encoder only."""
    n_features = 1
    for size in sample_shape:
        n_features *= size
    encoder = mlp(n_features, hidden, n_components, batch_norm=True)
    decoder = mlp(n_components, tuple(reversed(hidden)), n_features)
    return encoder, decoder


def conv_networks(
    sample_shape: tuple[int, ...], n_components: int, hidden: Sequence[int]
) -> tuple[nn.Module, nn.Module]:
    """Return a convolutional encoder and decoder for flattened images of at least 4 x 4 pixels.

    The encoder halves the picture three times and then averages over what is left of it, so that a shift changes
    little; its layers have 32, 64, 128 and 128 planes. ``hidden`` sets the width of the decoder's fully connected
    layer, its last entry counting.

    Parameters
    ----------
    sample_shape
        ``(height, width)`` or ``(height, width, channels)``.
    """
    if len(sample_shape) not in (2, 3) or min(sample_shape[:2]) < 4:
        raise DataError(
            f"the conv architecture needs images of at least 4 x 4 pixels, got sample shape {sample_shape}; "
            "give image_shape=(height, width) or (height, width, channels)"
        )
    height, width = sample_shape[:2]
    channels = sample_shape[2] if len(sample_shape) == 3 else 1
    encoder = nn.Sequential(
        _ToPlanes((height, width, channels)),
        *_convolution(channels, 32, size=5, stride=2),
        *_convolution(32, 64),
        nn.MaxPool2d(2, ceil_mode=True),
        *_convolution(64, 128),
        nn.MaxPool2d(2, ceil_mode=True),
        *_convolution(128, 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, n_components),
    )
    small = (-(-height // 4), -(-width // 4))
    dense = hidden[-1] if len(hidden) else 128
    decoder = nn.Sequential(
        nn.Linear(n_components, dense),
        nn.ReLU(),
        nn.Linear(dense, 64 * small[0] * small[1]),
        nn.ReLU(),
        nn.Unflatten(1, (64, *small)),
        nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(32, channels, 4, stride=2, padding=1),
        _FromPlanes((height, width, channels)),
    )
    # a third faster on processors with bfloat16 than planes one after the other
    encoder = encoder.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    return encoder, decoder


def _convolution(n_inputs: int, n_outputs: int, *, size: int = 3, stride: int = 1) -> list[nn.Module]:
    """Return a convolution that keeps the picture's size but for the stride, batch normalisation and ReLU."""
    return [
        nn.Conv2d(n_inputs, n_outputs, size, stride=stride, padding=size // 2, bias=False),
        nn.BatchNorm2d(n_outputs),
        nn.ReLU(),
    ]


class _ToPlanes(nn.Module):
    """Flattened rows (n, h * w * c) to planes (n, c, h, w)."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, *self.shape).permute(0, 3, 1, 2)


class _FromPlanes(nn.Module):
    """Planes (n, c, >= h, >= w) to flattened rows, cut to the picture's size."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, planes: Tensor) -> Tensor:
        height, width, _ = self.shape
        return planes[:, :, :height, :width].permute(0, 2, 3, 1).flatten(1)


Builder = Callable[[tuple[int, ...], int, Sequence[int]], tuple[nn.Module, nn.Module]]

ARCHITECTURES: dict[str, Builder] = {"mlp": mlp_networks, "conv": conv_networks}
"""Name -> function of (sample_shape, n_components, hidden) that returns (encoder, decoder)."""
