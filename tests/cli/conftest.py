"""A table, one run fitted to it, and a way to call the command line."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaetools.cli.main import main


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


def call(*arguments: str | Path) -> Result:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Result(code, out.getvalue(), err.getvalue())


def flowers() -> pd.DataFrame:
    """Three well separated classes of 20 rows with four features."""
    kinds = np.repeat(np.arange(3), 20)
    X = np.random.default_rng(0).normal(size=(60, 4)) + 6 * np.eye(3, 4)[kinds]
    table = pd.DataFrame(X.round(4), columns=["stem", "leaf", "petal", "root"])
    table.insert(0, "id", [f"plant-{row}" for row in range(60)])
    return table.assign(species=np.array(["aster", "daisy", "rose"])[kinds])


@pytest.fixture
def table() -> pd.DataFrame:
    return flowers()


@pytest.fixture(scope="session")
def run_cli() -> Callable[..., Result]:
    return call


@pytest.fixture(scope="session")
def table_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "flowers.csv"
    flowers().to_csv(path, index=False)
    return path


@pytest.fixture(scope="session")
def fitted(tmp_path_factory: pytest.TempPathFactory, table_csv: Path) -> tuple[Path, Result]:
    """A run folder and what making it printed."""
    run = tmp_path_factory.mktemp("runs") / "flowers"
    options = ("--target", "species", "--labels-per-class", "6", "--epochs", "40", "--no-umap", "--seed", "1")
    return run, call("fit", table_csv, *options, "--out", run)


@pytest.fixture(scope="session")
def run(fitted: tuple[Path, Result]) -> Path:
    folder, result = fitted
    assert result.code == 0, result.err
    return folder
