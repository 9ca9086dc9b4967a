"""What ``aaetools traverse`` and ``aaetools interpolate`` have in common: where to start, and what to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aaetools.cli.options import device_option, force_option, json_option, out_file_option, quiet_option
from aaetools.cli.output import deliver
from aaetools.datasets.messages import did_you_mean, listing, quote
from aaetools.exceptions import DataError, LabelError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from aaetools.analysis.results import LatentPath

__all__ = ["SUFFIXES", "Stop", "WayRun", "all_centres", "deliver_ways", "open_way_run", "stops_of", "way_options"]

SUFFIXES = (".parquet", ".csv", ".npy")

F = TypeVar("F", bound=Callable[..., Any])


def way_options(row_help: str, label_help: str, default: str) -> Callable[[F], F]:
    """Add ``--row``, ``--label``, ``--steps`` and more; ``default`` says where it goes without row and label.

    The command gets ``rows``, ``labels``, ``steps``, ``seed``, ``out``, ``device``, ``force``, ``as_json``, ``quiet``.
    """

    def decorate(command: F) -> F:
        for option in (
            quiet_option("the table"),
            json_option,
            force_option,
            device_option,
            out_file_option(*SUFFIXES, default="csv on standard output"),
            click.option("--seed", metavar="N", type=click.IntRange(0, 2**31 - 1), default=0, help="Seed of draws."),
            click.option("--steps", metavar="N", type=click.IntRange(2, 100_000), default=9, help="Steps of a way."),
            click.option("--label", "labels", metavar="LABEL", multiple=True, show_default=default, help=label_help),
            click.option("--row", "rows", metavar="ID", multiple=True, show_default="none", help=row_help),
        ):
            command = option(command)
        return command

    return decorate


@dataclass(frozen=True, eq=False)
class WayRun:
    """A run's model and the codes of its rows; no data are needed.

    Attributes
    ----------
    ids
        Identifiers of the rows, as text.
    codes
        Shape (n_rows, n_axes).
    """

    path: Path
    model: Any
    feature_names: tuple[str, ...]
    ids: NDArray[Any]
    codes: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Stop:
    """A code with its name."""

    name: str
    code: NDArray[Any]


def open_way_run(run: Path, device: str) -> WayRun:
    """Load a run's model and codes.

    Raises
    ------
    RunFolderError, ModelFileError
        If the folder is no run or damaged.
    """
    from aaetools.cli.rows import open_run
    from aaetools.runs import read_analysis

    rows = read_analysis(run).tables.rows
    fitted = open_run(run, device)
    codes = rows.filter(regex=r"^z\d+$").to_numpy()
    return WayRun(run, fitted.model, fitted.feature_names, rows["row"].astype(str).to_numpy(), codes)


def stops_of(found: WayRun, rows: Sequence[str], labels: Sequence[str], seed: int) -> list[Stop]:
    """Return the codes of rows, or the centres of classes, in the order given; none where neither is given.

    Raises
    ------
    DataError, LabelError
        If both are given, or there is no such row or class.
    """
    if rows and labels:
        raise DataError("--row and --label do not go together; give one kind")
    if rows:
        return [_row(found, wanted) for wanted in rows]
    if not labels:
        return []
    centres = {stop.name: stop for stop in all_centres(found, seed)}
    for label in labels:
        if label not in centres:
            raise LabelError(
                f"{found.path}: no class {quote(label)}{did_you_mean(label, list(centres))} "
                f"(classes: {listing(list(centres), 20)})"
            )
    return [centres[label] for label in labels]


def all_centres(found: WayRun, seed: int) -> list[Stop]:
    """Return the centre of every class of the prior, in the order of the classes."""
    from aaetools.analysis import class_centres

    try:
        centres = class_centres(found.model, seed)
    except LabelError as error:
        raise LabelError(f"{found.path}: {error}") from error
    return [Stop(str(label), centre) for label, centre in zip(found.model.classes_, centres, strict=True)]


def _row(found: WayRun, wanted: str) -> Stop:
    places = (found.ids == wanted).nonzero()[0]
    if len(places) == 0:
        raise DataError(
            f"{found.path}: no row {quote(wanted)}{did_you_mean(wanted, found.ids)} (rows: {listing(found.ids, 5)})"
        )
    if len(places) > 1:
        raise DataError(f"{found.path}: {len(places)} rows are called {quote(wanted)}; choose one whose id is its own")
    return Stop(wanted, found.codes[places[0]])


def deliver_ways(
    found: WayRun,
    ways: Sequence[tuple[str, LatentPath]],
    out: Path | None,
    facts: dict[str, Any],
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write or print ways: their name, position, what the model says of each step, and the decoded features."""
    import numpy as np
    import pandas as pd

    table = pd.concat([_table(found, name, way) for name, way in ways], ignore_index=True)
    decoded = np.concatenate([way.decoded for _, way in ways])
    pictures = decoded.reshape(len(decoded), *found.model.sample_shape_)  # of encoded columns a matrix as it is
    deliver(table, pictures, out, {"n_ways": len(ways), **facts}, as_json=as_json, quiet=quiet)


def _table(found: WayRun, name: str, way: LatentPath) -> pd.DataFrame:
    import pandas as pd

    decoded = found.model.inverse_transform(way.codes)
    if not isinstance(decoded, pd.DataFrame):
        flat = way.decoded.reshape(len(way.decoded), -1)
        decoded = pd.DataFrame(flat, columns=list(found.feature_names or (f"x{i}" for i in range(flat.shape[1]))))
    about: dict[str, Any] = {"way": name, "position": way.position.round(9)}
    if way.confidence is not None:
        about |= {"label_pred": way.labels, "confidence": way.confidence}
    if way.typicality is not None:
        about["typicality"] = way.typicality
    return pd.concat([pd.DataFrame(about), decoded], axis=1)
