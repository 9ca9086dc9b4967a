"""Accuracy on rows that training never saw, beside simple methods that were given the same labels."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading

from aaetools.analysis.results import Classification, ClassScore, MethodScore, Proportion
from aaetools.exceptions import DataError, LabelError

__all__ = [
    "BASELINES",
    "MAX_GRAPH_ROWS",
    "BaselinePredictions",
    "class_codes",
    "classify",
    "compare_baselines",
    "mcnemar",
    "wilson_interval",
]

MAX_GRAPH_ROWS = 20_000
"""Rows a graph method gets at most; further unlabelled rows are left out at random."""

Codes = NDArray[np.int64]


def _label_spreading(random_state: int | None) -> Any:
    return LabelSpreading(kernel="knn", n_neighbors=7, alpha=0.2)


def _logistic_regression(random_state: int | None) -> Any:
    return LogisticRegression(max_iter=1_000, random_state=random_state)


def _nearest_neighbour(random_state: int | None) -> Any:
    return KNeighborsClassifier(n_neighbors=1)


BASELINES: dict[str, Callable[[int | None], Any]] = {
    "label_spreading": _label_spreading,
    "logistic_regression": _logistic_regression,
    "knn": _nearest_neighbour,
}
"""Name -> function(random_state) that makes an unfitted scikit-learn classifier."""


@dataclass(frozen=True, eq=False)
class BaselinePredictions:
    """Class codes that one baseline predicts, shape (n_evaluated,), and a note on how it was fitted."""

    predicted: Codes
    note: str = ""


def wilson_interval(k: int, n: int, level: float = 0.95) -> Proportion:
    """Return ``k / n`` with its Wilson score interval; without rows the value is NaN and the interval [0, 1].

    Notes
    -----
    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 1927.

    Examples
    --------
    >>> p = wilson_interval(9, 10)
    >>> round(p.low, 3), round(p.high, 3)
    (0.596, 0.982)
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    if n == 0:
        return Proportion(float("nan"), 0.0, 1.0, 0)
    z2 = float(norm.ppf((1 + level) / 2)) ** 2
    share = k / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2) / (1 + z2 / n) * np.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    # At k = 0 and k = n the interval ends exactly at 0 and 1; rounding would leave it an ulp inside or
    # outside.
    low = 0.0 if k == 0 else float(centre - half)
    high = 1.0 if k == n else float(centre + half)
    return Proportion(share, low, high, n)


