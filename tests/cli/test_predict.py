from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.runs import read_analysis


def test_predictions_are_those_of_the_run_with_a_probability_per_class(
    run: Path, table_csv: Path, table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("predict", run, table_csv, "--out", tmp_path / "p.parquet", "--json")
    assert result.code == 0, result.err
    found = pd.read_parquet(tmp_path / "p.parquet")
    assert list(found.columns) == ["row", "label_pred", "p_aster", "p_daisy", "p_rose"]
    expected = read_analysis(run).tables.rows.set_index("row")["label_pred"].loc[table["id"]]
    assert list(found["label_pred"]) == list(expected)
    np.testing.assert_allclose(found.iloc[:, 2:].sum(axis=1), 1, atol=1e-5)
    told = json.loads(result.out)
    assert told["n_labeled"] == 60
    assert told["accuracy"] == np.mean(found["label_pred"].to_numpy() == table["species"].to_numpy())


def test_rows_without_labels_are_predicted_and_printed(
    run: Path, table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    table.drop(columns="species").to_csv(tmp_path / "d.csv", index=False)
    result = run_cli("predict", run, tmp_path / "d.csv")
    assert (result.code, result.err) == (0, "")
    assert list(pd.read_csv(io.StringIO(result.out))["row"]) == list(table["id"])


def test_the_accuracy_is_told_beside_the_table_and_counts_labelled_rows_only(
    run: Path, table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    table.loc[10:, "species"] = "not seen"
    table.to_csv(tmp_path / "d.csv", index=False)
    result = run_cli("predict", run, tmp_path / "d.csv", "--unlabeled", "not seen")
    assert result.code == 0
    assert result.err.startswith("Accuracy on 10 labelled rows: ")
    assert result.err.endswith("; rows that the run was trained on are not left out\n")
    assert "Accuracy" not in result.out


def test_a_label_that_training_did_not_know_is_refused_with_its_row(
    run: Path, table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    table.loc[5, "species"] = "yarrow"
    table.to_csv(tmp_path / "d.csv", index=False)
    result = run_cli("predict", run, tmp_path / "d.csv", "--out", tmp_path / "p.csv")
    assert (result.code, result.out) == (2, "")
    for words in ("d.csv", "row 5", "'species'", "'yarrow' is no class of the model", "'aster'"):
        assert words in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "p.csv").exists()


def test_formats_without_text_are_refused(
    run: Path, table_csv: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("predict", run, table_csv, "--out", tmp_path / "p.npy")
    assert result.code == 2
    assert ".parquet, .csv" in result.err


@pytest.mark.parametrize("command", ["predict", "transform"])
@pytest.mark.parametrize("labelled", [True, False])
def test_a_single_row_is_answered_as_among_others(
    run: Path,
    table: pd.DataFrame,
    command: str,
    labelled: bool,
    tmp_path: Path,
    run_cli: Callable[..., Any],
) -> None:
    table = table if labelled else table.drop(columns="species")
    table.to_csv(tmp_path / "all.csv", index=False)
    table.iloc[[7]].to_csv(tmp_path / "one.csv", index=False)
    one, all_rows = (run_cli(command, run, tmp_path / f"{name}.csv") for name in ("one", "all"))
    assert one.code == 0, one.err
    found = pd.read_csv(io.StringIO(one.out))
    expected = pd.read_csv(io.StringIO(all_rows.out)).iloc[[7]].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-4)
