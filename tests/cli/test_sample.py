from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest


def test_samples_have_the_features_of_the_data_and_depend_on_the_seed_alone(
    run: Path, run_cli: Callable[..., Any]
) -> None:
    first, again, other = (run_cli("sample", run, "-n", "5", "--seed", seed) for seed in ("1", "1", "2"))
    assert first.code == 0, first.err
    frame = pd.read_csv(io.StringIO(first.out))
    assert list(frame.columns) == ["stem", "leaf", "petal", "root"]
    assert len(frame) == 5
    assert first.out == again.out != other.out


def test_samples_of_a_class_are_predicted_as_that_class(run: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    made = run_cli("sample", run, "-n", "40", "--label", "daisy", "--out", tmp_path / "s.npy", "--quiet")
    assert (made.code, made.out, made.err) == (0, "", "")
    assert np.load(tmp_path / "s.npy").shape == (40, 4)
    table = pd.read_csv(io.StringIO(run_cli("predict", run, tmp_path / "s.npy").out))
    assert (table["label_pred"] == "daisy").mean() > 1 / 3


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--label", "dasy"], "no class 'dasy'; did you mean 'daisy'"), (["-n", "0"], "'-n'")],
)
def test_what_cannot_be_drawn_is_refused(
    run: Path, options: list[str], words: str, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("sample", run, *options)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
