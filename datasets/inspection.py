"""What a data set holds and what may go wrong with it, said before anything is trained."""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aaetools.datasets.load import open_table
from aaetools.datasets.messages import listing, quote
from aaetools.datasets.tables import Roles, Table, find_roles, read_labels, to_dataset
from aaetools.exceptions import DataError, LabelError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from aaetools.datasets.dataset import Dataset


__all__ = ["ClassCount", "ColumnSummary", "DataInspection", "Trouble", "inspect_data"]

MAX_COLUMNS = 2000
"""So many columns are described one by one; all are counted and all features are read."""

FAR = 100
"""A value counts as extreme from so many interquartile ranges from the median on."""

IMBALANCE = 10
"""The largest class is called much larger from so many times the smallest on."""

_SHOWN = 5
"""So many columns are named in one message."""

_LEAST_ROWS = 10
"""Fewer rows than this are refused by a fit; what looks like a rule in them may be chance."""


@dataclass(frozen=True)
class ColumnSummary:
    """One column as it was read.

    Attributes
    ----------
    name, role
        The role is "feature", "labels", "row ids", "index" (saved with the table, not used) or "unused".
    kind
        "whole numbers", "numbers", "booleans", "dates", "text", "empty" or "other".
    n_missing, n_distinct
        Rows without a value, and distinct values in the others.
    lowest, highest
        Of the finite numbers; None for other kinds.
    encoding
        How a feature will be encoded, in words; None for other columns and for what cannot be used. A fit decides on
        its training rows alone, so that a level or gap that occurs in few rows may be missing there.
    """

    name: str
    role: str
    kind: str
    n_missing: int
    n_distinct: int
    lowest: float | None
    highest: float | None
    encoding: str | None = None


@dataclass(frozen=True)
class ClassCount:
    """A class and the number of rows with its label."""

    label: str
    n: int


@dataclass(frozen=True)
class Trouble:
    """Something that makes a fit impossible (``stops``) or its result doubtful; the message names the place."""

    kind: str
    stops: bool
    message: str


@dataclass(frozen=True)
class DataInspection:
    """What was understood of a data set.

    Attributes
    ----------
    source
        As it was given.
    n_rows, n_features
        Rows, and columns that are neither labels nor ids.
    image_shape
        Shape of a row before it was flattened, or None.
    target, id_column
        Columns taken as labels and row ids, or None.
    classes, n_labeled
        Label counts in the order of the classes, and rows with a label.
    scaling
        What ``scaling="auto"`` will choose; None if the data cannot be used.
    columns
        The first 2,000.
    trouble
        What stops a fit first.
    command
        What to type next; None if a fit would refuse the data.
    verdict
        One plain sentence.
    """

    source: str
    n_rows: int
    n_features: int
    image_shape: tuple[int, ...] | None
    target: str | None
    id_column: str | None
    classes: tuple[ClassCount, ...]
    n_labeled: int
    scaling: str | None
    columns: tuple[ColumnSummary, ...]
    trouble: tuple[Trouble, ...]
    command: str | None
    verdict: str


