"""``aaetools report``: the report of a run, made again from what the run holds."""

from __future__ import annotations

from pathlib import Path

import click

from aaetools.cli.options import explorer_option, force_option, json_option, out_file_option, run_argument

__all__ = ["report"]

_SUFFIXES = (".html", ".htm")


@click.command(
    epilog="""\b
Examples:
  aaetools report runs/digits
  aaetools report runs/digits --out digits.html
  aaetools report runs/digits --out small.html --no-explorer
"""
)
@run_argument
@out_file_option(*_SUFFIXES, default="report.html in RUN, which is replaced")
@explorer_option
@force_option
@json_option
def report(run: Path, out: Path | None, explorer: bool, force: bool, as_json: bool) -> None:
    """Make the report of a run again.

    It is made from the files in RUN; neither the data nor the model is needed. What aaetools label-effect and
    aaetools classify found since is in it. The last line printed is the report's path.
    """
    import json

    from aaetools.cli.output import check_out_file, write_file
    from aaetools.runs import read_analysis, with_results

    if out is not None:
        check_out_file(out, force, _SUFFIXES)
    analysis = with_results(read_analysis(run), run)
    place = out or run / "report.html"
    if out is None:
        check_out_file(place, True, _SUFFIXES)
    from aaetools.reports import render

    write_file(place, render(analysis, explorer=explorer).encode("utf-8"))
    click.echo(json.dumps({"report": str(place)}) if as_json else place)
