"""Figures as small functions: `(ax, data) -> ax`.

Each function draws on the axes it is given, titles and labels them, and returns them. None of them touches
pyplot or changes a global setting; call them under :func:`style` for the report's look:

>>> from matplotlib.figure import Figure
>>> from aaetools.reports import plots
>>> with plots.style():
...     ax = plots.confusion_matrix(Figure().add_subplot(), [[9, 1], [0, 10]], ["cat", "dog"])
>>> ax.get_xlabel()
'predicted class'

Labels are data: they are shortened, and a dollar sign in them is a dollar sign.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, PercentFormatter
from numpy.typing import ArrayLike, NDArray

from aaetools.reports.figures import GRID, INK, MUTED, PAPER, style
from aaetools.reports.text import in_figure, method_name, number, percent

if TYPE_CHECKING:
    from aaetools.analysis.results import CalibrationCurve, GoodnessOfFit, LabelEffect, LatentSpace, MethodScore

__all__ = [
    "MANY_CLASSES",
    "MARKERS",
    "PALETTE",
    "accuracy_bars",
    "axis_spread",
    "calibration_curve",
    "class_cells",
    "class_samples",
    "class_styles",
    "confusion_matrix",
    "discriminator_curve",
    "feature_profiles",
    "image_pairs",
    "label_curves",
    "latent_map",
    "neighbour_recall",
    "prior_match_grid",
    "prior_outline",
    "statistic_name",
    "style",
    "training_curves",
    "umap_map",
    "walks",
]

PALETTE = (
    "#0078b4",
    "#e1b400",
    "#c30078",
    "#2dd2b4",
    "#874b0f",
    "#690ff0",
    "#788700",
    "#e16978",
    "#b4a5ff",
    "#c35aff",
)
"""Ten colours that stay apart with normal, protan, deutan and tritan vision, on light and on dark ground.

