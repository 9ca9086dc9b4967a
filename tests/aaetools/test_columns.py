"""Tables to numbers and back."""

from __future__ import annotations

import datetime
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aaetools.columns import MAX_LEVELS, OTHER, ColumnCodec, ColumnError, data_frame, is_mixed, read_column
from aaetools.datasets import tables
from aaetools.exceptions import DataError

DAY = datetime.date(2020, 2, 29)


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "height": [1.5, None, 3.25, 2.5],
            "age": [40, 18, 77, 21],
            "visits": [0, 9, 3, 0],
            "siblings": pd.array([1, None, 2, 2], dtype="Int64"),
            "smoker": [True, False, True, True],
            "asked": pd.array([True, None, False, True], dtype="boolean"),
            "kind": ["elm", None, "oak", "elm"],
            "born": pd.to_datetime(["2020-02-29", "1999-12-31", None, "2001-01-01"]).astype("datetime64[us]"),
            "seen": pd.to_datetime(["2020-02-29 10:00:01"] * 3 + ["2020-03-01 00:00:59"]).astype("datetime64[us]"),
        }
    )


def one(values: Any) -> ColumnCodec:
    return ColumnCodec.fit(pd.DataFrame({"a": values}))


def back(values: Any) -> list[Any]:
    frame = pd.DataFrame({"a": values})
    codec = ColumnCodec.fit(frame)
    return codec.decode(codec.encode(frame))["a"].tolist()


def test_a_table_comes_back_as_it_went_in() -> None:
    frame = table()
    codec = ColumnCodec.fit(frame)
    encoded = codec.encode(frame)
    assert encoded.dtype == np.float32
    assert encoded.shape == (4, codec.n_encoded) == (4, len(codec.encoded_names))
    assert np.isfinite(encoded).all()
    pd.testing.assert_frame_equal(codec.decode(encoded), frame)


def test_kinds_are_told_from_the_values() -> None:
    kinds = {column.name: column.kind for column in ColumnCodec.fit(table()).columns}
    assert kinds == {
        "height": "number",
        "age": "number",
        "visits": "count",
        "siblings": "number",
        "smoker": "boolean",
        "asked": "boolean",
        "kind": "category",
        "born": "date",
        "seen": "date",
    }


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9, width=32)), min_size=2, max_size=30),
    st.lists(st.one_of(st.none(), st.booleans()), min_size=2, max_size=30),
    st.lists(st.one_of(st.none(), st.sampled_from(["a", "b", "ä", "<x>", "nan", "True"])), min_size=2, max_size=30),
    st.lists(st.one_of(st.none(), st.dates(datetime.date(1900, 1, 1), DAY)), min_size=2, max_size=30),
)
@settings(max_examples=30, deadline=None)
def test_any_values_come_back(numbers: Any, flags: Any, words: Any, days: Any) -> None:
    n = min(map(len, (numbers, flags, words, days)))
    cells = {"x": [1.0, *numbers[:n]], "b": [True, *flags[:n]], "c": ["z", *words[:n]], "d": [DAY, *days[:n]]}
    frame = pd.DataFrame(cells, dtype=object)
    codec = ColumnCodec.fit(frame)
    found = codec.decode(codec.encode(frame))
    assert found["b"].astype(object).where(found["b"].notna(), None).tolist() == [True, *flags[:n]]
    assert found["c"].tolist() == ["z", *words[:n]]
    assert [None if day is pd.NaT else day.date() for day in found["d"]] == [DAY, *days[:n]]
    expected = np.array([1.0, *numbers[:n]], dtype=float)
    spread = np.nanmax(expected) - np.nanmin(expected)
    np.testing.assert_allclose(found["x"].astype(float), expected, atol=1e-6 * max(spread, 1), rtol=1e-6)
    again = ColumnCodec.from_state(json.loads(json.dumps(codec.to_state())))
    assert again.columns == codec.columns
    np.testing.assert_array_equal(again.encode(frame), codec.encode(frame))


def test_rows_are_encoded_each_for_itself() -> None:
    frame = pd.concat([table()] * 3, ignore_index=True)
    codec = ColumnCodec.fit(frame)
    parts = [codec.encode(frame.iloc[start : start + 5]) for start in range(0, len(frame), 5)]
    np.testing.assert_array_equal(np.concatenate(parts), codec.encode(frame))


def test_large_offsets_cost_no_digits() -> None:
    seconds = [1_700_000_000.0, 1_700_000_001.0, 1_700_000_003.5]
    assert back([*seconds, None])[:3] == seconds
    day = [datetime.datetime(2020, 1, 1, 0, 0, second) for second in (0, 1, 59)]
    assert [time.to_pydatetime() for time in back(day)] == day


