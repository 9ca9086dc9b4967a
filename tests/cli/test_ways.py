"""``aaetools traverse`` and ``aaetools interpolate``: what they have in common, and what not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.persistence import load
from aaetools.runs import read_analysis

FEATURES = ["stem", "leaf", "petal", "root"]


def printed(result: Any) -> pd.DataFrame:
    assert (result.code, result.err) == (0, "")
    return pd.read_csv(io.StringIO(result.out))


def test_an_axis_is_changed_from_each_class_centre(run: Path, run_cli: Callable[..., Any]) -> None:
    table = printed(run_cli("traverse", run, "--axis", "2", "--steps", "4"))
    assert list(table.columns) == ["way", "position", "label_pred", "confidence", "typicality", *FEATURES]
    assert list(table["way"]) == [name for name in ("aster", "daisy", "rose") for _ in range(4)]
    low, high = np.quantile(read_analysis(run).tables.rows["z2"], [0.01, 0.99])
    np.testing.assert_allclose(table["position"][:4], np.linspace(low, high, 4), rtol=1e-5, atol=1e-6)


def test_a_row_is_decoded_as_the_model_decodes_its_code(run: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    out = tmp_path / "way.npy"
    options = ("--axis", "0", "--from", "-1", "--to", "3", "--steps", "3", "--row", "plant-17", "--out", out)
    told = run_cli("traverse", run, *options, "--json")
    assert json.loads(told.out) == {"out": str(out), "n_rows": 3, "n_ways": 1, "axis": 0, "steps": 3, "seed": 0}
    rows = read_analysis(run).tables.rows
    codes = np.repeat(rows[rows["row"] == "plant-17"].filter(regex=r"^z\d").to_numpy(), 3, axis=0)
    codes[:, 0] = [-1, 1, 3]
    np.testing.assert_array_equal(np.load(out), load(run).inverse_transform(codes))


def test_ways_lead_through_rows_in_their_order(run: Path, run_cli: Callable[..., Any]) -> None:
    ends = ("plant-0", "plant-30", "plant-59")
    table = printed(run_cli("interpolate", run, *(word for row in ends for word in ("--row", row)), "--steps", "3"))
    assert list(table["way"].unique()) == ["plant-0 to plant-30", "plant-30 to plant-59"]
    assert table["position"].tolist() == [0, 0.5, 1, 0, 0.5, 1]
    rows = read_analysis(run).tables.rows.set_index("row")
    assert [table["label_pred"][i] for i in (0, 2, 5)] == [rows["label_pred"][row] for row in ends]
    np.testing.assert_allclose(table.loc[2, FEATURES].astype(float), table.loc[3, FEATURES].astype(float))


def test_ways_lead_through_classes_all_of_them_by_default(
    run: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    table = printed(run_cli("interpolate", run, "--steps", "2"))
    assert list(table["way"].unique()) == ["aster to daisy", "daisy to rose"]
    assert list(table["label_pred"]) == ["aster", "daisy", "daisy", "rose"]
    out = tmp_path / "way.parquet"
    assert run_cli("interpolate", run, "--label", "rose", "--label", "aster", "--out", out, "-q").out == ""
    assert list(pd.read_parquet(out)["way"].unique()) == ["rose to aster"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("traverse", "--axis", "9"), "there is no latent axis 9; there are 4"),
        (("traverse",), "Missing option '--axis'"),
        (("traverse", "--axis", "0", "--to", "nan"), "must be finite numbers"),
        (("traverse", "--axis", "0", "--row", "plant-171"), "no row 'plant-171'; did you mean 'plant-17'? (rows: "),
        (("traverse", "--axis", "0", "--label", "rows"), "no class 'rows'; did you mean 'rose'?"),
        (("traverse", "--axis", "0", "--label", "rose", "--row", "plant-1"), "--row and --label do not go together"),
        (("interpolate", "--row", "plant-1"), "one end is no way; give two or more --row"),
        (("interpolate", "--steps", "1"), "--steps"),
        (("interpolate", "--json"), "--json needs --out"),
        (("interpolate", "--out", "way.png"), "choose from .parquet, .csv, .npy"),
    ],
)
def test_what_leads_nowhere_is_said_in_one_line(
    run: Path, run_cli: Callable[..., Any], words: tuple[str, ...], message: str
) -> None:
    result = run_cli(words[0], run, *words[1:])
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.slow
def test_without_labels_ways_lead_through_rows_or_from_the_mean_code(
    tmp_path: Path, table: pd.DataFrame, run_cli: Callable[..., Any]
) -> None:
    table.drop(columns="species").to_csv(tmp_path / "plain.csv", index=False)
    run = tmp_path / "run"
    made = run_cli("fit", tmp_path / "plain.csv", "--epochs", "1", "--umap", "never", "--out", run)
    assert made.code == 0, made.err
    found = printed(run_cli("traverse", run, "--axis", "1", "--steps", "2"))
    assert list(found.columns) == ["way", "position", "typicality", *FEATURES]
    assert set(found["way"]) == {"mean code"}
    refused = run_cli("interpolate", run)
    assert (refused.code, "without labels" in refused.err) == (2, True)
    profiles = read_analysis(run).tables.profiles
    assert profiles is not None
    assert list(profiles["name"].unique()) == [f"main axis {i}, {end} 2 sd" for i in (1, 2) for end in "-+"]
