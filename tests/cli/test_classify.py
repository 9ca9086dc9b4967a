"""``aaetools classify``: the table, the file, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.analysis import result_from_json
from aaetools.analysis.results import Classification
from aaetools.cli.classify import _split
from aaetools.cli.run_data import open_run_data

QUICK = ("--probe", "knn", "--baseline", "knn", "--bootstrap", "50")


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_the_table_has_every_method_and_the_last_line_is_the_file(run_cli: Callable[..., Any], own_run: Path) -> None:
    result = run_cli("classify", own_run, *QUICK)
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0].startswith("15 test rows, 18 labels in training")
    starts = ("METHOD ", "AdversarialAutoencoder (prior) ", "knn (latents) ", "knn (features) ", "aster ", "daisy ")
    assert all(any(line.startswith(start) for line in lines) for start in starts)
    assert lines[-1] == str(own_run / "classification.json")
    found = result_from_json((own_run / "classification.json").read_text(), Classification)
    assert (found.model.accuracy.n, found.n_labeled, found.n_bootstrap, found.random_state) == (15, 18, 50, 0)
    assert found.calibration is None
    told = open_run_data(own_run).analysis.classification
    assert told is not None
    assert told.model.accuracy == found.model.accuracy
    assert [score.accuracy for score in told.probes if score.name == "knn"] == [found.probes[0].accuracy]


def test_json_is_the_file(run_cli: Callable[..., Any], own_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    result = run_cli("classify", own_run, *QUICK, "--baseline", "label_spreading", "--out", out, "--json")
    assert result.code == 0, result.err
    assert result.out == out.read_text()
    assert result.err == ""
    found = result_from_json(result.out, Classification)
    assert [score.name for score in found.baselines] == ["knn", "label_spreading"]
    assert not (own_run / "classification.json").exists()
    assert "is there already" in run_cli("classify", own_run, *QUICK, "--out", out).err


def test_calibration_takes_a_random_part_of_the_held_out_rows(run: Path) -> None:
    found = open_run_data(run)
    held, tested = _split(found, 0.4, 3)
    assert len(held) == 6
    assert sorted([*held, *tested]) == sorted(found.holdout)
    assert (held == _split(found, 0.4, 3)[0]).all()
    assert not np.array_equal(held, _split(found, 0.4, 4)[0])
    assert len(_split(found, 0, 3)[0]) == 0


def test_what_too_few_labels_cannot_give_is_said_and_the_rest_is_there(
    run_cli: Callable[..., Any], own_run: Path
) -> None:
    asked = ("--calibrate", "--conformal", "0.95", "--max-error", "0.05", "--calibration-share", "0.4")
    result = run_cli("classify", own_run, "--probe", "none", "--baseline", "none", *asked)
    assert result.code == 0, result.err
    assert "9 test rows" in result.out
    assert "The probabilities were not calibrated: 6 labels held back are too few" in result.out
    assert "No sets: 6 labels held back cannot give sets at level 0.95: at least 19." in result.out
    assert "No rule: 6 labels held back cannot prove an error of at most 5.0%" in result.out
    found = result_from_json((own_run / "classification.json").read_text(), Classification)
    assert found.probes == found.baselines == ()
    assert found.rejection is not None
    assert found.rejection.refused.startswith("6 labels")


def test_sets_are_made_and_tested_on_the_other_rows(run_cli: Callable[..., Any], own_run: Path) -> None:
    result = run_cli("classify", own_run, *QUICK, "--conformal", "0.8")
    assert result.code == 0, result.err
    found = result_from_json((own_run / "classification.json").read_text(), Classification)
    assert found.conformal is not None
    assert found.conformal.coverage is not None
    assert (found.conformal.n_calibration, found.conformal.coverage.n) == (8, 7)
    assert found.conformal.guaranteed == 0.8
    assert found.conformal.verdict in result.out


def test_folds_use_the_training_labels_and_all_held_out_rows_test(run_cli: Callable[..., Any], own_run: Path) -> None:
    result = run_cli("classify", own_run, *QUICK, "--conformal", "0.8", "--folds", "2")
    assert result.code == 0, result.err
    found = result_from_json((own_run / "classification.json").read_text(), Classification)
    assert found.conformal is not None
    assert found.conformal.coverage is not None
    assert (found.conformal.n_calibration, found.conformal.coverage.n) == (18, 15)
    assert "2 copies" in found.conformal.source


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--baseline", "oracle"), "unknown baseline 'oracle': choose from knn"),
        (("--probe", "oracle"), "unknown probe 'oracle'"),
        (("--folds", "3"), "--folds goes with --calibrate"),
        (("--class-conditional",), "--class-conditional goes with --conformal"),
        (("--conformal", "1"), "1.0 is not in the range 0<x<1"),
        (("--calibrate", "--calibration-share", "0.01"), "15 held-out labels cannot be split with a share of 0.01"),
        (
            ("--conformal", "0.9", "--folds", "50", "--baseline", "none"),
            "50 folds cannot be made: the rarest class has 6 labels",
        ),
        (("--data", "gone.csv"), "gone.csv"),
    ],
)
def test_what_cannot_be_done_ends_in_one_line_and_writes_nothing(
    run_cli: Callable[..., Any], own_run: Path, options: tuple[str, ...], message: str
) -> None:
    result = run_cli("classify", own_run, "--quiet", *options)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("Error: ")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert not (own_run / "classification.json").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--labels", "none"), "was made without labels"),
        (("--labels-per-class", "3", "--hold-out", "0"), "held no labelled rows out"),
    ],
)
def test_runs_without_labels_have_nothing_to_classify(
    run_cli: Callable[..., Any], table: pd.DataFrame, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    data, folder = tmp_path / "data.csv", tmp_path / "run"
    table.to_csv(data, index=False)
    quick = ("--target", "species", "--epochs", "2", "--hidden", "8", "--no-umap", "--quiet")
    assert run_cli("fit", data, *quick, *options, "--out", folder).code == 0
    result = run_cli("classify", folder)
    assert (result.code, message in result.err) == (2, True), result.err