def inspect_data(
    source: str | os.PathLike[str],
    *,
    target: str | None = None,
    unlabeled: str | int | None = None,
    id_column: str | None = None,
    features: Collection[str] = (),
) -> DataInspection:
    """Say what would be made of a data set, and what may go wrong; parameters as for :func:`load_dataset`.

    Cells that a fit would refuse are counted and told here. Sizes are those of the whole data set, and so are all
    counts; distinct values are found by sorting each column once.

    Raises
    ------
    DataError
        If the source cannot be read, holds no rows, or has no such label or id column.

    Examples
    --------
    >>> from aaetools.datasets import inspect_data
    >>> found = inspect_data("iris")
    >>> found.n_rows, found.scaling, found.command
    (150, 'shared', 'aaetools fit iris')
    >>> [trouble.kind for trouble in found.trouble]
    ['duplicated rows']
    """
    table, column = open_table(source, target, id_column)
    if table.n_rows == 0:
        raise table.error("holds no rows")
    roles = find_roles(table, target=column, id_column=id_column, features=features)
    y, dataset, refusal = None, None, None
    try:
        y = None if roles.target is None else read_labels(table, roles.target, unlabeled)
        dataset = to_dataset(
            table, target=column, unlabeled=unlabeled, id_column=id_column, features=features, min_rows=1
        )
    except DataError as error:
        refusal = error
    names, kept = _feature_names(table, roles), []
    trouble: list[Trouble] = []
    codes, counts = _classes(y)
    looks = _Looks(table, codes)
    for position, (name, role, values) in enumerate(_all_columns(table, roles)):
        summary = _summary(name, role, values)
        if position < MAX_COLUMNS:
            kept.append(summary)
        if role == "feature":
            looks.at(summary, values)
    trouble += _sizes(table.n_rows, len(names))
    trouble += looks.found()
    trouble += _about_classes(roles.target, counts)
    scaling = None
    if dataset is not None:
        matrix, scaling, encodings = _encoded(dataset)
        kept = [replace(one, encoding=encodings.get(one.name)) if one.role == "feature" else one for one in kept]
        trouble += _duplicated_rows(matrix, codes)
    # what a reader says of the first bad cell is less than what was said of all of them
    if isinstance(refusal, LabelError) or (refusal is not None and not any(one.stops for one in trouble)):
        trouble.append(Trouble("refused", True, str(refusal)))
    n_labeled = sum(one.n for one in counts)
    trouble.sort(key=lambda one: not one.stops)  # stable: otherwise in the order of the checks
    stopped = any(one.stops for one in trouble)
    command = None if stopped else _command(source, target, unlabeled, id_column)
    return DataInspection(
        source=str(source),
        n_rows=table.n_rows,
        n_features=len(names),
        image_shape=table.image_shape,
        target=roles.target,
        id_column=roles.id_column,
        classes=counts,
        n_labeled=n_labeled,
        scaling=scaling,
        columns=tuple(kept),
        trouble=tuple(trouble),
        command=command,
        verdict=_verdict(table.n_rows, len(names), roles.target, len(counts), n_labeled, trouble),
    )


# Columns


def _encoded(dataset: Dataset) -> tuple[NDArray[np.float32], str, dict[str, str]]:
    """Return features as the networks would see them but for the scaling, that scaling, and how each is encoded."""
    import numpy as np

    from aaetools.columns import ColumnCodec
    from aaetools.preprocessing import choose_scaling

    if isinstance(dataset.X, np.ndarray):
        return dataset.X, choose_scaling(dataset.X), dict.fromkeys(dataset.feature_names, "number")
    codec = ColumnCodec.fit(dataset.X)
    return codec.encode(dataset.X), "standard", {column.name: column.encoding for column in codec.columns}


def _feature_names(table: Table, roles: Roles) -> list[str]:
    if table.block is not None:
        return list(table.block_names)
    others = {roles.target, roles.id_column, roles.saved_index}
    return [name for name in table.names if name not in others]


def _all_columns(table: Table, roles: Roles) -> Iterator[tuple[str, str, pd.Series[Any]]]:
    """Yield name, role and values of each column, the labels first."""
    import pandas as pd

    special = {roles.saved_index: "index", roles.id_column: "row ids", roles.target: "labels"}
    special.pop(None, None)
    other = "feature" if table.block is None else "unused"
    names = sorted(table.names, key=lambda name: name not in special)
    for name in names:
        yield name, special.get(name, other), table.columns[name]
    if table.block is not None:
        for position, name in enumerate(table.block_names):
            yield name, "feature", pd.Series(table.block[:, position])


