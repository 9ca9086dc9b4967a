"""``aaetools interpolate``: what lies between rows, or between classes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import click

from aaetools.cli.options import run_argument
from aaetools.cli.output import prepare_out
from aaetools.cli.ways import SUFFIXES, all_centres, deliver_ways, open_way_run, stops_of, way_options
from aaetools.exceptions import DataError

__all__ = ["interpolate"]


@click.command(
    epilog="""\b
Examples:
  aaetools interpolate runs/digits --row 17 --row 1042 --out between.npy
  aaetools interpolate runs/digits --label 3 --label 8 --steps 5
"""
)
@run_argument
@way_options(
    "Row of the run to go through; give two or more, in their order.",
    "Class whose centre to go through, as in the labels; give two or more, in their order.",
    "without --row all classes in their order",
)
def interpolate(
    run: Path,
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
    """Go in straight lines from code to code and decode on the way.

    The codes are those of rows of RUN, or the centres of the prior's classes. The table has --steps lines for each pair
    (way): the share of the way (position, 0 to 1), the class that the model takes it for, its typicality (near 0
    where the prior has nothing, and what is decoded is a guess), and the features in the data's own units. A npy file
    holds the decoded rows alone, float32, images in their shape.
    """
    prepare_out(out, force, as_json, SUFFIXES)
    import numpy as np

    from aaetools.analysis import interpolate as between

    found = open_way_run(run, device)
    stops = stops_of(found, rows, labels, seed) or all_centres(found, seed)
    if len(stops) < 2:
        raise DataError(f"one end is no way; give two or more {'--row' if rows else '--label'}")
    ways = [
        (f"{a.name} to {b.name}", between(found.model, np.stack([a.code, b.code]), steps, seed))
        for a, b in pairwise(stops)
    ]
    deliver_ways(found, ways, out, {"steps": steps, "seed": seed}, as_json=as_json, quiet=quiet)
