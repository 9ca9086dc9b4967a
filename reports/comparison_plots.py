"""Figures that compare runs, as small functions: `(ax, data) -> ax`.

As in :mod:`aaetools.reports.plots`, they draw on the axes that they are given and touch nothing else. A run keeps its
colour and marker in all of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter
from numpy.typing import ArrayLike

from aaetools.reports.figures import INK, MUTED, PAPER
from aaetools.reports.plots import MARKERS, PALETTE, class_cells
from aaetools.reports.text import in_figure, number, percent

if TYPE_CHECKING:
    from aaetools.analysis.results import Interval

__all__ = [
    "accuracy_intervals",
    "agreement_matrix",
    "class_differences",
    "confusion_difference",
    "overlaid_curves",
    "paired_differences",
    "run_styles",
]

_DASHES = ("-", "--", "-.", ":")


def run_styles(names: Sequence[str]) -> dict[str, tuple[str, str, str]]:
    """Return colour, marker and dash of each run; all three change, so that none of them is needed alone."""
    return {
        name: (PALETTE[i % len(PALETTE)], MARKERS[i % len(MARKERS)], _DASHES[i % len(_DASHES)])
        for i, name in enumerate(names)
    }


def accuracy_intervals(ax: Axes, names: Sequence[str], accuracies: Sequence[Interval | None]) -> Axes:
    """Draw the accuracy of each run with its 95% interval, in the order given; runs without one are left out."""
    styles = run_styles(names)
    known = [(name, value) for name, value in zip(names, accuracies, strict=True) if value is not None]
    for y, (name, value) in enumerate(known):
        color, marker, _ = styles[name]
        ax.plot([value.low, value.high], [y, y], color=color, lw=2.6, solid_capstyle="round")
        ax.plot(value.value, y, marker, color=color, ms=8, mec=PAPER, mew=1)
        ax.annotate(percent(value.value), (value.high, y), xytext=(7, 0), textcoords="offset points", va="center",
                    color=INK, fontsize=9)  # fmt: skip
    low = min((value.low for _, value in known), default=0.0)
    high = max((value.high for _, value in known), default=1.0)
    left = max(0.0, math.floor(20 * low - 0.5) / 20)
    ax.set_xlim(left, high + 0.14 * (high - left))
    _name_lines(ax, [name for name, _ in known])
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))
    ax.set_xlabel("accuracy on the run's own hold-out rows (%, bar: 95% interval)")
    ax.set_title("Accuracy of each run")
    return ax


def paired_differences(ax: Axes, labels: Sequence[str], differences: Sequence[Interval], clear: Sequence[bool]) -> Axes:
    """Draw differences of accuracy with their 95% intervals around the line of no difference.

    Parameters
    ----------
    labels
        What each difference is of, one per line from top to bottom.
    differences
        In shares, not points.
    clear
        Whether the difference stands after correction for many tests; such lines are coloured.
    """
    for y, (difference, stands) in enumerate(zip(differences, clear, strict=True)):
        color = (PALETTE[0] if difference.value > 0 else PALETTE[2]) if stands else MUTED
        ends = [difference.low, difference.high]
        if all(map(math.isfinite, ends)):
            ax.plot(ends, [y, y], color=color, lw=2.6, solid_capstyle="round")
        ax.plot(difference.value, y, "D" if stands else "o", color=color, ms=7, mec=PAPER, mew=1)
    ax.axvline(0, color=INK, lw=1.1, ls="--")
    ax.margins(x=0.06)
    _name_lines(ax, labels, limit=60)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(_signed_points))
    ax.set_xlabel("difference in accuracy (percentage points, bar: 95% interval)")
    ax.set_title("Differences on the same rows")
    handles = [
        Line2D([], [], color=PALETTE[0], marker="D", lw=2, label="better"),
        Line2D([], [], color=PALETTE[2], marker="D", lw=2, label="worse"),
        Line2D([], [], color=MUTED, marker="o", lw=2, label="may be chance"),
    ]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, -0.55 / (0.42 * len(labels) + 0.35)), ncols=3)
    return ax


def class_differences(
    ax: Axes,
    classes: Sequence[str],
    differences: Mapping[str, Sequence[Interval | None]],
    styles: Mapping[str, tuple[str, str, str]],
) -> Axes:
    """Draw how much more of each class runs find than the first one does, on the same rows.

    Parameters
    ----------
    differences
        By run, one difference of recall per class in the order of ``classes``; None where there is none.
    styles
        From :func:`run_styles`.
    """
    offsets = np.linspace(-0.28, 0.28, len(differences)) if len(differences) > 1 else np.zeros(1)
    many = len(differences) * len(classes) > 60
    for offset, (name, values) in zip(offsets, differences.items(), strict=True):
        color, marker, _ = styles[name]
        for y, value in enumerate(values):
            if value is None:
                continue
            ax.plot([value.low, value.high], [y + offset] * 2, color=color, lw=0.8 if many else 1.5, alpha=0.75)
            ax.plot(value.value, y + offset, marker, color=color, ms=4 if many else 6, mec=PAPER, mew=0.6)
    ax.axvline(0, color=INK, lw=1.1, ls="--")
    _name_lines(ax, classes, limit=24)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(_signed_points))
    handles = [
        Line2D([], [], color=styles[name][0], marker=styles[name][1], lw=1.5, label=in_figure(name, 24))
        for name in differences
    ]
    if len(handles) > 1:
        _legend_right(ax, handles)
    ax.set_xlabel("difference in recall (percentage points, bar: 95% interval)")
    ax.set_ylabel("true class")
    ax.set_title("Which classes are found more or less often")
    return ax


def confusion_difference(ax: Axes, difference: ArrayLike, classes: Sequence[str], *, title: str = "") -> Axes:
    """Draw one confusion matrix less another on the same rows: better in blue, worse in magenta.

    More hits and fewer errors are better. Up to 20 classes show their counts.

    Parameters
    ----------
    difference
        Counts, shape (K, K); row = true class, column = predicted class.
    """
    counts = np.asarray(difference, dtype=np.int64)
    n_classes = len(classes)
    better = np.where(np.eye(n_classes, dtype=bool), counts, -counts) > 0
    pixels = np.zeros((n_classes, n_classes, 4))
    pixels[..., :3] = np.where(better[..., None], to_rgb(PALETTE[0]), to_rgb(PALETTE[2]))
    pixels[..., 3] = 0.9 * np.sqrt(np.abs(counts) / max(1, int(np.abs(counts).max(initial=1))))
    class_cells(ax, pixels, counts, "{:+,}", classes)
    ax.set_title(in_figure(title or "Change of the confusion matrix (rows)", 60))
    return ax


def overlaid_curves(
    ax: Axes, histories: Mapping[str, pd.DataFrame], column: str, *, title: str, unit: str, share: bool = False
) -> Axes:
    """Draw one column of the training history of several runs over the epochs, logarithmic where it spans a lot.

    Lines are running means over a fiftieth of a run's epochs, so that several of them can be told apart.

    Parameters
    ----------
    histories
        By run, one line per epoch, with the column ``epoch``; runs without ``column`` are left out.
    share
        Whether the values are shares in [0, 1], to be shown in per cent.
    """
    styles, every = run_styles(list(histories)), []
    for name, history in histories.items():
        if column not in history:
            continue
        window = max(1, len(history) // 50)
        values = history[column].rolling(window, center=True, min_periods=1).mean().to_numpy(float)
        epochs = history["epoch"].to_numpy(float) if "epoch" in history else np.arange(1, len(history) + 1)
        color, marker, dash = styles[name]
        ax.plot(epochs, values, color=color, ls=dash, lw=1.4, marker=marker if len(values) == 1 else "",
                label=in_figure(name, 24))  # fmt: skip
        every.append(values[np.isfinite(values)])
    seen = np.concatenate(every) if every else np.empty(0)
    if share:
        ax.axhline(0.5, color=INK, ls="--", lw=1)
        ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    elif seen.size and seen.min() > 0 and seen.max() / seen.min() > 30:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.margins(x=0.01)
    if ax.lines:
        _legend_right(ax, ax.get_legend_handles_labels()[0])
    ax.set_xlabel("epoch")
    ax.set_ylabel(unit)
    ax.set_title(title)
    return ax


def agreement_matrix(ax: Axes, values: ArrayLike, names: Sequence[str]) -> Axes:
    """Draw how alike the clusters of runs are, deeper for more alike.

    Parameters
    ----------
    values
        Adjusted Rand index between runs, shape (n, n), NaN where it is not known.
    """
    index = np.asarray(values, dtype=float)
    n = len(names)
    pixels = np.zeros((n, n, 4))
    pixels[..., :3] = to_rgb(PALETTE[0])
    pixels[..., 3] = 0.85 * np.clip(np.nan_to_num(index), 0, 1)
    ax.imshow(pixels, interpolation="none", aspect="equal")
    size = 8.5 if n <= 8 else 6.5
    for i in range(n):
        for j in range(n):
            shown = number(index[i, j], 2)
            ax.text(j, i, shown, ha="center", va="center", color="white" if pixels[i, j, 3] > 0.55 else INK,
                    fontsize=size)  # fmt: skip
    shown_names = [in_figure(name, 22) for name in names]
    ax.set_xticks(range(n), shown_names, rotation=35, ha="right", rotation_mode="anchor", fontsize=size)
    ax.set_yticks(range(n), shown_names, fontsize=size)
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_title("How alike the clusters are (adjusted Rand index)")
    return ax


def _name_lines(ax: Axes, names: Sequence[str], limit: int = 32) -> None:
    """Give each line of a chart its name, the first on top."""
    ax.set_yticks(range(len(names)), [in_figure(name, limit) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)


def _signed_points(share: float, _: object = None) -> str:
    points = round(100 * share, 6) + 0.0
    return f"{points:+.4g}".replace("-", "\N{MINUS SIGN}") if points else "0"


def _legend_right(ax: Axes, handles: Sequence[Artist]) -> None:
    ax.legend(handles=list(handles), loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)
