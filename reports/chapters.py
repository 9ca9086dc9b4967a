"""The chapters of a report, one function each: `(analysis) -> Chapter`, or None without anything to say.

A new chapter is one function and one entry in :data:`CHAPTERS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from aaetools.reports import plots, text
from aaetools.reports.blocks import (
    Block,
    Chapter,
    Figure,
    Listing,
    Note,
    Table,
    Tone,
    facts,
    figure,
    side_by_side,
)
from aaetools.reports.summary import VERDICTS, farthest

if TYPE_CHECKING:
    from aaetools.analysis.results import (
        Analysis,
        Classification,
        Clustering,
        Images,
        Interval,
        LabelAudit,
        LatentSpace,
        Proportion,
        ShareEstimate,
        Suggestions,
    )

__all__ = ["CHAPTERS", "MAX_POINTS"]

MAX_POINTS = 20_000
"""Maps show at most this many rows, the same share of every group; the caption says so."""

_FOLD = 12
"""Tables with more lines than this are folded away at first."""

_LISTED_ROWS = 10
"""Rows that a table of rows shows; the analysis holds them all."""

_SMALL = 0.2
"""Effects below this, in standard deviations, are not listed (Cohen 1988)."""

_PROFILED = 12
_MAX_PROFILES = 20
"""Features and classes that the picture of decoded centres shows; the run folder holds them all."""

_CURVE_SIZE = (5.5, 3.2)

_MAX_AXES = 5
"""Axes shown of the per-axis tests."""


def _data(analysis: Analysis) -> Chapter:
    data = analysis.data
    pairs = [
        ("Source", text.shorten(data.source, 300)),
        ("Rows for training", text.count(data.n_train)),
        ("Rows held out", text.count(data.n_holdout)),
        ("Rows with a label in training", f"{data.n_labeled:,} ({text.share(data.n_labeled, data.n_train)})"),
        ("Features", text.count(data.n_features)),
        ("Classes", text.count(len(data.classes))),
    ]
    if data.target_name is not None:
        pairs.append(("Label column", text.shorten(data.target_name)))
    if data.image_shape is not None:
        pairs.append(("Image size", " \N{MULTIPLICATION SIGN} ".join(map(str, data.image_shape)) + " pixels"))
    blocks: list[Block] = [facts("The data", pairs)]
    if data.classes:
        lines = tuple(
            (text.shorten(label), text.count(n), text.share(n, data.n_labeled))
            for label, n in zip(data.classes, data.labeled_per_class, strict=True)
        )
        columns = ("class", "rows with a label", "share")
        budget = Table("Labels given to training", columns, lines, folded=len(lines) > _FOLD)
        blocks = [*side_by_side(facts("The data", pairs), budget)]
    if data.feature_names:
        names = tuple(text.shorten(name, 40) for name in data.feature_names[:300])
        caption = "Feature names"
        if len(names) < len(data.feature_names):
            caption += f" (the first {len(names)} of {len(data.feature_names):,})"
        blocks.append(Listing(caption, names))
    verdict = f"{text.count(data.n_train + data.n_holdout, 'row')}; training had no labels."
    if data.n_labeled:
        verdict = (
            f"{text.count(data.n_train + data.n_holdout, 'row')}, of which {text.count(data.n_labeled)} had "
            "a label that training could use."
        )
    return Chapter("data", "Data and label budget", verdict, tuple(blocks))


def _accuracy(analysis: Analysis) -> Chapter | None:
    found = analysis.classification
    if found is None:
        return None
    model, n_classes = found.model, len(found.classes)
    scores = sorted([model, *found.baselines], key=lambda score: (-score.accuracy.value, score is not model))
    listed = ", ".join(f"{text.shorten(text.method_name(s.name), 40)} {text.percent(s.accuracy.value)}" for s in scores)
    bars = figure(
        lambda ax: plots.accuracy_bars(ax, model, found.baselines, chance=1 / max(n_classes, 1)),
        (5.5, 1.4 + 0.5 * len(scores)),
        alt=f"Accuracy with 95% intervals: {listed}.",
        how="Further right is better; where two bars overlap widely, the difference may be chance.",
    )
    side = float(np.clip(2.2 + 0.27 * n_classes, 3.6, 8.8))
    hits = sum(found.confusion[i][i] for i in range(n_classes))
    matrix = figure(
        lambda ax: plots.confusion_matrix(ax, found.confusion, found.classes),
        (side, side),
        alt=f"Confusion matrix of {n_classes} classes: {hits:,} of {model.accuracy.n:,} rows lie on the "
        "diagonal. The table per class holds the numbers.",
        how="Each line of the matrix is a true class: blue cells on the diagonal are hits, magenta cells are "
        "rows taken for another class.",
    )
    remarks = any(score.note for score in scores)
    methods = Table(
        f"Accuracy on {text.count(model.accuracy.n, 'row')}",
        ("method", "accuracy", "95% interval", "remark")[: 4 if remarks else 3],
        tuple(
            (
                text.shorten(text.method_name(score.name), 60),
                text.percent(score.accuracy.value),
                text.interval(score.accuracy),
                text.shorten(score.note, 160),
            )[: 4 if remarks else 3]
            for score in scores
        ),
    )
    per_class = Table(
        "Each class",
        ("class", "rows", "recall", "95% interval", "precision", "F1"),
        tuple(
            (
                text.shorten(score.label),
                text.count(score.n),
                text.percent(score.recall.value),
                text.interval(score.recall),
                text.percent(score.precision),
                text.number(score.f1),
            )
            for score in found.per_class
        ),
        folded=n_classes > _FOLD,
    )
    words = Note(
        f"Balanced accuracy, the mean of the classes' recalls: {text.percent(found.balanced_accuracy)}. "
        "Recall is the share of a class's rows that were found, precision the share of rows with this "
        "prediction that deserve it, F1 their harmonic mean. Intervals are Wilson's."
    )
    blocks = (*side_by_side(bars, matrix), *side_by_side(methods, per_class), words, *_probabilities(found))
    return Chapter("accuracy", "Accuracy beside the baselines", text.shorten(found.verdict, 400), blocks)


def _probabilities(found: Classification) -> tuple[Block, ...]:
    """Return a table of what else there is to say of each method, and how to read it."""
    kinds = [("prior", (found.model,)), ("latent codes", found.probes), ("features", found.baselines)]
    lines = []
    for source, methods in kinds:
        for method in methods:
            if method.scores is None:
                continue
            scores, curve = method.scores, method.scores.calibration
            lines.append(
                (
                    text.shorten(text.method_name(method.name), 60),
                    source,
                    text.percent(method.accuracy.value),
                    _with_interval(scores.macro_f1, text.number),
                    _with_interval(scores.log_loss, text.number),
                    _with_interval(scores.brier, text.number),
                    _with_interval(None if curve is None else curve.error, text.percent),
                )
            )
    if not lines:
        return ()
    columns = (
        "method",
        "learns from",
        "accuracy",
        "macro F1",
        "log loss",
        "Brier score",
        "calibration error",
    )
    own = None if found.model.scores is None else found.model.scores.calibration
    bound = text.percent(None if own is None else own.error_if_calibrated)
    words = Note(
        f"Brackets hold 95% intervals from {found.n_bootstrap:,} bootstrap draws of the rows (seed "
        f"{found.random_state}). Log loss and Brier score judge the probabilities, and lower is better: 0 is perfect. "
        "The calibration error is the mean gap between confidence and accuracy over 15 bins of equal width: were the "
        f"model calibrated, its error would stay below {bound} in 95% of samples. Its own probabilities are shares of "
        "the prior's density and not calibrated; the command aaetools classify does that with --calibrate."
    )
    return Table("Predictions and probabilities", columns, tuple(lines)), words


def _with_interval(number: Interval | None, write: Callable[[float], str]) -> str:
    if number is None:
        return text.MISSING
    return f"{write(number.value)} [{write(number.low)}, {write(number.high)}]"


def _label_questions(analysis: Analysis) -> Chapter | None:
    found = analysis.labels
    parts = (found.effect, found.audit, found.suggestions, found.novel_classes, found.shares)
    verdicts = [part.verdict for part in parts if part is not None]
    if not verdicts:
        return None
    blocks: list[Block] = [Note(text.clean(verdict)) for verdict in verdicts[1:]]
    if found.audit is not None and found.audit.suspects:
        blocks.append(_suspects(analysis, found.audit))
    if found.suggestions is not None and found.suggestions.rows:
        blocks.append(_suggested(analysis, found.suggestions))
    if found.shares is not None:
        blocks.append(_shares(found.shares))
    return Chapter("labels", "Labels: doubtful, missing, next", text.shorten(verdicts[0], 400), tuple(blocks))


def _suspects(analysis: Analysis, audit: LabelAudit) -> Table:
    ids = analysis.tables.rows["row"]
    lines = tuple(
        (
            text.shorten(str(ids.iloc[suspect.row])),
            text.shorten(suspect.given),
            text.shorten(suspect.predicted),
            text.percent(suspect.p_given),
            "yes" if suspect.flagged else "no",
        )
        for suspect in audit.suspects[:_LISTED_ROWS]
    )
    columns = ("row", "given label", "the other labels say", "probability of the given", "expected to be wrong")
    return Table("Labels to check, the most doubtful first", columns, lines, folded=not audit.n_flagged)


def _suggested(analysis: Analysis, suggestions: Suggestions) -> Table:
    ids = analysis.tables.rows["row"]
    lines = tuple(
        (
            text.shorten(str(ids.iloc[row.row])),
            text.MISSING if row.label_pred is None else text.shorten(row.label_pred),
            text.shorten(row.reason, 200),
        )
        for row in suggestions.rows[:_LISTED_ROWS]
    )
    return Table("Rows to label next, the most useful first", ("row", "predicted", "why"), lines)


def _shares(shares: ShareEstimate) -> Table:
    lines = tuple(
        (
            text.shorten(label),
            text.percent(estimate.value),
            f"{text.percent(estimate.low)} to {text.percent(estimate.high)}",
            text.percent(given),
        )
        for label, estimate, given in zip(shares.classes, shares.shares, shares.given, strict=True)
    )
    columns = ("class", "among unlabelled rows", "95% interval", "among labels")
    return Table("Estimated shares of the classes", columns, lines, folded=True)


def _latent(analysis: Analysis) -> Chapter:
    where, classes = analysis.latent_map, analysis.data.classes
    n_dims = analysis.model.n_components
    line = where.kind == "axes" and n_dims == 1

    def draw(rows: pd.DataFrame, labels: str | None, title: str, wrong: NDArray[np.bool_] | None = None) -> Any:
        return lambda ax: plots.latent_map(
            ax,
            *_coordinates(rows, "latent"),
            None if labels is None else _labels(rows, labels),
            classes=classes,
            prior=analysis.tables.prior_samples,
            mistakes=wrong,
            x_name=where.x_name,
            y_name=where.y_name,
            title=title,
        )

    size, figures = _map_size(len(classes)), []
    shown, remark = _thin(analysis.tables.rows)
    if analysis.data.n_labeled:
        given = _n_known(shown, "label_given")
        how = "Coloured points should lie inside the line of their colour: it holds 90% of the prior's draws."
        if line:
            how = "Each filled curve should lie on the dashed one of its colour, which is the prior's."
        figures.append(
            figure(
                draw(shown, "label_given", "Latent codes by given label"),
                size,
                alt=f"Latent codes of {len(shown):,} rows; the {given:,} with a given label are coloured, "
                "the others grey. Lines outline the prior's part of each class.",
                how=how + remark,
            )
        )
    if _n_known(shown, "label_true"):
        known = shown[shown["label_true"].notna()]
        truth, predicted = _labels(known, "label_true"), _labels(known, "label_pred")
        wrong = np.array([b is not None and a != b for a, b in zip(truth, predicted, strict=True)])
        how = "These rows came without a label: crosses should be few and lie between groups, not inside them."
        if line:
            how = "These rows came without a label: the curves should stay apart and follow the dashed ones."
        figures.append(
            figure(
                draw(known, "label_true", "Hold-out rows by true label", wrong),
                size,
                alt=f"Latent codes of {len(known):,} hold-out rows by true label; "
                f"{text.count(int(wrong.sum()), 'wrong prediction')} among them.",
                how=how,
            )
        )
    if not figures:
        how = "The cloud should fill the outline, which holds 90% of the prior's draws, without holes."
        if line:
            how = "The filled curve should lie on the dashed one, which is the prior's."
        figures.append(
            figure(
                draw(shown, None, "Latent codes and the prior's outline"),
                size,
                alt=f"Latent codes of {len(shown):,} rows with an outline of the prior.",
                how=how + remark,
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


def _umap(analysis: Analysis) -> Chapter | None:
    rows, settings = analysis.tables.rows, analysis.latent_map.umap
    if settings is None:
        return None
    if "skipped" in settings or not _has(rows, "umap_x"):
        reason = text.shorten(str(settings.get("skipped", "it was not computed")), 300)
        return Chapter("umap", "UMAP of the latent codes", f"There is no UMAP picture: {reason}.", ())
    classes = analysis.data.classes
    shown, remark = _thin(rows[rows["umap_x"].notna() & rows["umap_y"].notna()])
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
        figure(
            _map("umap", shown, _labels(shown, column), classes, title),
            _map_size(len(classes)),
            alt=f"{title}: {_n_known(shown, column):,} of {len(shown):,} rows are coloured, the others grey.",
            how=how + remark,
        )
        for column, title, how in plans
        if _n_known(shown, column)
    ] or [
        figure(
            _map("umap", shown, [None] * len(shown), (), "UMAP of the latent codes"),
            _map_size(0),
            alt=f"UMAP of the latent codes of {len(shown):,} rows.",
            how="Rows close together have similar codes; gaps suggest groups." + remark,
        )
    ]
    listed = ", ".join(f"{name} = {value}" for name, value in _settings(settings)) or "defaults"
    words = Note(
        "UMAP keeps neighbours together; distances between groups and the sizes of groups mean little. "
        f"Settings: {listed}."
    )
    verdict = "Which rows are neighbours of which."
    return Chapter("umap", "UMAP of the latent codes", verdict, (*side_by_side(*figures), words))


def _latent_space(analysis: Analysis) -> Chapter | None:
    found, images, profiles = analysis.latent_space, analysis.tables.images, analysis.tables.profiles
    blocks: list[Block] = []
    if found is not None:
        blocks += _neighbourhoods(found)
    if images is not None and images.walks is not None and len(images.walks):
        blocks.append(_walked(images.walks, images.walk_names, analysis.data.classes))
    if profiles is not None and len(profiles):
        blocks.append(_profiled(profiles, analysis.data.classes))
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
            figure(
                lambda ax: plots.neighbour_recall(ax, found),
                (5.7, 1.7 + 0.36 * len(found.preservation)),
                alt=f"Share of the {found.k} nearest neighbours that are kept: {kept}.",
                how="Further right is better. Squares are PCA with as many axes, which knows no labels: codes that were "
                "taught classes keep fewer neighbours in the features, because they pull classes apart.",
            )
        ]
        if found.preservation
        else []
    )
    figures.append(
        figure(
            lambda ax: plots.axis_spread(ax, found.spread, found.dead_axes),
            (5.0, 3.0),
            alt=f"Standard deviation of the codes along {text.count(found.n_axes, 'latent axis', 'latent axes')}, "
            f"from {text.number(min(found.spread))} to {text.number(max(found.spread))}; "
            f"{len(found.dead_axes) or 'none'} of them dead.",
            how="An axis without spread says nothing about any row; axes need not be equally long.",
        )
    )
    prior = "" if math.isnan(found.prior_dimension) else f"; draws from the prior {text.number(found.prior_dimension)}"
    rows = {"holdout": "held-out", "train": "training", "all": "training and held-out"}[found.split]
    words = Note(
        f"Measured on {text.count(found.n_compared)} {rows} rows (seed {found.random_state}), neighbours among these. "
        "Trustworthiness falls where rows come near that are far in truth, continuity where near rows are torn apart "
        f"(Venna and Kaski 2001): 1 is perfect, {text.number(found.chance_trustworthiness[at])} is chance. Brackets "
        f"hold 95% intervals from {found.n_bootstrap:,} resamples of the rows. Effective dimension (participation "
        f"ratio) {_with_interval(found.effective_dimension, text.number)} of {found.n_axes}{prior}; "
        f"{text.count(found.n_components_95, 'principal component holds', 'principal components hold')} 95% of the "
        "variance of the codes."
    )
    lines = tuple(
        (
            text.shorten(part.space, 40),
            text.count(part.n_axes),
            part.of,
            _with_interval(part.trustworthiness[at], text.number),
            _with_interval(part.continuity[at], text.number),
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
    how = "Each row goes from one class's centre to the next's: it should change gradually at both ends."
    if len(classes) > len(names):
        how += f" The first {len(names)} of {len(classes)} ways are shown." if len(classes) > 2 else ""
    if not classes:
        how = "Each row goes from -2 to 2 standard deviations along a main axis of the codes: what changes is its meaning."
    return figure(
        lambda ax: plots.walks(ax, walks, names),
        (6.0, _mosaic_height(walks[0], len(names), walks.shape[1])),
        alt=f"Images decoded along {text.count(len(names), 'way')} through the latent space: "
        f"{text.shorten(', '.join(names), 200)}.",
        how=how,
    )


def _profiled(profiles: pd.DataFrame, classes: tuple[str, ...]) -> Figure:
    """Return the features in which the decoded centres differ most."""
    spread = profiles["std"].where(profiles["std"] > 0)
    score = ((profiles["decoded"] - profiles["mean"]) / spread).groupby(profiles["feature"], sort=False).std(ddof=0)
    chosen = score.sort_values(ascending=False, kind="stable").index[:_PROFILED].tolist()
    names = list(dict.fromkeys(profiles["name"]))
    known = [name for name in names if name in set(names[:_MAX_PROFILES])]
    what = "each class's centre" if classes else "codes 2 standard deviations along the main axes"
    more = f" The {len(chosen)} features that differ most are shown." if len(score) > len(chosen) else ""
    return figure(
        lambda ax: plots.feature_profiles(ax, profiles[profiles["name"].isin(known)], chosen),
        (2.6 + 0.62 * len(known), 1.5 + 0.3 * len(chosen)),
        alt=f"Heat map of {text.count(len(chosen), 'feature')}, decoded from {what}, beside the mean of the training "
        "rows.",
        how="Numbers are decoded values in the data's units; blue is above the mean of the training rows, magenta "
        f"below it, deepest from two standard deviations on.{more}",
    )


def _clusters(analysis: Analysis) -> Chapter:
    found, rows = analysis.clustering, analysis.tables.rows
    pairs = [
        ("Method", text.shorten(text.method_name(found.method), 80)),
        ("Number of clusters", text.count(found.n_clusters)),
        ("Why this number", text.shorten(found.reason, 300)),
    ]
    if found.n_noise:
        pairs.append(("Rows in no cluster (noise)", f"{found.n_noise:,} ({text.share(found.n_noise, found.n)})"))
    kind, name = ("umap", "UMAP") if _has(rows, "umap_x") else ("latent", "Latent codes")
    shown, remark = _thin(rows[rows[f"{kind}_x"].notna() & rows[f"{kind}_y"].notna()], by="cluster")
    names = [None if pd.isna(cluster) or cluster < 0 else str(int(cluster)) for cluster in shown["cluster"]]
    order = [str(cluster) for cluster in sorted({int(cluster) for cluster in names if cluster is not None})]
    figures = []
    if len(shown):
        figures.append(
            figure(
                _map(kind, shown, names, order, f"{name} by cluster", unlabeled_name="noise"),
                _map_size(len(order)),
                alt=f"{name} of {len(shown):,} rows, coloured by the {found.n_clusters} clusters found.",
                how="Colours and numbers name clusters, not classes; a cluster should be one connected group." + remark,
            )
        )
    about, sizes = facts("How the clusters were found", pairs), _cluster_sizes(analysis)
    measures = _cluster_measures(found)
    # Few clusters: their sizes stand beside the picture. Many: the facts do.
    first, second = (about, sizes) if sizes.folded else (sizes, about)
    blocks = (*side_by_side(*figures, first), *side_by_side(second, measures), *map(Note, found.notes))
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
    known = pd.Series(_labels(rows, "label_true"), index=rows.index, dtype=object)
    known = known.where(known.notna(), pd.Series(_labels(rows, "label_given"), index=rows.index, dtype=object))
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
    return Table("Each cluster", tuple(columns[i] for i in kept), cells, folded=len(lines) > _FOLD)


def _prior(analysis: Analysis) -> Chapter:
    match = analysis.prior_match
    words = Note(
        f"The prior is called {text.shorten(match.prior)}. It is known and can be drawn from, so each "
        f"distance is compared with {text.count(match.n_resamples, 'fresh sample')} of the same size (seed "
        f"{match.random_state}). The p-value is the share of fresh samples that lie at least as far from the "
        "prior; Holm's correction is over all statistics of the whole, and over all of the classes. With many rows "
        "tiny differences become significant: read the ratio first, the p-value second. The smallest effect is what "
        "would be rejected in 80% of cases with so many rows: a shift of one axis in the prior's standard "
        "deviations, for weights a share of the rows, for the discriminator its accuracy."
    )
    blocks: tuple[Block, ...] = (words,)
    worst = farthest(match.results)
    if worst is not None:
        scopes = len({result.scope for result in match.results})
        picture = figure(
            lambda ax: plots.prior_match_bars(ax, match.results),
            (5.7, 1.6 + (0.32 if scopes <= 16 else 0.2) * scopes),
            alt=f"Distance from the prior for {text.count(scopes, 'scope')}. Farthest: "
            f"{text.shorten(worst.scope, 40)}, {text.number(worst.effect_ratio)} times the 95% quantile of "
            "fresh prior samples.",
            how="Left of the dashed line the codes are as close to the prior as fresh draws from the prior "
            "itself; the farther right, the worse.",
        )
        table = Table(
            f"Codes of {text.count(match.n, 'row')} "
            f"({'held out' if match.split == 'holdout' else 'from training'}) against the prior",
            (
                "codes of",
                "statistic",
                "rows",
                "distance",
                "95% of fresh",
                "ratio",
                "p",
                "p (Holm)",
                "smallest effect",
                "verdict",
            ),
            tuple(
                (
                    text.shorten(result.scope, 40),
                    text.shorten(f"{plots.statistic_name(result.statistic)} {result.detail}".strip(), 60),
                    text.count(result.n),
                    text.number(result.value),
                    text.number(result.null_q95),
                    text.number(result.effect_ratio),
                    text.p_value(result.p_value),
                    text.p_value(result.p_adjusted),
                    text.number(result.smallest_effect),
                    VERDICTS[result.verdict][0],
                )
                for result in match.results
            ),
            tones=dict(VERDICTS.values()),
            folded=len(match.results) > 24,
        )
        blocks = (*side_by_side(picture, words), *_prior_details(analysis), table)
    return Chapter("prior", "Prior match", text.shorten(match.verdict, 400), blocks)


def _prior_details(analysis: Analysis) -> tuple[Block, ...]:
    """Return the fresh discriminator, the axes farthest from the prior and the components' shares."""
    match = analysis.prior_match
    blocks: list[Block] = []
    if match.discriminator is not None:
        found, rows = match.discriminator, analysis.tables.rows["row"]
        named = [text.shorten(str(rows.iloc[row]), 40) for row in found.rows if row < len(rows)]
        blocks.append(
            Note(
                f"A fresh discriminator, trained on {text.count(found.n_train, 'code')} and as many prior draws, is "
                f"right on {text.percent(found.accuracy.value)} of {found.accuracy.n:,} others (95% interval "
                f"{text.interval(found.accuracy)}; the theory says 50%). Rows that it is most certain do not come "
                f"from the prior: {', '.join(named) or 'none'}."
            )
        )
    farthest_axes = sorted(match.axes, key=lambda axis: axis.p_adjusted)[:_MAX_AXES]
    if farthest_axes:
        lines = tuple(
            (axis.axis, text.number(axis.distance), text.p_value(axis.p_value), text.p_value(axis.p_adjusted))
            for axis in farthest_axes
        )
        caption = f"Axes farthest from the prior, of {len(match.axes)} (Kolmogorov-Smirnov)"
        blocks.append(Table(caption, ("axis", "distance", "p", "p (Holm)"), lines))
    if match.weights is not None:
        shares = zip(match.weights.components, match.weights.shares, match.weights.expected, strict=True)
        parts = tuple((text.shorten(name, 40), text.percent(got), text.percent(want)) for name, got, want in shares)
        caption = f"Shares of the components, counted by {match.weights.source}"
        blocks.append(Table(caption, ("component", "codes", "prior"), parts, folded=len(parts) > _FOLD))
    blocks += [Note(note) for note in match.notes]
    return tuple(blocks)