Found by maximising the least OKLab distance (0.10; other sets of ten in common use have 0.03) over the four
ways of seeing, as simulated after Machado et al. (2009), among colours that stand out from both grounds.
"""

MARKERS = ("o", "^", "s", "D", "X", "v", "P", "<", ">")
"""Shapes that set apart classes of the same colour: ten colours x five shapes serve 50 classes."""

MANY_CLASSES = 14
"""With more classes, maps want more room, and their names more than one column."""

UNLABELED_COLOR = "#98a1b1"
_VERDICT_COLORS = {"met": PALETTE[0], "close": PALETTE[1], "not met": PALETTE[2]}
_PILL = {"boxstyle": "round,pad=0.12", "facecolor": PAPER, "edgecolor": "none", "alpha": 0.78}
_STATISTIC_NAMES = {
    "mmd": "MMD",
    "sliced_wasserstein": "sliced Wasserstein",
    "max_sliced_wasserstein": "max-sliced Wasserstein",
    "frechet": "Frechet",
    "knn_kl": "nearest-neighbour KL",
    "axes": "worst axis",
    "weights": "component weights",
    "discriminator": "fresh discriminator",
}


def class_styles(classes: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return colour and marker of each class; the first ten differ by colour alone."""
    return {
        label: (PALETTE[i % len(PALETTE)], MARKERS[i // len(PALETTE) % len(MARKERS)]) for i, label in enumerate(classes)
    }


def statistic_name(name: str) -> str:
    """Return a statistic's name as it is written for readers."""
    return _STATISTIC_NAMES.get(name, name.replace("_", " "))


def accuracy_bars(
    ax: Axes, model: MethodScore, baselines: Sequence[MethodScore] = (), *, chance: float | None = None
) -> Axes:
    """Draw accuracies with their 95% intervals, best on top and the model highlighted.

    Points with interval bars instead of solid bars, because the axis need not start at zero for them and
    methods that differ by one percent can be told apart.
    """
    scores = sorted([model, *baselines], key=lambda score: (score.accuracy.value, score is model))
    for y, score in enumerate(scores):
        accuracy, chosen = score.accuracy, score is model
        color = PALETTE[0] if chosen else MUTED
        ax.plot(
            [accuracy.low, accuracy.high],
            [y, y],
            color=color,
            lw=3.2 if chosen else 2,
            solid_capstyle="round",
        )
        ax.plot(accuracy.value, y, "o", color=color, ms=9 if chosen else 7, mec=PAPER, mew=1)
        ax.annotate(
            percent(accuracy.value),
            (accuracy.high, y),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=INK,
            fontsize=9,
            fontweight="bold" if chosen else "normal",
        )
    low = min(score.accuracy.low for score in scores)
    left = max(0.0, math.floor(20 * low - 0.5) / 20)
    if chance is not None and chance >= left:
        ax.axvline(chance, color=MUTED, ls=":", lw=1.2)
        ax.annotate("chance", (chance, 1), xycoords=("data", "axes fraction"), xytext=(4, -9), color=MUTED,
                    textcoords="offset points", fontsize=8)  # fmt: skip
    right = max(score.accuracy.high for score in scores)
    ax.set_xlim(left, right + 0.13 * (right - left))
    ax.set_ylim(-0.6, len(scores) - 0.4)
    ax.set_yticks(range(len(scores)), [in_figure(method_name(score.name), 32) for score in scores])
    for tick, score in zip(ax.get_yticklabels(), scores, strict=True):
        tick.set_fontweight("bold" if score is model else "normal")
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%"))
    rows = sorted({score.accuracy.n for score in scores})
    where = f"accuracy on {rows[-1]:,} rows" if len(rows) == 1 else "accuracy"
    ax.set_xlabel(f"{where} (%, bar: 95% interval)")
    ax.set_title("Accuracy of the model and of the baselines" if baselines else "Accuracy of the model")
    return ax


def confusion_matrix(ax: Axes, confusion: ArrayLike, classes: Sequence[str]) -> Axes:
    """Draw a confusion matrix: hits in blue, errors in magenta, deeper for a larger share of a class.

    Parameters
    ----------
    confusion
        Counts, shape (K, K); row = true class, column = predicted class. Up to 20 classes show their counts.
    """
    counts = np.asarray(confusion, dtype=np.int64)
    n_classes = len(classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pixels = np.zeros((n_classes, n_classes, 4))
    pixels[..., :3] = to_rgb(PALETTE[2])
    pixels[np.diag_indices(n_classes)] = to_rgba(PALETTE[0])
    # Errors are rare: the square root makes one row in fifty visible.
    pixels[..., 3] = np.where(np.eye(n_classes, dtype=bool), 0.85 * shares, 0.9 * np.sqrt(shares))
    class_cells(ax, pixels, counts, "{:,}", classes)
    ax.set_title("True class against predicted class (rows)")
    return ax


def class_cells(ax: Axes, pixels: NDArray[Any], counts: NDArray[Any], form: str, classes: Sequence[str]) -> None:
    """Draw one coloured cell per true and predicted class, with its count where there are up to 20 classes.

    Parameters
    ----------
    pixels
        Colours, shape (K, K, 4); row = true class, column = predicted class.
    counts, form
        Numbers, shape (K, K), of which those other than 0 are written, and how.
    """
    n_classes = len(classes)
    ax.imshow(pixels, interpolation="none", aspect="equal")
    size = 9 if n_classes <= 12 else 7 if n_classes <= 20 else 6 if n_classes <= 36 else 5
    if n_classes <= 20:
        for i, j in zip(*np.nonzero(counts), strict=True):
            color = "white" if pixels[i, j, 3] > 0.55 else INK
            written = form.format(counts[i, j]).replace("-", "\N{MINUS SIGN}")
            ax.text(j, i, written, ha="center", va="center", color=color, fontsize=size)
    names = [in_figure(label, 14) for label in classes]
    rotated = max(map(len, names), default=0) > (4 if n_classes <= 12 else 1)
    ax.set_xticks(range(n_classes), names, rotation=90 if rotated else 0, fontsize=size)
    ax.set_yticks(range(n_classes), names, fontsize=size)
    ax.tick_params(length=0)
    ax.set_xticks(np.arange(n_classes + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(n_classes + 1) - 0.5, minor=True)
    ax.tick_params(which="minor", length=0)
    ax.grid(False)
    ax.grid(True, which="minor", color=GRID, lw=0.7 if n_classes <= 20 else 0.3)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")


def calibration_curve(ax: Axes, curve: CalibrationCurve) -> Axes:
    """Draw how often predictions are right against how sure the model is of them, one point per bin.

    On the dashed line confidence means what it says (DeGroot and Fienberg 1983); areas grow with the bins' rows.
    """
    n_rows = sum(each.accuracy.n for each in curve.bins)
    ax.plot([0, 1], [0, 1], color=INK, ls="--", lw=1.1, label="confidence = accuracy")
    for each in curve.bins:
        ax.plot([each.confidence] * 2, [each.accuracy.low, each.accuracy.high], color=PALETTE[0], lw=1.6, alpha=0.7)
        size = 30 + 260 * each.accuracy.n / n_rows
        ax.scatter(each.confidence, each.accuracy.value, s=size, color=PALETTE[0], ec=PAPER, lw=1, zorder=3)
    low = min([each.confidence for each in curve.bins] + [each.accuracy.low for each in curve.bins], default=0.0)
    left = math.floor(10 * low) / 10
    for axis, limit in ((ax.xaxis, ax.set_xlim), (ax.yaxis, ax.set_ylim)):
        limit(left - 0.04 * (1 - left), 1 + 0.04 * (1 - left))
        axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10], prune=None))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g}%" if 0 <= value <= 1 else ""))
    handles = [
        Line2D([], [], color=INK, ls="--", lw=1.1, label="confidence = accuracy"),
        Line2D([], [], color=PALETTE[0], marker="o", lw=1.6, label="a bin and its 95% interval"),
    ]
    ax.legend(handles=handles, loc="upper left")
    ax.set_xlabel("confidence (%, mean of the bin)")
    ax.set_ylabel("rows that are right (%)")
    ax.set_title("How often the model is right when it is sure")
    return ax


