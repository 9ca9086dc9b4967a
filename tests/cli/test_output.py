from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaetools.cli.output import WRITERS, check_out_file, columns, guarded, to_csv, write_file, write_table
from aaetools.exceptions import RunFolderError

ALL = tuple(WRITERS)


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"row": ["a", "=b"], "z0": np.array([0.1, -2.0], dtype=np.float32)})


@pytest.mark.parametrize("suffix", ALL)
def test_every_format_is_written_whole_and_can_be_read(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> None:
    path = tmp_path / f"codes{suffix}"
    write_table(path, frame, frame[["z0"]].to_numpy())
    assert os.listdir(tmp_path) == [path.name]
    if suffix == ".npy":
        np.testing.assert_array_equal(np.load(path), frame[["z0"]].to_numpy())
    elif suffix == ".csv":
        assert path.read_text().splitlines() == ["row,z0", "a,0.1", "'=b,-2.0"]
    else:
        pd.testing.assert_frame_equal(pd.read_parquet(path), frame)


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\ta", "\ra"])
def test_no_text_cell_of_a_csv_is_a_formula(text: str) -> None:
    assert guarded(text) == f"'{text}"
    assert to_csv(pd.DataFrame({text: [text]})).count(f"'{text}") == 2


def test_numbers_and_plain_text_stay_as_they_are() -> None:
    assert [guarded(cell) for cell in (-1, -0.5, None, "a-b", "")] == [-1, -0.5, None, "a-b", ""]


def test_a_file_is_replaced_only_when_forced(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    check_out_file(path, False, ALL)
    path.write_text("old")
    with pytest.raises(RunFolderError, match=r"a\.csv is there already.*--force"):
        check_out_file(path, False, ALL)
    check_out_file(path, True, ALL)
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.txt", r"choose from \.parquet, \.csv, \.npy"),
        ("a", "told by the suffix"),
        ("no/a.csv", "there is no folder"),
        ("file/a.csv", "there is no folder"),
        ("folder.csv", "is a folder"),
    ],
)
def test_places_that_cannot_hold_the_file_are_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RunFolderError, match=message):
        check_out_file(tmp_path / name, True, ALL)
    assert sorted(os.listdir(tmp_path)) == ["file", "folder.csv"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"old")

    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(RunFolderError, match=r"a\.csv: No space left on device"):
        write_file(path, b"new")
    assert os.listdir(tmp_path) == ["a.csv"]
    assert path.read_bytes() == b"old"


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns([("a", "bb"), ("ccc", "d")], indent=" ") == " a    bb\n ccc  d"
