"""From named columns to a :class:`Dataset`: which column is what, and whether its cells can be used.

Everything here is blind to file formats; every complaint names the file, the row and the column.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeAlias

from aaetools.datasets.dataset import Dataset
from aaetools.datasets.messages import did_you_mean, listing, quote, quote_path
from aaetools.exceptions import DataError, LabelError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from aaetools.columns import ColumnCodec

__all__ = [
    "ID_NAMES",
    "LABEL_NAMES",
    "MAX_FEATURES",
    "MAX_MAGNITUDE",
    "NA_WORDS",
    "Columns",
    "DistinctCells",
    "Encoding",
    "Roles",
    "Table",
    "check_table",
    "check_unlabeled",
    "dataset_of",
    "find_roles",
    "is_text",
    "labels_of_cells",
    "read_labels",
    "repeated_id",
    "row_position",
    "to_dataset",
]

LABEL_NAMES = ("label", "labels", "target", "class", "y")
"""Columns taken as the labels when none is named (case is ignored)."""

ID_NAMES = ("id", "row_id")
"""Columns taken as row identifiers when none is named (case is ignored)."""

NA_WORDS = ("", "NA", "N/A", "NaN", "nan", "<NA>", "#N/A", "NULL", "null")
"""Cells of a text file that count as empty; "None" does not, because it is a common class."""

SAVED_INDEX_NAMES = ("", "__index_level_0__")
"""How a data frame's unnamed index appears in csv and parquet files."""

MAX_MAGNITUDE = 1e30
"""Largest absolute value of a feature: its square still fits into float32 sums after scaling."""

MAX_EXACT_INTEGER = 2**53 - 1
"""Largest integer feature: beyond it floats skip integers, and such numbers are identifiers anyway."""

MAX_FEATURES = 1_000_000

Encoding: TypeAlias = "Literal['auto', 'numbers'] | ColumnCodec"
"""What features may be, see :func:`dataset_of`."""

_BLOCK_CELLS = 2**22
_CACHED_CELLS = 2**18
"""Cells that stay in a processor's cache while they are checked."""


def row_position(row: int) -> str:
    """Return a row number in words, where nothing better is known.

    Examples
    --------
    >>> row_position(7)
    'row 7 (counted from 0)'
    """
    return f"row {row} (counted from 0)"


