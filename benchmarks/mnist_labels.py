"""Test error on MNIST against the number of labels, ours and other methods'.

    python benchmarks/mnist_labels.py --data FOLDER --log FILE [--jobs 2] [--draws 5] [--labels 100,1000,10000]
        [--methods NAME,NAME] [--threads N] [--table-only] [--choose]

FOLDER holds the four files of MNIST in IDX format, compressed with gzip or not. All 60,000 training images are
training rows; balanced draws 0 ... 4 of ``mask_labels`` keep some of their labels, the rest are unlabelled, and the
model's seed is the draw's number. The 10,000 test images are only predicted. Every finished fit is added to the log,
one JSON object a line, so that an interrupted run goes on where it stopped; logs may be joined with ``cat``.
A run of all methods and budgets writes results/mnist_labels.md; ``--table-only`` writes it from the log alone, and
what the log lacks is "not run" in it. ``--threads`` is the number a fit uses, by default the cores divided by
``--jobs``.

Settings of the other methods were chosen on draws from 100 on, with the first 50,000 training images as training rows
and the last 10,000 to judge on, which is what ``--choose`` measures (it writes no table). LabelSpreading: 5, 7, 10 and
20 neighbours with alpha 0.2, 0.9 and 0.99, at 100 and 1,000 labels, draws 100 to 102. Self-training: sigmoid or
temperature calibration, thresholds of 0.6, 0.8, 0.9 and 0.95 or the surest 2,000 rows a round, draw 100. Neither was
tried at 10,000 labels, which has the settings of 1,000. The regularisation of logistic regression and the number of
neighbours are chosen in every fit by cross-validation on the labelled rows. Our defaults for large data were chosen in
the same way, on draws 100 and 101: widths, told share, retelling, weight and ramp of the unlabelled game. That
neighbours are looked for from eight augmented versions of every row was chosen by the error of label propagation alone
on draws 100, 104, 110, 113 and 119; one, two and four versions were tried, and means of versions, which were far worse.
That the graph is asked again when rows are told anew, and how many rows are told then, was chosen on draws 100 and 101
with the first 20,000 training rows: 2.31 and 2.42% without, 1.60 and 1.74% with it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.semi_supervised import LabelSpreading, SelfTrainingClassifier
from sklearn.svm import SVC
from tables import RESULTS, machine, markdown_table, versions
from threadpoolctl import threadpool_limits

from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.propagation import propagate_labels

BUDGETS = (100, 1000, 10000)
AUGMENTED_EPOCHS = 8
"""Half of the default's passes: convolutions take three times as long on a processor."""
AUGMENTED_NOISE = 0.15
"""Half of the default's noise on inputs: learned faster on draw 101, judged on the last 10,000 training images."""
PLAIN = {
    "logistic_regression": "logistic regression, labelled rows",
    "nearest_neighbor": "k-NN (1, 3 or 5), labelled rows",
    "self_trained_svc": "self-trained SVC (RBF), 40 principal components, 10,000 unlabelled rows",
    "label_spreading": "LabelSpreading (k-NN 10), 40 principal components",
    "propagation": "our label propagation + 1-NN on its labels",
    "paper": "AdversarialAutoencoder(recipe='paper'), the bare game",
    "few_labels": "**AdversarialAutoencoder()**, the defaults",
}
AUGMENTED = {
    "augmented": "**AdversarialAutoencoder(architecture='conv', augmentation='affine')**, 8 epochs, input noise 0.15"
}
METHODS = {**PLAIN, **AUGMENTED}
TARGET = {100: "<= 1.9, in <= 30 min on two cores", 1000: "<= 1.6"}
AUGMENTED_TARGET = {100: "<= 1.0"}
RERUN = "https://github.com/musyoku/adversarial-autoencoder/issues/13"
PUBLISHED: tuple[tuple[str, dict[int, str]], ...] = (
    ("M1+M2 ([Kingma et al. 2014](https://arxiv.org/abs/1406.5298))", {100: "3.33 ± 0.14", 1000: "2.40 ± 0.02 †"}),
    ("VAT ([Miyato et al. 2015](https://arxiv.org/abs/1507.00677))", {100: "2.12 to 2.33", 1000: "1.36 †"}),
    ("CatGAN ([Springenberg 2015](https://arxiv.org/abs/1511.06390))", {100: "1.91 ± 0.10", 1000: "1.73 ± 0.18 †"}),
    ("Ladder ([Rasmus et al. 2015](https://arxiv.org/abs/1507.02672))", {100: "1.06 ± 0.37", 1000: "0.84 ± 0.08 †"}),
    ("AAE ([Makhzani et al. 2015](https://arxiv.org/abs/1511.05644))", {100: "1.90 ± 0.10", 1000: "1.60 ± 0.08 †"}),
    (f"public reruns of that AAE ([one of them]({RERUN}))", {100: "about 4 to 5.5 †", 1000: "about 5 to 7 †"}),
)

