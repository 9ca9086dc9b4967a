"""The top of the page: what was done, and one plain answer per question."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aaetools.reports import text
from aaetools.reports.blocks import Answer, Tone

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis, GoodnessOfFit

__all__ = ["VERDICTS", "answers", "farthest", "what_was_done"]

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
        _beats_baselines(analysis),
        _prior_met(analysis),
        _clusters_found(analysis),
        _alarms(analysis),
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
        f"accuracy on {text.count(accuracy.n, 'row')} that training never saw labelled "
        f"(95% interval {text.interval(accuracy)}). Guessing gives {text.percent(chance)}.",
        tone,
        "Good: the whole interval lies above guessing and above one half; mixed: above guessing only.",
        "accuracy",
    )


def _beats_baselines(analysis: Analysis) -> Answer:
    question, found = "Better than the baselines?", analysis.classification
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


def _alarms(analysis: Analysis) -> Answer:
    n = len(analysis.warnings)
    return Answer(
        "Any alarms?",
        text.count(n, "alarm") if n else "None",
        "They are listed below: look at them before you use the results." if n else "Every check passed.",
        "bad" if n else "good",
        "Set off, for example, by a baseline that is clearly better, by a discriminator that always wins, by "
        "dead latent axes, by one cluster with nearly all rows, or by reconstructions no better than the "
        "mean.",
        "training",
    )