def label_curves(ax: Axes, effect: LabelEffect) -> Axes:
    """Draw held-out accuracy against the number of labels: the model, baselines, permuted labels and none.

    Lines join means over draws, bars are 95% intervals; what was found without labels is a level, not a curve.
    """
    sizes = effect.labels_per_class
    handles: list[Line2D] = []
    for index, curve in enumerate(effect.curves):
        color = PALETTE[0] if index == 0 else MUTED
        where = [size * (1 + 0.025 * (index - len(effect.curves) / 2)) for size in sizes]
        values = [accuracy.value for accuracy in curve.accuracy]
        for x, accuracy in zip(where, curve.accuracy, strict=True):
            ax.plot([x, x], [accuracy.low, accuracy.high], color=color, lw=2.4 if index == 0 else 1.2, alpha=0.8)
        handles += ax.plot(
            where,
            values,
            color=color,
            marker=MARKERS[index % len(MARKERS)],
            ms=7 if index == 0 else 5,
            mec=PAPER,
            lw=2.2 if index == 0 else 1.1,
            zorder=4 if index == 0 else 3,
            label=in_figure(method_name(effect.model if index == 0 else curve.method), 30),
        )
    for curve, dash in zip(effect.without, ("--", ":"), strict=False):
        name = in_figure(f"without labels: {method_name(curve.method)}", 44)
        handles.append(ax.axhline(curve.accuracy[0].value, color=PALETTE[4], ls=dash, lw=1.3, label=name))
    if effect.permuted is not None:
        leak = effect.permuted
        ax.plot([leak.labels_per_class] * 2, [leak.accuracy.low, leak.accuracy.high], color=PALETTE[2], lw=1.6)
        handles += ax.plot(
            leak.labels_per_class,
            leak.accuracy.value,
            "X",
            color=PALETTE[2],
            ms=8,
            mec=PAPER,
            label="permuted labels",
        )
    chance = ax.axhline(1 / max(len(effect.classes), 1), color=INK, ls=(0, (1, 3)), lw=1.2, label="chance")
    handles.append(chance)
    ax.set_xscale("log")
    ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.tick_params(axis="x", which="minor", length=0)
    ax.set_xlim(sizes[0] / 1.25, sizes[-1] * 1.25)
    ax.set_ylim(0, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    _legend_right(ax, handles)
    ax.set_xlabel("labels per class (number)")
    ax.set_ylabel(f"accuracy on {effect.n_test:,} rows (%)")
    ax.set_title("Accuracy against the number of labels")
    return ax


def latent_map(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    labels: Sequence[Any] | None = None,
    *,
    classes: Sequence[str] | None = None,
    prior: pd.DataFrame | None = None,
    mistakes: ArrayLike | None = None,
    x_name: str = "z0",
    y_name: str = "z1",
    title: str = "Latent codes and the prior's outline",
) -> Axes:
    """Draw latent codes in their plane, coloured by label, with the outline of the prior around them.

    Codes that lie on a line (one latent dimension) are drawn as one density per class instead.

    Parameters
    ----------
    x, y
        Coordinates in the plane, shape (n,).
    labels
        One label per row, missing (None, NaN, pd.NA) where a row has none; None for no labels at all.
    classes
        Classes in the order of their colours; the sorted labels when not given.
    prior
        Draws from the prior with the columns ``label`` ("" without classes), ``latent_x`` and ``latent_y``;
        the outline encloses the densest 90% of each class's draws.
    mistakes
        Boolean, shape (n,): rows to mark with a cross.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    names, classes = _labels_and_classes(labels, len(x), classes)
    finite_y = y[np.isfinite(y)]
    if finite_y.size == 0 or np.ptp(finite_y) < 1e-12:
        return _latent_line(ax, x, names, classes, prior, x_name, title)
    _scatter(ax, x, y, names, classes)
    styles = class_styles(classes)
    if prior is not None:
        for label, draws in prior.groupby(prior["label"].astype(str), sort=False):
            color = styles[label][0] if label in styles else INK
            prior_outline(ax, draws["latent_x"].to_numpy(float), draws["latent_y"].to_numpy(float), color)
    if mistakes is not None:
        wrong = np.asarray(mistakes, dtype=bool)
        n_wrong = int(wrong.sum())
        # Many crosses are drawn small, so that what lies below them can be seen.
        size, width = (34, 1.3) if n_wrong <= 60 else (11, 0.8)
        ax.scatter(x[wrong], y[wrong], marker="x", s=size, lw=width, color=INK, zorder=4, rasterized=n_wrong > 400)
    _name_classes(
        ax,
        x,
        y,
        names,
        classes,
        extra=[
            *([Line2D([], [], color=INK, lw=1.2, label="prior, 90%")] if prior is not None and len(prior) else []),
            *([_legend_dot(INK, "x", "wrong prediction")] if mistakes is not None and np.any(mistakes) else []),
        ],
    )
    ax.set_aspect("equal", adjustable="datalim")
    ax.set_xlabel(_axis_name(x_name))
    ax.set_ylabel(_axis_name(y_name))
    ax.set_title(title)
    return ax


def prior_outline(ax: Axes, x: NDArray[Any], y: NDArray[Any], color: str = INK) -> Axes:
    """Draw the line that encloses the densest 90% of draws, shape (n,) each; nothing where they have no area."""
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if len(x) < 5 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return ax
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # degenerate clouds have no outline
        sns.kdeplot(x=x, y=y, ax=ax, levels=[0.1], color=color, linewidths=1.4, gridsize=60, bw_adjust=1.15, zorder=3)
    return ax


def umap_map(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    labels: Sequence[Any] | None = None,
    *,
    classes: Sequence[str] | None = None,
    title: str = "UMAP of the latent codes",
    unlabeled_name: str = "no label",
) -> Axes:
    """Draw a UMAP picture by label, prediction or cluster; rows without one lie below in light grey."""
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    names, classes = _labels_and_classes(labels, len(x), classes)
    _scatter(ax, x, y, names, classes)
    _name_classes(ax, x, y, names, classes, unlabeled_name=unlabeled_name)
    ax.set_aspect("equal", adjustable="datalim")
    # Distances and directions of UMAP carry no unit: numbers on the axes would only pretend to.
    ax.tick_params(labelbottom=False, labelleft=False, length=0)
    ax.grid(False)
    ax.set_xlabel("UMAP 1 (no unit)")
    ax.set_ylabel("UMAP 2 (no unit)")
    ax.set_title(title)
    return ax


def image_pairs(ax: Axes, originals: ArrayLike, reconstructions: ArrayLike, *, columns: int = 10) -> Axes:
    """Draw each original with its reconstruction right below it.

    Parameters
    ----------
    originals, reconstructions
        Shape (n, height, width) or (n, height, width, channels), in the same units.
    """
    above, below = _as_tiles(originals), _as_tiles(reconstructions)
    n = min(len(above), len(below))
    low, high = _value_range(above[:n])
    columns = max(1, min(columns, n))
    rows = [part[start : start + columns] for start in range(0, n, columns) for part in (above[:n], below[:n])]
    centers = _draw_mosaic(ax, rows, columns, low, high, pair=2)
    ax.set_yticks(centers, ["original", "reconstruction"] * (len(rows) // 2))
    ax.set_title(f"Originals, with their reconstructions below ({n} rows)")
    return ax


def class_samples(ax: Axes, samples: ArrayLike, sample_labels: Sequence[str], *, columns: int = 12) -> Axes:
    """Draw images that were decoded from prior draws, one row of images per class.

    Parameters
    ----------
    samples
        Shape (n, height, width) or (n, height, width, channels).
    sample_labels
        One label per sample, "" for draws from the whole prior.
    """
    tiles = _as_tiles(samples)
    groups: dict[str, list[int]] = {}
    for i, label in enumerate(sample_labels):
        groups.setdefault(label, []).append(i)
    columns = max(1, min(columns, max(map(len, groups.values()), default=1)))
    if set(groups) == {""}:  # no classes: fill a block instead of one long row
        chunks = [groups[""][i : i + columns] for i in range(0, min(len(tiles), 4 * columns), columns)]
        names = [""] * len(chunks)
    else:
        chunks = [indices[:columns] for indices in groups.values()]
        names = [in_figure(label, 18) if label else "whole prior" for label in groups]
    low, high = _value_range(tiles)
    centers = _draw_mosaic(ax, [tiles[chunk] for chunk in chunks], columns, low, high)
    ax.set_yticks(centers, names)
    ax.set_title("Images decoded from prior draws" + (", one row per class" if any(names) else ""))
    return ax


def training_curves(
    ax: Axes,
    history: pd.DataFrame,
    terms: Sequence[str] | None = None,
    *,
    title: str = "Losses during training",
) -> Axes:
    """Draw loss terms over the epochs; the axis is logarithmic where they span more than a factor of 30.

    Parameters
    ----------
    history
        One line per epoch, with the column ``epoch``.
    terms
        Columns to draw; every column that ends in "_loss" when not given.
    """
    terms = [name for name in history.columns if name.endswith("_loss")] if terms is None else list(terms)
    epochs = _epochs(history)
    for term, color, dash in zip(terms, PALETTE * 5, ("-", "--", "-.", ":") * 13, strict=False):
        name = in_figure(term.removesuffix("_loss").replace("_", " "), 28)
        ax.plot(epochs, history[term].to_numpy(float), color=color, ls=dash, label=name, marker=_lone(epochs))
    values = history[terms].to_numpy(float)
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() / values.min() > 30:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    if len(terms) > 1:
        ax.legend(loc="upper right", ncols=1 + (len(terms) > 5))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.margins(x=0.01)
    ax.set_xlabel("epoch")
    ax.set_ylabel("loss (mean per row)")
    ax.set_title(title)
    return ax


def discriminator_curve(ax: Axes, history: pd.DataFrame) -> Axes:
    """Draw the discriminator's accuracy, with the 50% that theory asks for and the alarm at 98%."""
    epochs = _epochs(history)
    accuracy = history["discriminator_accuracy"].to_numpy(float)
    ax.axhspan(0.98, 1.02, color=PALETTE[2], alpha=0.22, lw=0)
    ax.axhline(0.5, color=INK, ls="--", lw=1.1)
    ax.plot(epochs, accuracy, color=PALETTE[0], lw=1.2, marker=_lone(epochs))
    edge = ax.get_yaxis_transform()
    for height, note in ((0.47, "coin toss (50%)"), (0.96, "alarm (above 98%)")):
        ax.text(0.99, height, note, transform=edge, ha="right", va="top", color=INK, fontsize=8.5, bbox=_PILL)
    ax.set_ylim(min(0.3, float(np.nanmin(accuracy, initial=0.3))) - 0.02, 1.02)
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.margins(x=0.01)
    ax.set_xlabel("epoch")
    ax.set_ylabel("discriminator's accuracy (%)")
    ax.set_title("How often the discriminator tells codes from prior draws")
    return ax


def prior_match_grid(ax: Axes, results: Sequence[GoodnessOfFit]) -> Axes:
    """Draw a grid of distances from the prior, one line per scope and one column per statistic.

    Numbers are ``effect_ratio``, in units of what fresh prior samples reach; colours are verdicts.
    """
    scopes = list(dict.fromkeys(result.scope for result in results))
    statistics = list(dict.fromkeys(result.statistic for result in results))
    cells = {(scopes.index(result.scope), statistics.index(result.statistic)): result for result in results}
    pixels = np.zeros((len(scopes), len(statistics), 4))
    for place, result in cells.items():
        pixels[place] = to_rgba(_VERDICT_COLORS[result.verdict], 0.85 if result.verdict == "not met" else 0.6)
    ax.imshow(pixels, interpolation="none", aspect="auto")
    size = 8.5 if len(scopes) <= 16 else 6.5
    for (i, j), result in cells.items():
        color = "white" if result.verdict == "not met" else INK
        ax.text(j, i, number(result.effect_ratio, 2), ha="center", va="center", color=color, fontsize=size)
    names = [in_figure(statistic_name(name), 28) for name in statistics]
    ax.set_xticks(range(len(statistics)), names, rotation=35, ha="left", rotation_mode="anchor")
    ax.xaxis.tick_top()
    ax.set_yticks(range(len(scopes)), [in_figure(scope, 24) for scope in scopes], fontsize=size)
    ax.set_xticks(np.arange(len(statistics) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(scopes) + 1) - 0.5, minor=True)
    ax.tick_params(which="both", length=0)
    ax.grid(False)
    ax.grid(True, which="minor", color=PAPER, lw=1.5)
    ax.spines[:].set_visible(False)
    verdicts = [verdict for verdict in _VERDICT_COLORS if any(result.verdict == verdict for result in results)]
    handles = [_legend_dot(_VERDICT_COLORS[verdict], "s", verdict) for verdict in verdicts]
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(0.0, -0.01), ncols=3, handletextpad=0.4)
    ax.set_ylabel("codes of")
    ax.set_title("Distance from the prior / 95% quantile of fresh samples")
    return ax


