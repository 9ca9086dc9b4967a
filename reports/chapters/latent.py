"""Where the encoder puts the rows, and where the prior wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aaetools.reports import plots, text
from aaetools.reports.blocks import Chapter, Figure, Note, side_by_side
from aaetools.reports.chapters.rows import coordinates, labels_of, map_size, n_known, thin

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["latent_chapter"]


def latent_chapter(analysis: Analysis) -> Chapter:
    """Return the chapter."""
    where, classes = analysis.latent_map, analysis.data.classes
    n_dims = analysis.model.n_components
    line = where.kind == "axes" and n_dims == 1

    def draw(rows: pd.DataFrame, labels: str | None, title: str, wrong: NDArray[np.bool_] | None = None) -> Any:
        return lambda ax: plots.latent_map(
            ax,
            *coordinates(rows, "latent"),
            None if labels is None else labels_of(rows, labels),
            classes=classes,
            prior=analysis.tables.prior_samples,
            mistakes=wrong,
            x_name=where.x_name,
            y_name=where.y_name,
            title=title,
        )

    size, figures = map_size(len(classes)), []
    shown, remark = thin(analysis.tables.rows)
    if analysis.data.n_labeled:
        given = n_known(shown, "label_given")
        how = "Coloured points should lie inside the line of their colour: it holds 90% of the prior's draws."
        if line:
            how = "Each filled curve should lie on the dashed one of its colour, which is the prior's."
        figures.append(
            Figure(
                draw(shown, "label_given", "Latent codes by given label"),
                size,
                alt=f"Latent codes of {len(shown):,} rows; the {given:,} with a given label are coloured, "
                "the others grey. Lines outline the prior's part of each class.",
                how=how + remark,
                name="latent-by-given-label",
            )
        )
    if n_known(shown, "label_true"):
        known = shown[shown["label_true"].notna()]
        truth, predicted = labels_of(known, "label_true"), labels_of(known, "label_pred")
        wrong = np.array([b is not None and a != b for a, b in zip(truth, predicted, strict=True)])
        how = "These rows came without a label: crosses should be few and lie between groups, not inside them."
        if line:
            how = "These rows came without a label: the curves should stay apart and follow the dashed ones."
        figures.append(
            Figure(
                draw(known, "label_true", "Hold-out rows by true label", wrong),
                size,
                alt=f"Latent codes of {len(known):,} hold-out rows by true label; "
                f"{text.count(int(wrong.sum()), 'wrong prediction')} among them.",
                how=how,
                name="latent-holdout",
            )
        )
    if not figures:
        how = "The cloud should fill the outline, which holds 90% of the prior's draws, without holes."
        if line:
            how = "The filled curve should lie on the dashed one, which is the prior's."
        figures.append(
            Figure(
                draw(shown, None, "Latent codes and the prior's outline"),
                size,
                alt=f"Latent codes of {len(shown):,} rows with an outline of the prior.",
                how=how + remark,
                name="latent",
            )
        )
    x_name, y_name = text.shorten(where.x_name, 40), text.shorten(where.y_name, 40)
    axes = f"The axes are {x_name} and {y_name} of {text.count(n_dims, 'latent dimension')}."
    if line:
        axes = f"There is one latent dimension, {x_name}."
    elif where.kind == "classes":
        axes = (
            f"The {text.count(n_dims, 'latent dimension')} are shown in the plane that lays the prior's classes on a "
            "circle, and the prior in the same projection."
        )
    elif where.kind == "pca":
        axes = (
            f"The {text.count(n_dims, 'latent dimension')} are shown along their two main axes (principal "
            "components), and the prior in the same projection."
        )
    verdict = "Where the encoder puts the rows, and where the prior wants them."
    return Chapter("latent", "Latent map", verdict, (*side_by_side(*figures), Note(axes)))
