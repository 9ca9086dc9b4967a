from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aaetools.datasets import Dataset, content_hash
from aaetools.exceptions import DataError

X = np.arange(6, dtype=np.float32).reshape(3, 2)


def dataset(**parts: Any) -> Dataset:
    return Dataset(**{"name": "toy", "X": X, "y": None, "feature_names": ("a", "b"), **parts})


def mixed() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "n": pd.array([1.5, None, 3.0], dtype="Float64"),
            "b": [True, False, True],
            "k": pd.Categorical(["x", None, "y"]),
            "d": pd.to_datetime(["2020-01-01", None, "2020-01-03"]).astype("datetime64[us]"),
        }
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.assign(n=[1.5, 0.0, 3.0]),
        lambda frame: frame.assign(n=[1.5, None, 3.5]),
        lambda frame: frame.assign(b=[1, 0, 1]),
        lambda frame: frame.assign(b=pd.array([True, None, True], dtype="boolean")),
        lambda frame: frame.assign(k=pd.Categorical(["y", None, "x"])),
        lambda frame: frame.assign(k=pd.Categorical(["x", "x", "y"])),
        lambda frame: frame.assign(d=frame["d"].shift(1)),
        lambda frame: frame.iloc[::-1],
        lambda frame: frame[["b", "n", "k", "d"]],
    ],
)
def test_every_cell_of_a_table_of_several_kinds_counts(change: Any) -> None:
    assert content_hash(mixed()) == content_hash(mixed())
    assert content_hash(change(mixed())) != content_hash(mixed())


def test_how_a_table_of_several_kinds_is_stored_does_not_count() -> None:
    more = mixed().assign(k=pd.Categorical(["x", None, "y"], categories=["z", "y", "x"]))
    other = more.assign(n=[1.5, float("nan"), 3.0], d=more["d"].astype("datetime64[ns]"))
    assert content_hash(other) == content_hash(mixed())


def test_a_data_set_can_hold_a_table_of_several_kinds() -> None:
    data = Dataset("d", mixed(), None, ("n", "b", "k", "d"))
    assert (data.n_rows, data.n_features) == (3, 4)
    assert data.row_ids.tolist() == [0, 1, 2]
    assert data.sha256 == content_hash(mixed())
    with pytest.raises(DataError, match="3 feature names do not fit"):
        Dataset("d", mixed(), None, ("n", "b", "k"))


def test_rows_are_numbered_from_zero_unless_they_have_ids() -> None:
    assert dataset().row_ids.tolist() == [0, 1, 2]
    assert dataset(row_ids=np.array([7, 8, 9])).row_ids.tolist() == [7, 8, 9]


@pytest.mark.parametrize(
    ("y", "classes", "n_labeled"),
    [
        (None, (), 0),
        (np.array([3, -1, 1]), (1, 3), 2),
        (np.array(["b", None, "a"], dtype=object), ("a", "b"), 2),
        (np.array([True, None, None], dtype=object), (True,), 1),
        (np.array([True, False, True]), (False, True), 3),
    ],
)
def test_the_unlabelled_mark_is_no_class(y: Any, classes: tuple[Any, ...], n_labeled: int) -> None:
    data = dataset(y=y)
    assert data.classes == classes
    assert data.n_labeled == n_labeled
    assert (data.n_rows, data.n_features) == (3, 2)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"X": X.astype(np.float64)}, "float32"),
        ({"X": X[0]}, "float32 matrix"),
        ({"y": np.array([0, 1])}, "2 labels"),
        ({"row_ids": np.arange(4)}, "4 row ids"),
        ({"feature_names": ("a",)}, "1 feature names"),
        ({"image_shape": (2, 2)}, "image"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataset(**parts)


def test_the_hash_follows_the_content_when_a_part_is_replaced() -> None:
    data = dataset(y=np.array([0, 1, 1]))
    assert data.sha256 == content_hash(data.X, data.y)
    assert replace(data, name="other").sha256 == data.sha256
    assert replace(data, X=X + 1).sha256 != data.sha256
    assert replace(data, y=np.array([0, 1, 0])).sha256 != data.sha256


def test_the_hash_is_the_same_on_every_platform() -> None:
    # the byte layout, written down a second time: saved runs rely on it
    import hashlib
    import struct

    values = np.array([[0.5, -1], [2, 3]])
    layout = b"aaetools content 1\n" + struct.pack("<2q", 2, 2) + struct.pack("<4f", 0.5, -1, 2, 3)
    assert content_hash(values) == hashlib.sha256(layout + b"no labels").hexdigest()
    labels = b"integers" + struct.pack("<2q", 4, -1)
    assert content_hash(values, [4, -1]) == hashlib.sha256(layout + labels).hexdigest()
    words = b"valuestext:2:\xc3\xa9unlabelled:0:"
    y = np.array(["é", None], dtype=object)
    assert content_hash(values, y) == hashlib.sha256(layout + words).hexdigest()


@given(hnp.arrays(np.float32, (4, 3), elements=st.floats(-1e6, 1e6, width=32)))
@settings(max_examples=25, deadline=None)
def test_the_hash_ignores_how_numbers_are_stored(values: Any) -> None:
    expected = content_hash(values)
    assert content_hash(np.asfortranarray(values)) == expected
    assert content_hash(values.astype(">f4")) == expected
    assert content_hash(values.astype(np.float64)) == expected
    assert content_hash(np.repeat(values, 2, axis=0)[::2]) == expected
    changed = values.copy()
    changed[2, 1] += 1e6 + 1
    assert content_hash(changed) != expected


def test_the_hash_sees_minus_zero_as_zero_but_not_another_shape() -> None:
    assert content_hash(np.array([[0.0, 1.0]])) == content_hash(np.array([[-0.0, 1.0]]))
    assert content_hash(np.zeros((2, 3))) != content_hash(np.zeros((3, 2)))


def test_the_hash_tells_labels_of_different_kinds_apart() -> None:
    def words(*values: Any) -> Any:
        return np.array(values, dtype=object)

    hashes = [
        content_hash(X),
        content_hash(X, [1, 0, 1]),
        content_hash(X, words("1", "0", "1")),
        content_hash(X, [True, False, True]),
        content_hash(X, words("1", None, "1")),
        content_hash(X, words("1", "", "1")),
        content_hash(X, words("", "1", "1")),
        content_hash(X, [1.5, 0.0, 1.0]),
    ]
    assert len(set(hashes)) == len(hashes)
    for missing in (np.nan, pd.NA):
        assert content_hash(X, words("1", missing, "1")) == content_hash(X, words("1", None, "1"))
    assert content_hash(X, np.array(["1", "0", "1"])) == content_hash(X, words("1", "0", "1"))
    assert content_hash(X, words(np.True_, np.False_, np.True_)) == content_hash(X, [True, False, True])


def test_the_hash_works_block_by_block() -> None:
    rows = np.random.default_rng(0).normal(size=(70000, 2)).astype(np.float32)
    changed = rows.copy()
    changed[-1, -1] += 1
    assert content_hash(rows) != content_hash(changed)
