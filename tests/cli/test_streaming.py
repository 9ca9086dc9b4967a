"""Rows in, rows out, of any number: what a terminal, a pipe and a signal get."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.datasets import chunks
from aaetools.exceptions import Interrupted


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 8 rows, so that a table of 60 has several."""
    monkeypatch.setattr(chunks, "_MOST_ROWS", 8)


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("command", ["transform", "predict"])
def test_what_is_printed_is_what_is_written(
    run: Path, table_csv: Path, tmp_path: Path, command: str, run_cli: Callable[..., Any]
) -> None:
    printed = run_cli(command, run, table_csv)
    assert printed.code == 0, printed.err
    assert run_cli(command, run, table_csv, "--out", tmp_path / "out.csv").code == 0
    assert (tmp_path / "out.csv").read_text() == printed.out
    found = pd.read_csv(io.StringIO(printed.out))
    assert found["row"].tolist() == [f"plant-{row}" for row in range(60)]


@pytest.mark.usefixtures("small_chunks")
def test_accuracy_adds_up_over_chunks(
    run: Path, table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    table.loc[::7, "species"] = None
    table.to_csv(tmp_path / "d.csv", index=False)
    result = run_cli("predict", run, tmp_path / "d.csv", "--out", tmp_path / "p.csv")
    assert result.code == 0, result.err
    found = pd.read_csv(tmp_path / "p.csv")
    known = table["species"].notna()
    share = (found["label_pred"] == table["species"])[known].mean()
    assert f"Accuracy on {known.sum()} labelled rows: {share:.1%} " in result.err


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
def test_a_fault_in_a_late_row_leaves_nothing(
    run: Path, table: pd.DataFrame, tmp_path: Path, suffix: str, run_cli: Callable[..., Any]
) -> None:
    table.loc[58, "leaf"] = np.nan
    table.to_parquet(tmp_path / "d.parquet")
    result = run_cli("transform", run, tmp_path / "d.parquet", "--out", tmp_path / f"z{suffix}")
    assert (result.code, result.out) == (2, "")
    assert "row 58 (counted from 0), column 'leaf': missing value" in result.err
    assert os.listdir(tmp_path) == ["d.parquet"]


@pytest.mark.usefixtures("small_chunks")
def test_an_interrupt_between_chunks_leaves_nothing(
    run: Path, table_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    from aaetools import sinks

    write = sinks._Csv.write

    def signalled(sink: Any, part: Any) -> None:
        write(sink, part)
        if part.row_ids[0] == "plant-16":
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(sinks._Csv, "write", signalled)
    (tmp_path / "z.csv").write_text("old")
    result = run_cli("transform", run, table_csv, "--out", tmp_path / "z.csv", "--force")
    assert result.code == Interrupted(signal.SIGTERM).code == 143
    assert result.err == "Interrupted; nothing was written.\n"
    assert os.listdir(tmp_path) == ["z.csv"]
    assert (tmp_path / "z.csv").read_text() == "old"


def test_a_bar_comes_only_when_it_takes_long(
    run: Path, table_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    from aaetools.cli import progress

    monkeypatch.setattr(chunks, "_MOST_ROWS", 6)
    quick = run_cli("transform", run, table_csv, "--out", tmp_path / "z.npy")
    assert quick.err == ""
    monkeypatch.setattr(progress.Display.__init__, "__kwdefaults__", {"patience": 0.0})
    slow = run_cli("transform", run, table_csv, "--out", tmp_path / "z.npy", "--force")
    assert slow.err.splitlines() == [f"Encoding rows: {done} of 10" for done in range(1, 11)]
    assert run_cli("transform", run, table_csv, "--out", tmp_path / "z.npy", "--force", "--quiet").err == ""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="pipes end otherwise there")
def test_a_reader_that_has_seen_enough_ends_the_program_without_a_word(run: Path, tmp_path: Path) -> None:
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(20_000, 4)), columns=["stem", "leaf", "petal", "root"])
    rows.to_parquet(tmp_path / "d.parquet")
    words = [sys.executable, "-m", "aaetools", "transform", str(run), str(tmp_path / "d.parquet")]
    # without a buffer Python takes the last, cut write to a closed pipe for a whole one
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, env=environment) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline().startswith(b"row,z0")
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals end programs otherwise there")
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_long_stream_soon_and_leaves_nothing(run: Path, tmp_path: Path, signum: int) -> None:
    rows = np.random.default_rng(0).normal(size=(400_000, 4)).astype(np.float32)
    np.save(tmp_path / "d.npy", rows)
    words = [sys.executable, "-m", "aaetools", "transform", str(run), "d.npy", "--out", "z.csv"]
    with subprocess.Popen(words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        while not list(tmp_path.glob(".aaetools-*")):  # what is written is there under another name
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signum)
        began = time.perf_counter()
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (128 + signum, b"")
    assert err == b"Interrupted; nothing was written.\n"
    assert time.perf_counter() - began < 5
    assert os.listdir(tmp_path) == ["d.npy"]
