"""``aaetools novel``: clusters of rows without a labelled class."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from aaetools.cli.options import device_option, run_argument
from aaetools.cli.results import check_result_file, deliver_result, result_options, text_table
from aaetools.cli.run_data import data_option, open_run_data

__all__ = ["novel"]


@click.command(
    epilog="""\b
Examples:
  aaetools novel runs/digits
  aaetools novel runs/digits --level 0.01
"""
)
@run_argument
@data_option
@click.option(
    "--level",
    metavar="P",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    help="Probability of an alarm where no class is missing.",
)
@click.option(
    "--permutations",
    metavar="N",
    type=click.IntRange(19),
    default=999,
    help="Redraws of the labelled rows behind the p-values.",
)
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, help="Seed of the redraws.")
@device_option
@result_options("novel.json")
def novel(
    run: Path,
    data: str | None,
    level: float,
    permutations: int,
    seed: int,
    device: str,
    out: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Look for classes that no label of RUN names.

    A cluster of training rows in which labels are missing beyond chance may be one: label a few of its typical rows
    to see.
    """
    place = check_result_file(run, "novel.json", out, force)
    from aaetools.analysis import find_novel_classes
    from aaetools.cli.progress import open_display
    from aaetools.exceptions import LabelError

    found = open_run_data(run, data, device)
    if found.y_train is None:
        raise LabelError(f"{run}: its model was fitted without labels, so that every class is without one")
    with open_display(quiet=quiet or as_json) as display:
        result = find_novel_classes(
            found.model,
            found.rows(found.train),
            found.y_train,
            level=level,
            n_permutations=permutations,
            random_state=seed,
            progress=display.step,
        )
    clusters = tuple(
        replace(
            cluster,
            typical=tuple(int(found.train[row]) for row in cluster.typical),
            rows=tuple(int(found.train[row]) for row in cluster.rows),
        )
        for cluster in result.clusters
    )
    result = replace(result, clusters=clusters)
    table = text_table(
        ["cluster", "rows", "p", "labels expected", "model takes it for", "error ratio", "typical rows"],
        [
            [
                number,
                cluster.size,
                f"{cluster.p_value:.3f}",
                f"{cluster.expected_labels:.1f}",
                ", ".join(f"{label} ({count})" for label, count in cluster.taken_for[:3]) or None,
                f"{cluster.error_ratio:.2f}",
                ", ".join(str(found.dataset.row_ids[row]) for row in cluster.typical),
            ]
            for number, cluster in enumerate(clusters, start=1)
        ],
    )
    least = result.smallest_detectable
    reach = (
        "With so few labels no cluster could be found."
        if least is None
        else f"A cluster without labels needs about {least} rows to be found with {result.n_labeled} labels."
    )
    text = f"{result.verdict}\n{reach}"
    deliver_result(result, place, f"{table}\n\n{text}" if clusters else text, as_json=as_json, quiet=quiet)
