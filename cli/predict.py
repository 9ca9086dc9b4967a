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
from aaetools.cli.output import deliver, prepare_out

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aaetools.datasets import Dataset

__all__ = ["predict"]

_SUFFIXES = (".parquet", ".csv")


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
    not left out of it.
    """
    prepare_out(out, force, as_json, _SUFFIXES)
    import pandas as pd

    from aaetools.cli.rows import open_run, rows_for
    from aaetools.exceptions import LabelError

    fitted = open_run(run, device)
    classes = fitted.model.classes_
    if len(classes) == 0:
        raise LabelError(f"{run}: its model was fitted without labels, so it has no classes to predict")
    dataset, X = rows_for(fitted, data, target=target, unlabeled=unlabeled, id_column=id_column)
    scored = target is not None or dataset.target_name == fitted.target_name
    known = _known_rows(dataset, classes) if scored else None
    proba = fitted.model.predict_proba(X)
    predicted = classes[proba.argmax(axis=1)]
    table = pd.DataFrame(proba, columns=[f"p_{label}" for label in classes])
    table.insert(0, "label_pred", predicted)
    table.insert(0, "row", dataset.row_ids)
    deliver(table, proba, out, _score(dataset, predicted, known), as_json=as_json, quiet=quiet)


def _known_rows(dataset: Dataset, classes: NDArray[Any]) -> NDArray[Any] | None:
    """Return which rows have a label, after checking that the model knows every one of them."""
    from aaetools.cli.rows import check_labels_known
    from aaetools.labels import is_unlabeled

    if dataset.y is None:
        return None
    known = ~is_unlabeled(dataset.y)
    check_labels_known(dataset, classes, known)
    return known


def _score(dataset: Dataset, predicted: NDArray[Any], known: NDArray[Any] | None) -> dict[str, Any]:
    """Return the accuracy on the labelled rows with its interval; all None where there are none."""
    if known is None or dataset.y is None or not known.any():
        return {"n_labeled": 0, "accuracy": None, "accuracy_interval": None}
    from aaetools.analysis import wilson_interval

    right = [str(a) == str(b) for a, b in zip(predicted[known], dataset.y[known], strict=True)]
    share = wilson_interval(sum(right), len(right))
    return {"n_labeled": share.n, "accuracy": share.value, "accuracy_interval": [share.low, share.high]}
