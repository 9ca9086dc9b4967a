"""``aaetools cluster``: clusters of a run's latent codes, why so many, and what each of them is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.cli.options import NumberOrAuto, run_argument
from aaetools.cli.results import check_result_file, deliver_result, result_options, text_table
from aaetools.cli.run_data import data_option, open_run_data
from aaetools.exceptions import AAEToolsError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from aaetools.analysis.results import Clustering, Interval, Proportion
    from aaetools.cli.run_data import RunData

__all__ = ["cluster"]

_FILE = "clusters.json"
_TABLES = (".csv", ".parquet")
_SMALL = 0.2
"""Effects below this, in standard deviations, are not worth a place in the table (Cohen 1988)."""


@click.command(
    epilog="""\b
Examples:
  aaetools cluster runs/digits
  aaetools cluster runs/digits --method gaussian_mixture --choose bic
  aaetools cluster runs/digits --method hdbscan --assignments clusters.csv
"""
)
@run_argument
@click.option(
    "--method",
    metavar="NAME",
    default="kmeans",
    help="kmeans, gaussian_mixture, hdbscan, agglomerative, spectral, or prior: the prior's own components.",
)
@click.option(
    "--n-clusters",
    metavar="N",
    type=NumberOrAuto(least=1),
    default="auto",
    help="Number of clusters; auto is the number of classes, or what --choose says where there are none.",
)
@click.option(
    "--choose",
    metavar="NAME",
    show_default="silhouette, where no classes are known",
    help="Choose the number of clusters by silhouette, bic, gap or stability, even where classes are known.",
)
@click.option("--max-clusters", metavar="N", type=click.IntRange(min=2), default=20, help="Most clusters tried.")
@click.option(
    "--min-cluster-size",
    metavar="N",
    type=click.IntRange(min=2),
    show_default="a hundredth of the rows",
    help="Fewest rows that hdbscan takes for a cluster.",
)
@click.option(
    "--split",
    type=click.Choice(["all", "train", "holdout"]),
    default="all",
    help="Rows to cluster: all, those of training, or those held out.",
)
@click.option("--seed", metavar="N", type=click.IntRange(0, 2**32 - 1), default=0, help="Seed of all that is random.")
@click.option(
    "--assignments",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    show_default="none",
    help="Also write each row's cluster to this file (.csv, .parquet).",
)
@data_option
@result_options(_FILE)
def cluster(
    run: Path,
    method: str,
    n_clusters: int | str,
    choose: str | None,
    max_clusters: int,
    min_cluster_size: int | None,
    split: str,
    seed: int,
    assignments: Path | None,
    data: str | None,
    out: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Cluster the latent codes of RUN and describe the clusters.

    Tells how the number of clusters came about, how far the clusters agree with labels that training never saw,
    how well they stand apart, and for each cluster its size, its typical rows and the features that set it apart.

    The last line printed is the path of the JSON file with all of it.
    """
    from aaetools.cli.output import check_out_file, write_table

    place = check_result_file(run, _FILE, out, force)
    if assignments is not None:
        check_out_file(assignments, force, _TABLES)
    from aaetools.analysis import cluster_latents
    from aaetools.analysis.features import features_in_units
    from aaetools.cli.progress import open_display

    with open_display(quiet=quiet or as_json) as display:
        found = open_run_data(run, data, "cpu")
        rows, labels = _rows_and_labels(found, split)
        codes = rows.filter(regex=r"^z\d+$").to_numpy()
        clusters, result = _in_options(
            lambda: cluster_latents(
                codes,
                n_clusters if isinstance(n_clusters, int) else None,
                labels,
                method,
                seed,
                n_classes=len(found.model.classes_) or None,
                prior=found.model.prior_,
                choose=choose,
                max_clusters=max_clusters,
                min_cluster_size=min_cluster_size,
                X=features_in_units(found.model, found.rows(_positions(found)[rows.index])),
                feature_names=found.model.encoded_names_ or found.dataset.feature_names,
                row_ids=rows["row"].to_numpy(),
                unlabeled=None,
                progress=display.step,
            )
        )
    if assignments is not None:
        table = _assignments(rows, codes, clusters)
        write_table(assignments, table, table[["cluster"]].to_numpy())
    deliver_result(result, place, _text(result), as_json=as_json, quiet=quiet)


def _positions(found: RunData) -> NDArray[Any]:
    """Return the position in the data of each line of the run's table of rows."""
    import numpy as np

    return np.concatenate([found.train, found.holdout])


