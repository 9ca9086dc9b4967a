"""``aaetools export``: a run's model as a file that other programs run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from aaetools.cli.options import force_option, json_option, quiet_option, run_argument
from aaetools.cli.output import check_out_file

if TYPE_CHECKING:
    from aaetools.export import OnnxExport

__all__ = ["export"]

_SUFFIXES = (".onnx",)


@click.command(
    epilog="""\b
Examples:
  aaetools export runs/digits --out digits.onnx
  aaetools export runs/wine --out encoder.onnx --codes-only --dtype float64
"""
)
@run_argument
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write (.onnx).",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float64"]),
    default="float32",
    help="Number format of the file's input; float64 for columns that lie far from zero, as times do.",
)
@click.option("--codes-only", is_flag=True, help="Leave the class posterior out.")
@force_option
@json_option
@quiet_option("the file's path")
def export(
    run: Path,
    out: Path,
    dtype: Literal["float32", "float64"],
    codes_only: bool,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write RUN's encoder and class posterior as one ONNX file.

    Scaling is part of it: rows go in as they are in the data, and codes, probabilities and labels come out; the
    encoding of categories, dates and gaps is not part of it. The file's answers are compared with the model's on random
    rows before it is written.

    It needs the packages onnx and onnxruntime: pip install 'aaetools[onnx]'.
    """
    check_out_file(out, force, _SUFFIXES)
    from aaetools.cli.rows import open_run
    from aaetools.export import export_onnx

    fitted = open_run(run, "cpu")
    told = export_onnx(fitted.model, out, dtype=dtype, codes_only=codes_only, force=force)
    if as_json:
        click.echo(json.dumps(_facts(told)))
    elif quiet:
        click.echo(told.path)
    else:
        click.echo(_text(told))


def _facts(told: OnnxExport) -> dict[str, object]:
    return {
        "out": str(told.path),
        "input": {"name": "X", "dtype": told.input_dtype, "width": told.n_inputs, "encoded": told.encoded},
        "outputs": list(told.outputs),
        "n_bytes": told.n_bytes,
        "n_checked": told.n_checked,
        "code_difference": told.code_difference,
        "probability_difference": told.probability_difference,
    }


def _text(told: OnnxExport) -> str:
    from aaetools.cli.output import columns

    lines = [
        (
            "input",
            f"X, {told.input_dtype}, rows of {told.n_inputs:,} {'encoded columns' if told.encoded else 'features'}",
        ),
        ("outputs", ", ".join(told.outputs)),
        ("size", f"{told.n_bytes:,} bytes"),
    ]
    if told.code_difference is None:
        lines.append(("check", "none: onnxruntime is not installed"))
    else:
        found = [f"{told.code_difference:.1e} in codes"]
        if told.probability_difference is not None:
            found.append(f"{told.probability_difference:.1e} in probabilities")
        lines.append(("check", f"largest difference on {told.n_checked} random rows: {', '.join(found)}"))
    text = columns(lines)
    if told.encoded:
        text += (
            "\nNote: X is the table as ColumnCodec encodes it; its state is in the file's metadata, under 'columns'."
        )
    return f"{text}\n{told.path}"
