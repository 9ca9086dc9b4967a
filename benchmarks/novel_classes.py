"""Digits: is a digit that nobody has labelled reported as a cluster without labels, and nothing else?

Every digit in turn loses all its labels; without a missing digit nothing should be found. The finder looks at inputs
and labels, and at the model's scaling only, so the model is fitted for one epoch. Writes results/novel_classes.md.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from sklearn.datasets import load_digits
from tables import RESULTS, machine, markdown_table, versions

from aaetools import AdversarialAutoencoder, mask_labels, split_holdout
from aaetools.analysis import find_novel_classes

BUDGETS = (50, 100, 200)
HIT = 0.5
"""A digit counts as found where over half of its rows, and more than half of what was found, are found rows of it."""

TRIED = """\
A digit is missed where the cluster that it is in holds a label all the same: an 8 that looks like a 1, say, lies \
among the 1s and happened to be drawn. Tried once on draws 100 to 105, which the table does not use, 60 cases a \
budget and 30 draws with none missing: as it is, 14, 55 and 60 digits were found with 50, 100 and 200 labels (0, 1 \
and 1 alarms); where one label in a cluster is allowed, with the chance of at most one label as the statistic, 5, 58 \
and 60 (0, 1 and 1). What it gains at 100 labels it loses at 50. Where a label is allowed only for every 6, 8 or 10 \
that are expected, 56, 55 and 55 were found with 100 labels. So it stays as it is.
"""
"""What was tried to find more, once and by hand."""


def look(budget: int, draw: int, missing: int | None) -> dict[str, float]:
    """Return what was found in one draw of labels; recall and precision are those of the found rows."""
    torch.set_num_threads(1)
    started = time.process_time()
    X, y = load_digits(return_X_y=True)
    train, _ = split_holdout(y, 0.25, random_state=0)
    X, y = X[train], y[train]
    given = mask_labels(y, n_labels=budget, random_state=draw)
    if missing is not None:
        given[given == missing] = -1
    model = AdversarialAutoencoder(max_epochs=1, random_state=draw).fit(X, given)
    result = find_novel_classes(model, X, given, random_state=draw)
    found = np.zeros(len(y), dtype=bool)
    for cluster in result.clusters:
        found[list(cluster.rows)] = True
    wanted = y == -1 if missing is None else y == missing
    return {
        "clusters": len(result.clusters),
        "recall": float(found[wanted].mean()) if wanted.any() else float("nan"),
        "precision": float(wanted[found].mean()) if found.any() else float("nan"),
        "smallest": float(result.smallest_detectable or np.nan),
        "seconds": time.process_time() - started,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--healthy-draws", type=int, default=40)
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.jobs) as workers:
        cases = [(b, draw, digit) for b in BUDGETS for draw in range(arguments.draws) for digit in range(10)]
        healthy = [(b, draw, None) for b in BUDGETS for draw in range(arguments.healthy_draws)]
        tasks = {case: workers.submit(look, *case) for case in [*cases, *healthy]}
        results = {}
        for case, task in tasks.items():
            results[case] = task.result()
            print(case, results[case], flush=True)
    minutes = sum(found["seconds"] for found in results.values()) / 60

    rows, hits = [], {}
    for budget in BUDGETS:
        here = {case[1:]: found for case, found in results.items() if case[0] == budget and case[2] is not None}
        hits[budget] = {case: found["recall"] > HIT and found["precision"] > HIT for case, found in here.items()}
        some = [found for found in here.values() if found["clusters"]]
        alarms = [results[budget, draw, None]["clusters"] > 0 for draw in range(arguments.healthy_draws)]
        rows.append(
            [
                str(budget),
                f"{sum(hits[budget].values())} of {len(here)}",
                f"{np.mean([found['recall'] for found in here.values()]):.3f}",
                f"{np.mean([found['precision'] for found in some]):.3f}" if some else "-",
                f"{np.mean([found['clusters'] for found in here.values()]):.2f}",
                f"{np.nanmean([found['smallest'] for found in here.values()]):.0f}",
                f"{sum(alarms)} of {len(alarms)}",
            ]
        )
    digits = []
    for digit in range(10):
        cells = [str(digit)]
        for budget in BUDGETS:
            some = [results[budget, draw, digit] for draw in range(arguments.draws)]
            n_hits = sum(hits[budget][draw, digit] for draw in range(arguments.draws))
            cells.append(f"{n_hits} of {len(some)}, recall {np.mean([found['recall'] for found in some]):.2f}")
        digits.append(cells)
    every = all(hits[100].values())
    false_alarms = np.mean([results[100, draw, None]["clusters"] > 0 for draw in range(arguments.healthy_draws)])
    text = (
        "# Digits: a digit without any label\n\n"
        f"{arguments.draws} draws of labels (0 to {arguments.draws - 1}) for each missing digit, and "
        f"{arguments.healthy_draws} draws with none missing, on the 1,347 training rows. The budget is that of all ten "
        "digits, equally drawn; a missing digit loses its tenth. Found: the rows reported at level 0.05 hold over half "
        "of the digit's and are mostly of it. The number of axes and the test were chosen on draws 100 to 102.\n\n"
        + markdown_table(
            [
                "labels",
                "digit found",
                "recall of its rows",
                "precision",
                "clusters reported",
                "smallest detectable cluster",
                "alarms with none missing",
            ],
            rows,
        )
        + "\nRecall is over all cases, precision over those with a report; a digit has 131 to 137 rows.\n\n"
        + markdown_table(["missing digit", *(f"{budget} labels" for budget in BUDGETS)], digits)
        + "\nTarget: with 100 labels every digit is reported. "
        f"{'Met' if every else 'Not met'}: {sum(hits[100].values())} of {len(hits[100])} cases; "
        f"false alarms {false_alarms:.1%} at the nominal 5%.\n\n{TRIED}\n"
        f"Made by `OMP_NUM_THREADS=1 python benchmarks/novel_classes.py --draws {arguments.draws} --healthy-draws "
        f"{arguments.healthy_draws}` in {minutes:.0f} processor minutes on {machine()}; {versions()}.\n"
    )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "novel_classes.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
