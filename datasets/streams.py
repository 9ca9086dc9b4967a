"""A data source as one :class:`Dataset` after another: the same rows, checks and words as :func:`load_dataset`.

What concerns all rows is settled first: which column is what, what the labels are, whether row ids differ. That takes
passes over the columns of labels and ids; then the rows come.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aaetools.datasets.chunks import TableChunks, chunk_size, open_chunks
from aaetools.datasets.dataset import Dataset
from aaetools.datasets.distinct import CellCodes, check_row_ids, label_codes
from aaetools.datasets.label_files import id_columns, is_label_file, label_position, match_labels, read_label_file
from aaetools.datasets.load import load_dataset
from aaetools.datasets.registry import DATASETS
from aaetools.datasets.tables import (
    Encoding,
    Table,
    check_table,
    check_unlabeled,
    dataset_of,
    find_roles,
    labels_of_cells,
)

__all__ = ["DataStream", "open_stream"]


@dataclass(frozen=True, eq=False)
class DataStream:
    """Rows that come some at a time.

    Attributes
    ----------
    source
        Where they come from, for messages.
    n_rows
        How many there are.
    target_name
        Name of the label column, or None.
    labels
        Each label once with the row where it is found first; empty where there are none.
    chunk_size
        How many rows suit a chunk.
    chunks
        Called with a number of rows, it yields chunks of that many, the last of fewer, not yet checked. Each call
        begins anew.
    checked
        Turns a chunk into a :class:`Dataset`. It may be called for several chunks at once, in threads.
    """

    source: str
    n_rows: int
    target_name: str | None
    labels: tuple[tuple[Any, int], ...]
    chunk_size: int
    chunks: Callable[[int], Iterator[Any]]
    checked: Callable[[Any], Dataset]

    def parts(self, n_rows: int | None = None) -> Iterator[Dataset]:
        """Yield data sets of ``n_rows`` rows, the last of fewer."""
        return map(self.checked, self.chunks(n_rows or self.chunk_size))


def open_stream(
    source: str | os.PathLike[str],
    *,
    target: str | None = None,
    unlabeled: str | int | None = None,
    id_column: str | None = None,
    features: Collection[str] = (),
    own_target: str | None = None,
    min_rows: int = 1,
    encoding: Encoding = "numbers",
    with_labels: bool = True,
) -> DataStream:
    """Look at a source and return what yields its rows.

    Parameters
    ----------
    source, target, unlabeled, id_column, min_rows
        As for :func:`load_dataset`. Labels in a file of their own are read as a whole.
    features
        Columns of a file that are features whatever they are called, as far as they exist.
    own_target
        Column that is the labels if it exists, is no feature, and none is named.
    encoding
        What features may be: complete numbers, or columns of a fitted :class:`aaetools.columns.ColumnCodec`. What kind
        a column is cannot be told from a chunk of it.
    with_labels
        Whether labels come with the rows. They are checked in any case, but reading text takes its time.

    Raises
    ------
    DataError
        If the source cannot be read, or if columns, labels or row ids cannot be used. What is wrong with a feature is
        told when its rows are read.

    Examples
    --------
    >>> from aaetools.datasets import open_stream
    >>> iris = open_stream("iris")
    >>> iris.n_rows, [part.n_rows for part in iris.parts(100)]
    (150, [100, 50])
    """
    path = Path(os.path.expanduser(source))
    if (isinstance(source, str) and source in DATASETS) or not os.path.exists(path):
        dataset = load_dataset(source, target=target, unlabeled=unlabeled, id_column=id_column, min_rows=min_rows)
        return _in_memory(dataset if with_labels else replace(dataset, y=None))
    table, target = _with_labels(open_chunks(path), target, id_column)
    # an array of features needs no such help, and arrays beside it are none
    present = set() if table.has_block else set(table.names)
    certain = [name for name in features if name in present]
    if target is None and own_target in table.names and own_target not in certain:
        target = own_target
    check_table(table, min_rows)
    roles = find_roles(table, target=target, id_column=id_column, features=certain)
    check_unlabeled(table, roles, unlabeled)
    codes, lookup = CellCodes(), None
    if roles.target is not None:
        codes = label_codes(table, roles.target)
        lookup = labels_of_cells(table, roles.target, unlabeled, codes.cells)
    if roles.id_column is not None:
        check_row_ids(table, roles.id_column)

    wanted = None
    if not with_labels and not table.has_block:
        wanted = [name for name in table.names if name != roles.target]

    def checked(chunk: Table) -> Dataset:
        y = None
        if with_labels and lookup is not None and roles.target is not None:
            y = lookup[codes.see(chunk.columns[roles.target], chunk.first_row)]
        return dataset_of(chunk, roles, y, encoding)

    given = [] if lookup is None else zip(lookup[:-1].tolist(), codes.cells.first_rows, strict=True)
    return DataStream(
        source=str(path),
        n_rows=table.n_rows,
        target_name=roles.target,
        labels=tuple((label, row) for label, row in given if not _is_gap(label)),
        chunk_size=table.chunk_size,
        chunks=lambda n_rows: table.chunks(n_rows, wanted),
        checked=checked,
    )


def _is_gap(label: Any) -> bool:
    """Tell whether an entry of :attr:`Dataset.y` stands for no label."""
    return label is None or (label == -1 and not isinstance(label, bool))


def _in_memory(dataset: Dataset) -> DataStream:
    import numpy as np

    first_rows: dict[Any, int] = {}
    for row, label in enumerate([] if dataset.y is None else dataset.y.tolist()):
        first_rows.setdefault(label, row)

    def chunks(n_rows: int) -> Iterator[Dataset]:
        for start in range(0, dataset.n_rows, n_rows):
            rows = slice(start, start + n_rows)
            y = None if dataset.y is None else dataset.y[rows]
            X = dataset.X[rows] if isinstance(dataset.X, np.ndarray) else dataset.X.iloc[rows]
            yield replace(dataset, X=X, y=y, row_ids=dataset.row_ids[rows])

    return DataStream(
        source=dataset.source or dataset.name,
        n_rows=dataset.n_rows,
        target_name=dataset.target_name,
        labels=tuple((label, row) for label, row in first_rows.items() if not _is_gap(label)),
        chunk_size=chunk_size(dataset.n_features),
        chunks=chunks,
        checked=lambda part: part,
    )


def _with_labels(table: TableChunks, target: str | None, id_column: str | None) -> tuple[TableChunks, str | None]:
    """Add the labels of a file, as :func:`with_labels` does to a whole table; they are kept in memory."""
    import pandas as pd

    if target is None or not is_label_file(table, target):
        return table, target
    labels, name, key = read_label_file(table, target, id_column)
    kept = [] if key is None else id_columns(table, key)
    keys = pd.DataFrame(index=range(table.n_rows))
    if kept:
        keys = pd.concat([part.columns[kept] for part in table.chunks(table.chunk_size, kept)], ignore_index=True)
    found = match_labels(Table(path=table.path, columns=keys, locate=table.locate), labels, name, key)
    position = label_position(table)

    def chunks(n_rows: int, columns: Collection[str] | None) -> Iterator[Table]:
        if columns is not None and set(columns) == {name}:
            for start in range(0, table.n_rows, n_rows):
                only = found.iloc[start : start + n_rows].reset_index(drop=True).to_frame(name)
                yield Table(path=table.path, columns=only, text=labels.text, locate=table.locate, first_row=start)
            return
        for part in table.chunks(n_rows, columns):
            frame = part.columns.copy(deep=False)
            these = found.iloc[part.first_row : part.first_row + part.n_rows].reset_index(drop=True)
            frame.insert(min(position, frame.shape[1]), name, these)
            yield replace(part, columns=frame, text=labels.text)

    names = [*table.names[:position], name, *table.names[position:]]
    return replace(table, column_names=tuple(names), chunks=chunks, text=labels.text), name
