from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aaetools.cli.run_data import open_run_data
from aaetools.exceptions import DataError, RunFolderError
from aaetools.runs import read_analysis


def test_rows_are_split_and_labels_hidden_as_when_the_run_was_made(run: Path) -> None:
    found = open_run_data(run)
    table = read_analysis(run).tables.rows
    ids = found.dataset.row_ids
    assert list(ids[found.train]) == list(table["row"][table["split"] == "train"])
    assert list(ids[found.holdout]) == list(table["row"][table["split"] == "holdout"])
    given = table["label_given"][table["split"] == "train"].tolist()
    assert found.y_train is not None
    assert [None if label is None else str(label) for label in found.y_train] == given
    assert sum(label is not None for label in given) == 18
    truth = found.labels(found.holdout)
    assert truth is not None
    assert list(truth) == table["label_true"][table["split"] == "holdout"].tolist()


def test_the_model_encodes_the_rows_as_it_did(run: Path) -> None:
    found = open_run_data(run)
    table = found.analysis.tables.rows
    codes = table.filter(regex=r"^z\d").to_numpy()
    assert np.allclose(found.model.transform(found.rows(found.train)), codes[: len(found.train)], atol=1e-5)


def test_data_that_have_moved_are_named(run: Path, table_csv: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copy(table_csv, tmp_path / "elsewhere.csv"))
    assert len(open_run_data(run, str(moved)).train) == len(open_run_data(run).train)


def test_other_data_are_refused(run: Path, table: pd.DataFrame, tmp_path: Path) -> None:
    table.loc[3, "leaf"] += 1
    table.to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(DataError, match=r"is not the data that .* was made from"):
        open_run_data(run, str(tmp_path / "other.csv"))


def test_missing_data_are_asked_for(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    text = (copy / "run.toml").read_text()
    (copy / "run.toml").write_text(text.replace("flowers.csv", "lost.csv"))
    with pytest.raises(DataError, match="say with --data where it is now"):
        open_run_data(copy)


def test_a_run_that_does_not_say_how_it_was_made_is_refused(run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    text = (copy / "run.toml").read_text()
    (copy / "run.toml").write_text(text.replace("[configuration]", "[configuration]\nsurprise = 1"))
    with pytest.raises(RunFolderError, match=r"run\.toml does not say how the run was made .*surprise"):
        open_run_data(copy)
