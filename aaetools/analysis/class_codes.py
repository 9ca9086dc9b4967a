"""Positions of labels among classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

__all__ = ["class_codes", "plain_label"]


def class_codes(y: ArrayLike, classes: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
    """Return the position in ``classes`` of each label, shape (n,), -1 where missing or not among them."""
    position = {plain_label(label): code for code, label in enumerate(classes)}
    values = [plain_label(label) for label in np.asarray(y, dtype=object).ravel()]
    return np.array([position.get(value, -1) for value in values], dtype=np.int64)


def plain_label(label: Any) -> Any:
    """Return a hashable Python value, None for anything missing."""
    return None if pd.isna(label) else (label.item() if isinstance(label, np.generic) else label)
