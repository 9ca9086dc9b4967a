"""Neighbours that runs keep, and how often the intervals of such numbers hold what they should.

    python benchmarks/latent_space.py [RUN ...]

RUN is a folder that ``aaetools fit`` wrote; runs of the same data with different seeds are averaged. Coverage: rows
are drawn anew from five Gaussians in ten dimensions and mapped to three, bent and with noise; what is to be held is the
mean over the samples, for the effective dimension that of 200,000 rows. "Rows alone" is the normal interval of each
row's share of kept neighbours, as if rows did not depend on each other. Writes results/latent_space.md.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.neighbors import NearestNeighbors
from tables import RESULTS, machine, markdown_table, versions
from threadpoolctl import threadpool_limits

from aaetools.analysis import effective_dimension, latent_space
from aaetools.analysis.results import Interval
from aaetools.runs import read_analysis

SAMPLES = {45: 400, 100: 300, 200: 300, 450: 150}
MEASURES = ("trustworthiness", "continuity", "recall of 5", "recall of 10", "recall less PCA's", "effective dimension")


def kept(paths: list[Path]) -> str:
    """Return a table of the neighbours that codes and pictures of runs keep."""
    found: dict[tuple[str, ...], list[tuple[float, ...]]] = defaultdict(list)
    for path in paths:
        analysis = read_analysis(path)
        space = analysis.latent_space
        if space is None:
            continue
        data = f"{analysis.data.name}, {analysis.data.n_labeled or 'no'} labels"
        at = space.neighbours.index(space.k)
        for part in space.preservation:
            key = (data, f"{space.n_compared} {space.split}", part.space, str(part.n_axes), part.of)
            found[key].append((part.trustworthiness.value, part.continuity.value, part.recall[at].value))
    lines = [
        [*key, str(len(each)), *(f"{value:.3f}" for value in np.mean(each, axis=0)), spread([row[2] for row in each])]
        for key, each in found.items()
    ]
    columns = ["run", "rows", "space", "axes", "of", "seeds", "trustworthiness", "continuity", "recall", "over seeds"]
    return markdown_table(columns, lines)


def spread(values: list[float]) -> str:
    """Return the least and the greatest of several values."""
    return f"{min(values):.3f} to {max(values):.3f}" if len(values) > 1 else "-"


def sample(n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw rows and map them to codes."""
    fixed = np.random.default_rng(1)
    turn, centres = fixed.normal(size=(10, 3)), 4 * fixed.normal(size=(5, 10))
    X = centres[rng.integers(5, size=n)] + rng.normal(size=(n, 10)) * np.linspace(2, 0.5, 10)
    return X, 3 * np.tanh(X @ turn / 8) + 0.1 * rng.normal(size=(n, 3))


def rows_alone(X: NDArray[np.float64], Z: NDArray[np.float64], k: int) -> Interval:
    """Return recall with an interval that takes rows for independent of each other."""
    near = [NearestNeighbors(n_neighbors=k).fit(points).kneighbors(return_distance=False) for points in (X, Z)]
    shares = np.array([len(set(a) & set(b)) / k for a, b in zip(*near, strict=True)])
    half = 1.96 * shares.std() / np.sqrt(len(shares))
    return Interval(shares.mean(), shares.mean() - half, shares.mean() + half, len(shares))


def coverage() -> str:
    """Return a table of how often intervals hold the mean over samples, and how wide they are."""
    rng = np.random.default_rng(0)
    dimension = effective_dimension(sample(200_000, rng)[1]).value
    lines = []
    for n, repeats in SAMPLES.items():
        each = []
        for seed in range(repeats):
            X, Z = sample(n, rng)
            found = latent_space(Z, X, random_state=seed, neighbours=[5, 10])
            part = found.find("codes", "features")
            assert part is not None
            assert part.gain is not None
            intervals = [part.trustworthiness, part.continuity, *part.recall, part.gain[1], found.effective_dimension]
            each.append([(i.value, i.low, i.high) for i in (*intervals, rows_alone(X, Z, 10))])
        value, low, high = np.moveaxis(np.array(each), 2, 0)
        truth = value.mean(axis=0)
        truth[len(MEASURES) - 1] = dimension
        held = ((low <= truth) & (truth <= high)).mean(axis=0)
        width = (high - low).mean(axis=0) / (2 * 1.96 * value.std(axis=0))
        lines.append([str(n), str(repeats), *(f"{h:.0%} ({w:.1f})" for h, w in zip(held, width, strict=True))])
    return markdown_table(["rows", "samples", *MEASURES, "recall of 10, rows alone"], lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path)
    with threadpool_limits(1):
        text = f"# Latent space\n\n{machine()}; {versions()}\n\n## Neighbours kept\n\nAt 10 neighbours.\n\n"
        text += kept(parser.parse_args().runs)
        text += (
            "\n## Coverage of 95% intervals\n\nIn brackets their width, as a multiple of what it would have to be.\n\n"
        )
        text += coverage()
    (RESULTS / "latent_space.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
