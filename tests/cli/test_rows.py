from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.cli.rows import FittedRun, features_of, has_own_names, in_options, load_data, rows_for
from aaetools.datasets import Dataset
from aaetools.exceptions import AAEToolsError, DataError


def dataset(*names: str, image_shape: tuple[int, ...] | None = None) -> Dataset:
    X = np.zeros((2, len(names)), dtype=np.float32)
    return Dataset("d", X, None, names, image_shape=image_shape)


@pytest.mark.parametrize(
    ("message", "translated"),
    [
        ("name it with target=", "name it with --target"),
        ("with target= or id_column=", "with --target or --id-column"),
        ("unlabeled='x' does not occur", "--unlabeled 'x' does not occur"),
        ("'target=1.csv': no such file", "'target=1.csv': no such file"),
        ("my_target=3", "my_target=3"),
    ],
)
def test_messages_name_options(message: str, translated: str) -> None:
    assert in_options(message) == translated


def test_loading_complains_in_the_words_of_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,x\n2,y\n")
    with pytest.raises(DataError, match="name it with --target or --id-column"):
        load_data(str(path))


def test_numbers_and_pixels_are_no_names_of_their_own() -> None:
    assert has_own_names(dataset("a", "b"))
    assert has_own_names(dataset("x1", "x0"))
    assert not has_own_names(dataset("x0", "x1"))
    assert not has_own_names(dataset("a", "b", image_shape=(1, 2)))


def test_estimators_get_a_frame_only_where_there_are_names() -> None:
    assert list(features_of(dataset("a", "b")).columns) == ["a", "b"]
    assert isinstance(features_of(dataset("x0", "x1")), np.ndarray)


def fitted(*names: str, own: bool) -> FittedRun:
    model: Any = SimpleNamespace(n_features_in_=len(names))
    if own:
        model.feature_names_in_ = np.array(names, dtype=object)
    return FittedRun(model, names, "kind")


@pytest.fixture
def table_path(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    pd.DataFrame({"kind": ["u", "v"], "b": [1.0, 2.0], "a": [3.0, 4.0]}).to_csv(path, index=False)
    return path


def test_columns_are_matched_by_name_whatever_their_order(table_path: Path) -> None:
    loaded, X = rows_for(fitted("a", "b", own=True), str(table_path))
    assert loaded.target_name == "kind"
    assert list(X.columns) == ["a", "b"]
    np.testing.assert_array_equal(X.to_numpy(), [[3, 1], [4, 2]])


def test_the_names_in_a_run_order_the_columns_of_a_model_without_names(table_path: Path) -> None:
    _, X = rows_for(fitted("a", "b", own=False), str(table_path))
    np.testing.assert_array_equal(X, [[3, 1], [4, 2]])


def test_arrays_without_names_are_matched_by_position(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[3, 1], [4, 2]], dtype=np.float32))
    _, X = rows_for(fitted("a", "b", own=True), str(tmp_path / "x.npy"))
    assert X.to_numpy().tolist() == [[3, 1], [4, 2]]


@pytest.mark.parametrize(
    ("known", "own", "message"),
    [
        (("a", "b", "c"), True, "lacks column 'c'"),
        (("a",), True, "has column 'b', unknown to the model"),
        (("b", "c", "d"), True, "lacks columns 'c', 'd' and has column 'a'"),
        (("p", "q", "r"), False, "has 2 features, but the model was fitted with 3"),
    ],
)
def test_other_columns_are_refused_by_name(table_path: Path, known: tuple[str, ...], own: bool, message: str) -> None:
    with pytest.raises(AAEToolsError, match=message):
        rows_for(fitted(*known, own=own), str(table_path))


def rows_of(tmp_path: Path, text: str, *known: str, **options: Any) -> tuple[Dataset, Any]:
    path = tmp_path / "new.csv"
    path.write_text(text)
    return rows_for(fitted(*known, own=True), str(path), **options)


def test_one_row_is_enough(tmp_path: Path) -> None:
    _, X = rows_of(tmp_path, "a,b\n1,2\n", "a", "b")
    assert X.to_numpy().tolist() == [[1, 2]]
    np.save(tmp_path / "x.npy", np.array([[3.0, 1.0]]))
    _, X = rows_for(fitted("a", "b", own=True), str(tmp_path / "x.npy"))
    assert X.to_numpy().tolist() == [[3, 1]]


@pytest.mark.parametrize("name", ["y", "class", "Label", "id", "row_id"])
def test_what_the_model_knows_as_a_feature_is_no_label_nor_row_id(tmp_path: Path, name: str) -> None:
    data, X = rows_of(tmp_path, f"a,{name}\n1,7\n2,8\n", "a", name)
    assert (data.y, data.row_ids.tolist()) == (None, [0, 1])
    assert X[name].tolist() == [7, 8]


def test_the_models_labels_are_found_beside_a_feature_called_like_labels(tmp_path: Path) -> None:
    data, X = rows_of(tmp_path, "y,kind,label\n7,u,1\n8,v,2\n", "y", "label")
    assert data.target_name == "kind"
    assert X.to_numpy().tolist() == [[7, 1], [8, 2]]


def test_labels_that_the_model_did_not_know_are_still_no_features(tmp_path: Path) -> None:
    data, X = rows_of(tmp_path, "a,label\n7,1\n8,2\n", "a")
    assert (data.target_name, list(X.columns)) == ("label", ["a"])


def test_a_feature_cannot_be_named_as_the_labels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="column 'y': cannot be both the labels and a feature"):
        rows_of(tmp_path, "a,y\n1,7\n2,8\n", "a", "y", target="y")


def test_a_run_without_names_takes_columns_as_they_are_called(tmp_path: Path) -> None:
    path = tmp_path / "new.csv"
    path.write_text("p,y\n1,7\n2,8\n")
    data, X = rows_for(fitted("x0", own=False), str(path))
    assert (data.target_name, X.tolist()) == ("y", [[1], [2]])
