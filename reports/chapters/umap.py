"""The UMAP picture of the latent codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaetools.reports import text
from aaetools.reports.blocks import Chapter, Figure, Note, settings, side_by_side
from aaetools.reports.chapters.rows import draw_map, is_known, labels_of, map_size, n_known, thin

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["umap_chapter"]


def umap_chapter(analysis: Analysis) -> Chapter | None:
    """Return the chapter, None where there is nothing to say."""
    rows, how_made = analysis.tables.rows, analysis.latent_map.umap
    if how_made is None:
        return None
    if "skipped" in how_made or not is_known(rows, "umap_x"):
        reason = text.shorten(str(how_made.get("skipped", "it was not computed")), 300)
        return Chapter("umap", "UMAP of the latent codes", f"There is no UMAP picture: {reason}.", ())
    classes = analysis.data.classes
    shown, remark = thin(rows[rows["umap_x"].notna() & rows["umap_y"].notna()])
    plans = [
        (
            "label_given",
            "UMAP by given label",
            "Groups of neighbours should hold labels of one colour; training had no label for grey rows.",
        ),
        (
            "label_pred",
            "UMAP by predicted class",
            "A group whose prediction differs from the given labels inside it deserves a look.",
        ),
    ]
    figures = [
        Figure(
            draw_map("umap", shown, labels_of(shown, column), classes, title),
            map_size(len(classes)),
            alt=f"{title}: {n_known(shown, column):,} of {len(shown):,} rows are coloured, the others grey.",
            how=how + remark,
            name=f"umap-by-{column.removeprefix('label_')}-label",
        )
        for column, title, how in plans
        if n_known(shown, column)
    ] or [
        Figure(
            draw_map("umap", shown, [None] * len(shown), (), "UMAP of the latent codes"),
            map_size(0),
            alt=f"UMAP of the latent codes of {len(shown):,} rows.",
            how="Rows close together have similar codes; gaps suggest groups." + remark,
            name="umap",
        )
    ]
    listed = ", ".join(f"{name} = {value}" for name, value in settings(how_made)) or "defaults"
    words = Note(
        "UMAP keeps neighbours together; distances between groups and the sizes of groups mean little. "
        f"Settings: {listed}."
    )
    verdict = "Which rows are neighbours of which."
    return Chapter("umap", "UMAP of the latent codes", verdict, (*side_by_side(*figures), words))
