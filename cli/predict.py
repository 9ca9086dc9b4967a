"""``aaetools predict``: the class of rows, with its probability."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.cli.options import (
    data_argument,
    device_option,
    force_option,
    id_column_option,
    json_option,
    out_file_option,
    quiet_option,
    run_argument,
)
from aaetools.cli.output import prepare_out
from aaetools.cli.streaming import OpenSink, stream_rows, tell_streamed
from aaetools.sinks import CLASS_SINKS

if TYPE_CHECKING:
    from aaetools.analysis.progress import Progress
    from aaetools.streaming import Streamed

__all__ = ["predict"]

_SUFFIXES = CLASS_SINKS


@click.command(
    epilog="""\b
Examples:
  aaetools predict runs/flowers new.csv
  aaetools predict runs/flowers checked.csv --target species --out predicted.parquet
"""
)
@run_argument
@data_argument
@out_file_option(*_SUFFIXES, default="csv on standard output")
@click.option(
    "--target",
    metavar="COLUMN",
    show_default="the label column of the run's data, if there is one of that name",
    help="Column of known labels in DATA; predictions are scored on its labelled rows.",
)
@click.option(
    "--unlabeled",
    metavar="CATEGORY",
    show_default="none",
    help="Category of that column that stands for unlabelled.",
)
@id_column_option
@device_option
@force_option
@json_option
@quiet_option("the table")
def predict(
    run: Path,
    data: str,
    out: Path | None,
    target: str | None,
    unlabeled: str | None,
    id_column: str | None,
    device: str,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Predict the classes of DATA's rows, with probabilities.

    They come from the model of RUN: each class's share of the prior's density at the row's latent code.

    The table has the row's id, label_pred, and a column p_CLASS for each class. Where DATA has the label
    column, the accuracy on its labelled rows is told on standard error; rows that the run was trained on are
    not left out of it. Rows are read and written a chunk at a time, so that DATA may be larger than memory.
    """
    prepare_out(out, force, as_json, _SUFFIXES)
    from aaetools.cli.rows import open_run, rows_of
    from aaetools.exceptions import LabelError
    from aaetools.streaming import write_classes

    fitted = open_run(run, device)
    if len(fitted.model.classes_) == 0:
        raise LabelError(f"{run}: its model was fitted without labels, so it has no classes to predict")
    stream = rows_of(fitted, data, target=target, unlabeled=unlabeled, id_column=id_column)
    compare = target is not None or stream.target_name == fitted.target_name

    def write(opened: OpenSink, progress: Progress | None) -> Streamed:
        model, names = fitted.model, fitted.feature_names
        return write_classes(model, stream, opened, compare=compare, names=names, progress=progress)

    found = stream_rows(write, out, quiet=quiet)
    tell_streamed(found, out, _score(found), as_json=as_json, quiet=quiet)


def _score(found: Streamed) -> dict[str, Any]:
    """Return the accuracy on the labelled rows with its interval; all None where there are none."""
    if found.n_labeled == 0:
        return {"n_labeled": 0, "accuracy": None, "accuracy_interval": None}
    from aaetools.analysis import wilson_interval

    share = wilson_interval(found.n_right, found.n_labeled)
    return {"n_labeled": share.n, "accuracy": share.value, "accuracy_interval": [share.low, share.high]}
