"""``aaetools audit``: given labels that the others contradict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from aaetools.cli.options import device_option, run_argument
from aaetools.cli.results import check_result_file, deliver_result, result_options, text_table
from aaetools.cli.run_data import data_option, open_run_data

__all__ = ["audit"]

_METHODS = ("graph", "model", "pool", "probe")
_SHOWN = 20


@click.command(
    epilog="""\b
Examples:
  aaetools audit runs/digits
  aaetools audit runs/digits --all-labels --method model
"""
)
@run_argument
@data_option
@click.option(
    "--method",
    type=click.Choice(_METHODS),
    default="pool",
    help="Who judges: labels nearby (graph), a support vector machine (probe), both (pool), or refits of the model.",
)
@click.option("--folds", metavar="N", type=click.IntRange(2), default=3, help="Folds that the labels are dealt out to.")
@click.option("--most", metavar="N", type=click.IntRange(0), default=1000, help="Labels to list, at most.")
@click.option("--all-labels", is_flag=True, help="Audit all labels in the data, also those training did not see.")
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, help="Seed of folds, resamples and refits.")
@device_option
@result_options("audit.json")
def audit(
    run: Path,
    data: str | None,
    method: str,
    folds: int,
    most: int,
    all_labels: bool,
    seed: int,
    device: str,
    out: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Rank given labels by how much the others contradict them.

    Each label is held against what those of the other folds say of its row. The result has the number of labels
    expected to be wrong, and flags as many.
    """
    place = check_result_file(run, "audit.json", out, force)
    import numpy as np

    from aaetools.analysis import audit_labels
    from aaetools.cli.progress import open_display
    from aaetools.exceptions import LabelError

    found = open_run_data(run, data, device)
    rows = np.arange(len(found.dataset.X)) if all_labels else found.train
    labels = found.labels(rows) if all_labels else found.y_train
    if labels is None:
        raise LabelError(f"{run}: there are no labels to audit; its model was fitted without any")
    with open_display(quiet=quiet or as_json) as display:
        result = audit_labels(
            found.model,
            found.rows(rows),
            labels,
            method=method,
            n_folds=folds,
            most=most,
            random_state=seed,
            progress=display.step,
        )
    result = replace(
        result, suspects=tuple(replace(suspect, row=int(rows[suspect.row])) for suspect in result.suspects)
    )
    shown = [suspect for suspect in result.suspects if suspect.given != suspect.predicted][:_SHOWN]
    table = text_table(
        ["row", "given", "predicted", "p given", "p predicted", "model says", "flagged"],
        [
            [
                found.dataset.row_ids[suspect.row],
                suspect.given,
                suspect.predicted,
                f"{suspect.p_given:.3f}",
                f"{suspect.p_predicted:.3f}",
                suspect.model_label,
                "yes" if suspect.flagged else "no",
            ]
            for suspect in shown
        ],
    )
    text = f"{table}\n\n{result.verdict}" if shown else result.verdict
    deliver_result(result, place, text, as_json=as_json, quiet=quiet)