Floats = NDArray[np.float32]
Codes = NDArray[np.int64]


class Task(NamedTuple):
    """One fit: a method on one draw of labels."""

    method: str
    labels: int
    draw: int


class Split(NamedTuple):
    """Training rows with all their labels, and the rows to judge on."""

    X: Floats
    y: Codes
    X_judge: Floats
    y_judge: Codes


def read_idx(folder: Path, name: str) -> NDArray[np.uint8]:
    """Read one file in IDX format, compressed or not; bytes in the shape that its header says."""
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            content = path.read_bytes()
            content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            if content[:3] != b"\x00\x00\x08":
                raise ValueError(f"{path} is not a file of bytes in IDX format")
            n_dims = content[3]
            shape = np.frombuffer(content, dtype=">u4", count=n_dims, offset=4)
            return np.frombuffer(content, dtype=np.uint8, offset=4 + 4 * n_dims).reshape(shape.tolist())
    raise FileNotFoundError(f"neither {name} nor {name}.gz in {folder}")


def read_part(folder: Path, part: str) -> tuple[Floats, Codes]:
    """Read images, pixels between 0 and 1 in rows of 784, and labels of "train" or "t10k"."""
    images = read_idx(folder, f"{part}-images-idx3-ubyte")
    labels = read_idx(folder, f"{part}-labels-idx1-ubyte")
    return images.reshape(len(images), -1).astype(np.float32) / np.float32(255), labels.astype(np.int64)


@cache
def read_split(folder: Path, choose: bool) -> Split:
    """Return training and test images, or with ``choose`` two parts of the training images."""
    X, y = read_part(folder, "train")
    if choose:
        return Split(X[:50000], y[:50000], X[50000:], y[50000:])
    return Split(X, y, *read_part(folder, "t10k"))


def our_model(method: str, draw: int) -> AdversarialAutoencoder:
    if method == "paper":
        return AdversarialAutoencoder(recipe="paper", random_state=draw)
    if method == "few_labels":
        return AdversarialAutoencoder(random_state=draw)
    return AdversarialAutoencoder(
        architecture="conv",
        augmentation="affine",
        image_shape=(28, 28),
        hidden_layer_sizes=(128, 128),
        max_epochs=AUGMENTED_EPOCHS,
        recipe_params={"input_noise": AUGMENTED_NOISE},
        random_state=draw,
    )


def logistic_regression(split: Split, given: Codes, draw: int) -> Codes:
    known = given >= 0
    # scores are flat around the best C, and a fit that has not fully converged is stopped early, not wrong
    search = GridSearchCV(LogisticRegression(max_iter=200, tol=1e-3), {"C": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0]}, cv=5)
    return np.asarray(search.fit(split.X[known], given[known]).predict(split.X_judge))


def nearest_neighbor(split: Split, given: Codes, draw: int) -> Codes:
    known = given >= 0
    search = GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3, 5]}, cv=5)
    return np.asarray(search.fit(split.X[known], given[known]).predict(split.X_judge))


def components(split: Split) -> tuple[Floats, Floats]:
    """Return training rows and rows to judge on in 40 principal components of the training rows."""
    pca = PCA(40, random_state=0).fit(split.X)
    return pca.transform(split.X), pca.transform(split.X_judge)


def label_spreading(split: Split, given: Codes, draw: int) -> Codes:
    Z, Z_judge = components(split)
    alpha = 0.9 if (given >= 0).sum() <= 100 else 0.2
    model = LabelSpreading(kernel="knn", n_neighbors=10, alpha=alpha, max_iter=100)
    with np.errstate(invalid="ignore"):  # rows that no label reaches
        return np.asarray(model.fit(Z, given).predict(Z_judge))


def self_trained_svc(split: Split, given: Codes, draw: int) -> Codes:
    """Self-training on the labelled and 10,000 random unlabelled rows: all of them would take hours."""
    Z, Z_judge = components(split)
    unlabeled = np.random.RandomState(draw).permutation(np.flatnonzero(given < 0))[:10000]
    rows = np.concatenate([np.flatnonzero(given >= 0), unlabeled])
    svc = CalibratedClassifierCV(SVC(C=10.0), method="temperature", ensemble=False, cv=5)
    max_iter = 5 if (given >= 0).sum() <= 1000 else 2
    model = SelfTrainingClassifier(svc, threshold=0.9, max_iter=max_iter)
    return np.asarray(model.fit(Z[rows], given[rows]).predict(Z_judge))