def mcnemar(right: ArrayLike, other_right: ArrayLike) -> float:
    """Return McNemar's exact two-sided p-value, given which of the rows each of two methods got right."""
    a, b = np.asarray(right, dtype=bool), np.asarray(other_right, dtype=bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def class_codes(y: ArrayLike, classes: Sequence[Any] | NDArray[Any]) -> Codes:
    """Return the position in ``classes`` of each label, shape (n,), -1 where missing or not among them."""
    position = {_plain(label): code for code, label in enumerate(classes)}
    values = [_plain(label) for label in np.asarray(y, dtype=object).ravel()]
    return np.array([position.get(value, -1) for value in values], dtype=np.int64)


def compare_baselines(
    X: NDArray[Any],
    codes: Codes,
    X_eval: NDArray[Any],
    *,
    baselines: Sequence[str] = tuple(BASELINES),
    random_state: int | None = None,
) -> dict[str, BaselinePredictions]:
    """Fit the baselines on the rows and labels that the model had, and predict the evaluated rows.

    The evaluated rows take no part in any fit, the graph methods' included (inductive).

    Parameters
    ----------
    X
        Training features, scaled as the model scales them, shape (n, n_features).
    codes
        Class codes of the given labels, shape (n,), -1 where unlabelled.
    X_eval
        Features of the evaluated rows, scaled the same way.
    baselines
        Names from ``BASELINES``. Those that can learn from unlabelled rows (``LabelSpreading``) get all rows,
        the others the labelled rows.
    random_state
        Seed of the baselines and of the rows left out above ``MAX_GRAPH_ROWS``.

    Raises
    ------
    DataError
        For an unknown baseline.
    LabelError
        If no row has a label.
    """
    for name in baselines:
        if name not in BASELINES:
            raise DataError(f"unknown baseline {name!r}: choose from {', '.join(sorted(BASELINES))}")
    labeled = np.flatnonzero(codes >= 0)
    if len(labeled) == 0:
        raise LabelError("no training row has a label, so there is nothing to fit the baselines on")
    if len(np.unique(codes[labeled])) == 1:
        constant = np.full(len(X_eval), codes[labeled[0]])
        return {name: BaselinePredictions(constant, "only one class has labels") for name in baselines}
    return {name: _predictions(BASELINES[name](random_state), X, codes, X_eval, random_state) for name in baselines}


def classify(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    classes: Sequence[Any] | NDArray[Any],
    *,
    baselines: Mapping[str, BaselinePredictions] | None = None,
    model_name: str = "AdversarialAutoencoder",
) -> tuple[Classification, tuple[str, ...]]:
    """Score predictions on rows whose labels training never saw.

    Parameters
    ----------
    y_true
        True labels, shape (n,), none missing.
    y_pred
        The model's predicted labels, shape (n,).
    classes
        Labels that training knew, in the model's order. A label in ``y_true`` outside them can never be
        predicted: its rows count as errors, it is listed after the known classes, and a warning names it.
    baselines
        Predictions of other methods for the same rows, from :func:`compare_baselines`.

    Returns
    -------
    classification : Classification
    warnings : tuple of str

    Notes
    -----
    The test is against the baseline that did best on these rows, which favours that baseline.
    """
    baselines = baselines or {}
    known = [_plain(label) for label in classes]
    truth = [_plain(label) for label in np.asarray(y_true, dtype=object).ravel()]
    unseen = sorted(set(truth) - set(known), key=str)
    everything = known + unseen
    true, predicted = class_codes(y_true, everything), class_codes(y_pred, everything)
    n = len(true)
    if n == 0 or len(predicted) != n:
        raise LabelError(f"{n} true labels and {len(predicted)} predictions: one of each is needed per row")
    confusion = np.zeros((len(everything), len(everything)), dtype=np.int64)
    np.add.at(confusion, (true, predicted), 1)
    right = true == predicted
    per_class = _class_scores(confusion, everything)
    scores = tuple(
        MethodScore(name, wilson_interval(int((other.predicted == true).sum()), n), other.note)
        for name, other in baselines.items()
    )
    best = max(scores, key=lambda score: score.accuracy.value, default=None)
    p_value = None if best is None else mcnemar(right, baselines[best.name].predicted == true)
    model = MethodScore(model_name, wilson_interval(int(right.sum()), n))
    result = Classification(
        classes=tuple(str(label) for label in everything),
        model=model,
        baselines=scores,
        balanced_accuracy=float(np.mean([score.recall.value for score in per_class if score.n])),
        per_class=per_class,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        best_baseline=None if best is None else best.name,
        p_value_best_baseline=p_value,
        verdict=_verdict(model, best, p_value),
    )
    notes = []
    if unseen:
        n_unseen = int((true >= len(known)).sum())
        notes.append(
            f"{n_unseen} hold-out rows have a label that no training row had "
            f"({', '.join(str(label) for label in unseen[:5])}{', ...' if len(unseen) > 5 else ''}); "
            "they cannot be predicted and count as errors."
        )
    return result, tuple(notes)


def _predictions(
    estimator: Any, X: NDArray[Any], codes: Codes, X_eval: NDArray[Any], random_state: int | None
) -> BaselinePredictions:
    notes = []
    if isinstance(estimator, LabelSpreading):
        rows = _graph_rows(codes, random_state)
        if len(rows) < len(codes):
            notes.append(f"fitted on {len(rows):,} of {len(codes):,} rows to bound its memory")
    else:
        rows = np.flatnonzero(codes >= 0)
    if "n_neighbors" in estimator.get_params():
        estimator.set_params(n_neighbors=min(estimator.get_params()["n_neighbors"], len(rows)))
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the note instead
        # LabelSpreading divides by zero for rows that no label reaches.
        warnings.simplefilter("ignore", RuntimeWarning)
        estimator.fit(X[rows], codes[rows])
        predicted = np.asarray(estimator.predict(X_eval), dtype=np.int64)
    rounds = np.max(getattr(estimator, "n_iter_", 0))
    if rounds >= getattr(estimator, "max_iter", np.inf):
        notes.append(f"stopped after {int(rounds)} rounds, before it had settled")
    return BaselinePredictions(predicted, "; ".join(notes))


def _graph_rows(codes: Codes, random_state: int | None) -> NDArray[np.int64]:
    """Return the rows a graph method is fitted on: all labelled ones, and unlabelled ones up to the limit.

    Where the labelled rows alone are more than the limit, each class keeps its share.
    """
    if len(codes) <= MAX_GRAPH_ROWS:
        return np.arange(len(codes))
    rng = np.random.default_rng(random_state)
    labeled, free = np.flatnonzero(codes >= 0), np.flatnonzero(codes < 0)
    if len(labeled) > MAX_GRAPH_ROWS:
        share = MAX_GRAPH_ROWS / len(labeled)
        kept = []
        for code in np.unique(codes[labeled]):
            members = labeled[codes[labeled] == code]
            kept.append(rng.choice(members, max(1, int(share * len(members))), replace=False))
        return np.sort(np.concatenate(kept))
    chosen = rng.choice(free, MAX_GRAPH_ROWS - len(labeled), replace=False)
    return np.sort(np.concatenate([labeled, chosen]))


def _class_scores(confusion: NDArray[np.int64], labels: Sequence[Any]) -> tuple[ClassScore, ...]:
    scores = []
    for code, label in enumerate(labels):
        hits, n, called = (
            int(confusion[code, code]),
            int(confusion[code].sum()),
            int(confusion[:, code].sum()),
        )
        scores.append(
            ClassScore(
                label=str(label),
                n=n,
                recall=wilson_interval(hits, n),
                precision=hits / called if called else None,
                f1=2 * hits / (n + called) if n + called else 0.0,
            )
        )
    return tuple(scores)


def _verdict(model: MethodScore, best: MethodScore | None, p_value: float | None) -> str:
    accuracy = model.accuracy
    if best is None or p_value is None:
        return (
            f"{accuracy.value:.1%} of {accuracy.n} rows are right ({accuracy.low:.1%} to "
            f"{accuracy.high:.1%}); "
            "there is no baseline to compare with."
        )
    name = best.name.replace("_", " ")
    points = 100 * (accuracy.value - best.accuracy.value)
    test = f"McNemar p = {p_value:.2g}, n = {accuracy.n}"
    if p_value < 0.05:
        return f"{'Above' if points > 0 else 'Below'} {name} by {abs(points):.1f} points ({test})."
    if points > 0:
        return f"{points:.1f} points above {name}, which chance alone could explain ({test})."
    return f"No better than {name} ({f'{-points:.1f} points below' if points < 0 else 'equal'}; {test})."


def _plain(label: Any) -> Any:
    """Return a hashable Python value, None for anything missing."""
    return None if pd.isna(label) else (label.item() if isinstance(label, np.generic) else label)