class Columns(ABC):
    """What is known of the columns of a file, whether it was read as a whole or is read in chunks.

    Attributes
    ----------
    path
        The file, for messages.
    block_names
        One feature name per column of a block of numbers which are all features; empty where there is no block.
    unusable
        Columns that exist but cannot be labels or row ids: name to reason.
    text
        Whether cells were text, so that types are guesses: "-1" among words is unlabelled too, and labels
        that are all numbers once the unlabelled cells are gone become integers.
    """

    path: Path
    block_names: tuple[str, ...]
    unusable: Mapping[str, str]
    text: bool

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Names of the columns; any of them can be the labels or the row ids, and where there is no block, features."""

    @property
    @abstractmethod
    def n_rows(self) -> int:
        """Number of rows."""

    @property
    @abstractmethod
    def has_block(self) -> bool:
        """Whether the features are a block of numbers, so that no named column is one."""

    @abstractmethod
    def has_fractions(self, name: str) -> bool:
        """Tell whether a column is of floats and one of them is no whole number."""

    @abstractmethod
    def is_index(self, name: str) -> bool:
        """Tell whether the cells of a column are integers or text, other in every row."""

    @abstractmethod
    def place(self, row: int) -> str:
        """Return a row number counted from 0 in words, such as "line 7"."""

    def error(self, problem: str, *, row: int | None = None, column: str | None = None) -> DataError:
        """Return a :class:`DataError` that names the file, the row and the column."""
        return DataError(self._complaint(problem, row, column))

    def label_error(self, problem: str, *, row: int | None = None, column: str) -> LabelError:
        """Return a :class:`LabelError` that names the file, the row and the column."""
        return LabelError(self._complaint(problem, row, column))

    def _complaint(self, problem: str, row: int | None, column: str | None) -> str:
        place = [] if row is None else [self.place(row)]
        if column is not None:
            place.append(f"column {quote(column)}")
        return f"{quote_path(self.path)}: {', '.join(place)}{': ' if place else ''}{problem}"


@dataclass(frozen=True, eq=False)
class Table(Columns):
    """What a reader found in a file, or the rows of one chunk of it.

    Attributes
    ----------
    path
        The file, for messages.
    columns
        Named columns; any of them can be the labels or the row ids, and the rest are features. If there is a
        ``block``, none of them is a feature.
    block
        Numbers of shape (n_rows, n_features) which are all features, or None.
    block_names
        One feature name per column of ``block``.
    image_shape
        Shape of a row of ``block`` before it was flattened, or None.
    unusable
        Columns that exist but cannot be labels or row ids: name to reason.
    text
        Whether cells were text, so that types are guesses: "-1" among words is unlabelled too, and labels
        that are all numbers once the unlabelled cells are gone become integers.
    locate
        Turns a row number of the file counted from 0 into words, such as "line 7".
    first_row
        Where in the file the rows begin.
    is_chunk
        Whether the file has more rows. What keeps a column from being one of numbers may then be in another chunk.
    """

    path: Path
    columns: pd.DataFrame
    block: NDArray[Any] | None = None
    block_names: tuple[str, ...] = ()
    image_shape: tuple[int, ...] | None = None
    unusable: Mapping[str, str] = field(default_factory=dict)
    text: bool = False
    locate: Callable[[int], str] = row_position
    first_row: int = 0
    is_chunk: bool = False

    @property
    def names(self) -> list[str]:
        """Names of ``columns``."""
        return [str(name) for name in self.columns.columns]

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.columns) if self.block is None else len(self.block)

    @property
    def has_block(self) -> bool:
        """Whether the features are a block of numbers."""
        return self.block is not None

    def has_fractions(self, name: str) -> bool:
        """Tell whether a column is of floats and one of them is no whole number."""
        import numpy as np

        column = self.columns[name]
        if column.dtype.kind != "f":
            return False
        values = column.dropna().to_numpy(dtype=np.float64)
        return bool((values != np.round(values)).any())

    def is_index(self, name: str) -> bool:
        """Tell whether the cells of a column are integers or text, other in every row."""
        column = self.columns[name]
        return column.dtype.kind in "iuO" and bool(column.is_unique)

    def place(self, row: int) -> str:
        """Return a row number of this table counted from 0 in words, such as "line 7"."""
        return self.locate(self.first_row + row)


def to_dataset(
    table: Table,
    *,
    target: str | None = None,
    unlabeled: str | int | None = None,
    id_column: str | None = None,
    features: Collection[str] = (),
    min_rows: int = 2,
    encoding: Encoding = "auto",
) -> Dataset:
    """Pick labels, row ids and features from a table and check every cell.

    Parameters
    ----------
    table
        What a reader found.
    target
        Name of the label column. None takes the one that is called as in :data:`LABEL_NAMES`, if there is
        one; a column "y" of fractions is a coordinate and stays a feature.
    unlabeled
        Category that stands for "unlabelled", besides empty cells and -1.
    id_column
        Name of the column of row ids. None takes the one that is called as in :data:`ID_NAMES`, or a saved
        index without a name, if there is one.
    features
        Columns that are features whatever they are called, never taken as labels or row ids by their name.
        The columns that are not named here are sorted out as ever.
    min_rows
        Fewer rows than this are refused; none always are.
    encoding
        As for :func:`dataset_of`.

    Raises
    ------
    DataError
        If a column is missing or a cell cannot be used.
    """
    check_table(table, min_rows)
    roles = find_roles(table, target=target, id_column=id_column, features=features)
    check_unlabeled(table, roles, unlabeled)
    y = None if roles.target is None else read_labels(table, roles.target, unlabeled)
    return dataset_of(table, roles, y, encoding)


def check_table(table: Columns, min_rows: int) -> None:
    """Refuse names that are no names, and too few rows; the beginning of :func:`to_dataset`."""
    _check_names(table)
    _check_rows(table, min_rows)


def check_unlabeled(table: Columns, roles: Roles, unlabeled: str | int | None) -> None:
    """Refuse a category of labels where there are no labels."""
    if unlabeled is not None and roles.target is None:
        raise table.error(f"unlabeled={quote(unlabeled)} needs a label column; name it with target=")


def dataset_of(table: Table, roles: Roles, y: NDArray[Any] | None, encoding: Encoding = "auto") -> Dataset:
    """Check features and row ids, and put them together with the labels; the end of :func:`to_dataset`.

    Parameters
    ----------
    table
        All rows, or those of one chunk.
    roles
        From :func:`find_roles`.
    y
        The labels of these rows.
    encoding
        What features may be. "auto": where all are complete numbers, a matrix of them; else a data frame of numbers,
        booleans, dates and categories with gaps, read by :func:`aaetools.columns.read_column`. "numbers": complete
        numbers only. A codec: what its columns are, whatever they look like in these rows.
    """
    others = {roles.target, roles.id_column, roles.saved_index}
    names = tuple(name for name in table.names if name not in others)
    X: NDArray[np.float32] | pd.DataFrame
    if table.block is None and encoding != "numbers" and (encoding != "auto" or _is_mixed(table, names)):
        X = _mixed_features(table, names, encoding)
    else:
        names, X = _features(table, others)
    return Dataset(
        name=Path(table.path.name.removesuffix(".gz")).stem,
        X=X,
        y=y,
        feature_names=names,
        target_name=roles.target,
        image_shape=table.image_shape,
        row_ids=_row_ids(table, roles.id_column),
        source=str(table.path),
    )


def _check_names(table: Columns) -> None:
    """Refuse two columns of the same name, of which none can be meant, and names that no file can hold."""
    seen: set[str] = set()
    for name in (*table.names, *table.block_names):
        if not is_text(name):
            raise table.error("the name holds half of a surrogate pair, which is no character; rename it", column=name)
    for name in table.names:
        if name in seen:
            raise table.error("the name occurs more than once; rename or drop one of the columns", column=name)
        seen.add(name)


def is_text(text: str) -> bool:
    """Tell whether a string is proper Unicode, which half of a surrogate pair alone is not."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _check_rows(table: Columns, min_rows: int) -> None:
    if table.n_rows == 0:
        raise table.error("holds no rows")
    if table.n_rows < min_rows:
        held = "one row" if table.n_rows == 1 else f"{table.n_rows} rows"
        raise table.error(f"holds only {held}; at least {min_rows} are needed")


