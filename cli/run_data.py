"""The rows behind a run, loaded and split again as they were when it was made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.datasets.messages import quote
from aaetools.exceptions import DataError, RunFolderError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aaetools.analysis import Analysis
    from aaetools.datasets import Dataset

__all__ = ["RunData", "data_option", "open_run_data"]

data_option = click.option(
    "--data",
    metavar="DATA",
    show_default="the place that the run remembers",
    help="Where the run's data are now, if they have moved; they must be the same.",
)


@dataclass(frozen=True, eq=False)
class RunData:
    """A run with its data.

    Attributes
    ----------
    model
        The fitted estimator.
    analysis
        What the run found.
    dataset
        All rows with all their labels, also those that training did not see.
    X
        Features of all rows as the estimator takes them, an array or a data frame.
    train, holdout
        Positions of training and hold-out rows.
    y_train
        Labels that training saw, shape (n_train,), -1 or None where unlabelled; None where it saw none.
    """

    model: Any
    analysis: Analysis
    dataset: Dataset
    X: Any
    train: NDArray[np.int64]
    holdout: NDArray[np.int64]
    y_train: NDArray[Any] | None

    def rows(self, positions: NDArray[np.int64]) -> Any:
        """Return the features of rows."""
        return getattr(self.X, "iloc", self.X)[positions]

    def labels(self, positions: NDArray[np.int64]) -> NDArray[Any] | None:
        """Return all labels that the data hold for rows, whether training saw them or not."""
        return None if self.dataset.y is None else self.dataset.y[positions]


def open_run_data(run: Path, data: str | None = None, device: str = "auto") -> RunData:
    """Load a run's model, its analysis and its data.

    Parameters
    ----------
    run
        Folder that ``aaetools fit`` wrote.
    data
        Where the data are; the place recorded in the run by default.
    device
        Where the model is put.

    Raises
    ------
    RunFolderError, ModelFileError
        If the folder is no run or damaged.
    DataError
        If the data cannot be read, or are not those of the run.
    """
    from aaetools.cli.fit import FitOptions, choose_rows, fit, load_data_of
    from aaetools.cli.rows import features_of, open_run
    from aaetools.runs import read_analysis

    analysis = read_analysis(run)
    try:
        context = fit.make_context("fit", [*([] if data is None else [data]), "--config", str(run / "run.toml")])
    except (click.ClickException, DataError) as error:
        reason = error.format_message() if isinstance(error, click.ClickException) else str(error)
        raise RunFolderError(f"{run}: its run.toml does not say how the run was made ({reason})") from error
    options = FitOptions(**context.params)
    try:
        dataset = load_data_of(options)
    except DataError as error:
        if data is not None or Path(options.data).exists():
            raise
        raise DataError(f"{error}; {run} was made from it: say with --data where it is now") from error
    if dataset.sha256 != analysis.data.sha256:
        raise DataError(
            f"{quote(options.data)}: is not the data that {run} was made from (its content has changed); "
            "give those with --data, or make a new run"
        )
    train, holdout, chosen = choose_rows(options, dataset)
    return RunData(
        model=open_run(run, device).model,
        analysis=analysis,
        dataset=dataset,
        X=features_of(dataset),
        train=train,
        holdout=holdout,
        y_train=chosen.y,
    )
