"""A fresh discriminator: can a new classifier tell held-out codes from draws of the prior?"""

from __future__ import annotations

import warnings
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom, binomtest
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from aaetools.analysis.divergences import Codes, Target
from aaetools.analysis.marginals import own_coordinates
from aaetools.analysis.nulls import LEVEL
from aaetools.analysis.results import FreshDiscriminator, Proportion

__all__ = ["MAX_TRAINED", "MIN_JUDGED", "accuracy_null", "fresh_discriminator", "smallest_accuracy"]

MAX_TRAINED = 10_000
"""At most this many codes, and as many prior draws, train the classifier; all others are judged."""

MIN_JUDGED = 20
"""With fewer codes than twice this there is no such test."""

_N_CERTAIN = 10
_POWER = 0.8


def fresh_discriminator(codes: Codes, target: Target, rng: np.random.Generator) -> FreshDiscriminator | None:
    """Train a classifier on half of the codes against draws of the target, and judge it on the other half.

    In theory the adversarial game ends where no discriminator is right more than half of the time; the one that was
    trained in the game cannot show that, because it has seen these codes and may be too weak. This one is a network
    with 16 hidden units (scikit-learn's ``MLPClassifier``, 50 steps of L-BFGS) on standardised codes and their squares;
    for a mixture of Gaussians it is also told where each code lies within a component. Both halves meet as many fresh
    draws as codes.

    Returns
    -------
    FreshDiscriminator or None
        None with fewer than ``2 * MIN_JUDGED`` codes.

    Notes
    -----
    Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017. The number of right answers is a sum of
    two binomials, of codes and of draws, whose upper tail is at most that of the binomial with the mean chance
    (Hoeffding, "On the distribution of the number of successes in independent trials", 1956), so the test keeps its
    level.
    """
    n = len(codes)
    if n < 2 * MIN_JUDGED:
        return None
    order = rng.permutation(n)
    trained, judged = order[: min(n // 2, MAX_TRAINED)], order[min(n // 2, MAX_TRAINED) :]
    drawn = target.draw(n, rng)
    inputs = _inputs(np.concatenate([codes, drawn]), target, rng)
    mine, theirs = inputs[:n], inputs[n:]
    model = MLPClassifier(
        (16,), activation="tanh", solver="lbfgs", alpha=10.0, max_iter=50, random_state=int(rng.integers(2**31))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # stopped early on purpose
        model.fit(
            np.concatenate([mine[trained], theirs[: len(trained)]]), np.repeat([1, 0], [len(trained), len(trained)])
        )
    scores = model.predict_proba(mine[judged])[:, 1]
    missed = model.predict_proba(theirs[len(trained) :])[:, 1]
    right = int(np.count_nonzero(scores > 0.5) + np.count_nonzero(missed <= 0.5))
    found = binomtest(right, 2 * len(judged), 0.5, alternative="greater")
    interval = binomtest(right, 2 * len(judged)).proportion_ci(0.95, "exact")
    certain = np.argsort(-scores, kind="stable")[:_N_CERTAIN]
    return FreshDiscriminator(
        accuracy=Proportion(right / (2 * len(judged)), float(interval.low), float(interval.high), 2 * len(judged)),
        p_value=float(found.pvalue),
        n_train=len(trained),
        rows=tuple(int(row) for row in judged[certain]),
        scores=tuple(float(score) for score in scores[certain]),
    )


def accuracy_null(n: int) -> float:
    """Return the 95% quantile of the accuracy of guessing on ``n`` rows, less one half."""
    return float(binom.ppf(1 - LEVEL, n, 0.5)) / n - 0.5


def smallest_accuracy(n: int) -> float:
    """Return the accuracy on ``n`` rows that is told from one half in 80% of cases."""
    critical = int(binom.ppf(1 - LEVEL, n, 0.5)) + 1
    low, high = 0.5, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if binom.sf(critical - 1, n, middle) < _POWER else (low, middle)
    return high


def _inputs(codes: Codes, target: Target, rng: np.random.Generator) -> NDArray[Any]:
    """Return what the classifier sees: codes by the target's mean and spread, within components too, and squares."""
    mean, covariance = target.moments
    parts: list[NDArray[Any]] = [
        (codes - mean) / np.maximum(np.sqrt(np.diag(covariance)), sqrt(np.finfo(np.float32).tiny))
    ]
    if target.components is not None and len(target.components.weights) > 1:
        parts.append(own_coordinates(codes, target.components, rng))
    # codes that have run away must not overflow the network
    scaled = np.clip(np.concatenate(parts, axis=1), -10, 10)
    return np.concatenate([scaled, np.square(scaled) - 1], axis=1)
