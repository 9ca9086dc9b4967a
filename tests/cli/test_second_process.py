"""The second process computes what the first one would, and is gone afterwards, however things went."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools import read_analysis
from aaetools.analysis.embedding import umap_embed
from aaetools.cli import second_process as module
from aaetools.cli.second_process import render_report, second_process


@pytest.fixture
def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_n_cores", lambda: 2)


@pytest.fixture
def unprepared(two_cores: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Getting ready is for speed only."""
    monkeypatch.setattr(module, "_get_ready", os.getpid)


@pytest.mark.slow
@pytest.mark.usefixtures("two_cores")
def test_umap_and_the_report_are_the_same_from_either_process(run: Path) -> None:
    codes = np.random.default_rng(0).standard_normal((90, 4)).astype(np.float32)
    analysis = read_analysis(run)
    with second_process() as executor:
        assert executor is not None
        there, parameters = executor.submit(umap_embed, codes, 3).result()
        report = render_report(analysis, executor)
    here, same_parameters = umap_embed(codes, 3)
    assert there is not None
    assert here is not None
    assert there.tobytes() == here.tobytes()
    assert parameters == same_parameters
    assert report == render_report(analysis)


@pytest.mark.usefixtures("unprepared")
def test_errors_come_back_and_no_process_stays() -> None:
    before = set(multiprocessing.active_children())
    handler = signal.getsignal(signal.SIGINT)
    with second_process() as executor:
        assert executor is not None
        assert signal.getsignal(signal.SIGINT) is handler
        assert executor.submit(os.getpid).result() != os.getpid()
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()
        (process,) = set(multiprocessing.active_children()) - before
    assert not process.is_alive()
    assert set(multiprocessing.active_children()) == before


@pytest.mark.usefixtures("unprepared")
def test_what_a_dead_process_cannot_do_is_done_here(run: Path) -> None:
    before = set(multiprocessing.active_children())
    with second_process() as executor:
        assert executor is not None
        executor.submit(os.getpid).result()
        (process,) = set(multiprocessing.active_children()) - before
        process.kill()
        process.join()
        assert render_report(read_analysis(run), executor).startswith("<!")
        with pytest.raises(BrokenProcessPool):
            executor.submit(os.getpid).result()


def test_one_core_is_left_to_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_n_cores", lambda: 1)
    with second_process() as executor:
        assert executor is None


def test_a_run_without_umap_needs_no_second_process(
    monkeypatch: pytest.MonkeyPatch, table_csv: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.setattr(module, "second_process", lambda: pytest.fail("started"))
    options = ("--target", "species", "--epochs", "2", "--no-umap")
    assert run_cli("fit", table_csv, *options, "--out", tmp_path / "run").code == 0


@pytest.mark.slow
@pytest.mark.usefixtures("two_cores")
def test_a_run_is_the_same_with_and_without(
    monkeypatch: pytest.MonkeyPatch, table_csv: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    options = ("--target", "species", "--epochs", "3", "--latent-size", "4")
    assert run_cli("fit", table_csv, *options, "--out", tmp_path / "two").code == 0
    monkeypatch.setattr(module, "_n_cores", lambda: 1)
    assert run_cli("fit", table_csv, *options, "--out", tmp_path / "one").code == 0
    one, two = (read_analysis(tmp_path / name) for name in ("one", "two"))
    assert one.tables.rows["umap_x"].notna().all()
    pd.testing.assert_frame_equal(one.tables.rows, two.tables.rows, check_exact=True)


INTERRUPTED = """
import os, signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore interrupts
from aaetools.cli import second_process as module

module._n_cores = lambda: 2
if "{signal}" == "SIGKILL":
    module._get_ready = os.getpid
if __name__ == "__main__":
    with module.second_process() as executor:
        print(executor.submit(os.getpid).result(), flush=True)
        sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="signals of terminals work otherwise there")
@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGKILL"])
def test_it_ends_with_the_first_process_and_says_nothing(signal_name: str) -> None:
    first = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED.replace("{signal}", signal_name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parents[2],
    )
    assert first.stdout is not None
    second = int(first.stdout.readline())
    if signal_name == "SIGINT":
        os.killpg(first.pid, signal.SIGINT)  # as a terminal does
    else:
        first.kill()
    _, complaints = first.communicate(timeout=60)
    for _ in range(200):
        if not _runs(second):
            break
        time.sleep(0.05)
    assert not _runs(second)
    if signal_name == "SIGINT":
        assert complaints.count("Traceback") == 1  # that of the first process, which nothing catches here
        assert "leaked" not in complaints


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    except OSError:  # no such folder: another system
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        return True
    return state != "Z"
