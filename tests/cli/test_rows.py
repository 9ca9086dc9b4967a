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
def test_other_columns_are_refused_by_name(
    table_path: Path, known: tuple[str, ...], own: bool, message: str
) -> None:
    with pytest.raises(AAEToolsError, match=message):
        rows_for(fitted(*known, own=own), str(table_path))
