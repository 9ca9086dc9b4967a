"""Class probabilities of labelled rows by models that were not told the rows' own labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from scipy import special

from aaetools.analysis.calibration import likeliest_temperature
from aaetools.analysis.posterior import tempered_log_odds
from aaetools.analysis.progress import Progress, tell
from aaetools.columns import data_frame
from aaetools.propagation import neighbor_graph, reach, spread_labels

if TYPE_CHECKING:  # reading a run must not need torch
    from aaetools.training.callbacks import Callback

__all__ = [
    "CROSS_FITS",
    "LabeledRows",
    "fold_numbers",
    "log_softmax",
    "pool",
]

_NEAR = 0.9
"""How far labels are spread here: on noisy labels, near ones are worth more than far ones."""
_MOST_PROBED = 4_000
"""Labels that are enough for the support vector machine, whose time grows with their square."""
_WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0)

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LabeledRows:
    """What a cross-fit works on.

    Attributes
    ----------
    model
        The fitted estimator: it says how rows are scaled, and what a refit is like.
    X
        All rows, as the estimator takes them.
    codes
        Class code of each row, -1 where unlabelled, shape (n_rows,).
    n_classes
        Number of classes; each has at least two labels.
    folds
        Fold of each labelled row, -1 elsewhere, shape (n_rows,).
    """

    model: Any
    X: ArrayLike
    codes: Codes
    n_classes: int
    folds: Codes
    random_state: int | None
    progress: Progress | None
    known_graph: sp.csr_matrix | None = None
    """The nearest-neighbour graph of the scaled rows, if it is there already."""

    @cached_property
    def x(self) -> NDArray[np.float32]:
        """All rows as the model scales them, shape (n_rows, n_features)."""
        scaled: NDArray[np.float32] = self.model.scale(self.X)
        return scaled

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.folds.max()) + 1

    @property
    def labeled(self) -> Codes:
        """Positions of the labelled rows, the order of every cross-fit's result."""
        return np.flatnonzero(self.folds >= 0)

    def without(self, fold: int) -> Codes:
        """Return the codes with those of a fold hidden."""
        return np.where(self.folds == fold, -1, self.codes)


def by_graph(rows: LabeledRows) -> Floats:
    """Spread the labels of the other folds over the nearest-neighbour graph of the inputs."""
    x = rows.x
    graph = neighbor_graph(x) if rows.known_graph is None else rows.known_graph
    log_p = np.zeros((len(x), rows.n_classes))
    for fold in range(rows.n_folds):
        tell(rows.progress, "spreading labels", fold, rows.n_folds)
        hidden = rows.folds == fold
        spread = spread_labels(graph, rows.without(fold), rows.n_classes, alpha=min(_NEAR, reach(len(x))))
        log_p[hidden] = np.log(spread[hidden] / spread[hidden].sum(axis=1, keepdims=True))
    tell(rows.progress, "spreading labels", rows.n_folds, rows.n_folds)
    return log_p[rows.labeled]


def by_probe(rows: LabeledRows) -> Floats:
    """Train a support vector machine on the scaled inputs and labels of the other folds; log-odds are its margins."""
    from sklearn.svm import SVC

    x = rows.x
    margins = np.zeros((len(x), rows.n_classes))
    random = np.random.RandomState(rows.random_state)
    for fold in range(rows.n_folds):
        tell(rows.progress, "probing", fold, rows.n_folds)
        hidden = np.flatnonzero(rows.folds == fold)
        seen = _some_of_each(rows.without(fold), _MOST_PROBED, random)
        found = SVC(C=1.0).fit(x[seen], rows.codes[seen]).decision_function(x[hidden])
        margins[hidden] = np.stack([-found / 2, found / 2], axis=1) if found.ndim == 1 else found
    tell(rows.progress, "probing", rows.n_folds, rows.n_folds)
    return margins[rows.labeled]


