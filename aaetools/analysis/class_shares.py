"""How large the classes are among rows without a label, whatever the labels' own shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aaetools.analysis.progress import Progress, tell
from aaetools.analysis.results import Interval, ShareEstimate
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import UNLABELED, encode_labels
from aaetools.preprocessing import InputScaler
from aaetools.propagation import can_be_counted, counted_shares, neighbor_graph, predicted_shares

__all__ = ["estimate_class_shares", "saerens_shares"]

Shares = NDArray[np.float64]


def estimate_class_shares(
    source: Any,
    X: ArrayLike | None,
    y: ArrayLike,
    *,
    prior: ArrayLike | None = None,
    n_resamples: int = 100,
    unlabeled: Any = UNLABELED,
    random_state: int | None = None,
    progress: Progress | None = None,
) -> ShareEstimate:
    """Estimate the share of each class among the unlabelled rows, also where labels were drawn in other shares.

    What is assumed is that the labelled rows of a class look like its unlabelled ones.

    Parameters
    ----------
    source
        None for a nearest-neighbour graph of ``X``; a fitted model with ``predict_proba`` for :func:`saerens_shares`
        on what it says of the unlabelled rows; or such probabilities, shape (n_rows, n_classes), for all rows.
    X
        Rows, shape (n_rows, n_features); None where ``source`` holds probabilities.
    y
        Labels with gaps, shape (n_rows,).
    prior
        Shares that the probabilities take for granted, shape (n_classes,); by default those of the model's own prior,
        or of the given labels.
    n_resamples
        Resamples that intervals come from: of the given labels, class by class, for the graph; of the unlabelled
        rows for probabilities, whose intervals therefore leave out whatever the model has wrong.
    unlabeled
        See :func:`aaetools.labels.is_unlabeled`.
    random_state
        Seed of the resamples.
    progress
        Called with "resampling", resamples done and resamples in all.

    Returns
    -------
    ShareEstimate

    Raises
    ------
    DataError, LabelError
        If there is nothing to estimate from; the message says what is missing.

    Notes
    -----
    On the graph, each unlabelled row counts for the class that a random walk from it is likeliest to meet first (Zhu et
    al. 2003), if there are ten labels per class and these are found again when hidden; otherwise class-mass
    normalisation predicts the shares. See :func:`aaetools.propagation.estimate_shares`, which also feeds the weights
    of the prior's components.
    """
    coding = encode_labels(y, unlabeled)
    codes, n_classes = coding.codes, len(coding.classes)
    free = codes < 0
    if n_classes < 2:
        raise LabelError("y has fewer than two classes, so there are no shares to estimate")
    if not free.any():
        raise LabelError("every row has a label; count them")
    if n_resamples < 1:
        raise DataError(f"n_resamples must be at least 1, got {n_resamples}")
    random = np.random.RandomState(random_state)
    given = np.bincount(codes[~free], minlength=n_classes) / (~free).sum()
    if source is None:
        method, value, resampled = _on_graph(_rows(X, len(codes)), codes, n_classes, random)
    else:
        probabilities, before = _probabilities(source, X, coding.classes, free)
        before = before if prior is None else np.asarray(prior, dtype=np.float64)
        before = given if before is None else before
        if before.shape != (n_classes,) or not (before > 0).all():
            raise DataError(f"prior must be {n_classes} positive numbers, one per class in sorted order")
        method, value = "EM on the model's probabilities", saerens_shares(probabilities, before)

        def resampled() -> Shares:
            return saerens_shares(probabilities[random.randint(len(probabilities), size=len(probabilities))], before)

    draws = np.empty((n_resamples, n_classes))
    for done in range(n_resamples):
        tell(progress, "resampling", done, n_resamples)
        draws[done] = resampled()
    tell(progress, "resampling", n_resamples, n_resamples)
    low = np.minimum(np.quantile(draws, 0.025, axis=0), value)
    high = np.maximum(np.quantile(draws, 0.975, axis=0), value)
    n = int(free.sum())
    shares = tuple(Interval(float(v), float(a), float(b), n) for v, a, b in zip(value, low, high, strict=True))
    return ShareEstimate(
        classes=tuple(str(label) for label in coding.classes),
        shares=shares,
        given=tuple(float(share) for share in given),
        method=method,
        n=n,
        n_labeled=int((~free).sum()),
        n_resamples=n_resamples,
        random_state=random_state,
        verdict=_verdict(coding.classes, shares, given),
    )


def saerens_shares(
    probabilities: Shares, prior: Shares, *, n_rounds: int = 1000, tolerance: float = 1e-8
) -> NDArray[np.float64]:
    """Return the class shares under which class probabilities of rows are likeliest, shape (n_classes,).

    Expectation maximisation of Saerens, Latinne and Decaestecker 2002 ("Adjusting the outputs of a classifier to new a
    priori probabilities", Neural Computation 14): probabilities are turned into likelihoods by dividing by the shares
    that they take for granted.

    Parameters
    ----------
    probabilities
        Shape (n_rows, n_classes), rows sum to 1.
    prior
        The shares taken for granted, shape (n_classes,).

    Examples
    --------
    >>> saerens_shares(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([0.5, 0.5])).round(3)
    array([0.75, 0.25])
    """
    likelihood = np.maximum(probabilities, 1e-12) / prior
    shares = np.asarray(prior / prior.sum(), dtype=np.float64)
    for _ in range(n_rounds):
        weighted = likelihood * shares
        new = np.asarray((weighted / weighted.sum(axis=1, keepdims=True)).mean(axis=0))
        if np.abs(new - shares).max() < tolerance:
            return new
        shares = new
    return shares


def _rows(X: ArrayLike | None, n_rows: int) -> NDArray[Any]:
    if X is None:
        raise DataError("X is needed for the graph; give rows, or probabilities as source")
    rows = np.asarray(X, dtype=np.float64)
    if len(rows) != n_rows:
        raise LabelError(f"X has {len(rows)} rows, but y has {n_rows} labels")
    return rows.reshape(n_rows, -1)


def _on_graph(
    rows: NDArray[Any], codes: NDArray[np.int64], n_classes: int, random: np.random.RandomState
) -> tuple[str, Shares, Callable[[], Shares]]:
    """Return the method's name, the shares of the unlabelled rows, and a function that estimates from a resample."""
    graph = neighbor_graph(InputScaler.fit(rows, "auto").transform(rows))
    counted = can_be_counted(graph, codes, n_classes)
    of_all = counted_shares if counted else predicted_shares
    in_labels = np.bincount(codes[codes >= 0], minlength=n_classes)

    def estimate(left: NDArray[np.int64]) -> Shares:
        free = np.maximum(of_all(graph, left, n_classes) * len(codes) - in_labels, 0)
        return np.asarray(free / max(free.sum(), 1e-12))

    def resampled() -> Shares:
        left = np.full_like(codes, -1)
        for k in range(n_classes):
            members = np.flatnonzero(codes == k)
            left[random.choice(members, len(members))] = k
        return estimate(left)

    return ("counted on the graph" if counted else "class-mass normalisation on the graph"), estimate(codes), resampled


def _probabilities(
    source: Any, X: ArrayLike | None, classes: NDArray[Any], free: NDArray[np.bool_]
) -> tuple[Shares, Shares | None]:
    """Return class probabilities of the unlabelled rows, and the shares that the model takes for granted."""
    weights = None
    if hasattr(source, "predict_proba"):
        if X is None:
            raise DataError("X is needed to apply the model to")
        if [str(label) for label in source.classes_] != [str(label) for label in classes]:
            raise LabelError(
                f"the model knows the classes {', '.join(map(str, source.classes_))}, y holds "
                f"{', '.join(map(str, classes))}; they must be the same"
            )
        source_prior = getattr(source, "prior_", None)
        if source_prior is not None:
            own = getattr(source_prior, "weights", None)
            weights = np.full(len(classes), 1 / len(classes)) if own is None else np.asarray(own, dtype=np.float64)
        probabilities = np.asarray(source.predict_proba(X), dtype=np.float64)
    else:
        probabilities = np.asarray(source, dtype=np.float64)
    if probabilities.shape != (len(free), len(classes)):
        raise DataError(f"probabilities have shape {probabilities.shape}; expected ({len(free)}, {len(classes)})")
    if not np.isfinite(probabilities).all() or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise DataError("probabilities must be finite, and those of a row must sum to 1")
    return probabilities[free], weights


def _verdict(classes: NDArray[Any], shares: tuple[Interval, ...], given: Shares) -> str:
    apart = [
        f"{label} ({share.value:.1%} of the unlabelled rows, {was:.1%} of the labels)"
        for label, share, was in zip(classes, shares, given, strict=True)
        if not share.low <= was <= share.high
    ]
    if not apart:
        return "The labels have the shares of the unlabelled rows, as far as can be told."
    more = f" and {len(apart) - 5} more" if len(apart) > 5 else ""
    return f"Other shares among the unlabelled rows than among the labels: {', '.join(apart[:5])}{more}."
