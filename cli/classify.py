"""``aaetools classify``: how well a run's model classifies, beside probes and baselines, and how sure it may be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.cli.options import run_argument
from aaetools.cli.results import check_result_file, deliver_result, result_options, text_table
from aaetools.cli.run_data import data_option

if TYPE_CHECKING:
    from aaetools.analysis.results import Classification, Interval, MethodScore
    from aaetools.cli.run_data import RunData

__all__ = ["classify"]

_FILE = "classification.json"
_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command(
    epilog="""\b
Examples:
  aaetools classify runs/digits
  aaetools classify runs/digits --probe knn --probe svm --baseline none
  aaetools classify runs/digits --calibrate --conformal 0.95 --max-error 0.05
  aaetools classify runs/digits --calibrate --folds 3
"""
)
@run_argument
@data_option
@click.option(
    "--probe",
    "probes",
    metavar="NAME",
    multiple=True,
    show_default="logistic_regression and knn",
    help="Classifier of the latent codes: knn, logistic_regression, random_forest, svm, or none; can be repeated.",
)
@click.option(
    "--baseline",
    "baselines",
    metavar="NAME",
    multiple=True,
    show_default="all of them",
    help="Classifier of the raw features: knn, label_spreading, logistic_regression, pca_knn, self_training, umap_knn, "
    "or none; can be repeated.",
)
@click.option("--calibrate", is_flag=True, help="Choose a temperature that makes the probabilities mean what they say.")
@click.option(
    "--conformal",
    metavar="LEVEL",
    type=_SHARE,
    show_default="none",
    help="Make sets of classes that hold the true one with this probability, such as 0.95.",
)
@click.option("--class-conditional", is_flag=True, help="Let the level of --conformal hold for the rows of each class.")
@click.option(
    "--max-error",
    metavar="E",
    type=_SHARE,
    show_default="none",
    help="Leave unsure rows undecided, so that at most this share of the decided ones is wrong.",
)
@click.option(
    "--confidence",
    metavar="P",
    type=_SHARE,
    default=0.95,
    help="Probability with which --max-error is kept.",
)
@click.option(
    "--calibration-share",
    metavar="FRACTION",
    type=_SHARE,
    default=0.5,
    help="Share of the held-out labels that these three choose by; the others test.",
)
@click.option(
    "--folds",
    metavar="K",
    type=click.IntRange(2),
    show_default="none",
    help="Choose by the training labels instead, with so many fits, each without a part of them.",
)
@click.option("--bootstrap", metavar="N", type=click.IntRange(0), default=1_000, help="Draws for the intervals.")
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, help="Seed of everything random here.")
@result_options(_FILE)
def classify(
    run: Path,
    data: str | None,
    probes: tuple[str, ...],
    baselines: tuple[str, ...],
    calibrate: bool,
    conformal: float | None,
    class_conditional: bool,
    max_error: float | None,
    confidence: float,
    calibration_share: float,
    folds: int | None,
    bootstrap: int,
    seed: int,
    out: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Score RUN on held-out rows, beside simpler methods.

    Beside it stand probes, classifiers of its latent codes, and baselines, classifiers of the raw features; all were
    given the labels that training had.

    --calibrate, --conformal and --max-error choose something by labels that training had not. They take a random part
    of the held-out ones, which are then not tested on; or with --folds the training labels, and fit the model anew.
    """
    asked = calibrate or conformal is not None or max_error is not None
    if folds is not None and not asked:
        raise click.UsageError("--folds goes with --calibrate, --conformal or --max-error")
    if class_conditional and conformal is None:
        raise click.UsageError("--class-conditional goes with --conformal")
    place = check_result_file(run, _FILE, out, force)
    from aaetools.analysis import BASELINES, FURTHER_BASELINES, classify_latents
    from aaetools.analysis.classification import DEFAULT_PROBES
    from aaetools.cli.progress import open_display
    from aaetools.cli.run_data import open_run_data
    from aaetools.exceptions import LabelError

    with open_display(quiet=quiet or as_json) as display:
        found = open_run_data(run, data)
        if found.y_train is None or found.dataset.y is None:
            raise LabelError(f"{run}: was made without labels, so there is nothing to classify; fit with labels")
        held, tested = _split(found, calibration_share if asked and folds is None else 0, seed)
        result = classify_latents(
            found.model,
            found.rows(found.train),
            found.y_train,
            found.rows(tested),
            found.dataset.y[tested],
            probes=_names(probes, DEFAULT_PROBES),
            baselines=_names(baselines, (*BASELINES, *FURTHER_BASELINES)),
            X_calibration=found.rows(held) if len(held) else None,
            y_calibration=found.dataset.y[held] if len(held) else None,
            n_folds=folds,
            calibrate=calibrate,
            level=conformal,
            class_conditional=class_conditional,
            max_error=max_error,
            confidence=confidence,
            n_bootstrap=bootstrap,
            random_state=seed,
            progress=display.step,
        )
    deliver_result(result, place, _text(result), as_json=as_json, quiet=quiet)


