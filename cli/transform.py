"""``aaetools transform``: latent codes of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

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
from aaetools.sinks import SINKS

if TYPE_CHECKING:
    from aaetools.analysis.progress import Progress
    from aaetools.streaming import Streamed

__all__ = ["transform"]

_SUFFIXES = tuple(SINKS)


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
    Rows are read and written a chunk at a time, so that DATA may be larger than memory.
    """
    prepare_out(out, force, as_json, _SUFFIXES)
    from aaetools.cli.rows import open_run, rows_of
    from aaetools.streaming import write_codes

    fitted = open_run(run, device)
    stream = rows_of(fitted, data, target=target, id_column=id_column, with_labels=False)

    def write(opened: OpenSink, progress: Progress | None) -> Streamed:
        return write_codes(fitted.model, stream, opened, names=fitted.feature_names, progress=progress)

    found = stream_rows(write, out, quiet=quiet)
    tell_streamed(found, out, {"n_latent": found.n_numbers}, as_json=as_json, quiet=quiet)
