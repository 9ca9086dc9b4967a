"""Digits and other data: are flipped labels found by ``audit_labels``, and is their number?

The cheap cross-fits are compared with refits of the estimator on the same folds. Writes results/label_audit.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.metrics import roc_auc_score
from tables import RESULTS, machine, markdown_table, versions

from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.analysis import audit_labels

DATA: dict[str, Callable[..., Any]] = {
    "digits": load_digits,
    "wine": load_wine,
    "iris": load_iris,
    "breast_cancer": load_breast_cancer,
}
CHEAP = ("pool", "graph", "probe")
CASES = {
    "digits, all 1,797 labels, 5% flipped": ("digits", None, 0.05),
    "digits, all labels, 2% flipped": ("digits", None, 0.02),
    "digits, all labels, none flipped": ("digits", None, 0.0),
    "digits, 200 labels, 10 flipped": ("digits", 200, 0.05),
    "digits, 100 labels, 5 flipped": ("digits", 100, 0.05),
    "digits, 100 labels, none flipped": ("digits", 100, 0.0),
    "wine, all 178 labels, 5% flipped": ("wine", None, 0.05),
    "iris, all 150 labels, 5% flipped": ("iris", None, 0.05),
    "breast_cancer, all 569 labels, 5% flipped": ("breast_cancer", None, 0.05),
}
WITH_REFITS = (
    "digits, all 1,797 labels, 5% flipped",
    "digits, 100 labels, 5 flipped",
    "wine, all 178 labels, 5% flipped",
)
TARGET = 0.95


def audit(case: str, method: str, draw: int) -> dict[str, float]:
    """Return how well flipped labels were found in one draw, and the processor seconds it took."""
    torch.set_num_threads(1)
    name, budget, share = CASES[case]
    X, y = DATA[name](return_X_y=True)
    random = np.random.RandomState(draw)
    given = y.copy() if budget is None else mask_labels(y, n_labels=budget, random_state=draw)
    labeled = np.flatnonzero(given >= 0)
    flipped = random.choice(labeled, round(share * len(labeled)), replace=False)
    n_classes = int(y.max()) + 1
    given[flipped] = (given[flipped] + random.randint(1, n_classes, len(flipped))) % n_classes
    # scaling and settings are all that the audit takes from it
    model = AdversarialAutoencoder(max_epochs=1, random_state=draw).fit(X, given).set_params(max_epochs="auto")
    started = time.process_time()
    result = audit_labels(model, X, given, method=method, most=None, random_state=draw)
    took = time.process_time() - started
    wrong = np.array([suspect.row in set(flipped.tolist()) for suspect in result.suspects])
    flagged = np.array([suspect.flagged for suspect in result.suspects])
    expected = result.expected_wrong
    return {
        "auc": float(roc_auc_score(wrong, [-suspect.p_given for suspect in result.suspects])) if share else np.nan,
        "recall": float(flagged[wrong].mean()) if share else np.nan,
        "precision": float(wrong[flagged].mean()) if share and flagged.any() else np.nan,
        "n": len(flipped),
        "expected": expected.value,
        "inside": float(expected.low <= len(flipped) <= expected.high),
        "seconds": took,
    }


def cells(found: list[dict[str, float]]) -> list[str]:
    def of(key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.array([one[key] for one in found])

    auc = of("auc")
    return [
        "-" if np.isnan(auc).all() else f"{auc.mean():.4f} (min {auc.min():.4f})",
        "-" if np.isnan(auc).all() else f"{np.nanmean(of('recall')):.2f} / {np.nanmean(of('precision')):.2f}",
        f"{of('n').mean():.0f}",
        f"{of('expected').mean():.1f}",
        f"{of('inside').sum():.0f} of {len(found)}",
        f"{of('seconds').mean():.1f} s",
        str(len(found)),
    ]


def report(found: dict[tuple[str, str], list[dict[str, float]]]) -> str:
    """Return the table of all draws, by case and method."""
    minutes = sum(one["seconds"] for some in found.values() for one in some) / 60
    rows = [
        [case, f"**{method}**" if method == "pool" else method, *cells(found[case, method])]
        for case in CASES
        for method in (*CHEAP, "model")
        if (case, method) in found
    ]
    key = "digits, all 1,797 labels, 5% flipped"
    worst = min(one["auc"] for one in found[key, "pool"])
    return (
        "# Finding flipped labels\n\n"
        "Labels are flipped to another class at random. AUC: area under the ROC curve of the ranking for the flipped "
        "labels. Flagged: share of the flipped labels that are flagged, and of the flagged that are flipped. Inside: "
        "draws in which the 95% interval of the expected number holds the true one (labels that are wrong in the data "
        "themselves are not known). Three folds. `pool` is the default; `model` fits the estimator anew for each fold. "
        "Methods were chosen on draws from 100 on.\n\n"
        + markdown_table(
            ["labels", "method", "AUC", "flagged", "flipped", "expected", "inside", "processor time", "draws"], rows
        )
        + f"\nTarget: AUC of at least {TARGET} on digits with 5% of the labels flipped. "
        f"{'Met' if worst >= TARGET else 'Not met'}: the worst draw has {worst:.4f}.\n\n"
        "Made by `OMP_NUM_THREADS=1 python benchmarks/label_audit.py --draws "
        f"{len(found[key, 'pool'])} --refit-draws {len(found[key, 'model'])}` "
        f"in {minutes:.0f} processor minutes on {machine()}; {versions()}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--refit-draws", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    wanted = [(case, method, draw) for case in CASES for method in CHEAP for draw in range(arguments.draws)]
    wanted += [(case, "model", draw) for case in WITH_REFITS for draw in range(arguments.refit_draws)]
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    with ProcessPoolExecutor(arguments.jobs) as workers:
        tasks = [(case, method, workers.submit(audit, case, method, draw)) for case, method, draw in wanted]
        for case, method, task in tasks:
            found.setdefault((case, method), []).append(task.result())
            print(case, method, task.result(), flush=True)
    text = report(found)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "label_audit.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
