"""Mini-batches that live on the device: labelled and unlabelled rows in equal measure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["BalancedBatches", "Batch"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one step; the first ``n_labeled`` of them carry a label.

    Attributes
    ----------
    x
        Scaled inputs, shape (n, n_features).
    codes
        Class codes, int64, shape (n,); -1 from row ``n_labeled`` on.
    """

    x: Tensor
    codes: Tensor
    n_labeled: int


class BalancedBatches:
    """Index batches over data on the device.

    Every step takes up to ``batch_size`` unlabelled and as many labelled rows (all of them where there are fewer).
    An epoch covers all rows: the longer of the two lists is walked once in random order, and the shorter again and
    again. Which rows are labelled never changes here: the codes are fixed before training, so no label leaks in
    by being drawn anew.

    Parameters
    ----------
    x
        Scaled inputs on the training device, shape (n_rows, n_features).
    codes
        Class codes, -1 where unlabelled, int64 of shape (n_rows,), same device.
    also_unlabeled
        Rows with a code that are to play the unlabelled game too, bool of shape (n_rows,).
    """

    def __init__(
        self,
        x: Tensor,
        codes: Tensor,
        batch_size: int,
        generator: torch.Generator,
        also_unlabeled: Tensor | None = None,
    ) -> None:
        self.x = x
        self.codes = codes
        without = codes < 0 if also_unlabeled is None else (codes < 0) | also_unlabeled
        labeled, unlabeled = torch.nonzero(codes >= 0)[:, 0], torch.nonzero(without)[:, 0]
        self.n_labeled = min(batch_size, len(labeled))
        self.n_unlabeled = min(batch_size, len(unlabeled))
        sizes = [(len(labeled), self.n_labeled), (len(unlabeled), self.n_unlabeled)]
        self.n_steps = max(math.ceil(rows / size) for rows, size in sizes if size)
        self._labeled = _endless_chunks(labeled, self.n_labeled, generator)
        self._unlabeled = _endless_chunks(unlabeled, self.n_unlabeled, generator)

    def __len__(self) -> int:
        return self.n_steps

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        for _ in range(self.n_steps):
            labeled, unlabeled = next(self._labeled), next(self._unlabeled)
            codes = torch.cat([self.codes[labeled], torch.full_like(unlabeled, -1)])
            yield Batch(self.x[torch.cat([labeled, unlabeled])], codes, self.n_labeled)


def _endless_chunks(rows: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Cut one shuffled order of the rows after the other into pieces of ``size``; what is left over goes on."""
    pool = rows[:0]
    while True:
        while len(pool) < size:
            pool = torch.cat([pool, rows[torch.randperm(len(rows), generator=generator, device=rows.device)]])
        yield pool[:size]
        pool = pool[size:]
