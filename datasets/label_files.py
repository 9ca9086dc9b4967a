"""Labels that lie in a file of their own, matched with the rows of a table."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaetools.datasets.files import read_file, suffix_of
from aaetools.datasets.messages import listing, quote
from aaetools.datasets.tables import ID_NAMES, LABEL_NAMES, SAVED_INDEX_NAMES, Columns, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["id_columns", "is_label_file", "label_position", "match_labels", "read_label_file", "with_labels"]


def with_labels(table: Table, target: str | None, id_column: str | None = None) -> tuple[Table, str | None]:
    """Add the labels of a file to a table if ``target`` is no column of it but such a file.

    If the file has a column of row ids (``id_column``, else one called id or row_id), labels go to the rows with
    those ids, and the other rows are unlabelled. Else there is one label per row, in the order of the rows.

    Parameters
    ----------
    table
        The rows.
    target
        What the user named: a column, or the path of a file.
    id_column
        Column of row ids, in the table and in the file.

    Returns
    -------
    table
        With one more column if ``target`` is a file, else as it is.
    column
        Name of the label column; ``target`` if that is no file.

    Raises
    ------
    DataError
        If the file cannot be read, has not one label per row, or names rows that the table has not.
    """
    if target is None or not is_label_file(table, target):
        return table, target
    labels, name, key = read_label_file(table, target, id_column)
    found = match_labels(table, labels, name, key)
    columns = table.columns.copy()
    columns.insert(label_position(table), name, found)
    return replace(table, columns=columns, text=labels.text), name


def is_label_file(table: Columns, target: str) -> bool:
    """Tell whether a target is no column of a table but a file that is there."""
    if target in table.names or target in table.unusable:
        return False
    return suffix_of(Path(target)) is not None and os.path.isfile(os.path.expanduser(target))


def read_label_file(table: Columns, target: str, id_column: str | None) -> tuple[Table, str, str | None]:
    """Read a file of labels; return it, the name of its labels, and that of its row ids if it has any."""
    labels = read_file(Path(os.path.expanduser(target)), labels=True)
    ids = [name for name in labels.names if name == id_column or (id_column is None and name.lower() in ID_NAMES)]
    name = _label_column(labels, ids)
    if name in table.names or name in table.block_names:
        raise labels.error(f"{quote(table.path)} has a column of this name too; rename one", column=name)
    return labels, name, ids[0] if ids else None


def match_labels(table: Table, labels: Table, name: str, key: str | None) -> pd.Series[Any]:
    """Return a label per row of a table, of which only the columns of row ids are looked at."""
    return _by_order(table, labels, name) if key is None else _by_id(table, labels, key, name)


def label_position(table: Columns) -> int:
    """Return where a column of labels goes: last, but before an index that pandas saved, known by its place."""
    return len(table.names) - (table.names[-1:] == [SAVED_INDEX_NAMES[1]])


def id_columns(table: Columns, key: str) -> list[str]:
    """Return the columns of a table that may hold the ids that a file of labels has in its column ``key``."""
    return [column for column in table.names if column == key] or [
        column for column in table.names if column.lower() in ID_NAMES
    ]


def _label_column(labels: Table, ids: list[str]) -> str:
    """Return the one column that can be the labels."""
    others = [name for name in labels.names if name not in ids and name not in SAVED_INDEX_NAMES]
    called = [name for name in others if name.lower() in LABEL_NAMES]
    for names in (others, called):
        if len(names) == 1:
            return names[0]
    held = listing(others) or "none"
    raise labels.error(f"must have one column of labels, and one of row ids if it likes; it has {held}")


def _by_order(table: Table, labels: Table, name: str) -> pd.Series[Any]:
    if labels.n_rows != table.n_rows:
        raise labels.error(
            f"{labels.n_rows:,} labels for the {table.n_rows:,} rows of {quote(table.path)}; "
            "give one per row, or a column of row ids"
        )
    return labels.columns[name].set_axis(table.columns.index if table.block is None else range(table.n_rows))


def _by_id(table: Table, labels: Table, key: str, name: str) -> pd.Series[Any]:
    import pandas as pd

    own = id_columns(table, key)
    if not own:
        raise labels.error(f"{quote(table.path)} has no such column to match rows by; add it there", column=key)
    keys = labels.columns[key]
    for bad, problem in ((keys.isna(), "row id is missing"), (keys.duplicated(), "row id occurs more than once")):
        if bad.any():
            raise labels.error(problem, row=int(bad.to_numpy().argmax()), column=key)
    rows = table.columns[own[0]].astype(str)
    known = keys.astype(str).isin(set(rows)).to_numpy()
    if not known.all():
        row = int((~known).argmax())
        raise labels.error(f"{quote(table.path)} has no row with the id {quote(keys.iloc[row])}", row=row, column=key)
    by_id = pd.Series(labels.columns[name].astype(object).to_numpy(), index=keys.astype(str).to_numpy())
    return by_id.reindex(rows.to_numpy()).set_axis(table.columns.index)
