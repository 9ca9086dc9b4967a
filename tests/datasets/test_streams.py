"""A stream of data sets is the data set; what concerns all rows is known before the first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.datasets import Dataset, distinct, load_dataset, open_stream
from aaetools.datasets.files import read_file
from aaetools.datasets.tables import to_dataset
from aaetools.exceptions import DataError, LabelError

SIZES = (1, 3, 1000)


def assert_stream_is_the_data_set(source: Path | str, n_rows: int, **options: Any) -> None:
    whole, stream = load_dataset(source, **options), open_stream(source, **options)
    parts = list(stream.parts(n_rows))
    assert (stream.n_rows, stream.target_name, stream.source) == (whole.n_rows, whole.target_name, whole.source)
    np.testing.assert_array_equal(np.concatenate([part.X for part in parts]), whole.X)
    ids = np.concatenate([part.row_ids for part in parts])
    np.testing.assert_array_equal(ids, whole.row_ids)
    assert ids.dtype == whole.row_ids.dtype
    if whole.y is None:
        assert all(part.y is None for part in parts)
        assert stream.labels == ()
    else:
        y = np.concatenate([part.y for part in parts if part.y is not None])
        assert (y.tolist(), y.dtype) == (whole.y.tolist(), whole.y.dtype)
        assert {label for label, _ in stream.labels} == set(whole.classes)
        assert all(whole.y[row] == label and label not in whole.y[:row].tolist() for label, row in stream.labels)
    for part in parts:
        assert isinstance(part, Dataset)
        assert (part.name, part.feature_names, part.image_shape) == (whole.name, whole.feature_names, whole.image_shape)


TEXTS: dict[str, tuple[str, dict[str, Any]]] = {
    "labels and ids": ("id,a,label\n5,1,u\n3,2,\n9,3,v\n1,4,u\n", {}),
    "labels that turn out to be words": ("a,label\n1,01\n2,2\n3,x\n4,2\n", {}),
    "labels that turn out to be floats": ("a,label\n1,1\n2,2\n3,2.0\n4,\n", {}),
    "labels that are numbers but for a mark": ("a,label\n1,1\n2,2\n3,unknown\n4,1\n", {"unlabeled": "unknown"}),
    "labels that are true and false": ("a,label\n1,True\n2,False\n3,\n4,True\n", {}),
    "no label at all": ("a,label\n1,\n2,\n3,\n4,\n", {}),
    "minus one is one of three": ("a,label\n1,-1\n2,1\n3,0\n4,1\n", {}),
    "ids that turn out to be words": ("id,a\n1,1\n2,2\nx,3\n01,4\n", {}),
    "a coordinate called y": ("y,a\n1,1\n2,2\n0.5,3\n", {}),
    "classes called y": ("y,a\n1,1\n2,2\n1,3\n", {}),
    "a saved index": (",a\n4,1\n7,2\n5,3\n", {}),
    "whole numbers, then fractions beyond 2^53": ("a,b\n36028797018963969,1\n0.5,2\n3,3\n", {}),
    "columns named": ("k,name,a\nu,p,1\nv,q,2\nu,r,3\n", {"target": "k", "id_column": "name"}),
}


@pytest.mark.parametrize("case", TEXTS)
@pytest.mark.parametrize("n_rows", SIZES)
def test_a_stream_is_the_data_set(tmp_path: Path, case: str, n_rows: int) -> None:
    content, options = TEXTS[case]
    (tmp_path / "d.csv").write_text(content)
    assert_stream_is_the_data_set(tmp_path / "d.csv", n_rows, **options)


@pytest.mark.parametrize("n_rows", [100, 1000])
def test_bundled_data_stream_too(n_rows: int) -> None:
    assert_stream_is_the_data_set("wine", n_rows)


LABELS = {
    "in order": "label\nu\nv\nNA\nu\n",
    "by id": "id,label\nd,u\na,v\n",
}


@pytest.mark.parametrize("order", LABELS)
@pytest.mark.parametrize("n_rows", SIZES)
def test_labels_of_another_file_are_cut_as_the_rows_are(tmp_path: Path, order: str, n_rows: int) -> None:
    pd.DataFrame({"id": list("abcd"), "x": [1.0, 2, 3, 4]}).to_parquet(tmp_path / "d.parquet")
    (tmp_path / "labels.csv").write_text(LABELS[order])
    assert_stream_is_the_data_set(tmp_path / "d.parquet", n_rows, target=str(tmp_path / "labels.csv"))


@pytest.mark.parametrize("n_rows", SIZES)
def test_labels_beside_an_array_are_cut_as_the_rows_are(tmp_path: Path, n_rows: int) -> None:
    np.save(tmp_path / "d.npy", np.arange(8.0).reshape(4, 2))
    np.save(tmp_path / "labels.npy", np.array([3, 4, 3, 5]))
    assert_stream_is_the_data_set(tmp_path / "d.npy", n_rows, target=str(tmp_path / "labels.npy"))
    np.savez(tmp_path / "d.npz", X=np.arange(8.0).reshape(4, 2), y=np.array([3, 4, 3, 5]), id=np.array(list("dcba")))
    assert_stream_is_the_data_set(tmp_path / "d.npz", n_rows)


def test_a_file_without_the_right_number_of_labels_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.arange(8.0).reshape(4, 2))
    np.save(tmp_path / "labels.npy", np.array([3, 4, 3]))
    with pytest.raises(DataError, match="3 labels for the 4 rows"):
        open_stream(tmp_path / "d.npy", target=str(tmp_path / "labels.npy"))


@pytest.mark.parametrize(
    "ids",
    [
        [1, 2, 3, 4, 5, 2],  # the last is below the one before: not only rising
        [5, 4, 3, 2, 1, 4],
        ["a", "b", "c", "d", "e", "b"],
        [2**63 + 1, 2**63, 2**63 + 2, 7, 8, 2**63],
    ],
)
def test_an_id_that_comes_again_chunks_later_is_refused_with_both_rows(tmp_path: Path, ids: list[Any]) -> None:
    path = tmp_path / "d.parquet"
    pd.DataFrame({"id": ids, "x": np.arange(6.0)}).to_parquet(path)
    with pytest.raises(DataError) as whole:
        load_dataset(path)
    with pytest.raises(DataError) as caught:
        open_stream(path)
    assert str(caught.value) == str(whole.value)
    assert "row 5 (counted from 0)" in str(whole.value)


def test_of_many_repeated_ids_the_first_to_come_again_is_named(tmp_path: Path) -> None:
    pd.DataFrame({"id": list("abcdcab"), "x": np.arange(7.0)}).to_parquet(tmp_path / "d.parquet")
    with pytest.raises(DataError, match=r"row 4 \(counted from 0\).*row id 'c' is the same as at row 2"):
        open_stream(tmp_path / "d.parquet")


def test_ids_whose_hashes_are_equal_by_chance_are_not_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"id": ["a", "b", "c"], "x": np.arange(3.0)}).to_parquet(tmp_path / "d.parquet")
    monkeypatch.setattr(distinct, "_marks", lambda cells: np.zeros(len(cells), dtype=np.uint64))
    assert open_stream(tmp_path / "d.parquet").n_rows == 3


@pytest.mark.parametrize("suffix", [".parquet", ".npy"])
@pytest.mark.parametrize("cell", [np.nan, np.inf, -np.inf, 2e30, -2e30])
@pytest.mark.parametrize("n_rows", SIZES)
def test_no_float32_passes_a_chunk_that_would_not_pass_a_file(
    tmp_path: Path, suffix: str, cell: float, n_rows: int
) -> None:
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    X[4, 1] = cell
    path = tmp_path / f"d{suffix}"
    if suffix == ".npy":
        np.save(path, X)
    else:
        pd.DataFrame(X, columns=["a", "b"]).to_parquet(path)
    with pytest.raises(DataError) as whole:
        to_dataset(read_file(path), encoding="numbers")
    with pytest.raises(DataError) as caught:
        list(open_stream(path).parts(n_rows))
    assert str(caught.value) == str(whole.value)
    assert "row 4 (counted from 0)" in str(caught.value)


def test_float32_comes_out_as_it_went_in(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    pd.DataFrame(X, columns=list("abc")).assign(id=range(20)).to_parquet(tmp_path / "d.parquet")
    np.save(tmp_path / "d.npy", X)
    for name in ("d.parquet", "d.npy"):
        for n_rows in (7, 20):
            assert_stream_is_the_data_set(tmp_path / name, n_rows)


def test_too_many_different_labels_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distinct, "_MOST_LABELS", 2)
    (tmp_path / "d.csv").write_text("a,label\n1,u\n2,v\n3,w\n")
    with pytest.raises(LabelError, match="column 'label': over 2 different values"):
        open_stream(tmp_path / "d.csv")


@pytest.mark.parametrize("name", ["y", "class", "Label", "id", "row_id"])
def test_what_is_known_as_a_feature_is_no_label_nor_row_id(tmp_path: Path, name: str) -> None:
    (tmp_path / "d.csv").write_text(f"a,{name}\n1,7\n2,8\n")
    (part,) = open_stream(tmp_path / "d.csv", features=("a", name, "not there")).parts()
    assert (part.y, part.row_ids.tolist(), part.feature_names) == (None, [0, 1], ("a", name))


def test_a_models_own_label_column_is_found_where_it_exists(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("y,kind,label\n7,u,1\n8,v,2\n")
    stream = open_stream(tmp_path / "d.csv", features=("y", "label"), own_target="kind")
    assert stream.target_name == "kind"
    assert open_stream(tmp_path / "d.csv", features=("y", "kind"), own_target="kind").target_name == "label"


def test_names_that_are_no_source_are_answered_as_ever() -> None:
    with pytest.raises(DataError, match="did you mean 'digits'"):
        open_stream("digts")
