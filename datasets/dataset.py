"""The one value that every loader returns, and the hash that names its content."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from aaetools.exceptions import DataError

if TYPE_CHECKING:  # numpy takes longer to import than the command line may take to print its help
    import numpy as np
    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Dataset", "content_hash"]

_HASH_ROWS = 65536


def _no_ids() -> NDArray[Any]:
    import numpy as np

    return np.empty(0)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Rows to learn from, with what is known about them.

    Attributes
    ----------
    name
        Short name, used for run folders and titles.
    X
        Features, shape (n_rows, n_features): where all of them are complete numbers a float32 matrix, else a data frame
        of numbers, booleans, dates and categories with gaps, as :func:`aaetools.columns.read_column` gives them.
    y
        Given labels, shape (n_rows,), or None where there are none. Unlabelled rows hold -1 (integer labels)
        or None (object arrays of strings or booleans). Strings are always in object arrays.
    feature_names
        One name per column of ``X``.
    target_name
        Name of the label column, or None.
    image_shape
        ``(height, width)`` or ``(height, width, channels)`` where a row is a flattened image, else None.
    row_ids
        One identifier per row, shape (n_rows,): the row's position from 0 unless the source has its own.
    source
        Where the data came from: a citation for bundled data, the path for a file.

    Raises
    ------
    DataError
        If the parts do not fit each other.
    """

    name: str
    X: NDArray[np.float32] | pd.DataFrame
    y: NDArray[Any] | None
    feature_names: tuple[str, ...]
    target_name: str | None = None
    image_shape: tuple[int, ...] | None = None
    row_ids: NDArray[Any] = field(default_factory=_no_ids)
    source: str = ""

    def __post_init__(self) -> None:
        import math

        import numpy as np

        if len(self.row_ids) == 0:
            object.__setattr__(self, "row_ids", np.arange(len(self.X)))
        if isinstance(self.X, np.ndarray) and (self.X.ndim != 2 or self.X.dtype != np.float32):
            raise DataError(f"{self.name}: X must be a float32 matrix, not {self.X.dtype} {self.X.shape}")
        for what, part, expected in (
            ("labels", self.y, self.n_rows),
            ("row ids", self.row_ids, self.n_rows),
            ("feature names", self.feature_names, self.n_features),
        ):
            if part is not None and len(part) != expected:
                raise DataError(f"{self.name}: {len(part)} {what} do not fit X of shape {self.X.shape}")
        if self.image_shape is not None and math.prod(self.image_shape) != self.n_features:
            raise DataError(f"{self.name}: {self.n_features} features are no image of {self.image_shape}")

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the content, see :func:`content_hash`."""
        return content_hash(self.X, self.y)

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features."""
        return int(self.X.shape[1])

    @property
    def classes(self) -> tuple[Any, ...]:
        """The distinct given labels in order, without the unlabelled mark."""
        if self.y is None:
            return ()
        if self.y.dtype.kind in "iu":
            return tuple(sorted(set(self.y.tolist()) - {-1}))
        return tuple(sorted({label for label in self.y.tolist() if label is not None}))

    @property
    def n_labeled(self) -> int:
        """Number of rows with a given label."""
        if self.y is None:
            return 0
        if self.y.dtype.kind in "iu":
            return int((self.y != -1).sum())
        return sum(label is not None for label in self.y.tolist())


def content_hash(X: ArrayLike | pd.DataFrame, y: ArrayLike | None = None) -> str:
    """Hash features and labels: equal content gives equal hashes on every platform.

    Features are compared as float32 (an integer 3 and a float 3.0 are the same value, and so are 0 and -0),
    labels with their kind (an integer 3 and the text "3" differ). Storage order and byte order do not matter;
    None, NaN and pd.NA are one and the same unlabelled mark.

    Parameters
    ----------
    X
        Features, shape (n_rows, n_features). Of a data frame the kind of each column counts too: 1 is not True.
    y
        Labels, shape (n_rows,), as in :class:`Dataset`; None where there are none.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    import hashlib

    import numpy as np
    import pandas as pd

    digest = hashlib.sha256(b"aaetools content 1\n")
    if isinstance(X, pd.DataFrame):
        _hash_columns(digest, X)
    else:
        X = np.asarray(X)
        digest.update(np.array(X.shape, dtype="<i8").tobytes())
        for start in range(0, len(X), _HASH_ROWS):
            # adding zero turns -0 into 0, which compares equal but has other bytes
            digest.update((X[start : start + _HASH_ROWS].astype("<f4") + np.float32(0)).tobytes())
    if y is None:
        digest.update(b"no labels")
        return digest.hexdigest()
    labels = np.asarray(y)
    if labels.dtype.kind in "iu":
        digest.update(b"integers")
        digest.update(labels.astype("<i8").tobytes())
        return digest.hexdigest()
    digest.update(b"values")
    for label in labels.tolist():
        kind = _kind(label)
        text = b"" if kind == "unlabelled" else str(label).encode("utf-8", "surrogatepass")
        # kind and length first, so that no two label lists share their bytes
        digest.update(f"{kind}:{len(text)}:".encode() + text)
    return digest.hexdigest()


def _hash_columns(digest: Any, frame: pd.DataFrame) -> None:
    """Hash the columns of a table of several kinds one after the other."""
    import numpy as np
    import pandas as pd
    from pandas.api import types

    digest.update(b"columns" + np.array(frame.shape, dtype="<i8").tobytes())
    for position in range(frame.shape[1]):
        values = frame.iloc[:, position]
        gaps = values.isna().to_numpy()
        if isinstance(values.dtype, pd.CategoricalDtype):
            kind, codes = "category", pd.factorize(values.astype(object), sort=True)
            words = [str(word).encode("utf-8", "surrogatepass") for word in codes[1]]
            digest.update(b"".join(b"%d:%b" % (len(word), word) for word in words))
            cells = np.asarray(codes[0]).astype("<i8")
        elif types.is_bool_dtype(values.dtype):
            kind, cells = "boolean", values.to_numpy(dtype=np.float64, na_value=0).astype("<i8")
        elif types.is_datetime64_dtype(values.dtype):
            kind, cells = "date", np.where(gaps, 0, values.to_numpy().astype("datetime64[us]").astype("<i8"))
        else:
            kind, cells = "number", values.to_numpy(dtype=np.float64, na_value=0).astype("<f8") + 0.0
        digest.update(f"{kind}:{len(cells)}:".encode() + cells.tobytes() + np.packbits(gaps).tobytes())


def _kind(label: object) -> str:
    """Name what kind of label this is; numpy's scalars count as Python's."""
    import numpy as np

    if label is None or type(label).__name__ == "NAType" or (isinstance(label, float) and label != label):
        return "unlabelled"
    if isinstance(label, bool | np.bool_):
        return "boolean"
    if isinstance(label, int | np.integer):
        return "integer"
    return "number" if isinstance(label, float | np.floating) else "text"
