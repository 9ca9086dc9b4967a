"""Which alarms are raised on healthy runs and on runs made sick on purpose, and which of them are right.

    OMP_NUM_THREADS=1 python benchmarks/health.py [--seeds 3] [--matched 25] [--jobs 1]

Healthy runs: every bundled data set with the defaults of ``aaetools fit`` (seeds 0, 1, ...; hold-out of a quarter, ten
labels per class). Sick runs: something is broken on purpose in each. Matched codes: draws of the prior itself in place
of codes. Whether a run is in fact healthy is judged for each alarm by a measure that the alarm does not use, see
``judge``. Writes results/health.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import adjusted_rand_score
from sklearn.model_selection import cross_val_predict
from tables import RESULTS, machine, markdown_table, versions
from torch import Tensor, nn

from aaetools import AdversarialAutoencoder, mask_labels, split_holdout
from aaetools.analysis import analyze, compare_baselines
from aaetools.analysis.class_codes import class_codes
from aaetools.analysis.health import dead_axes, health_warnings
from aaetools.analysis.intervals import mcnemar, wilson_interval
from aaetools.analysis.prior_match import prior_match
from aaetools.datasets import DATASETS, load_dataset
from aaetools.exceptions import TrainingError
from aaetools.priors import make_prior

ALARMS = {
    "critic wins": "has lost the game",
    "critic fooled": "but the test tells them apart",
    "dead axes": "next to no spread",
    "one cluster": "One cluster holds",
    "reconstruction": "no better than the mean",
    "baseline better": "points fewer than",
    "not finite": "training diverged",
}
"""Short name -> words that only this alarm's sentence has."""

JUDGED = {
    "critic wins": "a random forest, cross-validated, tells held-out codes from as many draws of the prior in over 90% "
    "of cases; healthy below 80%",
    "critic fooled": "that forest is right more often than guessing (95% interval above 50%); healthy if it is not",
    "dead axes": "an axis of the run costs under 1% of the explained variance when it is fixed at its mean; healthy if "
    "every axis costs more",
    "one cluster": "clusters and true classes have an adjusted Rand index under 0.05; healthy above",
    "reconstruction": "of two held-out rows a reconstruction is nearer to its own in under 60% of pairs; healthy above "
    "75%",
    "baseline better": "on the rows whose labels were hidden from training, which the alarm does not see, the baseline "
    "is better (McNemar, 5%); healthy if it has no higher accuracy there",
    "not finite": "a weight or a code is not finite; healthy if all are",
}
"""Short name -> when a run is taken to be sick in that respect; no measure is one that the alarm uses."""

BUNDLED = [name for name, card in DATASETS.items() if card.download is None]

SICK, UNCLEAR, HEALTHY = "sick", "unclear", "healthy"
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Run:
    """One fit: what was raised, and for each alarm how the run is in fact and the number that says so."""

    name: str
    kind: str
    seed: int
    raised: tuple[str, ...]
    truth: dict[str, tuple[str, float]]
    seconds: float


@dataclass(frozen=True)
class Case:
    """A fit to be made: data, settings of the estimator, and what is done to the training rows before."""

    data: str = "wine"
    settings: Callable[[int], dict[str, Any]] = lambda n_features: {}
    spoil: Callable[[Rows], Rows] = lambda X: X
    labeled: bool = True


# --- What is broken on purpose ------------------------------------------------------------------------


