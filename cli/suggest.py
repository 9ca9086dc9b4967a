"""``aaetools suggest``: which rows to label next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.cli.options import device_option, run_argument
from aaetools.cli.output import check_out_file, guarded, to_csv, write_file
from aaetools.cli.results import check_result_file, deliver_result, result_options, text_table
from aaetools.cli.run_data import data_option, open_run_data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from aaetools.analysis.results import Suggestions

__all__ = ["suggest"]

_STRATEGIES = ("auto", "components", "coverage", "hybrid", "uncertainty")
_SHOWN = 20


@click.command(
    epilog="""\b
Examples:
  aaetools suggest runs/digits --n 20
  aaetools suggest runs/digits --n 20 --filled runs/digits/suggest.csv --csv next.csv
"""
)
@run_argument
@data_option
@click.option("--n", "n", metavar="N", type=click.IntRange(1), default=20, help="Rows to choose.")
@click.option("--strategy", type=click.Choice(_STRATEGIES), default="auto", help="What to choose by.")
@click.option(
    "--filled",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    show_default="none",
    help="Table of an earlier call with its column label filled in; these rows count as labelled. May be repeated.",
)
@click.option(
    "--csv",
    "csv_file",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    show_default="suggest.csv in RUN",
    help="Table to fill in: row, an empty label, label_pred and reason.",
)
@click.option("--seed", metavar="N", type=click.IntRange(0), default=0, help="Seed of the choice.")
@device_option
@result_options("suggest.json")
def suggest(
    run: Path,
    data: str | None,
    n: int,
    strategy: str,
    filled: tuple[Path, ...],
    csv_file: Path | None,
    seed: int,
    device: str,
    out: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Choose the rows of RUN whose labels would help most.

    By default these are rows that the given labels leave in doubt and that stand for many others. They are written
    as a table to fill in, which is only replaced with --force.
    """
    place = check_result_file(run, "suggest.json", out, force)
    table_file = run / "suggest.csv" if csv_file is None else csv_file
    if run.is_dir():
        check_out_file(table_file, force, (".csv",))
    import numpy as np
    import pandas as pd

    from aaetools.analysis import suggest_labels
    from aaetools.cli.progress import open_display

    found = open_run_data(run, data, device)
    ids = [found.dataset.row_ids[position] for position in found.train]
    labels = found.y_train if found.y_train is not None else np.full(len(found.train), None, dtype=object)
    for file in filled:
        labels = _fill_in(labels, ids, file)
    with open_display(quiet=quiet or as_json) as display:
        result = suggest_labels(
            found.model,
            found.rows(found.train),
            labels,
            n,
            strategy=strategy,
            random_state=seed,
            progress=display.step,
        )
    table = pd.DataFrame(
        {
            "row": [ids[row.row] for row in result.rows],
            "label": "",
            "label_pred": [row.label_pred for row in result.rows],
            "reason": [row.reason for row in result.rows],
        }
    )
    write_file(table_file, to_csv(table).encode("utf-8", "replace"))
    result = replace(result, rows=tuple(replace(row, row=int(found.train[row.row])) for row in result.rows))
    text = f"{_shown(table, result)}\n\n{result.verdict}\nFill in the column label of {table_file}"
    deliver_result(result, place, text, as_json=as_json, quiet=quiet)


def _shown(table: Any, result: Suggestions) -> str:
    rows = table.head(_SHOWN)[["row", "label_pred", "reason"]].values.tolist()
    more = len(result.rows) - len(rows)
    return text_table(["row", "label_pred", "reason"], rows) + (f"\n... and {more} more" if more > 0 else "")


def _fill_in(labels: NDArray[Any], ids: Sequence[Any], file: Path) -> NDArray[Any]:
    """Put the labels of a filled-in table among those that training saw; empty cells change nothing.

    Raises
    ------
    DataError, LabelError
        If the file is no such table, names a row that is none of the training rows, or holds a label of another
        kind than the others.
    """
    import pandas as pd

    from aaetools.exceptions import DataError, LabelError
    from aaetools.labels import is_unlabeled

    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error).splitlines()[0]
        raise DataError(f"{file}: cannot be read as a table ({reason})") from error
    missing = [name for name in ("row", "label") if name not in table]
    if missing:
        raise DataError(f"{file}: has no column {missing[0]}; give a table that `aaetools suggest` wrote")
    position = {str(guarded(row)): number for number, row in enumerate(ids)}
    known = {str(label): label for label in labels[~is_unlabeled(labels)].tolist()}
    more = labels.astype(object)
    for line, (row, text) in enumerate(zip(table["row"], table["label"], strict=True), start=2):
        written = text.strip().removeprefix("'")
        if not written:
            continue
        if row not in position:
            raise DataError(f"{file}, line {line}: row {row} is none of the run's training rows")
        label: Any = known.get(written, written)
        if label is written and known and not all(isinstance(value, str) for value in known.values()):
            try:
                label = int(written)
            except ValueError as error:
                raise LabelError(
                    f"{file}, line {line}: {written!r} is no whole number, as the run's labels are"
                ) from error
        more[position[row]] = label
    return more
