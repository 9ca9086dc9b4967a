from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools import AdversarialAutoencoder
from aaetools.analysis import result_from_json, result_to_json
from aaetools.datasets import DATASETS, DataInspection, inspect_data, load_dataset
from aaetools.exceptions import DataError
from aaetools.preprocessing import choose_scaling

RNG = np.random.default_rng(0)
N = 40
PLAIN: dict[str, Any] = {
    "a": RNG.normal(size=N).round(3),
    "b": RNG.normal(size=N).round(3),
    "label": np.resize(["x", "y"], N),
}


def inspected(folder: Path, columns: dict[str, Any], **options: Any) -> DataInspection:
    path = folder / "data.csv"
    pd.DataFrame(columns).to_csv(path, index=False)
    return inspect_data(path, **options)


def with_cell(name: str, row: int, value: Any) -> dict[str, Any]:
    """Return the plain columns with one cell changed."""
    column = PLAIN[name].astype(object)
    column[row] = value
    return {**PLAIN, name: column}


def test_plain_data_are_no_trouble_and_the_command_repeats_the_options(tmp_path: Path) -> None:
    found = inspected(tmp_path, PLAIN, target="label", unlabeled="y")
    assert found.trouble[0].kind == "one class"
    assert found.command is None
    found = inspected(tmp_path, PLAIN, target="label")
    assert found.trouble == ()
    assert found.command == f"aaetools fit {tmp_path / 'data.csv'} --target label"
    assert [(one.label, one.n) for one in found.classes] == [("x", 20), ("y", 20)]
    assert [(one.name, one.role, one.kind) for one in found.columns] == [
        ("label", "labels", "text"),
        ("a", "feature", "numbers"),
        ("b", "feature", "numbers"),
    ]
    assert (found.columns[1].lowest, found.columns[1].highest) == (PLAIN["a"].min(), PLAIN["a"].max())


