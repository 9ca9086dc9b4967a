"""Bad input: every case ends in one clear line that names the file and the place."""

from __future__ import annotations

import contextlib
import datetime
import gzip
import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

from aaetools.cli.main import main
from aaetools.columns import ColumnCodec
from aaetools.datasets import DATASETS, READERS, Dataset, load_dataset, open_stream
from aaetools.exceptions import DataError, LabelError

pytestmark = pytest.mark.usefixtures("h5ad_in_this_process")


def npy(array: Any) -> bytes:
    """Return an array as the bytes of a npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def npz(**arrays: Any) -> bytes:
    """Return arrays (or the bytes of npy files) as the bytes of a npz file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            archive.writestr(f"{name}.npy", array if isinstance(array, bytes) else npy(array))
    return buffer.getvalue()


def parquet(**columns: Any) -> bytes:
    """Return columns as the bytes of a parquet file."""
    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer)
    return buffer.getvalue()


def duplicated_parquet() -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = io.BytesIO()
    pq.write_table(pa.table([pa.array([1, 2]), pa.array([3, 4])], names=["a", "a"]), buffer)
    return buffer.getvalue()


def header(descr: str, shape: str, version: bytes = b"\x01\x00") -> bytes:
    """Return a npy header that can claim anything, with nothing behind it."""
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


