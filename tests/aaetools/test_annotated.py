"""Results as AnnData files: what is written is what anndata reads."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad

from aaetools.exceptions import RunFolderError
from aaetools.sinks import Layout, Part, open_sink

IDS = np.array(["a", "b", "c", "d", "e"], dtype=object)
CODES = np.arange(10, dtype=np.float32).reshape(5, 2)


def write(path: Path, layout: Layout, labels: Any = None, ids: Any = IDS, numbers: Any = CODES) -> Any:
    """Write five rows in two parts, and return what anndata reads."""
    with open_sink(path, layout) as sink:
        for rows in (slice(0, 2), slice(2, 5)):
            sink.write(Part(ids[rows], numbers[rows], None if labels is None else labels[rows]))
    return read_h5ad(path)


def test_codes_lie_in_obsm_under_the_names_of_the_rows(tmp_path: Path) -> None:
    cells = write(tmp_path / "z.h5ad", Layout(("z0", "z1"), None, 5))
    assert cells.obs_names.tolist() == IDS.tolist()
    np.testing.assert_array_equal(cells.obsm["X_aae"], CODES)
    assert cells.obsm["X_aae"].dtype == np.float32
    assert (cells.X, cells.shape, list(cells.obs)) == (None, (5, 0), [])


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (np.array(["x", "y"], dtype=object), np.array(["y", "x", "y", "y", "x"], dtype=object)),
        (np.array([3, 7]), np.array([7, 3, 7, 7, 3])),
        (np.array([False, True]), np.array([True, False, True, True, False])),
    ],
)
def test_predictions_lie_in_obs(tmp_path: Path, classes: Any, labels: Any) -> None:
    layout = Layout(tuple(f"p_{label}" for label in classes), classes, 5)
    cells = write(tmp_path / "p.h5ad", layout, labels, ids=np.arange(10, 15))
    assert cells.obs_names.tolist() == ["10", "11", "12", "13", "14"]
    assert cells.obs["label_pred"].tolist() == labels.tolist()
    assert cells.obs["label_pred"].cat.categories.tolist() == classes.tolist()
    np.testing.assert_array_equal(cells.obs[list(layout.numbers)], CODES)


def test_a_slash_in_the_name_of_a_class_makes_no_group(tmp_path: Path) -> None:
    classes = np.array(["a/b", "a_b"], dtype=object)
    cells = write(tmp_path / "p.h5ad", Layout(("p_a/b", "p_a_b"), classes, 5), classes[[0, 1, 0, 1, 1]])
    assert list(cells.obs) == ["label_pred", "p_a_b", "p_a_b_"]
    assert cells.obs["label_pred"].tolist() == ["a/b", "a_b", "a/b", "a_b", "a_b"]


@pytest.mark.parametrize("predicted", [True, False])
def test_the_keys_of_obs_of_the_rows_are_kept(tmp_path: Path, predicted: bool) -> None:
    obs = pd.DataFrame(
        {
            "kind": pd.Categorical(["u", None, "v", "u", "u"]),
            "depth": [1.5, 2, 3, 4, 5],
            "batch": list("pqrst"),
            "n": pd.array([1, None, 2, 3, 4], dtype="Int64"),
            "label_pred": [0, 0, 0, 0, 0],
        },
        index=list("vwxyz"),
    )
    source = tmp_path / "cells.h5ad"
    AnnData(np.zeros((5, 3)), obs=obs).write_h5ad(source)
    with h5py.File(source, "r+") as file:  # as no table has it, but files may
        file["obs/wide"] = np.zeros((5, 2))
        file["obs"].attrs["column-order"] = np.array([*obs, "wide"], dtype=h5py.string_dtype())
        del file["obs/batch"]
        file["obs/batch"] = h5py.ExternalLink("other.h5ad", "/obs/batch")
    classes = np.array(["x", "y"], dtype=object)
    layout = Layout(("p_x", "p_y"), classes if predicted else None, 5, str(source))
    cells = write(tmp_path / "out.h5ad", layout, classes[[0, 1, 0, 1, 1]] if predicted else None)
    assert cells.obs_names.tolist() == IDS.tolist()
    kept = ["kind", "depth", "n"]
    assert list(cells.obs) == [*kept, *(["label_pred", "p_x", "p_y"] if predicted else ["label_pred"])]
    assert cells.obs["label_pred"].tolist() == (["x", "y", "x", "y", "y"] if predicted else [0] * 5)
    pd.testing.assert_frame_equal(cells.obs[kept].reset_index(drop=True), obs[kept].reset_index(drop=True))


def test_the_same_rows_make_the_same_bytes_and_an_error_leaves_nothing(tmp_path: Path) -> None:
    layout = Layout(("z0", "z1"), None, 5)
    for name in ("one.h5ad", "two.h5ad"):
        write(tmp_path / name, layout)
    assert (tmp_path / "one.h5ad").read_bytes() == (tmp_path / "two.h5ad").read_bytes()

    def interrupted() -> None:
        with open_sink(tmp_path / "three.h5ad", layout) as sink:
            sink.write(Part(IDS[:2], CODES[:2]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.h5ad", "two.h5ad"]


def test_without_h5py_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with (
        pytest.raises(RunFolderError, match=r"needs h5py; .*aaetools\[anndata\]"),
        open_sink(tmp_path / "z.h5ad", Layout(("z0",), None, 5)),
    ):
        pass
    assert list(tmp_path.iterdir()) == []
