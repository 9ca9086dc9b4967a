from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aaetools.datasets import load_dataset
from aaetools.exceptions import DataError


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "cells.csv"
    path.write_text("id,a,b\nr1,1,2\nr2,3,4\nr3,5,6\n")
    return path


def labels(folder: Path, content: Any, name: str = "labels.csv") -> str:
    path = folder / name
    if isinstance(content, str):
        path.write_text(content)
    else:
        np.save(path, content)
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("labels.csv", "kind\nx\n\ny\nx\n", ["x", "y", "x"]),
        ("labels.csv", "id,kind\nr3,x\nr1,y\n", ["y", None, "x"]),
        ("labels.tsv", "ID\tnote\tlabel\nr2\tfine\t4\n", [-1, 4, -1]),
        ("labels.npy", np.array([0, -1, 1]), [0, -1, 1]),
        ("labels.npy", np.array(["u", "v", "u"]), ["u", "v", "u"]),
        ("labels.npy", np.array([[0], [1], [1]]), [0, 1, 1]),
    ],
)
def test_labels_are_matched_by_row_id_or_by_order(
    table: Path, tmp_path: Path, name: str, content: Any, expected: list[Any]
) -> None:
    data = load_dataset(table, target=labels(tmp_path, content, name))
    assert data.y is not None
    assert data.y.tolist() == expected
    assert data.feature_names == ("a", "b")
    assert data.row_ids.tolist() == ["r1", "r2", "r3"]


def test_arrays_have_their_labels_in_a_file_too(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", np.eye(3))
    data = load_dataset(tmp_path / "X.npy", target=labels(tmp_path, np.array([0, 1, 1]), "labels.npy"))
    assert data.y is not None
    assert data.y.tolist() == [0, 1, 1]


def test_a_column_comes_before_a_file_of_that_name(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table.write_text("a,labels.csv\n1,0\n2,1\n3,1\n")
    labels(tmp_path, "kind\nx\ny\nz\n")
    assert load_dataset(table, target="labels.csv").classes == (0, 1)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("labels.csv", "kind\nx\ny\n", ("2 labels for the 3 rows", "one per row")),
        ("labels.npy", np.arange(4), ("4 labels for the 3 rows",)),
        ("labels.npy", np.zeros((3, 2)), ("shape (3, 2)", "argmax")),
        ("labels.npy", np.array(3), ("shape ()",)),
        ("labels.npy", np.array([{}, None, 1], dtype=object), ("Python objects",)),
        ("labels.csv", "id,kind\nr1,x\nr9,y\n", ("line 3", "column 'id'", "no row with the id 'r9'")),
        ("labels.csv", "id,kind\nr1,x\nr1,y\n", ("line 3", "column 'id'", "more than once")),
        ("labels.csv", "id,kind\nr1,x\n,y\n", ("line 3", "column 'id'", "missing")),
        ("labels.csv", "id\nr1\nr2\nr3\n", ("one column of labels", "none")),
        ("labels.csv", "u,v\n1,2\n1,2\n1,2\n", ("one column of labels", "'u', 'v'")),
        ("labels.csv", "a\nx\ny\nz\n", ("column 'a'", "rename")),
        ("labels.csv", "kind\nx\ny,z\n", ("line 3", "cells")),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_their_place(
    table: Path, tmp_path: Path, name: str, content: Any, words: tuple[str, ...]
) -> None:
    if name.endswith("npy") and not isinstance(content, str):
        np.save(tmp_path / name, content, allow_pickle=True)
        path = str(tmp_path / name)
    else:
        path = labels(tmp_path, content, name)
    with pytest.raises(DataError) as caught:
        load_dataset(table, target=path)
    message = str(caught.value)
    assert message.isprintable()
    assert all(word in message for word in (name, *words)), message
