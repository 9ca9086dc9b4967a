"""A stream gives what the model gives for all rows at once, in the same words where something is wrong."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from aaetools import AdversarialAutoencoder, load_dataset, predict_file, transform_file
from aaetools.datasets import Dataset, open_stream
from aaetools.estimators import adversarial_autoencoder
from aaetools.exceptions import AAEToolsError, DataError, LabelError, RunFolderError
from aaetools.streaming import has_own_names, matched_features, write_codes

BATCH = 16


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    chance = np.random.default_rng(0)
    kinds = np.arange(100) % 2
    X = chance.normal(size=(100, 3)) + 4 * kinds[:, None]
    table = pd.DataFrame(X.round(3), columns=["stem", "leaf", "root"])
    table.insert(0, "id", [f"plant {row}" for row in range(100)])
    return table.assign(kind=np.array(["oak", "=elm"])[kinds])


@pytest.fixture(scope="module")
def model(table: pd.DataFrame) -> AdversarialAutoencoder:
    estimator = AdversarialAutoencoder(2, hidden_layer_sizes=(8,), max_epochs=2, random_state=0)
    return estimator.fit(table[["stem", "leaf", "root"]].astype(np.float32), table["kind"].to_numpy())


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adversarial_autoencoder, "_CHUNK", BATCH)


@pytest.fixture
def sources(table: pd.DataFrame, tmp_path: Path) -> dict[str, Path]:
    """The same rows in several formats; arrays have no names."""
    plain = table[["stem", "leaf", "root"]].to_numpy(dtype=np.float32)
    found = {name: tmp_path / name for name in ("d.csv", "d.csv.gz", "d.tsv", "d.parquet", "parts", "d.npy", "d.npz")}
    table.to_csv(found["d.csv"], index=False)
    table.to_csv(found["d.csv.gz"], index=False)
    table.to_csv(found["d.tsv"], index=False, sep="\t")
    table.to_parquet(found["d.parquet"], row_group_size=30)
    found["parts"].mkdir()
    for number, rows in enumerate((slice(0, 41), slice(41, 100))):
        table.iloc[rows].to_parquet(found["parts"] / f"{number}.parquet")
    np.save(found["d.npy"], plain)
    np.savez(found["d.npz"], X=plain, kind=table["kind"].to_numpy().astype(str))
    return found


FORMATS = ("d.csv", "d.csv.gz", "d.tsv", "d.parquet", "parts", "d.npy", "d.npz")


def whole(model: AdversarialAutoencoder, source: Path, **options: Any) -> tuple[Dataset, Any]:
    dataset = load_dataset(source, **options)
    return dataset, matched_features(dataset, model)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("n_rows", [BATCH, 3 * BATCH, None])
def test_codes_are_those_of_all_rows_at_once_to_the_bit(
    model: AdversarialAutoencoder, sources: dict[str, Path], tmp_path: Path, name: str, n_rows: int | None
) -> None:
    target = None if name == "d.npy" else "kind"
    dataset, X = whole(model, sources[name], target=target)
    found = transform_file(model, sources[name], tmp_path / "z.parquet", target=target, chunk_rows=n_rows)
    table = pd.read_parquet(tmp_path / "z.parquet")
    assert table["row"].tolist() == dataset.row_ids.tolist()
    codes = table.drop(columns="row").to_numpy()
    assert codes.dtype == np.float32
    np.testing.assert_array_equal(codes, model.transform(X))
    assert (found.n_rows, found.n_numbers) == (100, 2)
    assert found.rows_per_second == pytest.approx(100 / found.seconds)


@pytest.mark.parametrize("n_rows", [1, 7, 33])
def test_chunks_of_any_size_give_the_same_but_for_the_last_digit(
    model: AdversarialAutoencoder, sources: dict[str, Path], tmp_path: Path, n_rows: int
) -> None:
    _, X = whole(model, sources["d.csv"], target="kind")
    transform_file(model, sources["d.csv"], tmp_path / "z.npy", target="kind", chunk_rows=n_rows)
    np.testing.assert_allclose(np.load(tmp_path / "z.npy"), model.transform(X), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npy"])
def test_files_do_not_depend_on_the_chunks(
    model: AdversarialAutoencoder, sources: dict[str, Path], tmp_path: Path, suffix: str
) -> None:
    contents = []
    for n_rows in (BATCH, 2 * BATCH, 1000):
        transform_file(model, sources["d.csv"], tmp_path / f"z{suffix}", target="kind", chunk_rows=n_rows, force=True)
        if suffix == ".parquet":  # row groups differ, rows do not
            contents.append(pd.read_parquet(tmp_path / f"z{suffix}").to_csv().encode())
        else:
            contents.append((tmp_path / f"z{suffix}").read_bytes())
    assert contents[0] == contents[1] == contents[2]


@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
def test_threads_change_nothing_and_are_put_back(
    model: AdversarialAutoencoder, sources: dict[str, Path], tmp_path: Path, n_threads: int
) -> None:
    _, X = whole(model, sources["d.parquet"], target="kind")
    expected, before = model.transform(X), torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        transform_file(model, sources["d.parquet"], tmp_path / "z.npy", target="kind", chunk_rows=BATCH)
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), expected)
    assert threading.active_count() == 1 or not any("ThreadPool" in one.name for one in threading.enumerate())


@pytest.mark.parametrize("n_rows", [BATCH, 1000])
def test_classes_and_hits_are_those_of_all_rows_at_once(
    model: AdversarialAutoencoder, table: pd.DataFrame, tmp_path: Path, n_rows: int
) -> None:
    given = table["kind"].where(np.arange(100) % 3 > 0)  # every third row has no label
    table.assign(kind=given).to_parquet(tmp_path / "d.parquet")
    found = predict_file(model, tmp_path / "d.parquet", tmp_path / "p.csv", target="kind", chunk_rows=n_rows)
    expected = model.predict(table[["stem", "leaf", "root"]].astype(np.float32))
    written = pd.read_csv(tmp_path / "p.csv")
    assert written["label_pred"].str.lstrip("'").tolist() == expected.tolist()
    assert list(written.columns) == ["row", "label_pred", "p_=elm", "p_oak"]
    known = given.notna().to_numpy()
    assert (found.n_labeled, found.n_right) == (known.sum(), (expected == given)[known].sum())


def test_without_a_target_nothing_is_compared(
    model: AdversarialAutoencoder, table: pd.DataFrame, tmp_path: Path
) -> None:
    table.drop(columns="kind").to_csv(tmp_path / "d.csv", index=False)
    found = predict_file(model, tmp_path / "d.csv", tmp_path / "p.parquet")
    assert (found.n_labeled, found.n_right) == (0, 0)


def test_a_label_that_is_no_class_is_refused_with_its_first_row_before_any_work(
    model: AdversarialAutoencoder, table: pd.DataFrame, tmp_path: Path
) -> None:
    kind = table["kind"].copy()
    kind[[71, 93]] = "yew"
    table.assign(kind=kind, stem=np.where(np.arange(100) == 5, np.inf, 1.0)).to_csv(tmp_path / "d.csv", index=False)
    with pytest.raises(LabelError, match=r"row 71 \(counted from 0\), column 'kind': 'yew' is no class.*'=elm', 'oak'"):
        predict_file(model, tmp_path / "d.csv", tmp_path / "p.csv", target="kind")


def test_a_model_without_classes_predicts_nothing(table: pd.DataFrame, tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", table[["stem", "leaf"]].to_numpy())
    plain = AdversarialAutoencoder(hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(table[["stem", "leaf"]])
    with pytest.raises(LabelError, match="no classes to predict"):
        predict_file(plain, tmp_path / "d.npy", tmp_path / "p.csv")


@pytest.mark.parametrize("n_rows", [1, BATCH, 1000])
@pytest.mark.parametrize(
    ("row", "cell", "words"),
    [(97, "", "line 99, column 'leaf': missing value"), (55, "1e40", "line 57, column 'leaf': 1e[+]40 is larger")],
)
def test_a_bad_cell_is_named_by_its_line_and_nothing_is_left(
    model: AdversarialAutoencoder,
    sources: dict[str, Path],
    tmp_path: Path,
    row: int,
    cell: str,
    words: str,
    n_rows: int,
) -> None:
    lines = sources["d.csv"].read_text().splitlines()
    cells = lines[row + 1].split(",")
    lines[row + 1] = ",".join([*cells[:2], cell, *cells[3:]])
    sources["d.csv"].write_text("\n".join(lines) + "\n")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(DataError, match=words):
        transform_file(model, sources["d.csv"], tmp_path / "z.csv", target="kind", chunk_rows=n_rows)
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("bad", [{1}, {1, 3}, {3}])
def test_of_faults_in_chunks_and_in_the_file_the_first_is_told(bad: set[int]) -> None:
    def chunks(n_rows: int) -> Iterator[int]:
        yield from range(4)
        raise DataError("the file ends in the midst of chunk 4")  # while earlier chunks are still in work

    def checked(chunk: int) -> Dataset:
        if chunk in bad:
            raise DataError(f"chunk {chunk} is bad")
        return dataset("a", "b")

    stub: Any = SimpleNamespace(n_components_=2, n_features_in_=2, transform=lambda X: X)
    stream = replace(open_stream("wine"), chunks=chunks, checked=checked)
    written: list[Any] = []
    sink: Any = SimpleNamespace(write=written.append)
    with pytest.raises(DataError, match=f"chunk {min(bad)} is bad"):
        write_codes(stub, stream, lambda layout: contextlib.nullcontext(sink))
    assert len(written) == min(bad)
    bad.clear()
    with pytest.raises(DataError, match="the file ends"):
        write_codes(stub, stream, lambda layout: contextlib.nullcontext(sink))


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_read(
    model: AdversarialAutoencoder, tmp_path: Path
) -> None:
    for name in ("no/z.csv", "z.txt"):
        with pytest.raises(RunFolderError):
            transform_file(model, tmp_path / "missing.csv", tmp_path / name)
    with pytest.raises(RunFolderError, match=r"choose from \.parquet, \.csv"):
        predict_file(model, tmp_path / "missing.csv", tmp_path / "p.npy")


def test_chunks_of_no_rows_are_refused(model: AdversarialAutoencoder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="chunk_rows must be at least 1, not 0"):
        transform_file(model, "wine", tmp_path / "z.csv", chunk_rows=0)
    assert os.listdir(tmp_path) == []


def test_progress_counts_chunks(model: AdversarialAutoencoder, sources: dict[str, Path], tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    transform_file(
        model,
        sources["d.npy"],
        tmp_path / "z.npy",
        chunk_rows=BATCH,
        progress=lambda *step: told.append(step),
    )
    assert told == [("encoding rows", done, 7) for done in range(1, 8)]


def test_any_estimator_that_encodes_will_do(table: pd.DataFrame, sources: dict[str, Path], tmp_path: Path) -> None:
    class Halves:
        n_components_, n_features_in_ = 3, 3

        def transform(self, X: Any) -> Any:
            return X / 2

    transform_file(Halves(), sources["d.npy"], tmp_path / "z.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), np.load(sources["d.npy"]) / 2)


def test_a_source_that_ends_early_is_not_taken_for_whole(model: AdversarialAutoencoder, tmp_path: Path) -> None:
    stream = open_stream("wine")
    short = replace(stream, n_rows=stream.n_rows + 1)
    stub: Any = SimpleNamespace(n_components_=1, n_features_in_=13, transform=lambda X: X[:, :1])
    sink: Any = SimpleNamespace(write=lambda part: None)
    with pytest.raises(DataError, match="holds 178 rows, not 179"):
        write_codes(stub, short, lambda layout: contextlib.nullcontext(sink))


# Matching columns


def dataset(*names: str, image_shape: tuple[int, ...] | None = None) -> Dataset:
    X = np.array([[10 * row + column for column in range(len(names))] for row in range(2)], dtype=np.float32)
    return Dataset("d", X, None, names, image_shape=image_shape)


def fitted(*names: str, own: bool) -> Any:
    model = SimpleNamespace(n_features_in_=len(names))
    if own:
        model.feature_names_in_ = np.array(names, dtype=object)
    return model


def test_numbers_and_pixels_are_no_names_of_their_own() -> None:
    assert has_own_names(dataset("a", "b"))
    assert has_own_names(dataset("x1", "x0"))
    assert not has_own_names(dataset("x0", "x1"))
    assert not has_own_names(dataset("a", "b", image_shape=(1, 2)))


def test_columns_are_matched_by_name_whatever_their_order() -> None:
    X = matched_features(dataset("b", "a"), fitted("a", "b", own=True))
    assert list(X.columns) == ["a", "b"]
    assert X.to_numpy().tolist() == [[1, 0], [11, 10]]


def test_the_names_of_the_data_order_the_columns_of_a_model_without_names() -> None:
    X = matched_features(dataset("b", "a"), fitted("a", "b", own=False), ("a", "b"))
    assert X.tolist() == [[1, 0], [11, 10]]


def test_arrays_without_names_are_matched_by_position() -> None:
    X = matched_features(dataset("x0", "x1"), fitted("a", "b", own=True))
    assert list(X.columns) == ["a", "b"]
    assert X.to_numpy().tolist() == [[0, 1], [10, 11]]


def test_names_that_the_model_never_knew_do_not_matter() -> None:
    assert matched_features(dataset("p"), fitted("x0", own=False), ("x0",)).tolist() == [[0], [10]]


@pytest.mark.parametrize(
    ("known", "own", "message"),
    [
        (("a", "b", "c"), True, "lacks column 'c'"),
        (("a",), True, "has column 'b', unknown to the model"),
        (("b", "c", "d"), True, "lacks columns 'c', 'd' and has column 'a'"),
        (("p", "q", "r"), False, "has 2 features, but the model was fitted with 3"),
    ],
)
def test_other_columns_are_refused_by_name(known: tuple[str, ...], own: bool, message: str) -> None:
    with pytest.raises(AAEToolsError, match=message):
        matched_features(dataset("a", "b"), fitted(*known, own=own), known)
