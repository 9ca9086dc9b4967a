"""What a decoder's outputs say of each column, by its kind: a likelihood, an expected value, an error.

A decoder has one output per encoded column. Of a number it is the number, of a boolean the log-odds, of a category's
levels their logits, of a count the logarithm of its mean; numbers and counts are scaled as their inputs are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from aaetools.columns import Layout
from aaetools.losses import (
    bernoulli_loss,
    categorical_loss,
    mean_or_zero,
    negative_binomial_loss,
    squared_loss,
)
from aaetools.preprocessing import InputScaler

__all__ = ["ByKind", "moment_dispersion"]

_SMALLEST, _LARGEST = -20.0, 40.0
"""Logarithms of means: what lies beyond overflows in float32."""
_WIDEST, _NARROWEST = -8.0, 8.0
"""Logarithms of dispersions: beyond, the distribution is as good as Poisson, and float32 has no digits left."""


@dataclass(frozen=True, eq=False)
class ByKind:
    """Losses and expected values of encoded columns, each by its kind.

    ``raw`` is always the decoder's output and ``x`` the scaled rows, both of shape (n, n_encoded). A missing value
    costs nothing: the mark that it is missing is a column of its own, and what stands in its place is made up.

    Attributes
    ----------
    layout
        Which encoded columns are of which kind.
    center, scale
        Of the counts' logarithms, shape (n_counts,): their inputs are scaled, their means are not.
    """

    layout: Layout
    center: Tensor
    scale: Tensor

    @classmethod
    def of(cls, layout: Layout, scaler: InputScaler, like: Tensor) -> ByKind:
        """Return it on the device of ``like``, and in its type."""
        center, scale = (torch.from_numpy(part[layout.counts]).to(like) for part in (scaler.center, scaler.scale))
        return cls(layout, center, scale)

    def loss(self, raw: Tensor, x: Tensor, log_dispersion: Tensor) -> Tensor:
        """Return the mean over rows and columns of the table of -log p(x | raw); numbers have unit variance."""
        return mean_or_zero(self._losses(raw, x, log_dispersion, 1.0).sum(dim=1) / max(self.layout.n_columns, 1))

    def log_likelihood(self, raw: Tensor, x: Tensor, log_dispersion: Tensor, noise_variance: float) -> Tensor:
        """Return log p(x | raw) of each row, shape (n,): densities of numbers, probabilities of all other kinds."""
        n_numbers = self._present(x, self.layout.gaussian_marks).sum(dim=1)
        constant = 0.5 * math.log(2 * math.pi * noise_variance) * n_numbers
        return -self._losses(raw, x, log_dispersion, noise_variance).sum(dim=1) - constant

    def expected(self, raw: Tensor) -> Tensor:
        """Return what is expected of each encoded column, in scaled units: probabilities of 0 and 1.

        Of a count it is log(1 + mean), as its inputs are.
        """
        at = self.layout
        x_hat = raw.clone()
        x_hat[:, at.bernoulli] = raw[:, at.bernoulli].sigmoid()
        x_hat[:, at.counts] = (functional.softplus(self._log_mean(raw)) - self.center) / self.scale
        for start, stop in at.categories:
            x_hat[:, start:stop] = raw[:, start:stop].softmax(dim=1)
        return x_hat

    def squared_error(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the mean squared error of each row's encoded columns, shape (n,), 0 where a value is missing.

        For probabilities this is Brier's score: like that of numbers, its least value with one constant is reached at
        the mean, so that it can be compared with the variance.
        """
        at, squares = self.layout, (self.expected(raw) - x).square()
        for places, marks in (
            (at.gaussian, at.gaussian_marks),
            (at.counts, at.count_marks),
            (at.bernoulli, at.bernoulli_marks),
        ):
            squares[:, places] = squares[:, places] * self._present(x, marks)
        return squares.mean(dim=1)

    def noise_variance(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the mean squared error of each row's numbers, shape (n,)."""
        at = self.layout
        present = self._present(x, at.gaussian_marks)
        squares = (raw[:, at.gaussian] - x[:, at.gaussian]).square() * present
        return squares.sum(dim=1) / present.sum(dim=1).clamp(min=1)

    def counts(self, x: Tensor) -> Tensor:
        """Return the counts of scaled rows, shape (n, n_counts)."""
        # whole numbers again: the logarithm in float32 has lost their last digits
        return torch.expm1(x[:, self.layout.counts] * self.scale + self.center).round().clamp(min=0)

    def _losses(self, raw: Tensor, x: Tensor, log_dispersion: Tensor, noise_variance: float) -> Tensor:
        """Return -log p of each number, boolean, count and category, shape (n, n_parts)."""
        at = self.layout
        parts = [x.new_zeros(len(x), 1)]
        if len(at.gaussian):
            present = self._present(x, at.gaussian_marks)
            parts.append(present * squared_loss(raw[:, at.gaussian], x[:, at.gaussian]) / noise_variance)
        if len(at.bernoulli):
            present = self._present(x, at.bernoulli_marks)
            parts.append(present * bernoulli_loss(raw[:, at.bernoulli], x[:, at.bernoulli]))
        if len(at.counts):
            present = self._present(x, at.count_marks)
            dispersion = log_dispersion.clamp(_WIDEST, _NARROWEST)
            parts.append(present * negative_binomial_loss(self._log_mean(raw), dispersion, self.counts(x)))
        parts += [categorical_loss(raw[:, i:j], x[:, i:j])[:, None] for i, j in at.categories]
        return torch.cat(parts, dim=1)

    def _log_mean(self, raw: Tensor) -> Tensor:
        return (raw[:, self.layout.counts] * self.scale + self.center).clamp(_SMALLEST, _LARGEST)

    def _present(self, x: Tensor, marks: NDArray[np.int64]) -> Tensor:
        """Return 1 where a value is there and 0 where its mark says that it is missing, shape (n, n_places)."""
        return 1 - x[:, np.maximum(marks, 0)] * torch.from_numpy(marks >= 0).to(x.device)


def moment_dispersion(counts: Tensor) -> Tensor:
    """Return the logarithm of mean^2 / (variance - mean) of each column, where a fit starts; shape (n_counts,).

    The estimate by moments overstates how much counts vary for given codes, so that it is an end to start from.
    """
    mean, variance = counts.mean(dim=0), counts.var(dim=0, correction=0)
    above = (variance - mean).clamp(min=1e-4)
    return (mean.square().clamp(min=1e-4) / above).log().clamp(_WIDEST / 2, _NARROWEST / 2)
