from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.analysis import BASELINES
from aaetools.cli.fit import MIN_TRAINING_ROWS
from aaetools.estimators import AdversarialAutoencoder
from aaetools.exceptions import TrainingError
from aaetools.persistence import load
from aaetools.runs import read_analysis

QUICK = ("--epochs", "2", "--no-umap")


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# A run that works


def test_a_run_folder_holds_what_it_should(run: Path) -> None:
    assert set(os.listdir(run)) == {
        "analysis.json",
        "history.jsonl",
        "latents.parquet",
        "model",
        "previews.npz",
        "prior_samples.parquet",
        "profiles.parquet",
        "report.html",
        "run.toml",
    }
    assert os.listdir(run.parent) == [run.name]


def test_the_summary_tells_accuracy_beside_baselines_and_ends_with_the_report(
    fitted: tuple[Path, Any],
) -> None:
    run, result = fitted
    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[-1] == str(run / "report.html")
    assert "45 training rows with 18 labels (6 in each of 3 classes), 15 held out" in lines[0]
    accuracy = lines.index("Accuracy on 15 held-out rows (95% interval)")
    assert "%" in lines[accuracy + 1]
    assert [line.split("  ")[1] for line in lines[accuracy + 2 : accuracy + 2 + len(BASELINES)]] == [
        name.replace("_", " ") for name in BASELINES
    ]
    assert any(line.startswith("Clusters     3 clusters") for line in lines)
    assert any(line.startswith("Prior match  ") for line in lines)


def test_losses_are_shown_while_it_runs_but_never_on_standard_output(fitted: tuple[Path, Any]) -> None:
    _, result = fitted
    assert "Epoch 40/40  reconstruction " in result.err
    assert "Epoch" not in result.out
    assert "Traceback" not in result.err


def test_the_accuracy_is_that_of_the_saved_model_on_the_rows_held_out(run: Path, table: pd.DataFrame) -> None:
    analysis = read_analysis(run)
    rows = analysis.tables.rows.set_index("row")
    held_out = rows[rows["split"] == "holdout"]
    features = table.set_index("id").loc[held_out.index]
    predicted = load(run).predict(features[["stem", "leaf", "petal", "root"]].astype("float32"))
    assert analysis.classification is not None
    assert analysis.classification.model.accuracy.value == np.mean(predicted == features["species"])
    assert held_out["label_given"].isna().all()
    assert rows["label_given"].notna().sum() == 18


def test_run_toml_says_what_made_the_run(run: Path, table_csv: Path) -> None:
    document = tomllib.loads((run / "run.toml").read_text())
    assert document["command"].startswith(f"aaetools fit {table_csv} --target species")
    assert document["seed"] == 1
    assert len(document["data"]["sha256"]) == 64
    assert document["versions"]["torch"]
    assert document["configuration"]["labels-per-class"] == 6
    assert document["configuration"]["hidden"] == "auto"
    assert not {"out", "force", "json", "quiet", "config"} & set(document["configuration"])


