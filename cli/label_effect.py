"""``aaetools label-effect``: accuracy against the number of labels, with permuted labels, and with none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.cli.options import NumberOrAuto, device_option, run_argument
from aaetools.cli.progress import open_display
from aaetools.cli.results import check_result_file, deliver_result, result_options, text_table
from aaetools.cli.run_data import data_option, open_run_data
from aaetools.exceptions import LabelError

if TYPE_CHECKING:
    from aaetools.analysis.results import Interval, LabelEffect
    from aaetools.cli.run_data import RunData

__all__ = ["label_effect"]

_FILE = "label-effect.json"
_MOST_JOBS = 4


class SizesType(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """Whole numbers of at least 1, separated by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(size) for size in str(value).split(","))
        except ValueError:
            sizes = (0,)
        if min(sizes) < 1:
            self.fail(f"{str(value)!r} is no list of numbers of labels such as 2,5,10", param, ctx)
        return sizes


@click.command(
    epilog="""\b
Examples:
  aaetools label-effect runs/flowers
  aaetools label-effect runs/flowers --labels-per-class 1,2,4,8 --draws 5 --jobs 2
"""
)
@run_argument
@data_option
@click.option(
    "--labels-per-class",
    type=SizesType(),
    metavar="N,N,...",
    default="2,5,10,20",
    help="Labels of each class that are kept; those above what the rarest class has become what it has.",
)
@click.option(
    "--draws",
    type=click.IntRange(min=2),
    metavar="N",
    default=3,
    help="Draws of labels, each with a seed of its own.",
)
@click.option("--permuted/--no-permuted", default=True, help="Whether to check for leaks with permuted labels.")
@click.option("--without/--no-without", default=True, help="Whether to fit without labels, too.")
@click.option(
    "--baselines/--no-baselines", default=True, help="Whether simple methods get the same labels, for comparison."
)
@click.option("--seed", type=click.IntRange(min=0), metavar="N", default=0, help="Seed of the draws.")
@click.option(
    "--jobs",
    type=NumberOrAuto(1),
    metavar="N",
    default="auto",
    help=f"Fits at a time, each in a process of its own; auto is one for each core, {_MOST_JOBS} at most.",
)
@device_option
@result_options(_FILE)
def label_effect(
    run: Path,
    data: str | None,
    labels_per_class: tuple[int, ...],
    draws: int,
    permuted: bool,
    without: bool,
    baselines: bool,
    seed: int,
    jobs: int | str,
    device: str,
    out: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Tell whether RUN's labels helped, and whether more would.

    The model of RUN is fitted anew with more and more labels, with permuted ones and with none, and judged on the
    hold-out rows of RUN. All labels of the training rows are drawn from, also those that RUN's training did not
    see. Without labelled hold-out rows a quarter of the labelled rows is held back, anew in every draw.
    """
    place = check_result_file(run, _FILE, out, force)
    fitted = open_run_data(run, data, device)
    y = fitted.labels(fitted.train)
    if y is None or not fitted.dataset.classes:
        raise LabelError(f"{run}: its data have no labels; name their column with --target when the run is made")
    from aaetools.analysis import BASELINES
    from aaetools.analysis.label_effect import label_effect as measure
    from aaetools.analysis.label_effect import plan_fits
    from aaetools.labels import is_unlabeled

    model = fitted.model if device == "auto" else fitted.model.set_params(device=device)
    y_test = fitted.labels(fitted.holdout)
    judged = y_test is not None and not is_unlabeled(y_test).all()
    n_jobs = min(_n_cores(), _MOST_JOBS) if isinstance(jobs, str) else jobs
    n_fits = plan_fits(
        len(set(labels_per_class)), draws, len(fitted.dataset.classes), permuted=permuted, without=without
    )
    with open_display(quiet=quiet or as_json) as display:
        display.stage(_plan(fitted, n_fits, n_jobs))
        effect = measure(
            model,
            fitted.rows(fitted.train),
            y,
            fitted.rows(fitted.holdout) if judged else None,
            y_test if judged else None,
            labels_per_class=labels_per_class,
            n_draws=draws,
            baselines=tuple(BASELINES) if baselines else (),
            permuted=permuted,
            without=without,
            n_jobs=n_jobs,
            random_state=seed,
            progress=display.step,
        )
    deliver_result(effect, place, _text(effect), as_json=as_json, quiet=quiet)


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _plan(fitted: RunData, n_fits: int, n_jobs: int) -> str:
    """Say what is about to be done, and about how long that takes, going by the run's own fit."""
    seconds = fitted.analysis.model.fit_seconds
    told = f"{n_fits} fits, {n_jobs} at a time"
    if not seconds > 0:  # NaN where the run does not say
        return told
    whole = seconds * -(-n_fits // n_jobs)
    about = f"{whole:.0f} s" if whole < 120 else f"{whole / 60:.0f} minutes"
    return f"{told}, about {about} if each takes the run's own {seconds:.1f} s"


def _text(effect: LabelEffect) -> str:
    """Return the table, what there is to note, and the verdict."""
    sizes = effect.labels_per_class
    rows: list[list[str | None]] = [
        [curve.method.replace("_", " "), *map(_cell, curve.accuracy)] for curve in effect.curves
    ]
    gap: list[str | None] = [None] * (len(sizes) - 1)
    if effect.permuted is not None:
        rows.append(["model, permuted labels", *gap, _cell(effect.permuted.accuracy)])
    rows += [[f"{curve.method}*", *gap, _cell(curve.accuracy[0])] for curve in effect.without]
    table = text_table(["labels per class", *map(str, sizes)], rows)
    place = "held back in each draw" if effect.held_back else "held out by the run"
    lines = [
        table,
        "",
        f"Accuracy in % with 95% intervals, {effect.n_draws} draws, {effect.n_test:,} rows {place}, "
        f"{effect.n_train:,} rows in each fit.",
    ]
    if effect.without:
        lines.append(f"* found without labels, named by {sizes[-1]} per class.")
    return "\n".join([*lines, *effect.notes, effect.verdict])


def _cell(accuracy: Interval) -> str:
    return f"{100 * accuracy.value:.1f} ({100 * accuracy.low:.1f} to {100 * accuracy.high:.1f})"
