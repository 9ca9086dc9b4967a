"""Simple classifiers of raw features or latent codes, given the same labels as the model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelPropagation, LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC

from aaetools.analysis.embedding import kept_threads
from aaetools.analysis.named_clusters import NamedClusters
from aaetools.analysis.scores import Predictions
from aaetools.exceptions import DataError, LabelError

__all__ = [
    "BASELINES",
    "FURTHER_BASELINES",
    "MAX_GRAPH_ROWS",
    "PROBES",
    "EmbeddedNeighbours",
    "compare_baselines",
    "predict_with",
    "resolve_classifiers",
]

MAX_GRAPH_ROWS = 20_000
"""Rows a graph method gets at most; further unlabelled rows are left out at random."""

_PCA_AXES = 40
_UMAP_AXES = 10

Codes = NDArray[np.int64]
Maker = Callable[[int | None], Any]


class EmbeddedNeighbours(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """Nearest neighbours among the labelled rows, in an embedding that is fitted to all rows.

    Parameters
    ----------
    embedding
        A transformer; it gets the class codes, with -1 where unlabelled, as its ``y``.
    n_neighbors
        Neighbours that vote, the nearer the more; as many as there are labels at most.
    """

    def __init__(self, embedding: Any, n_neighbors: int = 1) -> None:
        self.embedding = embedding
        self.n_neighbors = n_neighbors

    def fit(self, X: NDArray[Any], y: Codes) -> EmbeddedNeighbours:
        """Fit the embedding to all rows and the neighbours to those with a code of 0 or more."""
        labeled = y >= 0
        with kept_threads():
            self.embedding_ = clone(self.embedding).set_params(**self._fitting(X))
            points = np.asarray(self.embedding_.fit_transform(X, y))[labeled]
        n_neighbors = min(self.n_neighbors, int(labeled.sum()))
        self.neighbours_ = KNeighborsClassifier(n_neighbors, weights="distance").fit(points, y[labeled])
        self.classes_ = self.neighbours_.classes_
        return self

    def predict(self, X: NDArray[Any]) -> Codes:
        """Return class codes, shape (n,)."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def predict_proba(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return shares of the neighbours' votes, shape (n, n_classes)."""
        with kept_threads():
            points = self.embedding_.transform(X)
        return np.asarray(self.neighbours_.predict_proba(points))

    def _fitting(self, X: NDArray[Any]) -> dict[str, int]:
        """Return sizes of the embedding that few rows or features do not allow, made as large as they do."""
        given, most = self.embedding.get_params(deep=False), {"n_components": min(X.shape), "n_neighbors": len(X) - 1}
        return {name: min(given[name], limit) for name, limit in most.items() if name in given}


def _label_spreading(random_state: int | None) -> Any:
    return LabelSpreading(kernel="knn", n_neighbors=7, alpha=0.2)


def _logistic_regression(random_state: int | None) -> Any:
    return LogisticRegression(max_iter=1_000, random_state=random_state)


def _nearest_neighbour(random_state: int | None) -> Any:
    return KNeighborsClassifier(n_neighbors=1)


def _self_training(random_state: int | None) -> Any:
    return SelfTrainingClassifier(_logistic_regression(random_state))


def _pca_neighbours(random_state: int | None) -> Any:
    return EmbeddedNeighbours(PCA(_PCA_AXES, random_state=random_state))


def _umap_neighbours(random_state: int | None) -> Any:
    with warnings.catch_warnings(), kept_threads():
        warnings.simplefilter("ignore")  # umap and numba warn about their own inner workings
        from umap import UMAP

    return EmbeddedNeighbours(UMAP(n_components=_UMAP_AXES, random_state=random_state, n_jobs=1), n_neighbors=5)


def _five_neighbours(random_state: int | None) -> Any:
    return KNeighborsClassifier(n_neighbors=5, weights="distance")


def _random_forest(random_state: int | None) -> Any:
    return RandomForestClassifier(random_state=random_state)


def _support_vectors(random_state: int | None) -> Any:
    return SVC()


BASELINES: dict[str, Maker] = {
    "label_spreading": _label_spreading,
    "logistic_regression": _logistic_regression,
    "knn": _nearest_neighbour,
}
"""Name -> function(random_state) that makes an unfitted scikit-learn classifier of raw features; part of every fit."""

FURTHER_BASELINES: dict[str, Maker] = {
    "self_training": _self_training,
    "pca_knn": _pca_neighbours,
    "umap_knn": _umap_neighbours,
}
"""Baselines that take longer."""

PROBES: dict[str, Maker] = {
    "logistic_regression": _logistic_regression,
    "knn": _five_neighbours,
    "svm": _support_vectors,
    "random_forest": _random_forest,
}
"""The same for classifiers of latent codes."""

_LEARN_FROM_ALL_ROWS = (LabelPropagation, LabelSpreading, SelfTrainingClassifier, EmbeddedNeighbours, NamedClusters)
_BOUNDED = (LabelPropagation, LabelSpreading, NamedClusters)


