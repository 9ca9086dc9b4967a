"""Clusters that labels only name."""

from __future__ import annotations

import numpy as np

from aaetools.analysis.named_clusters import NamedClusters

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(3, size=150)
X = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])[CLASSES] + RNG.normal(size=(150, 2))


def test_one_label_a_class_names_well_separated_clusters() -> None:
    given = np.full(150, -1)
    for code in range(3):
        given[np.flatnonzero(code == CLASSES)[0]] = code
    predicted = NamedClusters(0).fit(X, given).predict(X)
    assert (predicted == CLASSES).mean() > 0.97


def test_names_are_one_to_one_even_where_most_labels_of_two_clusters_agree() -> None:
    given = np.where(CLASSES == 2, 1, CLASSES)
    given[np.flatnonzero(CLASSES == 2)[:5]] = 2
    assert sorted(NamedClusters(0).fit(X, given).names_) == [0, 1, 2]


def test_classes_without_a_label_get_no_cluster() -> None:
    given = np.where(CLASSES == 1, -1, CLASSES)
    model = NamedClusters(0).fit(X, given)
    assert set(model.predict(X)) == {0, 2}
    assert len(model.clusters_.cluster_centers_) == 2
