"""What a finished run says on standard output: a few lines for people, or one object for machines."""

from __future__ import annotations

import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaetools.cli.output import columns
from aaetools.reports import text

if TYPE_CHECKING:
    from aaetools.analysis import Analysis
    from aaetools.analysis.results import DataSummary, Proportion

__all__ = ["fit_json", "fit_text"]

_WIDTH = 100


def fit_text(analysis: Analysis, run: Path, seconds: float) -> str:
    """Return the summary of a run; its last line is the report's path."""
    data, model = analysis.data, analysis.model
    parts = [
        _data_line(data),
        f"{text.count(model.n_epochs, 'epoch')} in {text.duration(model.fit_seconds)} on {model.device}, "
        f"{text.duration(seconds)} in all; {model.prior} prior, "
        f"{text.count(model.n_components, 'latent dimension')}",
        "",
        *_accuracy(analysis),
        *_paragraph("Clusters", analysis.clustering.verdict),
        *_paragraph("Prior match", analysis.prior_match.verdict),
    ]
    for warning in analysis.warnings:
        parts += _paragraph("Warning", warning)
    parts += ["", f"Run folder   {run}", "Report:", str(run / "report.html")]
    return "\n".join(parts)


def _data_line(data: DataSummary) -> str:
    held_out = f", {data.n_holdout:,} held out" if data.n_holdout else ""
    if data.n_labeled == 0:
        labels = "no labels"
    else:
        each = sorted(set(data.labeled_per_class))
        share = str(each[0]) if len(each) == 1 else f"{each[0]} to {each[-1]}"
        labels = f"{text.count(data.n_labeled, 'label')} ({share} in each of {len(data.classes)} classes)"
    return (
        f"{text.shorten(data.name)}: {text.count(data.n_train, 'training row')} with {labels}{held_out}; "
        f"{text.count(data.n_features, 'feature')}"
    )


def _accuracy(analysis: Analysis) -> list[str]:
    found = analysis.classification
    if found is None:
        if analysis.data.n_holdout == 0:
            why = "nothing was held out"
        elif analysis.data.n_labeled == 0:
            why = "training saw no labels, so the model predicts no classes"
        else:
            why = "no held-out row has a label"
        return _paragraph("Accuracy", f"not measured: {why}.")
    rows = [
        (
            score.name.replace("_", " "),
            text.percent(score.accuracy.value).rjust(6),
            text.interval(score.accuracy),
        )
        for score in (found.model, *found.baselines)
    ]
    title = f"Accuracy on {text.count(found.model.accuracy.n, 'held-out row')} (95% interval)"
    return [title, columns(rows, indent="  "), *_paragraph("", found.verdict), ""]


def _paragraph(title: str, sentence: str) -> list[str]:
    indent = " " * 13
    return textwrap.wrap(
        text.clean(sentence),
        _WIDTH,
        initial_indent=f"{title:13}" if title else "  ",
        subsequent_indent=indent if title else "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def fit_json(analysis: Analysis, run: Path, seconds: float) -> dict[str, Any]:
    """Return the summary of a run in JSON's types; what could not be had is None."""
    data, model, found = analysis.data, analysis.model, analysis.classification
    agreement = analysis.clustering.agreement
    return {
        "run": str(run),
        "report": str(run / "report.html"),
        "data": data.name,
        "n_train": data.n_train,
        "n_holdout": data.n_holdout,
        "n_labeled": data.n_labeled,
        "classes": list(data.classes),
        "holdout_accuracy": None if found is None else _number(found.model.accuracy.value),
        "holdout_interval": None if found is None else _interval(found.model.accuracy),
        "baselines": {} if found is None else {b.name: _number(b.accuracy.value) for b in found.baselines},
        "accuracy_verdict": None if found is None else found.verdict,
        "clusters": {
            "n": analysis.clustering.n_clusters,
            "method": analysis.clustering.method,
            "accuracy": None if agreement is None else _number(agreement.accuracy.value),
            "verdict": analysis.clustering.verdict,
        },
        "prior_match": {
            "prior": analysis.prior_match.prior,
            "split": analysis.prior_match.split,
            "verdict": analysis.prior_match.verdict,
        },
        "warnings": list(analysis.warnings),
        "epochs": model.n_epochs,
        "fit_seconds": _number(model.fit_seconds),
        "seconds": seconds,
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _interval(share: Proportion) -> list[float]:
    return [share.low, share.high]
