"""``aaetools compare``: several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aaetools.cli.formats import SUFFIXES, format_option, prepare_document, schema_option
from aaetools.cli.options import force_option, json_option, out_file_option, quiet_option
from aaetools.cli.results import text_table

if TYPE_CHECKING:
    from aaetools.analysis import Comparison

__all__ = ["compare"]

_PAGE = Path("comparison.html")
_SHOWN = 15


@click.command(
    epilog="""\b
Examples:
  aaetools compare runs/few-labels runs/paper
  aaetools compare runs/* --out seeds.html --names seed-0,seed-1,seed-2
  aaetools compare runs/a runs/b --format json | jq .result.preference
"""
)
@click.argument("runs", metavar="RUN RUN...", nargs=-1, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--names",
    metavar="A,B,...",
    show_default="the names of the folders",
    help="What to call the runs, in their order, separated by commas.",
)
@click.option(
    "--same-data",
    is_flag=True,
    help="Vouch that equal row ids mean equal rows, although the data have another hash or none.",
)
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, help="Seed of the bootstrap.")
@out_file_option(*SUFFIXES, default=f"{_PAGE}; json and md are printed")
@format_option
@schema_option("Comparison")
@force_option
@json_option
@quiet_option("the page's path")
def compare(
    runs: tuple[Path, ...],
    names: str | None,
    same_data: bool,
    seed: int,
    out: Path | None,
    kind: str | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare runs: what differs, what it changed, and which to prefer.

    Accuracies are compared row by row, on rows that both runs held out. The last line printed is the page's path.
    """
    import json

    context = click.get_current_context()
    if len(runs) < 2:
        raise click.UsageError(f"give at least two runs to compare, not {'one' if runs else 'none'}", context)
    twice = next((run for i, run in enumerate(runs) if run.resolve() in [other.resolve() for other in runs[:i]]), None)
    if twice is not None:
        raise click.UsageError(f"{twice} is given twice; a run equals itself", context)
    called = _folder_names(runs) if names is None else tuple(name.strip() for name in names.split(","))
    chosen, place = prepare_document(kind, out, _PAGE, force, as_json)

    from aaetools.analysis import compare as compare_runs
    from aaetools.analysis import result_to_json
    from aaetools.cli.output import write_file
    from aaetools.runs import read_analysis

    analyses = [read_analysis(run) for run in runs]
    found = compare_runs(analyses, called, same_data=same_data, random_state=seed)
    if chosen == "html":
        from aaetools.reports import render_comparison

        document = render_comparison(found, analyses)
    elif chosen == "md":
        from aaetools.reports import render_comparison_markdown

        document = render_comparison_markdown(found, analyses)
    else:
        document = result_to_json(found)
    if place is None:
        click.echo(document, nl=False)
        return
    write_file(place, document.encode("utf-8"))
    if as_json:
        group = found.preference.group
        click.echo(
            json.dumps(
                {
                    "comparison": str(place),
                    "prefer": None if group is None else found.groups[group].name,
                    "by": found.preference.by,
                    "verdict": found.verdict,
                }
            )
        )
        return
    if not quiet:
        click.echo(_told(found))
    click.echo(place)


def _folder_names(runs: tuple[Path, ...]) -> tuple[str, ...]:
    """Call each run by its folder; where folders have the same name, with as much of the path as tells them apart."""
    parts = [run.resolve().parts for run in runs]
    for n in range(1, max(map(len, parts)) + 1):
        names = tuple("/".join(path[-n:]) for path in parts)
        if len(set(names)) == len(names):
            return names
    return tuple(map(str, runs))  # pragma: no cover - the paths differ


def _told(found: Comparison) -> str:
    """Return what is printed: the runs, the paired differences, the verdict."""
    from aaetools.reports import text

    columns = ("accuracy", "adjusted Rand index", "largest distance from the prior", "reconstruction R2", "time to fit")
    known = {measure.name: measure for measure in found.measures}
    rows = []
    for i, run in enumerate(found.runs):
        values = [known[name].values[i] if name in known else None for name in columns]
        accuracy, rand, prior, r2, seconds = values
        rows.append(
            [
                text.shorten(run.name, 40),
                text.shorten(run.data, 24),
                run.n_labeled,
                run.seed,
                None if accuracy is None else f"{accuracy.value:.1%} ({accuracy.low:.1%} to {accuracy.high:.1%})",
                None if rand is None else f"{rand.value:.2f}",
                None if prior is None else f"{prior.value:.1f}",
                None if r2 is None else f"{r2.value:.1%}",
                len(run.alarms),
                None if seconds is None else text.duration(seconds.value),
            ]
        )
    heads = ["run", "data", "labels", "seed", "accuracy", "rand", "prior ratio", "r2", "alarms", "time"]
    parts = [text_table(heads, rows)]
    differences = []
    for pair in found.pairs:
        if pair.accuracy is not None:
            gap = pair.accuracy.difference
            first, second = (text.shorten(found.runs[run].name, 40) for run in (pair.first, pair.second))
            differences.append(
                [
                    f"{second} less {first}",
                    pair.n_paired,
                    f"{_points(gap.value)} ({_points(gap.low)} to {_points(gap.high)})",
                    text.p_value(pair.accuracy.p_adjusted),
                ]
            )
    if differences:
        parts.append(text_table(["difference in accuracy", "rows", "points", "p (holm)"], differences[:_SHOWN]))
    if len(differences) > _SHOWN:
        parts.append(f"{len(differences) - _SHOWN} more pairs are on the page.")
    n_left_out = len(found.pairs) - len(differences)
    if n_left_out:
        left_out = next(pair for pair in found.pairs if pair.accuracy is None)
        pairs = "1 pair is" if n_left_out == 1 else f"{n_left_out} pairs are"
        parts.append(f"{pairs} not compared row by row: {text.shorten(left_out.refused or left_out.no_accuracy, 200)}.")
    parts.append(text.clean(found.verdict))
    return "\n\n".join(parts)


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"
