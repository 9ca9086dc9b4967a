"""The top of the page: what was done, and one plain answer per question."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from aaetools.reports import text
from aaetools.reports.blocks import Answer, Step, Tone

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis, GoodnessOfFit

__all__ = ["VERDICTS", "answers", "farthest", "next_steps", "what_was_done"]

_NAMED = 5
"""Rows that a step names; the chapter has more."""

_WIDE_INTERVAL = 0.05
_LARGE_ERROR = 0.05

VERDICTS: dict[str, tuple[str, Tone]] = {
    "met": ("Met", "good"),
    "close": ("Close", "mixed"),
    "not met": ("Not met", "bad"),
}
"""How the verdicts of a prior match are shown, best first."""


def what_was_done(analysis: Analysis) -> str:
    """Return the data, the label budget and the training in a few sentences."""
    data, model = analysis.data, analysis.model
    told = (
        f"An adversarial autoencoder was trained on {text.count(data.n_train, 'row')} of "
        f"{text.shorten(data.name)} with {text.count(data.n_features, 'feature')}"
    )
    if data.n_labeled:
        fewest, most = min(data.labeled_per_class), max(data.labeled_per_class)
        each = str(fewest) if fewest == most else f"{fewest} to {most}"
        told += (
            f". Labels were given for {text.count(data.n_labeled, 'row')} "
            f"({text.share(data.n_labeled, data.n_train)}; {each} in each of {len(data.classes)} classes); "
            "only the discriminator saw them."
        )
    else:
        told += ", without any label."
    if data.n_holdout:
        told += f" {text.count(data.n_holdout, 'more row')} were held out: training never saw them."
    time = "" if math.isnan(model.fit_seconds) else f"{text.duration(model.fit_seconds)} "
    return f"{told} Training took {text.count(model.n_epochs, 'epoch')} ({time}on {text.shorten(model.device)})."


def answers(analysis: Analysis) -> list[Answer]:
    """Return the answers in the reader's order."""
    return [
        _how_good(analysis),
        _how_sure(analysis),
        _beats_baselines(analysis),
        _labels_helped(analysis),
        _prior_met(analysis),
        _clusters_found(analysis),
    ]


def farthest(results: tuple[GoodnessOfFit, ...]) -> GoodnessOfFit | None:
    """Return the result with the worst verdict, and among those the largest effect; None without results."""
    order = list(VERDICTS)
    return max(results, key=lambda result: (order.index(result.verdict), result.effect_ratio), default=None)


def _how_good(analysis: Analysis) -> Answer:
    question, found = "How good is it?", analysis.classification
    if found is None:
        rule = "Accuracy is measured on rows with a known label that training never saw labelled."
        return Answer(question, "Not measured", "There were no such rows.", "none", rule, "data")
    accuracy, chance = found.model.accuracy, 1 / max(len(found.classes), 1)
    tone: Tone = "good" if accuracy.low > max(0.5, chance) else "mixed" if accuracy.low > chance else "bad"
    return Answer(
        question,
        text.percent(accuracy.value),
        f"of {text.count(accuracy.n, 'row')} that training never saw labelled get their true class. Guessing gives "
        f"{text.percent(chance)}.",
        tone,
        "Good: the whole interval lies above guessing and above one half; mixed: above guessing only.",
        "accuracy",
    )


def _how_sure(analysis: Analysis) -> Answer:
    question, found = "How sure is that?", analysis.classification
    rule = (
        f"Good: the 95% interval spans at most {100 * _WIDE_INTERVAL:.0f} points and the calibration error is at most "
        f"{text.percent(_LARGE_ERROR, 0)}; mixed: one of the two; bad: neither."
    )
    if found is None:
        return Answer(question, "Not measured", "There is no accuracy to be sure of.", "none", rule, "data")
    accuracy = found.model.accuracy
    curve = None if found.model.scores is None else found.model.scores.calibration
    sentence = f"is the 95% interval of the accuracy, from {text.count(accuracy.n, 'row')} (Wilson)."
    passed = [accuracy.high - accuracy.low <= _WIDE_INTERVAL]
    if curve is not None:
        passed.append(curve.error.value <= _LARGE_ERROR)
        sentence += (
            f" The model's own confidence is off by {text.percent(curve.error.value)} on average "
            f"({text.percent(curve.error.low)} to {text.percent(curve.error.high)})."
        )
    tone: Tone = "good" if all(passed) else "mixed" if any(passed) else "bad"
    return Answer(question, text.interval(accuracy), sentence, tone, rule, "accuracy")


