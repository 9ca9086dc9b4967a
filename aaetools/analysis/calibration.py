"""Probabilities that mean what they say, and a rule for leaving rows undecided: both chosen on labels held back.

Nothing here may be given labels that the model was trained on: it has adapted to them, so they say that it is better
than it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, exp, inf, log

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import softmax
from scipy.stats import chi2

from aaetools.analysis.intervals import error_bound
from aaetools.analysis.results import Interval
from aaetools.exceptions import DataError, LabelError

__all__ = [
    "MIN_TEMPERATURE_LABELS",
    "N_CANDIDATES",
    "AcceptanceRule",
    "accepted_needed",
    "choose_rule",
    "doubts",
    "fit_temperature",
    "likeliest_temperature",
    "scale_probabilities",
]

MIN_TEMPERATURE_LABELS = 20
"""Fewer labels than this say next to nothing about how sure a model may be."""

N_CANDIDATES = 10
"""Rules that are tried for a rejection; each more makes every one of them a little harder to prove."""

_SMALLEST = 1e-300
"""What a probability of 0 is taken as before its logarithm is; models whose numbers are short print such zeros."""
_RANGE = (log(1e-2), log(1e4))
"""Logarithms of the lowest and the highest temperature."""

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


def scale_probabilities(proba: NDArray[np.floating], temperature: float) -> Floats:
    """Return probabilities whose logarithms were divided by a temperature, shape (n, n_classes).

    The order of the classes of a row stays, so no prediction changes.

    Notes
    -----
    Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017, equation 9. The logarithms
    of the probabilities serve as logits, from which they differ by a constant per row.
    """
    logits = np.log(np.maximum(np.asarray(proba, dtype=np.float64), _SMALLEST)) / temperature
    return np.asarray(softmax(logits, axis=1))


def fit_temperature(proba: NDArray[np.floating], codes: Codes) -> Interval:
    """Choose the temperature under which labels that were held back are likeliest.

    Parameters
    ----------
    proba
        Probabilities of rows whose labels the model was not trained on, shape (n, n_classes).
    codes
        Their class codes, shape (n,), none -1.

    Returns
    -------
    Interval
        The temperature, and the temperatures that a likelihood-ratio test does not reject at 5%.

    Raises
    ------
    LabelError
        If the labels are fewer than ``MIN_TEMPERATURE_LABELS``, or if none of them is predicted wrongly: then every
        lower temperature would be likelier still.
    """
    n = len(codes)
    if n < MIN_TEMPERATURE_LABELS:
        raise LabelError(f"{n} labels held back are too few to choose a temperature: at least {MIN_TEMPERATURE_LABELS}")
    logits = np.log(np.maximum(np.asarray(proba, dtype=np.float64), _SMALLEST))
    if not (logits.argmax(axis=1) != codes).any():
        raise LabelError(
            f"none of {n} labels held back is predicted wrongly, so they do not say how sure is too sure; "
            "hold more back"
        )
    loss = _log_loss(logits, codes)
    middle = log(likeliest_temperature(logits, codes))
    allowed = loss(middle) + float(chi2.ppf(0.95, 1)) / 2

    def excess(log_temperature: float) -> float:
        return loss(log_temperature) - allowed

    low, high = (exp(brentq(excess, middle, end)) if excess(end) > 0 else exp(end) for end in _RANGE)
    return Interval(exp(middle), low, high, n)


def likeliest_temperature(log_odds: Floats, codes: Codes) -> float:
    """Return the temperature between 0.01 and 10,000 at which log-odds (n, n_classes) give the codes the least loss.

    Notes
    -----
    Guo et al. 2017, section 4.2.
    """
    best = minimize_scalar(_log_loss(log_odds, codes), bounds=_RANGE, method="bounded", options={"xatol": 1e-6})
    return exp(float(best.x))


def _log_loss(log_odds: Floats, codes: Codes) -> Callable[[float], float]:
    """Return the sum of the log losses of all rows as a function of the logarithm of the temperature."""
    behind = log_odds - log_odds[np.arange(len(codes)), codes][:, None]

    def loss(log_temperature: float) -> float:
        scaled = behind * exp(-log_temperature)
        peak = scaled.max(axis=1)
        return float((np.log(np.exp(scaled - peak[:, None]).sum(axis=1)) + peak).sum())

    return loss


def doubts(proba: NDArray[np.floating]) -> Floats:
    """Return the probability of all other classes together, for each class of each row, shape (n, n_classes).

    It is 1 - p, but keeps its digits where p is so near 1 that it is rounded to it.
    """
    p = np.array(proba, dtype=np.float64)
    rows, top = np.arange(len(p)), p.argmax(axis=1)
    others = 1 - p
    p[rows, top] = 0
    others[rows, top] = p.sum(axis=1)
    return others


@dataclass(frozen=True)
class AcceptanceRule:
    """Accept rows whose doubt is below ``max_doubt``; the error among them is at most ``bound``.

    ``n_accepted`` of the calibration rows were, and ``n_errors`` of these wrong.
    """

    max_doubt: float
    n_accepted: int
    n_errors: int
    bound: float


def accepted_needed(max_error: float, confidence: float = 0.95, n_candidates: int = N_CANDIDATES) -> int:
    """Return how many accepted calibration rows prove an error of at most ``max_error`` if none of them is wrong.

    Examples
    --------
    >>> accepted_needed(0.05), accepted_needed(0.01)
    (104, 528)
    """
    if not 0 < max_error < 1 or not 0 < confidence < 1:
        raise DataError(f"an error of {max_error} with confidence {confidence} is no goal: both must be within 0 and 1")
    return ceil(log((1 - confidence) / n_candidates) / log(1 - max_error))


def choose_rule(
    doubt: Floats,
    right: NDArray[np.bool_],
    max_error: float,
    confidence: float = 0.95,
    n_candidates: int = N_CANDIDATES,
) -> AcceptanceRule:
    """Choose the rule that accepts most rows and still errs on at most a share ``max_error`` of them.

    Parameters
    ----------
    doubt
        Doubt of rows whose labels the model was not trained on, shape (n,), in [0, 1).
    right
        Whether their predictions are right, shape (n,).
    max_error
        Largest share of accepted rows that may be wrong, in (0, 1).
    confidence
        Probability, over draws of these rows, with which the rule keeps to that.
    n_candidates
        Rules that are tried.

    Raises
    ------
    LabelError
        If the rows are too few to prove so small an error, or if no rule keeps to it.

    Notes
    -----
    Geifman and El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017, with rules that need no
    approximation. Candidate j accepts the rows surer than the (a_j + 1)-th surest, where the numbers a_j are spread
    evenly from the least that can prove the goal to n, and so do not depend on the rows. Given that row's doubt, the
    surer ones are independent draws of what the rule accepts, ties or not, and the number of errors among them is
    binomial: Clopper and Pearson's bound holds at level (1 - confidence) / n_candidates for each candidate, hence at
    1 - confidence for whichever is taken.
    """
    n = len(doubt)
    least = accepted_needed(max_error, confidence, n_candidates)
    if n < least:
        raise LabelError(
            f"{n} labels held back cannot prove an error of at most {max_error:.1%} with confidence {confidence:.0%}: "
            f"at least {least}, even if all are predicted rightly"
        )
    order = np.sort(doubt)
    nearest = AcceptanceRule(0.0, 0, 0, inf)
    for aimed in np.unique(np.linspace(least, n, n_candidates).round().astype(int))[::-1]:
        limit = 1.0 if aimed == n else float(order[aimed])  # no doubt is as large as 1
        inside = doubt < limit
        accepted, errors = int(inside.sum()), int((inside & ~right).sum())
        rule = AcceptanceRule(
            limit, accepted, errors, error_bound(errors, accepted, 1 - (1 - confidence) / n_candidates)
        )
        if rule.bound <= max_error:
            return rule
        nearest = min(nearest, rule, key=lambda tried: tried.bound)
    raise LabelError(
        f"no rule keeps the error at {max_error:.1%} with confidence {confidence:.0%}: of the surest "
        f"{nearest.n_accepted} of {n} rows {nearest.n_errors} are wrong, which proves {min(nearest.bound, 1):.1%}; "
        "allow more error or hold more labels back"
    )