def neighbour_recall(ax: Axes, found: LatentSpace) -> Axes:
    """Draw which share of the nearest neighbours each space keeps, with 95% intervals, beside PCA and chance."""
    at = found.neighbours.index(found.k)
    parts = sorted(found.preservation, key=lambda part: (part.of == "codes", -part.n_axes))
    names, y, heights = [], 0.0, []
    for i, part in enumerate(parts):
        y += 1.6 if i and part.of != parts[i - 1].of else float(i > 0)
        recall, reference = part.recall[at], part.space == "PCA"
        color = MUTED if reference else PALETTE[0]
        ax.plot([recall.low, recall.high], [y, y], color=color, lw=2 if reference else 3.2, solid_capstyle="round")
        ax.plot(recall.value, y, "s" if reference else "o", color=color, ms=6 if reference else 8, mec=PAPER, mew=1)
        ax.annotate(percent(recall.value, 0), (recall.high, y), xytext=(7, 0), textcoords="offset points", va="center",
                    color=INK, fontsize=9)  # fmt: skip
        names.append(f"{in_figure(part.space, 24)}, {part.n_axes} {'axes' if part.n_axes > 1 else 'axis'}")
        heights.append(y)
    for of in dict.fromkeys(part.of for part in parts):
        top = min(height for height, part in zip(heights, parts, strict=True) if part.of == of)
        ax.annotate(f"neighbours in the {of}:", (0, top - 0.62), xycoords=("axes fraction", "data"), color=MUTED,
                    fontsize=8.5, va="center", xytext=(4, 0), textcoords="offset points", bbox=_PILL)  # fmt: skip
    ax.axvline(found.chance[at], color=MUTED, ls=":", lw=1.2)
    ax.annotate("chance", (found.chance[at], 0), xycoords=("data", "axes fraction"), xytext=(4, 4), color=MUTED,
                textcoords="offset points", fontsize=8)  # fmt: skip
    ax.set_xlim(0, 1.12 if any(part.recall[at].high > 0.88 for part in parts) else 1.0)
    ax.set_ylim(heights[-1] + 0.6, heights[0] - 1.0)
    ax.set_yticks(heights, names)
    ax.tick_params(axis="y", length=0)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    ax.set_xticks(np.linspace(0, 1, 6))
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel(f"kept of the {found.k} nearest (%, bar: 95% interval)")
    ax.set_title("Neighbours that stay neighbours")
    return ax