def _labels_helped(analysis: Analysis) -> Answer:
    question, effect, found = "Did the labels help?", analysis.labels.effect, analysis.classification
    if effect is not None and effect.gain_over_none is not None:
        gain = effect.gain_over_none
        leak = effect.permuted is not None and effect.permuted.verdict == "above chance"
        tone: Tone = "bad" if leak or gain.high < 0 else "good" if gain.low > 0 else "mixed"
        return Answer(
            question,
            "Do not trust them" if leak else _points(gain.value),
            text.shorten(effect.verdict, 300),
            tone,
            "Good: over several draws the gain over clusters found without labels has an interval above 0, and "
            "permuted labels fall to chance; bad: below 0, or permuted labels do not.",
            "effect",
        )
    rule = (
        "McNemar's exact test against k-means clusters of the features, which the same labels only name; good or bad "
        "where p < 0.05, else mixed."
    )
    none = None if found is None else found.without_labels
    if found is None or none is None or none.scores is None:
        reason = "Training had no labels." if not analysis.data.n_labeled else "No row with a known label was held out."
        return Answer(question, "Not measured", reason, "none", rule, "data")
    gain_value, p = found.model.accuracy.value - none.accuracy.value, none.scores.p_value
    certain = p is not None and p < 0.05
    return Answer(
        question,
        _points(gain_value),
        f"against what clusters find without labels: {text.percent(none.accuracy.value)} "
        f"({text.interval(none.accuracy)}). One draw of labels; aaetools label-effect measures several.",
        ("good" if gain_value > 0 else "bad") if certain else "mixed",
        rule,
        "effect",
    )


def _points(gain: float) -> str:
    points = 100 * gain
    return "No difference" if abs(points) < 0.05 else f"{points:+.1f} points".replace("-", "\N{MINUS SIGN}")


def _beats_baselines(analysis: Analysis) -> Answer:
    question, found = "Better than simpler methods?", analysis.classification
    rule = (
        "McNemar's exact test against the best baseline, trained with the same labels and judged on the same "
        "rows; good or bad where p < 0.05, else mixed."
    )
    baselines = found.baselines if found else ()
    best = next((score for score in baselines if found and score.name == found.best_baseline), None)
    if found is None or best is None:
        return Answer(question, "Not measured", "No baseline was run.", "none", rule, "data")
    points = 100 * (found.model.accuracy.value - best.accuracy.value)
    p = found.p_value_best_baseline
    certain = p is not None and p < 0.05
    tone: Tone = "mixed" if not certain else "good" if points > 0 else "bad"
    level = abs(points) < 0.05
    than = "with" if level else "than"
    return Answer(
        question,
        "Level" if level else f"{abs(points):.1f} points {'better' if points > 0 else 'worse'}",
        f"{than} the best of {len(baselines)} at the same labels: "
        f"{text.shorten(text.method_name(best.name), 40)} with {text.percent(best.accuracy.value)} "
        f"({text.interval(best.accuracy)}). The p-value is {text.p_value(p)}"
        f"{'.' if certain else ': this may be chance.'}",
        tone,
        rule,
        "accuracy",
    )


