"""One door to all data: a bundled name or a file."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from aaetools.datasets.dataset import Dataset
from aaetools.datasets.files import READERS, read_file
from aaetools.datasets.messages import did_you_mean, quote
from aaetools.datasets.registry import DATASETS, DataCard
from aaetools.datasets.tables import to_dataset
from aaetools.exceptions import DataError

__all__ = ["load_dataset"]


def load_dataset(
    source: str | os.PathLike[str],
    *,
    target: str | None = None,
    unlabeled: str | int | None = None,
    id_column: str | None = None,
    features: Collection[str] = (),
    min_rows: int = 2,
) -> Dataset:
    """Load a bundled data set by name, or a file by path.

    Parameters
    ----------
    source
        A name in :data:`DATASETS`, or else the path of a file whose suffix is in :data:`READERS`.
    target
        The label column (of an npz file: the array). None takes the one called label, labels, target, class
        or y, in any case; without one there are no labels.
    unlabeled
        Category that stands for "unlabelled". Empty cells and -1 always do.
    id_column
        The column of row identifiers. None takes the one called id or row_id, or a data frame's saved index.
    features
        Columns of a file that are features whatever they are called: ``features=["y"]`` keeps a column "y"
        from being taken as the labels.
    min_rows
        Fewer rows than this are refused: learning needs two, a fitted model can do with one.

    Returns
    -------
    Dataset
        With every cell of ``X`` finite and at most 1e30 in size.

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
    path = Path(os.path.expanduser(source))
    if isinstance(source, str) and not _looks_like_path(source):
        raise DataError(
            f"{quote(source)} is neither a bundled data set nor a file{did_you_mean(source, DATASETS)} "
            f"(bundled: {', '.join(DATASETS)}; files: {', '.join(READERS)})"
        )
    return to_dataset(
        read_file(path),
        target=target,
        unlabeled=unlabeled,
        id_column=id_column,
        features=features,
        min_rows=min_rows,
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
