"""The table of rows as chapters show it: labels, coordinates, maps."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from aaetools.reports import plots

__all__ = ["MAX_POINTS", "coordinates", "draw_map", "is_known", "labels_of", "map_size", "n_known", "thin"]

MAX_POINTS = 20_000
"""Maps show at most this many rows, the same share of every group; the caption says so."""


def draw_map(
    kind: str,
    rows: pd.DataFrame,
    labels: list[str | None],
    classes: tuple[str, ...] | list[str],
    title: str,
    unlabeled_name: str = "no label",
) -> Callable[[Axes], Axes]:
    """Return what draws a map of rows in the plane of UMAP or of the latent codes."""
    x, y = coordinates(rows, kind)
    if kind == "latent":
        return lambda ax: plots.latent_map(ax, x, y, labels, classes=classes, title=title)
    return lambda ax: plots.umap_map(ax, x, y, labels, classes=classes, title=title, unlabeled_name=unlabeled_name)


def labels_of(table: pd.DataFrame, name: str) -> list[str | None]:
    """Return the labels in a column, None where missing or where there is no such column."""
    if name not in table:
        return [None] * len(table)
    return [None if pd.isna(label) else str(label) for label in table[name]]


def n_known(table: pd.DataFrame, name: str) -> int:
    """Return how many rows have a value in a column."""
    return int(table[name].notna().sum()) if name in table else 0


def is_known(table: pd.DataFrame, name: str) -> bool:
    """Return whether any row has a value in a column."""
    return n_known(table, name) > 0


def coordinates(table: pd.DataFrame, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where rows lie in the plane of a kind of map, "latent" or "umap"."""
    return table[f"{kind}_x"].to_numpy(np.float64), table[f"{kind}_y"].to_numpy(np.float64)


def thin(rows: pd.DataFrame, by: str = "label_pred") -> tuple[pd.DataFrame, str]:
    """Return at most :data:`MAX_POINTS` rows with the same share of each group, and a remark that says so."""
    if len(rows) <= MAX_POINTS:
        return rows, ""
    groups = np.array(list(map(str, rows[by])) if by in rows else [""] * len(rows))
    picked = np.sort(np.argsort(groups, kind="stable")[:: math.ceil(len(rows) / MAX_POINTS)])
    return rows.iloc[picked], f" Drawn: {len(picked):,} of {len(rows):,} rows, the same share of each group."


def map_size(n_classes: int) -> tuple[float, float]:
    """Return width and height in inches of a map whose legend names so many classes."""
    return (5.5, 4.4) if n_classes <= plots.MANY_CLASSES else (8.8, 5.6)
