"""``aaetools report``: the report of a run, made again from what the run holds."""

from __future__ import annotations

from pathlib import Path

import click

from aaetools.cli.formats import (
    FIGURE_KINDS,
    FORMATS,
    SUFFIXES,
    FormatsType,
    prepare_document,
    prepare_folder,
    schema_option,
)
from aaetools.cli.options import explorer_option, force_option, json_option, out_file_option, run_argument

__all__ = ["report"]


@click.command(
    epilog="""\b
Examples:
  aaetools report runs/digits
  aaetools report runs/digits --out digits.html
  aaetools report runs/digits --out small.html --no-explorer
  aaetools report runs/digits --format md > digits.md
  aaetools report runs/digits --figures figures --format pdf,png
"""
)
@run_argument
@out_file_option(*SUFFIXES, default="report.html in RUN, which is replaced; json and md are printed")
@click.option(
    "--format",
    "kinds",
    type=FormatsType(),
    metavar="NAME[,NAME...]",
    show_default="what the suffix of --out says, else html; svg with --figures",
    help="html, a page; json, all numbers; or md, the page's words and tables as Markdown; json and md are printed "
    "unless there is --out. With --figures any of svg, pdf and png.",
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    metavar="DIR",
    show_default="none",
    help="Write each figure of the report into this folder instead, for papers and slides.",
)
@schema_option("Analysis")
@explorer_option
@force_option
@json_option
def report(
    run: Path,
    out: Path | None,
    kinds: tuple[str, ...] | None,
    figures: Path | None,
    explorer: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Make the report of a run again.

    It is made from the files in RUN; neither the data nor the model is needed. What aaetools label-effect and
    aaetools classify found since is in it. The last line printed is the report's path.
    """
    import json

    from aaetools.cli.output import check_out_file, write_file
    from aaetools.runs import read_analysis, with_results

    if figures is not None:
        _write_figures(run, figures, kinds or FIGURE_KINDS[:1], out, force, as_json)
        return
    if kinds is not None and (len(kinds) > 1 or kinds[0] not in FORMATS):
        raise click.UsageError(
            f"--format takes one of {', '.join(FORMATS)}; {', '.join(FIGURE_KINDS)} go with --figures"
        )
    chosen, place = prepare_document(None if kinds is None else kinds[0], out, None, force, as_json)
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


def _write_figures(
    run: Path, folder: Path, kinds: tuple[str, ...], out: Path | None, force: bool, as_json: bool
) -> None:
    """Draw all figures, then write them; print their paths."""
    import json

    from aaetools.cli.output import write_file
    from aaetools.runs import read_analysis, with_results

    if out is not None:
        raise click.UsageError("--figures writes files of its own: leave --out away")
    if not set(kinds) <= set(FIGURE_KINDS):
        raise click.UsageError(f"with --figures --format takes {', '.join(FIGURE_KINDS)}, not {', '.join(kinds)}")
    prepare_folder(folder, force)
    analysis = with_results(read_analysis(run), run)
    from aaetools.reports import figure_files

    files = list(figure_files(analysis, kinds))
    folder.mkdir(exist_ok=True)
    for name, content in files:
        write_file(folder / name, content)
    places = [str(folder / name) for name, _ in files]
    click.echo(json.dumps({"figures": places}) if as_json else "\n".join(places))
