from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.columns import ColumnCodec
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
        to_dataset(bad, encoding="numbers")
    with pytest.raises(DataError, match=r"row 2 .*column 'b': infinite"):
        to_dataset(bad)


def test_numbers_kept_as_objects_are_numbers_but_for_a_model_of_numbers() -> None:
    odd = table(a=pd.Series([1, 2.5], dtype=object))
    assert np.asarray(to_dataset(odd).X).ravel().tolist() == [1, 2.5]
    with pytest.raises(DataError, match="column 'a': mixes numbers"):
        to_dataset(odd, encoding="numbers")


def test_a_codec_says_what_columns_are_whatever_they_look_like() -> None:
    days, kinds = ["2024-01-01", None, "2024-01-03", None], ["elm", "7", None, "oak"]
    fit = to_dataset(table(kind=kinds, day=days, n=[1.0, None, 3.0, 4.0], label=["u", "v", "u", "v"]))
    assert isinstance(fit.X, pd.DataFrame)
    codec = ColumnCodec.fit(fit.X)
    alone = to_dataset(table(kind=[7], day=[None], n=[np.nan], label=["u"]), encoding=codec, min_rows=1)
    assert isinstance(alone.X, pd.DataFrame)
    assert codec.decode(codec.encode(alone.X))["kind"].tolist() == ["7"]
    with pytest.raises(DataError, match=r"some\.where.*row 1 .*column 'day': 'soon' is no date"):
        to_dataset(table(kind=["elm", "elm"], day=["2024-01-01", "soon"], n=[1, 2]), encoding=codec)
    with pytest.raises(DataError, match=r"row 1 .*column 'a': missing value"):
        to_dataset(table(a=[1.0, np.nan]), encoding="numbers")
    with pytest.raises(DataError, match=r"row 0 .*column 'a': 'x' is not a number"):
        to_dataset(table(a=["x", "y"]), encoding="numbers")


def test_a_message_stays_short_with_many_columns() -> None:
    wide = Table(path=Path("wide.csv"), columns=pd.DataFrame(np.zeros((2, 500)), columns=[f"c{i}" for i in range(500)]))
    with pytest.raises(DataError, match="and 488 more") as caught:
        to_dataset(wide, target="labels of another name")
    assert len(str(caught.value)) < 400


def test_named_features_are_features_whatever_they_are_called() -> None:
    columns = table(y=[1, 2, 1], id=[5, 6, 7], a=[0.5, 1.5, 2.5])
    guessed = to_dataset(columns)
    assert (guessed.target_name, guessed.row_ids.tolist(), guessed.feature_names) == ("y", [5, 6, 7], ("a",))
    told = to_dataset(columns, features=["id", "y"])
    assert (told.y, told.target_name, told.row_ids.tolist()) == (None, None, [0, 1, 2])
    assert told.feature_names == ("y", "id", "a")


def test_naming_one_feature_leaves_the_guess_to_the_other_columns() -> None:
    data = to_dataset(table(y=[1, 2, 1], label=["u", "v", "u"], id=[5, 6, 7]), features=["y"])
    assert (data.target_name, data.feature_names) == ("label", ("y",))
    assert data.row_ids.tolist() == [5, 6, 7]
    by_hand = to_dataset(table(y=[1, 2, 1], kind=["u", "v", "u"]), features=["y"], target="kind")
    assert (by_hand.target_name, by_hand.feature_names) == ("kind", ("y",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": ["y"], "target": "y"}, "column 'y': cannot be both the labels and a feature"),
        ({"features": ["y"], "id_column": "y"}, "column 'y': cannot be both the row ids and a feature"),
        ({"features": ["why"]}, r"no column 'why' to use as a feature \(columns: 'y', 'a'\)"),
        ({"features": ["A"]}, "did you mean 'a'"),
    ],
)
def test_features_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=rf"some\.where.*{message}"):
        to_dataset(table(y=[1, 2], a=[1, 2]), **options)


def test_a_feature_inside_an_array_is_not_the_column_beside_it() -> None:
    both = Table(path=Path("d.npz"), columns=pd.DataFrame({"y": [0, 1]}), block=np.eye(2), block_names=("y", "z"))
    data = to_dataset(both, features=["y"])
    assert (data.target_name, data.feature_names) == ("y", ("y", "z"))
    with pytest.raises(DataError, match="no column 'q' to use as a feature"):
        to_dataset(both, features=["q"])


@pytest.mark.parametrize(
    ("n_rows", "min_rows", "message"),
    [
        (0, 1, "holds no rows"),
        (0, 0, "holds no rows"),
        (1, 2, "holds only one row; at least 2 are needed"),
        (3, 5, "holds only 3 rows; at least 5 are needed"),
    ],
)
def test_too_few_rows_are_refused(n_rows: int, min_rows: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        to_dataset(table(a=np.arange(n_rows)), min_rows=min_rows)


def test_one_row_will_do_if_so_asked() -> None:
    data = to_dataset(table(a=[1.5], label=["u"]), min_rows=1)
    assert (data.X.tolist(), data.classes) == ([[1.5]], ("u",))


def test_names_that_no_file_can_hold_are_refused_by_name() -> None:
    bad = "x\ud800"
    block = Table(path=Path("d"), columns=pd.DataFrame(), block=np.eye(2), block_names=("a", bad))
    for odd in (table(**{bad: [1, 2]}), block):
        with pytest.raises(DataError, match=r"column 'x\\ud800': the name holds half of a surrogate") as caught:
            to_dataset(odd)
        assert str(caught.value).isascii()
