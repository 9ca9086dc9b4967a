"""A run that earlier code wrote, with another Python or torch as it may be, is read and answers as it did.

``old_run/run`` was made from ``old_run/flowers.csv`` by ``aaetools fit flowers.csv --target class --hidden 4
--epochs 30 --no-umap`` with torch 2.13.0 and Python 3.11; its report was left out. It stays as it is: what no longer
reads it needs a new schema version, and a way to read the old one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from aaetools import load, read_analysis
from aaetools.export import export_onnx

FOLDER = Path(__file__).parent / "old_run"


def test_the_analysis_of_an_old_run_is_read() -> None:
    analysis = read_analysis(FOLDER / "run")
    assert (analysis.data.n_train, analysis.data.n_holdout) == (22, 8)
    assert analysis.provenance.versions["torch"].startswith("2.13.0")
    assert analysis.classification is not None
    rows = analysis.tables.rows
    assert (
        analysis.classification.model.accuracy.value
        == (rows["label_pred"] == rows["label_true"])[rows["split"] == "holdout"].mean()
    )


def test_the_model_of_an_old_run_answers_as_it_did(tmp_path: Path) -> None:
    kept = read_analysis(FOLDER / "run").tables.rows
    X = pd.read_csv(FOLDER / "flowers.csv").drop(columns="class").iloc[kept["row"].astype(int)]
    model = load(FOLDER / "run")
    np.testing.assert_allclose(model.transform(X), kept.filter(regex=r"^z\d+$"), rtol=1e-5, atol=1e-5)
    assert model.predict(X).tolist() == kept["label_pred"].tolist()
    assert export_onnx(model, tmp_path / "m.onnx").outputs == ("codes", "probabilities", "label")
