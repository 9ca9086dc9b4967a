"""Files of annotated matrices: what anndata writes is read, what is damaged or leads elsewhere is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse

from aaetools.datasets import inspect_data, load_dataset
from aaetools.datasets.h5ad import read_rows
from aaetools.exceptions import DataError

X = np.array([[0, 1.5, 0], [2, 0, 0], [0, 0, 3], [4, 5, 6]], dtype=np.float32)
KINDS = ["b", None, "a", "b"]

pytestmark = pytest.mark.usefixtures("h5ad_in_this_process")


def annotated(X: Any = X, **obs: Any) -> Any:
    """Return an AnnData object; imported here, because that takes a second or two."""
    from anndata import AnnData

    rows = pd.DataFrame(obs or {"label": pd.Categorical(KINDS)}, index=[f"cell-{row}" for row in range(4)])
    return AnnData(X, obs=rows, var=pd.DataFrame(index=["gata1", "sox2", "nanog"]))


def written(path: Path, store: str = "dense", **obs: Any) -> Path:
    """Write the smallest file of the documented format; ``obs`` holds arrays or functions of the group."""
    texts = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        for name, words in (("obs", [f"c{row}" for row in range(4)]), ("var", ["p", "q", "r"])):
            group = file.create_group(name)
            group.attrs["_index"] = "_index"
            group.create_dataset("_index", data=words, dtype=texts)
            group.attrs["column-order"] = np.array(list(obs) if name == "obs" else [], dtype=texts)
        for name, values in obs.items():
            if callable(values):
                values(file["obs"], name)
            else:
                file["obs"].create_dataset(name, data=values)
        if store == "dense":
            file["X"] = X
        else:
            matrix = scipy.sparse.csr_array(X)
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", X.shape
            for name in ("data", "indices", "indptr"):
                group[name] = getattr(matrix, name)
    return path


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replaced(name: str, **dataset: Any) -> Callable[[Any], None]:
    """Return a change that puts another array in the place of one."""

    def change(file: Any) -> None:
        del file[name]
        file.create_dataset(name, **dataset)

    return change


# -- what is read ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_matrix], ids=str)
@pytest.mark.parametrize("compression", [None, "gzip", "lzf"])
def test_what_anndata_writes_is_read(tmp_path: Path, store: Callable[[Any], Any], compression: Any) -> None:
    path = tmp_path / "cells.h5ad"
    annotated(store(X)).write_h5ad(path, compression=compression)
    data = load_dataset(path)
    np.testing.assert_array_equal(data.X, X)
    assert data.feature_names == ("gata1", "sox2", "nanog")
    assert data.row_ids.tolist() == ["cell-0", "cell-1", "cell-2", "cell-3"]
    assert data.y is not None
    assert data.y.tolist() == KINDS
    assert (data.name, data.target_name) == ("cells", "label")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pd.Categorical([None, "x", "y", "x"]), [None, "x", "y", "x"]),
        (pd.Categorical([2, 1, None, 2]), [2, 1, -1, 2]),
        (["x", "y", "", "x"], ["x", "y", None, "x"]),
        ([3, -1, 4, 3], [3, -1, 4, 3]),
        ([True, False, True, True], [True, False, True, True]),
        (pd.array([1, None, 2, 1], dtype="Int64"), [1, -1, 2, 1]),
        (pd.array([True, None, False, True], dtype="boolean"), [True, None, False, True]),
    ],
)
def test_a_key_of_obs_is_the_labels(tmp_path: Path, values: Any, expected: list[Any]) -> None:
    path = tmp_path / "cells.h5ad"
    annotated(cell_type=values, n_counts=[5.5, 1.5, 2.5, 3.5]).write_h5ad(path)
    y = load_dataset(path, target="cell_type").y
    assert y is not None
    assert y.tolist() == expected
    assert load_dataset(path).y is None
    with pytest.raises(DataError, match=r"'n_counts'.*measurement"):
        load_dataset(path, target="n_counts")


def test_categoricals_as_anndata_0_7_wrote_them(tmp_path: Path) -> None:
    def old(obs: Any, name: str) -> None:
        words = obs.create_group("__categories").create_dataset(name, data=["x", "y"], dtype=h5py.string_dtype())
        obs.create_dataset(name, data=np.array([1, -1, 0, 1], dtype=np.int8)).attrs["categories"] = words.ref

    y = load_dataset(written(tmp_path / "cells.h5ad", label=old)).y
    assert y is not None
    assert y.tolist() == ["y", None, "x", "y"]


def test_row_ids_are_the_names_of_the_rows_unless_a_key_is_named(tmp_path: Path) -> None:
    path = written(tmp_path / "cells.h5ad", id=[7, 8, 9, 10], wide=np.zeros((4, 2)))
    assert load_dataset(path).row_ids.tolist() == ["c0", "c1", "c2", "c3"]
    assert load_dataset(path, id_column="id").row_ids.tolist() == [7, 8, 9, 10]
    with pytest.raises(DataError, match=r"'wide': cannot be the labels: it has not one value for each of the 4 rows"):
        load_dataset(path, target="wide")
    found = inspect_data(path)
    assert (found.n_features, found.id_column) == (3, "obs_names")


@pytest.mark.parametrize("suffix", [".csv", ".h5ad"])
def test_labels_of_another_file_find_their_rows_by_name(tmp_path: Path, suffix: str) -> None:
    labels = tmp_path / f"labels{suffix}"
    if suffix == ".csv":
        labels.write_text("id,kind\nc3,x\nc1,y\n")
    else:
        written(labels, kind=[-1, 5, -1, 6])
    y = load_dataset(written(tmp_path / "cells.h5ad"), target=str(labels)).y
    assert y is not None
    assert y.tolist() == ([None, "y", None, "x"] if suffix == ".csv" else [-1, 5, -1, 6])


def test_a_key_of_any_other_kind_is_passed_over_until_it_is_asked_for(tmp_path: Path) -> None:
    def odd(obs: Any, name: str) -> None:
        obs.create_group(name).attrs["encoding-type"] = "awkward-array"

    path = written(tmp_path / "cells.h5ad", odd=odd, label=[0, 1, 0, 1])
    assert load_dataset(path).classes == (0, 1)
    with pytest.raises(DataError, match=r"'odd': cannot be the labels: it is stored as 'awkward-array'"):
        load_dataset(path, target="odd")


# -- what is refused -------------------------------------------------------------------------------------------------


def elsewhere(file: Any) -> None:
    del file["X"]
    file["X"] = h5py.ExternalLink("other.h5ad", "/X")


def virtual(file: Any) -> None:
    del file["X"]
    layout = h5py.VirtualLayout(shape=(4, 3), dtype="f4")
    layout[:] = h5py.VirtualSource("other.h5ad", "X", shape=(4, 3))
    file.create_virtual_dataset("X", layout)


def one_long_text_many_times(file: Any) -> None:
    """Point at one text from many rows: a small file that fills the memory."""
    replaced("obs/_index", data=["x" * 1000] * 4, dtype=h5py.string_dtype())(file)


HOSTILE: dict[str, tuple[Callable[[Any], None], str]] = {
    "X is no matrix": (replaced("X", data=np.zeros(4)), r"X: has shape \(4,\)"),
    "X of words": (replaced("X", data=[["a"] * 3] * 4, dtype=h5py.string_dtype()), "not one text per row"),
    "X of complex numbers": (replaced("X", data=X * 1j), "neither numbers"),
    "X with NaN": (replaced("X", data=X * np.nan), "row 0.*'p'.*missing"),
    "X is another matrix": (replaced("X", data=X[:3]), r"shape \(3, 3\), but there are 4 obs"),
    "no X": (lambda file: file.pop("X"), "has no X"),
    "no obs": (lambda file: file.pop("obs"), "has no obs"),
    "obs without names": (lambda file: file["obs"].pop("_index"), "has no '_index'"),
    "no rows": (replaced("obs/_index", shape=(0,), dtype=h5py.string_dtype()), "there are 0 obs"),
    "X that was never written": (replaced("X", shape=(4, 3), dtype="f8"), "announces 96 bytes .*, but there are 0"),
    "X of a huge shape": (replaced("X", shape=(10**7, 10**5), dtype="f8"), "shape .10000000, 100000., but there are 4"),
    "names that were never written": (
        replaced("obs/_index", shape=(10**9,), dtype="i8"),
        "announces 8,000,000,000 bytes of values, but there are 0",
    ),
    "X in huge pieces": (
        replaced("X", data=X, chunks=(3000, 3000), maxshape=(None, None), compression="gzip"),
        "stored in pieces",
    ),
    "X in another file": (elsewhere, "'X' is a link to another place"),
    "X put together from other files": (virtual, "lies in another file"),
    "X in a file outside": (
        replaced("X", shape=(4, 3), dtype="f4", external=[("other.bin", 0, 48)]),
        "lies in another file",
    ),
    "names that lead elsewhere": (
        lambda file: file["obs"].move("_index", "names") or file["obs"].__setitem__("_index", h5py.SoftLink("names")),
        "'_index' is a link",
    ),
    "equal names of rows": (replaced("obs/_index", data=list("aabc"), dtype=h5py.string_dtype()), "obs_names: 'a'"),
    "equal names of features": (replaced("var/_index", data=list("aba"), dtype=h5py.string_dtype()), "var_names: 'a'"),
    "names that are no text": (
        replaced("obs/_index", data=[b"\xff"] * 4, dtype=h5py.string_dtype()),
        "cannot be read, truncated or damaged",
    ),
    "records instead of names": (replaced("obs/_index", data=np.zeros(4, [("a", "i4")])), "neither numbers"),
    "a table in one piece": (
        replaced("obs", data=np.zeros(4, dtype=[("index", "S1"), ("label", "i4")])),
        "before anndata 0.7",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_and_odd_files_are_refused_with_one_line(tmp_path: Path, case: str) -> None:
    change, words = HOSTILE[case]
    written(tmp_path / "other.h5ad")
    (tmp_path / "other.bin").write_bytes(bytes(48))
    path = written(tmp_path / "cells.h5ad", label=[0, 1, 0, 1])
    with pytest.raises(DataError, match=words) as caught:
        load_dataset(changed(path, change))
    assert "cells.h5ad" in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("indices", [9, 9, 9, 9, 9, 9], "beyond the last column"),
        ("indptr", [0, 9, 9, 9, 9], "pointers do not fit"),
        ("indptr", [0.5] * 5, "no numbers"),
        ("data", [1.0], "pointers do not fit"),
        ("data", [[1.0]], "no lists"),
    ],
)
def test_a_sparse_matrix_whose_parts_do_not_fit_is_refused(tmp_path: Path, part: str, values: Any, words: str) -> None:
    path = written(tmp_path / "cells.h5ad", store="csr")
    np.testing.assert_array_equal(load_dataset(path).X, X)
    with pytest.raises(DataError, match=words):
        load_dataset(changed(path, replaced(f"X/{part}", data=values)))


@pytest.mark.parametrize("shape", [(4,), (-4, 3), (4, 2 * 10**6), (10**9, 10**5)])
def test_a_sparse_matrix_of_an_impossible_shape_is_refused_before_it_is_read(tmp_path: Path, shape: Any) -> None:
    path = written(tmp_path / "cells.h5ad", store="csr")
    with pytest.raises(DataError, match=r"shape is not|features; at most|but there are 4 obs"):
        load_dataset(changed(path, lambda file: file["X"].attrs.__setitem__("shape", shape)))


def test_texts_are_given_up_once_they_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = changed(written(tmp_path / "cells.h5ad"), one_long_text_many_times)
    monkeypatch.setattr("os.sysconf", lambda _: 64, raising=False)  # 4 KiB of memory
    with pytest.raises(DataError, match=r"_index'.*GiB of memory"):
        load_dataset(path)


@pytest.mark.parametrize("codes", [[0, 5, 0, 0], [0.5, 0, 0, 0], [[0], [0], [0], [0]]])
def test_codes_that_stand_for_no_category_are_refused(tmp_path: Path, codes: Any) -> None:
    def spoiled(obs: Any, name: str) -> None:
        group = obs.create_group(name)
        group.attrs["encoding-type"] = "categorical"
        group["codes"] = codes
        group.create_dataset("categories", data=["x", "y"], dtype=h5py.string_dtype())

    with pytest.raises(DataError, match="parts do not fit"):
        load_dataset(written(tmp_path / "cells.h5ad", label=spoiled))


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("indices", [9, 9, 9, 9, 9, 9], "beyond the last column"),
        ("indptr", [0, 9, 9, 9, 9], "pointers do not fit"),
        ("indptr", [0, 6, 1, 2, 6], "pointers do not fit"),
        ("data", [[1.0]], "no lists of numbers"),
    ],
)
def test_rows_of_a_damaged_sparse_matrix_are_refused(tmp_path: Path, part: str, values: Any, words: str) -> None:
    path = written(tmp_path / "cells.h5ad", store="csr")
    np.testing.assert_array_equal(np.concatenate(list(read_rows(path, 3))), X)
    with pytest.raises(DataError, match=words):
        list(read_rows(changed(path, replaced(f"X/{part}", data=values)), 3))


@pytest.mark.parametrize("store", ["dense", "csr"])
def test_rows_need_the_memory_of_a_part_and_not_of_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    path = written(tmp_path / "cells.h5ad", store=store)
    monkeypatch.setattr("os.sysconf", lambda _: 10, raising=False)  # 100 bytes of memory, of which half may be taken
    with pytest.raises(DataError, match="GiB of memory"):
        load_dataset(path)
    np.testing.assert_array_equal(np.concatenate(list(read_rows(path, 1))), X)