def _split(found: RunData, share: float, seed: int) -> tuple[Any, Any]:
    """Split the held-out rows that have a label at random into those that calibrate and those that test."""
    import numpy as np

    from aaetools.exceptions import LabelError
    from aaetools.labels import is_unlabeled

    labels = found.labels(found.holdout)
    known = found.holdout if labels is None else found.holdout[~is_unlabeled(labels)]
    n_held = round(share * len(known))
    if len(known) == 0:
        raise LabelError("the run held no labelled rows out, so nothing can be scored; fit with --hold-out")
    if share and not 0 < n_held < len(known):
        raise LabelError(
            f"{len(known)} held-out labels cannot be split with a share of {share:g} for calibration; "
            "choose another --calibration-share, or --folds"
        )
    if not share:
        return known[:0], known
    order = np.random.default_rng(seed).permutation(known)
    return np.sort(order[:n_held]), np.sort(order[n_held:])


def _names(given: tuple[str, ...], default: tuple[str, ...]) -> tuple[str, ...]:
    return () if given == ("none",) else given or default


def _text(found: Classification) -> str:
    """Return what is printed: a table of methods, the model's classes, and what was calibrated."""
    lines = [
        f"{found.model.accuracy.n:,} test rows, {found.n_labeled:,} labels in training; 95% intervals in brackets\n",
        text_table(
            ("method", "accuracy", "", "balanced", "macro F1", "log loss", "Brier", "ECE", "p"),
            [
                _row(found.model, "prior"),
                *(_row(score, "latents") for score in found.probes),
                *(_row(score, "features") for score in found.baselines),
            ],
        ),
        "\np: McNemar's test against the model, Holm's correction; all intervals are in the JSON file",
        "",
        text_table(
            ("class", "rows", "recall", "", "precision", "F1"),
            [
                (
                    c.label,
                    c.n,
                    _percent(c.recall.value),
                    _range(c.recall.low, c.recall.high),
                    None if c.precision is None else _percent(c.precision),
                    f"{c.f1:.3f}",
                )
                for c in found.per_class
            ],
        ),
        "",
        found.verdict,
        *(part.verdict for part in (found.calibration, found.conformal, found.rejection) if part is not None),
        *(f"Note: {s.name}: {s.note}." for s in (*found.probes, *found.baselines) if s.note),
    ]
    return "\n".join(lines)


def _row(method: MethodScore, learns_from: str) -> tuple[Any, ...]:
    scores = method.scores
    assert scores is not None
    p = None if scores.p_adjusted is None else "<0.001" if scores.p_adjusted < 0.001 else f"{scores.p_adjusted:.3f}"
    return (
        f"{method.name.replace('_', ' ')} ({learns_from})",
        _percent(method.accuracy.value),
        _range(method.accuracy.low, method.accuracy.high),
        _percent(scores.balanced_accuracy.value),
        f"{scores.macro_f1.value:.3f}",
        _number(scores.log_loss),
        _number(scores.brier),
        None if scores.calibration is None else _percent(scores.calibration.error.value),
        p,
    )


def _percent(share: float) -> str:
    return "-" if share != share else f"{share:.1%}"


def _range(low: float, high: float) -> str:
    return f"[{low:.1%}, {high:.1%}]"


def _number(interval: Interval | None) -> str | None:
    return None if interval is None else f"{interval.value:.3f}"
