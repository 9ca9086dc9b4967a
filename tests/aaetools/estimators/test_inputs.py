"""What can stand for a matrix: data frames of polars, annotated matrices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from anndata import AnnData, read_h5ad

from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.exceptions import DataError

RANDOM = np.random.default_rng(0)
Y = np.arange(60) % 3
X = (RANDOM.normal(size=(60, 4)) + 5 * np.eye(3, 4)[Y]).astype(np.float32)
NAMES = ["stem", "leaf", "petal", "root"]
SOME = mask_labels(Y, per_class=5, random_state=0)
WORDS = np.array([None if label < 0 else "abc"[label] for label in SOME], dtype=object)


def quick() -> AdversarialAutoencoder:
    return AdversarialAutoencoder(max_epochs=2, hidden_layer_sizes=(8,), random_state=0)


def annotated(X: Any = X) -> Any:
    rows = pd.DataFrame({"kind": pd.Categorical(WORDS)}, index=[f"cell-{row}" for row in range(60)])
    return AnnData(X, obs=rows, var=pd.DataFrame(index=NAMES))


@pytest.fixture(scope="module")
def by_pandas() -> AdversarialAutoencoder:
    return quick().fit(pd.DataFrame(X, columns=NAMES), WORDS)


# -- polars ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64, pl.Int32])
def test_a_frame_of_polars_is_what_a_frame_of_pandas_is(dtype: Any) -> None:
    frame = pl.DataFrame(X, schema=NAMES).cast(dtype)
    same = frame.to_pandas()
    one, other = quick().fit(frame, WORDS), quick().fit(same, WORDS)
    assert one.feature_names_in_.tolist() == NAMES
    np.testing.assert_array_equal(one.transform(frame), other.transform(same))
    np.testing.assert_array_equal(one.predict(frame), other.predict(same))
    np.testing.assert_array_equal(one.predict_proba(frame), other.predict_proba(same))


def test_columns_of_polars_must_come_in_the_order_of_the_fit(by_pandas: AdversarialAutoencoder) -> None:
    with pytest.raises(ValueError, match="feature names"):
        by_pandas.transform(pl.DataFrame(X, schema=NAMES).select(NAMES[::-1]))
    with pytest.raises(ValueError, match="feature names"):
        by_pandas.transform(pl.DataFrame(X[:, :3], schema=NAMES[:3]))


def test_codes_come_out_as_a_frame_of_polars() -> None:
    frame = pl.DataFrame(X, schema=NAMES)
    model = quick().set_output(transform="polars").fit(frame, SOME)
    codes = model.transform(frame)
    assert isinstance(codes, pl.DataFrame)
    assert codes.columns == model.get_feature_names_out().tolist()
    np.testing.assert_array_equal(codes.to_numpy(), model.set_output(transform="default").transform(frame))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pl.Series(WORDS.tolist()), ["a", "b", "c"]),
        (pl.Series(WORDS.tolist()).cast(pl.Categorical), ["a", "b", "c"]),
        (pl.Series(SOME), [0, 1, 2]),
        (pl.Series([None if label < 0 else int(label) for label in SOME]), [0, 1, 2]),
        (pl.Series([None if label < 0 else bool(label) for label in SOME]), [False, True]),
    ],
)
def test_labels_in_a_series_of_polars(labels: pl.Series, classes: list[Any]) -> None:
    model = quick().fit(pl.DataFrame(X, schema=NAMES), labels)
    assert model.classes_.tolist() == classes
    assert model.score(pl.DataFrame(X, schema=NAMES), labels) >= 0


@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_a_lazy_frame_is_no_frame_yet(by_pandas: AdversarialAutoencoder) -> None:
    with pytest.raises(DataError, match=r"lazy frame.*X\.collect\(\)"):
        by_pandas.transform(pl.DataFrame(X, schema=NAMES).lazy())


# -- annotated matrices ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_matrix], ids=str)
def test_an_annotated_matrix_is_its_matrix_with_the_names_of_its_features(
    by_pandas: AdversarialAutoencoder, store: Any
) -> None:
    cells = annotated(store(X))
    model = quick().fit(cells, cells.obs["kind"])
    assert model.feature_names_in_.tolist() == NAMES
    assert model.classes_.tolist() == ["a", "b", "c"]
    frame = pd.DataFrame(X, columns=NAMES)
    np.testing.assert_array_equal(model.transform(cells), by_pandas.transform(frame))
    np.testing.assert_array_equal(model.predict(cells), by_pandas.predict(frame))
    np.testing.assert_array_equal(model.score_samples(cells), by_pandas.score_samples(frame))
    assert model.score(cells, cells.obs["kind"]) == by_pandas.score(frame, WORDS)
    cells.obsm["X_aae"] = model.transform(cells)
    assert cells.obsm["X_aae"].shape == (60, model.n_components_)


def test_a_part_of_an_annotated_matrix_and_one_in_its_file(by_pandas: AdversarialAutoencoder, tmp_path: Path) -> None:
    cells = annotated(scipy.sparse.csr_matrix(X))
    whole = by_pandas.transform(cells)
    np.testing.assert_allclose(by_pandas.transform(cells[10:20]), whole[10:20], atol=1e-6)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    in_file = read_h5ad(tmp_path / "cells.h5ad", backed="r")
    np.testing.assert_array_equal(by_pandas.transform(in_file), whole)
    in_file.file.close()


def test_features_of_an_annotated_matrix_must_be_those_of_the_fit(by_pandas: AdversarialAutoencoder) -> None:
    with pytest.raises(ValueError, match="feature names"):
        by_pandas.transform(annotated()[:, ::-1])
    with pytest.raises(DataError, match=r"has no X; .*layers"):
        by_pandas.transform(AnnData(obs=annotated().obs, var=annotated().var))


def test_a_sparse_annotated_matrix_that_would_fill_the_memory_is_refused(
    by_pandas: AdversarialAutoencoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sysconf", lambda _: 16)
    with pytest.raises(DataError, match=r"X is sparse, shape \(60, 4\)"):
        by_pandas.transform(annotated(scipy.sparse.csr_matrix(X)))
