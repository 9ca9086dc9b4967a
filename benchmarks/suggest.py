"""Digits: 100 labels chosen by ``suggest_labels`` against 100 at random, and refits against fresh fits.

Both sides of each repeat start from the same 20 random labels, on training rows only; accuracy is that on hold-out
rows. Writes results/suggest.md.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import wilcoxon
from sklearn.datasets import load_digits
from tables import RESULTS, machine, markdown_table, versions

from aaetools import AdversarialAutoencoder, split_holdout
from aaetools.analysis import suggest_labels

START, ROUNDS = 20, (40, 40)
TITLES = {
    "random": "100 at random",
    "chosen": "**20 at random, then 2 x 40 by `suggest_labels`**",
    "cold": "all chosen: 20 without any label known, then 2 x 40",
}


def seconds(work: Callable[[], AdversarialAutoencoder]) -> tuple[AdversarialAutoencoder, float]:
    """Return what ``work`` returns, and the processor seconds it took."""
    started = time.process_time()
    return work(), time.process_time() - started


def repeat(draw: int, *, refits: bool) -> dict[str, float]:
    """Return hold-out accuracies of one repeat, and of refits with their processor seconds if wanted."""
    torch.set_num_threads(1)
    started = time.process_time()
    X, y = load_digits(return_X_y=True)
    train, holdout = split_holdout(y, 0.25, random_state=0)
    X_train, truth = X[train], y[train]
    order = np.random.RandomState(draw).permutation(len(truth))
    total = START + sum(ROUNDS)

    def told(rows: NDArray[np.int64]) -> NDArray[np.int64]:
        labels = np.full(len(truth), -1)
        labels[rows] = truth[rows]
        return labels

    def fit(labels: NDArray[np.int64]) -> AdversarialAutoencoder:
        return AdversarialAutoencoder(random_state=draw).fit(X_train, labels)

    def score(model: AdversarialAutoencoder) -> float:
        return float(model.score(X[holdout], y[holdout]))

    # what is chosen depends on the model's scaling alone
    scaling = AdversarialAutoencoder(random_state=draw, max_epochs=1).fit(X_train)

    def choose(labels: NDArray[np.int64], size: int) -> NDArray[np.int64]:
        chosen = [row.row for row in suggest_labels(scaling, X_train, labels, size, random_state=draw).rows]
        more = labels.copy()
        more[chosen] = truth[chosen]
        return more

    found = {"random": score(fit(told(order[:total])))}
    steps = [told(order[:START])]
    for size in ROUNDS:
        steps.append(choose(steps[-1], size))
    fresh, found["fresh_seconds"] = seconds(lambda: fit(steps[-1]))
    found["chosen"] = score(fresh)
    cold = choose(told(order[:0]), START)
    for size in ROUNDS:
        cold = choose(cold, size)
    found["cold"] = score(fit(cold))
    if refits:
        before = fit(steps[-2])
        if set(before.classes_) == set(fresh.classes_):
            found["before"] = score(before)
            warm, found["refit_seconds"] = seconds(lambda: copy.deepcopy(before).refit(X_train, steps[-1]))
            found["refit"] = score(warm)
    found["seconds"] = time.process_time() - started
    return found


def summary(values: NDArray[np.float64]) -> str:
    return f"{values.mean():.4f} ± {values.std(ddof=1):.4f} (min {values.min():.3f})"


def report(results: list[dict[str, float]]) -> str:
    """Return the tables of all repeats."""
    minutes = sum(found["seconds"] for found in results) / 60
    column = {name: np.array([found[name] for found in results]) for name in TITLES}
    rows = []
    for name, title in TITLES.items():
        gap = column[name] - column["random"]
        cells = ["", "", ""]
        if name != "random":
            p_value = wilcoxon(gap).pvalue if gap.any() else 1.0
            cells = [
                f"{100 * gap.mean():+.2f} ± {100 * gap.std(ddof=1) / np.sqrt(len(gap)):.2f}",
                f"{(gap > 0).sum()} / {(gap == 0).sum()} / {(gap < 0).sum()}",
                f"{p_value:.3f}",
            ]
        rows.append([title, summary(column[name]), *cells])
    ahead = column["chosen"].mean() > column["random"].mean()
    both = [found for found in results if "refit" in found]
    names = ("chosen", "refit", "fresh_seconds", "refit_seconds", "before")
    pairs = np.array([[found[name] for name in names] for found in both])
    gap = pairs[:, 1] - pairs[:, 0]
    error = gap.std(ddof=1) / np.sqrt(len(gap))
    verdict = "Met, on few draws." if gap.mean() + 2 * error >= 0 else "Not met."
    return (
        "# Digits: 100 chosen labels against 100 at random\n\n"
        f"{len(results)} repeats (draws 0 to {len(results) - 1}), paired by draw. 450 hold-out rows (25%, "
        "stratified, random_state 0) take no part in choosing or training. Each accuracy is that of a fresh fit with "
        "the default settings on the 100 labels. The strategy (auto: hybrid, or coverage without any label) was "
        "chosen on draws from 100 on with validation rows taken from the training rows; it looks at inputs and labels "
        "only, so that the model need not be refitted between the rounds.\n\n"
        + markdown_table(
            ["labels", "hold-out accuracy", "points above random (± standard error)", "wins / ties / losses", "p"],
            rows,
        )
        + "\np: Wilcoxon's signed-rank test, two-sided. Random labels are drawn from all training rows alike. Ten of "
        "*each class* at random, which nobody can draw who does not know the classes, give 0.978 (label_budget.md).\n\n"
        f"Target: chosen labels beat random ones. {'Met' if ahead else 'Not met'}.\n\n"
        "## Refit against a fresh fit\n\n"
        f"A model fitted to the {START + ROUNDS[0]} labels of the first round goes on with all 100 (`refit`, a quarter "
        f"of the epochs), beside the fresh fit; draws 0 to {len(pairs) - 1}.\n\n"
        + markdown_table(
            ["", "hold-out accuracy", "processor seconds"],
            [
                [f"fit to {START + ROUNDS[0]} labels", summary(pairs[:, 4]), ""],
                ["fresh fit", summary(pairs[:, 0]), f"{pairs[:, 2].mean():.1f}"],
                ["refit", summary(pairs[:, 1]), f"{pairs[:, 3].mean():.1f}"],
                [
                    "difference in points (± standard error)",
                    f"{100 * gap.mean():+.2f} ± {100 * gap.std(ddof=1) / np.sqrt(len(gap)):.2f}",
                    "",
                ],
            ],
        )
        + f"\nTarget: no less accurate than a fresh fit by more than two standard errors, in less time. {verdict}\n"
        f"\nMade by `OMP_NUM_THREADS=1 python benchmarks/suggest.py --draws {len(results)}` in {minutes:.0f} "
        f"processor minutes on {machine()}; {versions()}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--refits", type=int, default=5)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as workers:
        tasks = [workers.submit(repeat, draw, refits=draw < arguments.refits) for draw in range(arguments.draws)]
        results = []
        for draw, task in enumerate(tasks):
            results.append(task.result())
            print(draw, {name: round(value, 4) for name, value in results[-1].items()}, flush=True)
    text = report(results)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "suggest.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
