"""Augmentation: small, random, seeded, and for images alone."""

from __future__ import annotations

import pytest
import torch

from aaetools.exceptions import DataError
from aaetools.preprocessing import InputScaler
from aaetools.training.augmentation import AUGMENTATIONS, AffineAugmentation, InDataUnits, make_augmentation


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("shape", [(8, 8), (8, 6), (8, 6, 3)])
@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_every_row_is_changed_in_its_own_way_and_the_shape_is_kept(name: str, shape: tuple[int, ...]) -> None:
    rows = torch.rand(1, torch.Size(shape).numel(), generator=seeded()).repeat(5, 1)
    augment = make_augmentation(name, shape, seeded())
    assert augment is not None
    changed = augment(rows)
    assert changed.shape == rows.shape
    assert len({tuple(row.tolist()) for row in [*changed, rows[0]]}) == 6
    again = make_augmentation(name, shape, seeded())
    assert again is not None
    assert torch.equal(again(rows), changed)


def test_no_change_at_all_gives_the_image_back() -> None:
    rows = torch.rand(3, 30, generator=seeded())
    still = AffineAugmentation((5, 6), seeded(), degrees=0, shift=0, stretch=0, slant=0)
    assert torch.allclose(still(rows), rows, atol=1e-5)


def test_a_shift_moves_the_picture_by_at_most_its_share_of_the_width() -> None:
    image = torch.zeros(20, 20)
    image[9:11, 9:11] = 1
    moved = AffineAugmentation((20, 20), seeded(), degrees=0, shift=0.1, stretch=0, slant=0)(
        image.reshape(1, -1).repeat(200, 1)
    ).reshape(200, 20, 20)
    columns = (moved.sum(1) * torch.arange(20.0)).sum(1) / moved.sum((1, 2))
    assert (columns - 9.5).abs().max() <= 2.0 + 1e-4
    assert (columns - 9.5).abs().max() > 1.5


def test_channels_move_together() -> None:
    grey = torch.rand(4, 6, 6, generator=seeded())
    colour = grey[..., None].repeat(1, 1, 1, 3)
    changed = AffineAugmentation((6, 6, 3), seeded())(colour.reshape(4, -1)).reshape(4, 6, 6, 3)
    assert torch.allclose(changed[..., 0], changed[..., 2])
    assert torch.allclose(changed[..., 0].reshape(4, -1), AffineAugmentation((6, 6), seeded())(grey.reshape(4, -1)))


def test_tables_are_refused() -> None:
    assert make_augmentation("none", (5,), seeded()) is None
    with pytest.raises(DataError, match="is for images"):
        make_augmentation("affine", (5,), seeded())


@pytest.mark.parametrize("scaling", ["shared", "standard", "none"])
def test_scaled_rows_are_changed_as_the_pictures_were_before_scaling(scaling: str) -> None:
    pictures = torch.rand(6, 64, generator=seeded())
    scaler = InputScaler.fit(pictures.numpy(), scaling)
    augment = InDataUnits(
        AffineAugmentation((8, 8), seeded()),
        torch.from_numpy(scaler.center).float(),
        torch.from_numpy(scaler.scale).float(),
    )
    changed = augment(torch.from_numpy(scaler.transform(pictures.numpy())))
    wanted = AffineAugmentation((8, 8), seeded())(pictures)
    assert scaler.inverse_transform(changed.numpy()) == pytest.approx(wanted.numpy(), abs=1e-5)
