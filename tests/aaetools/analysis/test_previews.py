from __future__ import annotations

import numpy as np
import pytest

from aaetools.analysis.previews import MAX_PREVIEWS, MAX_SIDE, row_previews, telling_features


def test_features_that_set_groups_apart_come_first() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(3, size=300)
    X = rng.normal(size=(300, 5)).astype(np.float32)
    X[:, 3] += 5 * codes
    X[:, 1] += codes
    X[:, 4] *= 100  # spread alone tells nothing
    X[:, 2] = 7
    assert telling_features(X, codes)[:2].tolist() == [3, 1]
    assert telling_features(X, codes)[-1] == 2
    # without groups there is only spread
    assert telling_features(X, np.zeros(300, dtype=np.int64))[0] == 4


def test_tables_show_their_most_telling_features_in_their_own_units() -> None:
    rng = np.random.default_rng(0)
    groups = np.array(["b", "a"])[rng.integers(2, size=50)]
    X = rng.normal(size=(50, 9))
    X[:, 7] += 4.0 * (groups == "a")
    names = [f"f{i}" for i in range(9)]
    found = row_previews(X, groups, feature_names=names)
    assert found.thumbnails is None
    assert found.feature_names[0] == "f7"
    assert len(found.feature_names) == 6
    assert found.features is not None
    np.testing.assert_allclose(
        found.features, X[found.rows][:, [names.index(n) for n in found.feature_names]], rtol=1e-6
    )
    assert row_previews(X[:, :2], groups).feature_names in (("0", "1"), ("1", "0"))


def test_previews_of_many_rows_are_spread_over_the_groups() -> None:
    groups = np.array([0] * 9_000 + [1] * 30 + [2] * 3_000)
    found = row_previews(np.zeros((len(groups), 1)), groups, random_state=1)
    assert len(found.rows) == MAX_PREVIEWS
    assert np.bincount(groups[found.rows]).tolist() == [985, 30, 985]
    assert (np.diff(found.rows) > 0).all()
    again = row_previews(np.zeros((len(groups), 1)), groups, random_state=1)
    np.testing.assert_array_equal(found.rows, again.rows)


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((8, 8), (8, 8)),
        ((64, 64), (32, 32)),
        ((100, 40), (25, 10)),
        ((16, 16, 3), (16, 16, 3)),
        ((16, 16, 1), (16, 16)),
    ],
)
def test_thumbnails_are_small_and_grey_or_coloured(shape: tuple[int, ...], small: tuple[int, ...]) -> None:
    X = np.linspace(-1, 3, 5 * int(np.prod(shape))).reshape(5, -1)
    found = row_previews(X, np.arange(5), image_shape=shape)
    assert found.thumbnails is not None
    assert found.thumbnails.shape == (5, *small)
    assert max(found.thumbnails.shape[1:3]) <= MAX_SIDE
    assert (found.thumbnails.min(), found.thumbnails.max()) == (0, 255)
    assert (np.diff(found.thumbnails.reshape(5, -1).mean(axis=1)) > 0).all()


def test_a_block_of_pixels_becomes_its_mean() -> None:
    image = np.kron(np.arange(16.0).reshape(4, 4), np.ones((16, 16)))
    image[:16:2] += 1  # within blocks
    found = row_previews(image.reshape(1, -1), [0], image_shape=(64, 64))
    assert found.thumbnails is not None
    means = image.reshape(32, 2, 32, 2).mean(axis=(1, 3))
    scaled = (means - means.min()) / np.ptp(means) * 255
    np.testing.assert_allclose(found.thumbnails[0], scaled, atol=0.51)


def test_images_of_one_value_are_black() -> None:
    found = row_previews(np.full((3, 4), 7.0), [0, 0, 1], image_shape=(2, 2))
    assert found.thumbnails is not None
    assert not found.thumbnails.any()
