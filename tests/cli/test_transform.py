from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.runs import read_analysis


def codes_of(run: Path) -> pd.DataFrame:
    rows = read_analysis(run).tables.rows.set_index("row").sort_index()
    return rows.filter(regex=r"^z\d+$")


def test_codes_are_those_of_the_run_in_every_format(
    run: Path, table_csv: Path, table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    expected = codes_of(run).loc[table["id"]]
    for name in ("z.parquet", "z.csv", "z.npy"):
        result = run_cli("transform", run, table_csv, "--out", tmp_path / name)
        assert result.code == 0, result.err
        assert re.fullmatch(rf"60 rows written to {re.escape(str(tmp_path / name))} \([\d,]+ rows/s\)\n", result.out)
    found = pd.read_parquet(tmp_path / "z.parquet")
    assert list(found["row"]) == list(table["id"])
    np.testing.assert_allclose(found.set_index("row"), expected, rtol=0, atol=1e-5)
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), found.set_index("row"))
    np.testing.assert_allclose(pd.read_csv(tmp_path / "z.csv").set_index("row"), found.set_index("row"), rtol=1e-6)


def test_without_a_file_the_table_is_printed_as_csv(run: Path, table_csv: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("transform", run, table_csv)
    assert (result.code, result.err) == (0, "")
    assert pd.read_csv(io.StringIO(result.out)).shape == (60, 1 + codes_of(run).shape[1])


def test_json_tells_where_the_file_is(run: Path, table_csv: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("transform", run, table_csv, "--out", tmp_path / "z.npy", "--json")
    told = json.loads(result.out)
    assert (told["out"], told["n_rows"]) == (str(tmp_path / "z.npy"), 60)
    assert run_cli("transform", run, table_csv, "--json").code == 2


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["stem", "leaf", "petal"], "lacks column 'root'"),
        (["stem", "leaf", "petal", "root", "species", "id", "more"], "has column 'more'"),
    ],
)
def test_other_columns_are_named_and_nothing_is_written(
    run: Path,
    table: pd.DataFrame,
    columns: list[str],
    words: str,
    tmp_path: Path,
    run_cli: Callable[..., Any],
) -> None:
    table.assign(more=1.0)[columns].to_csv(tmp_path / "d.csv", index=False)
    result = run_cli("transform", run, tmp_path / "d.csv", "--out", tmp_path / "z.csv")
    assert result.code == 2
    assert words in result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "z.csv").exists()


@pytest.mark.parametrize(("folder", "words"), [("none", "no such run folder"), (".", "not a run folder")])
def test_a_folder_that_is_no_run_is_refused(
    folder: str, words: str, table_csv: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("transform", tmp_path / folder, table_csv)
    assert result.code == 2
    assert words in result.err


def test_the_model_folder_alone_will_do(
    run: Path, table_csv: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    options = ("--target", "species", "--out")
    assert run_cli("transform", run / "model", table_csv, *options, tmp_path / "a.npy").code == 0
    assert run_cli("transform", run, table_csv, *options, tmp_path / "b.npy").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), np.load(tmp_path / "b.npy"))
