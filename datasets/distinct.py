"""What concerns a column as a whole, found chunk by chunk: its different cells, and whether one occurs twice."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from aaetools.datasets.chunks import TableChunks
from aaetools.datasets.tables import DistinctCells, repeated_id

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["CellCodes", "check_row_ids", "first_repeated", "label_codes"]

_MOST_LABELS = 1_000_000
"""Different cells from which on a column is none of labels; they are kept in memory."""


class CellCodes:
    """Numbers the cells of a column in the order of their first occurrence, chunk after chunk."""

    def __init__(self) -> None:
        self._codes: dict[Any, int] = {}
        self._first_rows: list[int] = []
        self._gaps = False

    def __len__(self) -> int:
        return len(self._codes)

    @property
    def cells(self) -> DistinctCells:
        """The different cells seen so far."""
        return DistinctCells(list(self._codes), self._first_rows, self._gaps)

    def see(self, cells: pd.Series[Any], first_row: int) -> NDArray[np.int64]:
        """Return the number of each cell, -1 of a missing one; cells that are new are given the next numbers."""
        import numpy as np
        import pandas as pd

        codes, uniques = pd.factorize(cells)
        codes = np.asarray(codes)
        first = np.zeros(len(uniques) + 1, dtype=np.int64)
        first[codes[::-1]] = np.arange(len(codes))[::-1]  # what is written last stays
        numbers = np.full(len(uniques) + 1, -1, dtype=np.int64)  # the last is that of a missing cell
        for position, cell in enumerate(uniques):
            if cell not in self._codes:
                self._codes[cell] = len(self._codes)
                self._first_rows.append(first_row + int(first[position]))
            numbers[position] = self._codes[cell]
        self._gaps = self._gaps or bool((codes < 0).any())
        return numbers[codes]


def label_codes(table: TableChunks, name: str) -> CellCodes:
    """Go through a column of labels and number its cells.

    Raises
    ------
    LabelError
        If there are too many different ones for labels.
    """
    codes = CellCodes()
    for first_row, cells in table.column(name):
        codes.see(cells, first_row)
        if len(codes) > _MOST_LABELS:
            raise table.label_error(f"over {_MOST_LABELS:,} different values are no labels", column=name)
    return codes


def check_row_ids(table: TableChunks, name: str) -> None:
    """Refuse a column of row ids in which one is missing, occurs twice, or is neither an integer nor text.

    Integers that only rise, as most ids do, cost no memory. Others cost 8 bytes a row: they are compared by 64 bits,
    which are the integer itself or a hash of the text, and what seems to be equal is read again and looked at.

    Raises
    ------
    DataError
        Names the row.
    """
    kinds = set()
    for first_row, cells in table.column(name):
        missing = cells.isna().to_numpy()
        if missing.any():
            row = first_row + int(missing.argmax())
            raise table.error("row id is missing; fill it or drop the column", row=row, column=name)
        kinds.add(cells.dtype.kind)
    found = first_repeated(table, name)
    if found is not None:
        raise repeated_id(table, name, *found)
    if kinds & set("fcb"):
        raise table.error("row ids must be integers or text; name another with id_column=", column=name)


def first_repeated(table: TableChunks, name: str) -> tuple[Any, int, int] | None:
    """Return the first cell of a column that was there before, and the rows of both; None if there is none."""
    import numpy as np

    if _only_rises(table, name):
        return None
    marks = np.empty(table.n_rows, dtype=np.uint64)
    for first_row, cells in table.column(name):
        marks[first_row : first_row + len(cells)] = _marks(cells)
    marks.sort()
    if not (marks[1:] == marks[:-1]).any():
        return None
    # something seems to be equal: only now is it worth the memory to know in which rows
    for first_row, cells in table.column(name):
        marks[first_row : first_row + len(cells)] = _marks(cells)
    order = np.argsort(marks, kind="stable")
    equal = np.flatnonzero(marks[order[1:]] == marks[order[:-1]])
    pairs = np.stack([order[equal], order[equal + 1]], axis=1)
    for first, second in pairs[np.argsort(pairs[:, 1])].tolist():
        one, other = _cell(table, name, first), _cell(table, name, second)
        if one == other:
            return other, first, second
    return None


def _only_rises(table: TableChunks, name: str) -> bool:
    import numpy as np

    last: int | None = None
    for _, cells in table.column(name):
        if cells.dtype.kind not in "iu":
            return False
        values = cells.to_numpy()
        if not (values[1:] > values[:-1]).all() or (last is not None and len(values) and int(values[0]) <= last):
            return False
        last = int(values[-1]) if len(values) else last
    return isinstance(last, int | np.integer)


def _marks(cells: pd.Series[Any]) -> NDArray[np.uint64]:
    """Return 64 bits for each cell, equal where cells are."""
    import numpy as np
    import pandas as pd

    if cells.dtype.kind in "iu":
        return cells.to_numpy().astype(np.uint64)
    values = cells.astype(object).map(str) if cells.dtype.kind == "O" else cells
    return pd.util.hash_array(values.to_numpy(), categorize=False)


def _cell(table: TableChunks, name: str, row: int) -> Any:
    size = table.chunk_size
    chunk = next(islice(table.chunks(size, [name]), row // size, None))
    return chunk.columns[name].iloc[row % size]