def _prior_met(analysis: Analysis) -> Answer:
    question, match = "Was the prior met?", analysis.prior_match
    sentence = text.shorten(match.verdict, 300)
    rule = (
        "Good: the codes lie no farther from the prior than 95% of fresh samples of it; mixed: close to "
        "that, or met overall but not by every class."
    )
    worst = farthest(tuple(result for result in match.results if result.scope == "overall"))
    worst = worst or farthest(match.results)
    if worst is None:
        return Answer(question, "Not measured", sentence, "none", rule, "prior")
    value, tone = VERDICTS[worst.verdict]
    if tone == "good" and any(result.verdict != "met" for result in match.results):
        value, tone = "Met overall", "mixed"
    return Answer(question, value, sentence, tone, rule, "prior")


def _clusters_found(analysis: Analysis) -> Answer:
    found = analysis.clustering
    tone: Tone = "none"
    if found.agreement is not None:
        low = found.agreement.accuracy.low
        tone = "good" if low > 0.8 else "mixed" if low > 0.5 else "bad"
    return Answer(
        "Which clusters are there?",
        text.count(found.n_clusters, "cluster"),
        text.shorten(found.verdict, 300),
        tone,
        "Good: over 80% of the rows sit in the cluster that matches their class (lower end of the 95% "
        "interval); mixed: over 50%; not judged without known labels.",
        "clusters",
    )


def next_steps(analysis: Analysis) -> list[Step]:
    """Return what to do next, the most urgent first: alarms, then labels to check, rows to label, things to measure."""
    steps = [Step(text.shorten(warning, 400), "training", alarm=True) for warning in analysis.warnings]
    steps += [step for ask in _STEPS if (step := ask(analysis)) is not None]
    return steps or [Step("Nothing needs attention: use the predictions and the latent codes.", "data")]


def _check_labels(analysis: Analysis) -> Step | None:
    audit = analysis.labels.audit
    if audit is None or not audit.n_flagged:
        return None
    rows = _named_rows(analysis, [suspect.row for suspect in audit.suspects[: audit.n_flagged]])
    return Step(f"Check {text.count(audit.n_flagged, 'given label')} that the others contradict: {rows}.", "labels")


def _look_at_new_classes(analysis: Analysis) -> Step | None:
    found = analysis.labels.novel_classes
    if found is None or not found.clusters:
        return None
    rows = _named_rows(analysis, found.clusters[0].typical)
    many = text.count(len(found.clusters), "cluster")
    return Step(f"Look at {many} without labels, perhaps a class that nobody has labelled: {rows}.", "labels")


def _label_rows(analysis: Analysis) -> Step | None:
    found = analysis.labels.suggestions
    if found is None or not found.rows:
        return None
    rows = _named_rows(analysis, [row.row for row in found.rows])
    return Step(f"If you can label more, label these rows first: {rows}.", "labels")


def _measure_effect(analysis: Analysis) -> Step | None:
    if analysis.labels.effect is not None or not analysis.data.n_labeled:
        return None
    return Step(
        "Find out what more labels would bring, and whether anything leaks:", "effect", "aaetools label-effect RUN"
    )


def _calibrate(analysis: Analysis) -> Step | None:
    found = analysis.classification
    curve = None if found is None or found.model.scores is None else found.model.scores.calibration
    if found is None or curve is None or found.calibration is not None or curve.error.value <= _LARGE_ERROR:
        return None
    return Step("Do not read confidences as probabilities before they are calibrated:", "accuracy",
                "aaetools classify RUN --calibrate")  # fmt: skip


_STEPS = (_check_labels, _look_at_new_classes, _label_rows, _calibrate, _measure_effect)


def _named_rows(analysis: Analysis, positions: Sequence[int]) -> str:
    """Name the first few rows by their identifiers."""
    ids = analysis.tables.rows["row"]
    named = [text.shorten(str(ids.iloc[row]), 24) for row in positions[:_NAMED] if row < len(ids)]
    rest = len(positions) - len(named)
    return f"row{'s' if len(positions) > 1 else ''} {', '.join(named)}" + (f" and {rest} more" if rest else "")