@pytest.mark.parametrize(("unit", "step"), [("D", 1), ("h", 7), ("min", 11)])
def test_times_are_rounded_as_those_of_the_fit_were(unit: str, step: int) -> None:
    times = [pd.Timestamp("2019-03-01") + pd.Timedelta(step * i * i, unit) for i in range(40)]
    assert back(times) == times


def test_gaps_get_the_median_and_a_mark_where_the_fit_knew_gaps() -> None:
    codec = one([1.0, 2.0, 9.0, None])
    np.testing.assert_array_equal(codec.encode(pd.DataFrame({"a": [None, 9.0]})), [[0, 1], [7, 0]])
    complete = one([1.0, 2.0, 9.0])
    np.testing.assert_array_equal(complete.encode(pd.DataFrame({"a": [None, 9.0]})), [[0], [7]])
    assert complete.decode(np.array([[0.0]], dtype=np.float32))["a"].tolist() == [2]


def test_words_that_the_fit_did_not_know_are_no_level() -> None:
    codec = one(["x", "y", "x"])
    unknown = codec.encode(pd.DataFrame({"a": ["z", None, "y"]}))
    np.testing.assert_array_equal(unknown, [[0, 0], [0, 0], [0, 1]])
    assert codec.decode(unknown)["a"].tolist() == [None, None, "y"]


def test_rare_words_share_a_level_where_there_are_too_many() -> None:
    words = np.repeat([f"w{i}" for i in range(MAX_LEVELS + 10)], [9] * (MAX_LEVELS - 1) + [2] * 11)
    codec = one(words)
    (column,) = codec.columns
    assert (len(column.levels), column.other, codec.n_encoded) == (MAX_LEVELS - 1, True, MAX_LEVELS)
    assert set(codec.decode(codec.encode(pd.DataFrame({"a": words[-22:]})))["a"]) == {OTHER}
    assert codec.encode(pd.DataFrame({"a": ["never seen"]}))[0, -1] == 1


def test_probabilities_decode_to_the_likeliest_value() -> None:
    codec = ColumnCodec.fit(pd.DataFrame({"b": [True, False, None], "c": ["x", "y", None]}))
    found = codec.decode(np.array([[0.6, 0.2, 0.3, 0.5, 0.2], [0.6, 0.7, 0.3, 0.2, 0.5]], dtype=np.float32))
    assert found["b"].tolist() == [True, pd.NA]
    assert found["c"].tolist() == ["y", None]


def test_counts_are_seen_as_logarithms_and_read_as_counts() -> None:
    codec = one([0, 0, 1, 100, 3])
    encoded = codec.encode(pd.DataFrame({"a": [0, 100]}))
    np.testing.assert_allclose(encoded[:, 0], np.log([1, 101]), rtol=1e-6)
    np.testing.assert_allclose(codec.in_units(encoded)[:, 0], [0, 100], atol=1e-4)


def test_numbers_to_read_are_in_the_columns_units() -> None:
    codec = ColumnCodec.fit(table())
    read = dict(zip(codec.encoded_names, codec.in_units(codec.encode(table())).T, strict=True))
    np.testing.assert_allclose(read["age"], [40, 18, 77, 21])
    np.testing.assert_allclose(read["visits"], [0, 9, 3, 0], atol=1e-5)
    assert read["born (days from 1999-12-31)"][1] == 0
    assert read["kind is missing"].tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize(
    ("values", "row", "words"),
    [
        ([1.5, "2.5", "oops", "4"], 2, "'oops' is not a number"),
        (["3"] * 9 + ["3x"], 9, "'3x' is not a number"),
        (["unknown"] * 90 + [str(i) for i in range(30)], 0, "'unknown' is not a number"),
        (["1,000", "2,500"], 0, "decimal point"),
        (["12%", "5 %", "x"], 0, "decimal point"),
        (["31/01/2020", "01/02/2020"], 0, "which number is the month"),
        (["2020-01-01", "2020-13-01"], 1, "no date"),
        (["2020-01-01", "2020-02-01", "soon"], 2, "no date as the others are"),
        ([f"name {i}" for i in range(40)], None, "identifiers or free text"),
        ([str(i) for i in range(40)], None, "numbers written as text"),
        (["123456789012345678901", "3"], 0, "too long for a number"),
        ([2**53, 1], 0, "beyond 2\\^53"),
        ([1.0, np.inf, None], 1, "infinite"),
        ([1.0, -2e30, None], 1, "larger than 1e\\+30"),
        ([None, None], None, "no value at all"),
        (["", " "], None, "no value at all"),
        ([True, 1.5], None, "holds bool and float"),
        ([[1], [2]], None, "values of type list"),
        ([1j, 2j], None, "complex"),
        ([datetime.timedelta(1), datetime.timedelta(2)], None, "durations"),
    ],
)
def test_what_is_most_likely_a_slip_is_refused_by_place(values: list[Any], row: int | None, words: str) -> None:
    with pytest.raises(ColumnError, match=words) as caught:
        read_column(pd.Series(values), "a")
    assert (caught.value.row, caught.value.column) == (row, "a")
    assert "column 'a'" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("fit", "cell", "words"),
    [
        ([1.0, None], "x", "'x' is not a number"),
        ([1.0, None], True, "not a number"),
        ([True, False], "maybe", "neither true nor false"),
        ([True, False], 2, "neither true nor false"),
        ([DAY, None], "soon", "no date"),
        ([DAY, None], 5, "no date"),
    ],
)
def test_a_cell_of_another_kind_than_the_fit_had_is_refused(fit: list[Any], cell: Any, words: str) -> None:
    with pytest.raises(ColumnError, match=words) as caught:
        one(fit).encode(pd.DataFrame({"a": pd.Series([None, cell], dtype=object)}))
    assert caught.value.row == 1


