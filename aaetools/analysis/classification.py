"""Accuracy on rows that training never saw, beside simple methods that were given the same labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from aaetools.analysis.baselines import (
    BASELINES,
    FURTHER_BASELINES,
    PROBES,
    predict_with,
    resolve_classifiers,
)
from aaetools.analysis.calibrated import CalibratedClassifier
from aaetools.analysis.calibration_results import EvaluatedRows, assess_rejection, assess_sets, assess_temperature
from aaetools.analysis.class_codes import class_codes, plain_label
from aaetools.analysis.intervals import wilson_interval
from aaetools.analysis.progress import Progress, tell
from aaetools.analysis.results import Classification, ClassScore, MethodScore
from aaetools.analysis.scores import Predictions, confusion_matrix, score_methods
from aaetools.analysis.threads import one_thread_for
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import UNLABELED, is_unlabeled

__all__ = [
    "DEFAULT_PROBES",
    "classify",
    "classify_latents",
]

DEFAULT_PROBES = ("logistic_regression", "knn")

Codes = NDArray[np.int64]

_MODEL = "model"


def classify(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    classes: Sequence[Any] | NDArray[Any],
    *,
    proba: ArrayLike | None = None,
    probes: Mapping[str, Predictions] | None = None,
    baselines: Mapping[str, Predictions] | None = None,
    without_labels: Predictions | None = None,
    model_name: str = "AdversarialAutoencoder",
    n_labeled: int = 0,
    n_bootstrap: int = 1_000,
    random_state: int | None = None,
) -> tuple[Classification, tuple[str, ...]]:
    """Score predictions on rows whose labels training never saw.

    Parameters
    ----------
    y_true
        True labels, shape (n,), none missing.
    y_pred
        The model's predicted labels, shape (n,).
    classes
        Labels that training knew, in the model's order. A label in ``y_true`` outside them can never be
        predicted: its rows count as errors, it is listed after the known classes, and a warning names it.
    proba
        The model's probabilities, shape (n, n_classes); without them it has no log loss, Brier score and calibration.
    probes, baselines
        Predictions of other methods for the same rows, from :func:`compare_baselines`.
    without_labels
        Predictions that needed labels only for the classes' names, such as those of
        :class:`aaetools.analysis.named_clusters.NamedClusters`.
    model_name
        What the model is called.
    n_labeled
        Number of labels that all of them were given, recorded.
    n_bootstrap
        Draws for the intervals, see :func:`aaetools.analysis.scores.score_methods`.
    random_state
        Seed of these draws.

    Returns
    -------
    classification : Classification
    warnings : tuple of str

    Notes
    -----
    The test is against the baseline that did best on these rows, which favours that baseline.
    """
    probes, baselines = probes or {}, baselines or {}
    everything = _with_unseen(classes, np.asarray(y_true, dtype=object).ravel())
    unseen = everything[len(classes) :]
    true, predicted = class_codes(y_true, everything), class_codes(y_pred, everything)
    n = len(true)
    if n == 0 or len(predicted) != n:
        raise LabelError(f"{n} true labels and {len(predicted)} predictions: one of each is needed per row")
    own = Predictions(predicted, proba=None if proba is None else np.asarray(proba, dtype=np.float64))
    methods = {_MODEL: own, **_keyed("probe", probes), **_keyed("baseline", baselines)}
    scores = score_methods(
        true, methods, len(everything), reference=_MODEL, n_bootstrap=n_bootstrap, random_state=random_state
    )

    def scored(key: str, name: str) -> MethodScore:
        found = methods[key]
        return MethodScore(name, wilson_interval(int((found.predicted == true).sum()), n), found.note, scores[key])

    def scored_alone(name: str, found: Predictions) -> MethodScore:
        # by itself: one more method would weaken the correction for the others
        pair = {_MODEL: own, name: found}
        alone = score_methods(
            true, pair, len(everything), reference=_MODEL, n_bootstrap=n_bootstrap, random_state=random_state
        )
        return MethodScore(name, wilson_interval(int((found.predicted == true).sum()), n), found.note, alone[name])

    model = scored(_MODEL, model_name)
    others = tuple(scored(key, name) for key, name in zip(_keyed("baseline", baselines), baselines, strict=True))
    best = max(others, key=lambda score: score.accuracy.value, default=None)
    p_value = None if best is None or best.scores is None else best.scores.p_value
    confusion = confusion_matrix(true, predicted, len(everything))
    result = Classification(
        classes=tuple(str(label) for label in everything),
        model=model,
        baselines=others,
        balanced_accuracy=scores[_MODEL].balanced_accuracy.value,
        per_class=_class_scores(np.array(confusion), everything),
        confusion=confusion,
        best_baseline=None if best is None else best.name,
        p_value_best_baseline=p_value,
        verdict=_verdict(model, best, p_value),
        without_labels=None if without_labels is None else scored_alone("kmeans", without_labels),
        probes=tuple(scored(key, name) for key, name in zip(_keyed("probe", probes), probes, strict=True)),
        n_labeled=n_labeled,
        n_bootstrap=n_bootstrap,
        random_state=random_state,
    )
    notes = []
    if unseen:
        n_unseen = int((true >= len(classes)).sum())
        notes.append(
            f"{n_unseen} hold-out rows have a label that no training row had "
            f"({', '.join(str(label) for label in unseen[:5])}{', ...' if len(unseen) > 5 else ''}); "
            "they cannot be predicted and count as errors."
        )
    return result, tuple(notes)


def classify_latents(
    model: Any,
    X: Any,
    y: ArrayLike,
    X_test: Any,
    y_test: ArrayLike,
    *,
    probes: Sequence[Any] = DEFAULT_PROBES,
    baselines: Sequence[Any] = (*BASELINES, *FURTHER_BASELINES),
    X_calibration: Any = None,
    y_calibration: ArrayLike | None = None,
    n_folds: int | None = None,
    calibrate: bool = False,
    level: float | None = None,
    class_conditional: bool = False,
    max_error: float | None = None,
    confidence: float = 0.95,
    n_bootstrap: int = 1_000,
    random_state: int | None = None,
    progress: Progress | None = None,
) -> Classification:
    """Say how well a fitted model classifies, beside probes of its latent codes and baselines on the raw features.

    All of them get the labels that the model was given, and no test row or label reaches a fit or a choice.

    Parameters
    ----------
    model
        A fitted :class:`aaetools.AdversarialAutoencoder` with classes.
    X, y
        The rows it was trained on, shape (n, n_features), and the labels it was given, shape (n,), with gaps.
    X_test, y_test
        Rows that training never saw, and their labels; rows without one are left out.
    probes
        Classifiers of the latent codes of the labelled rows: names from :data:`PROBES`, scikit-learn classifiers, or
        pairs (name, classifier).
    baselines
        The same for raw features, scaled as the model scales them: names from :data:`BASELINES` and
        :data:`FURTHER_BASELINES`, classifiers, or pairs.
    X_calibration, y_calibration
        Further rows that training never saw, with labels, that calibration may use; no test row among them.
    n_folds
        Without those: calibrate by cross-fitting so many copies of the model, each without a fold of the labelled
        rows. What is calibrated is then the mean of these copies, not ``model``; see :class:`CalibratedClassifier`.
    calibrate
        Choose a temperature for the probabilities.
    level
        Make conformal sets that hold the true class with this probability, in (0, 1).
    class_conditional
        Let the level hold for the rows of each class.
    max_error
        Find a rule that leaves rows undecided, so that at most this share of the decided ones is wrong, in (0, 1).
    confidence
        Probability with which it keeps to that.
    n_bootstrap
        Draws for the intervals.
    random_state
        Seed of probes, baselines, folds and draws.
    progress
        Called before each method and each fit.

    Returns
    -------
    Classification
        ``calibration``, ``conformal`` and ``rejection`` are None unless asked for; where the labels held back are too
        few, their ``refused`` says so.

    Raises
    ------
    DataError, LabelError
        If rows and labels do not fit together, a name is unknown, or calibration has no labels held back.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from aaetools import AdversarialAutoencoder, mask_labels, split_holdout
    >>> X, y = load_iris(return_X_y=True)
    >>> train, test = split_holdout(y, 0.5, random_state=0)
    >>> y_train = mask_labels(y[train], per_class=5, random_state=0)
    >>> model = AdversarialAutoencoder(max_epochs=5, random_state=0).fit(X[train], y_train)
    >>> found = classify_latents(model, X[train], y_train, X[test], y[test], baselines=["knn"], random_state=0)
    >>> found.n_labeled, [score.name for score in found.probes], found.model.accuracy.n
    (15, ['logistic_regression', 'knn'], 75)
    """
    classes = np.asarray(model.classes_)
    if len(classes) == 0:
        raise LabelError("the model was fitted without labels, so it has no classes; fit it with some")
    codes = _training_codes(model, y, _n_rows(X))
    truth = _labels(model, y_test, _n_rows(X_test), "test")
    tested = np.flatnonzero([label is not None for label in truth])
    truth = truth[tested]
    if len(tested) == 0:
        raise LabelError("no test row has a label, so nothing can be scored")
    asked = calibrate or level is not None or max_error is not None
    given = X_calibration is not None or y_calibration is not None
    if asked and n_folds is None and (X_calibration is None or y_calibration is None):
        raise DataError("calibration needs labels that training had not: give X_calibration, y_calibration or n_folds")
    if given and n_folds is not None:
        raise DataError("X_calibration and n_folds are two ways to calibrate: give one of them")
    if (given or n_folds is not None) and not asked:
        raise DataError("there is nothing to calibrate: ask for it with calibrate=True, level= or max_error=")
    chosen = {
        "probe": resolve_classifiers(probes, PROBES, "probe", random_state),
        "baseline": resolve_classifiers(baselines, {**BASELINES, **FURTHER_BASELINES}, "baseline", random_state),
    }
    fitted: CalibratedClassifier | None = None
    if asked and X_calibration is not None:
        fitted = CalibratedClassifier(FrozenEstimator(model), unlabeled=None).fit(
            X_calibration, _labels(model, y_calibration, _n_rows(X_calibration), "calibration")
        )
        source = "labelled rows that had no part in training"
    elif asked:
        fitted = CalibratedClassifier(
            clone(model),
            n_folds=n_folds,
            unlabeled=getattr(model, "unlabeled", UNLABELED),
            progress=progress,
            random_state=random_state,
        ).fit(X, y)
        source = f"training labels, judged by {n_folds} copies of the model, each fitted without a part of them"
    n_steps = sum(map(len, chosen.values())) + 1
    tell(progress, "encoding rows", 0, n_steps)
    proba = np.asarray(model.predict_proba(X_test), dtype=np.float64)[tested]
    rows = {
        "probe": (model.transform(X), model.transform(X_test)[tested]),
        "baseline": (model.scale(X), model.scale(X_test)[tested]),
    }
    found: dict[str, dict[str, Predictions]] = {"probe": {}, "baseline": {}}
    done = 1
    for kind, classifiers in chosen.items():
        known, new = rows[kind]
        for name, classifier in classifiers.items():
            tell(progress, f"{name.replace('_', ' ')} on {'latents' if kind == 'probe' else 'features'}", done, n_steps)
            with one_thread_for(known.size):
                found[kind][name] = predict_with(
                    classifier, known, codes, new, n_classes=len(classes), random_state=random_state
                )
            done += 1
    tell(progress, "scoring", n_steps, n_steps)
    result, _ = classify(
        truth,
        classes[proba.argmax(axis=1)],
        classes,
        proba=proba,
        probes=found["probe"],
        baselines=found["baseline"],
        model_name=type(model).__name__,
        n_labeled=int((codes >= 0).sum()),
        n_bootstrap=n_bootstrap,
        random_state=random_state,
    )
    if fitted is None:
        return result
    codes_of_test = class_codes(truth, _with_unseen(classes, truth))
    test = EvaluatedRows(
        codes_of_test,
        len(result.classes),
        lambda predict: np.asarray(predict(X_test))[tested],
        n_bootstrap,
        random_state,
    )
    return replace(
        result,
        calibration=assess_temperature(fitted, test, proba, source) if calibrate else None,
        conformal=None if level is None else assess_sets(fitted, test, source, level, class_conditional),
        rejection=None if max_error is None else assess_rejection(fitted, test, source, max_error, confidence),
    )


def _n_rows(X: Any) -> int:
    return int(X.shape[0]) if hasattr(X, "shape") else len(X)


def _labels(model: Any, y: ArrayLike | None, n: int, which: str) -> NDArray[Any]:
    """Return labels as objects, shape (n,), None where there is none."""
    gaps = is_unlabeled(np.asarray([]) if y is None else y, getattr(model, "unlabeled", UNLABELED))
    if gaps.shape != (n,):
        raise LabelError(f"{gaps.size} labels were given for {n} {which} rows")
    labels = np.array(np.asarray(y, dtype=object), dtype=object)
    labels[gaps] = None
    return labels


def _training_codes(model: Any, y: ArrayLike, n: int) -> Codes:
    labels = _labels(model, y, n, "training")
    codes = class_codes(labels, model.classes_)
    strange = np.flatnonzero((codes < 0) & np.array([label is not None for label in labels]))
    if len(strange):
        raise LabelError(
            f"training row {strange[0]} (counted from 0) has the label {labels[strange[0]]!r}, no class of the model; "
            "give the labels that it was fitted with"
        )
    if not (codes >= 0).any():
        raise LabelError("no training row has a label; give the labels that the model was fitted with")
    return codes


def _with_unseen(classes: Sequence[Any] | NDArray[Any], truth: NDArray[Any]) -> list[Any]:
    """Return the classes, and after them the labels of evaluated rows that are none of them."""
    known = [plain_label(label) for label in classes]
    return known + sorted({plain_label(label) for label in truth} - set(known), key=str)


def _keyed(kind: str, methods: Mapping[str, Predictions]) -> dict[str, Predictions]:
    """Return methods under names that probes and baselines do not share."""
    return {f"{kind} {name}": found for name, found in methods.items()}


def _class_scores(confusion: NDArray[np.int64], labels: Sequence[Any]) -> tuple[ClassScore, ...]:
    scores = []
    for code, label in enumerate(labels):
        hits, n, called = (
            int(confusion[code, code]),
            int(confusion[code].sum()),
            int(confusion[:, code].sum()),
        )
        scores.append(
            ClassScore(
                label=str(label),
                n=n,
                recall=wilson_interval(hits, n),
                precision=hits / called if called else None,
                f1=2 * hits / (n + called) if n + called else 0.0,
            )
        )
    return tuple(scores)


def _verdict(model: MethodScore, best: MethodScore | None, p_value: float | None) -> str:
    accuracy = model.accuracy
    if best is None or p_value is None:
        return (
            f"{accuracy.value:.1%} of {accuracy.n} rows are right ({accuracy.low:.1%} to "
            f"{accuracy.high:.1%}); "
            "there is no baseline to compare with."
        )
    name = best.name.replace("_", " ")
    points = 100 * (accuracy.value - best.accuracy.value)
    test = f"McNemar p = {p_value:.2g}, n = {accuracy.n}"
    if p_value < 0.05:
        return f"{'Above' if points > 0 else 'Below'} {name} by {abs(points):.1f} points ({test})."
    if points > 0:
        return f"{points:.1f} points above {name}, which chance alone could explain ({test})."
    return f"No better than {name} ({f'{-points:.1f} points below' if points < 0 else 'equal'}; {test})."
