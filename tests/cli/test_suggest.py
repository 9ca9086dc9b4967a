from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest

from aaetools.analysis import STRATEGIES, result_from_json
from aaetools.analysis.results import Suggestions
from aaetools.cli.suggest import _fill_in, suggest
from aaetools.exceptions import DataError, LabelError


def test_a_table_to_fill_in_is_written_and_read_back(
    run: Path, table_csv: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    first, place = tmp_path / "first.csv", tmp_path / "s.json"
    result = run_cli("suggest", run, "--n", "4", "--csv", first, "--out", place)
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == str(place)
    found = result_from_json(place.read_text(), Suggestions)
    assert (found.n, found.n_labeled) == (4, 18)
    table = pd.read_csv(first, keep_default_na=False)
    assert list(table.columns) == ["row", "label", "label_pred", "reason"]
    assert (table["label"] == "").all()
    everything = pd.read_csv(table_csv)
    assert table["row"].tolist() == [everything["id"][row.row] for row in found.rows]

    truth = everything.set_index("id")["species"]
    table.assign(label=[truth[row] for row in table["row"]]).to_csv(first, index=False)
    options = ("--n", "4", "--out", tmp_path / "t.json", "--csv", tmp_path / "next.csv")
    again = run_cli("suggest", run, "--filled", first, *options)
    assert again.code == 0, again.err
    assert result_from_json((tmp_path / "t.json").read_text(), Suggestions).n_labeled == 22
    assert not set(pd.read_csv(tmp_path / "next.csv")["row"]) & set(table["row"])


def test_a_filled_in_table_is_not_written_over(run: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    filled = tmp_path / "filled.csv"
    filled.write_text("row,label\nplant-0,rose\n")
    result = run_cli("suggest", run, "--n", "2", "--csv", filled, "--out", tmp_path / "s.json")
    assert result.code == 2
    assert "is there already" in result.err
    assert filled.read_text() == "row,label\nplant-0,rose\n"


def test_filled_labels_are_of_the_kind_of_the_others(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text("row,label\n'-a,7\nb,\nc,3\n")
    filled = _fill_in(np.array([-1, -1, -1, 3]), ["-a", "b", "c", "d"], file)
    assert filled.tolist() == [7, -1, 3, 3]
    file.write_text("row,label\nb,cat\n")
    assert _fill_in(np.array([None, None, "dog"], dtype=object), ["a", "b", "c"], file).tolist() == [None, "cat", "dog"]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("row,label\nb,cat\n", LabelError, "line 2: 'cat' is no whole number"),
        ("row,label\nz,3\n", DataError, "line 2: row z is none of"),
        ("id,label\na,3\n", DataError, "no column row"),
        ("", DataError, "cannot be read as a table"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(text: str, error: Any, words: str, tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text(text)
    with pytest.raises(error, match=words):
        _fill_in(np.array([1, -1]), ["a", "b"], file)


def test_the_choice_of_strategies_is_the_librarys() -> None:
    option = next(p for p in suggest.params if p.name == "strategy")
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == sorted(["auto", *STRATEGIES])
