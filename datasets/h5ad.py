"""Files of annotated matrices (AnnData's h5ad): the matrix X, the keys of obs, and the names of rows and features."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Timer
from typing import IO, TYPE_CHECKING, Any

from aaetools.datasets.messages import quote
from aaetools.datasets.refusals import check_size, refused
from aaetools.datasets.sparse import check_sparse_shape, written_out
from aaetools.datasets.tables import Table
from aaetools.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["OBS_NAMES", "Head", "read_h5ad", "read_head", "read_rows"]

OBS_NAMES = "obs_names"
"""Column of a :class:`Table` that holds the names of the rows."""

PATIENCE = 60.0
"""Seconds without a sign of life after which the reading process is given up."""

_PROGRAM = "import sys; from aaetools.datasets.h5ad_process import main; main(*sys.argv[1:])"


def read_h5ad(path: Path) -> Table:
    """Read the matrix ``X`` as features, the keys of ``obs`` beside it, ``obs_names`` as row ids.

    Layers, embeddings and all else are passed over. A sparse matrix is written out with its zeros.

    Raises
    ------
    DataError
        If it is no such file, is damaged, or leads to another file; or if h5py is not installed.
    """
    with _contents(path, "all") as contents:
        head = _head(contents)
        block = _values_of(contents, head.kind, *head.shape)
        contents.next("end")
    return head.table(block)


@dataclass(frozen=True, eq=False)
class Head:
    """All of a file but the values of its matrix.

    Attributes
    ----------
    path
        The file.
    columns
        The keys of obs, and :data:`OBS_NAMES`.
    unusable
        Keys that cannot be labels or row ids: name to reason.
    names
        Names of the features.
    kind
        How the matrix is stored: "dense", "csr" or "csc".
    shape
        Rows and features.
    """

    path: Path
    columns: pd.DataFrame
    unusable: dict[str, str]
    names: tuple[str, ...]
    kind: str
    shape: tuple[int, int]

    def table(self, block: NDArray[Any]) -> Table:
        """Return all of the file with the values of its matrix."""
        return Table(
            path=self.path,
            columns=self.columns,
            block=block,
            block_names=self.names,
            unusable=self.unusable,
            id_name=OBS_NAMES,
        )


def read_head(path: Path) -> Head:
    """Read all but the values of the matrix.

    Raises
    ------
    DataError
        As for :func:`read_h5ad`.
    """
    with _contents(path, "head") as contents:
        head = _head(contents)
        contents.next("end")
    return head


def read_rows(path: Path, n_rows: int) -> Iterator[NDArray[Any]]:
    """Yield the values of a matrix that is not stored by columns (csc), ``n_rows`` rows at a time.

    Raises
    ------
    DataError
        As for :func:`read_h5ad`.
    """
    with _contents(path, "rows", n_rows) as contents:
        facts = contents.next("matrix")
        length, n_columns = facts["shape"]
        for start in range(0, length, n_rows):
            yield _values_of(contents, facts["matrix"], min(n_rows, length - start), n_columns)
        contents.next("end")


def _head(contents: _Contents) -> Head:
    path = contents.path
    row_names, names = contents.texts(), contents.texts()
    columns, unusable = _obs(contents, row_names)
    facts = contents.next("matrix")
    shape = tuple(facts["shape"])
    if shape != (len(row_names), len(names)):
        raise refused(
            path, f"X has shape {shape}, but there are {len(row_names):,} obs and {len(names):,} var; damaged"
        )
    for words, what in ((row_names, "obs_names"), (names, "var_names")):
        if len(set(words)) != len(words):
            seen: set[str] = set()
            twice = next(word for word in words if word in seen or seen.add(word))  # type: ignore[func-returns-value]
            raise refused(path, f"{what}: {quote(twice)} occurs more than once; call {what}_make_unique() and save it")
    return Head(path, columns, unusable, tuple(names), facts["matrix"], (len(row_names), len(names)))


class _Contents:
    """What the reading process hands on, in its order; see :mod:`aaetools.datasets.h5ad_process`."""

    def __init__(self, path: Path, process: subprocess.Popen[bytes]) -> None:
        self.path = path
        self._process = process
        self._stream: IO[bytes] = process.stdout  # type: ignore[assignment]  # it is a pipe
        self._late = False

    def _read(self, n_bytes: int | None) -> bytes:
        """Read so many bytes or a line, unless the process is dead or does not get on."""

        def give_up() -> None:
            self._late = True
            self._process.kill()

        timer = Timer(PATIENCE, give_up)
        timer.start()
        try:
            found = self._stream.readline() if n_bytes is None else self._stream.read(n_bytes)
        finally:
            timer.cancel()
        if not found.endswith(b"\n") if n_bytes is None else len(found) != n_bytes:
            what = "does not come to an end with it" if self._late else "broke down on it"
            raise refused(self.path, f"is damaged: the HDF5 library {what}")
        return found

    def next(self, wanted: str) -> Any:
        """Return what the next line says; all of it if that is more than one thing."""
        facts = json.loads(self._read(None))
        if "error" in facts:
            raise DataError(facts["error"])
        return facts[wanted] if set(facts) == {wanted} else facts

    def values(self) -> Any:
        """Return an array, or texts as an array of objects."""
        import numpy as np

        facts = self.next("texts")
        if isinstance(facts, int):
            texts: list[str] = []
            while len(texts) < facts:
                texts += self.next("list")
            values = np.empty(facts, dtype=object)
            values[:] = texts
            return values
        dtype, shape = np.dtype(facts["dtype"]), tuple(facts["shape"])
        n_bytes = math.prod(shape) * dtype.itemsize
        check_size(self.path, n_bytes)
        buffer = bytearray(n_bytes)
        done = 0
        while done < n_bytes:
            piece = self._read(self.next("bytes"))
            buffer[done : done + len(piece)] = piece
            done += len(piece)
        return np.frombuffer(buffer, dtype=dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)

    def texts(self) -> list[str]:
        """Return names; numbers are written as text."""
        values = self.values()
        if values.ndim != 1:
            raise refused(self.path, f"names have shape {values.shape}; damaged")
        return [str(value) for value in values.tolist()]


@contextmanager
def _contents(path: Path, part: str, n_rows: int = 0) -> Iterator[_Contents]:
    """Run the reading process while a block runs; it sends a part of the file, see :func:`.h5ad_process.send`.

    Raises
    ------
    DataError
        If h5py is not installed.
    """
    if find_spec("h5py") is None:
        raise refused(path, "needs h5py to be read; install it: pip install 'aaetools[anndata]'")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, str(path), part, str(n_rows)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # of a library that is breaking down
        env=environment,
    )
    with process:  # waits for it, and closes the pipe
        try:
            yield _Contents(path, process)
        finally:
            process.kill()


def _obs(contents: _Contents, row_names: list[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return the keys of obs with the names of the rows beside them, and why other keys cannot be used."""
    import pandas as pd

    columns: dict[str, Any] = {}
    unusable = {}
    for name in contents.next("columns"):
        values = _column(contents)
        if isinstance(values, str):
            unusable[name] = values
        elif values.ndim != 1 or len(values) != len(row_names):
            unusable[name] = f"has not one value for each of the {len(row_names):,} rows"
        elif name != OBS_NAMES:
            columns[name] = values
    return pd.DataFrame({**columns, OBS_NAMES: pd.Series(row_names, dtype=object)}), unusable


