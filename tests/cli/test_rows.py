from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aaetools.cli.rows import FittedRun, features_of, in_options, load_data, rows_of
from aaetools.datasets import Dataset
from aaetools.exceptions import DataError


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
    path.write_text("a,b\n1,x\n2,3\n")
    with pytest.raises(DataError, match="name it with --target or --id-column"):
        load_data(str(path))


def test_estimators_get_a_frame_only_where_there_are_names() -> None:
    assert list(features_of(dataset("a", "b")).columns) == ["a", "b"]
    assert isinstance(features_of(dataset("x0", "x1")), np.ndarray)


def fitted(*names: str) -> FittedRun:
    model: Any = SimpleNamespace(n_features_in_=len(names))
    return FittedRun(model, names, "kind")


@pytest.fixture
def table_path(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text("y,kind,label\n7,u,1\n8,v,2\n")
    return path


def test_rows_are_read_as_the_run_knows_its_columns(table_path: Path) -> None:
    stream = rows_of(fitted("y", "label"), str(table_path))
    (part,) = stream.parts()
    assert (stream.target_name, part.feature_names) == ("kind", ("y", "label"))
    assert part.X.tolist() == [[7, 1], [8, 2]]


def test_one_row_is_enough(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[3.0, 1.0]]))
    (part,) = rows_of(fitted("a", "b"), str(tmp_path / "x.npy")).parts()
    assert part.X.tolist() == [[3, 1]]


def test_columns_that_are_not_there_are_complained_of_in_the_words_of_the_command_line(table_path: Path) -> None:
    with pytest.raises(DataError, match="column 'y': cannot be both the labels and a feature"):
        rows_of(fitted("y", "label"), str(table_path), target="y")
    with pytest.raises(DataError, match="--unlabeled 'x' does not occur"):
        rows_of(fitted("y"), str(table_path), target="kind", unlabeled="x")
