from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

import aaetools.datasets
from aaetools.datasets import (
    DATASETS,
    Dataset,
    dataset_card,
    load_dataset,
    load_digits,
    load_digits_imbalanced,
    load_digits_noisy,
    make_blobs,
    make_moons,
    make_swiss_roll,
)
from aaetools.exceptions import DataError

BUNDLED = [name for name, card in DATASETS.items() if card.download is None]


@pytest.mark.parametrize("name", BUNDLED)
def test_a_card_tells_the_truth(name: str) -> None:
    card = DATASETS[name]
    data = load_dataset(name)
    assert card.name == data.name == name
    assert data.X.shape == (card.n_rows, card.n_features)
    assert data.X.dtype == np.float32
    assert np.isfinite(data.X).all()
    assert data.classes == card.classes
    assert data.n_labeled == card.n_rows
    assert data.target_name == card.target_name
    assert data.image_shape == card.image_shape
    assert (card.kind == "images") == (card.image_shape is not None)
    assert (card.sha256 == "") == (card.kind == "synthetic")
    if card.sha256:
        assert data.sha256 == card.sha256
        assert data.source == card.source
    assert len(set(data.feature_names)) == card.n_features
    assert len(set(data.row_ids.tolist())) == card.n_rows
    assert card.title
    assert card.licence
    assert card.source


@pytest.mark.parametrize("name", BUNDLED)
def test_loading_twice_gives_the_same_data_and_leaves_global_randomness_alone(name: str) -> None:
    before = np.random.get_state(legacy=False)
    first, second = load_dataset(name), load_dataset(name, target=DATASETS[name].target_name)
    after = np.random.get_state(legacy=False)
    assert first.sha256 == second.sha256
    np.testing.assert_equal(before, after)


def test_a_card_is_found_by_name_and_a_wrong_name_is_answered_with_the_right_one() -> None:
    assert dataset_card("iris") is DATASETS["iris"]
    with pytest.raises(DataError, match="did you mean 'digits'"):
        dataset_card("digts")


def test_imbalanced_digits_are_digits() -> None:
    digits, fewer = load_digits(), load_digits_imbalanced()
    assert digits.y is not None
    assert fewer.y is not None
    np.testing.assert_array_equal(fewer.X, digits.X[fewer.row_ids])
    np.testing.assert_array_equal(fewer.y, digits.y[fewer.row_ids])
    counts = [Counter(fewer.y.tolist())[digit] for digit in range(10)]
    assert counts == sorted(counts, reverse=True)
    assert (counts[0], counts[9]) == (178, 20)


def test_noisy_digits_are_digits_a_tenth_of_which_have_another_label() -> None:
    digits, noisy = load_digits(), load_digits_noisy()
    assert digits.y is not None
    assert noisy.y is not None
    np.testing.assert_array_equal(noisy.X, digits.X)
    np.testing.assert_array_equal(noisy.row_ids, digits.row_ids)
    wrong = noisy.y != digits.y
    assert wrong.sum() == round(0.1 * 1797)
    assert noisy.classes == digits.classes
    # every class is hit, and every step to another class occurs
    assert set(digits.y[wrong]) == set(range(10))
    assert set((noisy.y[wrong] - digits.y[wrong]) % 10) == set(range(1, 10))


def test_swiss_roll_classes_are_equal_segments_in_order() -> None:
    data = make_swiss_roll(1003, n_classes=10, noise=0.0)
    assert data.y is not None
    sizes = np.bincount(data.y)
    assert sizes.max() - sizes.min() <= 1
    # the roll is r = t: the distance from its axis grows from each class to the next
    radius = np.hypot(data.X[:, 0], data.X[:, 2])
    for label in range(9):
        assert radius[data.y == label].max() <= radius[data.y == label + 1].min() + 1e-4


def test_blobs_have_the_asked_shape_and_separate_classes() -> None:
    data = make_blobs(500, n_classes=50, n_features=6, cluster_std=0.01, random_state=3)
    assert data.X.shape == (500, 6)
    assert data.classes == tuple(range(50))
    assert data.y is not None
    for label in range(50):
        assert data.X[data.y == label].std(axis=0).max() < 0.05


def test_moons_without_noise_are_half_circles() -> None:
    data = make_moons(100, noise=0.0)
    upper = data.X[data.y == "upper"]
    np.testing.assert_allclose(np.hypot(upper[:, 0], upper[:, 1]), 1, atol=1e-6)
    assert upper[:, 1].min() >= -1e-6
    assert len(upper) == 50


@pytest.mark.parametrize("make", [make_swiss_roll, make_blobs, make_moons])
def test_another_seed_draws_other_points(make: Callable[..., Dataset]) -> None:
    assert make(50, random_state=1).sha256 == make(50, random_state=1).sha256
    assert make(50, random_state=1).sha256 != make(50, random_state=2).sha256


def test_more_classes_than_rows_are_refused() -> None:
    with pytest.raises(DataError, match="3 rows cannot hold 4 classes"):
        make_blobs(3, n_classes=4)
    with pytest.raises(DataError, match="0 classes"):
        make_swiss_roll(10, n_classes=0)
    with pytest.raises(DataError, match="moons"):
        make_moons(1)


def test_importing_loads_no_slow_library() -> None:
    code = (
        "import sys, aaetools.datasets\nprint(*{'numpy', 'pandas', 'sklearn', 'pyarrow', 'torch'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []


def test_all_names_exist() -> None:
    assert all(hasattr(aaetools.datasets, name) for name in aaetools.datasets.__all__)
    assert len(set(aaetools.datasets.__all__)) == len(aaetools.datasets.__all__)
