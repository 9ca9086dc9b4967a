"""One door to all data: a bundled name or a file."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from aaetools.datasets.dataset import Dataset
from aaetools.datasets.files import READERS, read_file
from aaetools.datasets.label_files import with_labels
from aaetools.datasets.messages import did_you_mean, quote
from aaetools.datasets.registry import DATASETS, DataCard
from aaetools.datasets.tables import Encoding, Table, to_dataset
from aaetools.exceptions import DataError

__all__ = ["load_dataset", "open_table"]


def load_dataset(
    source: str | os.PathLike[str],
    *,
    target: str | None = None,
    unlabeled: str | int | None = None,
    id_column: str | None = None,
    features: Collection[str] = (),
    min_rows: int = 2,
    encoding: Encoding = "auto",
) -> Dataset:
    """Load a bundled data set by name, or a file by path.

    Parameters
    ----------
    source
        A name in :data:`DATASETS`, or else the path of a file whose suffix is in :data:`READERS`.
    target
        The label column (of an npz file: the array), or a file of labels (see :func:`with_labels`). None takes
        the column called label, labels, target, class or y, in any case; without one there are no labels.
    unlabeled
        Category that stands for "unlabelled". Empty cells and -1 always do.
    id_column
        The column of row identifiers. None takes the one called id or row_id, or a data frame's saved index.
    features
        Columns of a file that are features whatever they are called: ``features=["y"]`` keeps a column "y"
        from being taken as the labels.
    min_rows
        Fewer rows than this are refused: learning needs two, a fitted model can do with one.
    encoding
        "auto": features of a file that are more than complete numbers come as a data frame of numbers, booleans, dates
        and categories with gaps. "numbers": they are refused. A :class:`aaetools.columns.ColumnCodec`: columns are of
        its kinds.

    Returns
    -------
    Dataset
        With every number of ``X`` finite and at most 1e30 in size.

    Raises
    ------
    DataError
        If there is no such name or file, or if it cannot be used; one line that names file, row and column.

    Examples
    --------
    >>> from aaetools.datasets import load_dataset
    >>> iris = load_dataset("iris")
    >>> iris.X.shape, iris.classes
    ((150, 4), ('setosa', 'versicolor', 'virginica'))
    """
    if isinstance(source, str) and source in DATASETS:
        if features:
            raise DataError(f"data set {source!r} has no columns to choose from; features= is for files")
        return _load_bundled(DATASETS[source], target, unlabeled, id_column)
    table, column = open_table(source, target, id_column)
    return to_dataset(
        table,
        target=column,
        unlabeled=unlabeled,
        id_column=id_column,
        features=features,
        min_rows=min_rows,
        encoding=encoding,
    )


def open_table(
    source: str | os.PathLike[str], target: str | None = None, id_column: str | None = None
) -> tuple[Table, str | None]:
    """Return what a source holds, and the name of its label column if ``target`` says which it is.

    A ``target`` that is no column but a file gives a table with the labels of that file, see :func:`with_labels`.

    Raises
    ------
    DataError
        If there is no such name or file, or if it cannot be read.
    """
    if isinstance(source, str) and source in DATASETS:
        card = DATASETS[source]
        return _bundled_table(card, target, id_column), card.target_name
    if isinstance(source, str) and not _looks_like_path(source):
        raise DataError(
            f"{quote(source)} is neither a bundled data set nor a file{did_you_mean(source, DATASETS)} "
            f"(bundled: {', '.join(DATASETS)}; files: {', '.join(READERS)})"
        )
    return with_labels(read_file(Path(os.path.expanduser(source))), target, id_column)


def _bundled_table(card: DataCard, target: str | None, id_column: str | None) -> Table:
    """Return a bundled data set as a file with its labels beside the features."""
    import numpy as np
    import pandas as pd

    dataset = _load_bundled(card, target, None, id_column)
    return Table(
        path=Path(dataset.name),
        columns=pd.DataFrame({card.target_name: dataset.y}),
        block=np.asarray(dataset.X),
        block_names=dataset.feature_names,
        image_shape=dataset.image_shape,
    )


def _looks_like_path(source: str) -> bool:
    """Tell whether a text is meant as a path, so that a mistyped name is answered with the names."""
    return bool(source) and (os.path.exists(source) or Path(source).suffix != "" or Path(source).name != source)


def _load_bundled(card: DataCard, target: str | None, unlabeled: str | int | None, id_column: str | None) -> Dataset:
    if target is not None and target != card.target_name:
        raise DataError(
            f"data set {card.name!r} has no label column {quote(target)}; "
            f"its labels are {card.target_name!r}, and target= can be left out"
        )
    if unlabeled is not None:
        raise DataError(f"data set {card.name!r} is fully labelled; unlabeled= is for files")
    if id_column is not None:
        raise DataError(f"data set {card.name!r} has no columns of row ids; id_column= is for files")
    return card.loader()
