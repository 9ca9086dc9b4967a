"""Which given labels are probably wrong: each is held against what the others say of its row."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _num_samples

from aaetools.analysis.calibration import likeliest_temperature
from aaetools.analysis.cross_fit import CROSS_FITS, LabeledRows, fold_numbers, log_softmax
from aaetools.analysis.intervals import wilson_interval
from aaetools.analysis.progress import Progress
from aaetools.analysis.results import Interval, LabelAudit, SuspectLabel
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import encode_labels

__all__ = ["audit_labels", "count_wrong_labels"]

_RESAMPLES = 400
_WEAK = 0.8
"""Below this agreement the out-of-fold predictions are so often wrong that their number says little."""


def audit_labels(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    *,
    method: str = "pool",
    n_folds: int = 3,
    most: int | None = 1_000,
    graph: sp.csr_matrix | None = None,
    random_state: int | None = 0,
    progress: Progress | None = None,
) -> LabelAudit:
    """Rank given labels by how much the other labels contradict them, and estimate how many are wrong.

    The labelled rows are dealt out to folds. What the labels of the other folds say of a row is its out-of-fold
    probability; a label is suspicious where that of the given class is small (self-confidence).

    Parameters
    ----------
    model
        A fitted :class:`aaetools.AdversarialAutoencoder`. Its scaling is used, with ``method="model"`` its settings,
        and its own opinion stands beside the others'.
    X, y
        Rows, shape (n_rows, n_features), and labels with gaps, shape (n_rows,).
    method
        A name of :data:`CROSS_FITS`: "pool" (the two next ones together), "graph" (labels spread over nearest
        neighbours), "probe" (a support vector machine) or "model" (the estimator, fitted anew for each fold).
    n_folds
        Folds, at least 2.
    most
        Labels that are listed, the most suspicious first; None for all.
    graph
        :func:`aaetools.propagation.neighbor_graph` of the scaled rows, if it is there already.
    random_state
        Seed of folds, resamples and refits.
    progress
        Told of the folds.

    Raises
    ------
    DataError
        For an unknown method or less than 2 folds.
    LabelError
        Where fewer than two classes have two labels.

    Notes
    -----
    Confident learning (Northcutt, Jiang and Chuang, "Confident learning: estimating uncertainty in dataset labels",
    JAIR 2021, sections 3.1 and 3.2): self-confidence as the score, and the number of wrong labels from the confident
    joint, see :func:`count_wrong_labels`. Probabilities are put on the temperature that suits the given labels. The
    interval is that of 400 bootstrap resamples of the labelled rows; it does not know how often the predictions are
    wrong themselves with confidence, so where classes overlap the number is too high.
    """
    if method not in CROSS_FITS:
        raise DataError(f"unknown method {method!r}: choose from {', '.join(sorted(CROSS_FITS))}")
    if n_folds < 2:
        raise DataError(f"an audit needs at least 2 folds, not {n_folds}")
    if most is not None and most < 0:
        raise DataError(f"the number of labels to list must be 0 or more, not {most}")
    coding = encode_labels(y, getattr(model, "unlabeled", -1))
    n_rows = _num_samples(X)
    if len(coding.codes) != n_rows:
        raise LabelError(f"X has {n_rows} rows, but y has {len(coding.codes)} labels")
    codes, classes, n_skipped = _auditable(coding.codes, coding.classes)
    if len(classes) < 2:
        raise LabelError(
            f"an audit needs two classes with at least two labels each; {len(classes)} of {len(coding.classes)} "
            "classes have that: label more rows"
        )
    folds = fold_numbers(codes, n_folds, random_state)
    rows = LabeledRows(model, X, codes, len(classes), folds, random_state, progress, graph)
    labeled = rows.labeled
    given = codes[labeled]
    log_odds = CROSS_FITS[method](rows)
    # of the noisy labels: what is calibrated is the probability of what is written, wrong labels included
    temperature = likeliest_temperature(log_odds, given)
    probability = np.exp(log_softmax(log_odds, temperature))
    predicted = probability.argmax(axis=1)
    expected = _expected_wrong(probability, given, random_state)
    agreement = wilson_interval(int((predicted == given).sum()), len(given))

    p_given = probability[np.arange(len(given)), given]
    ranked = np.lexsort((labeled, p_given))
    contradicted = np.flatnonzero(predicted[ranked] != given[ranked])[: round(expected.value)]
    flagged = np.zeros(len(given), dtype=bool)
    flagged[ranked[contradicted]] = True
    own = _own_opinion(model, X, labeled)
    suspects = tuple(
        SuspectLabel(
            row=int(labeled[i]),
            given=str(classes[given[i]]),
            predicted=str(classes[predicted[i]]),
            p_given=float(p_given[i]),
            p_predicted=float(probability[i, predicted[i]]),
            flagged=bool(flagged[i]),
            model_label=None if own is None else own[i],
        )
        for i in ranked[:most]
    )
    return LabelAudit(
        method=method,
        classes=tuple(str(label) for label in classes),
        n_rows=n_rows,
        n_labeled=len(labeled),
        n_skipped=n_skipped,
        n_folds=n_folds,
        random_state=random_state,
        temperature=temperature,
        agreement=agreement,
        expected_wrong=expected,
        n_flagged=int(flagged.sum()),
        suspects=suspects,
        verdict=_verdict(expected, agreement.value, int(flagged.sum())),
    )


def count_wrong_labels(probability: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """Estimate the number of wrong labels from out-of-fold probabilities by the confident joint.

    A row is counted as belonging to class j if its probability of j is at least the mean probability of j among the
    rows labelled j, and to the likeliest of these where there are several. The counts of each given class are scaled
    to its number of labels; what lies off the diagonal is wrong.

    Parameters
    ----------
    probability
        Shape (n, n_classes), rows sum to 1.
    codes
        Given class codes, shape (n,).

    Notes
    -----
    Northcutt et al. 2021, equations 1 to 3.

    Examples
    --------
    >>> p = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.1, 0.9], [0.2, 0.8]])
    >>> count_wrong_labels(p, np.array([0, 0, 0, 1, 1]))
    1.0
    """
    n_classes = probability.shape[1]
    sizes = np.bincount(codes, minlength=n_classes)
    own = np.bincount(codes, weights=probability[np.arange(len(codes)), codes], minlength=n_classes)
    threshold = np.where(sizes > 0, own / np.maximum(sizes, 1), np.inf)
    confident = probability >= threshold
    counted = confident.any(axis=1)
    taken = np.where(confident, probability, -1.0).argmax(axis=1)
    joint = np.zeros((n_classes, n_classes))
    np.add.at(joint, (codes[counted], taken[counted]), 1)
    right = np.divide(np.diag(joint), joint.sum(axis=1), out=np.ones(n_classes), where=joint.sum(axis=1) > 0)
    return float(((1 - right) * sizes).sum())


def _auditable(codes: NDArray[np.int64], classes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any], int]:
    """Leave out the labels that are alone in their class, and number the other classes anew."""
    counts = np.bincount(codes[codes >= 0], minlength=len(classes))
    kept = np.flatnonzero(counts >= 2)
    number = np.full(len(classes) + 1, -1)  # the last place is that of code -1
    number[kept] = np.arange(len(kept))
    return number[codes], classes[kept], int((counts == 1).sum())


def _expected_wrong(probability: NDArray[np.float64], codes: NDArray[np.int64], random_state: int | None) -> Interval:
    random = np.random.RandomState(random_state)
    draws = []
    for _ in range(_RESAMPLES):
        some = random.randint(0, len(codes), len(codes))
        draws.append(count_wrong_labels(probability[some], codes[some]))
    low, high = np.quantile(draws, [0.025, 0.975])
    value = count_wrong_labels(probability, codes)
    return Interval(value, float(min(low, value)), float(max(high, value)), len(codes))


def _own_opinion(model: Any, X: ArrayLike, labeled: NDArray[np.int64]) -> list[str] | None:
    if len(model.classes_) < 2:
        return None
    best = np.asarray(model.predict_proba(X)).argmax(axis=1)[labeled]
    return [str(label) for label in np.asarray(model.classes_)[best]]


def _verdict(expected: Interval, agreement: float, n_flagged: int) -> str:
    many = f"about {expected.value:.0f} of {expected.n} labels are expected to be wrong"
    between = f"({expected.low:.0f} to {expected.high:.0f})"
    if agreement < _WEAK:
        return (
            f"The other labels predict only {agreement:.0%} of the labels, so that {many} {between} is an upper bound "
            "at best; use the ranking, not the number."
        )
    if expected.high < 1:
        return f"No label is contradicted with confidence: 0 of {expected.n} are expected to be wrong."
    if expected.low < 1:
        look = f" Look at the {'' if n_flagged == 1 else f'{n_flagged} '}most suspicious." if n_flagged else ""
        return f"{many[:1].upper()}{many[1:]} {between}: there may be none.{look}"
    return f"{many[:1].upper()}{many[1:]} {between}. Look at the {n_flagged} flagged ones first."