def archive(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a zip archive of members that need not be arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def idx(array: Any, code: int = 8) -> bytes:
    """Return an array of bytes as an IDX file."""
    values = np.asarray(array, dtype=np.uint8)
    return bytes([0, 0, code, values.ndim]) + np.array(values.shape, dtype=">u4").tobytes() + values.tobytes()


def h5ad(X: Any, **obs: Any) -> bytes:
    """Return a matrix as the bytes of a h5ad file; any name can be given with its array."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        file["X"] = X
        file["obs/_index"] = [f"r{row}".encode() for row in range(len(X))]
        file["var/_index"] = [f"v{column}".encode() for column in range(np.shape(X)[1])]
        file["obs"].attrs["column-order"] = np.array(list(obs), dtype=h5py.string_dtype())
        for name, values in obs.items():
            file[f"obs/{name}"] = values
    return buffer.getvalue()


def sparse(matrix: Any, **parts: Any) -> bytes:
    """Return a sparse matrix as scipy saves it, with some of its arrays replaced."""
    buffer = io.BytesIO()
    scipy.sparse.save_npz(buffer, matrix)
    buffer.seek(0)
    with np.load(buffer) as saved:
        return npz(**{**saved, **parts})


def flipped(content: bytes, position: int) -> bytes:
    """Return content with one byte changed."""
    return content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :]


X = np.arange(8.0).reshape(4, 2)
GOOD_PARQUET = parquet(a=[1.0, 2.0, 3.0], label=["u", "v", "u"])
GOOD_NPZ = npz(X=X, y=[0, 1, 0, 1])
CSR = scipy.sparse.csr_array(X)
PACKED = gzip.compress(b"a,b,label\n1,2.5,u\n3,4.5,v\n5,-6e3,\n", mtime=0)
ANNOTATED = h5ad(X, label=[0, 1, 0, -1])
IMAGES = idx(np.arange(24).reshape(3, 2, 4))
Case = tuple[str, str | bytes, dict[str, Any], tuple[str, ...]]

# name of the case: (file name, content, options, words that the message must hold beside the file's name)
BAD: dict[str, Case] = {
    # the file as a whole
    "empty csv": ("d.csv", "", {}, ("is empty",)),
    "empty parquet": ("d.parquet", b"", {}, ("is empty",)),
    "empty npz": ("d.npz", b"", {}, ("is empty",)),
    "blank lines only": ("d.csv", "\n \n\n", {}, ("is empty",)),
    "byte-order mark only": ("d.csv", b"\xef\xbb\xbf", {}, ("is empty",)),
    "unknown suffix": ("d.xlsx", "a", {}, ("'.xlsx'", ".csv", ".parquet")),
    "no suffix": ("data", "a,b\n1,2\n", {}, ("without a suffix", ".csv")),
    "gzip that is cut off at once": ("d.csv.gz", b"\x1f\x8b\x08", {}, ("unpacked", "truncated or damaged")),
    "compressed workbook": ("d.xlsx.gz", b"\x1f\x8b\x08", {}, ("'.gz'", "unpack")),
    "gzip named csv": ("d.csv", b"\x1f\x8b\x08\x00abc", {}, ("gzip", "unpack")),
    "zstd named csv": ("d.csv", b"\x28\xb5\x2f\xfdabc", {}, ("zstd", "unpack")),
    "parquet named csv": ("d.csv", GOOD_PARQUET, {}, ("a parquet file", "rename it to .parquet")),
    "parquet named npz": ("d.npz", GOOD_PARQUET, {}, ("a parquet file", "rename it to .parquet")),
    "npz named npy": ("d.npy", GOOD_NPZ, {}, ("zip", "rename it to .npz")),
    "npz named csv": ("d.csv", GOOD_NPZ, {}, ("zip", "rename it to .npz")),
    "npy named npz": ("d.npz", npy(X), {}, ("npy", "rename it to .npy")),
    "csv named parquet": ("d.parquet", "a,b\n1,2\n3,4\n", {}, ("not a parquet file", "wrong suffix")),
    "csv named npz": ("d.npz", "a,b\n1,2\n3,4\n", {}, ("not a zip archive", "wrong suffix")),
    "HDF5 named csv": ("d.csv", b"\x89HDF\r\n\x1a\n", {}, ("HDF5", ".h5ad", "convert")),
    "web page named csv": ("d.csv", "\n<!DOCTYPE html><html>", {}, ("web page",)),
    "UTF-16": ("d.csv", "a,b\n1,2\n3,4\n".encode("utf-16"), {}, ("UTF-16", "save it as UTF-8")),
    # text
    "header only": ("d.csv", "a,b\n", {}, ("header but no rows",)),
    "one row": ("d.csv", "a,b\n1,2\n", {}, ("only one row",)),
    "latin-1": ("d.csv", "a,name\n1,Zo\xeb\n".encode("latin-1"), {}, ("line 2", "0xeb", "UTF-8")),
    "latin-1 far down": ("d.csv", b"a\n" + b"1\n" * 9000 + b"\xe9\n", {}, ("line 9002", "0xe9")),
    "NUL": ("d.csv", "a,b\n1,2\n3,\0\n", {}, ("line 3", "NUL")),
    "short line": ("d.csv", "a,b\n1,2\n3\n", {}, ("line 3", "cells is 1", "names 2")),
    "short line after blanks": ("d.csv", "\na,b\n\n1,2\n\n3\n", {}, ("line 6", "cells is 1")),
    "long line": ("d.csv", "a,b\n1,2,3\n4,5\n", {}, ("line 2", "cells is 3", "names 2")),
    "all lines longer than the header": ("d.csv", "a\n1,2\n3,4\n", {}, ("line 2", "cells is 2")),
    "open quote": ("d.csv", 'a,b\n1,"x\n2,y\n', {}, ("line 2", "quotes")),
    "quote inside": ("d.csv", 'a,b\n1,"x"y\n2,z\n', {}, ("line 2", "quotes")),
    "semicolons": ("d.csv", "a;b\n1;2\n3;4\n", {}, ("line 1", "';'")),
    "tabs in csv": ("d.csv", "a\tb\n1\t2\n3\t4\n", {}, ("line 1", ".tsv")),
    "commas in tsv": ("d.tsv", "a,b\n1,2\n3,4\n", {}, ("line 1", ".csv")),
    "no header": ("d.csv", "5.1,3.5,0\n4.9,3.0,0\n", {}, ("line 1", "header")),
    "duplicate names": ("d.csv", "a,b,a\n1,2,3\n4,5,6\n", {}, ("line 1", "column 'a'", "more than once")),
    "duplicate names but for spaces": ("d.csv", "a, a\n1,2\n4,5\n", {}, ("line 1", "column 'a'")),
    "nameless column": ("d.csv", "a,\n1,2\n3,4\n", {}, ("column 2", "no name")),
    "nameless first column of fractions": ("d.csv", ",a\n1.5,2\n3,4\n", {}, ("column 1", "no name")),
    "huge cell": ("d.csv", "a,b\n1," + "x" * 200_000 + "\n2,y\n", {}, ("line 2", "field")),
    # features
    "infinite": ("d.csv", "a,b\n1,inf\n3,4\n", {}, ("line 2", "column 'b'", "infinite")),
    "beyond float64": ("d.csv", "a,b\n1,1e999\n3,4\n", {}, ("line 2", "column 'b'", "infinite")),
    "too large": ("d.csv", "a,b\n1,2\n3,-2e30\n", {}, ("line 3", "column 'b'", "1e+30")),
    "identifier as feature": (
        "d.csv",
        "a,b\n1,9007199254740993\n3,4\n",
        {},
        ("line 2", "'b'", "2^53", "id_column"),
    ),
    "integer beyond int64": ("d.csv", "a,b\n1,99999999999999999999999\n3,4\n", {}, ("line 2", "'b'")),
    "one word": ("d.csv", "a,b\n1,2\n3,oops\n", {}, ("line 3", "column 'b'", "'oops'")),
    "one word among numbers": (
        "d.csv",
        "a,b\n" + "".join(f"{i},{i}.5\n" for i in range(3000)) + "1,abc\n",
        {},
        ("line 3002", "column 'b'", "'abc' is not a number"),
    ),
    "a word for unknown": (
        "d.csv",
        "a,b\n" + "".join(f"{i},{i if i % 3 else 'unknown'}\n" for i in range(300)),
        {},
        ("line 2", "column 'b'", "'unknown' is not a number"),
    ),
    "a column of gaps": ("d.csv", "a,b\n1,\n3,\n", {}, ("column 'b'", "no value at all")),
    "names of rows": (
        "d.csv",
        "a,b\n" + "".join(f"{i},n{i}\n" for i in range(40)),
        {},
        ("column 'b'", "identifiers or free text", "id_column"),
    ),
    "decimal commas": ("d.csv", 'a,b\n1,"1,5"\n3,"2,5"\n', {}, ("line 2", "'1,5'", "decimal point")),
    "percentages": ("d.csv", "a,b\n1,15%\n3,20%\n", {}, ("line 2", "'15%'", "units")),
    "dates in an order of their own": ("d.csv", "a,b\n1,01/02/2024\n3,5/6/2024\n", {}, ("line 2", "month")),
    "a date that is none": ("d.csv", "a,b\n1,2024-01-01\n3,2024-02-30\n", {}, ("line 3", "'2024-02-30'", "no date")),
    "a word among dates": (
        "d.csv",
        "a,b\n1,2024-01-01\n3,soon\n4,2024-01-03\n",
        {},
        ("line 3", "'soon'", "no date"),
    ),
    "thousands separators": ("d.csv", 'a,b\n1,"1,000"\n3,4\n', {}, ("line 2", "column 'b'", "'1,000'")),
    "no features": ("d.csv", "label\nx\ny\n", {}, ("no feature columns",)),
    "no features beside ids": ("d.csv", "id,label\n1,x\n2,y\n", {}, ("no feature columns",)),
    # labels and ids
    "missing target": (
        "d.csv",
        "a,Species\n1,2\n3,4\n",
        {"target": "species"},
        ("'species'", "mean 'Species'"),
    ),
    "missing target, none close": ("d.csv", "a,b\n1,2\n3,4\n", {"target": "zzz"}, ("'zzz'", "'a', 'b'")),
    "two targets": ("d.csv", "a,label,class\n1,0,0\n3,1,1\n", {}, ("'label', 'class'", "target=")),
    "fractions as target": (
        "d.csv",
        "a,b\n1,2\n3,4.5\n",
        {"target": "b"},
        ("line 3", "'b'", "4.5", "measurement"),
    ),
    "measurement called target": (
        "d.csv",
        "a,target\n1,2\n3,4.5\n",
        {},
        ("line 3", "'target'", "measurement"),
    ),
    "infinite label": ("d.csv", "a,y\n1,inf\n3,1\n", {"target": "y"}, ("line 2", "'y'")),
    "huge label": ("d.csv", f"a,label\n1,{2**63}\n3,1\n", {}, ("line 2", "'label'", "too large")),
    "minus one as class": ("d.csv", "a,y\n1,-1\n3,1\n5,1\n", {}, ("column 'y'", "-1", "recode")),
    "minus one and another mark": (
        "d.csv",
        "a,y\n1,-1\n3,1\n5,99\n7,0\n",
        {"unlabeled": "99"},
        ("column 'y'", "-1", "recode"),
    ),
    "unlabeled mark that does not occur": (
        "d.csv",
        "a,label\n1,unknown\n3,x\n",
        {"unlabeled": "unkown"},
        ("column 'label'", "'unkown'", "did you mean 'unknown'"),
    ),
    "unlabeled mark without labels": ("d.csv", "a,b\n1,2\n3,4\n", {"unlabeled": "?"}, ("target=",)),
    "missing id column": (
        "d.csv",
        "a,name\n1,u\n3,v\n",
        {"id_column": "nam"},
        ("'nam'", "did you mean 'name'"),
    ),
    "id column is target": (
        "d.csv",
        "a,k\n1,u\n3,v\n",
        {"id_column": "k", "target": "k"},
        ("column 'k'", "both"),
    ),
    "duplicate id": ("d.csv", "id,a\n7,1\n8,2\n7,3\n", {}, ("line 4", "column 'id'", "'7'", "line 2")),
    "duplicate named id": (
        "d.csv",
        "k,a\nu,1\nu,2\n",
        {"id_column": "k"},
        ("line 3", "'k'", "'u'", "line 2"),
    ),
    "missing id": ("d.csv", "id,a\nu,1\n,2\n", {}, ("line 3", "column 'id'", "missing")),
    "fractions as id": ("d.csv", "id,a\n1.5,1\n2.5,2\n", {}, ("column 'id'", "integers or text")),
    "two id columns": ("d.csv", "id,row_id,a\n1,1,1\n2,2,2\n", {}, ("'id', 'row_id'", "id_column=")),
    # parquet
    "truncated parquet": ("d.parquet", GOOD_PARQUET[:-20], {}, ("truncated or damaged",)),
    "parquet without its end": ("d.parquet", GOOD_PARQUET[:200], {}, ("truncated or damaged",)),
    "parquet magic only": ("d.parquet", b"PAR1", {}, ("truncated or damaged",)),
    "damaged parquet footer": ("d.parquet", flipped(GOOD_PARQUET, len(GOOD_PARQUET) - 9), {}, ("",)),
    "parquet without rows": ("d.parquet", parquet(a=[], b=[]), {}, ("no rows",)),
    "parquet without columns": ("d.parquet", parquet(), {}, ("no rows",)),
    "parquet with lists": ("d.parquet", parquet(a=[1, 2], v=[[1], [2]]), {}, ("column 'v'", "list")),
    "parquet with duplicate names": ("d.parquet", duplicated_parquet(), {}, ("column 'a'", "more than once")),
    "parquet of nothing": ("d.parquet", parquet(a=[None, None]), {}, ("column 'a'", "no value at all")),
    "parquet with times of day": ("d.parquet", parquet(a=[1, 2], t=[datetime.time(1)] * 2), {}, ("'t'", "time64")),
    # npy and npz
    "truncated npz": ("d.npz", GOOD_NPZ[:-30], {}, ("truncated or damaged",)),
    "npz cut in the middle": ("d.npz", GOOD_NPZ[: len(GOOD_NPZ) // 2], {}, ("truncated or damaged",)),
    "npz with a wrong byte": ("d.npz", flipped(GOOD_NPZ, 60), {}, ("truncated or damaged",)),
    "npz without arrays": ("d.npz", archive({}), {}, ("holds nothing",)),
    "workbook named npz": (
        "d.npz",
        archive({"xl/workbook.xml": b"<x/>"}),
        {},
        ("workbook.xml", "X or x or data"),
    ),
    "npz without features": ("d.npz", npz(a=X, b=X), {}, ("X or x or data", "'a', 'b'")),
    "npz with two features": ("d.npz", npz(X=X, data=X), {}, ("X or x or data", "'X', 'data'")),
    "npz bomb": ("d.npz", npz(X=header("'<f8'", "(4000000000, 1)")), {}, ("'X'", "32,000,000,000 bytes")),
    "npz of an odd compression": (
        "d.npz",
        archive({"X.npy": npy(X)}, zipfile.ZIP_LZMA),
        {},
        ("array 'X'", "compressed"),
    ),
    "npz of objects": (
        "d.npz",
        npz(X=np.array([[1, None]], dtype=object)),
        {},
        ("array 'X'", "Python objects"),
    ),
    "npz labels of objects": (
        "d.npz",
        npz(X=X, y=np.array(["a", None, "b", 1], dtype=object)),
        {},
        ("'y'", "Python objects"),
    ),
    "npz labels of another length": ("d.npz", npz(X=X, y=[0, 1, 2]), {}, ("'y'", "3 entries for 4 rows")),
    "npz one-hot labels": ("d.npz", npz(X=X, y=np.eye(4)), {}, ("'y'", "argmax")),
    "npz labels of fractions": ("d.npz", npz(X=X, y=[0.5, 1, 2, 3]), {}, ("row 0", "'y'", "measurement")),
    "npz labels of times": ("d.npz", npz(X=X, y=np.zeros(4, "M8[s]")), {}, ("'y'", "datetime64")),
    "npz labels that are no text": ("d.npz", npz(X=X, y=np.array([b"\xff"] * 4)), {}, ("'y'", "decoded")),
    "npz labels beyond the last character": (
        "d.npz",
        npz(X=X, y=npy(np.array(["a", "b", "a", "b"]))[:-4] + b"\xff" * 4),
        {},
        ("'y'", "decoded"),
    ),
    "npz without the target": (
        "d.npz",
        npz(X=X, digit=[0, 1, 0, 1]),
        {"target": "digits"},
        ("mean 'digit'",),
    ),
    "npz with repeated feature names": (
        "d.npz",
        npz(X=X, feature_names=np.array(["a", "a"])),
        {},
        ("'feature_names'", "more than once"),
    ),
    "npz with NaN": ("d.npz", npz(X=np.where(X == 5, np.nan, X)), {}, ("row 2", "column 'x1'", "missing")),
    "npz with infinity": (
        "d.npz",
        npz(X=np.where(X == 4, -np.inf, X)),
        {},
        ("row 2", "column 'x0'", "infinite"),
    ),
    "npy with large values": ("d.npy", npy(X * 1e30), {}, ("row 1", "column 'x0'", "1e+30")),
    "npy beyond float64": (
        "d.npy",
        npy(np.array([[1], ["1e4000"]]).astype(np.longdouble)),
        {},
        ("row 1", "infinite"),
    ),
    "npy of large integers": ("d.npy", npy(X.astype(np.int64) + 2**60), {}, ("row 0", "2^53")),
    "npy of numbers in a row": ("d.npy", npy(X[0]), {}, ("shape (2,)",)),
    "npy of five dimensions": ("d.npy", npy(np.zeros((2,) * 5)), {}, ("shape (2, 2, 2, 2, 2)",)),
    "npy of complex numbers": ("d.npy", npy(X * 1j), {}, ("complex128",)),
    "npy of text": ("d.npy", npy(X.astype(str)), {}, ("real numbers",)),
    "npy of times": ("d.npy", npy(X.astype("M8[s]")), {}, ("datetime64",)),
    "npy of records": ("d.npy", npy(np.zeros(3, dtype=[("a", "f4")])), {}, ("real numbers",)),
    "npy of objects": ("d.npy", npy(np.array([[1, "a"], [2, "b"]], dtype=object)), {}, ("Python objects",)),
    "npy with one row": ("d.npy", npy(X[:1]), {}, ("only one row",)),
    "npz with half a character among the labels": (
        "d.npz",
        npz(X=X, y=np.array(["a", "b", "a\udc00", "b"])),
        {},
        ("column 'y'", "row 2", r"'a\udc00'", "surrogate"),
    ),
    "npz with half a character among the row ids": (
        "d.npz",
        npz(X=X, key=np.array(["a", "\ud800", "c", "d"])),
        {"id_column": "key"},
        ("column 'key'", "row 1", r"'\ud800'", "surrogate"),
    ),
    "npz with half a character among the names": (
        "d.npz",
        npz(X=X, feature_names=np.array(["a", "b\ud800"])),
        {},
        (r"column 'b\ud800'", "surrogate"),
    ),
    "csv with half a character": (
        "d.csv",
        "a,label\n1,x\n2,\ud800\n".encode("utf-8", "surrogatepass"),
        {},
        ("line 3", "0xed", "UTF-8"),
    ),
    "npy without rows": ("d.npy", npy(X[:0]), {}, ("no rows",)),
    "npy without columns": ("d.npy", npy(X[:, :0]), {}, ("no feature columns",)),
    "npy with channels first": ("d.npy", npy(np.zeros((5, 3, 8, 8))), {}, ("channels", "transpose")),
    "npy with target": ("d.npy", npy(X), {"target": "y"}, ("'y'", "no other column")),
    "npy of absurd width": (
        "d.npy",
        npy(np.zeros((2, 1_000_001), dtype=np.int8)),
        {},
        ("1,000,001 features",),
    ),
    "truncated npy": ("d.npy", npy(X)[:-1], {}, ("64 bytes", "63", "truncated")),
    "npy with more behind it": ("d.npy", npy(X) + b"x", {}, ("64 bytes", "65")),
    "npy that ends in its header": ("d.npy", npy(X)[:40], {}, ("damaged header",)),
    "npy magic only": ("d.npy", b"\x93NUMPY", {}, ("damaged header",)),
    "npy bomb": ("d.npy", header("'<f8'", "(4000000000, 1)"), {}, ("32,000,000,000 bytes",)),
    "npy bomb of empty items": ("d.npy", header("'<U0'", "(4000000000, 1)"), {}, ("impossible",)),
    "npy with a negative shape": ("d.npy", header("'<f8'", "(-1, 1)"), {}, ("impossible",)),
    "npy with an unknown type": ("d.npy", header("'<q77'", "(1, 1)"), {}, ("damaged header",)),
    "npy with code for a header": ("d.npy", header("exit()", "(1, 1)"), {}, ("damaged header",)),
    # gzip
    "truncated gzip": ("d.csv.gz", PACKED[:-9], {}, ("unpacked", "truncated or damaged")),
    "gzip with a wrong checksum": ("d.csv.gz", flipped(PACKED, len(PACKED) - 6), {}, ("truncated or damaged",)),
    "gzip with more behind it": ("d.csv.gz", PACKED + b"more", {}, ("truncated or damaged",)),
    "csv named gzip": ("d.csv.gz", "a,b\n1,2\n3,4\n", {}, ("not compressed by gzip", "wrong suffix")),
    "gzip of nothing": ("d.csv.gz", gzip.compress(b"", mtime=0), {}, ("is empty",)),
    "gzip of a parquet file": ("d.csv.gz", gzip.compress(GOOD_PARQUET, mtime=0), {}, ("a parquet file",)),
    "gzip of gzip": ("d.csv.gz", gzip.compress(PACKED, mtime=0), {}, ("gzip", "unpack")),
    "gzip of latin-1": ("d.tsv.gz", gzip.compress(b"a\tb\n1\t\xeb\n", mtime=0), {}, ("line 2", "0xeb")),
    "gzip with a short line": ("d.csv.gz", gzip.compress(b"a,b\n1,2\n3\n", mtime=0), {}, ("line 3", "cells is 1")),
    # IDX
    "empty idx": ("d.idx", b"", {}, ("is empty",)),
    "idx magic only": ("d.idx", b"\0\0\x08\x03", {}, ("announces 1 bytes", "truncated")),
    "idx of an unknown type": ("d.idx", idx(X, code=7), {}, ("not an IDX file",)),
    "text named idx": ("d.idx", "a,b\n1,2\n", {}, ("not an IDX file",)),
    "npy named idx": ("d.idx", npy(X), {}, ("npy", "rename it to .npy")),
    "truncated idx": ("d-idx3-ubyte", IMAGES[:-1], {}, ("24 bytes", "23", "truncated")),
    "idx with more behind it": ("d-idx3-ubyte", IMAGES + b"x", {}, ("24 bytes", "25")),
    "idx bomb": ("d.idx", b"\0\0\x0e\x02" + b"\xff" * 8, {}, ("bytes of values", "there are 0")),
    "compressed idx bomb": ("d.idx.gz", gzip.compress(b"\0\0\x0e\x02" + b"\xff" * 8, mtime=0), {}, ("there are 0",)),
    "truncated compressed idx": ("d.idx.gz", gzip.compress(IMAGES, mtime=0)[:-5], {}, ("truncated or damaged",)),
    "idx of 255 dimensions": ("d.idx", b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x", {}, ("truncated or damaged",)),
    "idx without rows": ("d.idx", idx(np.zeros((0, 3))), {}, ("no rows",)),
    "idx of labels": ("d-idx1-ubyte", idx([0, 1]), {}, ("holds labels", "target=")),
    "idx of one dimension": ("d.idx", idx([0, 1]), {}, ("shape (2,)",)),
    # scipy's sparse matrices
    "sparse bomb": ("d.npz", sparse(CSR, shape=[2**40, 1000]), {}, ("GiB of memory", "zeros")),
    "sparse of absurd width": ("d.npz", sparse(CSR, shape=[4, 2**40]), {}, ("columns", "1,000,000")),
    "sparse of a negative shape": ("d.npz", sparse(CSR, shape=[-4, 2]), {}, ("shape",)),
    "sparse of three dimensions": ("d.npz", sparse(CSR, shape=[2, 2, 2]), {}, ("shape",)),
    "sparse of an unknown kind": ("d.npz", sparse(CSR, format=np.array(b"bsr")), {}, ("'bsr'", "csr")),
    "sparse with an index beyond": ("d.npz", sparse(CSR, indices=CSR.indices + 5), {}, ("beyond the last column",)),
    "sparse with a negative index": ("d.npz", sparse(CSR, indices=CSR.indices - 9), {}, ("beyond the last column",)),
    "sparse with wrong pointers": ("d.npz", sparse(CSR, indptr=CSR.indptr[::-1]), {}, ("pointers", "damaged")),
    "sparse without indices": (
        "d.npz",
        npz(format=np.array(b"csr"), shape=[4, 2], data=[1.0], indptr=[0, 1]),
        {},
        ("arrays", "csr"),
    ),
    "sparse of objects": ("d.npz", sparse(CSR, data=np.array([{}])), {}, ("sparse matrix", "Python objects")),
    "sparse of complex numbers": ("d.npz", sparse(CSR * 1j), {}, ("sparse matrix", "numbers")),
    "sparse with NaN": ("d.npz", sparse(CSR * np.nan), {}, ("row 0", "column 'x1'", "missing")),
    # h5ad; more of them in test_h5ad.py
    "csv named h5ad": ("d.h5ad", "a,b\n1,2\n3,4\n", {}, ("not a HDF5 file", "wrong suffix")),
    "h5ad named csv": ("d.csv", ANNOTATED, {}, ("a HDF5 file", "rename it to .h5ad")),
    "h5ad cut in the middle": ("d.h5ad", ANNOTATED[: len(ANNOTATED) // 2], {}, ("truncated or damaged",)),
    "h5ad with NaN": ("d.h5ad", h5ad(X * np.nan), {}, ("row 0", "column 'v0'", "missing")),
    "h5ad without rows": ("d.h5ad", h5ad(X[:0]), {}, ("no rows",)),
    "h5ad with a measurement as label": ("d.h5ad", h5ad(X, label=[0.5, 1, 2, 3]), {}, ("'label'", "measurement")),
    "h5ad without the key": ("d.h5ad", h5ad(X, kind=[0, 1, 0, 1]), {"target": "knd"}, ("'knd'", "mean 'kind'")),
    "npy of the future": ("d.npy", header("'<f8'", "(0, 1)", b"\x09\x00"), {}, ("version",)),
}


def check(path: Path, options: dict[str, Any], words: tuple[str, ...]) -> None:
    """Assert one clear line that holds the file's name and the words."""
    with pytest.raises(DataError) as caught:
        load_dataset(path, **options)
    message = str(caught.value)
    assert path.name in message
    for word in words:
        assert word in message
    assert message.isprintable()  # one line
    assert len(message) < 700
    assert os.listdir(path.parent) in ([path.name], [])


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_with_one_line_that_names_the_place(
    tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, content, options, words = BAD[case]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    check(path, options, words)
    # and so it is on the command line, with exit code 2 and nothing written
    monkeypatch.chdir(tmp_path)
    flags = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", str(value))]
    assert main(["fit", name, *flags]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    assert name in err
    assert os.listdir(tmp_path) == [name]


@pytest.mark.parametrize("case", BAD)
def test_bad_files_are_refused_in_the_same_words_when_they_are_read_in_chunks(tmp_path: Path, case: str) -> None:
    name, content, options, _ = BAD[case]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as whole:
        load_dataset(path, encoding="numbers", **options)
    for n_rows in (1, 2, 1000):
        with pytest.raises(DataError) as caught:
            list(open_stream(path, min_rows=2, **options).parts(n_rows))
        assert (str(caught.value), type(caught.value)) == (str(whole.value), type(whole.value)), f"chunks of {n_rows}"


# What looks like trouble and is none: (file name, content, options, the types that columns come in)
GOOD_TABLES: dict[str, tuple[str, str | bytes, dict[str, Any], dict[str, str]]] = {
    "missing value": ("d.csv", "a,b\n1,2\n3,\n", {}, {"a": "int64", "b": "Float64"}),
    "NaN in text": ("d.tsv", "a\tb\n1\t2\n3\tnan\n", {}, {"a": "int64", "b": "Float64"}),
    "missing value after quoted line breaks": ("d.csv", 'label,b\n"x\ny",2\n\n"z\n",\n', {}, {"b": "Float64"}),
    "missing boolean": ("d.csv", "a,b\n1,True\n3,\n", {}, {"a": "int64", "b": "boolean"}),
    "booleans": ("d.csv", "a,b\n1.5,True\n3,false\n", {}, {"a": "float64", "b": "bool"}),
    "words": ("d.csv", "a,b\n1,red\n3,blue\n", {}, {"a": "int64", "b": "category"}),
    "words and some numbers": ("d.csv", "a,b\n1,red\n3,4\n5,blue\n", {}, {"a": "int64", "b": "category"}),
    "dates": ("d.csv", "a,b\n1,2024-01-01\n3,2024-01-02\n", {}, {"a": "int64", "b": "datetime64[us]"}),
    "gzip with a missing cell": ("d.csv.gz", gzip.compress(b"a,b\n1,2\n3,\n", mtime=0), {}, {"b": "Float64"}),
    "parquet with NaN": ("d.parquet", parquet(a=[1.0, np.nan]), {}, {"a": "Float64"}),
    "parquet with gap": ("d.parquet", parquet(a=pd.array([None, 1], dtype="Int64")), {}, {"a": "Float64"}),
    "parquet with words": ("d.parquet", parquet(a=[1, 2], b=["x", "y"]), {}, {"a": "int64", "b": "category"}),
    "parquet with categories": ("d.parquet", parquet(b=pd.Categorical(["x", None])), {}, {"b": "category"}),
    "parquet with times": (
        "d.parquet",
        parquet(a=[1, 2], when=[datetime.datetime(2024, 1, 1)] * 2, day=[datetime.date(9999, 12, 31), None]),
        {},
        {"a": "int64", "when": "datetime64[us]", "day": "datetime64[us]"},
    ),
    "booleans as labels and numbers kept as objects": (
        "d.parquet",
        parquet(a=pd.Series([1, None], dtype=object), label=[True, False]),
        {},
        {"a": "Float64"},
    ),
}


@pytest.mark.parametrize("case", GOOD_TABLES)
def test_tables_of_several_kinds_are_read_in_the_types_of_their_kinds(tmp_path: Path, case: str) -> None:
    name, content, options, dtypes = GOOD_TABLES[case]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    data = load_dataset(path, **options)
    assert isinstance(data.X, pd.DataFrame)
    found = data.X.dtypes.astype(str).to_dict()
    assert found | dtypes == found
    assert np.isfinite(ColumnCodec.fit(data.X).encode(data.X)).all()
    parts = [part.X for part in open_stream(path, encoding=ColumnCodec.fit(data.X), **options).parts(1)]
    assert all(isinstance(part, pd.DataFrame) for part in parts)
    np.testing.assert_array_equal(
        np.concatenate([ColumnCodec.fit(data.X).encode(pd.DataFrame(part)) for part in parts]),
        ColumnCodec.fit(data.X).encode(data.X),
    )


def test_there_are_many_cases() -> None:
    assert len(BAD) >= 60


def test_labels_that_cannot_be_used_are_label_errors(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("a,label\n1,0.5\n2,1\n")
    with pytest.raises(LabelError, match="measurement"):
        load_dataset(tmp_path / "d.csv")


def test_a_missing_file_is_answered_with_a_close_name(tmp_path: Path) -> None:
    (tmp_path / "flowers.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"flwers\.csv': no such file; did you mean 'flowers\.csv'\?"):
        load_dataset(tmp_path / "flwers.csv")


@pytest.mark.parametrize("name", ["no/such/folder/d.csv", "d.csv", "a\0b.csv", "x" * 10_000 + ".csv"])
def test_a_missing_file_is_refused_whatever_its_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="no such file") as caught:
        load_dataset(tmp_path / name)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("suffix", ["", *READERS])
def test_a_folder_is_no_file(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / f"data{suffix}"
    folder.mkdir()
    (folder / "notes.txt").write_text("no data")
    with pytest.raises(DataError, match="is a folder"):
        load_dataset(folder)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "d.csv")
    with pytest.raises(DataError, match="not a regular file"):
        load_dataset(tmp_path / "d.csv")


def test_a_dangling_link_is_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "d.csv").symlink_to(tmp_path / "gone.csv")
    with pytest.raises(DataError, match="no such file"):
        load_dataset(tmp_path / "d.csv")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d.csv").write_text("a,b\n1,2\n3,4\n")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"d\.csv': cannot be read \(Permission denied\)"):
        load_dataset(tmp_path / "d.csv")


@pytest.mark.parametrize("suffix", READERS)
def test_running_out_of_memory_is_a_data_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    def exhausted(_: Path) -> Any:
        raise MemoryError

    path = tmp_path / f"d{suffix}"
    path.write_bytes(GOOD[suffix])
    monkeypatch.setitem(READERS, suffix, exhausted)
    with pytest.raises(DataError, match="does not fit into memory"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("suffix", "content"),
    [
        (".csv", b"a,b\n1,2\n3,4\n"),
        (".npy", npy(X)),
        (".npz", GOOD_NPZ),
        (".npz", sparse(CSR)),
        (".parquet", GOOD_PARQUET),
        (".h5ad", ANNOTATED),
        (".csv.gz", PACKED),
        (".idx.gz", gzip.compress(IMAGES, mtime=0)),
    ],
)
def test_what_needs_more_than_half_the_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, content: bytes
) -> None:
    path = tmp_path / f"d{suffix}"
    path.write_bytes(content)
    assert isinstance(load_dataset(path), Dataset)
    monkeypatch.setattr(os, "sysconf", lambda _: 3, raising=False)  # 9 bytes of memory
    with pytest.raises(DataError, match="GiB of memory"):
        load_dataset(path)


@pytest.mark.parametrize("source", ["digts", "Digits", "no-such-data", "", " ", "x" * 10_000, "two\nlines"])
def test_a_wrong_name_is_answered_with_the_right_ones(source: str) -> None:
    with pytest.raises(DataError, match="bundled") as caught:
        load_dataset(source)
    message = str(caught.value)
    assert message.isprintable()
    assert all(name in message for name in DATASETS)
    assert all(suffix in message for suffix in READERS)
    assert ("did you mean 'digits'" in message) == source.lower().startswith("dig")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "kind"}, ("'kind'", "'species'")),
        ({"unlabeled": "setosa"}, ("fully labelled",)),
        ({"id_column": "id"}, ("row ids",)),
    ],
)
def test_bundled_data_have_their_own_columns(options: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="'iris'") as caught:
        load_dataset("iris", **options)
    assert all(word in str(caught.value) for word in words)


