"""``aaetools sample``: new rows, drawn from the prior and decoded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aaetools.cli.options import (
    device_option,
    force_option,
    json_option,
    out_file_option,
    quiet_option,
    run_argument,
)
from aaetools.cli.output import deliver, prepare_out

__all__ = ["sample"]

_SUFFIXES = (".parquet", ".csv", ".npy")


@click.command(
    epilog="""\b
Examples:
  aaetools sample runs/digits -n 100 --label 7 --out sevens.npy
  aaetools sample runs/flowers -n 5
"""
)
@run_argument
@click.option("-n", "--number", type=click.IntRange(1, 10_000_000), metavar="N", default=10, help="Rows to draw.")
@click.option("--label", metavar="LABEL", show_default="the whole prior", help="Class to draw from, as in the labels.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), metavar="N", default=0, help="Seed of the draw.")
@out_file_option(*_SUFFIXES, default="csv on standard output")
@device_option
@force_option
@json_option
@quiet_option("the table")
def sample(
    run: Path,
    number: int,
    label: str | None,
    seed: int,
    out: Path | None,
    device: str,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Draw new rows from the prior and decode them.

    They come from RUN's model and are in the data's own units. Columns are the features, words, dates and booleans
    as such; a npy file holds the values alone, float32, images in their shape.
    """
    prepare_out(out, force, as_json, _SUFFIXES)
    import pandas as pd

    from aaetools.cli.rows import open_run
    from aaetools.exceptions import DataError

    fitted = open_run(run, device)
    rows = fitted.model.sample(number, label=_class_called(fitted.model.classes_, label, run), random_state=seed)
    if isinstance(rows, pd.DataFrame):
        if out is not None and out.suffix.lower() == ".npy":
            raise DataError(
                f"{out}: the run's columns are of several kinds, which an npy file cannot hold; use .parquet"
            )
        table, pictures = rows, rows.to_numpy()
    else:
        flat = rows.reshape(number, -1)
        names = fitted.feature_names or tuple(f"x{i}" for i in range(flat.shape[1]))
        table = pd.DataFrame(flat, columns=list(names))
        pictures = flat.reshape(number, *fitted.model.sample_shape_)
    deliver(table, pictures, out, {"label": label, "seed": seed}, as_json=as_json, quiet=quiet)


def _class_called(classes: Any, label: str | None, run: Path) -> Any:
    """Return the class that is written as ``label``; None for None."""
    from aaetools.datasets.messages import did_you_mean, listing, quote
    from aaetools.exceptions import LabelError

    if label is None:
        return None
    for known in classes:
        if str(known) == label:
            return known
    if len(classes) == 0:
        raise LabelError(f"{run}: its model was fitted without labels; leave --label out")
    raise LabelError(f"{run}: no class {quote(label)}{did_you_mean(label, classes)} (classes: {listing(classes, 20)})")
