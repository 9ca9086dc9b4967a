"""Data for commands: loaded with messages in the command line's words, matched with a model's features."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaetools.datasets.messages import listing, quote
from aaetools.exceptions import DataError, LabelError, RunFolderError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aaetools.datasets import Dataset

__all__ = [
    "FittedRun",
    "check_labels_known",
    "features_of",
    "has_own_names",
    "in_options",
    "load_data",
    "open_run",
    "option_names",
    "rows_for",
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


def has_own_names(dataset: Dataset) -> bool:
    """Tell whether the features have names of their own, not numbers that the loader made up, nor pixels."""
    made_up = tuple(f"x{i}" for i in range(dataset.n_features))
    return dataset.image_shape is None and dataset.feature_names != made_up


def features_of(dataset: Dataset) -> Any:
    """Return an estimator's input: a data frame where features have names of their own, or an array."""
    if not has_own_names(dataset):
        return dataset.X
    import pandas as pd

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


def rows_for(
    fitted: FittedRun,
    source: str,
    *,
    target: str | None = None,
    unlabeled: str | None = None,
    id_column: str | None = None,
) -> tuple[Dataset, Any]:
    """Load rows, one or more, and bring their features into the order that the model knows.

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

    Returns
    -------
    dataset
        The rows as loaded.
    X
        Features as the model takes them, shape (n_rows, n_features).

    Raises
    ------
    DataError
        If features are missing, too many, or of another number.
    """
    dataset = _load_like(fitted, source, target, unlabeled, id_column)
    given, known = dataset.feature_names, fitted.feature_names
    named = hasattr(fitted.model, "feature_names_in_")
    X = dataset.X
    if set(given) == set(known):
        position = {name: index for index, name in enumerate(given)}
        X = X[:, [position[name] for name in known]]
    elif named and has_own_names(dataset):
        raise DataError(_difference(dataset, known))
    elif X.shape[1] != fitted.model.n_features_in_:
        raise DataError(
            f"{quote(source)}: has {X.shape[1]} features, but the model was fitted with {fitted.model.n_features_in_}"
        )
    if not named:
        return dataset, X
    import pandas as pd

    return dataset, pd.DataFrame(X, columns=list(fitted.model.feature_names_in_))


def _load_like(
    fitted: FittedRun, source: str, target: str | None, unlabeled: str | None, id_column: str | None
) -> Dataset:
    """Load rows; what the model calls its features and its labels is what they are."""
    from aaetools.datasets import DATASETS
    from aaetools.datasets.load import open_table
    from aaetools.datasets.tables import to_dataset

    own, path = fitted.target_name, Path(source).expanduser()
    if source in DATASETS or not path.exists():
        return load_data(source, target=target, unlabeled=unlabeled, id_column=id_column, min_rows=1)
    with option_names():
        table, target = open_table(source, target, id_column)
        # an array of features needs no such help, and arrays beside it are none
        present = set() if table.block is not None else set(table.names)
        features = [name for name in fitted.feature_names if name in present]
        if target is None and own in table.names and own not in features:
            target = own
        return to_dataset(table, target=target, unlabeled=unlabeled, id_column=id_column, features=features, min_rows=1)


def _difference(dataset: Dataset, known: tuple[str, ...]) -> str:
    """Say which features are missing and which the model does not know."""
    parts = []
    missing = [name for name in known if name not in set(dataset.feature_names)]
    extra = [name for name in dataset.feature_names if name not in set(known)]
    if missing:
        parts.append(f"lacks {'column' if len(missing) == 1 else 'columns'} {listing(missing, 5)}")
    if extra:
        parts.append(f"has {'column' if len(extra) == 1 else 'columns'} {listing(extra, 5)}, unknown to the model")
    advice = "give the columns that the model was fitted with"
    if extra and not missing:
        advice = "drop what is too much, or name labels with --target and row ids with --id-column"
    return f"{quote(dataset.source or dataset.name)}: {' and '.join(parts)}; {advice}"


def check_labels_known(dataset: Dataset, classes: NDArray[Any], known: NDArray[np.bool_]) -> None:
    """Refuse labels that are no class of the model: accuracy on them would mean nothing.

    Raises
    ------
    LabelError
        Names the first row with such a label.
    """
    import numpy as np

    if dataset.y is None:
        return
    names = {str(label) for label in classes}
    for row in np.flatnonzero(known):
        label = str(dataset.y[row])
        if label not in names:
            raise LabelError(
                f"{quote(dataset.source or dataset.name)}: row {row} (counted from 0), column "
                f"{quote(dataset.target_name)}: {quote(label)} is no class of the model "
                f"({listing(classes, 10)}); correct or empty the cell, or drop the column"
            )
