"""Results as an AnnData file (h5ad): latent codes in ``obsm["X_aae"]``, predicted classes in ``obs``.

The elements are those of anndata's documentation, "On-disk format", and are written by h5py a part at a time, because
anndata itself writes what is in memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaetools.exceptions import RunFolderError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aaetools.sinks import Layout, Part

__all__ = ["CODES_KEY", "H5adSink"]

CODES_KEY = "X_aae"
"""Key of ``obsm`` that holds latent codes."""


class H5adSink:
    """Takes a result part by part, see :class:`aaetools.sinks.Sink`.

    Rows are named by their ids. If they come from a h5ad file too, the keys of its ``obs`` are kept; its matrix and
    all else are not.

    Raises
    ------
    RunFolderError
        If h5py is not installed.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        try:
            import h5py
        except ImportError:
            raise RunFolderError(
                f"cannot write {path}: that needs h5py; install it: pip install 'aaetools[anndata]'"
            ) from None
        self._layout = layout
        self._done = 0
        self._text = h5py.string_dtype()
        # nobody reads it before it is whole, and not every file system can lock files
        self._file = h5py.File(path, "w", locking=False)
        _mark(self._file, "anndata", "0.1.0")
        obs = _mark(self._file.create_group("obs"), "dataframe", "0.2.0")
        var = _mark(self._file.create_group("var"), "dataframe", "0.2.0")
        for name in ("layers", "obsm", "obsp", "uns", "varm", "varp"):
            _mark(self._file.create_group(name), "dict", "0.1.0")
        for frame, n_rows in ((obs, layout.n_rows), (var, 0)):
            frame.attrs["_index"] = "_index"
            self._texts(frame, "_index", n_rows)
        var.attrs.create("column-order", [], dtype=self._text)
        kept = self._keep_obs(obs)
        own = self._prepare(obs)
        order = [*(name for name in kept if name not in own), *own]
        obs.attrs.create("column-order", order, dtype=self._text)

    def _prepare(self, obs: Any) -> list[str]:
        """Make the arrays for what will be written; return the names of the columns of obs among them."""
        layout = self._layout
        if layout.classes is None:
            shape = (layout.n_rows, len(layout.numbers))
            self._codes = _mark(self._file["obsm"].create_dataset(CODES_KEY, shape, "f4"), "array", "0.2.0")
            return []
        import pandas as pd

        self._classes = pd.Index(layout.classes)
        columns = ["label_pred", *_keys(layout.numbers)]
        for name in columns:
            obs.pop(name, None)
        predicted = _mark(obs.create_group("label_pred"), "categorical", "0.2.0")
        predicted.attrs["ordered"] = False
        self._values(predicted, "categories", layout.classes)
        self._predicted = _mark(predicted.create_dataset("codes", (layout.n_rows,), "i4"), "array", "0.2.0")
        self._columns = [
            _mark(obs.create_dataset(name, (layout.n_rows,), "f4"), "array", "0.2.0") for name in columns[1:]
        ]
        return columns

    def _texts(self, group: Any, name: str, n_rows: int) -> Any:
        return _mark(group.create_dataset(name, (n_rows,), self._text), "string-array", "0.2.0")

    def _values(self, group: Any, name: str, values: NDArray[Any]) -> None:
        if values.dtype.kind in "iufb":
            _mark(group.create_dataset(name, data=values), "array", "0.2.0")
        else:
            self._texts(group, name, len(values))[:] = [str(value) for value in values]

    def _keep_obs(self, obs: Any) -> list[str]:
        """Copy the keys of obs of the file that the rows come from; return their names."""
        import h5py

        source = self._layout.source
        if not source.lower().endswith(".h5ad") or not os.path.isfile(source):
            return []
        kept = []
        with h5py.File(source, "r", locking=False) as file:
            theirs = file["obs"]
            if theirs.attrs.get("encoding-version") != "0.2.0":  # older ones refer to what lies elsewhere
                return []
            for name in theirs.attrs["column-order"]:
                if name == "_index" or not isinstance(theirs.get(name, getlink=True), h5py.HardLink):
                    continue
                if _n_entries(theirs[name]) == self._layout.n_rows:
                    file.copy(theirs[name], obs, name=name)
                    kept.append(str(name))
        return kept

    def write(self, part: Part) -> None:
        """Write the next rows."""
        import pandas as pd

        rows = slice(self._done, self._done + len(part.row_ids))
        self._file["obs/_index"][rows] = [str(row) for row in part.row_ids.tolist()]
        if part.label_pred is None:
            self._codes[rows] = part.numbers
        else:
            self._predicted[rows] = self._classes.get_indexer(pd.Index(part.label_pred))
            for column, numbers in zip(self._columns, part.numbers.T, strict=True):
                column[rows] = numbers
        self._done = rows.stop

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()


def _mark(element: Any, kind: str, version: str) -> Any:
    """Say what an element is, as anndata does."""
    element.attrs["encoding-type"], element.attrs["encoding-version"] = kind, version
    return element


def _n_entries(element: Any) -> int:
    """Return how many entries a column of obs has; 0 where it is none."""
    import h5py

    if isinstance(element, h5py.Group):
        element = element.get("codes", element.get("values"))
    return element.shape[0] if isinstance(element, h5py.Dataset) and element.ndim == 1 else 0


def _keys(names: tuple[str, ...]) -> list[str]:
    """Return names as keys of a group, where a slash would mean a group below; they stay distinct."""
    keys: list[str] = []
    for name in names:
        key = name.replace("/", "_")
        while key in keys:
            key += "_"
        keys.append(key)
    return keys
