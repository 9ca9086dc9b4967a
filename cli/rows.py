"""Data for commands: loaded with messages in the command line's words, matched with a model's features."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaetools.exceptions import DataError, RunFolderError

if TYPE_CHECKING:
    from aaetools.datasets import Dataset, DataStream

__all__ = [
    "FittedRun",
    "features_of",
    "in_options",
    "load_data",
    "open_run",
    "option_names",
    "rows_of",
]

_PARAMETER = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\b(target|unlabeled|id_column)=(?=['"\w-])?""")


def in_options(message: str) -> str:
    """Name options instead of parameters in a message of the library; quoted text is left alone.

    Examples
    --------
    >>> in_options("'target=x.csv': name the column with target=")
    "'target=x.csv': name the column with --target"
    """

    def option(found: re.Match[str]) -> str:
        if found.group(1) is None:
            return found.group(0)
        value_follows = message[found.end() : found.end() + 1] not in ("", " ", ",", ";", ")")
        return f"--{found.group(1).replace('_', '-')}{' ' if value_follows else ''}"

    return _PARAMETER.sub(option, message)


@contextmanager
def option_names() -> Iterator[None]:
    """Turn parameters into options in the messages of loaders."""
    try:
        yield
    except DataError as error:
        raise type(error)(in_options(str(error))) from None


def load_data(
    source: str,
    *,
    target: str | None = None,
    unlabeled: str | None = None,
    id_column: str | None = None,
    min_rows: int = 2,
) -> Dataset:
    """Load a bundled data set or a file; see :func:`aaetools.datasets.load_dataset`."""
    from aaetools.datasets import load_dataset

    with option_names():
        return load_dataset(source, target=target, unlabeled=unlabeled, id_column=id_column, min_rows=min_rows)


def features_of(dataset: Dataset) -> Any:
    """Return an estimator's input: a data frame where features have names of their own, or an array."""
    import pandas as pd

    from aaetools.streaming import has_own_names

    if isinstance(dataset.X, pd.DataFrame) or not has_own_names(dataset):
        return dataset.X
    return pd.DataFrame(dataset.X, columns=list(dataset.feature_names))


@dataclass(frozen=True, eq=False)
class FittedRun:
    """A run's model, and what the run says of the data that it was fitted to.

    Attributes
    ----------
    model
        The estimator.
    feature_names
        One name per feature; empty where only the model was saved and it has none.
    target_name
        The label column, if there was one.
    """

    model: Any
    feature_names: tuple[str, ...]
    target_name: str | None


def open_run(run: Path, device: str = "auto") -> FittedRun:
    """Load the model of a run folder, or of a folder that :func:`aaetools.save` wrote.

    Raises
    ------
    RunFolderError, ModelFileError
        If it is no such folder, or if it is damaged; the message names the file.
    """
    from aaetools.runs import read_data_summary

    if not run.is_dir():
        found = "is not a folder" if run.exists() else "no such run folder"
        raise RunFolderError(f"{run}: {found}; give a folder that `aaetools fit` wrote")
    if (run / "manifest.json").is_file():  # the model alone
        from aaetools.persistence import load

        model = load(run, device=device)
        return FittedRun(model, tuple(getattr(model, "feature_names_in_", ())), None)
    data = read_data_summary(run)
    from aaetools.persistence import load

    return FittedRun(load(run / "model", device=device), data.feature_names, data.target_name)


def rows_of(
    fitted: FittedRun,
    source: str,
    *,
    target: str | None = None,
    unlabeled: str | None = None,
    id_column: str | None = None,
    with_labels: bool = True,
) -> DataStream:
    """Look at the rows that a model is applied to, one or more.

    A column that the model knows as a feature is one here, even if it is called "y" or "id".

    Parameters
    ----------
    fitted
        From :func:`open_run`.
    source
        A bundled data set's name or a file's path.
    target
        Label column; the one of the model's own data by default, if there is one of that name.
    unlabeled
        Category that stands for "unlabelled".
    id_column
        Column of row identifiers.
    with_labels
        Whether labels are to come with the rows.

    Raises
    ------
    DataError
        As for :func:`aaetools.datasets.open_stream`, in the command line's words.
    """
    from aaetools.datasets import open_stream
    from aaetools.streaming import encoding_of

    with option_names():
        return open_stream(
            source,
            target=target,
            unlabeled=unlabeled,
            id_column=id_column,
            features=fitted.feature_names,
            own_target=fitted.target_name,
            encoding=encoding_of(fitted.model),
            with_labels=with_labels,
        )
