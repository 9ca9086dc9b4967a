"""Digits: 100 labels chosen by ``suggest_labels`` against 100 at random, and refits against fresh fits.

Both sides of each repeat start from the same 20 random labels, on training rows only; accuracy is that on hold-out
rows. Writes results/suggest.md.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import wilcoxon
from sklearn.datasets import load_digits
from tables import RESULTS, machine, markdown_table, versions

from aaetools import AdversarialAutoencoder, mask_labels, split_holdout
from aaetools.analysis import suggest_labels

START, ROUNDS = 20, (40, 40)
TITLES = {
    "random": "100 at random",
    "chosen": "**20 at random, then 2 x 40 by `suggest_labels`**",
    "cold": "all chosen: 20 without any label known, then 2 x 40",
    "balanced": "10 of each class at random (needs to know the classes beforehand)",
}


def seconds(work: Callable[[], AdversarialAutoencoder]) -> tuple[AdversarialAutoencoder, float]:
    """Return what ``work`` returns, and the processor seconds it took."""
    started = time.process_time()
    return work(), time.process_time() - started


def repeat(draw: int) -> dict[str, float]:
    """Return hold-out accuracies and processor seconds of one repeat."""
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

    def choose_on(labels: NDArray[np.int64]) -> tuple[NDArray[np.int64], AdversarialAutoencoder]:
        """Choose in rounds; return the labels at the end, and the model that the last round was chosen with."""
        model = fit(labels)
        for number, size in enumerate(ROUNDS):
            if number:  # a class that is new asks for a fresh fit
                known = set(labels[labels >= 0]) == set(model.classes_)
                model = model.refit(X_train, labels) if known else fit(labels)
            chosen = [row.row for row in suggest_labels(model, X_train, labels, size, random_state=draw).rows]
            labels = labels.copy()
            labels[chosen] = truth[chosen]
        return labels, model

    found = {}
    found["random"] = score(fit(told(order[:total])))
    labels, model = choose_on(told(order[:START]))
    fresh, found["fresh_seconds"] = seconds(lambda: fit(labels))
    found["chosen"] = score(fresh)
    if set(labels[labels >= 0]) == set(model.classes_):
        warm, found["refit_seconds"] = seconds(lambda: copy.deepcopy(model).refit(X_train, labels))
        found["refit"] = score(warm)
    blank = AdversarialAutoencoder(random_state=draw, max_epochs=2).fit(X_train)
    first = [row.row for row in suggest_labels(blank, X_train, None, START, random_state=draw).rows]
    found["cold"] = score(fit(choose_on(told(np.array(first)))[0]))
    found["balanced"] = score(fit(mask_labels(truth, n_labels=total, random_state=draw)))
    return found


def summary(values: NDArray[np.float64]) -> str:
    return f"{values.mean():.4f} ± {values.std(ddof=1):.4f} (min {values.min():.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.process_time()
    results = []
    for draw in range(arguments.draws):
        results.append(repeat(draw))
        print(draw, {name: round(value, 4) for name, value in results[-1].items()}, flush=True)
    minutes = (time.process_time() - started) / 60
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
    pairs = np.array(
        [[found[name] for name in ("chosen", "refit", "fresh_seconds", "refit_seconds")] for found in both]
    )
    gap = pairs[:, 1] - pairs[:, 0]
    text = (
        "# Digits: 100 chosen labels against 100 at random\n\n"
        f"{arguments.draws} repeats (draws 0 to {arguments.draws - 1}), paired by draw. 450 hold-out rows (25%, "
        "stratified, random_state 0) take no part in choosing or training. Each accuracy is that of a fresh fit with "
        "the default settings on the 100 labels. The strategy (auto, which is hybrid, or coverage before there is any "
        "label) was chosen on draws from 100 on with validation rows taken from the training rows.\n\n"
        + markdown_table(
            ["labels", "hold-out accuracy", "points above random (± standard error)", "wins / ties / losses", "p"],
            rows,
        )
        + "\np: Wilcoxon's signed-rank test, two-sided. Random labels are drawn from all training rows alike; "
        "the last line draws the same number from every class, which nobody can who does not know the classes.\n\n"
        f"Target: chosen labels beat random ones. {'Met' if ahead else 'Not met'}.\n\n"
        "## Refit against a fresh fit\n\n"
        f"The model of the last round (fitted at {START + ROUNDS[0]} labels) goes on with all 100 "
        f"(`refit`, a quarter of the epochs), beside the fresh fit; {len(pairs)} repeats.\n\n"
        + markdown_table(
            ["", "hold-out accuracy", "processor seconds"],
            [
                ["fresh fit", summary(pairs[:, 0]), f"{pairs[:, 2].mean():.1f}"],
                ["refit", summary(pairs[:, 1]), f"{pairs[:, 3].mean():.1f}"],
                [
                    "difference in points (± standard error)",
                    f"{100 * gap.mean():+.2f} ± {100 * gap.std(ddof=1) / np.sqrt(len(gap)):.2f}",
                    "",
                ],
            ],
        )
        + f"\nMade by `OMP_NUM_THREADS=1 python benchmarks/suggest.py --draws {arguments.draws}` in {minutes:.0f} "
        f"processor minutes on {machine()}; {versions()}.\n"
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "suggest.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
