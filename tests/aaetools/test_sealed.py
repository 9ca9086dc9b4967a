"""Folders under checksums, and the lock on a folder that is being written."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from aaetools.exceptions import ModelFileError, RunFolderError
from aaetools.sealed import MANIFEST, read_sealed, write_sealed
from aaetools.staging import folder_lock, unfinished_folder


def test_what_is_written_comes_back_and_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    write_sealed(folder, {"x": b"one", "y": b""})
    assert read_sealed(folder, ("x", "y")) == {"x": b"one", "y": b""}
    write_sealed(folder, {"x": b"two"})
    assert read_sealed(folder, ("x",)) == {"x": b"two"}
    assert sorted(os.listdir(folder)) == [MANIFEST, "x"]
    assert os.listdir(folder.parent) == ["b"]
    with pytest.raises(ModelFileError, match="cannot read"):
        read_sealed(folder, ("y",))


def test_files_come_before_their_checksums_and_those_before_the_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def flushed(descriptor: int) -> None:
        order.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        fsync(descriptor)

    def moved(source: Path, target: Path) -> None:
        order.append("move")
        replace(source, target)

    if not Path("/proc/self/fd").exists():
        pytest.skip("no names of open files on this system")
    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", moved)
    write_sealed(tmp_path / "new", {"x": b"1", "y": b"2"})
    staging = order[3]
    assert staging.startswith(".aaetools-")
    assert order == ["x", "y", MANIFEST, staging, "move", tmp_path.name]


def test_a_lock_keeps_other_processes_out_and_ends_with_its_holder(tmp_path: Path) -> None:
    folder = tmp_path / "run.unfinished"
    code = f"""
import os, sys
from pathlib import Path
from aaetools.staging import folder_lock, unfinished_folder
with folder_lock(Path({str(folder)!r})):
    print("held", flush=True)
    sys.stdin.readline()
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RunFolderError, match="is in use: another process is at work there"), folder_lock(folder):
        pass
    process.kill()
    process.communicate()
    (folder / ".aaetools-half").mkdir()
    with folder_lock(folder):
        assert os.listdir(folder) == ["lock"]
    assert not folder.exists()


def test_a_folder_with_something_in_it_stays(tmp_path: Path) -> None:
    with folder_lock(tmp_path / "f"):
        (tmp_path / "f" / "kept").write_text("")
    assert sorted(os.listdir(tmp_path / "f")) == ["kept", "lock"]
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot write"), folder_lock(tmp_path / "file"):
        pass


def test_the_folder_one_stands_in_can_be_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here" / "x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here" / "x")
    assert unfinished_folder(Path(".")) == tmp_path / "here" / "x.unfinished"
    assert unfinished_folder(Path("..")) == tmp_path / "here.unfinished"
    assert unfinished_folder(Path("../run")) == Path("../run.unfinished")
