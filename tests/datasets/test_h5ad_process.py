"""The reading process: it hands on what is in a file, and only it is lost when the library below fails."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aaetools.datasets import h5ad, load_dataset
from aaetools.exceptions import DataError


def written(path: Path) -> Path:
    """Write the smallest file of the documented format."""
    with h5py.File(path, "w") as file:
        file["X"] = np.arange(12.0).reshape(4, 3)
        file["obs/_index"] = [b"c0", b"c1", b"c2", b"c3"]
        file["obs/label"] = [0, -1, 1, 0]
        file["obs"].attrs["column-order"] = np.array(["label"], dtype=h5py.string_dtype())
        file["var/_index"] = [b"p", b"q", b"r"]
    return path


def test_a_process_of_its_own_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "h5py.py").write_text("raise SystemExit('a module of this folder was run')")
    monkeypatch.chdir(tmp_path)
    data = load_dataset(written(tmp_path / "cells.h5ad"))
    np.testing.assert_array_equal(data.X, np.arange(12).reshape(4, 3))
    assert data.y is not None
    assert data.y.tolist() == [0, -1, 1, 0]


def test_without_h5py_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "cells.h5ad")
    monkeypatch.setattr(h5ad, "find_spec", lambda _: None)
    with pytest.raises(DataError, match=r"cells\.h5ad': needs h5py.*pip install 'aaetools\[anndata\]'"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("import os; os.abort()", "the HDF5 library broke down on it"),
        ("import time; time.sleep(60)", "the HDF5 library does not come to an end with it"),
        ("print('{\"texts\": 2}')", "the HDF5 library broke down on it"),
    ],
)
def test_only_the_reading_process_is_lost_when_the_library_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    monkeypatch.setattr(h5ad, "_PROGRAM", program)
    monkeypatch.setattr(h5ad, "PATIENCE", 0.5)
    with pytest.raises(DataError, match=rf"cells\.h5ad'.*{words}"):
        load_dataset(written(tmp_path / "cells.h5ad"))


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_damaged_files_raise_nothing_but_data_errors(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = written(tmp_path_factory.mktemp("damaged") / "cells.h5ad")
    content = path.read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h5ad, "PATIENCE", 5.0)  # the library may never come to an end
        start = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(st.binary(max_size=8))
        path.write_bytes(content[:start] + new + (content[start + len(new) :] if new else b""))
        refusal, loaded = "", None
        try:
            loaded = load_dataset(path)
        except DataError as error:
            refusal = str(error)
        if loaded is None:
            assert "cells.h5ad" in refusal
            assert refusal.isprintable()
        else:
            assert np.isfinite(loaded.X).all()