class Faint(nn.Module):
    """Passes on the first axis of a code, and so much of the others."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, z: Tensor) -> Tensor:
        """Return a code of the same shape."""
        return torch.cat([z[:, :1], self.share * z[:, 1:]], dim=1)


class Mute(nn.Module):
    """Passes on nothing of its input."""

    def forward(self, x: Tensor) -> Tensor:
        """Return zeros."""
        return 0 * x


def encoder(n_features: int, n_components: int, *last: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(n_features, 64), nn.ReLU(), nn.Linear(64, n_components), *last)


def in_other_units(X: Rows) -> Rows:
    spoiled = X.copy()
    spoiled[:3] *= 1e4
    return spoiled


SICK_CASES: dict[str, tuple[str, Case]] = {
    "encoder that ends in ReLU, Gaussian prior": (
        "critic wins",
        Case(settings=lambda n: {"n_components": 8, "prior": "gaussian", "encoder": encoder(n, 8, nn.ReLU())}),
    ),
    "linear discriminator, Gaussian prior": (
        "critic fooled",
        Case(
            settings=lambda n: {
                "n_components": 2,
                "prior": "gaussian",
                "discriminator": nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)),
            },
            labeled=False,
        ),
    ),
    "encoder that mutes every axis but one": (
        "dead axes",
        Case(settings=lambda n: {"n_components": 4, "encoder": encoder(n, 4, Faint(0.0))}),
    ),
    "encoder that makes every axis but one 1,000 times smaller": (
        "dead axes",
        Case(settings=lambda n: {"n_components": 4, "encoder": encoder(n, 4, Faint(1e-3))}),
    ),
    "three rows in other units (10,000 times larger)": ("one cluster", Case(spoil=in_other_units)),
    "learning rate 1e-6 for five epochs": (
        "reconstruction",
        Case(settings=lambda n: {"learning_rate": 1e-6, "max_epochs": 5}),
    ),
    "encoder that ignores its input": (
        "reconstruction",
        Case(settings=lambda n: {"n_components": 3, "encoder": nn.Sequential(Mute(), encoder(n, 3)), "max_epochs": 30}),
    ),
    "one epoch": ("baseline better", Case(data="digits", settings=lambda n: {"max_epochs": 1})),
    "learning rate 1e4": ("not finite", Case(settings=lambda n: {"learning_rate": 1e4})),
}
"""What is broken -> the alarm that is for it, and the fit."""


# --- Whether a run is healthy in fact -----------------------------------------------------------------


def graded(value: float, sick: bool, healthy: bool) -> tuple[str, float]:
    return (SICK if sick else HEALTHY if healthy else UNCLEAR), value


def judge(
    model: Any, X: Rows, given: Any, y: Any, X_holdout: Rows, y_holdout: Any, clusters: Any, baseline: Any
) -> Any:
    """Return how the run is, for each alarm, with the number that says so; no measure is one that an alarm uses."""
    codes = np.asarray(model.transform(X_holdout))
    finite = bool(np.isfinite(codes).all() and all(torch.isfinite(w).all() for w in model.encoder_.parameters()))
    told = forest_accuracy(codes, model.prior_)
    cost = ablation_costs(model, X_holdout)
    agreement = float(adjusted_rand_score(np.concatenate([y, y_holdout]), clusters))
    own = own_is_nearer(model, X_holdout)
    truth = {
        "critic wins": graded(told.value, told.value > 0.9, told.value < 0.8),
        "critic fooled": graded(told.value, told.low > 0.5, told.low <= 0.5),
        "dead axes": graded(float(cost.min()), bool(cost.min() < 0.01), bool(cost.min() >= 0.01)),
        "one cluster": graded(agreement, agreement < 0.05, agreement >= 0.05),
        "reconstruction": graded(own, own < 0.6, own > 0.75),
        "not finite": graded(float(finite), not finite, finite),
    }
    if given is not None and baseline is not None:
        truth["baseline better"] = lead_of(baseline, model, X, given, y)
    return truth


def forest_accuracy(codes: Rows, prior: Any) -> Any:
    drawn = prior.sample(len(codes), generator=torch.Generator().manual_seed(7)).numpy()
    kind = np.repeat([1, 0], len(codes))
    forest = RandomForestClassifier(200, min_samples_leaf=3, random_state=0)
    found = cross_val_predict(forest, np.concatenate([codes, drawn]), kind, cv=5)
    return wilson_interval(int((found == kind).sum()), len(kind))


def ablation_costs(model: Any, X: Rows) -> NDArray[np.float64]:
    """Return the share of the explained variance that is lost where an axis is fixed at its mean; NaN if none is."""
    scaled, codes = model.scale(X), np.asarray(model.transform(X))

    def error(Z: Rows) -> float:
        return float(np.square(model.scale(model.inverse_transform(Z)) - scaled).mean())

    explained = float(scaled.var(axis=0).mean()) - error(codes)
    if explained <= 0:
        return np.full(codes.shape[1], np.nan)
    costs = []
    for axis in range(codes.shape[1]):
        fixed = codes.copy()
        fixed[:, axis] = codes[:, axis].mean()
        costs.append((error(fixed) - error(codes)) / explained)
    return np.array(costs)


def own_is_nearer(model: Any, X: Rows) -> float:
    scaled = model.scale(X).astype(np.float64)
    made = model.scale(model.inverse_transform(model.transform(X))).astype(np.float64)
    distance = np.square(scaled[:, None] - made[None]).sum(axis=2)
    own = np.diag(distance)
    others = ~np.eye(len(X), dtype=bool)
    # of the reconstruction of row j: is row j nearer to it than row i is? Ties count half
    return float(((own[None] < distance) + 0.5 * (own[None] == distance))[others].mean())


def lead_of(name: str, model: Any, X: Rows, given: Any, y: Any) -> tuple[str, float]:
    """Return by how many points a baseline leads on the rows whose labels were hidden."""
    codes = class_codes(given, model.classes_)
    hidden = codes < 0
    scaled = model.scale(X)
    found = compare_baselines(
        scaled, codes, scaled[hidden], baselines=[name], n_classes=len(model.classes_), random_state=0
    )[name]
    truth = class_codes(y[hidden], model.classes_)
    own, other = model.predict_proba(X[hidden]).argmax(axis=1) == truth, found.predicted == truth
    lead = 100 * float(other.mean() - own.mean())
    return graded(lead, lead > 0 and mcnemar(own, other) < 0.05, lead <= 0)


# --- Runs ---------------------------------------------------------------------------------------------


def look(name: str, kind: str, case: Case, seed: int) -> Run:
    torch.set_num_threads(1)
    started = time.process_time()
    data = load_dataset(case.data)
    train, holdout = split_holdout(data.y, 0.25, random_state=seed)
    X, X_holdout = case.spoil(np.asarray(data.X, np.float32)[train]), np.asarray(data.X, np.float32)[holdout]
    y, y_holdout = data.y[train], data.y[holdout]
    given = mask_labels(y, per_class=10, random_state=seed) if case.labeled else None
    torch.manual_seed(seed)  # for the encoders that are made here
    model = AdversarialAutoencoder(random_state=seed, image_shape=data.image_shape, **case.settings(X.shape[1]))
    try:
        model.fit(X, given)
    except TrainingError as error:
        raised = named([str(error)])
        return Run(name, kind, seed, raised, {"not finite": (SICK, 0.0)}, time.process_time() - started)
    found = analyze(
        model,
        X,
        given,
        X_holdout=X_holdout,
        y_holdout=y_holdout,
        label_parts=(),
        embed=False,
        random_state=seed,
    )
    best = None if found.classification is None else found.classification.best_baseline
    truth = judge(model, X, given, y, X_holdout, y_holdout, found.tables.rows["cluster"].to_numpy(), best)
    return Run(name, kind, seed, named(found.warnings), truth, time.process_time() - started)


def named(warnings: Any) -> tuple[str, ...]:
    """Return the short names of alarms; a sentence that none or several of them have is an error here."""
    names = []
    for warning in warnings:
        (name,) = [name for name, words in ALARMS.items() if words in warning]
        names.append(name)
    return tuple(names)


def look_default(data: str, labeled: bool, seed: int) -> Run:
    return look(data, "with labels" if labeled else "without labels", Case(data=data, labeled=labeled), seed)


def look_sick(name: str, seed: int) -> Run:
    return look(name, "sick", SICK_CASES[name][1], seed)


MATCHED = {
    "Gaussian, 8 dimensions": make_prior("gaussian", n_dims=8),
    "simplex, 10 classes": make_prior("simplex", n_dims=9, n_classes=10),
    "ring, 5 classes": make_prior("ring", n_dims=2, n_classes=5),
    "swiss roll, 10 classes": make_prior("swiss_roll", n_dims=2, n_classes=10),
}


def look_matched(name: str, seed: int) -> Run:
    """Put draws of the prior in place of 450 held-out codes, with all else as in a run that went well."""
    torch.set_num_threads(1)
    started = time.process_time()
    prior = MATCHED[name]
    codes = prior.sample(450, generator=torch.Generator().manual_seed(1_000 + seed)).numpy()
    draws = prior.sample(2_000, generator=torch.Generator().manual_seed(2_000 + seed)).numpy()
    clusters = KMeans(prior.n_components or 2, n_init=4, random_state=seed).fit_predict(codes)
    warnings = health_warnings(
        discriminator_accuracy=0.5,
        prior_match=prior_match(codes, prior, random_state=seed),
        dead=dead_axes(codes, draws),
        n_components=prior.n_dims,
        cluster_sizes=np.bincount(clusters).tolist(),
        reconstruction_r2=0.5,
        reconstruction_r2_low=0.4,
    )
    return Run(name, "matched", seed, named(warnings), {}, time.process_time() - started)


# --- Tables -------------------------------------------------------------------------------------------


def state(run: Run, alarm: str) -> str:
    return run.truth.get(alarm, ("",))[0]


def count_table(runs: list[Run]) -> str:
    """Return, per alarm, how often it was raised on runs that are healthy, unclear and sick in its respect."""
    rows = []
    for alarm, meaning in JUDGED.items():
        cells = [alarm]
        for wanted in (HEALTHY, UNCLEAR, SICK):
            here = [run for run in runs if state(run, alarm) == wanted]
            cells.append(f"{sum(alarm in run.raised for run in here)} of {len(here)}")
        rows.append([*cells, meaning])
    return markdown_table(["alarm", "healthy", "unclear", "sick", "what makes a run sick in that respect"], rows)


def case_rows(runs: list[Run]) -> list[list[str]]:
    """Return a row per case: the alarms that were raised, in how many seeds, and whether rightly, with the measure."""
    rows = []
    for name in dict.fromkeys(run.name for run in runs):
        here = [run for run in runs if run.name == name]
        cells = []
        for alarm in ALARMS:
            raised = [run for run in here if alarm in run.raised]
            if not raised:
                continue
            verdicts = [
                {SICK: "right", HEALTHY: "false", UNCLEAR: "unclear", "": "unclear"}[state(r, alarm)] for r in raised
            ]
            said = ", ".join(f"{verdicts.count(v)} {v}" for v in ("right", "unclear", "false") if v in verdicts)
            numbers = [run.truth[alarm][1] for run in raised if alarm in run.truth and alarm != "not finite"]
            shown = f" [{min(numbers):.2g} to {max(numbers):.2g}]" if numbers else ""
            cells.append(f"{alarm}: {said}{shown}")
        rows.append([name, str(len(here)), "; ".join(cells) or "none"])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--matched", type=int, default=25, help="draws per prior in place of codes")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    seeds = range(arguments.seeds)
    with ProcessPoolExecutor(arguments.jobs) as workers:
        tasks = [workers.submit(look_sick, name, seed) for name in SICK_CASES for seed in seeds]
        tasks += [
            workers.submit(look_default, n, labels, seed) for labels in (True, False) for n in BUNDLED for seed in seeds
        ]
        tasks += [workers.submit(look_matched, name, seed) for name in MATCHED for seed in range(arguments.matched)]
        runs = []
        for task in tasks:
            runs.append(task.result())
            print(runs[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    text = report(runs, arguments)
    (RESULTS / "health.md").write_text(text, encoding="utf-8")
    print(text)


def report(runs: list[Run], arguments: argparse.Namespace) -> str:
    fits = {kind: [run for run in runs if run.kind == kind] for kind in ("with labels", "without labels", "sick")}
    matched = [run for run in runs if run.kind == "matched"]
    default = fits["with labels"] + fits["without labels"]
    caught = []
    for name, (alarm, _) in SICK_CASES.items():
        here = [run for run in fits["sick"] if run.name == name]
        others = sorted({other for run in here for other in run.raised} - {alarm})
        verdicts = {(other, state(run, other)) for run in here for other in run.raised}
        false = [other for other in (alarm, *others) if (other, HEALTHY) in verdicts]
        caught.append(
            [
                name,
                alarm,
                f"{sum(alarm in run.raised for run in here)} of {len(here)}",
                ", ".join(others) or "none",
                ", ".join(false) or "none",
            ]
        )
    header = ["data", "runs", "alarms raised, by what they are in fact [the measure, over seeds]"]
    matched_rows = []
    for name in MATCHED:
        here = [run for run in matched if run.name == name]
        raised = [alarm for run in here for alarm in run.raised]
        shown = ", ".join(f"{alarm}: {raised.count(alarm)}" for alarm in ALARMS if alarm in raised)
        matched_rows.append([name, str(len(here)), shown or "none"])
    options = f"--seeds {arguments.seeds} --matched {arguments.matched}"
    minutes = sum(run.seconds for run in runs) / 60
    return f"""# Alarms: quiet on healthy runs, raised on sick ones?

