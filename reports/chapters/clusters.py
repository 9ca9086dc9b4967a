"""Which clusters there are, and what sets them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from aaetools.reports import text
from aaetools.reports.blocks import FOLD, Chapter, Figure, Note, Stack, Table, facts, side_by_side
from aaetools.reports.chapters.rows import draw_map, is_known, labels_of, map_size, thin

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis, Clustering, Interval, Proportion

__all__ = ["clusters_chapter"]

_SMALL = 0.2
"""Effects below this, in standard deviations, are not listed (Cohen 1988)."""


def clusters_chapter(analysis: Analysis) -> Chapter:
    """Return the chapter."""
    found, rows = analysis.clustering, analysis.tables.rows
    pairs = [
        ("Method", text.shorten(text.method_name(found.method), 80)),
        ("Number of clusters", text.count(found.n_clusters)),
        ("Why this number", text.shorten(found.reason, 300)),
    ]
    if found.n_noise:
        pairs.append(("Rows in no cluster (noise)", f"{found.n_noise:,} ({text.share(found.n_noise, found.n)})"))
    kind, name = ("umap", "UMAP") if is_known(rows, "umap_x") else ("latent", "Latent codes")
    shown, remark = thin(rows[rows[f"{kind}_x"].notna() & rows[f"{kind}_y"].notna()], by="cluster")
    names = [None if pd.isna(cluster) or cluster < 0 else str(int(cluster)) for cluster in shown["cluster"]]
    order = [str(cluster) for cluster in sorted({int(cluster) for cluster in names if cluster is not None})]
    figures = []
    if len(shown):
        figures.append(
            Figure(
                draw_map(kind, shown, names, order, f"{name} by cluster", unlabeled_name="noise"),
                map_size(len(order)),
                alt=f"{name} of {len(shown):,} rows, coloured by the {found.n_clusters} clusters found.",
                how="Colours and numbers name clusters, not classes; a cluster should be one connected group." + remark,
                name="clusters",
            )
        )
    about, sizes = facts("How the clusters were found", pairs), _cluster_sizes(analysis)
    measures = _cluster_measures(found)
    notes = tuple(map(Note, found.notes))
    blocks = (*side_by_side(*figures, Stack((about, *notes))), measures, sizes, *_named_rows(found))
    return Chapter("clusters", "Clusters", text.shorten(found.verdict, 400), blocks)


def _cluster_measures(found: Clustering) -> Table:
    """Return agreement with labels and separation, each with its interval, where it was measured."""
    measures: list[tuple[str, Interval | Proportion | None]] = []
    if found.agreement is not None:
        agreement = found.agreement
        measures += [
            ("Accuracy, clusters matched with classes one to one", agreement.accuracy),
            ("Accuracy, clusters named by their surest row", agreement.paper_accuracy),
            ("Purity", agreement.purity),
            ("Adjusted Rand index (1: identical, 0: chance)", agreement.adjusted_rand),
            ("Adjusted mutual information (1: identical, 0: chance)", agreement.adjusted_mutual_info),
            ("V-measure, or normalised mutual information", agreement.v_measure),
            ("Homogeneity", agreement.homogeneity),
            ("Completeness", agreement.completeness),
        ]
    if found.separation is not None:
        measures += [
            ("Silhouette (1: well apart, 0: touching)", found.separation.silhouette),
            ("Davies-Bouldin index (lower is better)", found.separation.davies_bouldin),
            ("Calinski-Harabasz index (higher is better)", found.separation.calinski_harabasz),
            ("Stability on parts of the rows (1: always the same)", found.separation.stability),
        ]
    lines = tuple(
        (name, text.number(value.value), f"{text.number(value.low)} to {text.number(value.high)}", text.count(value.n))
        for name, value in measures
        if value is not None
    )
    return Table("How good the clusters are", ("measure", "value", "95% interval", "rows"), lines)


def _named_rows(found: Clustering) -> tuple[Table, ...]:
    """Return the rows in the middle of each cluster and at its edge, where rows have names."""
    lines = tuple(
        (
            str(profile.cluster),
            ", ".join(text.shorten(row, 24) for row in profile.typical_ids) or text.MISSING,
            ", ".join(text.shorten(row, 24) for row in profile.unusual_ids) or text.MISSING,
        )
        for profile in found.profiles
        if profile.typical_ids
    )
    columns = ("cluster", "most typical rows, nearest to its mean first", "most unusual rows, farthest first")
    return (Table("Rows to look at in each cluster", columns, lines, folded=len(lines) > FOLD),) if lines else ()


def _cluster_sizes(analysis: Analysis) -> Table:
    rows = analysis.tables.rows
    apart = {
        profile.cluster: ", ".join(
            f"{text.shorten(effect.feature, 30)} {'+' if effect.effect.value > 0 else ''}"
            f"{text.number(effect.effect.value, 2)}"
            for effect in profile.features[:3]
            if abs(effect.effect.value) >= _SMALL
        )
        for profile in analysis.clustering.profiles
    }
    known = pd.Series(labels_of(rows, "label_true"), index=rows.index, dtype=object)
    known = known.where(known.notna(), pd.Series(labels_of(rows, "label_given"), index=rows.index, dtype=object))
    lines = []
    for cluster, size in enumerate(analysis.clustering.sizes):
        tally = known[rows["cluster"] == cluster].value_counts()
        common = text.MISSING
        if len(tally):
            # Of equally common labels the first in order: the order of rows must not matter.
            label = min(tally.index[tally == tally.iloc[0]])
            common = f"{text.shorten(label, 40)} ({tally.iloc[0]:,} of {int(tally.sum()):,})"
        features = apart.get(cluster) or text.MISSING
        lines.append((str(cluster), text.count(size), text.share(size, len(rows)), common, features))
    noise = int((rows["cluster"] == -1).sum())
    if noise:
        lines.append(("noise", text.count(noise), text.share(noise, len(rows)), text.MISSING, text.MISSING))
    columns = ("cluster", "rows", "share", "most common known label", "set apart by (standard deviations)")
    kept = [i for i in range(5) if i < 3 or (known.notna().any() if i == 3 else any(apart.values()))]
    cells = tuple(tuple(line[i] for i in kept) for line in lines)
    return Table("Each cluster", tuple(columns[i] for i in kept), cells, folded=len(lines) > FOLD)