def by_model(rows: LabeledRows) -> Floats:
    """Fit the estimator anew without the labels of each fold; its unlabelled rows still take part."""
    from sklearn.base import clone

    log_p = np.zeros((len(rows.codes), rows.n_classes))
    seed = 0 if rows.random_state is None else rows.random_state
    for fold in range(rows.n_folds):
        say = _tell_epochs(rows.progress, fold, rows.n_folds)
        fresh = clone(rows.model).set_params(unlabeled=-1, random_state=seed, callbacks=say, verbose=0)
        hidden = np.flatnonzero(rows.folds == fold)
        fresh.fit(rows.X, rows.without(fold))
        frame = data_frame(rows.X)
        taken = np.asarray(rows.X) if frame is None else frame.iloc
        log_p[hidden] = tempered_log_odds(fresh, taken[hidden])
    return log_p[rows.labeled]


def by_pool(rows: LabeledRows) -> Floats:
    """Pool the graph's and the probe's opinion, see :func:`pool`."""
    given = rows.codes[rows.labeled]
    return pool(by_graph(rows), by_probe(rows), given)


CROSS_FITS: dict[str, Callable[[LabeledRows], Floats]] = {
    "graph": by_graph,
    "model": by_model,
    "pool": by_pool,
    "probe": by_probe,
}
"""Name -> function(rows) -> log-odds of the classes of each labelled row, without its label, (n_labeled, n_classes)."""


def fold_numbers(codes: Codes, n_folds: int, random_state: int | None) -> Codes:
    """Deal the labelled rows of each class out to folds; -1 for unlabelled rows and those alone in their class.

    However few labels a class has, if it has two, every fold leaves it one.

    Examples
    --------
    >>> sorted(fold_numbers(np.array([0, 0, 0, 1, -1]), 3, 0).tolist())
    [-1, -1, 0, 1, 2]
    """
    random = np.random.RandomState(random_state)
    folds = np.full(len(codes), -1)
    start = 0
    for k in range(int(codes.max(initial=-1)) + 1):
        rows = random.permutation(np.flatnonzero(codes == k))
        if len(rows) > 1:
            folds[rows] = (start + np.arange(len(rows))) % n_folds
            start += len(rows)
    return folds


def log_softmax(log_odds: Floats, temperature: float = 1.0) -> Floats:
    """Return log-probabilities at a temperature, shape (n, n_classes)."""
    return np.asarray(special.log_softmax(log_odds / temperature, axis=1))


def pool(first: Floats, second: Floats, codes: Codes) -> Floats:
    """Return the weighted mean of two log-probabilities, each at its own temperature, that fits the labels best.

    The weight is one of 0, 1/4, ... 1: a logarithmic opinion pool (Genest and Zidek 1986).
    """
    one, other = (log_softmax(log_odds, likeliest_temperature(log_odds, codes)) for log_odds in (first, second))
    mixed = [log_softmax(weight * one + (1 - weight) * other) for weight in _WEIGHTS]
    losses = [_log_loss(log_softmax(m, likeliest_temperature(m, codes)), codes) for m in mixed]
    return mixed[int(np.argmin(losses))]


def _log_loss(log_p: Floats, codes: Codes) -> float:
    return -float(log_p[np.arange(len(codes)), codes].mean())


def _some_of_each(codes: Codes, most: int, random: np.random.RandomState) -> Codes:
    """Return the labelled rows, or so many at most of them, with at least one of every class."""
    labeled = random.permutation(np.flatnonzero(codes >= 0))
    if len(labeled) <= most:
        return labeled
    firsts = np.unique(codes[labeled], return_index=True)[1]
    return np.union1d(labeled[firsts], labeled[:most])


def _tell_epochs(progress: Progress | None, done: int, total: int) -> Callback:
    """Return what tells the progress of several fits, one after the other."""
    from aaetools.training.callbacks import Callback, TrainingContext

    class Epochs(Callback):
        def on_epoch_end(self, context: TrainingContext) -> None:
            n_epochs = context.max_epochs
            tell(progress, "refitting", done * n_epochs + context.epoch, total * n_epochs)

    return Epochs()
