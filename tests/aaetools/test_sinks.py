"""Files that are written part by part: whole or not at all, and the same as if they were written at once."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from aaetools.exceptions import DataError, RunFolderError
from aaetools.sinks import CLASS_SINKS, SINKS, Layout, Part, check_out_file, guarded, open_sink, to_csv, writing

CODES = Layout(("z0", "z1"), None, 7)
CLASSES = Layout(("p_=a", "p_b"), np.array(["=a", "b"], dtype=object), 7)


def result(layout: Layout) -> Part:
    numbers = np.random.default_rng(0).normal(size=(7, 2)).astype(np.float32)
    ids = np.array(["-1", "b", "c", "@d", "e", "f", "g"], dtype=object)
    return Part(ids, numbers, None if layout.classes is None else layout.classes[[0, 1, 1, 0, 1, 0, 0]])


def cut(part: Part, n_rows: int) -> list[Part]:
    def rows(start: int) -> Part:
        here = slice(start, start + n_rows)
        labels = None if part.label_pred is None else part.label_pred[here]
        return Part(part.row_ids[here], part.numbers[here], labels)

    return [rows(start) for start in range(0, len(part.row_ids), n_rows)]


def write(path: Path, layout: Layout, parts: Iterable[Part]) -> None:
    with open_sink(path, layout) as sink:
        for part in parts:
            sink.write(part)


@pytest.mark.parametrize("n_rows", [1, 2, 3, 7])
@pytest.mark.parametrize(
    ("suffix", "layout"),
    [*((suffix, CODES) for suffix in SINKS), *((suffix, CLASSES) for suffix in CLASS_SINKS)],
    ids=lambda value: value if isinstance(value, str) else "classes" if value.classes is not None else "codes",
)
def test_parts_make_the_file_that_all_rows_at_once_make(
    tmp_path: Path, suffix: str, layout: Layout, n_rows: int
) -> None:
    whole = result(layout)
    path = tmp_path / f"out{suffix}"
    write(path, layout, cut(whole, n_rows))
    table = whole.frame(layout)
    if suffix == ".npy":
        expected = io.BytesIO()
        np.save(expected, whole.numbers)
        assert path.read_bytes() == expected.getvalue()
    elif suffix == ".csv":
        assert path.read_text() == to_csv(table)
    elif suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(path), table)
        assert pq.ParquetFile(path).num_row_groups == -(-7 // n_rows)
    assert os.listdir(tmp_path) == [path.name]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("suffix", SINKS)
@pytest.mark.parametrize("error", [DataError("no"), KeyboardInterrupt(), ValueError("a bug")])
def test_an_error_between_parts_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, suffix: str, error: BaseException
) -> None:
    path = tmp_path / f"out{suffix}"
    path.write_bytes(b"old")

    def parts() -> Iterator[Part]:
        yield cut(result(CODES), 3)[0]
        raise error

    with pytest.raises(type(error)):
        write(path, CODES, parts())
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("suffix", SINKS)
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_disk_that_fails_leaves_nothing_and_the_message_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, step: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(RunFolderError, match=rf"cannot write .*out\{suffix}: No space left on device"):
        write(tmp_path / f"out{suffix}", CODES, cut(result(CODES), 3))
    assert os.listdir(tmp_path) == []


class Broken:
    """A sink on a disk that is full."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self.closed = False

    def write(self, part: Part) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_part_that_cannot_be_written_is_an_error_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SINKS, ".csv", Broken)
    for parts in (cut(result(CODES), 3), []):
        with pytest.raises(RunFolderError, match=r"out\.csv: No space left on device"):
            write(tmp_path / "out.csv", CODES, parts)
    assert os.listdir(tmp_path) == []


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there.csv").write_text("old")
    (tmp_path / "out.csv").symlink_to(tmp_path / "there.csv")
    write(tmp_path / "out.csv", CODES, [result(CODES)])
    assert (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "there.csv").read_text().startswith("row,z0,z1\n")


def test_no_text_of_a_part_is_a_formula(tmp_path: Path) -> None:
    write(tmp_path / "out.csv", CLASSES, cut(result(CLASSES), 2))
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "row,label_pred,p_=a,p_b"
    assert lines[1].startswith("'-1,'=a,")
    assert lines[4].startswith("'@d,'=a,")
    assert guarded("\tx") == "'\tx"


@pytest.mark.parametrize(
    ("name", "force", "words"),
    [
        ("there.csv", False, "is there already; choose another file, or replace it with force=True"),
        ("a.txt", True, r"told by the suffix; choose from \.parquet"),
        ("folder.csv", True, "is a folder; name a file in it"),
        ("no/a.csv", True, "there is no folder"),
    ],
)
def test_places_that_cannot_hold_the_file_are_refused_before_the_work(
    tmp_path: Path, name: str, force: bool, words: str
) -> None:
    (tmp_path / "there.csv").write_text("")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(RunFolderError, match=words):
        check_out_file(tmp_path / name, force, tuple(SINKS))


def test_a_closed_pipe_is_no_error_of_a_file() -> None:
    def read_no_more() -> Any:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError), writing("there"):
        read_no_more()
