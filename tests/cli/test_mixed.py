"""A table of words, booleans, dates, counts and gaps through every command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools import load

COLUMNS = ["height", "age", "visits", "smoker", "colour", "joined"]


def people(n: int = 90) -> pd.DataFrame:
    """Three classes with words for labels; one column is complete in most rows only."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 3
    table = pd.DataFrame(
        {
            "id": [f"p{row}" for row in range(n)],
            "height": (rng.normal(170, 9, n) + 6 * y).round(1),
            "age": rng.integers(18, 90, n),
            "visits": rng.negative_binomial(2, 0.15 + 0.25 * y),
            "smoker": rng.random(n) < 0.1 + 0.4 * y,
            "colour": np.where(rng.random(n) < 0.9, np.array(["red", "green", "blue"])[y], "grey").astype(object),
            "joined": pd.Series(pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D")).astype(str),
        }
    )
    table.loc[rng.random(n) < 0.1, "height"] = np.nan
    table.loc[rng.random(n) < 0.1, "colour"] = None
    return table.assign(species=np.array(["ash", "elm", "oak"])[y])


@pytest.fixture(scope="module")
def mixed_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("mixed") / "people.csv"
    people().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def mixed_run(mixed_csv: Path, run_cli: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "people"
    options = ("--target", "species", "--epochs", "20", "--hidden", "32", "--no-umap", "--no-explorer")
    found = run_cli("fit", mixed_csv, *options, "--out", run)
    assert found.code == 0, found.err
    return run


def test_a_fit_records_how_columns_were_encoded(mixed_run: Path) -> None:
    model = load(mixed_run)
    assert model.columns_ is not None
    assert [column.kind for column in model.columns_.columns] == [
        "number", "number", "count", "boolean", "category", "date"
    ]  # fmt: skip
    data = json.loads((mixed_run / "analysis.json").read_text())["data"]
    assert (data["n_features"], data["feature_names"]) == (6, COLUMNS)
    assert data["encodings"] == [column.encoding for column in model.columns_.columns]
    page = (mixed_run / "report.html").read_text()
    assert "How columns were encoded" in page
    assert "category of 4 levels; gaps are a level" in page


def test_inspection_and_fit_agree(mixed_csv: Path, mixed_run: Path, run_cli: Callable[..., Any]) -> None:
    found = run_cli("inspect", mixed_csv, "--target", "species")
    model = load(mixed_run)
    assert model.columns_ is not None
    for column in model.columns_.columns:
        (line,) = [line for line in found.out.splitlines() if line.startswith(f"{column.name} ")]
        assert line.endswith(column.encoding)
    assert "stops" not in found.out


def test_new_rows_are_encoded_as_those_of_the_fit(
    mixed_csv: Path, mixed_run: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    found = run_cli("predict", mixed_run, mixed_csv, "--out", tmp_path / "all.csv", "--json")
    assert json.loads(found.out)["n_labeled"] == 90
    whole = pd.read_csv(tmp_path / "all.csv", index_col="row")
    # one row alone, columns in another order, a column without a value, a word that is new
    alone = (
        people()
        .iloc[[4]]
        .drop(columns="species")[["colour", *(name for name in people() if name not in ("colour", "species"))]]
    )
    alone.to_csv(tmp_path / "one.csv", index=False)
    found = run_cli("predict", mixed_run, tmp_path / "one.csv", "--out", tmp_path / "one-out.csv")
    assert found.code == 0, found.err
    one = pd.read_csv(tmp_path / "one-out.csv", index_col="row")
    np.testing.assert_allclose(one.iloc[0, 1:].astype(float), whole.loc["p4"].iloc[1:].astype(float), atol=1e-5)
    alone.assign(colour="violet", height=None, joined=None).to_csv(tmp_path / "odd.csv", index=False)
    assert run_cli("transform", mixed_run, tmp_path / "odd.csv").code == 0


@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("height", "tall", "'tall' is not a number"),
        ("smoker", "maybe", "'maybe' is neither true nor false"),
        ("joined", "soon", "'soon' is no date"),
        ("age", "1e31", "larger than 1e+30"),
    ],
)
def test_a_cell_of_another_kind_is_named_by_line(
    mixed_run: Path, run_cli: Callable[..., Any], tmp_path: Path, column: str, cell: str, words: str
) -> None:
    bad = people().astype({column: object})
    bad.loc[7, column] = cell
    bad.to_csv(tmp_path / "bad.csv", index=False)
    found = run_cli("transform", mixed_run, tmp_path / "bad.csv", "--out", tmp_path / "codes.csv")
    assert (found.code, found.out) == (2, "")
    assert all(word in found.err for word in ("line 9", f"column '{column}'", words))
    assert not (tmp_path / "codes.csv").exists()
    people().drop(columns=column).to_csv(tmp_path / "less.csv", index=False)
    found = run_cli("transform", mixed_run, tmp_path / "less.csv")
    assert f"lacks column '{column}'" in found.err


def test_samples_are_rows_like_the_table(mixed_run: Path, run_cli: Callable[..., Any], tmp_path: Path) -> None:
    found = run_cli("sample", mixed_run, "-n", "20", "--label", "elm", "--out", tmp_path / "new.csv")
    assert found.code == 0, found.err
    rows = pd.read_csv(tmp_path / "new.csv")
    assert rows.columns.tolist() == COLUMNS
    assert set(rows["colour"].dropna()) <= {"red", "green", "blue", "grey"}
    assert rows["smoker"].dtype == bool
    assert rows["joined"].str.fullmatch(r"20\d\d-\d\d-\d\d").all()
    assert (rows["height"].dropna().round(1) == rows["height"].dropna()).all()
    refused = run_cli("sample", mixed_run, "--out", tmp_path / "new.npy")
    assert refused.code == 2
    assert "an npy file cannot hold" in refused.err
    # what was drawn can be read back
    assert run_cli("transform", mixed_run, tmp_path / "new.csv").code == 0


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("cluster", "--seed", "1"), ("colour = ",)),
        (("interpolate", "--label", "ash", "--label", "oak", "--steps", "3"), ("joined",)),
        (("latent",), ("effective dimension",)),
    ],
)
def test_commands_on_a_run_take_it(
    mixed_run: Path, run_cli: Callable[..., Any], tmp_path: Path, command: tuple[str, ...], words: tuple[str, ...]
) -> None:
    options = () if command[0] == "interpolate" else ("--out", tmp_path / "result.json")
    found = run_cli(command[0], mixed_run, *command[1:], *options)
    assert found.code == 0, found.err
    assert all(word in found.out for word in words)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("classify", "--calibrate", "--baseline", "knn"),
        ("suggest", "--n", "3"),
        ("audit",),
        ("novel",),
        ("prior-match",),
        ("label-effect", "--draws", "2", "--labels-per-class", "5", "--jobs", "1"),
        ("report",),
    ],
)
def test_slower_commands_on_a_run_take_it(
    mixed_run: Path, run_cli: Callable[..., Any], tmp_path: Path, command: tuple[str, ...]
) -> None:
    out = tmp_path / ("report.html" if command[0] == "report" else "result.json")
    found = run_cli(command[0], mixed_run, *command[1:], "--out", out)
    assert found.code == 0, found.err
    assert out.stat().st_size > 100