def propagation(split: Split, given: Codes, draw: int) -> Codes:
    told = propagate_labels(split.X, given, int(given.max()) + 1)[0].argmax(axis=1)
    return np.asarray(KNeighborsClassifier(1).fit(split.X, told).predict(split.X_judge))


BASELINES: dict[str, Callable[[Split, Codes, int], Codes]] = {
    "logistic_regression": logistic_regression,
    "nearest_neighbor": nearest_neighbor,
    "self_trained_svc": self_trained_svc,
    "label_spreading": label_spreading,
    "propagation": propagation,
}


def measure(folder: Path, task: Task, choose: bool) -> dict[str, Any]:
    """Fit and predict once; return the line of the log."""
    split = read_split(folder, choose)
    given = mask_labels(split.y, n_labels=task.labels, random_state=task.draw)
    device = "cpu"
    started, cpu_started = time.perf_counter(), time.process_time()
    if task.method in BASELINES:
        predicted = BASELINES[task.method](split, given, task.draw)
    else:
        model = our_model(task.method, task.draw).fit(split.X, given)
        predicted, device = model.predict(split.X_judge), model.device_
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    return {
        **task._asdict(),
        "judged_on": judged_on(choose),
        "error": round(100 * float((predicted != split.y_judge).mean()), 4),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(cpu_seconds, 2),
        "threads": torch.get_num_threads(),
        "machine": machine() + (f", {torch.cuda.get_device_name()}" if device.startswith("cuda") else ""),
        "versions": versions(),
    }


def judged_on(choose: bool) -> str:
    return "last 10,000 training rows" if choose else "test"


def use_threads(n: int) -> None:
    """Hold everything in this process to n threads."""
    torch.set_num_threads(n)
    threadpool_limits(n)


def read_log(path: Path, choose: bool) -> dict[Task, dict[str, Any]]:
    """Read what is finished; of two lines on the same fit the later one counts, and a torn line is skipped."""
    found: dict[Task, dict[str, Any]] = {}
    for line in path.read_text().splitlines() if path.is_file() else []:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if entry["judged_on"] == judged_on(choose):
            found[Task(entry["method"], entry["labels"], entry["draw"])] = entry
    return found


