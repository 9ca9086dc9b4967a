"""How far estimated class shares are off where labels are in equal numbers and classes are not.

    python benchmarks/class_shares.py [--draws 10] [--model-draws 5]

Data: the training rows of the imbalanced digits (hold-out of 25%, stratified, random_state 0). Labels: balanced draws
0, 1, ... of ``mask_labels``; the model's seed is the draw's number. Three estimates: from the graph alone; what the
recipe takes for the weights of the prior's components, which is the same estimate for all rows after propagation; and
EM on the fitted model's probabilities. The estimator was chosen on draws 100 and up of three such splits.
Writes results/class_shares.md.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from numpy.typing import NDArray
from tables import RESULTS, machine, markdown_table, versions

from aaetools import AdversarialAutoencoder, mask_labels, split_holdout
from aaetools.analysis import estimate_class_shares
from aaetools.analysis.results import ShareEstimate
from aaetools.datasets import load_dataset

PER_CLASS = (3, 5, 10)
TARGET = 0.03
N_CLASSES = 10
TRIED = """\
Tried once with 10 labels per class on draws 100 to 111 of each of three other splits, which the table does not use; \
within 3 points were, of 36: the count on the graph 28 (mean error 1.7 points); on graphs of 6 or 20 neighbours 30 \
(1.6) or 26 (2.3), and by the vote of all three 28 (1.6); EM (Saerens et al. 2002) on the walks' probabilities 23 \
(2.6) or on spread labels 26 at best (2.5); the count corrected by the confusion of hidden labels (BBSE) 15 (4.4); a \
support vector machine's predictions 14 (3.3), and the means of the count with these or with EM on spread labels 26 \
(2.5) and 28 (2.2). None is better than the count by more than chance, so it stays as it is.
"""
"""What was tried to come nearer, once and by hand."""


def shares(codes: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(codes, minlength=N_CLASSES) / len(codes)


def covered(estimate: ShareEstimate, true: NDArray[np.float64]) -> float:
    """Return the share of classes whose true share lies in its interval."""
    return float(np.mean([s.low <= t <= s.high for s, t in zip(estimate.shares, true, strict=True)]))


def farthest(estimate: ShareEstimate, true: NDArray[np.float64]) -> float:
    """Return the error of the class that is farthest off."""
    return float(np.abs(np.array([s.value for s in estimate.shares]) - true).max())


def row(name: str, per_class: int, errors: list[float], coverage: list[float]) -> list[str]:
    hits = sum(error <= TARGET for error in errors)
    return [
        name,
        str(per_class),
        str(len(errors)),
        f"{100 * np.mean(errors):.1f} ± {100 * np.std(errors, ddof=1):.1f}",
        f"{100 * max(errors):.1f}",
        f"{hits} of {len(errors)}",
        f"{np.mean(coverage):.0%}" if coverage else "-",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--model-draws", type=int, default=5, help="draws with a whole fit")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    started = time.perf_counter()
    data = load_dataset("digits_imbalanced")
    train, _ = split_holdout(data.y, 0.25, random_state=0)
    X, y = data.X[train], data.y[train]
    lines: list[list[str]] = []
    for per_class in PER_CLASS:
        found: dict[str, tuple[list[float], list[float]]] = {
            name: ([], []) for name in ("graph", "the recipe's weights", "EM on the model's probabilities")
        }
        for draw in range(arguments.draws):
            given = mask_labels(y, per_class=per_class, random_state=draw)
            true = shares(y[given < 0])
            graph = estimate_class_shares(None, X, given, random_state=0)
            found["graph"][0].append(farthest(graph, true))
            found["graph"][1].append(covered(graph, true))
            whole = draw < arguments.model_draws and per_class == PER_CLASS[-1]
            model = AdversarialAutoencoder(random_state=draw, max_epochs="auto" if whole else 1).fit(X, given)
            weights = np.array(model.prior_.weights)
            found["the recipe's weights"][0].append(float(np.abs(weights - shares(y)).max()))
            if whole:
                by_model = estimate_class_shares(model, X, given, random_state=0)
                found["EM on the model's probabilities"][0].append(farthest(by_model, true))
                found["EM on the model's probabilities"][1].append(covered(by_model, true))
        lines += [row(name, per_class, *values) for name, values in found.items() if values[0]]
    lines.append(["target", "", "", "<= 3 in every draw", "<= 3.0", "all", "95%"])
    options = f"--draws {arguments.draws} --model-draws {arguments.model_draws}"
    header = ["estimate", "labels per class", "draws", "largest error, points", "worst", "within 3 points", "coverage"]
    text = (
        "# Class shares where labels are in equal numbers and classes are not\n\n"
        f"Training rows of digits_imbalanced ({len(y)} rows, classes of {100 * shares(y).max():.1f}% down to "
        f"{100 * shares(y).min():.1f}%). The error is that of the class that is farthest off, mean ± standard "
        "deviation over draws of labels; coverage is how often the true share lies in the 95% interval.\n\n"
        f"{markdown_table(header, lines)}\n{TRIED}\n"
        f"Made by `python benchmarks/class_shares.py {options}` in {(time.perf_counter() - started) / 60:.1f} minutes "
        f"on {machine()}; {versions()}.\n"
    )
    (RESULTS / "class_shares.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
