"""Labels with gaps: what counts as unlabelled, class codes, and fair ways to hide or hold out labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from aaetools.exceptions import LabelError

__all__ = [
    "UNLABELED",
    "LabelCoding",
    "encode_labels",
    "is_unlabeled",
    "mask_labels",
    "one_hot_entries",
    "split_holdout",
]

UNLABELED = -1
"""The value in ``y`` that says "no label known", as in scikit-learn and UMAP."""


@dataclass(frozen=True, eq=False)
class LabelCoding:
    """Classes in sorted order and one code per row.

    Attributes
    ----------
    classes
        Distinct labels, shape (n_classes,).
    codes
        Position of each row's label in ``classes``, or -1 where unlabelled; int64, shape (n_rows,).
    """

    classes: NDArray[Any]
    codes: NDArray[np.int64]


def _as_array(y: ArrayLike) -> NDArray[Any]:
    """Return y as a 1-d array whose missing values are still recognisable."""
    if isinstance(y, pd.Series | pd.Index) or hasattr(y, "__arrow_c_stream__"):
        return np.asarray(pd.Series(y).to_numpy())
    array = np.asarray(y)
    if array.dtype.kind in "US" and isinstance(y, list | tuple):
        # numpy turns [1, "a"] and ["a", None] into strings; keep what the caller wrote
        array = np.asarray(y, dtype=object)
    return array


def is_unlabeled(y: ArrayLike, unlabeled: Any = UNLABELED) -> NDArray[np.bool_]:
    """Say for each row whether its label is unknown.

    None, NaN and ``pd.NA`` always count as unknown, and so does the value ``unlabeled`` (None for no such value).

    Parameters
    ----------
    y
        Labels, shape (n_rows,).
    unlabeled
        The value or category that stands for "no label".

    Returns
    -------
    ndarray of bool, shape (n_rows,)

    Examples
    --------
    >>> is_unlabeled(["cat", None, "dog"]).tolist()
    [False, True, False]
    >>> is_unlabeled([0, -1, 1]).tolist()
    [False, True, False]
    """
    array = _as_array(y)
    missing = np.asarray(pd.isna(array), dtype=bool)
    if unlabeled is None:
        return missing
    if array.dtype.kind == "O":
        same = [
            not gap and not isinstance(value, bool) and bool(value == unlabeled)
            for value, gap in zip(array.tolist(), missing.tolist(), strict=True)
        ]
        return np.asarray(missing | np.asarray(same, dtype=bool).reshape(array.shape))
    if array.dtype.kind in "US":
        return np.asarray(missing | (array == unlabeled)) if isinstance(unlabeled, str) else missing
    if array.dtype.kind == "b" or isinstance(unlabeled, str):
        return missing
    return np.asarray(missing | (array == unlabeled))


def encode_labels(y: ArrayLike, unlabeled: Any = UNLABELED) -> LabelCoding:
    """Turn labels of any kind into class codes.

    Integers, strings and booleans are classes; whole numbers that became floats only because a gap (NaN) stands
    among them are read as integers again.

    Parameters
    ----------
    y
        Labels, shape (n_rows,).
    unlabeled
        See :func:`is_unlabeled`.

    Raises
    ------
    LabelError
        If labels are not one per row, not of one kind, or look like a regression target.

    Examples
    --------
    >>> coding = encode_labels(["dog", None, "cat", "dog"])
    >>> coding.classes.tolist(), coding.codes.tolist()
    (['cat', 'dog'], [1, -1, 0, 1])
    """
    array = _as_array(y)
    if array.ndim != 1:
        raise LabelError(f"y has shape {array.shape}; give one label per row, shape (n_rows,)")
    gaps = is_unlabeled(array, unlabeled)
    known = array[~gaps]
    codes = np.full(array.shape[0], -1, dtype=np.int64)
    if known.size == 0:
        return LabelCoding(np.empty(0, dtype=np.int64), codes)
    known = _plain(known, has_gaps=bool(pd.isna(array).any()))
    classes, codes[~gaps] = np.unique(known, return_inverse=True)
    return LabelCoding(classes, codes)


def _plain(known: NDArray[Any], *, has_gaps: bool) -> NDArray[Any]:
    """Give known labels the plainest dtype that holds them all."""
    if known.dtype.kind == "O":
        kinds = {_kind(value) for value in known.tolist()}
        if len(kinds) > 1:
            raise LabelError(f"y mixes {' and '.join(sorted(kinds))}; give labels of one kind")
        if kinds != {"strings"}:
            known = np.asarray(known.tolist())
        else:
            return known.astype(object)  # np.unique sorts objects; a fixed-width dtype would cut later labels
    if known.dtype.kind == "f":
        if not np.isfinite(known).all():
            raise LabelError(f"Input y contains infinity or a value too large for {known.dtype!r}.")
        whole = bool((known == np.round(known)).all())
        if not whole:
            raise LabelError(
                f"Unknown label type: continuous ({known[known != np.round(known)][0]!s} for one); "
                "classes must be integers, strings or booleans"
            )
        if has_gaps:
            known = known.astype(np.int64)
    if known.dtype.kind not in "iufbUSO":
        raise LabelError(f"y holds {known.dtype}; classes must be integers, strings or booleans")
    return known


def _kind(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "booleans"
    if isinstance(value, str):
        return "strings"
    if isinstance(value, int | float | np.number):
        return "numbers"
    return f"{type(value).__name__} values"


def one_hot_entries(codes: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Return the discriminator's label rows: one-hot with an extra, last entry for "no label" (section 2.3).

    Parameters
    ----------
    codes
        Class codes, -1 where unlabelled, shape (n_rows,).
    n_classes
        K, the number of classes.

    Returns
    -------
    ndarray of float32, shape (n_rows, n_classes + 1)

    Examples
    --------
    >>> one_hot_entries(np.array([1, -1]), 2).tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if codes.size and (codes.min() < -1 or codes.max() >= n_classes):
        raise LabelError(f"class codes must lie in -1..{n_classes - 1}")
    return np.eye(n_classes + 1, dtype=np.float32)[np.where(codes < 0, n_classes, codes)]


def mask_labels(
    y: ArrayLike,
    *,
    per_class: int | None = None,
    n_labels: int | None = None,
    fraction: float | None = None,
    unlabeled: Any = UNLABELED,
    random_state: int | np.random.RandomState | None = None,
) -> NDArray[Any]:
    """Keep a balanced random draw of the labels and hide the others.

    Give exactly one of ``per_class``, ``n_labels`` (spread over the classes as evenly as the rows allow) and
    ``fraction`` (of the labelled rows, class by class, at least one each).

    Parameters
    ----------
    y
        Labels, shape (n_rows,); rows that are unlabelled already stay so.
    unlabeled
        Value that marks "no label"; written into the hidden rows of numbers, while strings and booleans get None.
    random_state
        Seed of the draw.

    Returns
    -------
    ndarray, shape (n_rows,)
        A copy of y with hidden labels.

    Raises
    ------
    LabelError
        If a class has fewer rows than asked for, or the budget does not give every class a label.

    Examples
    --------
    >>> masked = mask_labels([0, 0, 0, 1, 1, 1], per_class=1, random_state=0)
    >>> int((masked != -1).sum())
    2
    """
    if sum(value is not None for value in (per_class, n_labels, fraction)) != 1:
        raise LabelError("give exactly one of per_class, n_labels and fraction")
    coding = encode_labels(y, unlabeled)
    counts = np.bincount(coding.codes[coding.codes >= 0], minlength=len(coding.classes))
    quota = _label_quota(coding.classes, counts, per_class, n_labels, fraction)
    random = (
        np.random.RandomState(random_state) if not isinstance(random_state, np.random.RandomState) else random_state
    )
    keep = np.concatenate(
        [random.permutation(np.flatnonzero(coding.codes == k))[:size] for k, size in enumerate(quota)]
    )
    array = _as_array(y)
    if array.dtype.kind in "OUSb":
        masked = np.full(array.shape, None, dtype=object)
    else:
        masked = np.full(array.shape, UNLABELED if unlabeled is None else unlabeled, dtype=array.dtype)
    masked[keep] = array[keep]
    return masked


def _label_quota(
    classes: NDArray[Any],
    counts: NDArray[np.int64],
    per_class: int | None,
    n_labels: int | None,
    fraction: float | None,
) -> list[int]:
    """Return how many labels each class keeps."""
    if len(classes) == 0:
        raise LabelError("y has no labels to choose from")
    if per_class is not None:
        if per_class < 1:
            raise LabelError(f"labels per class must be at least 1, got {per_class}")
        short = [f"{label!s} ({count})" for label, count in zip(classes, counts, strict=True) if count < per_class]
        if short:
            raise LabelError(
                f"{per_class} labels per class asked for, but there are fewer rows of class {', '.join(short)}"
            )
        return [per_class] * len(classes)
    if fraction is not None:
        if not 0 < fraction <= 1:
            raise LabelError(f"the fraction of labels must lie in (0, 1], got {fraction}")
        return [max(1, round(fraction * int(count))) for count in counts]
    assert n_labels is not None
    if not len(classes) <= n_labels <= counts.sum():
        raise LabelError(
            f"{n_labels} labels asked for; choose from {len(classes)} (one per class) to {counts.sum()} (all)"
        )
    quota = np.zeros(len(classes), dtype=np.int64)
    while quota.sum() < n_labels:  # hand out one label a round to every class that still has rows
        open_classes = np.flatnonzero(quota < counts)[: n_labels - int(quota.sum())]
        quota[open_classes] += 1
    return [int(size) for size in quota]


def split_holdout(
    y: ArrayLike | None,
    fraction: float,
    *,
    n_rows: int | None = None,
    unlabeled: Any = UNLABELED,
    random_state: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split row numbers into training and hold-out rows.

    With labels the hold-out is taken from the labelled rows, stratified by class; unlabelled rows always train.
    A class with a single labelled row keeps it for training. Without labels the split is random over all rows.
    For fully labelled data the rows are those of ``sklearn.model_selection.train_test_split(..., stratify=y)``.

    Parameters
    ----------
    y
        Labels, shape (n_rows,), or None.
    fraction
        Share of rows to hold out, in [0, 1).
    n_rows
        Number of rows, needed where ``y`` is None.

    Returns
    -------
    train, holdout
        Row numbers; holdout is empty for ``fraction=0``.
    """
    from sklearn.model_selection import train_test_split

    if not 0 <= fraction < 1:
        raise LabelError(f"the hold-out fraction must lie in [0, 1), got {fraction}")
    coding = None if y is None else encode_labels(y, unlabeled)
    if coding is None and n_rows is None:
        raise LabelError("n_rows is needed where there are no labels")
    total = len(coding.codes) if coding is not None else int(n_rows or 0)
    everything = np.arange(total)
    if fraction == 0:
        return everything, everything[:0]
    if coding is None or len(coding.classes) == 0:
        if total < 2:
            raise LabelError(f"{total} row(s) cannot be split into training and hold-out rows")
        train, holdout = train_test_split(everything, test_size=fraction, random_state=random_state)
        return np.asarray(train), np.asarray(holdout)
    counts = np.bincount(coding.codes[coding.codes >= 0], minlength=len(coding.classes))
    eligible = np.flatnonzero((coding.codes >= 0) & (counts[coding.codes] >= 2))
    codes = coding.codes[eligible]
    n_classes = len(np.unique(codes))
    size = round(fraction * len(eligible))
    if size < n_classes or len(eligible) - size < n_classes:
        raise LabelError(
            f"a hold-out of {fraction:g} of {len(eligible)} labelled rows cannot hold every one of {n_classes} "
            "classes; choose another fraction or 0"
        )
    train, holdout = train_test_split(eligible, test_size=fraction, stratify=codes, random_state=random_state)
    rest = np.setdiff1d(everything, eligible, assume_unique=True)
    return np.concatenate([np.asarray(train), rest]), np.asarray(holdout)