def append_log(path: Path, entry: dict[str, Any]) -> None:
    """Add one line, on a line of its own even if the last one was torn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    before = path.read_text() if path.is_file() else ""
    torn = bool(before) and not before.endswith("\n")
    with path.open("a") as log:
        log.write(("\n" if torn else "") + json.dumps(entry) + "\n")


def run(folder: Path, log: Path, tasks: Sequence[Task], *, jobs: int, threads: int, choose: bool) -> int:
    """Run tasks and log each; return how many failed."""
    failed = 0
    with ProcessPoolExecutor(jobs, initializer=use_threads, initargs=(threads,)) as pool:
        waiting = {pool.submit(measure, folder, task, choose): task for task in tasks}
        for done, future in enumerate(as_completed(waiting), start=1):
            name = "{0.method}, {0.labels} labels, draw {0.draw}".format(waiting[future])
            try:
                entry = future.result()
            except Exception as error:  # the other fits are worth having
                failed += 1
                print(f"{done}/{len(tasks)} {name}: failed, {type(error).__name__}: {error}", flush=True)
                continue
            append_log(log, entry)
            print(f"{done}/{len(tasks)} {name}: {entry['error']:.2f}% in {entry['seconds']:.1f} s", flush=True)
    return failed


def error_cell(entries: Sequence[dict[str, Any]], draws: int) -> str:
    """Return mean ± standard deviation (min..max) of the errors."""
    if not entries:
        return "not run"
    errors = np.array([entry["error"] for entry in entries])
    spread = f" ± {errors.std(ddof=1):.2f} ({errors.min():.2f}..{errors.max():.2f})" if len(errors) > 1 else ""
    missing = f", {len(errors)} of {draws} draws" if len(errors) < draws else ""
    return f"{errors.mean():.2f}{spread}{missing}"


def time_cell(groups: Sequence[Sequence[dict[str, Any]]]) -> str:
    """Return mean seconds, wall and processor, per budget."""

    def mean(group: Sequence[dict[str, Any]], key: str) -> str:
        value = np.mean([entry[key] for entry in group])
        return f"{value:.0f}" if value >= 10 else f"{value:.1f}"

    return " / ".join(f"{mean(g, 'seconds')} ({mean(g, 'cpu_seconds')})" if g else "-" for g in groups)


def table(found: dict[Task, dict[str, Any]], titles: dict[str, str], target: dict[int, str], draws: int) -> str:
    """Return methods measured here, then the target."""
    rows = []
    for method, title in titles.items():
        groups = [
            [found[task] for draw in range(draws) if (task := Task(method, budget, draw)) in found]
            for budget in BUDGETS
        ]
        rows.append([title, *(error_cell(group, draws) for group in groups), time_cell(groups)])
    rows.append(["target", *(target.get(budget, "-") for budget in BUDGETS), ""])
    if titles is PLAIN:
        rows += [[f"quoted: {title}", *(cells.get(b, "-") for b in BUDGETS), ""] for title, cells in PUBLISHED]
    return markdown_table(["method", *(f"{b:,} labels" for b in BUDGETS), "seconds per fit"], rows)


def report(found: dict[Task, dict[str, Any]], draws: int) -> str:
    """Return the page of results."""
    made_on = sorted({f"{e['machine']}, threads per fit: {e['threads']}; {e['versions']}" for e in found.values()})
    return (
        "# MNIST: test error (%) against the number of labels\n\n"
        f"Mean ± standard deviation (min..max) over {draws} label draws (0 to {draws - 1}), balanced, among all 60,000 "
        "training images; the rest are unlabelled. Judged on the 10,000 test images, which take part in no training or "
        "choice: all settings were chosen on other draws, judged on the last 10,000 training images. "
        "Seconds are for a fit and the prediction of the test images, one figure per number of labels, with processor "
        "seconds in brackets.\n\n"
        + table(found, PLAIN, TARGET, draws)
        + "\nQuoted rows were not measured here; splits and label draws differ. Their figures were read in works that "
        "quote the papers; those with † are less certain and may be off in the last digit. None is known for 10,000 "
        "labels.\n\n"
        "Bounds: the self-trained SVC sees the labelled rows and 10,000 random unlabelled ones, for at most 5 rounds "
        "(2 with 10,000 labels). Logistic regression stops after 200 steps. LabelSpreading (alpha 0.9 with 100 labels, "
        "else 0.2) stops after 100 rounds.\n\n"
        "## With image augmentation\n\n"
        "Knows that the rows are images and that a digit moved, turned or sheared a little stays the same digit; the "
        "table above does not.\n\n"
        + table(found, AUGMENTED, AUGMENTED_TARGET, draws)
        + "\nMade by `python benchmarks/mnist_labels.py` on "
        + "; and on ".join(made_on)
        + ".\n"
    )


def names_in(allowed: Sequence[str]) -> Callable[[str], list[str]]:
    """Return a reader of names with commas between them."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        unknown = sorted(set(names) - set(allowed))
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(allowed)}")
        return names

    return read


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with the four IDX files")
    parser.add_argument("--log", type=Path, required=True, help="file of finished fits; a later run goes on from it")
    parser.add_argument("--jobs", type=int, default=2, help="fits at a time; they share the cores")
    parser.add_argument("--threads", type=int, help="threads of one fit; by default the cores divided by the jobs")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--labels", type=names_in([str(budget) for budget in BUDGETS]), default=list(map(str, BUDGETS)))
    parser.add_argument("--methods", type=names_in(list(METHODS)), default=list(METHODS))
    parser.add_argument("--table-only", action="store_true", help="make the table from the log")
    parser.add_argument("--choose", action="store_true", help="judge on training rows and other draws; no table")
    arguments = parser.parse_args()
    if arguments.data is None and not arguments.table_only:
        parser.error("--data is needed, unless with --table-only")
    return arguments


def main() -> None:
    arguments = read_arguments()
    failed = 0
    if not arguments.table_only:
        done = read_log(arguments.log, arguments.choose)
        first = 100 if arguments.choose else 0
        tasks = [
            task
            for draw in range(first, first + arguments.draws)
            for labels in map(int, arguments.labels)
            for method in arguments.methods
            if (task := Task(method, labels, draw)) not in done
        ]
        jobs = arguments.jobs
        threads = arguments.threads or max(1, (os.cpu_count() or 1) // jobs)
        failed = run(arguments.data, arguments.log, tasks, jobs=jobs, threads=threads, choose=arguments.choose)
    everything = len(set(arguments.methods)) == len(METHODS) and len(set(arguments.labels)) == len(BUDGETS)
    if not arguments.choose:
        text = report(read_log(arguments.log, choose=False), arguments.draws)
        print(text)
        if everything or arguments.table_only:
            RESULTS.mkdir(exist_ok=True)
            (RESULTS / "mnist_labels.md").write_text(text)
    if failed:
        raise SystemExit(f"{failed} fits failed")


if __name__ == "__main__":
    main()
