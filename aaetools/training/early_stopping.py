"""Early stopping on a part of the given labels that the discriminator never sees."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from aaetools.training.callbacks import Callback, TrainingContext
from aaetools.training.state import State

__all__ = ["EarlyStopping", "choose_validation_rows"]

_FEWEST_ROWS = 20
"""Below this an accuracy on the validation rows says too little to choose by."""


def choose_validation_rows(codes: NDArray[np.int64], fraction: float, seed: int) -> NDArray[np.int64] | None:
    """Choose labelled rows to hold back, ``fraction`` of each class.

    Parameters
    ----------
    codes
        Class codes, -1 where unlabelled, shape (n_rows,).

    Returns
    -------
    ndarray of row numbers, or None (with a warning) where the labels are too few
    """
    random = np.random.RandomState(seed)
    chosen = []
    for code in np.unique(codes[codes >= 0]):
        rows = np.flatnonzero(codes == code)
        size = round(fraction * len(rows))
        chosen.append(random.permutation(rows)[:size])
    sizes = [len(rows) for rows in chosen]
    if not sizes or min(sizes) == 0 or sum(sizes) < _FEWEST_ROWS:
        warnings.warn(
            f"early stopping is off: holding back {fraction:g} of the given labels leaves {sum(sizes)} validation "
            f"rows, and it takes at least {_FEWEST_ROWS} with one of every class",
            UserWarning,
            stacklevel=4,
        )
        return None
    return np.concatenate(chosen)


class EarlyStopping(Callback):
    """Stops when a score has not risen for ``patience`` epochs, and restores the weights of the best epoch."""

    def __init__(self, modules: Sequence[nn.Module], score: Callable[[], float], patience: int) -> None:
        self.modules = modules
        self.score = score
        self.patience = patience
        self.best = -np.inf
        self.best_epoch = 0
        self._weights: list[dict[str, Tensor]] = []

    def on_epoch_end(self, context: TrainingContext) -> None:
        """Score this epoch, remember the best one, and ask to stop when patience has run out."""
        for module in self.modules:
            module.eval()
        score = self.score()
        for module in self.modules:
            module.train()
        if score > self.best:
            self.best, self.best_epoch = score, context.epoch
            self._weights = [copy.deepcopy(module.state_dict()) for module in self.modules]
        elif context.epoch - self.best_epoch >= self.patience:
            context.stop = True

    def on_fit_end(self, context: TrainingContext) -> None:
        """Put the best weights back."""
        for module, weights in zip(self.modules, self._weights, strict=False):
            module.load_state_dict(weights)

    def state(self) -> State:
        """Return the best epoch and its weights; before the first there is no best score."""
        best = float(self.best) if self._weights else None
        return {"best": best, "best_epoch": self.best_epoch, "weights": self._weights}

    def restore(self, state: State) -> None:
        """Go back to a state."""
        self.best = -np.inf if state["best"] is None else state["best"]
        self.best_epoch, self._weights = state["best_epoch"], state["weights"]