GOOD: dict[str, bytes] = {
    ".csv": b"a,b,label\n1,2.5,u\n3,4.5,v\n5,-6e3,\n",
    ".tsv": b"a\tb\tlabel\n1\t2.5\t7\n3\t4.5\t\n5\t-6e3\t8\n",
    ".parquet": GOOD_PARQUET,
    ".npz": GOOD_NPZ,
    ".npy": npy(X),
    ".h5ad": ANNOTATED,
    ".csv.gz": PACKED,
    ".tsv.gz": gzip.compress(b"a\tb\n1\t2\n3\t4\n", mtime=0),
    ".idx": IMAGES,
    ".idx.gz": gzip.compress(IMAGES, mtime=0),
    "idx3-ubyte": IMAGES,
    "idx3-ubyte.gz": gzip.compress(IMAGES, mtime=0),
}


def assert_table_or_refusal(path: Path) -> None:
    """Assert that a file gives usable data or one clear line."""
    refusal, loaded = "", None
    try:
        loaded = load_dataset(path)
    except DataError as error:
        refusal = str(error)
    codec = None
    if loaded is not None and isinstance(loaded.X, pd.DataFrame):
        codec = ColumnCodec.fit(loaded.X)
    parts = None
    with contextlib.suppress(DataError):
        parts = list(open_stream(path, min_rows=2, encoding=codec or "numbers").parts(2))
    if loaded is None:
        assert path.name in refusal
        assert refusal.isprintable()
        assert parts is None
    else:
        assert loaded.n_rows >= 2
        assert parts is not None
        whole, pieces = loaded.X, [part.X for part in parts]
        if codec is not None:
            whole, *pieces = (codec.encode(pd.DataFrame(X)) for X in (whole, *pieces))
            assert codec.decode(whole).shape == loaded.X.shape
        np.testing.assert_array_equal(np.concatenate(pieces), whole)
        assert np.isfinite(whole).all()
        assert np.abs(whole).max() <= np.float32(2e30)  # twice the limit: encoded numbers are counted from their median


