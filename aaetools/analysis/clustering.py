"""Clusters of latent codes, how many there are and why, and how they agree with labels held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aaetools.analysis.cluster_agreement import cluster_agreement
from aaetools.analysis.cluster_count import CHOOSERS, MAX_CLUSTERS, choose_n_clusters
from aaetools.analysis.cluster_profile import centre_distances, cluster_profiles
from aaetools.analysis.cluster_quality import MAX_PAIR_ROWS, MAX_QUALITY_ROWS, separation
from aaetools.analysis.clusterers import fit_clusters, method_of
from aaetools.analysis.progress import Progress
from aaetools.analysis.results import Clustering, CountChoice
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import UNLABELED, LabelCoding, encode_labels

__all__ = ["cluster_latents"]

_FEWEST_ROWS = 4
"""Fewer rows than this are one cluster, unless the caller gives the number."""

_LARGEST = 1e15
"""Squares of larger codes overflow in single precision."""

Labels = NDArray[np.int64]


def cluster_latents(
    Z: ArrayLike,
    n_clusters: int | None = None,
    labels: ArrayLike | None = None,
    method: str | Any = "kmeans",
    random_state: int | None = None,
    *,
    n_classes: int | None = None,
    prior: Any = None,
    choose: str | None = None,
    max_clusters: int = MAX_CLUSTERS,
    min_cluster_size: int | None = None,
    X: ArrayLike | None = None,
    feature_names: Sequence[str] = (),
    row_ids: ArrayLike | None = None,
    unlabeled: Any = UNLABELED,
    n_subsamples: int = 10,
    progress: Progress | None = None,
) -> tuple[Labels, Clustering]:
    """Cluster latent codes, describe the clusters, and compare them with known labels.

    Parameters
    ----------
    Z
        Latent codes, shape (n, d).
    n_clusters
        Number of clusters. None takes ``n_classes``, else the number of classes in ``labels``, else what ``choose``
        says.
    labels
        Labels to compare with, shape (n,), missing (-1, None, NaN) where not known. Give only labels that
        training did not see: agreement with labels that shaped the codes says little.
    method
        A name from ``CLUSTERERS``, or a scikit-learn clusterer of your own, which sets its number of clusters itself.
    random_state
        Seed of starts, subsamples and bootstraps.
    n_classes
        Number of classes that are known to exist.
    prior
        The prior of the codes; needed by ``method="prior"``.
    choose
        A name from ``CHOOSERS``: choose the number of clusters this way, even where classes are known. None is
        "silhouette", where there is no number to go by.
    max_clusters
        The largest number that is tried.
    min_cluster_size
        Rows that HDBSCAN takes for a cluster at least; a hundredth of the rows, and 5 or more, by default.
    X, feature_names
        The rows' own features, shape (n, n_features), and their names, to tell what sets each cluster apart.
    row_ids
        Identifiers of the rows, shape (n,), for typical and unusual ones.
    unlabeled
        The value in ``labels`` that stands for "not known", besides None and NaN; None for no such value.
    n_subsamples
        Parts of the rows that are clustered anew to measure stability; 0 for none.
    progress
        Told of the steps of what takes long.

    Returns
    -------
    clusters : ndarray of int64, shape (n,)
        Cluster of each row, -1 for rows in none (noise); numbered by falling size, except for ``method="prior"``,
        where the number is the component's.
    clustering : Clustering

    Raises
    ------
    DataError
        For codes that are not finite, an unknown method, more clusters than rows, or a number of clusters where the
        method sets it itself.
    LabelError
        If there are not as many labels as codes.
    """
    codes = _checked_codes(Z)
    way = method_of(method)
    name = method if isinstance(method, str) else type(method).__name__
    known = None if labels is None else encode_labels(labels, unlabeled)
    features = _checked_features(X, feature_names, len(codes))
    ids = None if row_ids is None else np.asarray(row_ids)
    for what, count in (("labels", known and len(known.codes)), ("row identifiers", None if ids is None else len(ids))):
        if count is not None and count != len(codes):
            raise LabelError(f"{count} {what} were given for {len(codes)} codes")
    if min_cluster_size is not None and (method != "hdbscan" or min_cluster_size < 2):
        raise DataError(f"min_cluster_size is for hdbscan, and at least 2; not {min_cluster_size} for {name}")
    if n_classes is None and known is not None:
        n_classes = len(known.classes)

    distinct = len(np.unique(codes, axis=0))
    wanted, reason, choice = _how_many(
        codes, distinct, n_clusters, n_classes, method, choose, max_clusters, random_state, prior, progress
    )

    def fit(rows: NDArray[Any], seed: int | None, quick: bool = True) -> tuple[Labels, Any]:
        if (way.number == "asked" and wanted == 1) or (way.number != "prior" and len(rows) < _FEWEST_ROWS):
            return np.zeros(len(rows), dtype=np.int64), None
        return fit_clusters(rows, method, wanted, seed, prior, min_cluster_size=min_cluster_size, quick=quick)

    if way.number != "prior" and distinct == 1:
        found, estimator = np.zeros(len(codes), dtype=np.int64), None
    else:
        found, estimator = fit(codes, random_state, quick=False)
    if way.number == "found":
        wanted = len(np.unique(found[found >= 0]))
    if way.number != "prior":
        found = _by_size(found)

    # the prior's components are fixed: they come out the same on any part of the rows
    refit = None if wanted < 2 or way.number == "prior" else lambda rows, seed: fit(rows, seed)[0]
    measured = separation(codes, found, refit, n_subsamples=n_subsamples, random_state=random_state, progress=progress)
    clustering = Clustering(
        method=name,
        n_clusters=wanted,
        reason=reason,
        sizes=tuple(int(size) for size in np.bincount(found[found >= 0], minlength=wanted)),
        silhouette=None if measured.silhouette is None else measured.silhouette.value,
        agreement=_agreement(codes, found, known, estimator, random_state),
        verdict="",
        n=len(codes),
        n_noise=int((found < 0).sum()),
        random_state=random_state,
        choice=choice,
        separation=measured,
        profiles=cluster_profiles(
            codes,
            found,
            wanted,
            labels=None if known is None else known.codes,
            class_names=() if known is None else [str(label) for label in known.classes],
            X=features,
            feature_names=feature_names,
            row_ids=ids,
        ),
        notes=_notes(len(codes), name, way.max_rows, choice),
    )
    return found, replace(clustering, verdict=_verdict(clustering))


def _checked_codes(Z: ArrayLike) -> NDArray[np.float32]:
    codes = np.asarray(Z, dtype=np.float32)
    if codes.ndim != 2 or 0 in codes.shape:
        raise DataError(f"codes must have shape (rows, latent axes) with at least one row, not {codes.shape}")
    if not np.isfinite(codes).all():
        raise DataError(f"the code of row {int(np.argmin(np.isfinite(codes).all(axis=1)))} is not finite")
    if np.abs(codes).max() > _LARGEST:
        raise DataError(f"codes as large as {np.abs(codes).max():.0e} cannot be clustered: the encoder has diverged")
    return codes


def _checked_features(X: ArrayLike | None, feature_names: Sequence[str], n: int) -> NDArray[Any] | None:
    if X is None:
        return None
    features = np.asarray(X)
    if features.ndim < 2 or len(features) != n:
        raise DataError(f"features of shape {features.shape} were given for {n} codes: one row per code is needed")
    features = features.reshape(n, -1)
    if len(feature_names) and len(feature_names) != features.shape[1]:
        raise DataError(f"{len(feature_names)} feature names were given for {features.shape[1]} features")
    if features.dtype.kind not in "buif" or not np.isfinite(features).all():
        raise DataError("features must be finite numbers; leave X out to cluster without describing features")
    return features


def _how_many(
    Z: NDArray[Any],
    distinct: int,
    n_clusters: int | None,
    n_classes: int | None,
    method: str | Any,
    choose: str | None,
    max_clusters: int,
    random_state: int | None,
    prior: Any,
    progress: Progress | None,
) -> tuple[int, str, CountChoice | None]:
    """Return the number of clusters, why, and what was compared if it was chosen; 0 where the method will say."""
    number, name = method_of(method).number, method if isinstance(method, str) else type(method).__name__
    if n_clusters is not None and choose is not None:
        raise DataError(f"{n_clusters} clusters were asked for, so there is nothing for {choose!r} to choose")
    if choose is not None and choose not in CHOOSERS:
        raise DataError(f"unknown way to choose the number of clusters {choose!r}: choose from {', '.join(CHOOSERS)}")
    if number == "found":
        if n_clusters is not None or choose is not None:
            raise DataError(f"{name} finds the number of clusters itself; it cannot be given or chosen")
        if len(Z) < _FEWEST_ROWS:
            return 1, f"{len(Z)} rows are too few to look for clusters", None
        if distinct == 1:
            return 1, "the codes are all the same", None
        return 0, f"found by {name}", None
    if number == "prior":
        reason = "number of components of the prior" if n_clusters is None else "given"
        return _of_prior(prior, n_clusters, choose), reason, None
    if n_clusters is not None:
        if n_clusters < 1:
            raise DataError(f"the number of clusters must be at least 1, not {n_clusters}")
        if n_clusters > len(Z):
            raise DataError(f"{n_clusters} clusters were asked for but there are only {len(Z)} rows")
        wanted, reason = n_clusters, "given"
    elif choose is None and n_classes is not None and n_classes > 1:
        wanted, reason = min(n_classes, len(Z)), "number of known classes"
    else:
        choice = choose_n_clusters(
            Z, choose or "silhouette", method, random_state, max_clusters=max_clusters, progress=progress
        )
        return choice.n_clusters, choice.reason, choice
    if 1 <= distinct < wanted:
        return distinct, f"{reason}; only {distinct} distinct codes exist", None
    return wanted, reason, None


def _of_prior(prior: Any, n_clusters: int | None, choose: str | None) -> int:
    if prior is None or prior.n_components == 0:
        raise DataError("clusters from the prior's components need a prior with class components")
    if choose is not None:
        raise DataError("the prior sets the number of its components; it cannot be chosen")
    if n_clusters is not None and n_clusters != prior.n_components:
        raise DataError(f"the prior has {prior.n_components} components, so it cannot give {n_clusters} clusters")
    return int(prior.n_components)


def _by_size(clusters: Labels) -> Labels:
    """Number clusters by falling size; noise (-1) stays."""
    values, sizes = np.unique(clusters[clusters >= 0], return_counts=True)
    rank = np.empty(int(values.max(initial=-1)) + 1, dtype=np.int64)
    rank[values[np.argsort(-sizes, kind="stable")]] = np.arange(len(values))
    found = np.full(len(clusters), -1, dtype=np.int64)
    found[clusters >= 0] = rank[clusters[clusters >= 0]]
    return found


def _agreement(
    Z: NDArray[Any], clusters: Labels, known: LabelCoding | None, estimator: Any, random_state: int | None
) -> Any:
    if known is None or not (known.codes >= 0).any():
        return None
    rows = np.flatnonzero(known.codes >= 0)
    # the most certain row is the one with the highest probability, of equal ones that nearest to the centre
    sure = np.zeros(len(rows))
    if hasattr(estimator, "predict_proba"):
        sure = np.asarray(estimator.predict_proba(Z[rows]), dtype=np.float64).max(axis=1)
    certainty = np.empty(len(rows))
    certainty[np.lexsort((centre_distances(Z, clusters)[rows], -sure))] = -np.arange(len(rows), dtype=np.float64)
    return cluster_agreement(clusters[rows], known.codes[rows], certainty, random_state)


def _notes(n: int, name: str, max_rows: int | None, choice: CountChoice | None) -> tuple[str, ...]:
    found = []
    if max_rows is not None and n > max_rows:
        found.append(
            f"{name} was fitted to {max_rows:,} random rows of {n:,}; the others joined their nearest fitted row."
        )
    if choice is not None and choice.n < n:
        found.append(f"The number of clusters was chosen on {choice.n:,} random rows.")
    if n > MAX_QUALITY_ROWS:
        found.append(
            f"The silhouette is of {MAX_PAIR_ROWS:,} random rows, Davies-Bouldin and Calinski-Harabasz of "
            f"{MAX_QUALITY_ROWS:,}."
        )
    elif n > MAX_PAIR_ROWS:
        found.append(f"The silhouette is of {MAX_PAIR_ROWS:,} random rows.")
    return tuple(found)


def _verdict(clustering: Clustering) -> str:
    if clustering.n_clusters == 0:
        return f"No cluster was found: all {clustering.n:,} rows are noise."
    noun = "cluster" if clustering.n_clusters == 1 else "clusters"
    text = f"{clustering.n_clusters} {noun} ({clustering.reason})"
    if clustering.n_noise:
        text += f", {clustering.n_noise:,} of {clustering.n:,} rows in none"
    if clustering.agreement is not None:
        accuracy = clustering.agreement.accuracy
        text += (
            f"; matched one to one they give {accuracy.value:.1%} of {accuracy.n} rows their label "
            f"({accuracy.low:.1%} to {accuracy.high:.1%}; adjusted Rand "
            f"{clustering.agreement.adjusted_rand.value:.2f})"
        )
    elif clustering.silhouette is not None:
        shape = (
            "well apart"
            if clustering.silhouette >= 0.5
            else "touching"
            if clustering.silhouette >= 0.25
            else "overlapping"
        )
        text += f", {shape} (silhouette {clustering.silhouette:.2f})"
    return text + "."
