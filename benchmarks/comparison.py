"""How often a comparison of runs names a winner that is none, and how large a difference it sees.

    python benchmarks/comparison.py [--repeats 2000]

No network is trained: which rows a run gets right is drawn, since that is all that paired tests look at. Each row has a
difficulty of its own (Beta distribution), so that runs err on the same rows more often than chance. Decisions are those
of ``aaetools.analysis.compare``: McNemar's exact test with Holm's correction over all pairs of runs, and an interval
(Newcombe 1998) without 0; over seeds the corrected resampled t-test. Writes results/comparison.md.
"""

from __future__ import annotations

import argparse
import time
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp
from tables import RESULTS, machine, markdown_table, versions

from aaetools.analysis.intervals import corrected_t_test, holm, mcnemar, paired_difference, wilson_interval

N_ROWS, TEST_SHARE, LEVEL = 1_800, 0.25, 0.05
FIT_SPREAD = 0.01
"""Standard deviation of what one training adds to the accuracy of all rows."""

Rows = NDArray[np.bool_]


def difficulty(accuracy: float, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return each row's probability to be right; their mean is the accuracy."""
    return rng.beta(1.2 * accuracy, 1.2 * (1 - accuracy), size=n)


def lifted(p: NDArray[np.float64], accuracy: float) -> NDArray[np.float64]:
    """Return probabilities with another mean, by scaling those to be wrong; all stay in [0, 1] for small changes."""
    return np.clip(1 - (1 - p) * (1 - accuracy) / np.mean(1 - p), 0, 1)


def clear(right: list[Rows]) -> list[bool]:
    """Return for each pair of runs whether one is clearly better."""
    pairs = list(combinations(right, 2))
    adjusted = holm([mcnemar(a, b) for a, b in pairs])
    found = []
    for (a, b), p in zip(pairs, adjusted, strict=True):
        gap = paired_difference(int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum()))
        found.append(bool(p < LEVEL and (gap.low > 0 or gap.high < 0)))
    return found


def overlap_decides(a: Rows, b: Rows) -> bool:
    """Return whether the two intervals do not overlap: what a reader without paired rows would look at."""
    one, other = (wilson_interval(int(rows.sum()), len(rows)) for rows in (a, b))
    return one.low > other.high or other.low > one.high


def equal_runs(n_runs: int, n: int, repeats: int, rng: np.random.Generator) -> float:
    """Return how often any pair of equally good runs is called clearly different."""
    wrong = 0
    for _ in range(repeats):
        p = difficulty(0.93, n, rng)
        wrong += any(clear([rng.random(n) < p for _ in range(n_runs)]))
    return wrong / repeats


def better_run(gain: float, n: int, repeats: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """Return how often a gain is found: by paired rows, by intervals that do not overlap; and the coverage."""
    paired = apart = covered = 0
    for _ in range(repeats):
        p = difficulty(0.93, n, rng)
        lift = lifted(p, float(p.mean()) + gain)
        a, b = rng.random(n) < p, rng.random(n) < lift
        paired += clear([a, b])[0]
        apart += overlap_decides(a, b)
        gap = paired_difference(int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum()))
        covered += gap.low <= float(np.mean(lift - p)) <= gap.high
    return paired / repeats, apart / repeats, covered / repeats


def over_seeds(n_seeds: int, gain: float, repeats: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return how often two settings are told apart over seeds, with the correction and without."""
    corrected = plain = 0
    n_test = int(TEST_SHARE * N_ROWS)
    for _ in range(repeats):
        one, other = difficulty(0.93, N_ROWS, rng), difficulty(0.93, N_ROWS, rng)
        other = lifted(other, float(one.mean()) + gain)
        gaps = []
        for _ in range(n_seeds):
            held = rng.permutation(N_ROWS)[:n_test]
            a, b = (rng.random(n_test) < lifted(p, p.mean() + FIT_SPREAD * rng.normal())[held] for p in (one, other))
            gaps.append(float(b.mean() - a.mean()))
        corrected += corrected_t_test(gaps, TEST_SHARE / (1 - TEST_SHARE))[1] < LEVEL
        plain += ttest_1samp(gaps, 0).pvalue < LEVEL
    return corrected / repeats, plain / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=2_000)
    repeats = parser.parse_args().repeats
    started, rng = time.perf_counter(), np.random.default_rng(0)
    alike = [
        [str(n_runs), str(n), f"{equal_runs(n_runs, n, max(200, repeats * 2 // (n_runs * (n_runs - 1))), rng):.1%}"]
        for n_runs in (2, 4, 12)
        for n in (100, 450)
    ]
    gains = []
    for gain in (0.01, 0.02, 0.03, 0.05):
        for n in (100, 450):
            paired, apart, covered = better_run(gain, n, repeats, rng)
            gains.append([f"{100 * gain:.0f}", str(n), f"{paired:.0%}", f"{apart:.0%}", f"{covered:.1%}"])
    seeds = []
    for n_seeds in (3, 5, 10):
        for gain in (0.0, 0.03):
            corrected, plain = over_seeds(n_seeds, gain, repeats, rng)
            seeds.append([str(n_seeds), f"{100 * gain:.0f}", f"{corrected:.1%}", f"{plain:.1%}"])
    text = (
        "# Which differences between runs a comparison finds, and how often it errs\n\n"
        "Runs are right on 93% of the rows on average; which rows are right is drawn, no network is trained.\n\n"
        "## Equally good runs: any pair called clearly different (at most 5% is promised)\n\n"
        f"{markdown_table(['runs', 'rows in common', 'wrong winners'], alike)}\n"
        "## One run better than the other\n\n"
        f"{markdown_table(['points better', 'rows in common', 'found by pairs', 'found where intervals do not overlap', 'coverage of the interval'], gains)}\n"  # noqa: E501
        "## Two settings over seeds, 450 of 1,800 rows held out, other rows with each seed\n\n"
        f"{markdown_table(['seeds', 'points better', 'told apart (corrected)', 'told apart (plain t-test)'], seeds)}\n"
        f"Made by `python benchmarks/comparison.py --repeats {repeats}` in {(time.perf_counter() - started) / 60:.1f} "
        f"minutes on {machine()}; {versions()}.\n"
    )
    (RESULTS / "comparison.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
