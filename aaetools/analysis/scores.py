"""How good predictions and their probabilities are: numbers with bootstrap intervals, for several methods at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from aaetools.analysis.intervals import holm, mcnemar, wilson_interval
from aaetools.analysis.results import CalibrationBin, CalibrationCurve, Interval, Scores

__all__ = [
    "MAX_CONFUSION_CLASSES",
    "N_BINS",
    "Predictions",
    "bootstrap_mean",
    "brier_terms",
    "confidence_bins",
    "confusion_matrix",
    "log_loss_terms",
    "score_methods",
]

N_BINS = 15
"""Bins of the calibration curve, of equal width, as in Guo et al. (2017)."""

MAX_CONFUSION_CLASSES = 50
"""With more classes than this the confusion matrix of each method would be most of the result."""

_TINY = float(np.finfo(np.float64).eps)
"""Probabilities are taken as no smaller than this in the log loss, as scikit-learn takes them: an error that a method
thought impossible costs 36, not infinity."""

_N_CALIBRATED = 200
"""Made-up results of a calibrated method, from which the 95% quantile of its calibration error is taken."""

_CHUNK = 2**22
"""Numbers in a block of bootstrap weights."""

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictions:
    """What one method predicts: class codes (n,), a note on how it was fitted, and probabilities (n, n_classes)."""

    predicted: Codes
    note: str = ""
    proba: Floats | None = None


def log_loss_terms(true: Codes, proba: Floats) -> Floats:
    """Return each row's negative log-likelihood of its class, in nats, shape (n,); 36 at most.

    Parameters
    ----------
    true
        Class codes, shape (n,).
    proba
        Probabilities, shape (n, n_classes).
    """
    return np.asarray(-np.log(np.clip(proba[np.arange(len(true)), true], _TINY, 1)))


def brier_terms(true: Codes, proba: Floats) -> Floats:
    """Return each row's squared distance between probabilities and truth, summed over classes, 0 to 2, shape (n,).

    Notes
    -----
    Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 1950. With two
    classes it is twice the score that counts one of them only.
    """
    hit = proba[np.arange(len(true)), true]
    return np.asarray(np.square(proba).sum(axis=1) - 2 * hit + 1)


def confidence_bins(confidence: Floats, n_bins: int = N_BINS) -> Codes:
    """Return the bin of each confidence: bin b holds those in (b / n_bins, (b + 1) / n_bins], and 0 is in the first."""
    return np.searchsorted(np.arange(1, n_bins) / n_bins, confidence, side="left")


def score_methods(
    true: Codes,
    methods: Mapping[str, Predictions],
    n_classes: int,
    *,
    reference: str,
    n_bootstrap: int = 1_000,
    random_state: int | None = None,
) -> dict[str, Scores]:
    """Score several methods on the same rows, each beside one of them.

    Parameters
    ----------
    true
        Class codes, shape (n,), n at least 1.
    methods
        Predictions for these rows by name.
    n_classes
        Number of classes; probabilities may have fewer columns, the classes that are missing get 0.
    reference
        The method that the others are compared with.
    n_bootstrap
        Times that the rows are drawn anew for the intervals; all methods get the same draws.
    random_state
        Seed of the draws.

    Notes
    -----
    Intervals are the middle 95% of the bootstrap (Efron and Tibshirani 1993, chapter 13) over rows: they tell what
    other test rows would have given, not what another training would. The calibration error of a finite sample is
    too large on average, and that of a resample even more so; its interval is therefore reflected (chapter 13.4 there,
    "basic"), cut at 0 and made to hold the value. P-values are McNemar's for accuracy, and Holm's over the methods.
    """
    rng = np.random.default_rng(random_state)
    names = list(methods)
    sums = {name: _row_sums(true, methods[name], n_classes) for name in names}
    found = {name: _statistics(np.asarray(sums[name].sum(axis=0)), len(true), n_classes) for name in names}
    drawn: dict[str, list[_Statistics]] = {name: [] for name in names}
    for weights in _resamples(len(true), n_bootstrap, rng):
        for name in names:
            drawn[name].append(_statistics((sums[name].T @ weights).T, len(true), n_classes))
    spread = {name: _Statistics.stack(parts, n_classes) for name, parts in drawn.items()}
    right = {name: methods[name].predicted == true for name in names}
    p_values = {name: mcnemar(right[reference], right[name]) for name in names if name != reference}
    adjusted = dict(zip(p_values, holm(list(p_values.values())), strict=True))
    scores = {}
    for name in names:
        one, many, n = found[name], spread[name], len(true)
        proba = methods[name].proba
        difference = None
        if name != reference:
            difference = _interval(
                float(found[reference].accuracy[0] - one.accuracy[0]), spread[reference].accuracy - many.accuracy, n
            )
        scores[name] = Scores(
            balanced_accuracy=_interval(one.balanced[0], many.balanced, n),
            macro_f1=_interval(one.macro_f1[0], many.macro_f1, n),
            f1=tuple(_interval(one.f1[0, k], many.f1[:, k], n) for k in range(n_classes)),
            confusion=confusion_matrix(true, methods[name].predicted, n_classes)
            if n_classes <= MAX_CONFUSION_CLASSES
            else (),
            log_loss=None if proba is None else _interval(one.log_loss[0], many.log_loss, n),
            brier=None if proba is None else _interval(one.brier[0], many.brier, n),
            calibration=None
            if proba is None
            else _curve(right[name], proba, float(one.calibration[0]), many.calibration, rng),
            difference=difference,
            p_value=p_values.get(name),
            p_adjusted=adjusted.get(name),
        )
    return scores


def bootstrap_mean(values: NDArray[Any], n_bootstrap: int = 1_000, random_state: int | None = None) -> Interval:
    """Return the mean of values, shape (n,), with the middle 95% of its bootstrap."""
    column = np.asarray(values, dtype=np.float64)
    rng, n = np.random.default_rng(random_state), len(column)
    means = [column @ weights / n for weights in _resamples(n, n_bootstrap, rng)]
    return _interval(float(column.mean()), np.concatenate(means) if means else np.empty(0), n)


@dataclass(frozen=True, eq=False)
class _Statistics:
    """Statistics of one sample of rows per line, shape (n_samples,), or (n_samples, n_classes) for ``f1``."""

    accuracy: Floats
    balanced: Floats
    macro_f1: Floats
    f1: Floats
    log_loss: Floats
    brier: Floats
    calibration: Floats

    @classmethod
    def stack(cls, parts: list[_Statistics], n_classes: int) -> _Statistics:
        """Put samples below one another; none at all give an empty one."""
        names = cls.__dataclass_fields__
        if not parts:
            return cls(**{name: np.empty((0, n_classes) if name == "f1" else 0) for name in names})
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def _row_sums(true: Codes, found: Predictions, n_classes: int) -> sp.csr_matrix:
    """Return what has to be summed over rows, shape (n, 3 n_classes + N_BINS + 2), nearly all of it 0.

    Columns: hits, rows and predictions of each class; confidence less hit in the bin of the confidence; log loss;
    Brier score.
    """
    n, row = len(true), np.arange(len(true))
    right = found.predicted == true
    rows = [row[right], row, row]
    columns = [true[right], n_classes + true, 2 * n_classes + found.predicted]
    values = [np.ones(int(right.sum())), np.ones(n), np.ones(n)]
    if found.proba is not None:
        start = 3 * n_classes
        proba = _padded(found.proba, n_classes)
        confidence = np.clip(proba.max(axis=1), 0, 1)
        rows += [row] * 3
        columns += [start + confidence_bins(confidence), np.full(n, start + N_BINS), np.full(n, start + N_BINS + 1)]
        values += [confidence - right, log_loss_terms(true, proba), brier_terms(true, proba)]
    shape = (n, 3 * n_classes + N_BINS + 2)
    return sp.csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=shape)


def _statistics(sums: Any, n: int, n_classes: int) -> _Statistics:
    """Turn sums over the rows of each sample, shape (n_samples, ...), or one sample's, into statistics."""
    sums = np.atleast_2d(np.asarray(sums))
    hits, size, called = (sums[:, k * n_classes : (k + 1) * n_classes] for k in range(3))
    gaps = sums[:, 3 * n_classes : 3 * n_classes + N_BINS]
    seen, either = size > 0, size + called > 0
    recall = np.divide(hits, size, out=np.zeros_like(hits), where=seen)
    f1 = np.divide(2 * hits, size + called, out=np.zeros_like(hits), where=either)
    return _Statistics(
        accuracy=hits.sum(axis=1) / n,
        balanced=recall.sum(axis=1) / seen.sum(axis=1),
        macro_f1=f1.sum(axis=1) / either.sum(axis=1),
        f1=f1,
        log_loss=sums[:, -2] / n,
        brier=sums[:, -1] / n,
        calibration=np.abs(gaps).sum(axis=1) / n,
    )