A run is healthy or sick for each alarm on its own, by a measure that this alarm does not use (last column of the \
second table); between the two limits it is unclear.

## Runs made sick on purpose

On wine (the one with one epoch on digits), {arguments.seeds} seeds each. "False" are alarms that were raised though \
the run is healthy in their respect.

{markdown_table(["what is broken", "alarm for it", "raised", "others raised", "false"], caught)}
## The bundled data with the defaults

{len(default)} runs of `aaetools fit`: every bundled data set, ten labels per class and none, {arguments.seeds} seeds. \
In how many runs each alarm was raised, out of those that are healthy, unclear and sick in its respect:

{count_table(default)}
Where the codes are off the prior, one of the first two is raised only if the discriminator says so: it wins (above \
98%) or it is fooled (55% or less). In between it sees what is wrong and training works on it. An axis can cost \
nothing because others say the same, or because the decoder leaves it alone, and still have spread; the alarm sees \
spread only.

With ten labels per class:

{markdown_table(header, case_rows(fits["with labels"]))}
Without labels:

{markdown_table(header, case_rows(fits["without labels"]))}
## Codes that are draws of the prior

450 draws of a prior in place of held-out codes, everything else as in a run that went well; healthy by construction. \
"Critic fooled" asks the prior match, which takes the prior for something else in up to 5% of cases (Holm over its \
statistics), and the discriminator is at 50% here.

{markdown_table(["prior", "draws", "alarms raised"], matched_rows)}
Made by `OMP_NUM_THREADS=1 python benchmarks/health.py {options}` in {minutes:.0f} processor minutes on {machine()}; \
{versions()}.
"""


if __name__ == "__main__":
    main()