def _rows_and_labels(found: RunData, split: str) -> tuple[pd.DataFrame, NDArray[Any] | None]:
    """Return the lines of the run's table, and for each the label that may be compared with clusters.

    Those are the labels of held-out rows; where no held-out row is among the lines, the labels of training rows that
    training did not see.
    """
    import numpy as np
    import pandas as pd

    from aaetools.exceptions import DataError
    from aaetools.labels import is_unlabeled

    rows = found.analysis.tables.rows.reset_index(drop=True)
    if split != "all":
        rows = rows[rows["split"] == split]
    if len(rows) == 0:
        raise DataError(f"the run has no {split} rows; choose another --split")
    known = found.labels(_positions(found)[rows.index])
    if known is None:
        return rows, None
    held_out = (rows["split"] == "holdout").to_numpy()
    compared = held_out if held_out.any() else rows["label_given"].isna().to_numpy()
    labels = np.array(pd.Series(known).to_numpy(dtype=object), dtype=object)
    labels[~compared | is_unlabeled(known)] = None
    return rows, None if pd.isna(labels).all() else labels


def _in_options(work: Callable[[], Any]) -> Any:
    """Name options instead of parameters in errors."""
    try:
        return work()
    except AAEToolsError as error:
        raise type(error)(str(error).replace("min_cluster_size is", "--min-cluster-size is")) from error


def _assignments(rows: pd.DataFrame, codes: NDArray[Any], clusters: NDArray[Any]) -> pd.DataFrame:
    """Return one line per row: its cluster (-1 is noise), how far it is from the centre, and its labels as text."""
    from aaetools.analysis.cluster_profile import centre_distances

    table = rows[["row", "split", "label_given", "label_true"]].copy()
    table.insert(2, "cluster", clusters)
    table.insert(3, "distance_to_centre", centre_distances(codes, clusters))
    return table


# -- text ------------------------------------------------------------------------------------------------------------


def _text(result: Clustering) -> str:
    parts = [result.verdict, _measures(result)]
    if result.profiles:
        parts.append(_profiles(result))
    if result.choice is not None and result.choice.scores:
        parts.append(_scores(result))
    parts += [f"Note: {note}" for note in result.notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def _measures(result: Clustering) -> str:
    lines: list[tuple[str, str, str, str]] = []

    def add(name: str, found: Interval | Proportion | None) -> None:
        if found is not None:
            lines.append((name, _number(found.value), f"{_number(found.low)} to {_number(found.high)}", f"{found.n:,}"))

    if result.agreement is not None:
        agreement = result.agreement
        add("accuracy, matched one to one", agreement.accuracy)
        add("accuracy, named by the surest row", agreement.paper_accuracy)
        add("purity", agreement.purity)
        add("adjusted Rand index", agreement.adjusted_rand)
        add("adjusted mutual information", agreement.adjusted_mutual_info)
        add("V-measure (= normalised MI)", agreement.v_measure)
        add("homogeneity", agreement.homogeneity)
        add("completeness", agreement.completeness)
    if result.separation is not None:
        add("silhouette", result.separation.silhouette)
        add("Davies-Bouldin (lower is better)", result.separation.davies_bouldin)
        add("Calinski-Harabasz", result.separation.calinski_harabasz)
        add("stability", result.separation.stability)
    return text_table(["measure", "value", "95% interval", "rows"], lines) if lines else ""


def _profiles(result: Clustering) -> str:
    from aaetools.reports.text import clean, shorten

    lines: list[tuple[Any, ...]] = []
    for profile in result.profiles:
        typical = profile.typical_ids[:3]
        large = [found for found in profile.features[:3] if abs(found.effect.value) >= _SMALL]
        effects = [f"{shorten(found.feature, 24)} {found.effect.value:+.1f}" for found in large]
        label = purity = None
        if profile.majority_label is not None and profile.purity is not None:
            label, purity = shorten(profile.majority_label, 24), f"{profile.purity.value:.0%} of {profile.purity.n:,}"
        lines.append(
            (
                profile.cluster,
                f"{profile.size:,}",
                f"{profile.share:.1%}",
                label,
                purity,
                clean(", ".join(shorten(row, 16) for row in typical)) or None,
                ", ".join(effects) or None,
            )
        )
    if result.n_noise:
        lines.append(("none", f"{result.n_noise:,}", f"{result.n_noise / result.n:.1%}", None, None, None, None))
    headings = ["cluster", "rows", "share", "label", "purity", "typical rows", "set apart by (in standard deviations)"]
    kept = [i for i in range(len(headings)) if i < 3 or any(line[i] is not None for line in lines)]
    return text_table([headings[i] for i in kept], [[line[i] for i in kept] for line in lines])


def _scores(result: Clustering) -> str:
    assert result.choice is not None
    lines = [
        (
            f"{score.n_clusters}{' *' if score.n_clusters == result.choice.n_clusters else ''}",
            _number(score.score),
            None if score.standard_error != score.standard_error else _number(score.standard_error),
        )
        for score in result.choice.scores
    ]
    return text_table(["clusters", result.choice.criterion, "standard error"], lines)


def _number(value: float) -> str:
    if value != value:
        return "-"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