# Which column is what


@dataclass(frozen=True)
class Roles:
    """Names of the columns that are no features, None where there is none.

    ``saved_index`` is a data frame's index that was saved as a column; it is the row ids unless another column is.
    """

    target: str | None
    id_column: str | None
    saved_index: str | None


def find_roles(
    table: Columns, *, target: str | None = None, id_column: str | None = None, features: Collection[str] = ()
) -> Roles:
    """Say which columns are labels and row ids; parameters as for :func:`to_dataset`.

    Raises
    ------
    DataError
        If a column that was named does not exist, or if more than one may be meant.
    """
    certain = _certain_features(table, features, target, id_column)
    target = _find_target(table, target, certain)
    saved_index = _saved_index(table)
    return Roles(target, _find_ids(table, id_column, saved_index, target, certain), saved_index)


def _named(table: Columns, name: str, what: str) -> str:
    """Return ``name`` if there is such a column that can be used."""
    if name in table.names:
        return name
    if name in table.unusable:
        raise table.error(f"cannot be the {what}: it {table.unusable[name]}", column=name)
    known = [*table.names, *table.unusable]
    raise table.error(
        f"no column {quote(name)} to use as the {what}{did_you_mean(name, known)} "
        f"({'there is no other column' if not known else f'columns: {listing(known)}'})"
    )


