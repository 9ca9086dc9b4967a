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
class _Cells:
    """Where the encoded columns of one kind are, and the marks of their missing values."""

    places: Tensor
    marks: Tensor
    marked: Tensor

    @classmethod
    def of(cls, places: NDArray[np.int64], marks: NDArray[np.int64], like: Tensor) -> _Cells:
        at, mark = (torch.from_numpy(part).to(like.device) for part in (places, np.maximum(marks, 0)))
        return cls(at, mark, torch.from_numpy(marks >= 0).to(like))

    def __len__(self) -> int:
        return len(self.places)

    def present(self, x: Tensor) -> Tensor:
        """Return 1 where a value is there and 0 where its mark says that it is missing, shape (n, n_places)."""
        return 1 - x[:, self.marks] * self.marked


@dataclass(frozen=True, eq=False)
class ByKind:
    """Losses and expected values of encoded columns, each by its kind.

    ``raw`` is always the decoder's output and ``x`` the scaled rows, both of shape (n, n_encoded). A missing value
    costs nothing: the mark that it is missing is a column of its own, and what stands in its place is made up.

    Attributes
    ----------
    layout
        Which encoded columns are of which kind.
    gaussian, bernoulli, counted
        The same for numbers and dates, for booleans and marks, and for counts, on the networks' device.
    center, scale
        Of the counts' logarithms, shape (n_counts,): their inputs are scaled, their means are not.
    """

    layout: Layout
    gaussian: _Cells
    bernoulli: _Cells
    counted: _Cells
    center: Tensor
    scale: Tensor

    @classmethod
    def of(cls, layout: Layout, scaler: InputScaler, like: Tensor) -> ByKind:
        """Return it on the device of ``like``, and in its type."""
        center, scale = (torch.from_numpy(part[layout.counts]).to(like) for part in (scaler.center, scaler.scale))
        return cls(
            layout,
            _Cells.of(layout.gaussian, layout.gaussian_marks, like),
            _Cells.of(layout.bernoulli, layout.bernoulli_marks, like),
            _Cells.of(layout.counts, layout.count_marks, like),
            center,
            scale,
        )

    def loss(self, raw: Tensor, x: Tensor, log_dispersion: Tensor) -> Tensor:
        """Return the mean over rows and columns of the table of -log p(x | raw); numbers have unit variance."""
        return mean_or_zero(self._losses(raw, x, log_dispersion, 1.0).sum(dim=1) / max(self.layout.n_columns, 1))

    def log_likelihood(self, raw: Tensor, x: Tensor, log_dispersion: Tensor, noise_variance: float) -> Tensor:
        """Return log p(x | raw) of each row, shape (n,): densities of numbers, probabilities of all other kinds."""
        constant = 0.5 * math.log(2 * math.pi * noise_variance) * self.gaussian.present(x).sum(dim=1)
        return -self._losses(raw, x, log_dispersion, noise_variance).sum(dim=1) - constant

    def expected(self, raw: Tensor) -> Tensor:
        """Return what is expected of each encoded column, in scaled units: probabilities of 0 and 1.

        Of a count it is log(1 + mean), as its inputs are.
        """
        x_hat = raw.clone()
        x_hat[:, self.bernoulli.places] = raw[:, self.bernoulli.places].sigmoid()
        x_hat[:, self.counted.places] = (functional.softplus(self._log_mean(raw)) - self.center) / self.scale
        for start, stop in self.layout.categories:
            x_hat[:, start:stop] = raw[:, start:stop].softmax(dim=1)
        return x_hat

    def squared_error(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the mean squared error of each row's encoded columns, shape (n,), 0 where a value is missing.

        For probabilities this is Brier's score: like that of numbers, its least value with one constant is reached at
        the mean, so that it can be compared with the variance.
        """
        squares = (self.expected(raw) - x).square()
        for cells in (self.gaussian, self.counted, self.bernoulli):
            squares[:, cells.places] = squares[:, cells.places] * cells.present(x)
        return squares.mean(dim=1)

    def noise_variance(self, raw: Tensor, x: Tensor) -> Tensor:
        """Return the mean squared error of each row's numbers, shape (n,)."""
        places, present = self.gaussian.places, self.gaussian.present(x)
        squares = (raw[:, places] - x[:, places]).square() * present
        return squares.sum(dim=1) / present.sum(dim=1).clamp(min=1)

    def counts(self, x: Tensor) -> Tensor:
        """Return the counts of scaled rows, shape (n, n_counts)."""
        # whole numbers again: the logarithm in float32 has lost their last digits
        return torch.expm1(x[:, self.counted.places] * self.scale + self.center).round().clamp(min=0)

    def _losses(self, raw: Tensor, x: Tensor, log_dispersion: Tensor, noise_variance: float) -> Tensor:
        """Return -log p of each number, boolean, count and category, shape (n, n_parts)."""
        parts = [x.new_zeros(len(x), 1)]
        if len(self.gaussian):
            at = self.gaussian.places
            parts.append(self.gaussian.present(x) * squared_loss(raw[:, at], x[:, at]) / noise_variance)
        if len(self.bernoulli):
            at = self.bernoulli.places
            parts.append(self.bernoulli.present(x) * bernoulli_loss(raw[:, at], x[:, at]))
        if len(self.counted):
            dispersion = log_dispersion.clamp(_WIDEST, _NARROWEST)
            loss = negative_binomial_loss(self._log_mean(raw), dispersion, self.counts(x))
            parts.append(self.counted.present(x) * loss)
        parts += [categorical_loss(raw[:, i:j], x[:, i:j])[:, None] for i, j in self.layout.categories]
        return torch.cat(parts, dim=1)

    def _log_mean(self, raw: Tensor) -> Tensor:
        return (raw[:, self.counted.places] * self.scale + self.center).clamp(_SMALLEST, _LARGEST)


def moment_dispersion(counts: Tensor) -> Tensor:
    """Return the logarithm of mean^2 / (variance - mean) of each column, where a fit starts; shape (n_counts,).

    The estimate by moments overstates how much counts vary for given codes, so that it is an end to start from.
    """
    mean, variance = counts.mean(dim=0), counts.var(dim=0, correction=0)
    above = (variance - mean).clamp(min=1e-4)
    return (mean.square().clamp(min=1e-4) / above).log().clamp(_WIDEST / 2, _NARROWEST / 2)