def resolve_classifiers(
    wanted: Iterable[Any], known: Mapping[str, Maker], what: str, random_state: int | None
) -> dict[str, Any]:
    """Return unfitted classifiers by name.

    Parameters
    ----------
    wanted
        Names from ``known``, scikit-learn classifiers, which are cloned and named after their class, or pairs of a name
        and a classifier.
    known
        Name -> function(random_state).
    what
        What they are called in messages: "probe" or "baseline".
    random_state
        Seed for those that have a ``random_state`` and no value for it.

    Raises
    ------
    DataError
        For an unknown name, something that is no classifier, or a name that is used twice.
    """
    found: dict[str, Any] = {}
    for item in [wanted] if isinstance(wanted, str) else wanted:
        name, classifier = item if isinstance(item, tuple) else (item if isinstance(item, str) else None, item)
        if isinstance(classifier, str):
            if classifier not in known:
                raise DataError(f"unknown {what} {classifier!r}: choose from {', '.join(sorted(known))}")
            classifier = known[classifier](random_state)
        elif not isinstance(classifier, BaseEstimator) or not is_classifier(classifier):
            raise DataError(f"{what} {classifier!r} is no scikit-learn classifier")
        else:
            classifier = clone(classifier)
            if "random_state" in (given := classifier.get_params(deep=False)) and given["random_state"] is None:
                classifier.set_params(random_state=random_state)
        label = str(name or type(classifier).__name__)
        if label in found:
            raise DataError(f"two {what}s are called {label!r}: give pairs (name, classifier) with different names")
        found[label] = classifier
    return found


def compare_baselines(
    X: NDArray[Any],
    codes: Codes,
    X_eval: NDArray[Any],
    *,
    baselines: Sequence[Any] = tuple(BASELINES),
    n_classes: int | None = None,
    random_state: int | None = None,
) -> dict[str, Predictions]:
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
        Names from ``BASELINES`` or ``FURTHER_BASELINES``, or scikit-learn classifiers. Those that can learn from
        unlabelled rows (``LabelSpreading``) get all rows, the others the labelled rows.
    n_classes
        Columns of the probabilities; as many as the highest code asks for by default.
    random_state
        Seed of the baselines and of the rows left out above ``MAX_GRAPH_ROWS``.

    Raises
    ------
    DataError
        For an unknown baseline.
    LabelError
        If no row has a label.
    """
    chosen = resolve_classifiers(baselines, {**BASELINES, **FURTHER_BASELINES}, "baseline", random_state)
    return {
        name: predict_with(classifier, X, codes, X_eval, n_classes=n_classes, random_state=random_state)
        for name, classifier in chosen.items()
    }


def predict_with(
    classifier: Any,
    X: NDArray[Any],
    codes: Codes,
    X_eval: NDArray[Any],
    *,
    n_classes: int | None = None,
    random_state: int | None = None,
) -> Predictions:
    """Fit one classifier and predict the evaluated rows; see :func:`compare_baselines`."""
    labeled = np.flatnonzero(codes >= 0)
    if len(labeled) == 0:
        raise LabelError("no training row has a label, so there is nothing to fit the baselines on")
    n_classes = n_classes or int(codes.max()) + 1
    if len(np.unique(codes[labeled])) == 1:
        constant = np.full(len(X_eval), codes[labeled[0]])
        return Predictions(constant, "only one class has labels", np.eye(n_classes)[constant])
    notes = []
    rows = np.arange(len(codes)) if isinstance(classifier, _LEARN_FROM_ALL_ROWS) else labeled
    if isinstance(classifier, _BOUNDED) or _is_umap(classifier):
        rows = _graph_rows(codes, random_state)
        if len(rows) < len(codes):
            notes.append(f"fitted on {len(rows):,} of {len(codes):,} rows to bound its memory")
    if "n_neighbors" in (given := classifier.get_params(deep=False)) and given["n_neighbors"] is not None:
        classifier.set_params(n_neighbors=min(given["n_neighbors"], len(rows)))
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the note instead
        # LabelSpreading divides by zero for rows that no label reaches.
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.filterwarnings("ignore", message="y contains no unlabeled samples")
        if _is_umap(classifier):
            warnings.simplefilter("ignore")
        classifier.fit(X[rows], codes[rows])
        proba, unreached = _probabilities(classifier, X_eval, n_classes)
        if proba is not None and isinstance(classifier, EmbeddedNeighbours):  # placing rows is what takes long
            predicted = proba.argmax(axis=1)
        else:
            predicted = np.asarray(classifier.predict(X_eval), dtype=np.int64)
    if unreached:
        notes.append(f"{unreached} evaluated rows are near no label: every class is as likely there")
    rounds, most = np.max(getattr(classifier, "n_iter_", 0)), getattr(classifier, "max_iter", None) or -1
    if 0 < most <= rounds:
        notes.append(f"stopped after {int(rounds)} rounds, before it had settled")
    return Predictions(predicted, "; ".join(notes), proba)


def _probabilities(classifier: Any, X_eval: ArrayLike, n_classes: int) -> tuple[NDArray[np.float64] | None, int]:
    """Return probabilities of all classes, None where there are none, and for how many rows none are finite."""
    if not hasattr(classifier, "predict_proba"):
        return None, 0
    proba = np.zeros((len(np.asarray(X_eval)), n_classes))
    known = np.asarray(classifier.classes_, dtype=np.int64)
    given = np.asarray(classifier.predict_proba(X_eval), dtype=np.float64)
    proba[:, known[known >= 0]] = given[:, known >= 0]
    unreached = ~np.isfinite(proba).all(axis=1)
    proba[unreached] = 1 / n_classes
    return proba, int(unreached.sum())


def _is_umap(classifier: Any) -> bool:
    return isinstance(classifier, EmbeddedNeighbours) and type(classifier.embedding).__name__ == "UMAP"


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
