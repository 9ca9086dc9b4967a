"""Scaling: what shares a unit, there and back, constant columns."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from aaetools.exceptions import DataError
from aaetools.preprocessing import SCALINGS, InputScaler, choose_scaling


def test_pixels_share_a_unit_and_table_columns_do_not() -> None:
    assert choose_scaling(load_digits().data) == "shared"
    assert choose_scaling(load_wine().data) == "standard"
    assert choose_scaling(load_breast_cancer().data) == "standard"


def test_two_columns_of_different_units_do_not_share_one() -> None:
    assert choose_scaling(np.array([[0.1, 1600.0], [0.5, 300.0], [0.9, 20.0]])) == "standard"
    assert choose_scaling(np.array([[0.1, 1.6], [0.5, 0.3], [0.9, 0.2]])) == "shared"


@pytest.mark.parametrize("scaling", SCALINGS)
def test_scaling_is_undone(scaling: str) -> None:
    X = np.random.RandomState(0).normal(5, [1, 20, 300], size=(50, 3))
    scaler = InputScaler.fit(X, scaling)
    assert scaler.transform(X).dtype == np.float32
    assert np.allclose(scaler.inverse_transform(scaler.transform(X)), X, rtol=1e-4, atol=1e-3)


def test_standard_scaling_gives_unit_variance_and_shared_keeps_the_spread() -> None:
    X = np.random.RandomState(0).normal(5, [1, 4], size=(500, 2))
    assert InputScaler.fit(X, "standard").transform(X).std(0) == pytest.approx([1, 1], rel=1e-3)
    spread = InputScaler.fit(X, "shared").transform(X).std(0)
    assert spread[1] / spread[0] == pytest.approx(X[:, 1].std() / X[:, 0].std(), rel=1e-3)
    assert np.square(spread).mean() == pytest.approx(1, rel=1e-3)


@pytest.mark.parametrize("constant", [0.0, 5.0, 1e12])
def test_a_constant_column_is_only_centred(constant: float) -> None:
    X = np.column_stack([np.full(20, constant), np.arange(20.0)])
    scaled = InputScaler.fit(X, "standard").transform(X)
    assert np.isfinite(scaled).all()
    assert (scaled[:, 0] == 0).all()


def test_all_columns_constant_is_no_division_by_zero() -> None:
    X = np.ones((5, 3))
    assert (InputScaler.fit(X).transform(X) == 0).all()


def test_an_unknown_scaling_is_refused() -> None:
    with pytest.raises(DataError, match="unknown scaling 'log'; choose from auto"):
        InputScaler.fit(np.ones((2, 2)), "log")