@pytest.mark.parametrize(
    ("columns", "kind", "stops", "words"),
    [
        ({**PLAIN, "c": np.ones(N)}, "constant", False, ("'c'",)),
        ({**PLAIN, "c": PLAIN["a"]}, "duplicate columns", False, ("'c' (as 'a')",)),
        ({**PLAIN, "c": np.arange(7, N + 7)}, "id-like", False, ("'c'", "id_column=")),
        ({**PLAIN, "c": [f"r{i}" for i in range(N)]}, "id-like", False, ("'c'",)),
        ({**PLAIN, "c": np.resize([3, 8], N)}, "leak", False, ("'c'",)),
        ({**PLAIN, "c": np.resize(["p", "q"], N)}, "leak", False, ("'c'",)),
        (with_cell("label", 3, "z"), "classes with one row", False, ("'z'", "column 'label'")),
        (with_cell("a", 3, 1e6), "extreme values", False, ("'a' (1, as 1e+06",)),
        ({**PLAIN, "label": np.repeat(["x", "y"], [N - 3, 3])}, "imbalance", False, ("'x' has 37", "'y' 3")),
        (
            {**PLAIN, **{f"c{i}": RNG.normal(size=N) for i in range(N)}},
            "more features than rows",
            False,
            ("42 features", "40 rows"),
        ),
        ({**PLAIN, "label": np.arange(N) // 2}, "leak-free many classes", False, ()),
        (with_cell("a", 3, None), "missing values", False, ("'a' (1, first in line 5)",)),
        (with_cell("a", 3, np.inf), "infinite values", True, ("'a'",)),
        (with_cell("a", 3, "red"), "cannot be encoded", True, ("'a', line 5: 'red' is not a number",)),
        ({**PLAIN, "c": [f"r{i}" for i in range(N)]}, "cannot be encoded", True, ("'c'", "identifiers")),
        (with_cell("a", 3, 1e31), "refused", True, ("line 5", "column 'a'", "1e+31")),
        (with_cell("label", 3, 0.5), "refused", True, ("column 'label'",)),
        ({name: values[:9] for name, values in PLAIN.items()}, "few rows", True, ("9 rows",)),
        ({**PLAIN, "label": ["x"] * N}, "one class", True, ("'x'", "column 'label'")),
    ],
)
def test_each_trouble_is_found_and_named(
    tmp_path: Path, columns: dict[str, Any], kind: str, stops: bool, words: tuple[str, ...]
) -> None:
    if kind == "leak-free many classes":
        columns = {**columns, "label": [f"c{i // 2}" for i in range(N - 2)] + ["c98", "c99"]}
        kind, words = "many classes", ("21 classes",)
    if kind == "refused" and "0.5" in str(columns["label"][3]):
        columns = {**columns, "label": np.resize([0.5, 1.5], N)}
    found = inspected(tmp_path, columns)
    trouble = {one.kind: one for one in found.trouble}
    assert kind in trouble, trouble
    assert trouble[kind].stops == stops
    assert all(word in trouble[kind].message for word in words), trouble[kind].message
    assert (found.command is None) == any(one.stops for one in found.trouble)
    assert all(one.message.isprintable() for one in found.trouble)


def test_repeated_rows_are_counted_and_so_are_labels_that_contradict(tmp_path: Path) -> None:
    columns = {name: np.concatenate([values, values[:3]]) for name, values in PLAIN.items()}
    columns["label"][N] = "y"  # row 0 has an x
    (trouble,) = inspected(tmp_path, columns).trouble
    assert trouble.kind == "duplicated rows"
    assert "3 rows repeat" in trouble.message
    assert f"row {N}" in trouble.message
    assert "1 of the repeated rows has unlike labels" in trouble.message


def test_a_column_that_tells_only_some_labels_is_no_leak(tmp_path: Path) -> None:
    column = np.resize([3, 8], N)
    column[0] = 8
    assert inspected(tmp_path, {**PLAIN, "c": column}).trouble == ()


def test_every_bad_column_is_told_at_once(tmp_path: Path) -> None:
    columns = {**with_cell("a", 3, "red"), "c": [f"r{i}" for i in range(N)], "d": [None] * N}
    columns["b"] = np.where(np.arange(N) == 7, np.inf, columns["b"])
    trouble = inspected(tmp_path, columns).trouble
    stops = [one.message for one in trouble if one.stops]
    assert [one.kind for one in trouble if one.stops] == ["infinite values"] + ["cannot be encoded"] * 3
    assert all(name in message for name, message in zip(["'b'", "'a', line 5", "'c'", "'d'"], stops, strict=True))


def test_it_says_how_a_fit_will_encode_each_column(tmp_path: Path) -> None:
    columns = {
        **with_cell("a", 3, None),
        "kind": np.resize(["oak", "elm", None], N),
        "seen": np.resize(["2024-01-05", "2024-02-01"], N),
        "wild": np.resize([True, False, False], N),
        "nests": np.resize([0, 9, 1, 0, 3], N),
        "label": RNG.choice(["x", "y"], N),
    }
    found = inspected(tmp_path, columns)
    dataset = load_dataset(tmp_path / "data.csv")
    model = AdversarialAutoencoder(max_epochs=1, hidden_layer_sizes=(4,)).fit(dataset.X)
    assert model.columns_ is not None
    assert {one.name: one.encoding for one in found.columns if one.role == "feature"} == {
        column.name: column.encoding for column in model.columns_.columns
    }
    assert found.scaling == model.scaling_
    assert found.columns[0].encoding is None, "labels are no feature"
    assert {one.name: one.kind for one in found.columns}["seen"] == "dates"
    assert inspected(tmp_path, PLAIN).columns[1].encoding == "number"


@pytest.mark.parametrize("name", ["digits", "iris", "wine", "moons"])
def test_bundled_data_are_what_their_cards_say(name: str) -> None:
    found, card, dataset = inspect_data(name), DATASETS[name], load_dataset(name)
    assert (found.n_rows, found.n_features, found.target) == (card.n_rows, card.n_features, card.target_name)
    assert [one.label for one in found.classes] == [str(label) for label in card.classes]
    assert found.scaling == choose_scaling(dataset.X)
    assert found.command == f"aaetools fit {name}"
    assert not any(one.stops for one in found.trouble)


def test_an_inspection_survives_json(tmp_path: Path) -> None:
    found = inspected(tmp_path, with_cell("a", 3, None))
    assert result_from_json(result_to_json(found), DataInspection) == found


def test_what_cannot_be_read_and_columns_that_are_not_there_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        inspect_data(tmp_path / "gone.csv")
    with pytest.raises(DataError, match=r"no column 'lable'.*did you mean 'label'"):
        inspected(tmp_path, PLAIN, target="lable")
    (tmp_path / "data.csv").write_text("a,b\n")
    with pytest.raises(DataError, match="no rows"):
        inspect_data(tmp_path / "data.csv")