def truncated(draw: Callable[..., Any], content: bytes) -> bytes:
    return content[: draw(st.integers(0, len(content) - 1))]


def overwritten(draw: Callable[..., Any], content: bytes) -> bytes:
    start = draw(st.integers(0, len(content) - 1))
    new: bytes = draw(st.binary(min_size=1, max_size=8))
    return content[:start] + new + content[start + len(new) :]


def grown(draw: Callable[..., Any], content: bytes) -> bytes:
    start = draw(st.integers(0, len(content)))
    new: bytes = draw(st.binary(min_size=1, max_size=8))
    return content[:start] + new + content[start:]


# the HDF5 library may crash or hang on damaged files: these need a process of their own, as in test_h5ad.py
@pytest.mark.parametrize("suffix", [suffix for suffix in READERS if suffix != ".h5ad"])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_files_raise_nothing_but_data_errors(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    damage = data.draw(st.sampled_from([truncated, overwritten, grown]))
    path = tmp_path_factory.mktemp("damaged") / f"d{suffix}"
    path.write_bytes(damage(data.draw, GOOD[suffix]))
    assert_table_or_refusal(path)


def test_chunks_are_refused_where_the_whole_of_a_damaged_file_is(tmp_path: Path) -> None:
    content = GOOD[".parquet"]
    path = tmp_path / "d.parquet"
    for position in range(0, len(content), 13):
        path.write_bytes(content[:position] + bytes([content[position] ^ 8]) + content[position + 1 :])
        assert_table_or_refusal(path)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".csv.gz", ".idx", ".idx.gz"])
def test_every_truncation_of_arrays_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"d{suffix}"
    for length in range(len(GOOD[suffix])):
        path.write_bytes(GOOD[suffix][:length])
        with pytest.raises(DataError):
            load_dataset(path)


@given(st.text(alphabet='abc019.,-"\n\r \t;é\0', max_size=60), st.sampled_from([".csv", ".tsv"]))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_table_or_a_data_error(tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str) -> None:
    path = tmp_path_factory.mktemp("text") / f"d{suffix}"
    path.write_bytes(text.encode())
    assert_table_or_refusal(path)
