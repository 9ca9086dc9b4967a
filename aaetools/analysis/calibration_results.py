"""What calibration, conformal sets and rejection come to on rows that had no part in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aaetools.analysis.calibrated import CalibratedClassifier
from aaetools.analysis.calibration import N_CANDIDATES
from aaetools.analysis.class_codes import class_codes
from aaetools.analysis.intervals import wilson_interval
from aaetools.analysis.results import Calibration, ConformalSets, Interval, Proportion, Rejection
from aaetools.analysis.scores import Predictions, bootstrap_mean, score_methods
from aaetools.exceptions import LabelError

__all__ = ["EvaluatedRows", "assess_rejection", "assess_sets", "assess_temperature"]


@dataclass(frozen=True, eq=False)
class EvaluatedRows:
    """The rows that everything is measured on.

    Attributes
    ----------
    true
        Codes of their classes, shape (n,); codes above the model's classes are labels that training never had.
    n_classes
        Number of classes, those included.
    apply
        Calls a function with their features and returns its value for them, first axis n.
    n_bootstrap, random_state
        How intervals are made.
    """

    true: NDArray[np.int64]
    n_classes: int
    apply: Callable[[Callable[[Any], Any]], NDArray[Any]]
    n_bootstrap: int
    random_state: int | None


def assess_temperature(
    fitted: CalibratedClassifier, rows: EvaluatedRows, proba: NDArray[np.float64], source: str
) -> Calibration:
    """Compare probabilities before and after calibration; ``proba`` are the model's own, shape (n, n_classes)."""
    temperature = fitted.temperature_
    if temperature is None:
        nothing = Interval(float("nan"), float("nan"), float("nan"), sum(fitted.fold_sizes_))
        verdict = f"The probabilities were not calibrated: {fitted.refusal_}."
        return Calibration(nothing, source, None, None, fitted.refusal_, verdict)
    scaled = rows.apply(fitted.predict_proba)
    scores = score_methods(
        rows.true,
        {
            "before": Predictions(proba.argmax(axis=1), proba=proba),
            "after": Predictions(scaled.argmax(axis=1), proba=scaled),
        },
        rows.n_classes,
        reference="before",
        n_bootstrap=rows.n_bootstrap,
        random_state=rows.random_state,
    )
    before, after = scores["before"], scores["after"]
    assert before.log_loss is not None
    assert after.log_loss is not None
    assert before.calibration is not None
    assert after.calibration is not None
    if temperature.low <= 1 <= temperature.high:
        kind = "The labels held back do not show the model to be too sure or too unsure"
    else:
        kind = f"The model was too {'sure' if temperature.value > 1 else 'unsure'} of itself"
    verdict = (
        f"{kind} (temperature {temperature.value:.3g}, {temperature.low:.3g} to {temperature.high:.3g}, "
        f"n = {temperature.n}); calibrated, its expected calibration error is {after.calibration.error.value:.1%} "
        f"instead of {before.calibration.error.value:.1%}, its log loss {after.log_loss.value:.3f} instead of "
        f"{before.log_loss.value:.3f}."
    )
    return Calibration(temperature, source, before, after, "", verdict)


def assess_sets(
    fitted: CalibratedClassifier, rows: EvaluatedRows, source: str, level: float, class_conditional: bool
) -> ConformalSets:
    """Measure coverage and size of conformal sets."""
    n = sum(fitted.fold_sizes_)
    guaranteed = fitted.guaranteed_coverage_(level)
    try:
        sets = rows.apply(lambda X: fitted.predict_set(X, level, class_conditional=class_conditional))
    except LabelError as error:
        return ConformalSets(
            level, class_conditional, source, n, guaranteed, None, (), None, (), str(error), f"No sets: {error}."
        )
    known = rows.true < sets.shape[1]
    covered = np.zeros(len(sets), dtype=bool)
    covered[known] = sets[known, rows.true[known]]
    size = sets.sum(axis=1)
    coverage = wilson_interval(int(covered.sum()), len(covered))
    mean_size = bootstrap_mean(size, rows.n_bootstrap, rows.random_state)
    agrees = coverage.high >= level
    verdict = (
        f"Sets made to hold the true class in {level:.0%} of rows do so in {coverage.value:.1%} "
        f"({coverage.low:.1%} to {coverage.high:.1%}, n = {coverage.n}) with {mean_size.value:.2f} classes on average; "
        f"{(size == 1).mean():.1%} hold a single class."
    )
    if not agrees:
        verdict += " That is too few: the test rows differ from those that calibrated, or these were an unlucky draw."
    return ConformalSets(
        level=level,
        class_conditional=class_conditional,
        source=source,
        n_calibration=n,
        guaranteed=guaranteed,
        coverage=coverage,
        coverage_per_class=tuple(_share(covered, rows.true == k) for k in range(rows.n_classes)),
        mean_size=mean_size,
        sizes=tuple(int(count) for count in np.bincount(size, minlength=sets.shape[1] + 1)[1:]),
        refused="",
        verdict=verdict,
    )


def assess_rejection(
    fitted: CalibratedClassifier, rows: EvaluatedRows, source: str, max_error: float, confidence: float
) -> Rejection:
    """Measure how many rows a rule with a stated error accepts, and how many of these are wrong."""
    n, nan = sum(fitted.fold_sizes_), float("nan")
    try:
        rule = fitted.acceptance_rule(max_error, confidence)
    except LabelError as error:
        refused, verdict = str(error), f"No rule: {error}."
        return Rejection(
            max_error, confidence, source, n, N_CANDIDATES, nan, nan, None, None, None, refused=refused, verdict=verdict
        )
    accepted = rows.apply(lambda X: fitted.accept(X, max_error, confidence))
    predicted = rows.apply(fitted.predict)
    wrong = class_codes(predicted, fitted.classes_) != rows.true
    share, failed = wilson_interval(int(accepted.sum()), len(accepted)), _share(wrong, accepted)
    everything = wilson_interval(int(wrong.sum()), len(wrong))
    said = ""
    if failed.n:
        said = f" and {failed.value:.1%} of these are wrong ({failed.low:.1%} to {failed.high:.1%})"
    verdict = (
        f"The rule accepts {share.value:.1%} of {share.n} test rows{said}; {everything.value:.1%} of all rows are. "
        f"At most {max_error:.1%} are wrong in the long run, with confidence {confidence:.0%}."
    )
    return Rejection(
        max_error=max_error,
        confidence=confidence,
        source=source,
        n_calibration=n,
        n_candidates=N_CANDIDATES,
        max_doubt=rule.max_doubt,
        bound=rule.bound,
        accepted=share,
        error=failed,
        error_of_all=everything,
        refused="",
        verdict=verdict,
    )


def _share(hits: NDArray[np.bool_], among: NDArray[np.bool_]) -> Proportion:
    return wilson_interval(int((hits & among).sum()), int(among.sum()))
