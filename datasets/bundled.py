"""Real data sets that come with scikit-learn: nothing is downloaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aaetools.datasets.dataset import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BREAST_CANCER_SOURCE",
    "DIGITS_SOURCE",
    "IMBALANCED_COUNTS",
    "IRIS_SOURCE",
    "NOISY_SHARE",
    "WINE_SOURCE",
    "load_breast_cancer",
    "load_digits",
    "load_digits_imbalanced",
    "load_digits_noisy",
    "load_iris",
    "load_wine",
]

DIGITS_SOURCE = (
    "E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, "
    "UCI Machine Learning Repository, doi:10.24432/C50P49 (test part)"
)
IRIS_SOURCE = (
    "R. A. Fisher (1936), Iris, UCI Machine Learning Repository, doi:10.24432/C56C76 "
    "(two rows corrected after the paper, as in scikit-learn)"
)
WINE_SOURCE = "S. Aeberhard and M. Forina (1992), Wine, UCI Machine Learning Repository, doi:10.24432/C5PC7J"
BREAST_CANCER_SOURCE = (
    "W. Wolberg, O. Mangasarian, N. Street and W. Street (1993), Breast Cancer Wisconsin (Diagnostic), "
    "UCI Machine Learning Repository, doi:10.24432/C5DW2B"
)

# Falls by a constant factor from 178 to 20: the rarest class keeps 15 rows beside a hold-out of a quarter.
IMBALANCED_COUNTS = tuple(round(178 * (20 / 178) ** (digit / 9)) for digit in range(10))


NOISY_SHARE = 0.1
"""Share of the rows of :func:`load_digits_noisy` that have a wrong label."""


def load_digits() -> Dataset:
    """Load 1,797 handwritten digits of 8 x 8 pixels with values 0 to 16; classes are the integers 0 to 9."""
    from sklearn import datasets

    bunch = datasets.load_digits()
    return Dataset(
        name="digits",
        X=bunch.data.astype("float32"),
        y=bunch.target.astype("int64"),
        feature_names=tuple(bunch.feature_names),
        target_name="digit",
        image_shape=(8, 8),
        source=DIGITS_SOURCE,
    )


def load_digits_imbalanced() -> Dataset:
    """Load digits with fewer and fewer rows per class: the first ``IMBALANCED_COUNTS[k]`` images of digit k.

    The choice needs no random numbers. ``row_ids`` are the rows' positions in :func:`load_digits`.
    """
    import numpy as np

    digits = load_digits()
    y = digits.y
    assert y is not None
    rows = np.sort(np.concatenate([np.flatnonzero(y == k)[:n] for k, n in enumerate(IMBALANCED_COUNTS)]))
    return Dataset(
        name="digits_imbalanced",
        X=digits.X[rows],
        y=y[rows],
        feature_names=digits.feature_names,
        target_name=digits.target_name,
        image_shape=digits.image_shape,
        row_ids=rows,
        source=digits.source,
    )


def load_digits_noisy() -> Dataset:
    """Load digits a tenth of which have the label of another digit, each of the nine equally likely.

    The rows are those of :func:`load_digits` in its order, so that ``load_digits().y`` are the true labels. Which are
    wrong does not change: they are drawn by ``numpy.random.RandomState(0)``, whose numbers are the same in all
    versions.
    """
    from dataclasses import replace

    import numpy as np

    digits = load_digits()
    assert digits.y is not None
    random = np.random.RandomState(0)
    wrong = random.choice(digits.n_rows, round(NOISY_SHARE * digits.n_rows), replace=False)
    y = digits.y.copy()
    y[wrong] = (y[wrong] + random.randint(1, 10, size=len(wrong))) % 10
    return replace(digits, name="digits_noisy", y=y)


def load_iris() -> Dataset:
    """Load 150 iris flowers, 4 measures in centimetres; classes are the names of the species."""
    from sklearn import datasets

    return _named_classes("iris", datasets.load_iris, "species", IRIS_SOURCE)


def load_wine() -> Dataset:
    """Load 178 wines, 13 chemical measures; classes are the names of the cultivars."""
    from sklearn import datasets

    return _named_classes("wine", datasets.load_wine, "cultivar", WINE_SOURCE)


def load_breast_cancer() -> Dataset:
    """Load 569 tumours, 30 measures of their cell nuclei; classes are "benign" and "malignant"."""
    from sklearn import datasets

    return _named_classes("breast_cancer", datasets.load_breast_cancer, "diagnosis", BREAST_CANCER_SOURCE)


def _named_classes(name: str, load: Callable[[], Any], target_name: str, source: str) -> Dataset:
    """Wrap one of scikit-learn's tables, with the class names as labels."""
    bunch = load()
    return Dataset(
        name=name,
        X=bunch.data.astype("float32"),
        y=bunch.target_names.astype(object)[bunch.target],
        feature_names=tuple(str(feature) for feature in bunch.feature_names),
        target_name=target_name,
        source=source,
    )
