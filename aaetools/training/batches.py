"""Mini-batches that live on the device: who plays the labelled game, who the unlabelled one, and who both."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from aaetools.training.state import State

__all__ = ["Batch", "GameBatches"]

_GIVEN = 1 / 8
"""Share of rows with a given label beside the others of a batch, at least, where most rows are told a label anyway."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of one step, in three groups: labelled only, then those in both games, then unlabelled only.

    A row that plays both games goes through the encoder once, and past the discriminator twice: with its label, and
    under the extra entry.

    Attributes
    ----------
    x
        Scaled inputs, shape (n, n_features).
    codes
        Class codes that D is told, int64, shape (n,); -1 from row ``n_labeled`` on.
    n_labeled
        The first so many rows play the labelled game.
    n_both
        The last so many of these play the unlabelled game as well, and all rows after them.
    """

    x: Tensor
    codes: Tensor
    n_labeled: int
    n_both: int = 0

    def judged(self, rows: Tensor) -> Tensor:
        """Put one value per row into the order in which D sees them: the labelled game, then the unlabelled one."""
        if self.n_both == 0:
            return rows
        return torch.cat([rows[: self.n_labeled], rows[self.n_labeled - self.n_both :]])

    def judged_codes(self) -> Tensor:
        """Return the class codes in D's order, -1 for every row of the unlabelled game."""
        if self.n_both == 0:
            return self.codes
        n_unlabeled = len(self.codes) - self.n_labeled + self.n_both
        return torch.cat([self.codes[: self.n_labeled], self.codes.new_full((n_unlabeled,), -1)])


class GameBatches:
    """Index batches over data on the device.

    Every step takes up to ``batch_size`` rows of the unlabelled game, those with and those without a label in the
    same proportion as in the data, and beside them rows of the labelled game alone: as many again (all of them where
    there are fewer), or, where rows play both games, their own share of the data, at least one for eight others. An
    epoch covers all rows: the longest of these lists is walked once in random order, the others again and again.
    Which rows are labelled changes only by :meth:`tell`; no label leaks in by being drawn anew.

    Parameters
    ----------
    x
        Scaled inputs on the training device, shape (n_rows, n_features).
    codes
        Class codes, -1 where unlabelled, int64 of shape (n_rows,), same device.
    also_unlabeled
        Rows that play the unlabelled game even with a code, bool of shape (n_rows,).
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
        self.batch_size = batch_size
        self.generator = generator
        self.also_unlabeled = torch.zeros_like(codes, dtype=torch.bool) if also_unlabeled is None else also_unlabeled
        self.tell(codes)

    def tell(self, codes: Tensor) -> None:
        """Deal the rows out anew, with these class codes."""
        self.codes = codes
        has_code = codes >= 0
        groups = [has_code & ~self.also_unlabeled, has_code & self.also_unlabeled, ~has_code]
        given, both, without = (torch.nonzero(rows)[:, 0] for rows in groups)
        n_others = len(both) + len(without)
        n_unlabeled = min(self.batch_size, n_others)
        self.n_both = round(n_unlabeled * len(both) / max(n_others, 1))
        if len(both) and len(without) and n_unlabeled > 1:  # neither is left out for being rare
            self.n_both = min(max(self.n_both, 1), n_unlabeled - 1)
        n_given = self.batch_size
        if len(both):
            n_given = math.ceil(n_unlabeled * max(_GIVEN, len(given) / n_others))
        sizes = [min(n_given, len(given)), self.n_both, n_unlabeled - self.n_both]
        self.n_labeled = sizes[0] + sizes[1]
        lists = [(rows, size) for rows, size in zip((given, both, without), sizes, strict=True) if size]
        self.n_steps = max(math.ceil(len(rows) / size) for rows, size in lists)
        self._lists = [_EndlessChunks(rows, size, self.generator) for rows, size in lists]

    def __len__(self) -> int:
        return self.n_steps

    def epoch(self) -> Iterator[Batch]:
        """Yield the batches of one epoch."""
        for _ in range(self.n_steps):
            rows = torch.cat([chunks.take() for chunks in self._lists])
            yield Batch(self.x[rows], self.codes[rows], self.n_labeled, self.n_both)

    def state(self) -> State:
        """Return who is told what, and which rows come next."""
        pools = [chunks.pool for chunks in self._lists]
        return {"codes": self.codes, "pools": pools, "generator": self.generator.get_state()}

    def restore(self, state: State) -> None:
        """Go back to a state."""
        self.tell(state["codes"].to(self.codes))
        for chunks, pool in zip(self._lists, state["pools"], strict=True):
            chunks.pool = pool.to(chunks.rows)
        self.generator.set_state(state["generator"])


class _EndlessChunks:
    """Cuts one shuffled order of the rows after the other into pieces of ``size``; what is left over goes on."""

    def __init__(self, rows: Tensor, size: int, generator: torch.Generator) -> None:
        self.rows = rows
        self.size = size
        self.generator = generator
        self.pool = rows[:0]

    def take(self) -> Tensor:
        while len(self.pool) < self.size:
            order = torch.randperm(len(self.rows), generator=self.generator, device=self.rows.device)
            self.pool = torch.cat([self.pool, self.rows[order]])
        chunk, self.pool = self.pool[: self.size], self.pool[self.size :]
        return chunk