def _column(contents: _Contents) -> Any:
    """Return a key of obs, or the reason why it cannot be used."""
    import numpy as np
    import pandas as pd

    facts = contents.next("kind")
    kind = facts if isinstance(facts, str) else facts["kind"]
    if kind == "unusable":
        return facts["why"]
    values = contents.values()
    if kind == "plain":
        return values
    damaged = refused(contents.path, f"a {kind} key of obs: its parts do not fit each other; damaged")
    if kind == "masked":
        mask = contents.values()
        if mask.shape != values.shape or mask.dtype != bool or values.ndim != 1:
            raise damaged
        if values.dtype == object:
            return np.where(mask, None, values)
        array = pd.arrays.BooleanArray if values.dtype == bool else pd.arrays.IntegerArray
        if values.dtype.kind not in "iub":
            raise damaged
        return array(values, mask)
    words = _column(contents)
    if isinstance(words, str) or values.ndim != 1 or values.dtype.kind not in "iu":
        raise damaged
    try:
        return pd.Categorical.from_codes(values, categories=words)
    except (ValueError, TypeError):
        raise damaged from None


def _values_of(contents: _Contents, kind: str, n_rows: int, n_columns: int) -> NDArray[Any]:
    """Return a matrix, or some rows of one, shape (n_rows, n_columns)."""
    if kind == "dense":
        dense: NDArray[Any] = contents.values()
        if dense.shape != (n_rows, n_columns):
            raise refused(
                contents.path, f"X: has shape {dense.shape} where {(n_rows, n_columns)} is announced; damaged"
            )
        return dense
    check_sparse_shape(contents.path, n_rows, n_columns)
    data, indices, indptr = (contents.values() for _ in range(3))
    if data.dtype.kind not in "iufb" or indices.dtype.kind not in "iu" or indptr.dtype.kind not in "iu":
        raise refused(contents.path, "X: its parts are no numbers; damaged")
    return written_out(contents.path, kind, (n_rows, n_columns), data, indices, indptr)  # type: ignore[arg-type]  # csr, csc
