"""No row's own label reaches its out-of-fold probabilities, and these are put on a sensible scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import make_blobs

from aaetools import AdversarialAutoencoder
from aaetools.analysis.cross_fit import (
    CROSS_FITS,
    LabeledRows,
    fold_numbers,
    pool,
)


@pytest.fixture(scope="module")
def blobs() -> tuple[NDArray[Any], NDArray[Any]]:
    X, y = make_blobs(90, 4, centers=3, cluster_std=1.0, random_state=1)
    return X, y.astype(np.int64)


def labeled_rows(X: Any, codes: NDArray[Any], progress: Any = None) -> LabeledRows:
    model = AdversarialAutoencoder(max_epochs=3, random_state=0).fit(X, codes)
    return LabeledRows(model, X, codes, 3, fold_numbers(codes, 3, 0), 0, progress)


# "pool" is left out: its weight and temperatures are fitted to all given labels
@pytest.mark.parametrize("method", sorted(set(CROSS_FITS) - {"pool"}))
def test_changing_a_rows_own_label_leaves_its_log_odds_alone(blobs: Any, method: str) -> None:
    X, y = blobs
    rows = labeled_rows(X, y)
    lied = y.copy()
    lied[7] = (y[7] + 1) % 3
    # the same folds, so that only the one label differs
    other = LabeledRows(rows.model, X, lied, 3, rows.folds, 0, None)
    assert CROSS_FITS[method](rows)[7] == pytest.approx(CROSS_FITS[method](other)[7])


@pytest.mark.parametrize("method", ["graph", "probe", "pool"])
def test_separate_groups_are_predicted_out_of_fold(blobs: Any, method: str) -> None:
    X, y = blobs
    log_odds = CROSS_FITS[method](labeled_rows(X, y))
    assert log_odds.shape == (90, 3)
    assert (log_odds.argmax(axis=1) == y).mean() > 0.95


def test_refits_tell_their_epochs(blobs: Any) -> None:
    X, y = blobs
    said: list[tuple[int, int]] = []
    CROSS_FITS["model"](labeled_rows(X, y, lambda what, done, total: said.append((done, total))))
    assert said == [(done, 9) for done in range(1, 10)]


def test_folds_leave_every_class_a_label() -> None:
    codes = np.array([0] * 7 + [1] * 2 + [2] + [-1] * 4)
    folds = fold_numbers(codes, 3, 5)
    assert (folds[codes == 2] == -1).all()
    assert (folds[codes < 0] == -1).all()
    for fold in range(3):
        assert set(codes[(folds >= 0) & (folds != fold)]) == {0, 1}
    assert np.bincount(folds[folds >= 0]).max() - np.bincount(folds[folds >= 0]).min() <= 1


def test_pooling_drops_an_opinion_that_is_noise() -> None:
    random = np.random.default_rng(0)
    codes = random.integers(0, 3, 300)
    good = 3.0 * np.eye(3)[codes] + random.normal(size=(300, 3))
    mixed = pool(good, random.normal(size=(300, 3)), codes)
    assert (mixed.argmax(axis=1) == codes).mean() >= (good.argmax(axis=1) == codes).mean() - 0.01
    assert np.exp(mixed).sum(axis=1) == pytest.approx(np.ones(300))