def _certain_features(
    table: Columns, features: Collection[str], target: str | None, id_column: str | None
) -> frozenset[str]:
    """Return the columns that may not be guessed to be anything but features; check that they exist."""
    known = list(table.block_names) if table.has_block else table.names
    existing = set(known)
    for name in features:
        if name not in existing:
            raise table.error(
                f"no column {quote(name)} to use as a feature{did_you_mean(name, known)} (columns: {listing(known)})"
            )
    if table.has_block:  # its features are an array of their own, whatever stands beside it
        return frozenset()
    for column, what in ((target, "the labels"), (id_column, "the row ids")):
        if column is not None and column in features:
            raise table.error(f"cannot be both {what} and a feature", column=column)
    return frozenset(features)


def _find_target(table: Columns, target: str | None, certain: Collection[str]) -> str | None:
    if target is not None:
        return _named(table, target, "labels")
    for name, reason in table.unusable.items():
        if name.lower() in LABEL_NAMES:
            raise table.error(f"looks like the labels by its name, but it {reason}", column=name)
    found = [
        name
        for name in table.names
        if name.lower() in LABEL_NAMES and name not in certain and not _is_coordinate(table, name)
    ]
    if len(found) > 1:
        problem = f"more than one column may hold the labels ({listing(found)})"
        raise table.error(f"{problem}; name it with target= and drop the others")
    return found[0] if found else None


def _is_coordinate(table: Columns, name: str) -> bool:
    """Tell whether a column is called "y" and holds fractions: a coordinate or a measure, but no classes."""
    return name.lower() == "y" and not table.has_block and table.has_fractions(name)


def _saved_index(table: Columns) -> str | None:
    """Return the first column if it is a data frame's saved index; refuse any other column without a name."""
    for position, name in enumerate(table.names):
        if name not in SAVED_INDEX_NAMES:
            continue
        place = 0 if name == "" else len(table.names) - 1  # csv has it first, parquet last
        if position == place and table.is_index(name):
            return name
        raise table.error(f"column {position + 1} has no name; name it or drop it")
    return None


def _find_ids(
    table: Columns,
    id_column: str | None,
    saved_index: str | None,
    target: str | None,
    certain: Collection[str],
) -> str | None:
    if id_column is not None:
        if id_column == target:
            raise table.error("cannot be both the labels and the row ids", column=id_column)
        return _named(table, id_column, "row ids")
    found = [name for name in table.names if name.lower() in ID_NAMES and name != target and name not in certain]
    if len(found) > 1:
        raise table.error(f"more than one column may hold row ids ({listing(found)}); name it with id_column=")
    return found[0] if found else saved_index


def _row_ids(table: Table, name: str | None) -> NDArray[Any]:
    """Return the row ids: integers, or strings in an object array; positions if there is no such column."""
    import numpy as np

    if name is None:
        return np.arange(table.first_row, table.first_row + table.n_rows)
    column = table.columns[name]
    missing = column.isna().to_numpy()
    if missing.any():
        raise table.error("row id is missing; fill it or drop the column", row=int(missing.argmax()), column=name)
    # of a file in chunks all rows were asked before
    repeated = np.zeros(0, dtype=bool) if table.is_chunk else column.duplicated().to_numpy()
    if repeated.any():
        second = int(repeated.argmax())
        value = column.iloc[second]
        raise repeated_id(table, name, value, int((column == value).to_numpy().argmax()), second)
    if column.dtype.kind in "iu":
        return column.to_numpy()
    if column.dtype.kind in "fcb":
        raise table.error("row ids must be integers or text; name another with id_column=", column=name)
    return np.array([str(value) for value in column], dtype=object)


def repeated_id(table: Columns, name: str, value: object, first: int, second: int) -> DataError:
    """Return the error that says that two rows have the same id."""
    return table.error(
        f"row id {quote(value)} is the same as at {table.place(first)}; ids must differ, "
        "so name another column with id_column=, or drop or rename this one",
        row=second,
        column=name,
    )


# Labels


@dataclass(frozen=True, eq=False)
class DistinctCells:
    """The different cells of a column, in the order in which they first occur.

    Attributes
    ----------
    values
        Each of them once, without missing ones.
    first_rows
        Where each is found first, counted from 0.
    gaps
        Whether a cell is missing.
    """

    values: list[Any]
    first_rows: list[int]
    gaps: bool


