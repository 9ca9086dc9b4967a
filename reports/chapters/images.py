"""Reconstructions and samples of rows that are images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aaetools.reports import plots, text
from aaetools.reports.blocks import Chapter, Figure, side_by_side

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis, Images

__all__ = ["images_chapter", "mosaic_height"]


def images_chapter(analysis: Analysis) -> Chapter | None:
    """Return the chapter, None where there is nothing to say."""
    images = analysis.tables.images
    if images is None:
        return None
    figures = []
    n = min(len(images.originals), 12)
    columns = max(1, math.ceil(n / 2))
    if n:
        figures.append(
            Figure(
                lambda ax: plots.image_pairs(ax, images.originals[:n], images.reconstructions[:n], columns=columns),
                (6.0, mosaic_height(images.originals, 2 * math.ceil(n / columns), columns)),
                alt=f"{n} original images, each above its reconstruction.",
                how="Both images of a pair should show the same; what is blurred or changed did not fit "
                "through the latent code.",
                name="reconstructions",
            )
        )
    if len(images.samples):
        figures.append(_samples(images))
    verdict = f"The reconstruction explains {text.percent(analysis.model.reconstruction_r2)} of the variance."
    return Chapter("images", "Reconstructions and samples", verdict, side_by_side(*figures)) if figures else None


def _samples(images: Images) -> Figure:
    n, groups = len(images.samples), set(images.sample_labels)
    lines, columns = math.ceil(min(n, 48) / 12), min(n, 12)
    alt = f"Images decoded from {n:,} draws of the prior."
    how = "They should look like the data; repeats mean that the model knows few of them."
    if groups != {""}:
        lines, columns = len(groups), min(max(map(images.sample_labels.count, groups)), 12)
        alt = f"Images decoded from {n:,} draws of the prior, one row for each of {len(groups)} classes."
        how = "Each row should show its class in different styles; repeats mean that the model knows few."
    return Figure(
        lambda ax: plots.class_samples(ax, images.samples, images.sample_labels),
        (6.0, mosaic_height(images.samples, lines, columns)),
        alt=alt,
        how=how,
        name="samples",
    )


def mosaic_height(images: NDArray[np.float32], lines: int, columns: int) -> float:
    """Return the height in inches at which tiles fill a width of about five inches."""
    height, width = images.shape[1:3]
    tile = min(5.2 / columns, 0.62)
    return float(np.clip(0.6 + lines * 1.12 * tile * height / max(width, 1), 1.2, 18))
