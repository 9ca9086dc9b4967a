"""Tables of numbers, counts, booleans, categories, dates and gaps: to a matrix for the networks, and back to a table.

scikit-learn's ColumnTransformer cannot do this: it has no ``inverse_transform``, and it can be saved by pickle only.
What is learned here is a list of frozen dataclasses of plain values, which JSON holds. Encoding works row by row, so
that a table can be encoded in chunks.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from aaetools.exceptions import DataError

__all__ = [
    "MAX_EXACT_INTEGER",
    "MAX_LEVELS",
    "MAX_MAGNITUDE",
    "OTHER",
    "Column",
    "ColumnCodec",
    "ColumnError",
    "Layout",
    "data_frame",
    "is_mixed",
    "read_column",
]

Kind = Literal["number", "count", "boolean", "category", "date"]

MAX_LEVELS = 50
"""Values of a category that get an entry of their own, the most frequent ones; the others share one."""

OTHER = "(other)"
"""The level that all values share for which there is no entry left."""

MAX_MAGNITUDE = 1e30
"""Largest absolute value of a number: its square still fits into float32 sums after scaling."""

MAX_EXACT_INTEGER = 2**53 - 1
"""Largest integer: beyond it floats skip integers, and such numbers are identifiers anyway."""

_FEW_LEVELS = 10
"""So many different words are a category, however few rows there are."""

_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:?\d\d)?)?")
_OTHER_DATE = re.compile(r"\d{1,4}([./-])\d{1,2}\1\d{1,4}( .*)?")
_OTHER_NUMBER = re.compile(r"[$€£]?\s?[+-]?\d[\d.,' ]*\s?[%$€£]?")  # thousands separators, decimal commas, units
_DAY = 86_400_000_000
"""Microseconds."""
_UNITS = (_DAY, 3_600_000_000, 60_000_000, 1_000_000)
"""Days, hours, minutes and seconds, to which decoded times are rounded."""


class ColumnError(DataError):
    """A column that cannot be used, or a cell of it.

    Attributes
    ----------
    problem
        What is wrong and what to do.
    column
        Name of the column.
    row
        Position of the cell, None where it is all of the column.
    """

    def __init__(self, problem: str, column: str, row: int | None = None) -> None:
        place = f"column {column[:80]!r}" if row is None else f"row {row} (counted from 0), column {column[:80]!r}"
        super().__init__(f"X: {place}: {problem}")
        self.problem, self.column, self.row = problem, column, row


# Which frames need a codec


def data_frame(X: Any) -> pd.DataFrame | None:
    """Return a data frame of pandas, polars or pyarrow as one of pandas; None for anything else."""
    if isinstance(X, pd.DataFrame):
        return X
    if hasattr(X, "columns") and hasattr(X, "to_pandas"):
        frame = X.to_pandas()
        return frame if isinstance(frame, pd.DataFrame) else None
    return None


def is_mixed(frame: pd.DataFrame) -> bool:
    """Tell whether a frame is more than complete numbers; a type of numbers that is made for gaps counts as such."""
    return any(not _is_number(values) or bool(values.isna().any()) for _, values in frame.items())


def _is_number(values: pd.Series[Any]) -> bool:
    if values.dtype == object:  # numbers of no common type, as scikit-learn takes them
        return types.infer_dtype(values, skipna=False) in ("integer", "floating", "mixed-integer-float")
    if types.is_extension_array_dtype(values.dtype) and not isinstance(values.dtype, pd.SparseDtype):
        return False
    return bool(types.is_numeric_dtype(values.dtype)) and not types.is_bool_dtype(values.dtype)


# Reading a column


def read_column(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Return a column of a table in the one type that its kind has, or refuse it.

    Parameters
    ----------
    values
        Numbers, booleans, dates or text, with gaps. Text that holds ISO dates throughout is dates. A column of type
        category is one, whatever it holds.
    name
        For messages.

    Returns
    -------
    Series
        Integers as they are; other numbers as float64; bool; of numbers and booleans with gaps the types "Float64" and
        "boolean", which keep them known as such in rows that happen to have none; datetime64[us] in UTC, without a
        zone; category of text.

    Raises
    ------
    ColumnError
        If there is no value at all; if a cell is not what most others are, which is taken for a slip of the pen; if
        numbers or dates are written in a way that can be misread; if nearly all of the text differs.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _category(values)
    if types.is_complex_dtype(values.dtype) or isinstance(values.dtype, pd.PeriodDtype | pd.IntervalDtype):
        raise ColumnError(f"holds {values.dtype}; encode it as numbers or drop it", name)
    if types.is_timedelta64_dtype(values.dtype):
        raise ColumnError("holds durations; write them as numbers, as of seconds", name)
    if not bool(values.notna().any()):
        raise ColumnError("holds no value at all; drop it", name)
    if types.is_bool_dtype(values.dtype):
        return _boolean(values, name)
    if isinstance(values.dtype, pd.DatetimeTZDtype) or types.is_datetime64_dtype(values.dtype):
        return _dates(values, name)
    if types.is_numeric_dtype(values.dtype):
        return _number(values, name)
    kinds = {_type_of(value) for value in _distinct(values, name)}
    if kinds == {"boolean"}:
        return _boolean(values, name)
    if kinds == {"number"}:
        return _number(values, name)
    if kinds == {"date"}:
        return _dates(values, name)
    if "text" in kinds and kinds <= {"text", "number"}:
        return _words(values, name)
    mixed = " and ".join(sorted({type(value).__name__ for value in _distinct(values, name)})[:3])
    raise ColumnError(f"holds {mixed}; a column is numbers, booleans, dates or text: convert or drop it", name)


def _distinct(values: pd.Series[Any], name: str) -> list[Any]:
    try:
        return list(values.dropna().unique())
    except TypeError:  # lists and the like have no hash
        kind = next(type(value).__name__ for value in values if isinstance(value, list | dict | set | np.ndarray))
        raise ColumnError(f"holds values of type {kind}; split it into columns or drop it", name) from None


def _type_of(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if isinstance(value, Real | Decimal):
        return "number"
    return "date" if isinstance(value, date) else "text" if isinstance(value, str) else "other"


def _words(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Read text as dates or categories, and refuse what is most likely something else."""
    text = _text(values)
    counts = text.value_counts()
    words, n = [str(word) for word in counts.index], int(counts.sum())
    if n == 0:
        raise ColumnError("holds no value at all; drop it", name)
    numbers = [_as_number(word) for word in words]
    n_numbers = sum(int(count) for count, number in zip(counts, numbers, strict=True) if number is not None)

    def refused(problem: str, bad: Sequence[bool]) -> ColumnError:
        """Name the first row with one of the words that are bad."""
        odd = text.isin([word for word, is_bad in zip(words, bad, strict=True) if is_bad]).to_numpy()
        row = int(odd.argmax())
        return ColumnError(f"{_quoted(text.iloc[row])} {problem}", name, row)

    if n_numbers == n:
        infinite = [math.isinf(number or 0.0) for number in numbers]
        if any(infinite):
            raise refused("is infinite; replace or empty it, or drop the row", infinite)
        long = [abs(number or 0.0) > MAX_EXACT_INTEGER for number in numbers]
        if any(long):
            advice = "if it is an identifier, drop the column or name it with id_column="
            raise refused(f"is too long for a number; {advice}", long)
        if len(words) > max(_FEW_LEVELS, n // 2):
            raise ColumnError("holds numbers written as text; convert it to numbers", name)
    elif 2 * n_numbers >= n or _many_numbers(numbers):
        problem = "is not a number; correct or empty it, drop the column, or name it with target= or id_column="
        advice = "numbers that are categories need a word each, as in 'type 1'"
        raise refused(f"{problem}; {advice}", [number is None for number in numbers])
    dated = [_ISO_DATE.fullmatch(word) is not None for word in words]
    n_dated = sum(int(count) for count, is_dated in zip(counts, dated, strict=True) if is_dated)
    if n_dated == n:
        return _dates(text, name)
    if 2 * n_dated >= n:
        raise refused("is no date as the others are (2024-01-31); correct or empty it", [not one for one in dated])
    for pattern, problem in (
        (_OTHER_NUMBER, "is not read as a number; write it with a decimal point, without separators and units"),
        (_OTHER_DATE, "may be a date, but which number is the month? write it as 2024-01-31"),
    ):
        found = [pattern.fullmatch(word) is not None for word in words]
        if n_numbers < n and 2 * sum(int(c) for c, one in zip(counts, found, strict=True) if one) >= n:
            raise refused(problem, [one and number is None for one, number in zip(found, numbers, strict=True)])
    if len(words) > max(_FEW_LEVELS, n // 2):
        raise ColumnError(
            f"{len(words):,} different words in {n:,} rows are identifiers or free text, no category; "
            "drop the column, or name it with id_column=",
            name,
        )
    return _category(text)


def _many_numbers(numbers: Sequence[float | None]) -> bool:
    """Tell whether distinct words are numbers and a few marks for "unknown", however often these occur."""
    n_numbers = sum(number is not None for number in numbers)
    return n_numbers > max(_FEW_LEVELS, len(numbers) - n_numbers)


def _as_number(word: str) -> float | None:
    if "_" in word or word.lower() == "nan":  # Python reads 1_000 as a number, nobody else does
        return None
    try:
        return float(word)
    except ValueError:
        return None


def _text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return values as stripped text, None in gaps; blank text is a gap. Works on the distinct values."""
    codes, distinct = pd.factorize(values)
    words = np.array([*(_word(value) for value in distinct), None], dtype=object)
    return pd.Series(words[np.asarray(codes)], index=values.index, dtype=object)


def _word(value: Any) -> str | None:
    if isinstance(value, float | np.floating) and value == np.floor(value):
        value = int(value)  # whole numbers with gaps arrive as floats
    return str(value).strip() or None


def _category(values: pd.Series[Any]) -> pd.Series[Any]:
    text = _text(values)
    return pd.Series(pd.Categorical(text, categories=sorted(set(text.dropna()))), index=values.index)


def _number(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Return integers as they are, everything else as float64; text is read where it is a number."""
    if types.is_integer_dtype(values.dtype) and not bool(values.isna().any()):
        whole = values.to_numpy()
        beyond = (whole > MAX_EXACT_INTEGER) | (whole < -MAX_EXACT_INTEGER)
        if beyond.any():
            row = int(beyond.argmax())
            problem = "is beyond 2^53; if it is an identifier, drop the column or name it with id_column="
            raise ColumnError(f"{whole[row]} {problem}", name, row)
        return values
    if types.is_numeric_dtype(values.dtype) and not types.is_bool_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        codes, distinct = pd.factorize(values)
        read = [None if isinstance(v, bool | np.bool_) else _as_number(str(v).strip()) for v in distinct]
        blank = [isinstance(v, str) and not v.strip() for v in distinct]
        for code, (number, is_blank) in enumerate(zip(read, blank, strict=True)):
            if number is None and not is_blank:
                row = int((codes == code).argmax())
                problem = f"{_quoted(distinct[code])} is not a number; correct it, empty it or drop the row"
                raise ColumnError(problem, name, row)
        numbers = np.array([*(math.nan if v is None else v for v in read), math.nan])[np.asarray(codes)]
    large = np.abs(numbers) > MAX_MAGNITUDE  # False for NaN
    if large.any():
        row = int(large.argmax())
        if np.isinf(numbers[row]):
            raise ColumnError("infinite value; replace or empty it, or drop the row", name, row)
        problem = f"{numbers[row]:g} is larger than {MAX_MAGNITUDE:g}; rescale the column or drop the row"
        raise ColumnError(problem, name, row)
    gaps = bool(np.isnan(numbers).any())
    return pd.Series(pd.array(numbers, dtype="Float64") if gaps else numbers, index=values.index)


def _boolean(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    codes, distinct = pd.factorize(values)
    meaning = {"true": True, "false": False, "1": True, "0": False, "": None}
    read = []
    for code, value in enumerate(distinct):
        word = (_word(value) or "").lower()
        if word not in meaning:
            row = int((codes == code).argmax())
            raise ColumnError(f"{_quoted(value)} is neither true nor false; correct or empty it", name, row)
        read.append(meaning[word])
    lookup = pd.array([*read, None], dtype="boolean")
    found = pd.Series(lookup.take(np.asarray(codes)), index=values.index)
    return found if bool(found.isna().any()) else found.astype(bool)


def _dates(values: pd.Series[Any], name: str) -> pd.Series[Any]:
    """Return times in UTC; those without a zone are taken as they stand."""
    if isinstance(values.dtype, pd.DatetimeTZDtype):
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    if types.is_datetime64_dtype(values.dtype):
        return values.astype("datetime64[us]")
    codes, distinct = pd.factorize(values)
    read = np.full(len(distinct) + 1, "NaT", dtype="datetime64[us]")
    for code, value in enumerate(distinct):
        try:
            # not pandas: its nanoseconds end in the year 2262, and "no end" is often written 9999-12-31
            time = value if isinstance(value, date) else datetime.fromisoformat(str(value).strip() or "-")
        except ValueError:
            if isinstance(value, str) and not value.strip():
                continue
            row = int((codes == code).argmax())
            problem = f"{_quoted(value)} is no date; write it as 2024-01-31, or empty it"
            raise ColumnError(problem, name, row) from None
        if isinstance(time, datetime) and time.tzinfo is not None:
            time = time.astimezone(UTC).replace(tzinfo=None)
        read[code] = np.datetime64(time, "us")
    return pd.Series(read[np.asarray(codes)], index=values.index)


def _quoted(value: Any) -> str:
    text = repr(str(value)[:60])
    return text if len(str(value)) <= 60 else f"{text[:-1]}...{text[-1]}"


def _decimals(numbers: NDArray[np.float64]) -> int:
    """Return how many digits after the point write all numbers, -1 for more than six."""
    return next((d for d in range(7) if bool((np.round(numbers, d) == numbers).all())), -1)


# The codec


@dataclass(frozen=True)
class Column:
    """How one column of a table is encoded.

    Attributes
    ----------
    name, kind
        Counts are whole numbers from 0 on that vary at least as much as Poisson counts do.
    gaps
        Whether the rows of the fit had gaps. They then are a level of a category, and one more encoded column, 1
        where the value is missing, for any other kind.
    decimals
        Digits after the point that decoded numbers are rounded to, as many as all numbers of the fit do with; -1 where
        that is more than six. Of dates it is what they are rounded to: 0 days, 1 hours, 2 minutes, -1 seconds.
    origin
        What encoded values are counted from: the median of a number, the first of the dates in days since 1970.
        float32 then has digits left for what varies.
    fill
        Encoded value that stands in for a missing one: the median, for booleans the more frequent value.
    levels
        Values of a category, sorted, without those that share the level "(other)".
    other
        Whether there is such a level.
    """

    name: str
    kind: Kind
    gaps: bool = False
    decimals: int = -1
    origin: float = 0.0
    fill: float = 0.0
    levels: tuple[str, ...] = ()
    other: bool = False

    @property
    def width(self) -> int:
        """Number of encoded columns."""
        return (len(self.levels) + self.other if self.kind == "category" else 1) + self.gaps

    @property
    def names(self) -> tuple[str, ...]:
        """One name per encoded column."""
        own: tuple[str, ...] = (self.name,)
        if self.kind == "category":
            own = tuple(f"{self.name} = {level}" for level in (*self.levels, *([OTHER] if self.other else ())))
        elif self.kind == "date":
            own = (f"{self.name} (days from {self._first_day})",)
        return (*own, *([f"{self.name} is missing"] if self.gaps else ()))

    @property
    def encoding(self) -> str:
        """How the column is encoded, in a few words."""
        gap = "; gaps are a level" if self.kind == "category" else "; gaps get the median and a mark"
        if self.kind == "category":
            n = len(self.levels)
            words = f"category of {n} {'level' if n == 1 else 'levels'}" + (" and the rest" if self.other else "")
        elif self.kind == "boolean":
            words, gap = "true or false", "; gaps get the more frequent value and a mark"
        elif self.kind == "count":
            words = "count, as log(1 + x)"
        else:
            words = f"days from {self._first_day}" if self.kind == "date" else "number"
        return words + (gap if self.gaps else "")

    @property
    def _first_day(self) -> str:
        return str(np.datetime64(math.floor(self.origin), "D"))

    @classmethod
    def fit(cls, values: pd.Series[Any], name: str) -> Column:
        """Learn from the rows of a fit how to encode a column; ``values`` as from :func:`read_column`."""
        gaps = bool(values.isna().any())
        if isinstance(values.dtype, pd.CategoricalDtype):
            counts = values.value_counts()
            counts = counts[counts > 0].drop(OTHER, errors="ignore")
            ranked = sorted(counts.index, key=lambda level: (-int(counts[level]), str(level)))
            other = len(ranked) > MAX_LEVELS or bool((values == OTHER).any())
            kept = ranked[: MAX_LEVELS - 1] if len(ranked) > MAX_LEVELS else ranked
            if not kept and not other:
                raise ColumnError("holds no value at all; drop it", name)
            return cls(name, "category", gaps, levels=tuple(sorted(str(level) for level in kept)), other=other)
        present = values.dropna()
        if len(present) == 0:
            raise ColumnError("holds no value in the rows to learn from; drop it", name)
        if types.is_bool_dtype(values.dtype):
            return cls(name, "boolean", gaps, fill=float(2 * int(present.sum()) >= len(present)))
        if types.is_datetime64_dtype(values.dtype):
            times = present.to_numpy().astype("datetime64[us]").astype(np.int64)
            days, first = times / _DAY, float(times.min() / _DAY)
            decimals = next((place for place, unit in enumerate(_UNITS) if not (times % unit).any()), -1)
            return cls(name, "date", gaps, decimals=decimals, origin=first, fill=float(np.median(days)) - first)
        numbers = present.to_numpy(dtype=np.float64)
        decimals, median = _decimals(numbers), float(np.median(numbers))
        if decimals == 0 and numbers.min() == 0 and numbers.max() > 1 and numbers.var() >= numbers.mean():
            return cls(name, "count", gaps, decimals=0, fill=math.log1p(median))
        return cls(name, "number", gaps, decimals=decimals, origin=median)

    def read(self, values: pd.Series[Any]) -> pd.Series[Any]:
        """Return values in the type of the column's kind, as :func:`read_column` does.

        Raises
        ------
        ColumnError
            If a cell is not of this kind. No word is of another kind than a category.
        """
        if self.kind == "category":
            return _category(values)
        return {"boolean": _boolean, "date": _dates}.get(self.kind, _number)(values, self.name)

    def encode(self, values: pd.Series[Any]) -> NDArray[np.float32]:
        """Return encoded values, shape (n_rows, width); gaps that the fit did not know are filled, and not marked."""
        encoded = np.zeros((len(values), self.width), dtype=np.float32)
        if self.kind == "category":
            place = {level: position for position, level in enumerate(self.levels)}
            rest = len(self.levels) if self.other else -1
            codes, distinct = pd.factorize(_text(values))
            missing = len(self.levels) + self.other if self.gaps else -1
            slots = np.array([*(place.get(str(word), rest) for word in distinct), missing])[np.asarray(codes)]
            known = slots >= 0
            encoded[np.flatnonzero(known), slots[known]] = 1
            return encoded
        if self.kind == "boolean":
            numbers = self.read(values).to_numpy(dtype=np.float64, na_value=np.nan)
        elif self.kind == "date":
            times = self.read(values).to_numpy().astype("datetime64[us]")
            numbers = np.where(np.isnat(times), np.nan, times.astype(np.int64) / _DAY - self.origin)
        else:
            numbers = self.read(values).to_numpy(dtype=np.float64, na_value=np.nan)
            numbers = np.log1p(np.maximum(numbers, 0)) if self.kind == "count" else numbers - self.origin
        gone = np.isnan(numbers)
        encoded[:, 0] = np.where(gone, self.fill, numbers)
        if self.gaps:
            encoded[:, 1] = gone
        return encoded

    def decode(self, encoded: NDArray[Any]) -> pd.Series[Any]:
        """Return values for encoded ones: likeliest levels, true from one half on, rounded numbers."""
        if self.kind == "category":
            levels = np.array([*self.levels, *([OTHER] if self.other else ()), *([None] if self.gaps else ())], object)
            likeliest = encoded.argmax(axis=1)
            chosen = levels[likeliest]
            chosen[~(encoded.max(axis=1) > 0)] = None  # as values that the fit did not know are encoded
            return pd.Series(chosen, dtype=object)
        numbers = encoded[:, 0].astype(np.float64)
        gone = encoded[:, 1] > 0.5 if self.gaps else np.zeros(len(numbers), dtype=bool)
        if self.kind == "boolean":
            found = pd.Series(numbers > 0.5)
            return found.astype("boolean").mask(gone) if self.gaps else found
        if self.kind == "date":
            days = np.clip(numbers + self.origin, -719_162, 2_932_896)  # the years 1 to 9999
            unit = _UNITS[self.decimals]  # the last one, seconds, for -1: over months float32 has no more digits
            times = np.round(days * (_DAY / unit)) * unit
            return pd.Series(np.where(gone, np.datetime64("NaT"), times.astype(np.int64).astype("datetime64[us]")))
        numbers = np.expm1(np.minimum(numbers, 36)) if self.kind == "count" else numbers + self.origin
        if self.decimals != 0:
            rounded = numbers if self.decimals < 0 else np.round(numbers, self.decimals)
            return pd.Series(np.where(gone, np.nan, rounded))
        limit = float(MAX_EXACT_INTEGER)
        whole = pd.Series(np.round(np.clip(numbers, -limit, limit)).astype(np.int64))
        return whole.astype("Int64").mask(gone) if self.gaps else whole


@dataclass(frozen=True, eq=False)
class Layout:
    """Which encoded columns are of which kind, for losses; positions in the encoded matrix.

    Attributes
    ----------
    n_columns, n_encoded
        Columns of the table, and of the encoded matrix.
    gaussian, bernoulli, counts
        Positions of numbers and dates; of booleans and marks of missing values; of counts.
    gaussian_marks, bernoulli_marks, count_marks
        For each of these the position of its mark of missing values, -1 where it has none.
    categories
        First and last-but-one position of each category.
    """

    n_columns: int
    n_encoded: int
    gaussian: NDArray[np.int64]
    gaussian_marks: NDArray[np.int64]
    bernoulli: NDArray[np.int64]
    bernoulli_marks: NDArray[np.int64]
    counts: NDArray[np.int64]
    count_marks: NDArray[np.int64]
    categories: tuple[tuple[int, int], ...]

    @classmethod
    def of_counts(cls, n: int) -> Layout:
        """Return the layout of a matrix of counts."""
        none = np.empty(0, dtype=np.int64)
        return cls(n, n, none, none, none, none, np.arange(n), np.full(n, -1), ())


@dataclass(frozen=True, eq=False)
class ColumnCodec:
    """Encodes tables as a matrix of numbers, and decodes such a matrix.

    Attributes
    ----------
    columns
        One per column of the table, in its order.

    Examples
    --------
    >>> table = pd.DataFrame({"height": [1.5, 2.5, None], "kind": ["oak", "elm", "oak"]})
    >>> codec = ColumnCodec.fit(table)
    >>> codec.encoded_names
    ('height', 'height is missing', 'kind = elm', 'kind = oak')
    >>> codec.encode(table)
    array([[-0.5,  0. ,  0. ,  1. ],
           [ 0.5,  0. ,  1. ,  0. ],
           [ 0. ,  1. ,  0. ,  1. ]], dtype=float32)
    >>> codec.decode(codec.encode(table)).equals(table)
    True
    """

    columns: tuple[Column, ...]

    @classmethod
    def fit(cls, frame: pd.DataFrame) -> ColumnCodec:
        """Learn from the rows of a fit how to encode each column.

        Raises
        ------
        ColumnError
            If a column cannot be used, see :func:`read_column`.
        """
        names = [str(name) for name in frame.columns]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ColumnError("the name occurs more than once; rename or drop one of the columns", twice)
        return cls(tuple(Column.fit(read_column(frame.iloc[:, i], name), name) for i, name in enumerate(names)))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the table's columns."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def encoded_names(self) -> tuple[str, ...]:
        """One name per encoded column, as in "height", "kind = oak" or "height is missing"."""
        return tuple(name for column in self.columns for name in column.names)

    @cached_property
    def starts(self) -> tuple[int, ...]:
        """First encoded column of each column, and the number of encoded columns at the end."""
        return tuple(int(start) for start in np.cumsum([0, *(column.width for column in self.columns)]))

    @property
    def n_encoded(self) -> int:
        """Number of encoded columns."""
        return self.starts[-1]

    @cached_property
    def scaled(self) -> NDArray[np.bool_]:
        """Which encoded columns are to be scaled; the others are 0 or 1 and stay so. Shape (n_encoded,)."""
        scaled = np.zeros(self.n_encoded, dtype=bool)
        for start, column in zip(self.starts, self.columns, strict=False):
            scaled[start] = column.kind in ("number", "count", "date")
        return scaled

    @cached_property
    def layout(self) -> Layout:
        """Which encoded columns are of which kind."""
        places: dict[str, list[int]] = {"gaussian": [], "bernoulli": [], "counts": []}
        marks: dict[str, list[int]] = {"gaussian": [], "bernoulli": [], "counts": []}
        categories = []
        for start, column in zip(self.starts, self.columns, strict=False):
            if column.kind == "category":
                categories.append((start, start + column.width))
                continue
            kind = {"boolean": "bernoulli", "count": "counts"}.get(column.kind, "gaussian")
            places[kind].append(start)
            marks[kind].append(start + 1 if column.gaps else -1)
            if column.gaps:
                places["bernoulli"].append(start + 1)
                marks["bernoulli"].append(-1)
        at = {kind: np.array(found, dtype=np.int64) for kind, found in places.items()}
        gone = {kind: np.array(found, dtype=np.int64) for kind, found in marks.items()}
        return Layout(
            n_columns=len(self.columns),
            n_encoded=self.n_encoded,
            gaussian=at["gaussian"],
            gaussian_marks=gone["gaussian"],
            bernoulli=at["bernoulli"],
            bernoulli_marks=gone["bernoulli"],
            counts=at["counts"],
            count_marks=gone["counts"],
            categories=tuple(categories),
        )

    def encode(self, frame: pd.DataFrame) -> NDArray[np.float32]:
        """Return rows as numbers, float32, shape (n_rows, n_encoded); each row for itself, whatever the others are.

        Columns are taken by name; what the frame has beside them is left out.

        Raises
        ------
        ColumnError
            If a column is missing, or a cell is not of its column's kind. A word that the fit did not know is no
            such cell: its category is 0 throughout, or "(other)" where there is that level.
        """
        position = {str(name): i for i, name in enumerate(frame.columns)}
        encoded = np.empty((len(frame), self.n_encoded), dtype=np.float32)
        for column, start, stop in zip(self.columns, self.starts, self.starts[1:], strict=False):
            if column.name not in position:
                raise ColumnError("is missing, and the model was fitted with it", column.name)
            encoded[:, start:stop] = column.encode(frame.iloc[:, position[column.name]])
        return encoded

    def decode(self, encoded: NDArray[Any]) -> pd.DataFrame:
        """Return a table for encoded rows, shape (n_rows, n_encoded); their 0 and 1 may be probabilities."""
        if encoded.ndim != 2 or encoded.shape[1] != self.n_encoded:
            raise DataError(f"encoded rows have shape {encoded.shape}; expected (n_rows, {self.n_encoded})")
        parts = zip(self.columns, self.starts, self.starts[1:], strict=False)
        return pd.DataFrame({column.name: column.decode(encoded[:, i:j]) for column, i, j in parts})

    def in_units(self, encoded: NDArray[Any]) -> NDArray[np.float32]:
        """Return encoded rows as numbers that can be read: in the column's own unit, and not the logarithm of counts.

        Columns are those of :attr:`encoded_names`.
        """
        numbers = np.array(encoded, dtype=np.float64)
        for start, column in zip(self.starts, self.columns, strict=False):
            if column.kind == "number":
                numbers[:, start] += column.origin
            elif column.kind == "count":
                numbers[:, start] = np.expm1(np.minimum(numbers[:, start], 80))
            elif column.kind == "date":
                numbers[:, start] += column.origin - math.floor(column.origin)
        return numbers.astype(np.float32)

    def to_state(self) -> list[dict[str, Any]]:
        """Return plain values that JSON can hold."""
        return [dataclasses.asdict(column) | {"levels": list(column.levels)} for column in self.columns]

    @classmethod
    def from_state(cls, state: Sequence[Mapping[str, Any]]) -> ColumnCodec:
        """Rebuild a codec from :meth:`to_state`.

        Raises
        ------
        DataError
            If the state is no such thing.
        """
        wanted = {field.name: field.type for field in dataclasses.fields(Column)}
        plain = {"str": str, "Kind": str, "bool": bool, "int": int, "float": float, "tuple[str, ...]": list}
        columns = []
        for values in state:
            if set(values) != set(wanted) or values["kind"] not in get_args(Kind):
                raise DataError("the encoding of a column is not what this aaetools writes")
            for key, kind in wanted.items():
                if not isinstance(values[key], plain[str(kind)]):
                    raise DataError(f"the encoding of a column has an odd {key}")
            columns.append(Column(**{**values, "levels": tuple(str(level) for level in values["levels"])}))
        return cls(tuple(columns))