@pytest.mark.slow
def test_a_column_of_words_that_nobody_named_as_labels_is_told(
    mixed_csv: Path, run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    options = ("--epochs", "1", "--hidden", "8", "--no-umap", "--no-explorer", "--out")
    found = run_cli("fit", mixed_csv, *options, tmp_path / "run")
    assert found.code == 0, found.err
    assert "No column is taken for labels, so 'colour', 'species' are features; name labels with --target" in found.err


@pytest.mark.slow
def test_counts_are_asked_for_by_an_option(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    counts = np.random.default_rng(0).poisson(4.0, (40, 5))
    pd.DataFrame(counts, columns=list("abcde")).to_csv(tmp_path / "counts.csv", index=False)
    options = ("--reconstruction", "counts", "--epochs", "2", "--hidden", "8", "--no-umap", "--no-explorer")
    found = run_cli("fit", tmp_path / "counts.csv", *options, "--out", tmp_path / "run")
    assert found.code == 0, found.err
    assert load(tmp_path / "run").reconstruction_ == "counts"
    pd.DataFrame(counts - 3, columns=list("abcde")).to_csv(tmp_path / "less.csv", index=False)
    found = run_cli("fit", tmp_path / "less.csv", *options, "--out", tmp_path / "other")
    assert found.code == 2
    assert "is no count" in found.err