@pytest.mark.parametrize(
    ("fit", "cells", "like"),
    [
        ([True, False], ["TRUE", " false "], [True, False]),
        ([True, False], [1, 0.0], [True, False]),
        ([DAY, None], ["2020-02-29", "2020-02-29T00:00:00Z"], [DAY, DAY]),
        ([DAY, None], pd.to_datetime(["2020-02-29T02:00+02:00"] * 2), [DAY, DAY]),
        ([1.0, None], ["1", "1.0"], [1.0, 1.0]),
        (["1", "x", "y"], [1, 1.0], ["1", "1"]),
        (["1", "x", "y"], [" 1", "x "], ["1", "x"]),
    ],
)
def test_the_same_value_written_otherwise_is_the_same(fit: list[Any], cells: Any, like: list[Any]) -> None:
    codec = one(fit)
    frames = [pd.DataFrame({"a": values}) for values in (cells, like)]
    np.testing.assert_array_equal(codec.encode(frames[0]), codec.encode(frames[1]))


def test_columns_are_found_by_name() -> None:
    codec, frame = ColumnCodec.fit(table()), table()
    shuffled = frame[frame.columns[::-1]].assign(more="x")
    np.testing.assert_array_equal(codec.encode(shuffled), codec.encode(frame))
    with pytest.raises(ColumnError, match="column 'kind': is missing"):
        codec.encode(frame.drop(columns="kind"))
    with pytest.raises(ColumnError, match="more than once"):
        ColumnCodec.fit(pd.concat([frame, frame], axis=1))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state[0].update(kind="colour"),
        lambda state: state[0].update(more=1),
        lambda state: state[0].pop("gaps"),
        lambda state: state[0].update(fill="0"),
        lambda state: state[0].update(levels="abc"),
    ],
)
def test_an_odd_state_is_refused(spoil: Any) -> None:
    state = json.loads(json.dumps(ColumnCodec.fit(table()).to_state()))
    spoil(state)
    with pytest.raises(DataError, match="encoding of a column"):
        ColumnCodec.from_state(state)


def test_only_complete_numbers_need_no_codec() -> None:
    assert not is_mixed(pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": pd.Series([1, 2.5], dtype=object)}))
    for values in ([None, 1.0], [True, False], ["x", "y"], [DAY, DAY], pd.array([1, None], dtype="Int64")):
        assert is_mixed(pd.DataFrame({"a": [1, 2], "b": values}))


def test_frames_of_other_libraries_are_understood() -> None:
    polars = pytest.importorskip("polars")
    frame = table().drop(columns=["siblings", "asked"])
    found = data_frame(polars.from_pandas(frame))
    assert found is not None
    codec = ColumnCodec.fit(frame)
    np.testing.assert_array_equal(codec.encode(found), codec.encode(frame))
    assert data_frame(np.eye(2)) is None


def test_the_limits_are_those_of_the_loader() -> None:
    from aaetools import columns

    assert columns.MAX_MAGNITUDE == tables.MAX_MAGNITUDE
    assert columns.MAX_EXACT_INTEGER == tables.MAX_EXACT_INTEGER
