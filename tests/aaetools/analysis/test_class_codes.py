"""Labels are found among classes whatever their dtype."""

from __future__ import annotations

import numpy as np

from aaetools.analysis.class_codes import class_codes


def test_class_codes_find_labels_whatever_their_dtype() -> None:
    assert class_codes(np.array([2.0, np.nan, 7.0]), np.array([2, 7])).tolist() == [0, -1, 1]
    assert class_codes(np.array(["b", None, "x"], dtype=object), ["a", "b"]).tolist() == [1, -1, -1]
