"""Cross-validation and scores for labels with gaps, in scikit-learn's terms.

Unlabelled rows have nothing to be tested on, but they are there to be learned from: every training part has them all,
and no test part has any.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, log_loss
from sklearn.model_selection import BaseCrossValidator, StratifiedGroupKFold, StratifiedKFold, StratifiedShuffleSplit

from aaetools.exceptions import DataError, LabelError
from aaetools.labels import UNLABELED, encode_labels, is_unlabeled

__all__ = ["SCORERS", "LabeledScorer", "SemiSupervisedSplit", "make_labeled_scorer"]

Rows = NDArray[np.int64]


class SemiSupervisedSplit(BaseCrossValidator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Splits that keep unlabelled rows in training and stratify the labelled rows over the test parts.

    The estimator that is cross-validated has to know what stands for "no label": -1 for scikit-learn's
    semi-supervised classifiers, any gap for :class:`aaetools.AdversarialAutoencoder`.

    Parameters
    ----------
    n_splits
        Folds, or repetitions where ``test_size`` is given.
    test_size
        None for folds: each labelled row is tested once. A share in (0, 1) of the labelled rows, or their number, for
        random test parts, drawn anew ``n_splits`` times.
    shuffle
        Shuffle the labelled rows of each class before they are put into folds; random test parts always are.
    labels_per_class
        Labelled rows of each class that a training part has, fewer where there are fewer; the other labelled rows
        are left out of it. None for all. A splitter can leave rows out but not hide their labels, so they are no
        unlabelled rows either; :func:`aaetools.analysis.label_effect` hides them.
    unlabeled
        Value in ``y`` that stands for "no label", besides None, NaN and pd.NA; None for no such value.
    random_state
        Seed of everything random.

    Raises
    ------
    DataError
        If a parameter cannot be used.

    Examples
    --------
    >>> y = np.array([0, 0, 1, 1, -1, -1])
    >>> for train, test in SemiSupervisedSplit(2, shuffle=False).split(np.zeros((6, 1)), y):
    ...     print(train.tolist(), test.tolist())
    [1, 3, 4, 5] [0, 2]
    [0, 2, 4, 5] [1, 3]
    """

    def __init__(
        self,
        n_splits: int = 5,
        *,
        test_size: float | int | None = None,
        shuffle: bool = True,
        labels_per_class: int | None = None,
        unlabeled: Any = UNLABELED,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        if isinstance(n_splits, bool) or int(n_splits) != n_splits or n_splits < (2 if test_size is None else 1):
            least = 2 if test_size is None else 1
            raise DataError(f"n_splits must be a whole number of at least {least}, got {n_splits!r}")
        if labels_per_class is not None and labels_per_class < 1:
            raise DataError(f"labels_per_class must be at least 1, got {labels_per_class!r}")
        self.n_splits = int(n_splits)
        self.test_size = test_size
        self.shuffle = shuffle
        self.labels_per_class = labels_per_class
        self.unlabeled = unlabeled
        self.random_state = random_state

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Return the number of splits; nothing is looked at."""
        return self.n_splits

    def split(self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None) -> Iterator[tuple[Rows, Rows]]:
        """Yield row numbers of training and test parts, each in rising order.

        A class with a single labelled row keeps it in training.

        Parameters
        ----------
        X
            Rows; only their number is looked at.
        y
            Labels, shape (n_rows,).
        groups
            Group of each row, shape (n_rows,). Rows of one group are never in both parts: where one is tested, its
            others train nothing, the unlabelled ones included. Folds only.

        Raises
        ------
        LabelError
            If there are no labels, or too few to be split.
        """
        if y is None:
            raise LabelError("SemiSupervisedSplit needs y; for rows without any label take KFold")
        coding = encode_labels(y, self.unlabeled)
        codes = coding.codes
        n_rows = len(codes)
        if X is not None and (len(X) if not hasattr(X, "shape") else X.shape[0]) != n_rows:
            raise LabelError(f"X has {X.shape[0] if hasattr(X, 'shape') else len(X)} rows, but y has {n_rows} labels")
        counts = np.bincount(codes[codes >= 0], minlength=len(coding.classes))
        tested = np.flatnonzero((codes >= 0) & (counts[codes] >= 2)) if counts.size else np.empty(0, dtype=np.int64)
        if len(np.unique(codes[tested])) < 2:
            raise LabelError("fewer than two classes have two labelled rows, one to learn from and one to test")
        self._check_counts(coding.classes, counts)
        group_of = None if groups is None else np.asarray(groups)
        if group_of is not None and group_of.shape != (n_rows,):
            raise DataError(f"groups has shape {group_of.shape}; give one group per row, shape ({n_rows},)")
        random = np.random.RandomState(self._seed())
        for test in self._tests(tested, codes, group_of):
            left = np.ones(n_rows, dtype=bool)
            left[test] = False
            if group_of is not None:
                left &= ~np.isin(group_of, group_of[test])
            train = np.flatnonzero(left)
            if self.labels_per_class is not None:
                train = _thinned(train, codes, self.labels_per_class, random)
            yield train, np.sort(test)

    def _seed(self) -> int:
        state = self.random_state
        if isinstance(state, np.random.RandomState):
            return int(state.randint(np.iinfo(np.int32).max))
        return int(np.random.RandomState(state).randint(np.iinfo(np.int32).max))

    def _check_counts(self, classes: NDArray[Any], counts: NDArray[np.int64]) -> None:
        """Say which classes will be missing from a test part, or from all."""
        single = [str(label) for label, count in zip(classes, counts, strict=True) if count == 1]
        if single:
            warnings.warn(
                f"class {', '.join(single)} has a single labelled row, which is never tested; label another",
                UserWarning,
                stacklevel=4,
            )
        if self.test_size is not None:
            return
        if counts.max() < self.n_splits:
            raise LabelError(
                f"n_splits={self.n_splits}, but no class has more than {counts.max()} labelled rows; take fewer splits"
            )
        short = [
            f"{label} ({count})" for label, count in zip(classes, counts, strict=True) if 1 < count < self.n_splits
        ]
        if short:
            warnings.warn(
                f"fewer labelled rows than the {self.n_splits} folds, so some folds do not test class "
                f"{', '.join(short)}",
                UserWarning,
                stacklevel=4,
            )

    def _tests(self, tested: Rows, codes: Rows, groups: NDArray[Any] | None) -> Iterator[Rows]:
        """Yield test parts of the rows that can be tested."""
        labels = codes[tested]
        if self.test_size is not None:
            if groups is not None:
                raise DataError("random test parts know no groups; leave test_size out")
            splitter: Any = StratifiedShuffleSplit(
                self.n_splits, test_size=self._test_rows(labels), random_state=self._seed()
            )
        else:
            kind = StratifiedKFold if groups is None else StratifiedGroupKFold
            splitter = kind(self.n_splits, shuffle=self.shuffle, random_state=self._seed() if self.shuffle else None)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class in y", UserWarning)  # said in our own words
            parts = list(splitter.split(labels, labels, None if groups is None else groups[tested]))
        for _, test in parts:
            yield tested[test]

    def _test_rows(self, labels: Rows) -> int:
        """Return the number of rows in a random test part."""
        size, n_classes = self.test_size, len(np.unique(labels))
        assert size is not None
        whole = not isinstance(size, float)
        if not (size >= 1 if whole else 0 < size < 1):
            raise DataError(f"test_size must be a share in (0, 1) or a number of rows, got {size!r}")
        n_test = int(size) if whole else round(float(size) * len(labels))
        if n_test < n_classes or len(labels) - n_test < n_classes:
            raise LabelError(
                f"test_size={size:g} of {len(labels)} labelled rows does not leave a row of each of {n_classes} "
                "classes on both sides; choose another"
            )
        return n_test


def _thinned(train: Rows, codes: Rows, per_class: int, random: np.random.RandomState) -> Rows:
    """Return the training rows with ``per_class`` labelled ones of each class, chosen at random."""
    labels = codes[train]
    of_classes = (train[labels == label] for label in np.unique(labels[labels >= 0]))
    chosen = [random.permutation(rows)[:per_class] for rows in of_classes]
    return np.sort(np.concatenate([train[labels < 0], *chosen]))


@dataclass(frozen=True)
class LabeledScorer:
    """A scorer for labels with gaps: rows whose label is unknown are not scored.

    Called as ``scorer(estimator, X, y)``, as scikit-learn's own are. Made by :func:`make_labeled_scorer`.

    Attributes
    ----------
    metric
        Function of true labels and predictions of the labelled rows.
    response_method
        "predict", "predict_proba" or "decision_function". For the latter two the metric also gets the estimator's
        classes as ``labels``, the columns' order.
    sign
        1 where more is better, -1 where less is; a score is the metric times this.
    unlabeled
        See :func:`aaetools.labels.is_unlabeled`.
    settings
        Further arguments of the metric.
    """

    metric: Callable[..., Any]
    response_method: str = "predict"
    sign: int = 1
    unlabeled: Any = UNLABELED
    settings: dict[str, Any] = field(default_factory=dict)

    def __call__(self, estimator: Any, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return the score of an estimator's predictions for the labelled rows of ``y``.

        Raises
        ------
        LabelError
            If no row is labelled.
        """
        known = ~is_unlabeled(y, self.unlabeled)
        if not known.any():
            raise LabelError("y has no labelled row to score; split with SemiSupervisedSplit")
        answers = np.asarray(getattr(estimator, self.response_method)(X))[known]
        # whole numbers that a gap had turned into floats, and strings among objects, become themselves again
        coding = encode_labels(y, self.unlabeled)
        truth = coding.classes[coding.codes[known]]
        settings = dict(self.settings)
        if sample_weight is not None:
            settings["sample_weight"] = np.asarray(sample_weight)[known]
        if self.response_method != "predict":
            settings.setdefault("labels", estimator.classes_)
            _check_classes(truth, estimator.classes_)
        return float(self.sign * self.metric(truth, answers, **settings))


def make_labeled_scorer(
    metric: Callable[..., Any],
    *,
    response_method: str = "predict",
    greater_is_better: bool = True,
    unlabeled: Any = UNLABELED,
    **settings: Any,
) -> LabeledScorer:
    """Turn a metric of scikit-learn into a scorer that leaves unlabelled rows out.

    Parameters
    ----------
    metric
        Function of true labels and predictions, as in :mod:`sklearn.metrics`.
    response_method
        What the metric is given: "predict", "predict_proba" or "decision_function".
    greater_is_better
        False for losses, which are negated.
    unlabeled
        See :func:`aaetools.labels.is_unlabeled`.
    settings
        Further arguments of the metric.

    Examples
    --------
    >>> from sklearn.dummy import DummyClassifier
    >>> y = np.array([1, 1, 0, -1])
    >>> model = DummyClassifier(strategy="constant", constant=1).fit(np.zeros((4, 1)), y)
    >>> round(make_labeled_scorer(accuracy_score)(model, np.zeros((4, 1)), y), 3)
    0.667
    """
    if response_method not in ("predict", "predict_proba", "decision_function"):
        raise DataError(f"response_method must be predict, predict_proba or decision_function, not {response_method!r}")
    return LabeledScorer(metric, response_method, 1 if greater_is_better else -1, unlabeled, settings)


def _check_classes(truth: NDArray[Any], classes: NDArray[Any]) -> None:
    known = set(np.asarray(classes).tolist())
    foreign = [label for label in np.unique(truth).tolist() if label not in known]
    if foreign:
        raise LabelError(
            f"class {foreign[0]!r} is tested, but the estimator knows only {', '.join(map(repr, sorted(known)))}: "
            "it has no probability of that class"
        )


SCORERS: dict[str, LabeledScorer] = {
    "accuracy": make_labeled_scorer(accuracy_score),
    "balanced_accuracy": make_labeled_scorer(balanced_accuracy_score),
    "f1_macro": make_labeled_scorer(partial(f1_score, average="macro", zero_division=0)),
    "neg_log_loss": make_labeled_scorer(log_loss, response_method="predict_proba", greater_is_better=False),
}
"""Scorers by scikit-learn's names, for the ``scoring`` of its functions."""