def read_labels(table: Table, name: str, unlabeled: str | int | None) -> NDArray[Any] | None:
    """Return labels as in :class:`Dataset`; None if every row is unlabelled.

    Works on the distinct values, of which there are few, and spreads the result over the rows.
    """
    import numpy as np
    import pandas as pd

    codes, uniques = pd.factorize(table.columns[name])
    codes = np.asarray(codes)  # -1 where the cell is missing
    first_rows = np.zeros(len(uniques) + 1, dtype=np.int64)
    first_rows[codes[::-1]] = np.arange(len(codes))[::-1]  # what is written last stays
    cells = DistinctCells(list(uniques), first_rows[:-1].tolist(), bool((codes < 0).any()))
    labels = labels_of_cells(table, name, unlabeled, cells)
    return None if labels is None else labels[codes]


def labels_of_cells(
    table: Columns, name: str, unlabeled: str | int | None, cells: DistinctCells
) -> NDArray[Any] | None:
    """Return the label that each distinct cell stands for, and last that of a missing one; None if none is a label.

    Raises
    ------
    LabelError
        If they are no labels, not of one kind, or leave it open what is unlabelled.
    """
    import numpy as np

    values = [_plain(value) for value in cells.values]
    if table.text:
        values = _retyped(values, unlabeled)
    found = any(_matches(value, unlabeled) for value in values)
    found = found or (table.text and str(unlabeled) in NA_WORDS and cells.gaps)
    if unlabeled is not None and not found:
        raise table.label_error(
            f"unlabeled={quote(unlabeled)} does not occur{did_you_mean(str(unlabeled), values)} "
            f"(values: {listing(values)})",
            column=name,
        )
    marks = [_is_unlabeled(value, unlabeled, text=table.text) for value in values]
    labels = [None if mark else value for value, mark in zip(values, marks, strict=True)]
    kind = _label_kind(table, name, labels, cells.first_rows)
    if kind is None:
        return None
    if kind is int:
        _check_minus_one(table, name, values, unlabeled)
    gap = -1 if kind is int else None
    complete = kind is bool and not any(marks) and not cells.gaps
    lookup = np.empty(len(values) + 1, dtype=np.int64 if kind is int else bool if complete else object)
    lookup[:-1] = [gap if mark else value for value, mark in zip(values, marks, strict=True)]
    lookup[-1] = gap
    return lookup


def _label_kind(table: Columns, name: str, values: list[Any], first_rows: list[int]) -> type | None:
    """Return bool, int or str, whichever all distinct labels are; None if there is no label.

    ``values[code]`` is a distinct label, None where it stands for unlabelled.
    """

    def refused(problem: str, code: int) -> LabelError:
        return table.label_error(problem, row=first_rows[code], column=name)

    first: dict[type, int] = {}
    for code, value in enumerate(values):
        if value is None:
            continue
        if isinstance(value, float):
            raise refused(f"{value:g} is a measurement, not a class; labels are integers, text or booleans", code)
        if not isinstance(value, bool | int | str):
            raise refused(f"{quote(value)} cannot be a label; labels are integers, text or booleans", code)
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise refused(f"{value} is too large for a label; use smaller integers or text", code)
        first.setdefault(type(value), code)
    if len(first) > 1:
        one, other = list(first.values())[:2]
        raise refused(f"mixes {quote(values[one])} and {quote(values[other])}; use one kind of labels", other)
    return next(iter(first), None)


def _plain(value: Any) -> Any:
    """Turn a cell into Python's own bool, int, float or stripped text; whole floats become integers.

    Integers with missing cells arrive as floats, hence the last rule.
    """
    import numpy as np

    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return int(value) if np.isfinite(value) and value == np.round(value) else float(value)
    return value.strip() if isinstance(value, str) else value


