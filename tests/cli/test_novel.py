from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from aaetools.analysis import result_from_json
from aaetools.analysis.results import NovelClasses


def test_a_class_without_labels_is_reported_with_its_rows(
    table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    table.loc[table["species"] == "rose", "species"] = None
    table.to_csv(tmp_path / "flowers.csv", index=False)
    options = ("--target", "species", "--epochs", "2", "--no-umap", "--hold-out", "0", "--out", tmp_path / "run")
    assert run_cli("fit", tmp_path / "flowers.csv", *options).code == 0
    result = run_cli("novel", tmp_path / "run")
    assert result.code == 0, result.err
    place = tmp_path / "run" / "novel.json"
    assert result.out.splitlines()[-1] == str(place)
    found = result_from_json(place.read_text(), NovelClasses)
    assert [set(cluster.rows) for cluster in found.clusters] == [set(range(40, 60))]
    assert any(f"plant-{row}" in result.out for row in range(40, 60))


def test_nothing_is_reported_where_all_classes_have_labels(
    run: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("novel", run, "--permutations", "99", "--out", tmp_path / "n.json")
    assert result.code == 0, result.err
    assert "No cluster is without labels" in result.out
    assert result_from_json((tmp_path / "n.json").read_text(), NovelClasses).n_permutations == 99


@pytest.mark.parametrize("level", ["0", "1", "no"])
def test_an_impossible_level_is_refused(run: Path, level: str, run_cli: Callable[..., Any]) -> None:
    result = run_cli("novel", run, "--level", level)
    assert (result.code, result.out) == (2, "")
    assert "--level" in result.err
