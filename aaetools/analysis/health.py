"""Alarms: signs that training went wrong, each one sentence that says what to try."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aaetools.analysis.results import Classification, PriorMatch

__all__ = [
    "DEAD_AXIS_STD",
    "LEVEL",
    "always_wins",
    "dead_axes",
    "explained_low",
    "explains_nothing",
    "health_warnings",
    "is_crowded",
    "is_fooled",
    "late_mean",
]

DEAD_AXIS_STD = 0.05
"""A latent axis with a smaller standard deviation is dead; where the prior's own is below 1, one under that share."""

LEVEL = 0.05
"""Below this p-value of McNemar's test a baseline is taken to be better than the model."""

_TOO_STRONG = 0.98
_FOOLED = 0.55
_GUESSED = 0.45
_CROWDED = 0.95
_LITTLE = 0.1
_Z99 = 2.326
"""99% quantile of the standard normal distribution."""


def dead_axes(Z: NDArray[Any], draws: NDArray[Any] | None = None) -> tuple[int, ...]:
    """Return the latent axes of codes (n, d) whose standard deviation is under ``DEAD_AXIS_STD``.

    Where the prior itself is narrow, as draws from it (m, d) say, codes that follow it are not dead: the limit is then
    that share of its standard deviation.
    """
    if len(Z) < 2:
        return ()
    scale = 1.0 if draws is None else np.minimum(1.0, np.std(draws, axis=0, dtype=np.float64))
    return tuple(int(axis) for axis in np.flatnonzero(np.std(Z, axis=0, dtype=np.float64) < DEAD_AXIS_STD * scale))


def explained_low(rows: NDArray[Any], error: NDArray[Any]) -> float:
    """Return the lower end of the one-sided 99% interval of the share of variance that reconstructions explain.

    The variance is that about the rows' own mean, which no constant beats: what has learned only the mean of other rows
    can come out ahead of that mean by chance, but not of this one.

    Parameters
    ----------
    rows
        Scaled rows, shape (n, n_features).
    error
        Mean squared error of the reconstruction of each row, shape (n,).

    Returns
    -------
    float
        NaN where the rows do not vary.
    """
    of_mean = np.square(rows - rows.mean(axis=0, dtype=np.float64)).mean(axis=1)
    variance = float(of_mean.mean())
    if len(rows) < 2 or not variance > 0:
        return float("nan")
    gain = of_mean - error
    return float(gain.mean() - _Z99 * gain.std(ddof=1) / np.sqrt(len(gain))) / variance


def always_wins(discriminator_accuracy: float) -> bool:
    """Return whether the discriminator is right on over 98% of what it sees."""
    return discriminator_accuracy > _TOO_STRONG


def is_fooled(discriminator_accuracy: float, prior_match: PriorMatch) -> bool:
    """Return whether the discriminator is right in 55% or less, though the codes as a whole are not the prior's."""
    far = any(result.scope == "overall" and result.verdict == "not met" for result in prior_match.results)
    return discriminator_accuracy <= _FOOLED and far


def is_crowded(cluster_sizes: Sequence[int]) -> bool:
    """Return whether one of several clusters holds over 95% of the rows."""
    total = sum(cluster_sizes)
    return len(cluster_sizes) > 1 and total > 0 and max(cluster_sizes) > _CROWDED * total


def explains_nothing(r2: float, low: float) -> bool:
    """Return whether reconstructions, with their R2 and its lower end, are no better than the mean beyond chance."""
    # one row far from all others makes the interval wide, whatever becomes of the rest
    return low <= 0 and r2 < _LITTLE


def late_mean(history: Mapping[str, Sequence[float]], key: str) -> float:
    """Return the mean of one history entry over the last tenth of the epochs, NaN where there is none."""
    values = list(history.get(key, ()))
    last = values[-max(1, len(values) // 10) :]
    return float(np.mean(last)) if last else float("nan")


def health_warnings(
    *,
    discriminator_accuracy: float,
    prior_match: PriorMatch,
    dead: Sequence[int],
    n_components: int,
    cluster_sizes: Sequence[int],
    reconstruction_r2: float,
    reconstruction_r2_low: float,
    classification: Classification | None = None,
) -> tuple[str, ...]:
    """Return one sentence per alarm, none for a healthy run.

    Parameters
    ----------
    discriminator_accuracy
        Mean over the last epochs, in [0, 1]; NaN where unknown.
    prior_match
        Its overall results tell whether the codes are far from the prior.
    dead
        Latent axes without spread.
    n_components
        Latent dimensions.
    cluster_sizes
        Rows per cluster.
    reconstruction_r2
        1 - mean squared error / variance; NaN where unknown.
    reconstruction_r2_low
        From :func:`explained_low`. A decoder that has learned nothing but the mean is at an R2 of 0 give or take
        chance, above as often as below.
    classification
        Accuracy on the hold-out beside baselines; None where it was not measured.
    """
    found = [] if classification is None else _worse_than_baseline(classification)
    if always_wins(discriminator_accuracy):
        found.append(
            f"The discriminator is right on {discriminator_accuracy:.1%} of codes at the end of training: the encoder "
            "has lost the game and the codes do not follow the prior; train longer or lower the learning rate."
        )
    if is_fooled(discriminator_accuracy, prior_match):
        how = "as if the codes followed the prior" if discriminator_accuracy >= _GUESSED else "worse than guessing"
        found.append(
            f"The discriminator is at {discriminator_accuracy:.1%}, {how}, but the test tells them apart: the game "
            "has reached a draw before its aim; more epochs bring the codes closer."
        )
    if dead:
        axes = ", ".join(str(axis) for axis in dead[:10]) + (", ..." if len(dead) > 10 else "")
        found.append(
            f"{len(dead)} of {n_components} latent axes have next to no spread (standard deviation under "
            f"{DEAD_AXIS_STD}): {axes}; use fewer latent dimensions or train longer."
        )
    if is_crowded(cluster_sizes):
        share = max(cluster_sizes) / sum(cluster_sizes)
        found.append(
            f"One cluster holds {share:.1%} of the rows: the codes may have collapsed, or a few rows lie far from all "
            "others."
        )
    if explains_nothing(reconstruction_r2, reconstruction_r2_low):
        found.append(
            "Reconstruction is no better than the mean of the training rows, or not by more than chance "
            f"(R2 = {reconstruction_r2:.2g}): the codes say nothing about single rows; train longer or use more latent "
            "dimensions."
        )
    return tuple(found)


def _worse_than_baseline(found: Classification) -> list[str]:
    """Return the alarm for a model that the best baseline beats by more than chance."""
    best = next((score for score in found.baselines if score.name == found.best_baseline), None)
    p = found.p_value_best_baseline
    if best is None or p is None or p >= LEVEL or found.model.accuracy.value >= best.accuracy.value:
        return []
    points = 100 * (best.accuracy.value - found.model.accuracy.value)
    return [
        f"The model is right on {found.model.accuracy.value:.1%} of {found.model.accuracy.n} hold-out rows, "
        f"{points:.1f} points fewer than {best.name.replace('_', ' ')} with the same labels (McNemar "
        f"p = {p:.2g}): for predictions that baseline is the better choice; train for more epochs "
        "(max_epochs, --epochs), take another recipe (recipe, --recipe) or label more rows."
    ]