def _resamples(n: int, n_bootstrap: int, rng: np.random.Generator) -> Iterator[Floats]:
    """Yield how often each row is drawn, shape (n, n_samples), until there are ``n_bootstrap`` samples."""
    size = max(1, _CHUNK // n)
    for start in range(0, n_bootstrap, size):
        count = min(size, n_bootstrap - start)
        drawn = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * n).reshape(count, n)
        yield np.ascontiguousarray(weights.T, dtype=np.float64)


def _interval(value: float, resampled: Floats, n: int) -> Interval:
    if len(resampled) == 0:
        return Interval(float(value), float("nan"), float("nan"), n)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return Interval(float(value), float(low), float(high), n)


def _curve(
    right: NDArray[np.bool_], proba: Floats, error: float, resampled: Floats, rng: np.random.Generator
) -> CalibrationCurve:
    n = len(right)
    confidence = np.clip(proba.max(axis=1), 0, 1)
    place = confidence_bins(confidence)
    bins = []
    for b in np.unique(place):
        inside = place == b
        bins.append(
            CalibrationBin(
                low=float(b / N_BINS),
                high=float((b + 1) / N_BINS),
                confidence=float(confidence[inside].mean()),
                accuracy=wilson_interval(int(right[inside].sum()), int(inside.sum())),
            )
        )
    low = high = float("nan")
    if len(resampled):
        reflected = 2 * error - np.quantile(resampled, [0.975, 0.025])
        low, high = (float(end) for end in (min(max(reflected[0], 0.0), error), max(reflected[1], error)))
    made_up = np.empty(_N_CALIBRATED)
    for i in range(_N_CALIBRATED):
        gap = confidence - (rng.random(n) < confidence)
        made_up[i] = np.abs(np.bincount(place, weights=gap, minlength=N_BINS)).sum() / n
    return CalibrationCurve(
        error=Interval(error, low, high, n),
        error_if_calibrated=float(np.quantile(made_up, 0.95)),
        n_bins=N_BINS,
        bins=tuple(bins),
    )


def confusion_matrix(true: Codes, predicted: Codes, n_classes: int) -> tuple[tuple[int, ...], ...]:
    """Count the rows of each class (line) by the class that was predicted (column)."""
    table = np.zeros((n_classes, n_classes), dtype=np.int64)
    np.add.at(table, (true, predicted), 1)
    return tuple(tuple(int(count) for count in row) for row in table)


def _padded(proba: Floats, n_classes: int) -> Floats:
    """Add columns of zeros for classes that a method does not know."""
    missing = n_classes - proba.shape[1]
    return np.pad(proba, ((0, 0), (0, missing))) if missing > 0 else proba