def axis_spread(ax: Axes, spread: Sequence[float], dead: Sequence[int] = ()) -> Axes:
    """Draw the standard deviation of the codes along each latent axis; dead axes are marked."""
    heights = np.asarray(spread, dtype=float)
    axes = np.arange(len(heights))
    ax.bar(axes, heights, width=0.7, color=PALETTE[0], lw=0)
    if len(dead):
        ax.plot(list(dead), heights[list(dead)], ls="", marker="x", color=PALETTE[2], ms=8, mew=2, label="dead axis")
        ax.legend(loc="upper right")
    ax.set_xlim(-0.7, len(heights) - 0.3)
    ax.set_ylim(0, max(float(heights.max(initial=0)), 1e-3) * 1.1)
    ax.xaxis.set_major_locator(MaxNLocator(12, integer=True))
    ax.grid(False, axis="x")
    ax.set_xlabel("latent axis (number)")
    ax.set_ylabel("standard deviation (latent units)")
    ax.set_title("Spread of the codes along each axis")
    return ax


def walks(ax: Axes, images: ArrayLike, names: Sequence[str]) -> Axes:
    """Draw decoded ways through the latent space, one row of images each.

    Parameters
    ----------
    images
        Shape (n_walks, n_steps, height, width) or (n_walks, n_steps, height, width, channels).
    names
        Where each way leads.
    """
    array = np.asarray(images, dtype=np.float64)
    n_walks, n_steps = array.shape[:2]
    tiles = _as_tiles(array.reshape(-1, *array.shape[2:]))
    low, high = _value_range(tiles)
    rows = list(tiles.reshape(n_walks, n_steps, *tiles.shape[1:]))
    centers = _draw_mosaic(ax, rows, n_steps, low, high)
    ax.set_yticks(centers, [in_figure(name, 24) for name in names])
    ax.set_title(f"Decoded ways through the latent space, {n_steps} steps each")
    return ax


