"""aaetools export: the file answers as the run's model does, and what is wrong is one line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas as pd
import pytest


def test_the_file_gives_the_codes_and_classes_of_the_run(
    run: Path, table_csv: Path, table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    file = tmp_path / "m.onnx"
    result = run_cli("export", run, "--out", file)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1] == str(file)
    assert "X, float32, rows of 4 features" in result.out
    assert "codes, probabilities, label" in result.out
    rows = table[["stem", "leaf", "petal", "root"]].to_numpy(np.float32)
    codes, probabilities, label = onnxruntime.InferenceSession(str(file)).run(None, {"X": rows})
    assert run_cli("transform", run, table_csv, "--out", tmp_path / "z.npy").code == 0
    assert run_cli("predict", run, table_csv, "--out", tmp_path / "p.parquet").code == 0
    np.testing.assert_allclose(codes, np.load(tmp_path / "z.npy"), rtol=1e-5, atol=1e-5)
    predicted = pd.read_parquet(tmp_path / "p.parquet")
    np.testing.assert_allclose(probabilities, predicted.filter(regex="^p_"), rtol=0, atol=1e-5)
    assert label.tolist() == predicted["label_pred"].tolist()


def test_json_tells_what_was_written(run: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli(
        "export", run / "model", "--out", tmp_path / "m.onnx", "--codes-only", "--dtype", "float64", "--json"
    )
    told = json.loads(result.out)
    assert told["input"] == {"name": "X", "dtype": "float64", "width": 4, "encoded": False}
    assert (told["outputs"], told["probability_difference"], told["n_checked"]) == (["codes"], None, 512)
    assert told["code_difference"] < 1e-5
    assert told["n_bytes"] == (tmp_path / "m.onnx").stat().st_size
    assert run_cli("export", run, "--out", tmp_path / "m.onnx", "--force", "-q").out == f"{tmp_path / 'm.onnx'}\n"


def test_what_is_wrong_is_one_line_and_nothing_is_written(
    run: Path, tmp_path: Path, run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there.onnx").write_text("")
    for arguments, words in (
        ((run,), "Missing option '--out'"),
        ((run, "--out", tmp_path / "m.pt"), "its format is told by the suffix; choose from .onnx"),
        ((run, "--out", tmp_path / "there.onnx"), "is there already"),
        ((tmp_path, "--out", tmp_path / "m.onnx"), "not a run folder"),
    ):
        result = run_cli("export", *arguments)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert words in result.err
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = run_cli("export", run, "--out", tmp_path / "m.onnx")
    assert (result.code, result.err) == (
        2,
        "Error: ONNX files need the packages onnx and onnxruntime: pip install 'aaetools[onnx]'\n",
    )
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "none: onnxruntime is not installed" in run_cli("export", run, "--out", tmp_path / "m.onnx").out
