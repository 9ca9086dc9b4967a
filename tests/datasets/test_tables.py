from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.datasets.tables import MAX_EXACT_INTEGER, MAX_MAGNITUDE, Table, to_dataset
from aaetools.exceptions import DataError, LabelError


def table(**columns: Any) -> Table:
    return Table(path=Path("some.where"), columns=pd.DataFrame(columns))


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["x", 1, "x"], ("row 1", "'x'", "'1'")),
        ([True, "x", None], ("row 1", "'True'", "'x'")),
        ([None, datetime.date(2024, 1, 1), None], ("row 1", "2024-01-01")),
        (["x", ("t",), None], ("row 1", "('t',)")),
        ([0.5, 1, 2], ("row 0", "0.5", "measurement")),
    ],
)
def test_labels_of_other_or_mixed_kinds_are_refused(labels: list[Any], words: tuple[str, ...]) -> None:
    with pytest.raises(LabelError, match=r"some\.where.*column 'kind'") as caught:
        to_dataset(table(a=[1, 2, 3], kind=pd.Series(labels, dtype=object)), target="kind")
    assert all(word in str(caught.value) for word in words)


def test_a_column_that_cannot_be_used_is_only_refused_when_it_is_meant() -> None:
    odd = Table(path=Path("d"), columns=pd.DataFrame({"a": [1, 2]}), unusable={"notes": "is not an array"})
    assert to_dataset(odd).feature_names == ("a",)
    with pytest.raises(DataError, match="column 'notes': cannot be the labels: it is not an array"):
        to_dataset(odd, target="notes")
    with pytest.raises(DataError, match="cannot be the row ids"):
        to_dataset(odd, id_column="notes")


@pytest.mark.parametrize("dtype", ["int64", "uint64", "Int64"])
def test_integer_features_are_accepted_up_to_what_floats_hold_exactly(dtype: str) -> None:
    good = pd.Series([MAX_EXACT_INTEGER, 1], dtype=dtype)
    assert to_dataset(table(a=good)).n_rows == 2
    with pytest.raises(DataError, match=r"row 0 .*column 'a': 9007199254740992 is beyond 2\^53"):
        to_dataset(table(a=good + 1))


def test_float_features_are_accepted_up_to_the_limit() -> None:
    assert to_dataset(table(a=[-MAX_MAGNITUDE, MAX_MAGNITUDE])).n_features == 1
    with pytest.raises(DataError, match=r"row 1 .*1e\+30"):
        to_dataset(table(a=[0.0, MAX_MAGNITUDE * 1.001]))


def test_the_first_bad_cell_in_reading_order_is_named() -> None:
    bad = table(a=[1.0, np.nan, np.nan], b=[1.0, 2.0, np.inf], c=[1.0, np.inf, 2.0])
    with pytest.raises(DataError, match=r"row 1 .*column 'a': missing"):
        to_dataset(bad)


def test_numbers_kept_as_objects_are_refused_with_advice() -> None:
    with pytest.raises(DataError, match="column 'a': mixes numbers"):
        to_dataset(table(a=pd.Series([1, 2.5], dtype=object)))


def test_a_message_stays_short_with_many_columns() -> None:
    wide = Table(
        path=Path("wide.csv"), columns=pd.DataFrame(np.zeros((2, 500)), columns=[f"c{i}" for i in range(500)])
    )
    with pytest.raises(DataError, match="and 488 more") as caught:
        to_dataset(wide, target="labels of another name")
    assert len(str(caught.value)) < 400
