"""Sets of classes that hold the true one with a stated probability, whatever the model is like (conformal prediction).

The score of a class is the probability of all the others, as odds; the set of a row are the classes that are no
stranger to it than labels held back were to theirs. Sources: Sadinle, Lei and Wasserman, "Least ambiguous set-valued
classifiers with bounded error levels", JASA 2019 (the score, sets class by class); Angelopoulos and Bates, "A gentle
introduction to conformal prediction", 2021 (the split version); Barber, Candes, Ramdas and Tibshirani, "Predictive
inference with the jackknife+", Annals of Statistics 2021, and Romano, Sesia and Candes, "Classification with valid and
adaptive coverage", NeurIPS 2020 (several folds).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from aaetools.analysis.calibration import doubts
from aaetools.exceptions import DataError, LabelError

__all__ = ["conformal_sets", "guaranteed_coverage", "labels_needed"]

_ROUNDING = 1e-9
_SMALLEST = 1e-300

Codes = NDArray[np.int64]


def labels_needed(level: float) -> int:
    """Return the fewest calibration labels with which a set can be smaller than all classes.

    With n of them the k-th smallest score is the limit, k = ceil((n + 1) level), and k must not be above n.

    Examples
    --------
    >>> labels_needed(0.9), labels_needed(0.95), labels_needed(0.99)
    (9, 19, 99)
    """
    if not 0 < level < 1:
        raise DataError(f"the level must lie within 0 and 1, such as 0.9, not {level}")
    return max(1, ceil(level / (1 - level) - _ROUNDING))


def guaranteed_coverage(level: float, fold_sizes: Sequence[int]) -> float:
    """Return the coverage that is proved for sets at ``level``, on average over draws of calibration and new rows.

    That is ``level`` for one fold, whose rows the one model has not seen. For K folds with a model each it is
    2 level - 1 - min(2 (1 - 1/K) / (n/K + 1), (1 - K/n) / (K + 1)) (Barber et al. 2021, theorem 4), for folds of equal
    size; in practice their coverage is near ``level`` as well.
    """
    n, k = sum(fold_sizes), len(fold_sizes)
    if k == 1:
        return level
    return max(0.0, 2 * level - 1 - min(2 * (1 - 1 / k) / (n / k + 1), (1 - k / n) / (k + 1)))


def conformal_sets(
    proba: Sequence[NDArray[np.floating]],
    calibration_proba: Sequence[NDArray[np.floating]],
    calibration_codes: Sequence[Codes],
    level: float = 0.9,
    *,
    class_conditional: bool = False,
) -> NDArray[np.bool_]:
    """Return which classes belong to the set of each row, shape (n, n_classes).

    Each argument has one entry per fold: the model that was trained without that fold gives the probabilities of both
    the new rows and the fold's own. One fold is split conformal prediction, several are CV+. The likeliest class is
    always in the set, which only adds coverage.

    Parameters
    ----------
    proba
        Probabilities of the new rows, shape (n, n_classes) each.
    calibration_proba
        Probabilities of the rows held back from each model, shape (n_k, n_classes).
    calibration_codes
        Their class codes, shape (n_k,).
    level
        Wanted probability that a set holds the true class, in (0, 1).
    class_conditional
        Compare each class with the labels of that class only: the level then holds for the rows of every class, and
        however rare a class is among the labels.

    Raises
    ------
    LabelError
        If there are fewer calibration labels, in all or of a class, than :func:`labels_needed`.
    """
    codes = np.concatenate(list(calibration_codes))
    n_classes, needed = proba[0].shape[1], labels_needed(level)
    counts = np.bincount(codes, minlength=n_classes) if class_conditional else np.full(n_classes, len(codes))
    if counts.min() < needed:
        which = f"a class with {counts.min()}" if class_conditional else str(len(codes))
        raise LabelError(
            f"{which} labels held back cannot give sets at level {level:g}: at least {needed}"
            f"{' of each class' if class_conditional else ''}"
        )
    stranger = np.zeros(proba[0].shape)  # labels held back that are less strange than this class would be
    for new, held, held_codes in zip(proba, calibration_proba, calibration_codes, strict=True):
        score, own = _odds_against(new), _odds_against(held)[np.arange(len(held_codes)), held_codes]
        for k in range(n_classes):
            known = np.sort(own[held_codes == k] if class_conditional else own)
            stranger[:, k] += np.searchsorted(known, score[:, k], side="left")
    sets = stranger < level * (counts + 1) - _ROUNDING
    mean = np.mean([np.asarray(p, dtype=np.float64) for p in proba], axis=0)
    sets[np.arange(len(mean)), mean.argmax(axis=1)] = True
    return np.asarray(sets)


def _odds_against(proba: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (1 - p) / p, which orders classes as 1 - p does, but keeps its digits near p = 1 and near p = 0."""
    return np.asarray(doubts(proba) / np.maximum(np.asarray(proba, dtype=np.float64), _SMALLEST))
