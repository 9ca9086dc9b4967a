"""Clusterers and ways to choose their number on the latent codes of runs, beside the same on the features.

    python benchmarks/clusters.py RUN [RUN ...]

RUN is a folder that ``aaetools fit`` wrote; runs of the same data with different seeds are averaged. All rows are
clustered; agreement is with the labels of held-out rows, which training never saw. Features are scaled as the model
scales them. Seed of the clusterers: 0. Writes results/clusters.md.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from tables import RESULTS, machine, markdown_table, versions
from threadpoolctl import threadpool_limits

from aaetools.analysis import CHOOSERS, CLUSTERERS, cluster_latents
from aaetools.analysis.results import Clustering
from aaetools.cli.run_data import RunData, open_run_data

MEASURES: dict[str, Callable[[Clustering], float]] = {
    "accuracy": lambda found: found.agreement.accuracy.value if found.agreement else np.nan,
    "paper's measure": lambda found: _paper(found),
    "adjusted Rand": lambda found: found.agreement.adjusted_rand.value if found.agreement else np.nan,
    "adjusted MI": lambda found: found.agreement.adjusted_mutual_info.value if found.agreement else np.nan,
    "silhouette": lambda found: np.nan if found.silhouette is None else found.silhouette,
    "stability": lambda found: _stability(found),
    "clusters": lambda found: float(found.n_clusters),
    "noise": lambda found: found.n_noise / found.n,
}
SHARES = ("accuracy", "paper's measure", "noise")


def _paper(found: Clustering) -> float:
    share = None if found.agreement is None else found.agreement.paper_accuracy
    return np.nan if share is None else share.value


def _stability(found: Clustering) -> float:
    measured = None if found.separation is None else found.separation.stability
    return np.nan if measured is None else measured.value


def clusterings(run: RunData) -> list[tuple[str, str, Clustering]]:
    """Return (what was clustered, how, result) for every clusterer and way to choose."""
    rows = run.analysis.tables.rows
    codes = rows.filter(regex=r"^z\d+$").to_numpy()
    features = np.asarray(run.model.scale(run.rows(np.concatenate([run.train, run.holdout]))))
    truth = rows["label_true"].where(rows["label_true"].notna(), None).to_numpy(dtype=object)
    n_classes = int(pd.Series(truth).nunique())
    found = []
    for place, table in (("codes", codes), ("features", features)):
        for method in CLUSTERERS:
            if method == "prior" and (place == "features" or run.model.prior_.n_components == 0):
                continue
            wanted = None if method in ("hdbscan", "prior") else n_classes
            result = cluster_latents(table, wanted, truth, method, 0, prior=run.model.prior_, unlabeled=None)[1]
            found.append((place, method, result))
    for choose in CHOOSERS:
        result = cluster_latents(codes, None, truth, "kmeans", 0, choose=choose, unlabeled=None)[1]
        found.append(("codes", f"kmeans, number by {choose}", result))
    return found


def values_of(path: Path) -> list[tuple[tuple[str, str, str], list[float]]]:
    """Return ((data, what was clustered, how), measures) for each clustering of a run."""
    with threadpool_limits(1):
        run = open_run_data(path, device="cpu")
        labels = run.analysis.data.n_labeled
        data = f"{run.analysis.data.name}, {labels or 'no'} labels"
        return [((data, place, how), [m(found) for m in MEASURES.values()]) for place, how, found in clusterings(run)]


def write_table(found: list[tuple[tuple[str, str, str], list[float]]]) -> None:
    """Write and print the means over runs of the same data."""
    grouped: dict[tuple[str, str, str], list[list[float]]] = defaultdict(list)
    for key, measured in found:
        grouped[key].append(measured)
    lines = []
    for key, each in grouped.items():
        cells = [
            "-" if np.isnan(v) else f"{v:.1%}" if name in SHARES else f"{v:.1f}" if name == "clusters" else f"{v:.2f}"
            for name, v in zip(MEASURES, np.mean(each, axis=0), strict=True)
        ]
        if len(each) > 1:
            accuracy = [row[0] for row in each]
            cells[0] += f" ({min(accuracy):.1%} to {max(accuracy):.1%})"
        lines.append([*key, str(len(each)), *cells])
    text = f"# Clusterers\n\n{machine()}; {versions()}\n\n"
    text += markdown_table(["run", "of", "clusterer", "seeds", *MEASURES], lines)
    (RESULTS / "clusters.md").write_text(text)
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path)
    write_table([value for path in parser.parse_args().runs for value in values_of(path)])


if __name__ == "__main__":
    main()