def _summary(name: str, role: str, values: pd.Series[Any]) -> ColumnSummary:
    import numpy as np
    from pandas.api import types

    n_missing = int(values.isna().sum())
    present = values.dropna()
    try:
        n_distinct = int(present.nunique())
    except TypeError:  # lists and the like
        n_distinct = len(present)
    kind, lowest, highest = "other", None, None
    if len(present) == 0:
        kind = "empty"
    elif types.is_bool_dtype(values.dtype) or set(map(type, present.unique().tolist())) == {bool}:
        kind = "booleans"
    elif types.is_numeric_dtype(values.dtype):
        numbers = present.to_numpy(dtype=np.float64)
        numbers = numbers[np.isfinite(numbers)]
        whole = bool((numbers == np.floor(numbers)).all())
        kind = "whole numbers" if whole else "numbers"
        if len(numbers):
            lowest, highest = float(numbers.min()), float(numbers.max())
    elif types.is_datetime64_any_dtype(values.dtype) or _are_dates(present):
        kind = "dates"
    elif all(isinstance(value, str) for value in present.unique().tolist()):
        kind = "text"
    return ColumnSummary(name, role, kind, n_missing, n_distinct, lowest, highest)


def _are_dates(present: pd.Series[Any]) -> bool:
    from aaetools.columns import ColumnError, read_column

    if isinstance(present.iloc[0], str) and not present.iloc[0][:1].isdigit():  # most words are seen to be none
        return False
    try:
        return bool(read_column(present, "").dtype.kind == "M")
    except ColumnError:
        return False


# Trouble


class _Looks:
    """What is seen of the features one after the other, so that none is held longer than it is looked at."""

    def __init__(self, table: Table, labels: NDArray[np.int64] | None) -> None:
        self.n_rows = table.n_rows
        self.locate = table.locate
        self.labels = labels
        self.is_block = table.block is not None
        self.missing: list[str] = []
        self.refused: list[str] = []
        self.infinite: list[str] = []
        self.constant: list[str] = []
        self.ids: list[str] = []
        self.leaks: list[str] = []
        self.extreme: list[str] = []
        self.first: dict[bytes, str] = {}
        self.copies: list[str] = []

    def at(self, column: ColumnSummary, values: pd.Series[Any]) -> None:
        """Look at one feature."""
        import hashlib

        import numpy as np
        import pandas as pd

        name, n_rows = column.name, self.n_rows
        if column.n_missing and column.kind != "empty":
            where = self._place(self.missing, values.isna().to_numpy())
            self.missing.append(f"{_quoted(name)} ({column.n_missing:,}{where})")
        if column.kind in ("text", "other", "empty"):
            self._read(name, values)
        if column.n_distinct <= 1:
            self.constant.append(name)
            return
        codes = np.asarray(pd.factorize(values)[0]) if self.labels is not None else None
        if codes is not None and self.labels is not None and _same_partition(codes, self.labels):
            self.leaks.append(name)
        if n_rows >= 2 * _LEAST_ROWS and column.n_distinct == n_rows:
            counts = column.kind == "whole numbers" and _span(column) == n_rows - 1
            if counts or column.kind == "text":
                self.ids.append(name)
        if column.kind not in ("whole numbers", "numbers"):
            return
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        if np.isinf(numbers).any():
            self.infinite.append(name)
        finite = numbers[np.isfinite(numbers)]
        low, middle, high = np.quantile(finite, (0.25, 0.5, 0.75))
        far = np.abs(finite - middle) > FAR * (high - low)
        if high > low and far.any():
            worst = finite[np.abs(finite - middle).argmax()]
            self.extreme.append(f"{_quoted(name)} ({int(far.sum()):,}, as {worst:g}; the median is {middle:g})")
        key = hashlib.blake2b((numbers + 0.0).tobytes(), digest_size=16).digest()
        if key in self.first:
            self.copies.append(f"{_quoted(name)} (as {_quoted(self.first[key])})")
        self.first.setdefault(key, name)

    def _read(self, name: str, values: pd.Series[Any]) -> None:
        """Note what keeps a column that is neither numbers nor dates from being used."""
        from aaetools.columns import ColumnError, read_column

        try:
            read_column(values, name)
        except ColumnError as error:
            where = ""
            if error.row is not None and len(self.refused) < _SHOWN:
                where = f", {self.locate(error.row)}"
            self.refused.append(f"{_quoted(name)}{where}: {error.problem}")

    def _place(self, told: list[str], bad: NDArray[np.bool_]) -> str:
        """Say where the first bad row is, for the few columns that will be shown; a text file is read for each."""
        return f", first in {self.locate(int(bad.argmax()))}" if len(told) < _SHOWN else ""

    def found(self) -> Iterator[Trouble]:
        """Yield the troubles with the features."""
        if self.missing and self.is_block:
            yield Trouble("missing values", True, f"{_few(self.missing)}; fill them or drop the rows or columns")
        elif self.missing:
            yield Trouble("missing values", False, f"{_few(self.missing)}; each is filled and marked as missing")
        if self.infinite:
            yield Trouble("infinite values", True, f"{_names(self.infinite)}; replace or drop them")
        for problem in self.refused[:_SHOWN]:
            yield Trouble("cannot be encoded", True, problem)
        if len(self.refused) > _SHOWN:
            yield Trouble("cannot be encoded", True, f"{len(self.refused) - _SHOWN:,} more columns")
        if self.leaks:
            advice = "drop it, or the model only copies it"
            yield Trouble("leak", False, f"{_names(self.leaks)} tells the label of every row; {advice}")
        if self.ids:
            advice = "if it counts or names the rows, name it with id_column="
            yield Trouble("id-like", False, f"{_names(self.ids)} differs in every row; {advice}")
        if self.constant:
            yield Trouble("constant", False, f"{_names(self.constant)}: the same in every row, tells nothing")
        if self.copies:
            yield Trouble("duplicate columns", False, f"{_few(self.copies)}: counts twice")
        if self.extreme:
            yield Trouble("extreme values", False, f"{_few(self.extreme)}: over {FAR} interquartile ranges away")


