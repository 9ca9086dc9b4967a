from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aaetools.analysis import result_from_json
from aaetools.analysis.results import LabelEffect

FAST = ("--labels-per-class", "2,5", "--draws", "2", "--jobs", "1")


@pytest.fixture(scope="module")
def result(run: Path, run_cli: Callable[..., Any]) -> tuple[Any, LabelEffect]:
    done = run_cli("label-effect", run, *FAST)
    assert done.code == 0, done.err
    return done, result_from_json((run / "label-effect.json").read_text(), LabelEffect)


def test_the_table_shows_what_the_file_holds(result: tuple[Any, LabelEffect], run: Path) -> None:
    done, effect = result
    lines = done.out.splitlines()
    assert lines[0].split() == ["LABELS", "PER", "CLASS", "2", "5"]
    assert [line.split("  ")[0] for line in lines[1:8]] == [
        "model",
        "label spreading",
        "logistic regression",
        "knn",
        "model, permuted labels",
        "clusters of the model's codes*",
        "clusters of the features*",
    ]
    best = effect.curves[0].accuracy[-1]
    assert f"{100 * best.value:.1f} ({100 * best.low:.1f} to {100 * best.high:.1f})" in lines[1]
    assert effect.verdict in done.out
    assert lines[-1] == str(run / "label-effect.json")


def test_the_run_is_judged_on_its_own_hold_out_with_all_labels_of_its_training_rows(
    result: tuple[Any, LabelEffect],
) -> None:
    _, effect = result
    assert effect.classes == ("aster", "daisy", "rose")
    assert (effect.n_train, effect.n_test, effect.held_back) == (45, 15, False)
    assert effect.labels_per_class == (2, 5)
    assert effect.model == "AdversarialAutoencoder"


def test_what_is_to_come_is_told_before_it_starts(result: tuple[Any, LabelEffect]) -> None:
    done, effect = result
    assert done.err.startswith(f"{effect.n_fits} fits, 1 at a time, about ")


def test_parts_can_be_left_out_and_json_goes_to_another_file(
    run: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    parts = ("--no-permuted", "--no-without", "--no-baselines", "--labels-per-class", "3", "--seed", "1")
    place = tmp_path / "e.json"
    done = run_cli("label-effect", run, *FAST, *parts, "--out", place, "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == json.loads(place.read_text())
    effect = result_from_json(done.out, LabelEffect)
    assert (effect.n_fits, effect.permuted, effect.without, len(effect.curves)) == (2, None, (), 1)
    assert effect.random_state == 1


@pytest.mark.parametrize("sizes", ["0,2", "few", "", "2,,5"])
def test_sizes_that_are_none_are_refused(sizes: str, run: Path, run_cli: Callable[..., Any]) -> None:
    done = run_cli("label-effect", run, "--labels-per-class", sizes)
    assert done.code == 2
    assert "no list of numbers of labels" in done.err


def test_a_run_without_labels_is_refused(table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    table.drop(columns="species").to_csv(tmp_path / "d.csv", index=False)
    folder = tmp_path / "run"
    assert run_cli("fit", tmp_path / "d.csv", "--epochs", "1", "--no-umap", "--out", folder, "-q").code == 0
    done = run_cli("label-effect", folder)
    assert done.code == 2
    assert "have no labels" in done.err
    assert done.err.count("\n") == 1
