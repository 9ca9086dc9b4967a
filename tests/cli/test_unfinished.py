"""Interrupted fits: what they leave, how they go on, and that two processes do not share a run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aaetools.exceptions import TrainingError
from aaetools.runs import read_analysis
from aaetools.staging import folder_lock, unfinished_folder
from aaetools.training import Checkpoints, run_epoch
from aaetools.training.checkpoints import checkpoints

OPTIONS = ("--target", "species", "--epochs", "6", "--no-umap", "--out", "out/run")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch, table_csv: Path, run_cli: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that fits and has a signal sent in the middle of training."""

    def run(signum: int, *more: str) -> Any:
        def send(saver: Checkpoints, context: Any) -> None:
            if context.epoch == 2 and context.step == 1:
                sent.append(time.perf_counter())
                os.kill(os.getpid(), signum)
            original(saver, context)

        sent: list[float] = []

        original = Checkpoints.on_step_end
        with monkeypatch.context() as patch:
            patch.setattr(Checkpoints, "on_step_end", send)
            result = run_cli("fit", table_csv, *OPTIONS, *more)
        assert time.perf_counter() - sent[0] < 5
        return result

    return run


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_the_step_in_hand_and_says_how_to_go_on(
    interrupted: Callable[..., Any], signum: int, code: int
) -> None:
    before = signal.getsignal(signum)
    result = interrupted(signum)
    assert result.code == code
    assert result.err.splitlines()[-1] == "Interrupted; go on with: aaetools fit --resume out/run."
    assert sorted(os.listdir("out")) == ["run.unfinished"]
    assert sorted(os.listdir("out/run.unfinished")) == ["checkpoint-000002-000000001", "lock", "settings"]
    assert signal.getsignal(signum) is before


def test_a_signal_before_training_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, table_csv: Path, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.setattr(
        "aaetools.estimators.AdversarialAutoencoder.fit", lambda *a: os.kill(os.getpid(), signal.SIGTERM)
    )
    result = run_cli("fit", table_csv, *OPTIONS)
    assert (result.code, result.err.splitlines()[-1]) == (143, "Interrupted; nothing was written.")
    assert os.listdir() == []


def test_an_interrupted_fit_is_neither_lost_nor_changed_by_accident(
    interrupted: Callable[..., Any], table_csv: Path, run_cli: Callable[..., Any]
) -> None:
    interrupted(signal.SIGINT)
    again = run_cli("fit", table_csv, *OPTIONS)
    assert again.code == 2
    assert "holds an interrupted fit; go on with 'aaetools fit --resume out/run', or start over with --f" in again.err
    for more in (("--epochs", "9"), ("--config", "x.toml"), (table_csv,)):
        other = run_cli("fit", "--resume", "out/run", *more)
        assert other.code == 2
        assert other.err.count("\n") == 1
    with folder_lock(unfinished_folder(Path("out/run"))):
        locked = run_cli("fit", "--resume", "out/run")
    assert (locked.code, locked.err.count("\n")) == (2, 1)
    assert "in use: another process is at work there" in locked.err
    assert len(os.listdir("out/run.unfinished")) == 3


def test_there_must_be_something_to_resume(run: Path, run_cli: Callable[..., Any]) -> None:
    nothing = run_cli("fit", "--resume", "none")
    assert (nothing.code, nothing.err) == (
        2,
        "Error: none: no interrupted fit, because there is no folder none.unfinished\n",
    )
    assert "is finished; there is nothing to go on with" in run_cli("fit", "--resume", run).err


def test_other_data_and_damaged_settings_are_refused(
    interrupted: Callable[..., Any], table_csv: Path, table: pd.DataFrame, run_cli: Callable[..., Any]
) -> None:
    assert interrupted(signal.SIGINT).code == 130
    original = table_csv.read_bytes()
    try:
        table.assign(stem=table["stem"] + 1).to_csv(table_csv, index=False)
        other = run_cli("fit", "--resume", "out/run", "-q")
    finally:
        table_csv.write_bytes(original)
    assert (other.code, other.err.count("\n")) == (2, 1)
    assert "was made with other data; give the same again" in other.err
    settings = Path("out/run.unfinished/settings/fit.toml")
    settings.write_bytes(settings.read_bytes() + b"#")
    damaged = run_cli("fit", "--resume", "out/run", "-q")
    assert (damaged.code, damaged.err.count("\n")) == (2, 1)
    assert "fit.toml is damaged" in damaged.err


@pytest.mark.slow
def test_a_resumed_run_is_the_uninterrupted_one(
    interrupted: Callable[..., Any], table_csv: Path, run_cli: Callable[..., Any]
) -> None:
    interrupted(signal.SIGTERM)
    resumed = run_cli("fit", "--resume", "out/run.unfinished", "--json")
    assert resumed.code == 0, resumed.err
    assert os.listdir("out") == ["run"]
    whole = run_cli("fit", table_csv, *OPTIONS[:-1], "whole")
    assert whole.code == 0, whole.err
    for name in ("model/weights.safetensors", "latents.parquet", "prior_samples.parquet"):
        assert Path("out/run", name).read_bytes() == Path("whole", name).read_bytes()
    first, second = read_analysis("out/run"), read_analysis("whole")
    assert first.classification == second.classification
    assert first.provenance.command == second.provenance.command.replace("whole", "out/run")


def test_when_training_diverges_the_last_good_checkpoint_is_named_and_kept(
    monkeypatch: pytest.MonkeyPatch, table_csv: Path, run_cli: Callable[..., Any]
) -> None:
    def diverging(game: Any, batches: Any, start: float, share: float, epoch: int, *rest: Any) -> dict[str, float]:
        if epoch == 4:
            raise TrainingError("reconstruction is nan in step 1 of 2 of epoch 4: training diverged")
        return run_epoch(game, batches, start, share, epoch, *rest)

    monkeypatch.setattr("aaetools.training.loop.run_epoch", diverging)
    result = run_cli("fit", table_csv, *OPTIONS, "--checkpoint-epochs", "1", "-q")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "training diverged; the last good checkpoint is kept in out/run.unfinished" in result.err
    assert [folder.name[11:17] for folder in checkpoints(Path("out/run.unfinished"))] == ["000003", "000002"]
    assert not Path("out/run").exists()