def _images(analysis: Analysis) -> Chapter | None:
    images = analysis.tables.images
    if images is None:
        return None
    figures = []
    n = min(len(images.originals), 20)
    if n:
        figures.append(
            figure(
                lambda ax: plots.image_pairs(ax, images.originals[:n], images.reconstructions[:n]),
                (6.0, _mosaic_height(images.originals, 2 * math.ceil(n / 10), min(n, 10))),
                alt=f"{n} original images, each above its reconstruction.",
                how="Both images of a pair should show the same; what is blurred or changed did not fit "
                "through the latent code.",
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
    return figure(
        lambda ax: plots.class_samples(ax, images.samples, images.sample_labels),
        (6.0, _mosaic_height(images.samples, lines, columns)),
        alt=alt,
        how=how,
    )


def _training(analysis: Analysis) -> Chapter:
    history, model = analysis.tables.history, analysis.model
    losses = [str(name) for name in history.columns if str(name).endswith("_loss") and _has(history, str(name))]
    game = [name for name in losses if name in {"discriminator_loss", "generator_loss"}]
    plans: list[tuple[list[str], str, str]] = [
        (
            [name for name in losses if name == "reconstruction_loss"],
            "Reconstruction loss",
            "It should fall and then level off; if it still falls at the end, more epochs may help.",
        ),
        (
            game,
            "Losses of the adversarial game",
            "They should settle and not drift apart: neither side should win.",
        ),
        (
            [name for name in losses if name not in {"reconstruction_loss", *game}],
            "Further loss terms",
            "What is added to the plain game; these should settle, too.",
        ),
    ]
    figures = []
    for terms, title, how in plans:
        if terms:
            ends = ", ".join(f"{term.replace('_', ' ')} {text.number(float(history[term].iloc[-1]))}" for term in terms)
            figures.append(
                figure(
                    _curves(history, terms, title),
                    _CURVE_SIZE,
                    alt=f"{title} over {text.count(len(history), 'epoch')}; at the end: {text.shorten(ends, 300)}.",
                    how=how,
                )
            )
    accuracy = text.percent(model.discriminator_accuracy)
    if _has(history, "discriminator_accuracy"):
        figures.append(
            figure(
                lambda ax: plots.discriminator_curve(ax, history),
                _CURVE_SIZE,
                alt=f"Accuracy of the discriminator over {text.count(len(history), 'epoch')}; {accuracy} "
                "over the last tenth.",
                how="At the dashed line the discriminator can only guess, as theory asks; in the band on top "
                "it always wins, and the encoder learns nothing from it.",
            )
        )
    verdict = (
        f"Training ran {text.count(model.n_epochs, 'epoch')}; at its end the discriminator was right "
        f"{accuracy} of the time (theory: 50%)."
    )
    return Chapter("training", "Training curves and health", verdict, (_health(analysis), *side_by_side(*figures)))


_HEALTH: dict[str, Tone] = {"fine": "good", "alarm": "bad"}


def _health(analysis: Analysis) -> Table:
    model, n = analysis.model, len(analysis.tables.rows)
    largest = max(analysis.clustering.sizes, default=0) / max(n, 1)
    dead = ", ".join(f"z{axis}" for axis in model.dead_axes)
    checks = [
        (
            "Discriminator's accuracy, last tenth of epochs",
            text.percent(model.discriminator_accuracy),
            "alarm above 98%",
            model.discriminator_accuracy > 0.98,
        ),
        (
            "Variance explained by the reconstruction",
            text.percent(model.reconstruction_r2),
            "alarm at 0% and below: no better than the mean",
            model.reconstruction_r2 <= 0,
        ),
        (
            "Dead latent axes",
            text.shorten(dead, 120) or "none",
            "alarm where a standard deviation is under 0.05",
            bool(dead),
        ),
        ("Largest cluster", text.percent(largest), "alarm with over 95% of the rows", largest > 0.95),
    ]
    lines = tuple((name, value, rule, "alarm" if alarm else "fine") for name, value, rule, alarm in checks)
    return Table("Health checks", ("check", "value", "rule", "result"), lines, tones=_HEALTH)


def _provenance(analysis: Analysis) -> Chapter:
    made, model, data = analysis.provenance, analysis.model, analysis.data
    run = [
        ("Command", text.shorten(made.command, 600)),
        ("Seed", str(made.random_state)),
        ("Created (UTC)", text.shorten(made.created)),
        ("Data, SHA-256", text.shorten(data.sha256, 80)),
        ("Platform", text.shorten(made.platform, 200)),
        ("Device", text.shorten(model.device)),
        ("Threads", text.count(made.n_threads)),
        ("Time to fit", text.duration(model.fit_seconds)),
        ("Schema of the analysis", str(analysis.schema_version)),
        *((f"Note {i}", text.shorten(note, 400)) for i, note in enumerate(made.notes, start=1)),
    ]
    fitted = [
        ("Estimator", text.shorten(model.estimator, 80)),
        ("Weights", text.count(model.n_weights)),
        ("Latent dimensions", text.count(model.n_components)),
        ("Scaling of features", text.shorten(model.scaling, 120)),
        ("Prior", text.shorten(model.prior, 80)),
        *((f"Prior: {name}", value) for name, value in _settings(model.prior_parameters)),
    ]
    blocks = (
        facts("The run", run),
        *side_by_side(facts("The model", fitted), facts("Versions", _settings(made.versions))),
        facts("Parameters of the estimator", _settings(model.parameters), folded=True),
    )
    return Chapter("provenance", "Provenance", "What it takes to make this run again.", blocks)


CHAPTERS: dict[str, Callable[[Analysis], Chapter | None]] = {
    "data": _data,
    "accuracy": _accuracy,
    "labels": _label_questions,
    "latent": _latent,
    "umap": _umap,
    "space": _latent_space,
    "clusters": _clusters,
    "prior": _prior,
    "images": _images,
    "training": _training,
    "provenance": _provenance,
}
"""Chapters in the reader's order."""


def _map(
    kind: str,
    rows: pd.DataFrame,
    labels: list[str | None],
    classes: tuple[str, ...] | list[str],
    title: str,
    unlabeled_name: str = "no label",
) -> Callable[[Axes], Axes]:
    """Return what draws a map of rows in the plane of UMAP or of the latent codes."""
    x, y = _coordinates(rows, kind)
    if kind == "latent":
        return lambda ax: plots.latent_map(ax, x, y, labels, classes=classes, title=title)
    return lambda ax: plots.umap_map(ax, x, y, labels, classes=classes, title=title, unlabeled_name=unlabeled_name)


def _curves(history: pd.DataFrame, terms: list[str], title: str) -> Callable[[Axes], Axes]:
    return lambda ax: plots.training_curves(ax, history, terms, title=title)


def _settings(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return names and values in the order of the names, shortened."""
    return sorted(
        (text.shorten(str(name)), text.shorten(text.setting(value), 200)) for name, value in parameters.items()
    )


def _labels(table: pd.DataFrame, name: str) -> list[str | None]:
    if name not in table:
        return [None] * len(table)
    return [None if pd.isna(label) else str(label) for label in table[name]]


def _n_known(table: pd.DataFrame, name: str) -> int:
    return int(table[name].notna().sum()) if name in table else 0


def _has(table: pd.DataFrame, name: str) -> bool:
    return _n_known(table, name) > 0


def _coordinates(table: pd.DataFrame, kind: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return table[f"{kind}_x"].to_numpy(np.float64), table[f"{kind}_y"].to_numpy(np.float64)


def _thin(rows: pd.DataFrame, by: str = "label_pred") -> tuple[pd.DataFrame, str]:
    """Return at most :data:`MAX_POINTS` rows with the same share of each group, and a remark that says so."""
    if len(rows) <= MAX_POINTS:
        return rows, ""
    groups = np.array(list(map(str, rows[by])) if by in rows else [""] * len(rows))
    picked = np.sort(np.argsort(groups, kind="stable")[:: math.ceil(len(rows) / MAX_POINTS)])
    return rows.iloc[picked], f" Drawn: {len(picked):,} of {len(rows):,} rows, the same share of each group."


def _map_size(n_classes: int) -> tuple[float, float]:
    """Return width and height in inches of a map whose legend names so many classes."""
    return (5.5, 4.4) if n_classes <= plots.MANY_CLASSES else (8.8, 5.6)


def _mosaic_height(images: NDArray[np.float32], lines: int, columns: int) -> float:
    """Return the height in inches at which tiles fill a width of about five inches."""
    height, width = images.shape[1:3]
    tile = min(5.2 / columns, 0.62)
    return float(np.clip(0.6 + lines * 1.12 * tile * height / max(width, 1), 1.2, 18))
