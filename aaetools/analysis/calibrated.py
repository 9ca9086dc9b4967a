"""A classifier around a classifier: calibrated probabilities, sets of classes, and rows left undecided."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import check_is_fitted

from aaetools.analysis.calibration import AcceptanceRule, choose_rule, doubts, fit_temperature, scale_probabilities
from aaetools.analysis.class_codes import class_codes
from aaetools.analysis.conformal import conformal_sets, guaranteed_coverage
from aaetools.analysis.progress import Progress, tell
from aaetools.analysis.results import Interval
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import UNLABELED, encode_labels, is_unlabeled

__all__ = ["CalibratedClassifier"]


class CalibratedClassifier(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]  # no types
    """Calibrate a classifier on labels that it was not trained on.

    Three ways to have such labels:

    - ``CalibratedClassifier(FrozenEstimator(model)).fit(X_new, y_new)``: the model is fitted already, and all labels
      given here are for calibration. They must be of rows that had no part in its training, not even unlabelled.
    - ``CalibratedClassifier(estimator).fit(X, y)``: a share of the labels is held back with their rows, and one model
      is fitted to the rest.
    - ``CalibratedClassifier(estimator, n_folds=3).fit(X, y)``: the labelled rows are split into folds, one model is
      fitted without each, and their probabilities are averaged. No label is lost, at the price of so many fits.

    Parameters
    ----------
    estimator
        An :class:`aaetools.AdversarialAutoencoder`, or any classifier with ``predict_proba`` that takes -1 in ``y`` for
        "unlabelled" (or is given no such rows); inside ``sklearn.frozen.FrozenEstimator`` if it is fitted already.
    n_folds
        Folds of cross-fitting; None for one split.
    calibration_fraction
        Share of the labels that the split holds back, class by class.
    unlabeled
        Value in ``y`` that stands for "no label".
    progress
        Called with what is done, how many fits are done, and how many there are.
    random_state
        Seed of the split or the folds.

    Attributes
    ----------
    classes_
        Sorted labels, shape (n_classes,).
    models_
        The fitted models, one per fold.
    fold_sizes_
        Number of calibration labels of each.
    calibration_rows_
        Positions in ``X`` of the rows that calibrated each model.
    temperature_
        :class:`aaetools.analysis.results.Interval`, or None where the labels do not give one.
    refusal_
        Why they do not; empty where they do.

    Notes
    -----
    What holds, given that the labelled rows and the rows to come are drawn from one population in one way:

    - split or frozen, ``predict_set``: the true class is in the set with probability ``level`` at least, on average
      over draws of the calibration labels; with ``class_conditional=True`` for the rows of each class, and then also
      where labels were drawn class by class in other shares than the population's.
    - split or frozen, ``accept``: the error bound holds with the stated confidence over those draws.
    - folds, ``predict_set``: about the level is to be expected; what is proved is ``guaranteed_coverage_(level)``, and
      that for folds drawn without regard to class, while these are drawn class by class so that each model sees all.
    - folds, ``accept``, and the temperature anywhere: good advice, not a theorem.

    Each of these guarantees is for itself, not for all at once.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> model = CalibratedClassifier(LogisticRegression(max_iter=1000), n_folds=5, random_state=0).fit(X, y)
    >>> model.predict_set(X[[0, 133]], level=0.98).tolist()
    [[True, False, False], [False, True, True]]
    """

    def __init__(
        self,
        estimator: Any,
        *,
        n_folds: int | None = None,
        calibration_fraction: float = 0.3,
        unlabeled: Any = UNLABELED,
        progress: Progress | None = None,
        random_state: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_folds = n_folds
        self.calibration_fraction = calibration_fraction
        self.unlabeled = unlabeled
        self.progress = progress
        self.random_state = random_state

    def fit(self, X: Any, y: ArrayLike) -> CalibratedClassifier:
        """Fit the models and score the labels held back from each.

        Parameters
        ----------
        X
            Rows, shape (n, n_features), an array or a data frame.
        y
            Labels, shape (n,), with gaps.

        Raises
        ------
        LabelError
            If there are too few labels to hold any back, or labels that a frozen model does not know.
        """
        coding = encode_labels(y, self.unlabeled)
        n_rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if len(coding.codes) != n_rows:
            raise LabelError(f"X has {n_rows} rows, but y has {len(coding.codes)} labels")
        codes, labeled = coding.codes, np.flatnonzero(coding.codes >= 0)
        if isinstance(self.estimator, FrozenEstimator):
            self.classes_ = np.asarray(self.estimator.classes_)
            codes = class_codes(np.asarray(y, dtype=object), self.classes_)
            unknown = labeled[codes[labeled] < 0]
            if len(unknown):
                label = np.asarray(y, dtype=object)[unknown[0]]
                raise LabelError(f"row {unknown[0]} (counted from 0) has the label {label!r}, no class of the model")
            held = [labeled]
        else:
            self.classes_ = coding.classes
            held = self._held_back(labeled, codes[labeled])
        if len(labeled) == 0:
            raise LabelError("there is no label to calibrate with")
        self.calibration_rows_ = held
        self.fold_sizes_ = [len(rows) for rows in held]
        self.models_ = [self._fitted(X, y, rows, done, len(held)) for done, rows in enumerate(held)]
        self._proba = [
            self._probabilities(model, _safe_indexing(X, rows)) for model, rows in zip(self.models_, held, strict=True)
        ]
        self._codes = [codes[rows] for rows in held]
        self.temperature_: Interval | None = None
        self.refusal_ = ""
        try:
            self.temperature_ = fit_temperature(np.concatenate(self._proba), np.concatenate(self._codes))
        except LabelError as error:
            self.refusal_ = str(error)
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return calibrated probabilities, shape (n, n_classes): the mean over models at the common temperature.

        Raises
        ------
        LabelError
            If the labels held back give no temperature; the message says why.
        """
        check_is_fitted(self)
        if self.temperature_ is None:
            raise LabelError(self.refusal_)
        return self._mean(X, self.temperature_.value)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the likeliest class of each row, shape (n,)."""
        check_is_fitted(self)
        temperature = 1.0 if self.temperature_ is None else self.temperature_.value
        return np.asarray(self.classes_[self._mean(X, temperature).argmax(axis=1)])

    def predict_set(self, X: Any, level: float = 0.9, *, class_conditional: bool = False) -> NDArray[np.bool_]:
        """Return which classes are in the conformal set of each row, shape (n, n_classes), at least one each.

        See :func:`aaetools.analysis.conformal.conformal_sets`. Neither sets nor :meth:`accept` use the temperature,
        which was chosen on the same labels.

        Raises
        ------
        LabelError
            If the labels are too few for the level.
        """
        check_is_fitted(self)
        return conformal_sets(
            [self._probabilities(model, X) for model in self.models_],
            self._proba,
            self._codes,
            level,
            class_conditional=class_conditional,
        )

    def guaranteed_coverage_(self, level: float = 0.9) -> float:
        """Return the coverage of :meth:`predict_set` that is proved."""
        check_is_fitted(self)
        return guaranteed_coverage(level, self.fold_sizes_)

    def acceptance_rule(self, max_error: float = 0.05, confidence: float = 0.95) -> AcceptanceRule:
        """Return the rule that :meth:`accept` applies; see :func:`aaetools.analysis.calibration.choose_rule`.

        Raises
        ------
        LabelError
            If the labels are too few to prove such an error, or the model errs too often.
        """
        check_is_fitted(self)
        proba, codes = np.concatenate(self._proba), np.concatenate(self._codes)
        return choose_rule(doubts(proba).min(axis=1), proba.argmax(axis=1) == codes, max_error, confidence)

    def accept(self, X: Any, max_error: float = 0.05, confidence: float = 0.95) -> NDArray[np.bool_]:
        """Return which rows are decided, shape (n,), so that at most a share ``max_error`` of these is wrong."""
        rule = self.acceptance_rule(max_error, confidence)
        return np.asarray(doubts(self._mean(X, 1.0)).min(axis=1) < rule.max_doubt)

    def _held_back(self, labeled: NDArray[np.int64], codes: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return the rows held back from each model, class by class."""
        if self.n_folds is not None:
            fewest = int(np.bincount(codes).min(initial=len(codes))) if len(codes) else 0
            if not 2 <= self.n_folds <= fewest:
                raise LabelError(
                    f"{self.n_folds} folds cannot be made: the rarest class has {fewest} labels, and each fold needs "
                    "one of every class (2 folds at least)"
                )
            folds = StratifiedKFold(self.n_folds, shuffle=True, random_state=self.random_state)
            return [labeled[part] for _, part in folds.split(labeled[:, None], codes)]
        if not 0 < self.calibration_fraction < 1:
            raise DataError(f"calibration_fraction must lie within 0 and 1, not {self.calibration_fraction}")
        try:
            _, held = train_test_split(
                labeled, test_size=self.calibration_fraction, stratify=codes, random_state=self.random_state
            )
        except ValueError as error:
            raise LabelError(
                f"{len(labeled)} labels cannot be split class by class with a share of {self.calibration_fraction:g} "
                "held back: give more labels, another calibration_fraction, or n_folds"
            ) from error
        return [np.sort(held)]

    def _fitted(self, X: Any, y: ArrayLike, held: NDArray[np.int64], done: int, total: int) -> Any:
        """Fit a model to the rows that are not held back; these are left out altogether, not just their labels."""
        if isinstance(self.estimator, FrozenEstimator):
            return self.estimator
        labels: Any = y if hasattr(y, "iloc") else np.asarray(y)
        kept = np.setdiff1d(np.arange(len(labels)), held, assume_unique=True)
        if done == 0:
            tell(self.progress, "fitting without labels held back", done, total)
        model = clone(self.estimator).fit(_safe_indexing(X, kept), _safe_indexing(labels, kept))
        tell(self.progress, "fitting without labels held back", done + 1, total)
        return model

    def _probabilities(self, model: Any, X: Any) -> NDArray[np.float64]:
        """Return a model's probabilities in the order of ``classes_``."""
        proba = np.asarray(model.predict_proba(X), dtype=np.float64)
        places = class_codes(np.asarray(model.classes_, dtype=object), self.classes_)
        ordered = np.zeros((len(proba), len(self.classes_)))
        ordered[:, places[places >= 0]] = proba[:, places >= 0]
        return ordered

    def _mean(self, X: Any, temperature: float) -> NDArray[np.float64]:
        found = [self._probabilities(model, X) for model in self.models_]
        if temperature != 1:
            found = [scale_probabilities(proba, temperature) for proba in found]
        return np.asarray(np.mean(found, axis=0))

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return accuracy on the labelled rows of ``y``.

        Raises
        ------
        LabelError
            If ``y`` has no label at all.
        """
        labels = np.asarray(y, dtype=object)
        known = ~is_unlabeled(labels, self.unlabeled)
        if not known.any():
            raise LabelError("y has no labelled row to score")
        hits = class_codes(self.predict(X), self.classes_)[known] == class_codes(labels, self.classes_)[known]
        weights = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(np.average(hits, weights=weights))
