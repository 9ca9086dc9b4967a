"""``aaetools latent``: whether neighbours stay neighbours in a run's latent space and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.cli.options import run_argument
from aaetools.cli.results import check_result_file, deliver_result, result_options, text_table
from aaetools.cli.run_data import data_option, open_run_data
from aaetools.exceptions import DataError

if TYPE_CHECKING:
    from aaetools.analysis.results import Interval, LatentSpace
    from aaetools.cli.run_data import RunData

__all__ = ["latent"]

_FILE = "latent.json"


class _NumbersType(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """Whole numbers, separated by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = tuple(int(number) for number in str(value).split(","))
        except ValueError:
            numbers = ()
        if not numbers or min(numbers) < 1:
            self.fail(f"{str(value)!r} is no list of numbers of neighbours such as 5,10,30", param, ctx)
        return numbers


@click.command(
    epilog="""\b
Examples:
  aaetools latent runs/digits
  aaetools latent runs/digits --split all --neighbours 15,50
"""
)
@run_argument
@click.option(
    "--neighbours",
    metavar="K,K,...",
    type=_NumbersType(),
    show_default="5,10,30, as far as there are rows",
    help="How many nearest neighbours to look at.",
)
@click.option(
    "--split",
    type=click.Choice(["all", "train", "holdout"]),
    show_default="holdout, or train where fewer than 30 rows are held out",
    help="Rows to compare: all, those of training, or those held out.",
)
@click.option(
    "--max-rows",
    metavar="N",
    type=click.IntRange(min=11),
    default=2_000,
    help="With more rows, so many are chosen at random and compared with each other.",
)
@click.option("--seed", metavar="N", type=click.IntRange(0, 2**32 - 1), default=0, help="Seed of all that is random.")
@data_option
@result_options(_FILE)
def latent(
    run: Path,
    neighbours: tuple[int, ...] | None,
    split: str | None,
    max_rows: int,
    seed: int,
    data: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Ask whether the latent space of RUN is faithful to the data.

    Tells how far rows that are neighbours in the features are neighbours in the latent codes, in the latent map and
    in the UMAP picture, beside PCA with as many axes and chance, and how much room the codes take.

    The last line printed is the path of the JSON file with all of it.
    """
    place = check_result_file(run, _FILE, out, force)
    from aaetools.analysis import latent_space
    from aaetools.cli.progress import open_display

    with open_display(quiet=quiet or as_json) as display:
        found = open_run_data(run, data, "cpu")
        rows = found.analysis.tables.rows
        chosen = _split(found, split)
        part = rows["split"].isin([chosen] if chosen != "all" else ["train", "holdout"]).to_numpy()
        if not part.any():
            raise DataError(f"the run has no {chosen} rows; choose another --split")
        codes = rows.filter(regex=r"^z\d+$").to_numpy()[part]
        result = latent_space(
            codes,
            _features(found)[part],
            _pictures(found, part, codes.shape[1]),
            seed,
            neighbours=neighbours,
            prior_codes=_prior_codes(found, seed),
            max_compared=max_rows,
            split=chosen,  # type: ignore[arg-type]  # one of the three
            progress=display.step,
        )
    deliver_result(result, place, _text(result), as_json=as_json, quiet=quiet)


def _split(found: RunData, wanted: str | None) -> str:
    from aaetools.analysis.latent_space import MIN_HELD_OUT

    if wanted is not None:
        return wanted
    return "holdout" if len(found.holdout) >= MIN_HELD_OUT else "train"


def _features(found: RunData) -> Any:
    """Return the features of the run's rows as the model sees them, in the order of the run's table."""
    import numpy as np

    return found.model.scale(found.rows(np.concatenate([found.train, found.holdout])))


def _pictures(found: RunData, part: Any, n_axes: int) -> dict[str, Any]:
    """Return the coordinates of the rows in the run's pictures; codes of two axes are their own map."""
    rows = found.analysis.tables.rows[part]
    pictures = {"latent map": rows[["latent_x", "latent_y"]].to_numpy()} if n_axes > 2 else {}
    if rows["umap_x"].notna().all():
        pictures["UMAP"] = rows[["umap_x", "umap_y"]].to_numpy()
    return pictures


def _prior_codes(found: RunData, seed: int) -> Any:
    import torch

    return found.model.prior_.sample(2_000, generator=torch.Generator().manual_seed(seed)).numpy()


# -- text ------------------------------------------------------------------------------------------------------------


def _text(result: LatentSpace) -> str:
    parts = [result.verdict, _neighbours(result), _room(result)]
    return "\n\n".join([*parts, *(f"Note: {note}" for note in result.notes)]) + "\n"


def _neighbours(result: LatentSpace) -> str:
    """Return one line per space and what it should be like."""
    lines = [
        (
            found.space,
            found.n_axes,
            found.of,
            _with_interval(found.trustworthiness),
            _with_interval(found.continuity),
            *(_with_interval(recall) for recall in found.recall),
        )
        for found in result.preservation
    ]
    chance = f"{result.chance_trustworthiness:.3f}"
    lines.append(("(chance)", None, None, chance, chance, *(f"{share:.3f}" for share in result.chance)))
    headings = [
        "neighbours in",
        "axes",
        "of those in",
        f"trustworthiness at {result.k}",
        f"continuity at {result.k}",
        *(f"recall at {k}" for k in result.neighbours),
    ]
    return text_table(headings, lines)


def _room(result: LatentSpace) -> str:
    spread = ", ".join(f"z{axis} {value:.2f}" for axis, value in enumerate(result.spread[:40]))
    if len(result.spread) > 40:
        spread += f", and {len(result.spread) - 40} more"
    facts = [
        ("rows", f"{result.n_compared:,} of {result.n:,}, {result.split}"),
        ("effective dimension", f"{_with_interval(result.effective_dimension, 1)} of {result.n_axes}"),
        ("components for 95% of the variance", result.n_components_95),
        ("standard deviation of each axis", spread),
        ("dead axes", ", ".join(f"z{axis}" for axis in result.dead_axes) or "none"),
    ]
    return text_table(["codes", "value"], facts)


def _with_interval(found: Interval, digits: int = 3) -> str:
    if found.value != found.value:
        return "-"
    return f"{found.value:.{digits}f} [{found.low:.{digits}f}, {found.high:.{digits}f}]"
