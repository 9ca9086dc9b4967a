"""``aaetools transform``: latent codes of rows."""

from __future__ import annotations

from pathlib import Path

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

__all__ = ["transform"]

_SUFFIXES = (".parquet", ".csv", ".npy")


@click.command(
    epilog="""\b
Examples:
  aaetools transform runs/cells new_cells.parquet --out codes.parquet
  aaetools transform runs/digits digits --out codes.npy --force
"""
)
@run_argument
@data_argument
@out_file_option(*_SUFFIXES, default="csv on standard output")
@click.option(
    "--target",
    metavar="COLUMN",
    show_default="the label column of the run's data, if there is one of that name",
    help="Column of labels in DATA; it is no feature.",
)
@id_column_option
@device_option
@force_option
@json_option
@quiet_option("the table")
def transform(
    run: Path,
    data: str,
    out: Path | None,
    target: str | None,
    id_column: str | None,
    device: str,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write the latent codes of DATA's rows.

    They come from the encoder of RUN's model. Columns are matched by name where both sides have names. The
    table has the row's id and one column per latent dimension (z0, z1, ...); a npy file has the codes alone.
    """
    prepare_out(out, force, as_json, _SUFFIXES)
    import pandas as pd

    from aaetools.cli.rows import open_run, rows_for

    fitted = open_run(run, device)
    dataset, X = rows_for(fitted, data, target=target, id_column=id_column)
    codes = fitted.model.transform(X)
    table = pd.DataFrame(codes, columns=[f"z{axis}" for axis in range(codes.shape[1])])
    table.insert(0, "row", dataset.row_ids)
    deliver(table, codes, out, {"n_latent": codes.shape[1]}, as_json=as_json, quiet=quiet)
