"""What a file becomes: labels, row ids, features; good input only (bad input: test_files.py)."""

from __future__ import annotations

import gzip
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aaetools.datasets import READERS, Dataset, load_dataset
from aaetools.exceptions import DataError

FRAME = pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": [1, 2, 3], "c": [True, False, True], "label": ["cat", "dog", "cat"]})
EXPECTED = np.array([[1.5, 1, 1], [2.5, 2, 0], [3.5, 3, 1]], dtype=np.float32)


def save(path: Path, frame: pd.DataFrame, **kwargs: Any) -> Path:
    """Write a frame in the format of the suffix, features first and then labels."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, **kwargs)
    elif path.suffix == ".npz":
        features = frame.drop(columns="label")
        np.savez(path, X=features.astype(float), label=frame["label"].to_numpy().astype(str))
    elif path.suffix == ".npy":
        np.save(path, frame.drop(columns="label").astype(float).to_numpy())
    elif "idx" in path.name:
        X = frame.drop(columns="label").astype(">f8").to_numpy()
        content = bytes([0, 0, 14, 2]) + np.array(X.shape, dtype=">u4").tobytes() + X.tobytes()
        path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    else:
        frame.to_csv(path, sep="," if ".csv" in path.name else "\t", index=False, **kwargs)
    return path


def from_csv(folder: Path, text: str, **options: Any) -> Dataset:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return load_dataset(path, **options)


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("as_text", [True, False])
def test_every_format_gives_the_same_rows(tmp_path: Path, suffix: str, as_text: bool) -> None:
    path = save(tmp_path / f"pets{suffix}", FRAME)
    data = load_dataset(str(path) if as_text else path)
    np.testing.assert_array_equal(np.asarray(data.X, dtype=np.float32), EXPECTED)
    assert isinstance(data.X, pd.DataFrame) == (suffix in (".parquet", ".csv", ".tsv", ".csv.gz", ".tsv.gz"))
    assert data.name == ("petsidx3-ubyte" if "ubyte" in suffix else "pets")
    assert data.source == str(path)
    assert data.row_ids.tolist() == [0, 1, 2]
    if suffix == ".npy" or "idx" in suffix:
        assert (data.y, data.target_name) == (None, None)
    else:
        assert data.y is not None
        assert data.y.tolist() == ["cat", "dog", "cat"]
        assert data.y.dtype == object
        assert data.target_name == "label"
    if suffix not in (".npy", ".npz") and "idx" not in suffix:
        assert data.feature_names == ("a", "b", "c")


def test_a_suffix_in_capitals_and_a_home_folder_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "DATA.CSV").write_text("a,b\n1,2\n3,4\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_dataset("~/DATA.CSV").n_rows == 2


def test_a_bundled_name_comes_before_a_file_of_that_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "iris").write_text("a,b\n1,2\n3,4\n")
    monkeypatch.chdir(tmp_path)
    assert load_dataset("iris").n_rows == 150


@pytest.mark.parametrize(
    ("cells", "unlabeled", "expected"),
    [
        ("0 1 2 1", None, [0, 1, 2, 1]),
        ("0 1 . 1", None, [0, 1, -1, 1]),
        ("0 1 -1 1", None, [0, 1, -1, 1]),
        ("0 -1 . 1", None, [0, -1, -1, 1]),
        ("0 NA nan 1", None, [0, -1, -1, 1]),
        ("1.0 2.0 . 1.0", None, [1, 2, -1, 1]),
        ("0 1 unknown 1", "unknown", [0, 1, -1, 1]),
        ("0 1 unknown .", "unknown", [0, 1, -1, -1]),
        ("0 1 99 1", "99", [0, 1, -1, 1]),
        ("0 1 99 1", 99, [0, 1, -1, 1]),
        ("1 1 -1 -1", -1, [1, 1, -1, -1]),
        ("a b . a", None, ["a", "b", None, "a"]),
        ("a b ? a", "?", ["a", "b", None, "a"]),
        ("a b -1 a", None, ["a", "b", None, "a"]),
        ("a b NA a", "NA", ["a", "b", None, "a"]),
        ("a None b a", None, ["a", "None", "b", "a"]),
        ("a None b a", "None", ["a", None, "b", "a"]),
        ("1 2 x 1", None, ["1", "2", "x", "1"]),
        ("1_0 2_0 ? 1_0", "?", ["1_0", "2_0", None, "1_0"]),
        ("True False True False", None, [True, False, True, False]),
        ("True False . True", None, [True, False, None, True]),
        ("true FALSE ? true", "?", [True, False, None, True]),
        ("4 5 3000000000 4", None, [4, 5, 3000000000, 4]),
    ],
)
def test_labels_in_text_are_read_as_meant(
    tmp_path: Path, cells: str, unlabeled: str | int | None, expected: list[Any]
) -> None:
    rows = [f"{i},{'' if cell == '.' else cell}" for i, cell in enumerate(cells.split())]
    data = from_csv(tmp_path, "\n".join(["a,kind", *rows]), target="kind", unlabeled=unlabeled)
    assert data.y is not None
    assert data.y.tolist() == expected
    assert [type(value) for value in data.y.tolist()] == [type(value) for value in expected]
    assert data.y.dtype.kind == ("i" if type(expected[0]) is int else "O" if None in expected else data.y.dtype.kind)
    assert data.feature_names == ("a",)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.array([1, None, 2], dtype="Int64"), [1, -1, 2]),
        (pd.array([True, None, False], dtype="boolean"), [True, None, False]),
        (pd.Categorical(["x", None, "y"]), ["x", None, "y"]),
        (["x", "", " y "], ["x", None, "y"]),
        (["1", "2", None], ["1", "2", None]),
        (["-1", "2", "x"], ["-1", "2", "x"]),
        (np.array([7, -1, 8], dtype=np.int8), [7, -1, 8]),
        (np.array([7, 7, 8], dtype=np.uint64), [7, 7, 8]),
        ([1.0, np.nan, 2.0], [1, -1, 2]),
    ],
)
def test_typed_labels_in_parquet_keep_their_kind(tmp_path: Path, values: Any, expected: list[Any]) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame({"a": [1, 2, 3], "y": values}).to_parquet(path)
    y = load_dataset(path).y
    assert y is not None
    assert y.tolist() == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([[1], [2], [-1]]), [1, 2, -1]),
        (np.array(["a", "b", ""]), ["a", "b", None]),
        (np.array([b"a", b"b", b""]), ["a", "b", None]),
        (np.array([1.0, 2.0, np.nan], dtype=np.float16), [1, 2, -1]),
        (np.array([1, 2, 3], dtype=">i4"), [1, 2, 3]),
        (np.array([True, False, True]), [True, False, True]),
    ],
)
@pytest.mark.parametrize("name", ["y", "labels", "target"])
def test_labels_in_npz(tmp_path: Path, labels: Any, expected: list[Any], name: str) -> None:
    path = tmp_path / "data.npz"
    np.savez_compressed(path, **{"data": np.eye(3), name: labels})
    data = load_dataset(path)
    assert data.y is not None
    assert data.y.tolist() == expected
    assert data.target_name == name
    assert data.n_features == 3


@pytest.mark.parametrize("empty", ["", "-1", "NA"])
def test_a_label_column_without_labels_means_no_labels(tmp_path: Path, empty: str) -> None:
    data = from_csv(tmp_path, f"a,label\n1,{empty}\n2,{empty}\n")
    assert data.y is None
    assert data.feature_names == ("a",)


@pytest.mark.parametrize(
    ("header", "target", "expected"),
    [
        ("a,b,Label", None, "Label"),
        ("a,CLASS,c", None, "CLASS"),
        ("target,b,c", None, "target"),
        ("a,b,c", None, None),
        ("a,b,c", "b", "b"),
        ("a,y,label", "label", "label"),
        ("a, label ,c", "label", "label"),
    ],
)
def test_the_label_column_is_the_named_one_or_the_one_with_a_telling_name(
    tmp_path: Path, header: str, target: str | None, expected: str | None
) -> None:
    data = from_csv(tmp_path, f"{header}\n1,2,3\n3,4,5\n", target=target)
    assert data.target_name == expected
    assert expected not in data.feature_names
    assert data.n_features == (2 if expected else 3)


def test_a_coordinate_called_y_is_a_feature(tmp_path: Path) -> None:
    data = from_csv(tmp_path, "x,y,label\n0.5,1.5,a\n2.5,3.5,b\n")
    assert data.feature_names == ("x", "y")
    assert data.target_name == "label"


@pytest.mark.parametrize(
    ("text", "id_column", "expected", "features"),
    [
        ("id,a\n7,1\n9,2\n", None, [7, 9], ("a",)),
        ("a,Row_ID\n1,u\n2,v\n", None, ["u", "v"], ("a",)),
        ("name,a,b\nu,1,2\nv,2,3\n", "name", ["u", "v"], ("a", "b")),
        (",a\n0,1\n1,2\n", None, [0, 1], ("a",)),
        (",a\nu,1\nv,2\n", None, ["u", "v"], ("a",)),
        (",id,a\n0,7,1\n1,9,2\n", None, [7, 9], ("a",)),
        ("a,b\n1,2\n2,3\n", None, [0, 1], ("a", "b")),
    ],
)
def test_row_ids_are_never_features(
    tmp_path: Path, text: str, id_column: str | None, expected: list[Any], features: tuple[str, ...]
) -> None:
    data = from_csv(tmp_path, text, id_column=id_column)
    assert data.row_ids.tolist() == expected
    assert data.feature_names == features


def test_a_saved_index_in_parquet_becomes_the_row_ids(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    pd.DataFrame({"a": [1, 2]}, index=["u", "v"]).to_parquet(path)
    data = load_dataset(path)
    assert data.row_ids.tolist() == ["u", "v"]
    assert data.feature_names == ("a",)


def test_arrays_beside_the_features_of_an_npz_file_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(
        path,
        X=np.eye(3),
        y=[0, 1, 2],
        species=np.array(["u", "v", "u"]),
        key=[5, 6, 7],
        feature_names=np.array(["p", "q", "r"]),
        notes=np.array([{"free": "text"}], dtype=object),
    )
    data = load_dataset(path, target="species", id_column="key")
    assert data.y is not None
    assert data.y.tolist() == ["u", "v", "u"]
    assert data.row_ids.tolist() == [5, 6, 7]
    assert data.feature_names == ("p", "q", "r")


@pytest.mark.parametrize("shape", [(5, 2, 3), (5, 2, 3, 3), (5, 4, 4, 1)])
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_images_are_flattened_and_keep_their_shape(tmp_path: Path, shape: tuple[int, ...], suffix: str) -> None:
    images = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path / f"images{suffix}"
    if suffix == ".npy":
        np.save(path, images)
    else:
        np.savez(path, X=images)
    data = load_dataset(path)
    assert data.image_shape == shape[1:]
    np.testing.assert_array_equal(data.X.reshape(shape), images)
    assert data.feature_names[1] == "pixel_" + "_".join(str(i) for i in np.argwhere(np.ones(shape[1:]))[1])


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f8", "i1", "u2", "i8", "?", "longdouble"])
def test_every_real_type_and_order_of_an_array_is_read(tmp_path: Path, dtype: str, order: Any) -> None:
    values = np.array([[0, 1, 1], [1, 0, 1]]).astype(dtype, order=order)
    path = tmp_path / "data.npy"
    np.save(path, values)
    np.testing.assert_array_equal(load_dataset(path).X, values.astype(np.float32))


def test_decimals_and_constant_columns_are_features(tmp_path: Path) -> None:
    from decimal import Decimal

    path = tmp_path / "data.parquet"
    pd.DataFrame({"price": [Decimal("1.50"), Decimal("2.25")], "same": [4, 4]}).to_parquet(path)
    np.testing.assert_array_equal(load_dataset(path).X, [[1.5, 4], [2.25, 4]])


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffa,label\n1,x\n2,y\n",
        '\ufeff"a",label\n1,x\n2,y\n',
        "a,label\r\n1,x\r\n2,y\r\n",
        "a,label\r1,x\r2,y\r",
        "\n\na,label\n\n1,x\n   \n2,y\n\n",
        'a,label\n1,"x"\n2,"y"',
        "a, label\n 1, x \n 2, y\n",
    ],
)
def test_harmless_differences_in_text_make_no_difference(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(text.encode())
    data = load_dataset(path)
    assert data.feature_names == ("a",)
    assert data.y is not None
    assert data.y.tolist() == ["x", "y"]
    np.testing.assert_array_equal(data.X, [[1], [2]])


def test_labels_may_hold_any_text(tmp_path: Path) -> None:
    words = ["</script>", "=1+1", "two\nlines", 'quote"d', "naïve, 日本"]
    path = tmp_path / "data.csv"
    pd.DataFrame({"a": range(5), "label": words}).to_csv(path, index=False)
    y = load_dataset(path).y
    assert y is not None
    assert y.tolist() == words


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(2, 6), st.integers(1, 5)),
        elements=st.floats(-(2.0**99), 2.0**99, width=32),
    ),
    st.sampled_from(sorted(READERS)),
)
@settings(max_examples=60, deadline=None)
def test_features_survive_the_way_through_any_file(
    tmp_path_factory: pytest.TempPathFactory, values: Any, suffix: str
) -> None:
    path = tmp_path_factory.mktemp("way") / f"data{suffix}"
    frame = pd.DataFrame(values, columns=[f"f{i}" for i in range(values.shape[1])])
    save(path, frame.assign(label="u"))
    np.testing.assert_array_equal(load_dataset(path).X, values)


def test_a_large_table_is_checked_to_its_last_cell(tmp_path: Path) -> None:
    values = np.zeros((5000, 1000), dtype=np.float32)  # more than one block
    values[-1, -1] = 5
    np.save(tmp_path / "data.npy", values)
    assert load_dataset(tmp_path / "data.npy").X[-1, -1] == 5
    values[-1, -1] = np.inf
    np.save(tmp_path / "data.npy", values)
    with pytest.raises(DataError, match=r"row 4999 \(counted from 0\), column 'x999'"):
        load_dataset(tmp_path / "data.npy")


def test_nothing_is_written_by_loading(tmp_path: Path) -> None:
    path = save(tmp_path / "data.parquet", FRAME)
    before = path.read_bytes()
    load_dataset(path)
    assert os.listdir(tmp_path) == ["data.parquet"]
    assert path.read_bytes() == before


def test_members_of_an_npz_file_that_are_no_arrays_do_not_disturb(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, X=np.eye(2))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "two rows")
    assert load_dataset(path).n_rows == 2
    with pytest.raises(DataError, match=r"'README\.txt': cannot be the labels"):
        load_dataset(path, target="README.txt")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, X=np.eye(2))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("X.npy", "another")
    with pytest.raises(DataError, match=r"data\.npz.*same name"):
        load_dataset(path)


@pytest.mark.parametrize("suffix", READERS)
def test_a_single_row_is_loaded_only_on_request(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"one{suffix}", FRAME.iloc[:1])
    with pytest.raises(DataError, match="holds only one row; at least 2 are needed"):
        load_dataset(path)
    np.testing.assert_array_equal(load_dataset(path, min_rows=1).X, EXPECTED[:1])


def test_a_column_called_like_labels_can_be_a_feature(tmp_path: Path) -> None:
    text = "class,y,label\n1,5,u\n2,6,v\n"
    with pytest.raises(DataError, match="more than one column may hold the labels"):
        from_csv(tmp_path, text)
    data = from_csv(tmp_path, text, features=("class", "y"))
    assert (data.target_name, data.feature_names) == ("label", ("class", "y"))
    with pytest.raises(DataError, match="features= is for files"):
        load_dataset("iris", features=("petal length",))


def test_half_a_character_in_an_array_that_nobody_needs_does_not_disturb(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    np.savez(path, X=np.eye(2), notes=np.array(["\ud800", "fine"]), y=np.array(["\U0001f600", "b"]))
    data = load_dataset(path)
    assert data.classes == ("b", "\U0001f600")


@pytest.mark.parametrize(("images", "labels"), [("idx3-ubyte", "idx1-ubyte"), ("idx3-ubyte.gz", "idx1-ubyte")])
def test_images_in_idx_find_their_labels(tmp_path: Path, images: str, labels: str) -> None:
    for name, array in (
        (f"train-images-{images}", np.arange(24).reshape(3, 2, 4)),
        (f"train-labels-{labels}", [7, 0, 7]),
    ):
        values = np.asarray(array, dtype=np.uint8)
        content = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()
        (tmp_path / name).write_bytes(gzip.compress(content, mtime=0) if name.endswith(".gz") else content)
    data = load_dataset(tmp_path / f"train-images-{images}")
    assert (data.image_shape, data.classes, data.target_name) == ((2, 4), (0, 7), "label")
    np.testing.assert_array_equal(data.X[1], np.arange(8, 16))
    (tmp_path / f"train-labels-{labels}").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 1]))
    with pytest.raises(DataError, match=r"train-labels.*2 labels for the 3 rows"):
        load_dataset(tmp_path / f"train-images-{images}")


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_sparse_matrices_are_written_out(tmp_path: Path, kind: str) -> None:
    dense = np.array([[0, 1.5, 0], [2, 0, 0], [0, 0, 0], [0, 0, 4]])
    scipy.sparse.save_npz(tmp_path / "d.npz", getattr(scipy.sparse, f"{kind}_array")(dense))
    data = load_dataset(tmp_path / "d.npz")
    np.testing.assert_array_equal(data.X, dense)
    assert data.feature_names == ("x0", "x1", "x2")


def test_a_folder_of_parquet_files_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "pets"
    folder.mkdir()
    FRAME.to_parquet(folder / "part-1.parquet")
    FRAME.iloc[:2].to_parquet(folder / "part-2.parquet")
    (folder / "_SUCCESS").write_text("")
    data = load_dataset(folder)
    assert data.name == "pets"
    np.testing.assert_array_equal(np.asarray(data.X, dtype=np.float32), np.concatenate([EXPECTED, EXPECTED[:2]]))
    FRAME.assign(a=[1.0, np.inf, 3.0]).to_parquet(folder / "part-2.parquet")
    with pytest.raises(DataError, match=r"pets': 'part-2.parquet', row 1 \(counted from 0\), column 'a': infinite"):
        load_dataset(folder)
    FRAME.rename(columns={"a": "z"}).to_parquet(folder / "part-2.parquet")
    with pytest.raises(DataError, match=r"part-2\.parquet': its columns differ in 'a', 'z'"):
        load_dataset(folder)
    (folder / "part-2.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"part-2\.parquet': cannot be read"):
        load_dataset(folder)
