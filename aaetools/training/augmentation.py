"""Random changes of images that leave their class alone. To add a kind, write the class and put it into the dict."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from aaetools.exceptions import DataError

__all__ = ["AUGMENTATIONS", "AffineAugmentation", "Augmentation", "InDataUnits", "make_augmentation"]

Augmentation = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class AffineAugmentation:
    """Turns, shifts, stretches and slants every image by its own random amount; what moves in repeats the border.

    Nothing is mirrored, because a mirrored letter or digit may be another one or none.

    Attributes
    ----------
    image_shape
        ``(height, width)`` or ``(height, width, channels)`` of the flattened rows.
    degrees
        Largest turn, either way.
    shift
        Largest shift along each axis, in image widths.
    stretch
        Largest relative change of size along each axis.
    slant
        Largest shear, as a slope.
    """

    image_shape: tuple[int, ...]
    generator: torch.Generator
    degrees: float = 15.0
    shift: float = 0.09
    stretch: float = 0.12
    slant: float = 0.2

    def __call__(self, x: Tensor) -> Tensor:
        """Return changed rows, shape (n, n_features) as given."""
        n = len(x)
        height, width, channels = (*self.image_shape, 1)[:3]
        turn, slant, stretch_x, stretch_y, shift_x, shift_y = (
            2 * torch.rand(6, n, generator=self.generator, device=x.device) - 1
        )
        cos, sin = (turn * math.radians(self.degrees)).cos(), (turn * math.radians(self.degrees)).sin()
        slope = self.slant * slant
        wide, high = 1 + self.stretch * stretch_x, 1 + self.stretch * stretch_y
        # grid coordinates run from -1 to 1, so that an image is two wide
        rows = [
            torch.stack([cos * wide, (slope * cos - sin) * high, 2 * self.shift * shift_x], dim=1),
            torch.stack([sin * wide, (slope * sin + cos) * high, 2 * self.shift * shift_y], dim=1),
        ]
        grid = functional.affine_grid(torch.stack(rows, dim=1), [n, channels, height, width], align_corners=False)
        planes = x.reshape(n, height, width, channels).permute(0, 3, 1, 2)
        moved = functional.grid_sample(planes, grid, padding_mode="border", align_corners=False)
        return moved.permute(0, 2, 3, 1).reshape(n, -1)


@dataclass(frozen=True, eq=False)
class InDataUnits:
    """An augmentation of scaled rows that works on the rows as they were before scaling.

    A centred picture has the mean picture's negative in its background, which must stay where it is.

    Attributes
    ----------
    center, scale
        What was subtracted from each feature, and what it was then divided by, shape (n_features,).
    """

    augment: Augmentation
    center: Tensor
    scale: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Return changed rows, scaled again, shape (n, n_features) as given."""
        return (self.augment(x * self.scale + self.center) - self.center) / self.scale


AUGMENTATIONS: dict[str, Callable[[tuple[int, ...], torch.Generator], Augmentation]] = {"affine": AffineAugmentation}
"""Name -> function of (image_shape, generator) that returns the augmentation of flattened rows in their own units."""


def make_augmentation(name: str, sample_shape: tuple[int, ...], generator: torch.Generator) -> Augmentation | None:
    """Make an augmentation by name; "none" makes none.

    Raises
    ------
    DataError
        If the rows are no images.
    """
    if name == "none":
        return None
    if len(sample_shape) not in (2, 3):
        raise DataError(
            f"the {name} augmentation is for images; give image_shape=(height, width) or (height, width, channels)"
        )
    return AUGMENTATIONS[name](sample_shape, generator)
