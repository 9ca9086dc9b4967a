"""How good the predictions are, beside the baselines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from aaetools.reports import plots, text
from aaetools.reports.blocks import FOLD, Block, Chapter, Figure, Note, Stack, Table, facts, side_by_side

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis, Classification, Interval

__all__ = ["accuracy_chapter"]


def accuracy_chapter(analysis: Analysis) -> Chapter | None:
    """Return the chapter, None where there is nothing to say."""
    found = analysis.classification
    if found is None:
        return None
    model, n_classes = found.model, len(found.classes)
    scores = sorted([model, *found.baselines], key=lambda score: (-score.accuracy.value, score is not model))
    listed = ", ".join(f"{text.shorten(text.method_name(s.name), 40)} {text.percent(s.accuracy.value)}" for s in scores)
    bars = Figure(
        lambda ax: plots.accuracy_bars(ax, model, found.baselines, chance=1 / max(n_classes, 1)),
        (5.5, 1.4 + 0.5 * len(scores)),
        alt=f"Accuracy with 95% intervals: {listed}.",
        how="Further right is better; where two bars overlap widely, the difference may be chance.",
        name="accuracy",
    )
    side = float(np.clip(2.2 + 0.27 * n_classes, 3.6, 8.8))
    hits = sum(found.confusion[i][i] for i in range(n_classes))
    matrix = Figure(
        lambda ax: plots.confusion_matrix(ax, found.confusion, found.classes),
        (side, side),
        alt=f"Confusion matrix of {n_classes} classes: {hits:,} of {model.accuracy.n:,} rows lie on the "
        "diagonal. The table per class holds the numbers.",
        how="Each line of the matrix is a true class: blue cells on the diagonal are hits, magenta cells are "
        "rows taken for another class.",
        name="confusion",
    )
    remarks = any(score.note for score in scores)
    methods = Table(
        f"Accuracy on {text.count(model.accuracy.n, 'row')}",
        ("method", "accuracy", "95% interval", "remark")[: 4 if remarks else 3],
        tuple(
            (
                text.shorten(text.method_name(score.name), 60),
                text.percent(score.accuracy.value),
                text.interval(score.accuracy),
                text.shorten(score.note, 160),
            )[: 4 if remarks else 3]
            for score in scores
        ),
    )
    per_class = Table(
        "Each class",
        ("class", "rows", "recall", "95% interval", "precision", "F1"),
        tuple(
            (
                text.shorten(score.label),
                text.count(score.n),
                text.percent(score.recall.value),
                text.interval(score.recall),
                text.percent(score.precision),
                f"{score.f1:.3f}",
            )
            for score in found.per_class
        ),
        folded=n_classes > FOLD,
    )
    words = Note(
        f"Balanced accuracy, the mean of the classes' recalls: {text.percent(found.balanced_accuracy)}. "
        "Recall is the share of a class's rows that were found, precision the share of rows with this "
        "prediction that deserve it, F1 their harmonic mean. Intervals are Wilson's."
    )
    blocks = (*side_by_side(Stack((bars, methods)), matrix), per_class, words, *_probabilities(found), *_choices(found))
    return Chapter("accuracy", "Accuracy beside the baselines", text.shorten(found.verdict, 400), blocks)


def _choices(found: Classification) -> tuple[Block, ...]:
    """Return what was said of calibrated probabilities, sets of classes and rows left undecided, if asked for."""
    named = (
        ("Calibrated probabilities", found.calibration),
        ("Sets of classes", found.conformal),
        ("Rows left undecided", found.rejection),
    )
    pairs = [(name, text.shorten(part.verdict, 500)) for name, part in named if part is not None]
    return (facts("What can be promised", pairs),) if pairs else ()


def _probabilities(found: Classification) -> tuple[Block, ...]:
    """Return a table of what else there is to say of each method, and how to read it."""
    kinds = [("", (found.model,)), (" of the latent codes", found.probes), (" of the features", found.baselines)]
    lines = []
    for source, methods in kinds:
        for method in methods:
            if method.scores is None:
                continue
            scores, curve = method.scores, method.scores.calibration
            lines.append(
                (
                    f"{text.shorten(text.method_name(method.name), 60)}{source}",
                    _with_interval(scores.macro_f1, text.number),
                    _with_interval(scores.log_loss, text.number),
                    _with_interval(scores.brier, text.number),
                    _with_interval(None if curve is None else curve.error, text.percent),
                )
            )
    if not lines:
        return ()
    columns = (
        "method",
        "macro F1",
        "log loss",
        "Brier score",
        "calibration error",
    )
    own = None if found.model.scores is None else found.model.scores.calibration
    bound = text.percent(None if own is None else max(own.error_if_calibrated, 0.001))
    words = Note(
        f"Brackets hold 95% intervals from {found.n_bootstrap:,} bootstrap draws of the rows (seed "
        f"{found.random_state}). Log loss and Brier score judge the probabilities, and lower is better: 0 is perfect. "
        "The calibration error is the mean gap between confidence and accuracy over 15 bins of equal width: were the "
        f"model calibrated, its error would stay below {bound} in 95% of samples. Its own probabilities are shares of "
        "the prior's density and not calibrated; the command aaetools classify does that with --calibrate."
    )
    table = Table("Predictions and probabilities", columns, tuple(lines))
    if own is None:
        return table, words
    picture = Figure(
        lambda ax: plots.calibration_curve(ax, own),
        (4.6, 4.0),
        alt=f"Calibration curve of {text.count(len(own.bins), 'bin')}: expected calibration error "
        f"{text.percent(own.error.value)} ({text.percent(own.error.low)} to {text.percent(own.error.high)}).",
        how="On the dashed line a confidence of 90% is right nine times in ten; below it the model is too sure.",
        name="calibration",
    )
    return table, *side_by_side(picture, words)


def _with_interval(number: Interval | None, write: Callable[[float], str]) -> str:
    if number is None:
        return text.MISSING
    # the interval is not broken, so that a narrow cell puts it below the number
    return f"{write(number.value)} [{write(number.low)},\N{NO-BREAK SPACE}{write(number.high)}]"
