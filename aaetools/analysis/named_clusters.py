"""What can be had without labels: clusters that labels only name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.cluster import KMeans

__all__ = ["NamedClusters"]


class NamedClusters(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn publishes no types
    """k-means clusters, one for each class that has a label; labels take no part but to name them.

    Each cluster gets one class: by the one-to-one (Hungarian) matching that agrees with most of the given labels.

    Parameters
    ----------
    random_state
        Seed of k-means.

    Examples
    --------
    >>> X = np.array([[0.0], [0.1], [5.0], [5.1]])
    >>> NamedClusters(0).fit(X, [1, -1, 0, -1]).predict([[5.2], [0.2]])
    array([0, 1])
    """

    def __init__(self, random_state: int | None = None) -> None:
        self.random_state = random_state

    def fit(self, X: NDArray[Any], y: Any) -> NamedClusters:
        """Cluster rows of shape (n, d) and name the clusters by class codes y, shape (n,), -1 without a label."""
        given = np.asarray(y)
        known = given >= 0
        self.classes_ = np.unique(given[known])
        n_classes = len(self.classes_)
        self.clusters_ = KMeans(min(n_classes, len(X)), n_init=10, random_state=self.random_state).fit(X)
        agreed = np.zeros((n_classes, n_classes), dtype=np.int64)
        np.add.at(agreed, (self.clusters_.labels_[known], np.searchsorted(self.classes_, given[known])), 1)
        self.names_ = self.classes_[linear_sum_assignment(agreed, maximize=True)[1]]
        return self

    def predict(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the class of the cluster that each row, of shape (n, d), is nearest to."""
        return np.asarray(self.names_[self.clusters_.predict(X)])
