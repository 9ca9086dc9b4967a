"""Chunks are the rows of the whole file: same cells, same types, same words."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aaetools.datasets.chunks import CHUNK_READERS, chunk_size, open_chunks
from aaetools.datasets.files import read_file
from aaetools.datasets.tables import Table
from aaetools.exceptions import DataError

SIZES = (1, 7, 1000)


def frame(n: int = 20) -> pd.DataFrame:
    chance = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [f"row {i}" for i in range(n)],
            "a": chance.normal(size=n),
            "whole": np.arange(n) - 3,
            "flag": np.arange(n) % 3 == 0,
            "kind": [None if i % 5 == 0 else "uvw"[i % 3] for i in range(n)],
        }
    )


def text(sep: str) -> bytes:
    return frame().to_csv(index=False, sep=sep).replace("\n", "\n\n", 3).encode()


def parquet(table: pd.DataFrame, rows: int = 6) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, row_group_size=rows)
    return buffer.getvalue()


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype("u1").tobytes()


IMAGES = np.arange(20 * 6).reshape(20, 2, 3)
FILES: dict[str, bytes] = {
    "d.csv": text(","),
    "d.csv.gz": gzip.compress(text(","), mtime=0),
    "d.tsv": text("\t"),
    "d.tsv.gz": gzip.compress(text("\t"), mtime=0),
    "d.parquet": parquet(frame()),
    "rows.npy": npy(np.arange(40.0).reshape(20, 2)),
    "images.npy": npy(IMAGES),
    "big-endian.npy": npy(np.arange(40).reshape(20, 2).astype(">i2")),
    "columns.npy": npy(np.asfortranarray(np.arange(40.0).reshape(20, 2))),
    "d.idx": idx(IMAGES),
    "d.idx.gz": gzip.compress(idx(IMAGES), mtime=0),
    "train-images-idx3-ubyte": idx(IMAGES),
    "train-images-idx3-ubyte.gz": gzip.compress(idx(IMAGES), mtime=0),
}


def assert_chunks_are_the_file(path: Path, n_rows: int) -> None:
    """Assert that chunks of so many rows, one after the other, are what the reader of the whole file returns."""
    whole, chunks = read_file(path), open_chunks(path)
    parts = list(chunks.chunks(n_rows, None))
    assert (chunks.n_rows, chunks.names, chunks.block_names) == (whole.n_rows, whole.names, whole.block_names)
    assert [part.n_rows for part in parts[:-1]] == [n_rows] * (len(parts) - 1)
    assert [part.first_row for part in parts] == list(range(0, whole.n_rows, n_rows))
    for part in parts:
        assert (part.text, part.image_shape, part.names) == (whole.text, whole.image_shape, whole.names)
        assert part.place(0) == whole.place(part.first_row)
    if whole.block is not None:
        np.testing.assert_array_equal(np.concatenate([part.block for part in parts]), whole.block)  # type: ignore[misc]
        assert {part.block.dtype.kind for part in parts if part.block is not None} == {whole.block.dtype.kind}
    for name in whole.names:
        assert_column(parts, whole.columns[name])
        alone = list(chunks.chunks(n_rows, [name]))
        assert_column(alone, whole.columns[name])
        assert [part.first_row for part in alone] == [part.first_row for part in parts]


def assert_column(parts: list[Table], whole: pd.Series) -> None:
    cells = [part.columns[whole.name] for part in parts]
    joined = pd.concat([piece.astype(object) for piece in cells], ignore_index=True)
    pd.testing.assert_series_equal(joined, whole.astype(object), check_names=False)
    kinds = {piece.dtype.kind for piece in cells}
    # where integers have gaps, or dictionaries differ, only the joined column can have the one type
    assert kinds <= {whole.dtype.kind} | ({"i", "b"} if whole.isna().any() else set())


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("n_rows", SIZES)
def test_chunks_one_after_the_other_are_the_file(tmp_path: Path, name: str, n_rows: int) -> None:
    (tmp_path / name).write_bytes(FILES[name])
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.arange(20)))
    assert_chunks_are_the_file(tmp_path / name, n_rows)


def test_every_reader_of_chunks_is_tested() -> None:
    assert {suffix for suffix in CHUNK_READERS if not any(name.endswith(suffix) for name in FILES)} == set()


@pytest.mark.parametrize("n_rows", SIZES)
def test_parquet_files_in_a_folder_are_one_table(tmp_path: Path, n_rows: int) -> None:
    table = frame()
    for number, rows in enumerate((slice(0, 5), slice(5, 5), slice(5, 14), slice(14, 20))):
        (tmp_path / f"part-{number}.parquet").write_bytes(parquet(table.iloc[rows]))
    assert_chunks_are_the_file(tmp_path, n_rows)


@pytest.mark.parametrize("n_rows", SIZES)
def test_parts_of_unlike_types_have_the_type_of_all_together(tmp_path: Path, n_rows: int) -> None:
    first = pd.DataFrame({"a": [1, 2, 3], "b": [True, False, True], "c": [1, 2, 3]})
    second = pd.DataFrame({"a": [0.5, 1.5], "b": [3, 4], "c": ["x", "y"]})
    (tmp_path / "1.parquet").write_bytes(parquet(first))
    (tmp_path / "2.parquet").write_bytes(parquet(second))
    assert_chunks_are_the_file(tmp_path, n_rows)


@pytest.mark.parametrize("n_rows", SIZES)
def test_dictionaries_and_decimals_are_read_as_in_the_whole_file(tmp_path: Path, n_rows: int) -> None:
    words = pa.array(["u", "v", None, "w", "u"]).dictionary_encode()
    prices = pa.array([1.5, 2.5, 3.5, 4.5, 5.5]).cast(pa.decimal128(5, 2))
    counts = pa.array([1, None, 3, 4, None])
    table = pa.table({"kind": words, "price": prices, "n": counts})
    for name in ("1.parquet", "2.parquet"):
        pq.write_table(table, tmp_path / name, row_group_size=2)
    assert_chunks_are_the_file(tmp_path / "1.parquet", n_rows)
    assert_chunks_are_the_file(tmp_path, n_rows)


@pytest.mark.parametrize("n_rows", SIZES)
def test_pictures_are_handed_out_in_slices(tmp_path: Path, n_rows: int) -> None:
    for kind in ("u", "v"):
        (tmp_path / kind).mkdir()
        for number in range(3):
            Image.new("L", (2, 2), number).save(tmp_path / kind / f"{number}.png")
    assert_chunks_are_the_file(tmp_path, n_rows)


CELLS = (
    "",
    "1",
    "-7",
    "007",
    " 2",
    "0.5",
    "1e3",
    "inf",
    "True",
    "false",
    "word",
    "NA",
    "None",
    str(2**63 + 5),
    str(2**70),
)


@given(
    cells=st.lists(st.sampled_from(CELLS), min_size=1, max_size=12),
    pool=st.sets(st.sampled_from(CELLS), min_size=1, max_size=3),
    n_rows=st.integers(1, 5),
)
@settings(max_examples=100, deadline=None, derandomize=True)
def test_a_text_column_has_one_type_however_it_is_cut(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], pool: set[str], n_rows: int
) -> None:
    few = sorted(pool)
    cells = [few[CELLS.index(cell) % len(few)] for cell in cells]
    path = tmp_path_factory.mktemp("text") / "d.csv"
    path.write_text("a,b\n" + "".join(f"{cell},x\n" for cell in cells))
    whole = read_file(path).columns["a"]
    parts = [part.columns["a"] for part in open_chunks(path).chunks(n_rows, None)]
    joined = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    if {"", "NA"} & set(cells) and any(len(cell) > 18 for cell in cells):
        return  # whether such numbers are text depends, for pandas, on the gaps' place; nothing takes them anyway
    pd.testing.assert_series_equal(joined, whole.astype(object), check_names=False)
    assert {part.dtype for part in parts} == {whole.dtype}


def test_a_text_that_loses_rows_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d.csv").write_text("a,b\n1,2\n3,4\n5,6\n")
    chunks = open_chunks(tmp_path / "d.csv")
    (tmp_path / "d.csv").write_text("a,b\n1,2\n3,4\n")  # cut after it was looked at
    with pytest.raises(DataError, match=r"d\.csv.*3 lines of data give 2 rows"):
        list(chunks.chunks(2, ["a"]))


@pytest.mark.parametrize("name", ["rows.npy", "d.idx"])
def test_an_array_that_was_cut_meanwhile_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name])
    chunks = open_chunks(path)
    path.write_bytes(FILES[name][:-5])
    with pytest.raises(DataError, match="truncated or damaged"):
        list(chunks.chunks(3, None))


@pytest.mark.parametrize("reading", [read_file, open_chunks])
def test_labels_given_as_the_data_are_refused(tmp_path: Path, reading: Callable[[Path], object]) -> None:
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(idx(np.arange(20)))
    with pytest.raises(DataError, match="holds labels by its name"):
        reading(path)


def test_chunks_are_whole_batches_of_networks_unless_rows_are_very_wide() -> None:
    for n_columns in (1, 64, 784, 8192):
        assert chunk_size(n_columns) % 2048 == 0
        assert chunk_size(n_columns) > 0
    assert chunk_size(10**6) * 10**6 <= 2**24
    assert chunk_size(10**9) == 1


def test_memory_does_not_grow_with_an_array(tmp_path: Path) -> None:
    np.save(tmp_path / "d.npy", np.zeros((40_000, 64), dtype=np.float32))  # 10 MB
    chunks = open_chunks(tmp_path / "d.npy")
    tracemalloc.start()
    n_rows = sum(part.n_rows for part in chunks.chunks(1000, None))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_rows == 40_000
    assert peak < 2_000_000
