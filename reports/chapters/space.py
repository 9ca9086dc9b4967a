"""Whether the latent space is faithful, and what lies between its classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
from numpy.typing import NDArray

from aaetools.reports import plots, text
from aaetools.reports.blocks import Block, Chapter, Figure, Note, Table, side_by_side
from aaetools.reports.chapters.images import mosaic_height

if TYPE_CHECKING:
    import numpy as np

    from aaetools.analysis.results import Analysis, DataSummary, Interval, LatentSpace

__all__ = ["space_chapter"]

_PROFILED = 12
_MAX_PROFILES = 20
"""Features and classes that the picture of decoded centres shows; the run folder holds them all."""


def space_chapter(analysis: Analysis) -> Chapter | None:
    """Return the chapter, None where there is nothing to say."""
    found, images, profiles = analysis.latent_space, analysis.tables.images, analysis.tables.profiles
    blocks: list[Block] = []
    if found is not None:
        blocks += _neighbourhoods(found)
    if images is not None and images.walks is not None and len(images.walks):
        blocks.append(_walked(images.walks, images.walk_names, analysis.data.classes))
    if profiles is not None and len(profiles):
        blocks.append(_profiled(profiles, analysis.data))
    if not blocks:
        return None
    verdict = "Decoded codes on the way through the latent space." if found is None else found.verdict
    return Chapter("space", "Is the latent space faithful?", text.shorten(verdict, 500), tuple(blocks))


def _neighbourhoods(found: LatentSpace) -> tuple[Block, ...]:
    """Return how far neighbours stay neighbours, and the room that the codes take."""
    at = found.neighbours.index(found.k)
    kept = ", ".join(
        f"{text.shorten(part.space, 24)} ({part.n_axes} axes) {text.percent(part.recall[at].value)} of those in "
        f"the {part.of}"
        for part in found.preservation
    )
    figures = (
        [
            Figure(
                lambda ax: plots.neighbour_recall(ax, found),
                (5.7, 1.7 + 0.36 * len(found.preservation)),
                alt=f"Share of the {found.k} nearest neighbours that are kept: {kept}.",
                how="Further right is better. Squares are PCA with as many axes, which keeps distances and knows no "
                "labels; codes that were taught classes pull these apart and keep fewer neighbours of the features.",
                name="neighbours",
            )
        ]
        if found.preservation
        else []
    )
    figures.append(
        Figure(
            lambda ax: plots.axis_spread(ax, found.spread, found.dead_axes),
            (5.0, 3.0),
            alt=f"Standard deviation of the codes along {text.count(found.n_axes, 'latent axis', 'latent axes')}, "
            f"from {text.number(min(found.spread))} to {text.number(max(found.spread))}; "
            f"{len(found.dead_axes) or 'none'} of them dead.",
            how="An axis without spread says nothing about any row; axes need not be equally long.",
            name="axis-spread",
        )
    )
    prior = "" if found.prior_dimension is None else f"; draws from the prior {text.number(found.prior_dimension)}"
    rows = {"holdout": "held-out", "train": "training", "all": "training and held-out"}[found.split]
    words = Note(
        f"Measured on {text.count(found.n_compared)} {rows} rows (seed {found.random_state}), neighbours among these. "
        "Trustworthiness falls where rows come near that are far in truth, continuity where near rows are torn apart "
        f"(Venna and Kaski 2001): 1 is perfect, {text.number(found.chance_trustworthiness)} is chance. Brackets "
        "hold 95% intervals of the jackknife over rows. Effective dimension (participation "
        f"ratio) {_with_interval(found.effective_dimension, text.number)} of {found.n_axes}{prior}; "
        f"{text.count(found.n_components_95, 'principal component holds', 'principal components hold')} 95% of the "
        "variance of the codes."
    )
    lines = tuple(
        (
            text.shorten(part.space, 40),
            text.count(part.n_axes),
            part.of,
            _with_interval(part.trustworthiness, text.number),
            _with_interval(part.continuity, text.number),
            *(_with_interval(recall, text.percent) for recall in part.recall),
        )
        for part in found.preservation
    )
    columns = (
        "neighbours in",
        "axes",
        "of those in",
        f"trustworthiness ({found.k})",
        f"continuity ({found.k})",
        *(f"kept of {k}" for k in found.neighbours),
    )
    table = Table("Neighbours that stay neighbours", columns, lines, folded=True)
    notes = [Note(note) for note in found.notes]
    return (*side_by_side(*figures), words, *notes, *((table,) if lines else ()))


def _walked(walks: NDArray[np.float32], names: tuple[str, ...], classes: tuple[str, ...]) -> Figure:
    how = (
        "Each row goes from one class's centre to the next's. The ends should be clear pictures; between classes that "
        "the prior keeps apart there were no codes in training, and what is decoded there is a guess."
    )
    if len(classes) > max(len(names), 2):
        how += f" The first {len(names)} of {len(classes)} ways are shown."
    if not classes:
        how = "Each row goes from -2 to 2 standard deviations along a main axis of the codes, and shows what it does."
    return Figure(
        lambda ax: plots.walks(ax, walks, names),
        (6.0, mosaic_height(walks[0], len(names), walks.shape[1])),
        alt=f"Images decoded along {text.count(len(names), 'way')} through the latent space: "
        f"{text.shorten(', '.join(names), 200)}.",
        how=how,
        name="walks",
    )


def _profiled(profiles: pd.DataFrame, data: DataSummary) -> Figure:
    """Return the features in which the decoded centres differ most."""
    spread = profiles["std"].where(profiles["std"] > 0)
    score = ((profiles["decoded"] - profiles["mean"]) / spread).groupby(profiles["feature"], sort=False).std(ddof=0)
    chosen = score.sort_values(ascending=False, kind="stable").index[:_PROFILED].tolist()
    names = list(dict.fromkeys(profiles["name"]))
    known = [name for name in names if name in set(names[:_MAX_PROFILES])]
    what = "each class's centre" if data.classes else "codes 2 standard deviations along the main axes"
    shares = ", of words, booleans and gaps their probability" if data.encodings else ""
    more = f" The {len(chosen)} features that differ most are shown." if len(score) > len(chosen) else ""
    return Figure(
        lambda ax: plots.feature_profiles(ax, profiles[profiles["name"].isin(known)], chosen),
        (2.6 + 0.62 * len(known), 1.5 + 0.3 * len(chosen)),
        alt=f"Heat map of {text.count(len(chosen), 'feature')}, decoded from {what}, beside the mean of the training "
        "rows.",
        how=f"Numbers are decoded values in the data's units{shares}; blue is above the mean of the training rows, "
        f"magenta below it, deepest from two standard deviations on.{more}",
        name="profiles",
    )


def _with_interval(number: Interval, write: Callable[[float], str]) -> str:
    return f"{write(number.value)} [{write(number.low)}, {write(number.high)}]"
