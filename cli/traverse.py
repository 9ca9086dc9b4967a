"""``aaetools traverse``: what changes along one latent axis."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.cli.options import run_argument
from aaetools.cli.output import prepare_out
from aaetools.cli.ways import SUFFIXES, Stop, all_centres, deliver_ways, open_way_run, stops_of, way_options
from aaetools.exceptions import DataError

if TYPE_CHECKING:
    from aaetools.cli.ways import WayRun

__all__ = ["traverse"]


@click.command(
    epilog="""\b
Examples:
  aaetools traverse runs/digits --axis 9 --label 3 --out threes.npy
  aaetools traverse runs/flowers --axis 0 --from -3 --to 3 --row plant-17
"""
)
@run_argument
@click.option("--axis", metavar="N", type=click.IntRange(min=0), required=True, help="Latent axis, counted from 0.")
@click.option(
    "--from",
    "first",
    metavar="VALUE",
    type=float,
    show_default="the value that 1% of the run's codes are below",
    help="Value to begin with.",
)
@click.option(
    "--to",
    "last",
    metavar="VALUE",
    type=float,
    show_default="the value that 1% of the run's codes are above",
    help="Value to end with.",
)
@way_options(
    "Row of the run whose code to change; can be repeated.",
    "Class whose centre to change, as in the labels; can be repeated.",
    "without --row each class's; without classes the mean code",
)
def traverse(
    run: Path,
    axis: int,
    first: float | None,
    last: float | None,
    rows: tuple[str, ...],
    labels: tuple[str, ...],
    steps: int,
    seed: int,
    out: Path | None,
    device: str,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Change one latent axis step by step and decode.

    All other axes stay as in the code that it begins with. The table has one line per step: where it began (way), the
    axis's value (position), the class that the model takes it for, its typicality (near 0 where the prior has
    nothing, and what is decoded is a guess), and the features in the data's own units. A npy file holds the decoded
    rows alone, float32, images in their shape.
    """
    prepare_out(out, force, as_json, SUFFIXES)
    import numpy as np

    from aaetools.analysis import traverse as along

    found = open_way_run(run, device)
    if axis >= found.codes.shape[1]:
        raise DataError(f"{run}: there is no latent axis {axis}; there are {found.codes.shape[1]}, counted from 0")
    low, high = np.quantile(found.codes[:, axis].astype(np.float64), [0.01, 0.99])
    ends = (float(low) if first is None else first, float(high) if last is None else last)
    if not np.isfinite(ends).all():
        raise DataError(f"--from and --to must be finite numbers, not {ends[0]:g} and {ends[1]:g}")
    values = np.linspace(*ends, steps)
    starts = stops_of(found, rows, labels, seed) or _everywhere(found, seed)
    ways: list[tuple[str, Any]] = [(start.name, along(found.model, start.code, axis, values, seed)) for start in starts]
    deliver_ways(found, ways, out, {"axis": axis, "steps": steps, "seed": seed}, as_json=as_json, quiet=quiet)


def _everywhere(found: WayRun, seed: int) -> list[Stop]:
    """Return the centre of each class, or without classes the mean code."""
    if len(found.model.classes_) == found.model.prior_.n_components > 0:
        return all_centres(found, seed)
    return [Stop("mean code", found.codes.mean(axis=0))]