def _retyped(values: list[Any], unlabeled: str | int | None) -> list[Any]:
    """Read words from a text file as numbers or booleans if all of them are, apart from unlabelled marks.

    A column "0, 1, unknown" comes as words only because of its "unknown".
    """
    if not all(isinstance(value, str) for value in values):
        return values
    words = [value for value in values if value and not _matches(value, unlabeled)]
    booleans = {"true": True, "false": False}
    for read in (lambda word: booleans[word.lower()], _number):
        try:
            typed = {word: read(word) for word in words}
        except (KeyError, ValueError):
            continue
        return [typed.get(value, value) for value in values]
    return values


def _number(word: str) -> Any:
    if "_" in word:  # Python reads 1_000 as a number, nobody else does
        raise ValueError(word)
    try:
        return int(word)
    except ValueError:
        return _plain(float(word))


def _matches(value: Any, unlabeled: str | int | None) -> bool:
    """Tell whether a label value is the category that was named as unlabelled."""
    return value is not None and unlabeled is not None and str(value) == str(unlabeled).strip()


def _is_unlabeled(value: Any, unlabeled: str | int | None, *, text: bool) -> bool:
    """Tell whether a distinct label value stands for "unlabelled"."""
    if value is None or value == "":
        return True
    if _matches(value, unlabeled):
        return True
    return not isinstance(value, bool) and (value == -1 or (text and value == "-1"))


def _check_minus_one(table: Columns, name: str, values: list[Any], unlabeled: str | int | None) -> None:
    """Refuse integer labels where -1 may have been meant as a class."""
    labels = {value for value in values if isinstance(value, int)}
    if labels == {-1, 1} and unlabeled is None:
        raise table.label_error(
            "holds only -1 and 1; -1 means unlabelled, so recode the classes (as 0 and 1), "
            "or say unlabeled=-1 if there is just one class",
            column=name,
        )
    if -1 in labels and unlabeled is not None and str(unlabeled).strip() != "-1":
        raise table.label_error(
            f"-1 means unlabelled, but unlabeled={quote(unlabeled)} was named; recode the class -1",
            column=name,
        )


# Features


def _is_mixed(table: Table, names: Collection[str]) -> bool:
    """Tell whether a feature is more than complete numbers."""
    from pandas.api import types

    return any(
        not types.is_numeric_dtype(values.dtype) or types.is_bool_dtype(values.dtype) or bool(values.isna().any())
        for values in (table.columns[name] for name in names)
    )


def _mixed_features(table: Table, names: tuple[str, ...], encoding: Encoding) -> pd.DataFrame:
    """Return features in the types of their kinds; those that a codec does not know as they are."""
    import pandas as pd

    from aaetools.columns import ColumnError, read_column

    known = {} if isinstance(encoding, str) else {column.name: column for column in encoding.columns}
    features: dict[str, pd.Series[Any]] = {}
    _check_number_of(table, names)
    for name in names:
        values = table.columns[name]
        try:
            if isinstance(encoding, str):
                features[name] = read_column(values, name)
            else:
                features[name] = known[name].read(values) if name in known else values
        except ColumnError as error:
            raise table.error(error.problem, row=error.row, column=name) from None
    return pd.DataFrame(features)


def _check_number_of(table: Table, names: Collection[str]) -> None:
    if not names:
        raise table.error("has no feature columns beside the labels and row ids")
    if len(names) > MAX_FEATURES:
        raise table.error(f"has {len(names):,} feature columns; at most {MAX_FEATURES:,} are supported")