def _same_partition(codes: NDArray[Any], labels: NDArray[np.int64]) -> bool:
    """Tell whether a column's values and the labels stand for each other one to one, in rows with a label."""
    import numpy as np

    known = labels >= 0
    if known.sum() < _LEAST_ROWS:
        return False
    pairs = np.unique(np.stack([codes[known], labels[known]]), axis=1)
    n_classes = len(np.unique(pairs[1]))
    return bool(n_classes > 1 and pairs.shape[1] == n_classes == len(np.unique(pairs[0])))


def _span(column: ColumnSummary) -> float:
    return (column.highest or 0.0) - (column.lowest or 0.0)


def _sizes(n_rows: int, n_features: int) -> Iterator[Trouble]:
    if n_rows < _LEAST_ROWS:
        yield Trouble("few rows", True, f"only {n_rows} rows; at least {_LEAST_ROWS} are needed to train on")
    elif n_features > n_rows:
        yield Trouble(
            "more features than rows",
            False,
            f"{n_features:,} features for {n_rows:,} rows: what is found may be chance",
        )


def _classes(y: NDArray[Any] | None) -> tuple[NDArray[np.int64] | None, tuple[ClassCount, ...]]:
    """Return class numbers of the rows, -1 where there is no label, and the classes in order; None without labels."""
    import numpy as np

    if y is None:
        return None, ()
    gap = -1 if y.dtype.kind in "iu" else None
    classes = sorted({label for label in y.tolist() if label != gap})
    number = {label: code for code, label in enumerate(classes)}
    codes = np.array([number.get(label, -1) for label in y.tolist()], dtype=np.int64)
    counts = np.bincount(codes[codes >= 0], minlength=len(classes))
    return codes, tuple(ClassCount(str(label), int(n)) for label, n in zip(classes, counts, strict=True))


