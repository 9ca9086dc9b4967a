"""A disk that fails at any moment of a fit: one clear line, nothing half-written, no checkpoint lost."""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from aaetools.runs import read_analysis
from aaetools.training import Checkpoints
from aaetools.training.checkpoints import checkpoints

OPTIONS = ("--target", "species", "--epochs", "3", "--checkpoint-epochs", "1", "--hidden", "8", "--no-umap", "--quiet")
RUN, UNFINISHED = Path("out/run"), Path("out/run.unfinished")


class Disk:
    """Counts the calls of one kind that change the disk, and makes some of them fail."""

    def __init__(self, kind: str, at: int, *, for_good: bool, number: int) -> None:
        self.kind, self.at, self.for_good, self.number = kind, at, for_good, number
        self.count = 0

    def fails(self) -> bool:
        self.count += 1
        return self.count == self.at or (self.for_good and self.count > self.at)

    def error(self) -> OSError:
        return OSError(self.number, os.strerror(self.number))

    def failing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            if self.fails():
                raise self.error()
            return function(*arguments, **more)

        return call

    def creating(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, flags: int, *rest: Any, **more: Any) -> Any:
            if flags & os.O_CREAT and self.fails():
                raise self.error()
            return function(path, flags, *rest, **more)

        return call

    def opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            opened = function(file, mode, *rest, **more)
            return Half(opened, self) if mode in ("w", "wb") else opened

        return call


class Half:
    """A file on a disk that may be full: then it takes half of what is written."""

    def __init__(self, file: Any, disk: Disk) -> None:
        self.file, self.disk = file, disk

    def __enter__(self) -> Half:
        return self

    def __exit__(self, *rest: object) -> None:
        self.file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def write(self, content: Any) -> Any:
        if not self.disk.fails():
            return self.file.write(content)
        self.file.write(content[: len(content) // 2])
        raise self.disk.error()


KINDS: dict[str, list[tuple[Any, str]]] = {
    "write": [(io, "open"), (builtins, "open")],
    "fsync": [(os, "fsync")],
    "rename": [(os, "replace"), (os, "rename")],
    "make": [(os, "mkdir"), (tempfile, "mkdtemp")],
    "create": [(os, "open")],
}


@contextmanager
def failing(disk: Disk) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in KINDS[disk.kind]:
            function = getattr(owner, name)
            wrapped = disk.creating if owner is os else disk.opening
            patch.setattr(owner, name, (wrapped if name == "open" else disk.failing)(function))
        yield


@pytest.fixture
def quick_fit(
    table_csv: Path, run: Path, tmp_path: Path, run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Any]]:
    """Return a way to fit with the analysis of another fit and no report: they take long and write nothing."""
    analysis = read_analysis(run)
    monkeypatch.setattr("aaetools.analysis.analyze", lambda *arguments, **more: analysis)
    monkeypatch.setattr("aaetools.cli.second_process.render_report", lambda *arguments, **more: "<p>report</p>")
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else tmp_path  # flushing to a disk takes longer than such a fit
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        monkeypatch.chdir(folder)
        yield lambda *more: run_cli(
            "fit", *(more if "--resume" in more else (table_csv, *OPTIONS, "--out", RUN, *more))
        )
        monkeypatch.undo()


def weights() -> bytes:
    return (RUN / "model" / "weights.safetensors").read_bytes()


def half_written() -> list[str]:
    return [str(entry) for entry in Path().rglob(".aaetools-*")]


def sweep(kind: str, fit: Callable[..., Any], moments: Callable[[int], range], *, for_good: bool) -> int:
    """Fit with each of some calls failing, look at what is left, go on, and return how many fits ended with an error.

    ``moments`` gives the calls that are to fail out of so many.
    """
    assert fit().code == 0
    expected, first = weights(), Path("first")
    shutil.move("out", first)
    disk = Disk(kind, 0, for_good=False, number=0)
    with failing(disk):
        assert fit().code == 0
    shutil.rmtree("out")
    n_failed = 0
    for at in moments(disk.count):
        number = (errno.ENOSPC, errno.EIO)[at % 2]
        old = at % 3 == 0  # a run that is to be replaced
        if old:
            shutil.copytree(first / "run", RUN)
            (RUN / "prior-match.json").write_text("old")
        saved: list[int] = []
        save = Checkpoints.save

        def noted(self: Checkpoints, context: Any, saved: list[int] = saved, save: Any = save) -> bool:
            worked: bool = save(self, context)
            saved.extend([context.epoch] if worked else [])
            return worked

        with failing(Disk(kind, at, for_good=for_good, number=number)), pytest.MonkeyPatch.context() as patch:
            patch.setattr(Checkpoints, "save", noted)
            result = fit(*(["--force"] if old else []))
        where = f"{kind} {at}: {result.err}"
        assert half_written() == [], where
        assert "Traceback" not in result.err, where
        if result.code == 0:
            assert not UNFINISHED.exists(), where
        else:
            n_failed += 1
            lines = result.err.splitlines()
            assert result.code == 2, where
            assert lines[-1].startswith("Error: cannot write out/run"), where
            assert os.strerror(number) in lines[-1], where
            assert sum(line.startswith("Error") for line in lines) == 1, where
            assert RUN.exists() == old, where
            assert not old or (RUN / "prior-match.json").read_text() == "old", where
            found = [int(folder.name[11:17]) for folder in checkpoints(UNFINISHED)]
            assert found == saved[::-1][:2], where
            assert UNFINISHED.exists() == bool(found), where
            again = fit("--resume", RUN) if found else fit(*(["--force"] if old else []))
            assert again.code == 0, f"{where} {again.err}"
            assert ("--resume out/run" in lines[-1]) == bool(found), where
        read_analysis(RUN)
        assert weights() == expected, where
        assert os.listdir("out") == ["run"], where
        shutil.rmtree("out")
    return n_failed


@pytest.mark.parametrize("kind", ["write", "fsync"])
def test_some_failures_of_a_whole_fit(kind: str, quick_fit: Callable[..., Any]) -> None:
    """The first, one while a checkpoint is written, and the last but one."""
    assert sweep(kind, quick_fit, lambda n: range(1, n, max((n - 2) // 2, 1)), for_good=True)


@pytest.mark.slow
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("kind", KINDS)
def test_whichever_call_of_a_whole_fit_fails(kind: str, for_good: bool, quick_fit: Callable[..., Any]) -> None:
    assert sweep(kind, quick_fit, lambda n: range(1, n + 1), for_good=for_good)