def _features(table: Table, exclude: set[str | None]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Return feature names and checked float32 features of shape (n_rows, n_features)."""
    import numpy as np

    if table.block is not None:
        names, kinds = table.block_names, table.block.dtype.kind * table.block.shape[1]
    else:
        names = tuple(name for name in table.names if name not in exclude)
        kinds = "".join(_feature_kind(table, name) for name in names)
    _check_number_of(table, names)
    positions = [position for position, name in enumerate(table.names) if name not in exclude]
    limits = np.array([MAX_EXACT_INTEGER if kind in "iu" else MAX_MAGNITUDE for kind in kinds])
    X = np.empty((table.n_rows, len(names)), dtype=np.float32)
    block = _chunk_block(table, exclude) if table.block is None else table.block
    # what is float32 already is handed on as it is
    if table.is_chunk and block is not None and block.dtype == np.float32 and _is_usable(block):
        return names, block
    step = max(1, (_BLOCK_CELLS if block is None else _CACHED_CELLS) // len(names))
    # block by block, so that a large table is not held in float64 as a whole
    for start in range(0, table.n_rows, step):
        rows = slice(start, start + step)
        if block is None:
            part = table.columns.iloc[rows, positions].to_numpy(dtype=np.float64, na_value=np.nan)
        else:
            # long doubles may become infinite and odd NaNs complain; both are refused below
            with np.errstate(over="ignore", invalid="ignore"):
                part = block[rows].astype(np.float64)
        usable = np.abs(part) <= limits  # False for NaN
        if not usable.all():
            row, column = (int(index) for index in np.argwhere(~usable)[0])
            _refuse_cell(table, part[row, column], kinds[column], start + row, names[column])
        X[rows] = part
    return names, X


def _chunk_block(table: Table, exclude: set[str | None]) -> NDArray[Any] | None:
    """Return a chunk's features as one array, for nothing if they lie in one already; None for unlike types."""
    import numpy as np

    if not table.is_chunk:  # a large table could have to be copied as a whole
        return None
    features = table.columns.drop(columns=[name for name in table.names if name in exclude])
    types = set(features.dtypes)
    alike = len(types) == 1 and all(isinstance(kind, np.dtype) and kind.kind in "iuf" for kind in types)
    return features.to_numpy() if alike else None


def _is_usable(block: NDArray[np.float32]) -> bool:
    """Tell whether all numbers are finite and none is too large, without a copy of them."""
    import numpy as np

    with np.errstate(invalid="ignore"):
        lowest, highest = float(block.min()), float(block.max())
    return lowest >= -MAX_MAGNITUDE and highest <= MAX_MAGNITUDE  # False for NaN


def _feature_kind(table: Table, name: str) -> str:
    """Return "b", "i", "u" or "f" for a column of booleans or numbers; refuse any other."""
    from pandas.api import types

    column = table.columns[name]
    if types.is_bool_dtype(column.dtype):
        return "b"
    if types.is_unsigned_integer_dtype(column.dtype):
        return "u"
    if types.is_integer_dtype(column.dtype):
        return "i"
    if types.is_float_dtype(column.dtype):
        return "f"
    _refuse_column(table, name)
    return "f"


def _refuse_column(table: Table, name: str) -> None:
    """Explain which cell keeps a column from being a feature; say nothing if it is in another chunk."""
    for row, value in enumerate(table.columns[name].astype(object)):
        if isinstance(value, bool):  # a column of booleans is here only for its missing cells
            continue
        if value is None or value != value:
            raise table.error("missing value; fill it or drop the row", row=row, column=name)
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise table.error(
                f"{quote(value)} is not a number; correct it, drop the column or encode it as numbers, "
                "or name it with target= or id_column=",
                row=row,
                column=name,
            ) from None
        whole = isinstance(value, int) or str(value).strip().lstrip("+-").isdigit()
        if abs(number) > (MAX_EXACT_INTEGER if whole else MAX_MAGNITUDE):  # too long to be read as a number
            _refuse_cell(table, number, "i" if whole else "f", row, name)
    if not table.is_chunk:
        raise table.error("mixes numbers with other values; encode the column as numbers or drop it", column=name)


def _refuse_cell(table: Table, value: float, kind: str, row: int, name: str) -> NoReturn:
    """Explain why a number cannot be used."""
    if value != value:
        problem = "missing value (empty or NaN); fill it or drop the row"
    elif abs(value) == float("inf"):
        problem = "infinite value; replace it or drop the row"
    elif kind in "iu":
        problem = f"{value:.0f} is beyond 2^53; if it is an identifier, drop the column or name it with id_column="
    else:
        problem = f"{value:g} is larger than {MAX_MAGNITUDE:g}; rescale the column or drop the row"
    raise table.error(problem, row=row, column=name)