def test_the_same_configuration_gives_the_same_latents_and_one_json_object(
    run: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("fit", "--config", run / "run.toml", "--out", "deep/er/again", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert (told["run"], told["report"]) == ("deep/er/again", "deep/er/again/report.html")
    assert Path(told["report"]).is_file()
    first, second = read_analysis(run), read_analysis("deep/er/again")
    pd.testing.assert_frame_equal(first.tables.rows, second.tables.rows)
    assert first.classification == second.classification
    assert first.classification is not None
    assert told["holdout_accuracy"] == first.classification.model.accuracy.value
    assert told["baselines"] == {b.name: b.accuracy.value for b in first.classification.baselines}
    assert told["n_labeled"] == 18
    assert told["seconds"] >= told["fit_seconds"] > 0


@pytest.mark.slow
def test_settings_reach_the_model_and_a_repeated_run(table_csv: Path, run_cli: Callable[..., Any]) -> None:
    settings = {"class_shares": (0.5, 0.25, 0.25), "propagate": True, "ramp": 0.5}
    typed = [f"--recipe-param={name}={json.dumps(value)}" for name, value in settings.items()]
    options = ["--image-shape", "2,2", "--validation-fraction", "0.3", "--patience", "7", *typed]
    result = run_cli("fit", table_csv, "--target", "species", *QUICK, *options, "--out", "first")
    assert result.code == 0, result.err
    again = run_cli("fit", "--config", "first/run.toml", "--out", "second")
    assert again.code == 0, again.err
    first, second = (tomllib.loads(Path(run, "run.toml").read_text()) for run in ("first", "second"))
    assert first["configuration"] == second["configuration"]
    assert first["configuration"]["recipe-param"] == {"class_shares": [0.5, 0.25, 0.25], "propagate": True, "ramp": 0.5}
    pd.testing.assert_frame_equal(read_analysis("first").tables.rows, read_analysis("second").tables.rows)
    model = load("second")
    assert (model.sample_shape_, model.validation_fraction, model.n_iter_no_change) == ((2, 2), 0.3, 7)
    assert model.recipe_params["ramp"] == 0.5
    assert model.prior_.weights == pytest.approx(settings["class_shares"])
    assert read_analysis("first").tables.images is not None


@pytest.mark.slow
def test_without_labels_quietly_and_over_an_old_run(
    table_csv: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    options = ("--target", "species", "--labels", "none", "--hold-out", "0", *QUICK, "--out", "plain", "-q")
    result = run_cli("fit", table_csv, *options)
    assert (result.code, result.out, result.err) == (0, "plain/report.html\n", "")
    before = (tmp_path / "plain" / "run.toml").read_text()
    refused = run_cli("fit", table_csv, *options)
    assert refused.code == 2
    assert "plain is there already" in refused.err
    assert (tmp_path / "plain" / "run.toml").read_text() == before
    replaced = run_cli("fit", table_csv, *options[:-1], "--seed", "3", "--force", "--json")
    assert replaced.code == 0, replaced.err
    told = json.loads(replaced.out)
    assert (told["holdout_accuracy"], told["baselines"], told["n_labeled"]) == (None, {}, 0)
    assert (tmp_path / "plain" / "run.toml").read_text() != before
    assert os.listdir(tmp_path) == ["plain"]


@pytest.mark.slow
def test_the_default_folder_is_named_after_data_and_time_and_never_taken_twice(
    table: pd.DataFrame, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    table["species"] = table["species"].where(table.index % 4 == 0, "unknown")
    data = tmp_path / "a table & more.csv"
    table.to_csv(data, index=False)
    result = run_cli("fit", data, "--target", "species", "--unlabeled", "unknown", *QUICK)
    assert result.code == 0, result.err
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("a_table_more-20")
    assert "11 labels" in result.out


@pytest.mark.slow
def test_the_default_call_on_digits_beats_chance_by_far_and_shows_images(
    tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("fit", "--labels", "partial", "--epochs", "20", "--json")
    assert result.code == 0, result.err
    told = json.loads(result.out)
    assert (told["n_train"], told["n_holdout"], told["n_labeled"]) == (1347, 450, 100)
    assert told["holdout_accuracy"] > 0.5
    analysis = read_analysis(told["run"])
    assert analysis.tables.images is not None
    assert analysis.tables.rows["umap_x"].notna().all()


# Runs that cannot be


def change(table: pd.DataFrame, kind: str) -> pd.DataFrame:
    """Break the table in one way."""
    if kind == "infinite cell":
        table.loc[7, "leaf"] = np.inf
    elif kind == "huge cell":
        table.loc[7, "leaf"] = 1e31
    elif kind == "text cell":
        table["leaf"] = table["leaf"].astype(object)
        table.loc[7, "leaf"] = "long"
    elif kind == "one class":
        table["species"] = "rose"
    elif kind == "one labelled class":
        table["species"] = table["species"].where(table["species"] == "rose", "")
    elif kind == "no class":
        table["species"] = ""
    elif kind == "measured labels":
        table["species"] = table["root"]
    elif kind == "same id":
        table.loc[7, "id"] = "plant-3"
    elif kind == "one row":
        table = table.head(1)
    elif kind == "few rows":
        table = table.iloc[::10]
    elif kind == "no rows":
        table = table.head(0)
    elif kind == "rare class":
        table = pd.concat([table] * 4, ignore_index=True).assign(id=range(240))
        table.loc[7:8, "species"] = "yarrow"
    else:
        assert kind == "fine"
    return table


BAD = [
    # what is wrong with the table, options, words of the message
    ("fine", ["--target", "spezies"], ["no column 'spezies'", "did you mean 'species'"]),
    ("fine", ["--target", "species", "--id-column", "no"], ["no column 'no'"]),
    ("fine", ["--target", "species", "--id-column", "species"], ["both the labels and the row ids"]),
    ("fine", ["--target", "species", "--unlabeled", "tulip"], ["--unlabeled 'tulip' does not occur"]),
    ("infinite cell", ["--target", "species"], ["line 9", "'leaf'", "infinite"]),
    ("huge cell", ["--target", "species"], ["line 9", "'leaf'", "1e+31"]),
    ("text cell", ["--target", "species"], ["line 9", "'leaf'", "'long' is not a number"]),
    ("one class", ["--target", "species"], ["every label is 'rose'", "--labels none"]),
    ("one labelled class", ["--target", "species"], ["every label is 'rose'"]),
    ("no class", ["--target", "species", "--labels", "full"], ["no labels to choose from"]),
    ("no class", ["--target", "species", "--labels", "20"], ["no labels to choose from"]),
    ("no class", ["--target", "species", "--labels-per-class", "2"], ["no labels to choose from"]),
    ("measured labels", ["--target", "species"], ["'species'", "is a measurement, not a class"]),
    ("same id", ["--target", "species"], ["'plant-3'"]),
    ("one row", ["--target", "species"], ["only one row"]),
    ("few rows", ["--target", "species"], ["holds 6 rows", str(MIN_TRAINING_ROWS)]),
    ("no rows", ["--target", "species"], ["no rows"]),
    ("fine", ["--target", "species", "--hold-out", "0.01"], ["hold-out of 0.01", "3 classes"]),
    ("fine", ["--target", "species", "--hold-out", "0.9"], ["leaves 6 of 60 rows"]),
    ("fine", ["--target", "species", "--hold-out", "1"], ["--hold-out"]),
    ("rare class", ["--target", "species", "--hold-out", "0.9"], ["no training row has the label 'yarrow'"]),
    ("fine", ["--target", "species", "--labels-per-class", "16"], ["16 labels per class", "aster (15)"]),
    ("fine", ["--target", "species", "--labels", "2"], ["2 labels asked for"]),
    ("fine", ["--target", "species", "--labels", "46"], ["46 labels asked for"]),
    ("fine", ["--target", "species", "--labels", "1"], ["'1' is none of partial, full, none"]),
    ("fine", ["--target", "species", "--labels", "full", "--labels-per-class", "2"], ["--labels partial"]),
    ("fine", ["--target", "species", "--n-clusters", "61"], ["--n-clusters 61", "60 rows"]),
    ("fine", ["--target", "species", "--n-clusters", "0"], ["--n-clusters"]),
    ("fine", ["--target", "species", "--prior", "cube"], ["'cube' is not one of"]),
    ("fine", ["--target", "species", "--prior", "ring", "--latent-size", "1"], ["at least 2"]),
    ("fine", ["--target", "species", "--architecture", "conv"], ["--architecture conv is for images"]),
    ("fine", ["--target", "species", "--image-shape", "8"], ["'8' is no shape of an image"]),
    ("fine", ["--target", "species", "--image-shape", "3,2"], ["has 4 features", "3 x 2 = 6"]),
    ("fine", ["--target", "species", "--recipe-param", "rump=1"], ["no setting 'rump'", "ramp"]),
    ("fine", ["--target", "species", "--recipe", "paper", "--recipe-param", "ramp=1"], ["'paper' has no setting"]),
    ("fine", ["--target", "species", "--recipe-param", "ramp"], ["'ramp' is no NAME=VALUE"]),
    ("fine", ["--target", "species", "--recipe-param", "ramp=true"], ["ramp: True is not a number", "0.4"]),
    ("fine", ["--target", "species", "--augmentation", "affine"], ["--augmentation affine is for images"]),
    ("fine", ["--target", "species", "--precision", "half"], ["--precision", "'half'"]),
    ("fine", ["--target", "species", "--batch-size", "0"], ["--batch-size", "neither auto nor a whole number"]),
    (
        "fine",
        ["--target", "species", "--recipe-param", "propagate=1"],
        ["propagate must be true, false or 'auto', not 1"],
    ),
    ("fine", ["--target", "species", "--recipe-param", "n_neighbors=0.5"], ["0.5 is not a whole number"]),
    ("fine", ["--target", "species", "--recipe-param", "class_shares=[0.6,0.4]"], ["class_shares must be 3"]),
    ("fine", ["--target", "species", "--validation-fraction", "1"], ["--validation-fraction"]),
    ("fine", ["--target", "species", "--patience", "0"], ["--patience"]),
    ("fine", ["--target", "species", "--device", "abacus"], ["'abacus' is not available"]),
    ("fine", ["--target", "species", "--batch-size", "0"], ["--batch-size"]),
    ("fine", ["--target", "species", "--learning-rate", "0"], ["--learning-rate"]),
    ("fine", ["--target", "species", "--hidden", "a"], ["'a' is neither auto nor a list of widths"]),
    ("fine", ["--target", "species", "--seed", "-1"], ["--seed"]),
    ("fine", ["--target", "species", "--config", "no.toml"], ["no.toml", "cannot be read"]),
    ("fine", ["--target", "species", "--out", "data.csv"], ["data.csv is there already"]),
    ("fine", ["--target", "species", "--out", "data.csv/run"], ["data.csv is not a folder"]),
    ("fine", ["--target", "species", "--out", "/proc/run"], ["cannot write /proc/run"]),
    ("fine", ["--target", "species", "--out", "x" * 300], ["File name too long"]),
]


@pytest.mark.parametrize(("kind", "options", "words"), BAD, ids=[f"{k}-{' '.join(o)[:50]}" for k, o, _ in BAD])
def test_bad_input_is_one_clear_line_and_leaves_nothing_behind(
    kind: str,
    options: list[str],
    words: list[str],
    table: pd.DataFrame,
    tmp_path: Path,
    run_cli: Callable[..., Any],
) -> None:
    change(table, kind).to_csv(tmp_path / "data.csv", index=False)
    result = run_cli("fit", "data.csv", *QUICK, *options)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("Error: ")
    assert result.err.count("\n") == 1
    for word in words:
        assert word in result.err
    assert written(tmp_path) == {"data.csv"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("nothing.csv", "no such file"),
        ("digts", "did you mean 'digits'"),
        (".", "is a folder"),
        ("notes.txt", "cannot be read; supported are .csv"),
    ],
)
def test_data_that_are_not_there_are_named(data: str, words: str, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    (tmp_path / "notes.txt").write_text("a,b\n1,2\n")
    result = run_cli("fit", data, *QUICK, "--json")
    assert (result.code, result.out) == (2, "")
    assert data in result.err
    assert words in result.err
    assert written(tmp_path) == {"notes.txt"}


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (TrainingError("generator_loss is nan in epoch 3"), 2, "Error: generator_loss is nan in epoch 3"),
        (KeyboardInterrupt(), 130, "Interrupted; nothing was written."),
    ],
)
def test_training_that_stops_leaves_nothing_behind(
    error: BaseException,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    table_csv: Path,
    tmp_path: Path,
    run_cli: Callable[..., Any],
) -> None:
    def stop(*arguments: object) -> None:
        raise error

    monkeypatch.setattr(AdversarialAutoencoder, "fit", stop)
    result = run_cli("fit", table_csv, "--target", "species", *QUICK, "--out", "run")
    assert (result.code, result.out) == (code, "")
    assert result.err.splitlines()[-1] == line
    assert os.listdir(tmp_path) == []


def test_a_run_in_place_is_refused_before_anything_is_trained(
    run: Path, monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]
) -> None:
    monkeypatch.setattr(AdversarialAutoencoder, "fit", lambda *arguments: pytest.fail("trained"))
    result = run_cli("fit", "iris", *QUICK, "--out", run)
    assert result.code == 2
    assert "--force" in result.err
