"""The adversarial autoencoder as it is usually written by hand: eager PyTorch, DataLoader, three optimisers.

Needs torch only, so that the other sides of a comparison can take their networks from here.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

__all__ = ["EagerLoop", "make_networks"]


def make_networks(
    n_features: int, hidden: tuple[int, ...], n_components: int
) -> tuple[nn.Module, nn.Module, nn.Module]:
    """Return encoder, decoder and discriminator: ReLU layers, batch normalisation in the encoder only."""

    def stack(widths: tuple[int, ...], batch_norm: bool = False) -> nn.Sequential:
        layers: list[nn.Module] = []
        for before, after in pairwise(widths[:-1]):
            layers.append(nn.Linear(before, after, bias=not batch_norm))
            if batch_norm:
                layers.append(nn.BatchNorm1d(after))
            layers.append(nn.ReLU())
        return nn.Sequential(*layers, nn.Linear(widths[-2], widths[-1]))

    encoder = stack((n_features, *hidden, n_components), batch_norm=True)
    decoder = stack((n_components, *reversed(hidden), n_features))
    return encoder, decoder, stack((n_components, *hidden, 1))


class EagerLoop:
    """The two phases of the paper, one optimiser for each of the three updates, two encoder passes a batch."""

    def __init__(self, x: Tensor, hidden: tuple[int, ...], n_components: int, batch_size: int, seed: int) -> None:
        torch.manual_seed(seed)
        self.n_components = n_components
        self.encoder, self.decoder, self.discriminator = make_networks(x.shape[1], hidden, n_components)
        self.loader = DataLoader(TensorDataset(x), batch_size=batch_size, shuffle=True)
        self.autoencoder_optimizer = torch.optim.Adam([*self.encoder.parameters(), *self.decoder.parameters()], lr=1e-3)
        self.discriminator_optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=1e-3)
        self.generator_optimizer = torch.optim.Adam(self.encoder.parameters(), lr=1e-3)

    def epoch(self) -> float:
        """Train on every row once and return the mean reconstruction error."""
        total = 0.0
        for (x,) in self.loader:
            ones, zeros = torch.ones(len(x), 1), torch.zeros(len(x), 1)

            self.autoencoder_optimizer.zero_grad()
            reconstruction = functional.mse_loss(self.decoder(self.encoder(x)), x)
            reconstruction.backward()
            self.autoencoder_optimizer.step()

            z = self.encoder(x)
            self.discriminator_optimizer.zero_grad()
            real = self.discriminator(torch.randn(len(x), self.n_components))
            fake = self.discriminator(z.detach())
            judged = functional.binary_cross_entropy_with_logits(
                real, ones
            ) + functional.binary_cross_entropy_with_logits(fake, zeros)
            judged.backward()
            self.discriminator_optimizer.step()

            self.generator_optimizer.zero_grad()
            functional.binary_cross_entropy_with_logits(self.discriminator(z), ones).backward()
            self.generator_optimizer.step()
            total += reconstruction.item()
        return total / len(self.loader)
