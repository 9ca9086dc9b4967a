"""``aaetools report``: the report of a run, made again from what the run holds."""

from __future__ import annotations

from pathlib import Path

import click

from aaetools.cli.formats import FORMATS, SUFFIXES, format_option, prepare_document, schema_option
from aaetools.cli.options import explorer_option, force_option, json_option, out_file_option, run_argument

__all__ = ["report"]


@click.command(
    epilog="""\b
Examples:
  aaetools report runs/digits
  aaetools report runs/digits --out digits.html
  aaetools report runs/digits --out small.html --no-explorer
  aaetools report runs/digits --format md > digits.md
"""
)
@run_argument
@out_file_option(*SUFFIXES, default="report.html in RUN, which is replaced; json and md are printed")
@format_option
@schema_option("Analysis")
@explorer_option
@force_option
@json_option
def report(run: Path, out: Path | None, kind: str | None, explorer: bool, force: bool, as_json: bool) -> None:
    """Make the report of a run again.

    It is made from the files in RUN; neither the data nor the model is needed. What aaetools label-effect and
    aaetools classify found since is in it. The last line printed is the report's path.
    """
    import json

    from aaetools.cli.output import check_out_file, write_file
    from aaetools.runs import read_analysis, with_results

    chosen, place = prepare_document(kind, out, None, force, as_json)
    analysis = with_results(read_analysis(run), run)
    if place is None and chosen == "html":
        place = run / "report.html"
        check_out_file(place, True, FORMATS["html"])
    if chosen == "html":
        from aaetools.reports import render

        document = render(analysis, explorer=explorer)
    elif chosen == "md":
        from aaetools.reports import render_markdown

        document = render_markdown(analysis)
    else:
        from aaetools.analysis import analysis_to_json

        document = analysis_to_json(analysis)
    if place is None:
        click.echo(document, nl=False)
        return
    write_file(place, document.encode("utf-8"))
    click.echo(json.dumps({"report": str(place)}) if as_json else place)