def feature_profiles(ax: Axes, profiles: pd.DataFrame, features: Sequence[str] | None = None) -> Axes:
    """Draw decoded values of features as a heat map: blue above the feature's mean, magenta below it.

    Parameters
    ----------
    profiles
        Columns ``name``, ``feature``, ``decoded``, ``mean`` and ``std``, as in ``Tables.profiles``.
    features
        Which to draw, in this order; all of them when not given.
    """
    names = list(dict.fromkeys(profiles["name"]))
    features = list(dict.fromkeys(profiles["feature"])) if features is None else list(features)
    cells = profiles.drop_duplicates(["name", "feature"]).set_index(["name", "feature"])
    cells = cells.reindex(pd.MultiIndex.from_product([features, names]).swaplevel())
    values, mean, std = (
        cells[column].to_numpy(float).reshape(len(features), len(names)) for column in ("decoded", "mean", "std")
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.nan_to_num((values - mean) / std, posinf=0.0, neginf=0.0)
    pixels = np.empty((*score.shape, 4))
    pixels[..., :3] = np.where(score[..., None] >= 0, to_rgb(PALETTE[0]), to_rgb(PALETTE[2]))
    pixels[..., 3] = 0.85 * np.minimum(np.abs(score) / 2, 1)
    ax.imshow(pixels, interpolation="none", aspect="auto")
    if len(names) <= 12:
        for i, j in np.ndindex(*values.shape):
            color = "white" if pixels[i, j, 3] > 0.55 else INK
            ax.text(j, i, number(float(values[i, j])), ha="center", va="center", color=color, fontsize=8)
    rotated = max((len(in_figure(name, 18)) for name in names), default=0) > (8 if len(names) <= 8 else 3)
    ax.set_xticks(range(len(names)), [in_figure(name, 18) for name in names], rotation=90 if rotated else 0)
    ax.set_yticks(range(len(features)), [in_figure(feature, 30) for feature in features])
    ax.tick_params(length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("decoded code of")
    ax.set_ylabel("feature (its own unit)")
    ax.set_title("Features that the decoder makes of each code")
    return ax


def _axis_name(name: str) -> str:
    """Return the name of a latent axis with its unit, unless it says more than its number already."""
    return in_figure(name, 56) if "(" in name else f"{in_figure(name, 40)} (latent units)"


def _labels_and_classes(
    labels: Sequence[Any] | None, n: int, classes: Sequence[str] | None
) -> tuple[NDArray[np.object_], list[str]]:
    """Return one string or None per row, and the classes in order."""
    names = np.full(n, None, dtype=object)
    if labels is not None:
        given = pd.Series(list(labels), dtype=object)
        known = given.notna().to_numpy()
        names[known] = [str(label) for label in given[known]]
    if classes is None:
        classes = sorted({name for name in names if name is not None})
    return names, list(classes)


def _scatter(ax: Axes, x: NDArray[Any], y: NDArray[Any], names: NDArray[np.object_], classes: Sequence[str]) -> None:
    styles = class_styles(classes)
    known = np.array([name in styles for name in names], dtype=bool)
    size = float(np.clip(9000 / max(len(x), 1), 3, 26))
    if not classes:
        ax.scatter(x, y, s=size, color=PALETTE[0], alpha=0.7, lw=0, rasterized=True)
        return
    ax.scatter(x[~known], y[~known], s=size, color=UNLABELED_COLOR, alpha=0.45, lw=0, rasterized=True, zorder=1)
    # A few labelled rows among many must be found: they are drawn larger.
    size = float(np.clip(9000 / max(int(known.sum()), 1), size, 26))
    order = np.random.default_rng(0).permutation(np.flatnonzero(known))
    for marker in MARKERS:
        part = [i for i in order if styles[names[i]][1] == marker]
        if part:
            colors = [styles[names[i]][0] for i in part]
            ax.scatter(x[part], y[part], s=size, c=colors, marker=marker, alpha=0.85, lw=0, rasterized=True, zorder=2)


def _latent_line(
    ax: Axes,
    x: NDArray[Any],
    names: NDArray[np.object_],
    classes: Sequence[str],
    prior: pd.DataFrame | None,
    x_name: str,
    title: str,
) -> Axes:
    """Draw codes of one latent dimension as densities."""
    styles = class_styles(classes)
    groups = [(label, x[names == label], styles[label][0]) for label in classes]
    rest = x[~np.isin(names.astype(str), list(classes))] if classes else x
    groups.append(("no label" if classes else "codes", rest, UNLABELED_COLOR if classes else PALETTE[0]))
    handles: list[Line2D] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for label, values, color in groups:
            values = values[np.isfinite(values)]
            if len(values) > 1 and np.ptp(values) > 0:
                sns.kdeplot(x=values, ax=ax, color=color, fill=True, alpha=0.3, lw=1.4, cut=1)
                handles.append(Line2D([], [], color=color, lw=4, label=in_figure(label, 20)))
        if prior is not None and len(prior) > 1:
            for label, draws in prior.groupby(prior["label"].astype(str), sort=False):
                color = styles[label][0] if label in styles else INK
                sns.kdeplot(x=draws["latent_x"].to_numpy(float), ax=ax, color=color, ls="--", lw=1.3, cut=1)
            handles.append(Line2D([], [], color=INK, lw=1.3, ls="--", label="prior"))
    _legend_right(ax, handles)
    ax.set_xlabel(_axis_name(x_name))
    ax.set_ylabel("density (1 / latent unit)")
    ax.set_title(title)
    return ax


def _name_classes(
    ax: Axes,
    x: NDArray[Any],
    y: NDArray[Any],
    names: NDArray[np.object_],
    classes: Sequence[str],
    *,
    extra: Sequence[Line2D] = (),
    unlabeled_name: str = "no label",
) -> None:
    """List the classes beside the picture; names that are short enough stand in it, too."""
    styles = class_styles(classes)
    present = [label for label in classes if np.any(names == label)]
    few = len(present) <= MANY_CLASSES
    shown = {label: in_figure(label, 20 if few else 12) for label in present}
    if present and max(map(len, shown.values())) <= (8 if few else 3):
        size = 10 if few else 7.5
        anchors = np.array([_middle(x[names == label], y[names == label]) for label in present])
        for label, (at_x, at_y) in zip(present, _apart(anchors, ax, size), strict=True):
            ax.text(
                at_x,
                at_y,
                shown[label],
                ha="center",
                va="center",
                fontsize=size,
                fontweight="bold",
                color=INK,
                zorder=6,
                bbox=_PILL,
            )
    handles = [*(_legend_dot(*styles[label], shown[label]) for label in present), *extra]
    if classes and any(name not in styles for name in names):
        handles.append(_legend_dot(UNLABELED_COLOR, "o", unlabeled_name))
    _legend_right(ax, handles)


def _middle(x: NDArray[Any], y: NDArray[Any]) -> tuple[float, float]:
    """Return the row nearest to the median, which lies inside a bent cloud even if the median does not."""
    keep = np.isfinite(x) & np.isfinite(y)
    if not keep.any():
        return math.nan, math.nan
    x, y = x[keep], y[keep]
    nearest = int(np.argmin((x - np.median(x)) ** 2 + (y - np.median(y)) ** 2))
    return float(x[nearest]), float(y[nearest])


def _apart(anchors: NDArray[Any], ax: Axes, size: float) -> NDArray[Any]:
    """Push names that would cover each other apart."""
    limits = np.array([ax.get_xlim(), ax.get_ylim()])
    span = np.maximum(np.ptp(limits, axis=1), 1e-12)
    box = np.array([0.0055, 0.0045]) * size  # half a short name, as a share of the axes
    spots = (anchors - limits[:, 0]) / span
    for _ in range(60):
        moved = False
        for i in range(len(spots)):
            gap = (spots[i] - spots) / box
            near = np.abs(gap).max(axis=1) < 1
            near[i] = False
            for j in np.flatnonzero(near):
                push = gap[j] if np.any(gap[j]) else np.array([0.0, 1.0 if i > j else -1.0])
                spots[i] += 0.35 * box * push / max(float(np.abs(push).max()), 1e-9)
                moved = True
        if not moved:
            break
    return np.asarray(np.clip(spots, 0.01, 0.99) * span + limits[:, 0])


def _legend_dot(color: str, marker: str, name: str) -> Line2D:
    return Line2D([], [], ls="", marker=marker, color=color, ms=6.5, mew=1.4 if marker == "x" else 0, label=name)


def _legend_right(ax: Axes, handles: Sequence[Line2D]) -> None:
    if handles:
        ax.legend(
            handles=list(handles),
            loc="upper left",
            bbox_to_anchor=(1.01, 1.0),
            borderaxespad=0.0,
            handletextpad=0.4,
            handlelength=1.4,
            ncols=1 if len(handles) <= MANY_CLASSES + 4 else 2 if len(handles) <= 36 else 3,
            columnspacing=0.8,
        )


def _as_tiles(images: ArrayLike) -> NDArray[np.float64]:
    """Return images as (n, height, width, 3), no side longer than 64 pixels."""
    tiles = np.asarray(images, dtype=np.float64)
    if tiles.ndim == 3:
        tiles = tiles[..., None]
    if tiles.ndim != 4:
        raise ValueError(f"images must have 3 or 4 dimensions, not {tiles.ndim}")
    step = math.ceil(max(tiles.shape[1:3], default=1) / 64)
    if step > 1:
        height, width = (tiles.shape[1] // step) * step, (tiles.shape[2] // step) * step
        n, channels = tiles.shape[0], tiles.shape[3]
        tiles = tiles[:, :height, :width].reshape(n, height // step, step, width // step, step, channels)
        tiles = tiles.mean(axis=(2, 4))
    # One or two channels are shown as grey (the first), three or more as their first three.
    return np.repeat(tiles[..., :1], 3, axis=-1) if tiles.shape[-1] < 3 else tiles[..., :3]


def _value_range(tiles: NDArray[np.float64]) -> tuple[float, float]:
    finite = tiles[np.isfinite(tiles)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low, low + 1.0)


def _draw_mosaic(
    ax: Axes, rows: Sequence[NDArray[np.float64]], columns: int, low: float, high: float, *, pair: int = 1
) -> list[float]:
    """Draw rows of tiles as one image; return the middle of each row. `pair` rows stand close together."""
    height, width = rows[0].shape[1:3] if rows else (1, 1)
    gap = max(1, round(width / 10))
    tops = [i * (height + gap) + (i // pair) * (gap if pair > 1 else 0) for i in range(len(rows))]
    canvas = np.zeros(((tops[-1] if tops else 0) + height, columns * (width + gap) - gap, 4))
    for top, row in zip(tops, rows, strict=True):
        for j, tile in enumerate(row):
            left = j * (width + gap)
            canvas[top : top + height, left : left + width, :3] = np.nan_to_num((tile - low) / (high - low))
            canvas[top : top + height, left : left + width, 3] = 1.0
    ax.imshow(np.clip(canvas, 0, 1), interpolation="none", aspect="equal")
    ax.set_xticks([])
    ax.tick_params(axis="y", length=0)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    return [top + (height - 1) / 2 for top in tops]


def _epochs(history: pd.DataFrame) -> NDArray[Any]:
    return history["epoch"].to_numpy(float) if "epoch" in history else np.arange(1, len(history) + 1, dtype=float)


def _lone(epochs: NDArray[Any]) -> str:
    """Return the marker for a curve: a line of one epoch needs a dot to be seen."""
    return "o" if len(epochs) == 1 else ""