def _about_classes(target: str | None, classes: tuple[ClassCount, ...]) -> Iterator[Trouble]:
    if not classes:
        return
    where, n_labeled = f"column {_quoted(target)}", sum(one.n for one in classes)
    if len(classes) == 1:
        advice = "label rows of at least two classes, or use --labels none"
        yield Trouble("one class", True, f"{where}: every label is {_quoted(classes[0].label)}; {advice}")
        return
    single = [one.label for one in classes if one.n == 1]
    if single:
        advice = "no row of such a class is left to be measured on; label more of them or join classes"
        yield Trouble("classes with one row", False, f"{where}: {_names(single)}; {advice}")
    if len(classes) > 20 and 2 * len(classes) > n_labeled:
        many = f"{len(classes):,} classes for {n_labeled:,} labelled rows; are these labels?"
        yield Trouble("many classes", False, f"{where}: {many}")
    classes = tuple(one for one in classes if one.n > 1) or classes  # single rows have been named
    least, most = min(classes, key=lambda one: one.n), max(classes, key=lambda one: one.n)
    if most.n >= IMBALANCE * least.n:
        sizes = f"{_quoted(most.label)} has {most.n:,} rows, {_quoted(least.label)} {least.n:,}"
        yield Trouble("imbalance", False, f"{where}: {sizes}; accuracy says little, look at balanced accuracy")


def _duplicated_rows(features: NDArray[np.float32], codes: NDArray[np.int64] | None) -> Iterator[Trouble]:
    """Count rows that repeat an earlier one: the copies of a row can end on both sides of the hold-out."""
    import numpy as np

    X = np.ascontiguousarray(features + np.float32(0))  # turns -0 into 0
    keys = X.view(np.dtype((np.void, X.dtype.itemsize * X.shape[1]))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    n_copies = len(X) - len(first)
    if n_copies == 0:
        return
    contrary = ""
    if codes is not None and (codes >= 0).any():
        known = codes >= 0
        groups = np.unique(np.stack([group[known], codes[known]]), axis=1)[0]
        n_contrary = int((np.bincount(groups) > 1).sum())
        if n_contrary:
            contrary = f"; {n_contrary:,} of the repeated rows {'has' if n_contrary == 1 else 'have'} unlike labels"
    repeated = int(np.setdiff1d(np.arange(len(X)), first)[0])
    rows = "1 row repeats" if n_copies == 1 else f"{n_copies:,} rows repeat"
    where = f"the first is row {repeated} (counted from 0)"
    yield Trouble("duplicated rows", False, f"{rows} an earlier one, {where}{contrary}")


# Words


def _quoted(value: object) -> str:
    return quote(value, 40)


def _names(names: list[str]) -> str:
    return listing(names, _SHOWN)


def _few(texts: list[str]) -> str:
    shown = ", ".join(texts[:_SHOWN])
    return shown if len(texts) <= _SHOWN else f"{shown} and {len(texts) - _SHOWN:,} more"


def _command(
    source: str | os.PathLike[str], target: str | None, unlabeled: str | int | None, id_column: str | None
) -> str:
    words = ["aaetools", "fit", str(source)]
    for option, value in (("--target", target), ("--unlabeled", unlabeled), ("--id-column", id_column)):
        if value is not None:
            words += [option, str(value)]
    return shlex.join(words)


def _verdict(
    n_rows: int, n_features: int, target: str | None, classes: int, n_labeled: int, trouble: list[Trouble]
) -> str:
    rows = "1 row" if n_rows == 1 else f"{n_rows:,} rows"
    size = f"{rows} of {'1 feature' if n_features == 1 else f'{n_features:,} features'}"
    if any(one.stops for one in trouble):
        return f"{size} that cannot be trained on as they are."
    if target is None:
        labels = "no label column, so classes can be neither learned nor measured"
    elif n_labeled == 0:
        labels = f"column {_quoted(target)} holds no label"
    else:
        labels = f"{classes} classes, {n_labeled / n_rows:.1%} of the rows labelled"
    doubts = {0: "nothing that looks like trouble", 1: "1 thing to look at"}
    return f"{size}; {labels}; {doubts.get(len(trouble), f'{len(trouble)} things to look at')}."
