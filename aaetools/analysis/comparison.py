"""Several runs side by side: what differs, what it changed, and which run to prefer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from aaetools.analysis.comparison_pairs import MIN_PAIRED, comparable_rows, corrected, pair_runs
from aaetools.analysis.comparison_preference import RULE, choose, farthest_match, overall_match
from aaetools.analysis.comparison_results import (
    ComparedRun,
    Comparison,
    GroupDifference,
    Measure,
    PairedRuns,
    Preference,
    PriorComparison,
    RunGroup,
    SettingDifference,
)
from aaetools.analysis.intervals import corrected_t_test, holm
from aaetools.analysis.results import Analysis, Interval, Proportion
from aaetools.analysis.scores import bootstrap_mean
from aaetools.analysis.serialise import json_value
from aaetools.exceptions import DataError

__all__ = ["LEVEL", "MAX_RUNS", "MIN_PAIRED", "MIN_SEEDS", "RULE", "compare"]

LEVEL = 0.05
"""Adjusted p-values below this count."""

MIN_SEEDS = 3
"""Seeds that two groups must share before the spread over seeds is used to tell them apart."""

MAX_RUNS = 20
"""More runs than this fit on no page, and their pairs correct each other away."""


def compare(
    analyses: Sequence[Analysis],
    names: Sequence[str] | None = None,
    *,
    same_data: bool = False,
    n_bootstrap: int = 1_000,
    random_state: int | None = 0,
) -> Comparison:
    """Compare runs on the rows that they have in common.

    Parameters
    ----------
    analyses
        2 to 20 analyses, as :func:`analyze` returns them or a run folder holds them.
    names
        What to call them, each name once; "run 1", "run 2", ... by default.
    same_data
        Vouch that equal row ids mean equal rows, where the hashes of the data differ or are not known.
    n_bootstrap
        Times that rows are drawn anew for intervals that have no formula.
    random_state
        Seed of those draws.

    Raises
    ------
    DataError
        If there are fewer than 2 or more than 20 analyses, or if names are missing or not distinct.

    Notes
    -----
    Two runs are compared row by row, by row id, on rows that both held out: McNemar's exact test and Newcombe's (1998)
    interval of the difference, with Holm's correction over all pairs. They are not paired where the data differ, where
    known labels of a row contradict each other, or where fewer than 30 rows are left. Runs whose settings differ in
    nothing but the seed form a group; groups that share at least three seeds are compared over these, by the corrected
    resampled t-test (Nadeau and Bengio 2003).
    """
    names = _checked_names(len(analyses), names)
    members = _groups(analyses)
    group_of = {run: g for g, runs in enumerate(members) for run in runs}
    rows = [comparable_rows(analysis) for analysis in analyses]
    pairs = corrected(
        [
            pair_runs(first, second, analyses, rows, names, same_data, n_bootstrap, random_state)
            for first, second in combinations(range(len(analyses)), 2)
        ]
    )
    measures = _measures(analyses, n_bootstrap, random_state)
    groups = tuple(_group(runs, names, analyses, measures) for runs in members)
    differences = _group_differences(members, analyses, pairs)
    settings, n_same = _settings(analyses)
    runs = tuple(
        ComparedRun(
            name=name,
            data=analysis.data.name,
            data_sha256=analysis.data.sha256,
            seed=analysis.provenance.random_state,
            n_train=analysis.data.n_train,
            n_holdout=analysis.data.n_holdout,
            n_labeled=analysis.data.n_labeled,
            classes=analysis.data.classes,
            command=analysis.provenance.command,
            created=analysis.provenance.created,
            platform=analysis.provenance.platform,
            group=group_of[i],
            alarms=analysis.warnings,
        )
        for i, (name, analysis) in enumerate(zip(names, analyses, strict=True))
    )
    found = Comparison(
        runs=runs,
        groups=groups,
        settings=settings,
        n_settings_same=n_same,
        measures=measures,
        prior_match=_prior(analyses),
        pairs=pairs,
        group_differences=differences,
        preference=Preference(None, None, "", RULE),
        verdict="",
        level=LEVEL,
        n_bootstrap=n_bootstrap,
        random_state=random_state,
        notes=_notes(pairs, groups, same_data),
    )
    preference = choose(found, analyses)
    return replace(found, preference=preference, verdict=_verdict(found, preference))


def _checked_names(n: int, names: Sequence[str] | None) -> tuple[str, ...]:
    if n < 2:
        raise DataError(f"{'one run' if n else 'no run'} is not enough for a comparison; give at least two")
    if n > MAX_RUNS:
        raise DataError(f"{n} runs are too many for one comparison; give at most {MAX_RUNS}")
    chosen = tuple(f"run {i}" for i in range(1, n + 1)) if names is None else tuple(map(str, names))
    if len(chosen) != n:
        raise DataError(f"{len(chosen)} names were given for {n} runs; give one for each")
    for i, name in enumerate(chosen):
        if not name.strip():
            raise DataError(f"the name of run {i + 1} is empty; give each run a name")
        if name in chosen[:i]:
            raise DataError(f"two runs are called {name!r}; give each run a name of its own")
    return chosen


# --- What differs -----------------------------------------------------------------------------------


def _facts(analysis: Analysis) -> dict[tuple[str, str], Any]:
    """Return every setting of a run by section and name."""
    data, model, made = analysis.data, analysis.model, analysis.provenance
    # the seed stands in its own section
    parameters = {name: value for name, value in model.parameters.items() if name != "random_state"}
    sections: dict[str, Mapping[str, Any]] = {
        "data": {
            "name": data.name,
            "SHA-256": data.sha256,
            "rows for training": data.n_train,
            "rows held out": data.n_holdout,
            "features": data.n_features,
            "classes": data.classes,
            "label column": data.target_name,
        },
        "labels": {"rows with a label in training": data.n_labeled, "labels per class": data.labeled_per_class},
        "parameters": {
            **parameters,
            "estimator": model.estimator,
            "latent dimensions": model.n_components,
            "scaling of features": model.scaling,
        },
        "prior": {"prior": model.prior, **model.prior_parameters},
        "seed": {"seed": made.random_state},
        "machine": {"platform": made.platform, "device": model.device, "threads": made.n_threads},
        "versions": made.versions,
    }
    return {
        (section, str(name)): json_value(value) for section, part in sections.items() for name, value in part.items()
    }


def _settings(analyses: Sequence[Analysis]) -> tuple[tuple[SettingDifference, ...], int]:
    """Return what differs, and how many settings do not."""
    facts = [_facts(analysis) for analysis in analyses]
    keys = list(dict.fromkeys(key for found in facts for key in found))
    order = ("data", "labels", "parameters", "prior", "seed", "machine", "versions")
    keys.sort(key=lambda key: order.index(key[0]))
    different = []
    for section, name in keys:
        values = tuple(found.get((section, name)) for found in facts)
        if any((section, name) not in found or value != values[0] for found, value in zip(facts, values, strict=True)):
            different.append(SettingDifference(section, name, values))  # type: ignore[arg-type]  # one of ``order``
    return tuple(different), len(keys) - len(different)


def _groups(analyses: Sequence[Analysis]) -> list[tuple[int, ...]]:
    """Put runs together whose settings differ in the seed only, in order of their first."""
    # what the machine was called, and what a fit derives from the labels it happened to draw, is no setting
    left_out = {"seed", "machine", "prior"}
    found: list[tuple[dict[Any, Any], list[int]]] = []
    for i, analysis in enumerate(analyses):
        key = {at: value for at, value in _facts(analysis).items() if at[0] not in left_out}
        key["prior", "prior"] = analysis.model.prior
        for other, runs in found:
            if other == key:
                runs.append(i)
                break
        else:
            found.append((key, [i]))
    return [tuple(runs) for _, runs in found]


# --- Side by side -----------------------------------------------------------------------------------


def _measures(analyses: Sequence[Analysis], n_bootstrap: int, random_state: int | None) -> tuple[Measure, ...]:
    """Return the measures that any run has."""

    def scores(name: str) -> Callable[[Analysis], Interval | None]:
        def get(analysis: Analysis) -> Interval | None:
            found = analysis.classification
            return None if found is None or found.model.scores is None else getattr(found.model.scores, name)

        return get

    def agreement(name: str) -> Callable[[Analysis], Interval | None]:
        def get(analysis: Analysis) -> Interval | None:
            found = analysis.clustering.agreement
            return None if found is None else _interval(getattr(found, name))

        return get

    def plain(value: Callable[[Analysis], float]) -> Callable[[Analysis], Interval | None]:
        def get(analysis: Analysis) -> Interval | None:
            found = float(value(analysis))
            return None if math.isnan(found) else Interval(found, math.nan, math.nan, 1)

        return get

    def accuracy(analysis: Analysis) -> Interval | None:
        found = analysis.classification
        return None if found is None else _interval(found.model.accuracy)

    def calibration(analysis: Analysis) -> Interval | None:
        found = analysis.classification
        scored = None if found is None else found.model.scores
        return None if scored is None or scored.calibration is None else scored.calibration.error

    def silhouette(analysis: Analysis) -> Interval | None:
        found = analysis.clustering.separation
        return None if found is None else found.silhouette

    def r2(analysis: Analysis) -> Interval | None:
        return _r2_interval(analysis, n_bootstrap, random_state)

    def ratio(analysis: Analysis) -> float:
        worst = farthest_match(analysis)
        return math.nan if worst is None else worst.effect_ratio

    plans: list[tuple[str, Any, Any, Callable[[Analysis], Interval | None]]] = [
        ("accuracy", "share", "higher", accuracy),
        ("balanced accuracy", "share", "higher", scores("balanced_accuracy")),
        ("macro F1", "share", "higher", scores("macro_f1")),
        ("log loss", "number", "lower", scores("log_loss")),
        ("Brier score", "number", "lower", scores("brier")),
        ("calibration error", "share", "lower", calibration),
        ("cluster accuracy", "share", "higher", agreement("accuracy")),
        ("adjusted Rand index", "number", "higher", agreement("adjusted_rand")),
        ("adjusted mutual information", "number", "higher", agreement("adjusted_mutual_info")),
        ("clusters", "count", "neither", plain(lambda analysis: analysis.clustering.n_clusters)),
        ("silhouette", "number", "higher", silhouette),
        ("largest distance from the prior", "number", "lower", plain(ratio)),
        ("reconstruction R2", "share", "higher", r2),
        (
            "discriminator's accuracy at the end",
            "share",
            "neither",
            plain(lambda analysis: analysis.model.discriminator_accuracy),
        ),
        ("epochs", "count", "neither", plain(lambda analysis: analysis.model.n_epochs)),
        ("time to fit", "seconds", "lower", plain(lambda analysis: analysis.model.fit_seconds)),
        ("alarms", "count", "lower", plain(lambda analysis: len(analysis.warnings))),
    ]
    found = (
        Measure(name, unit, better, tuple(get(analysis) for analysis in analyses)) for name, unit, better, get in plans
    )
    return tuple(measure for measure in found if any(value is not None for value in measure.values))


def _interval(share: Proportion | Interval) -> Interval:
    return Interval(share.value, share.low, share.high, share.n)


def _r2_interval(analysis: Analysis, n_bootstrap: int, random_state: int | None) -> Interval | None:
    """Return the share of variance that is reconstructed; rows are drawn anew, the variance is taken as known."""
    value, rows = analysis.model.reconstruction_r2, analysis.tables.rows
    if math.isnan(value):
        return None
    held = rows["split"] == "holdout"
    errors = rows.loc[held if held.any() else ~held, "reconstruction_error"].to_numpy(np.float64)
    if value >= 1 or len(errors) < 2 or not np.isfinite(errors).all():
        return Interval(value, math.nan, math.nan, len(errors))
    mean = bootstrap_mean(errors, n_bootstrap, random_state)
    variance = mean.value / (1 - value)
    return Interval(value, 1 - mean.high / variance, 1 - mean.low / variance, len(errors))


def _prior(analyses: Sequence[Analysis]) -> tuple[PriorComparison, ...]:
    found = [overall_match(analysis) for analysis in analyses]
    statistics = dict.fromkeys(name for results in found for name in results)
    return tuple(
        PriorComparison(
            name,
            tuple(results[name].effect_ratio if name in results else math.nan for results in found),
            tuple(results[name].verdict if name in results else None for results in found),
        )
        for name in statistics
    )


# --- Groups of runs ---------------------------------------------------------------------------------


def _group(
    runs: tuple[int, ...], names: Sequence[str], analyses: Sequence[Analysis], measures: Sequence[Measure]
) -> RunGroup:
    values = np.array(
        [[math.nan if (value := measure.values[run]) is None else value.value for run in runs] for measure in measures]
    ).reshape(len(measures), len(runs))
    deviations = values.std(axis=1, ddof=1) if len(runs) > 1 else np.full(len(measures), math.nan)
    return RunGroup(
        name=names[runs[0]] + ("" if len(runs) == 1 else f" ({len(runs)} seeds)"),
        runs=runs,
        seeds=tuple(analyses[run].provenance.random_state for run in runs),
        means=tuple(float(mean) for mean in values.mean(axis=1)),
        deviations=tuple(float(deviation) for deviation in deviations),
    )


def _in_order(first: int, second: int) -> tuple[int, int]:
    return (first, second) if first < second else (second, first)


def _group_differences(
    members: Sequence[tuple[int, ...]], analyses: Sequence[Analysis], pairs: Sequence[PairedRuns]
) -> tuple[GroupDifference, ...]:
    """Compare groups over the seeds that they share, where these are enough."""
    comparable = {(pair.first, pair.second): not pair.refused for pair in pairs}
    by_seed = [{analyses[run].provenance.random_state: run for run in runs} for runs in members]
    found = []
    for g, h in combinations(range(len(members)), 2):
        seeds = [
            seed
            for seed in sorted(set(by_seed[g]) & set(by_seed[h]))
            if all(analyses[runs[seed]].classification is not None for runs in (by_seed[g], by_seed[h]))
            and comparable[_in_order(by_seed[g][seed], by_seed[h][seed])]
        ]
        if len(seeds) < MIN_SEEDS:
            continue
        accuracies = [[_accuracy_of(analyses[runs[seed]]) for seed in seeds] for runs in (by_seed[g], by_seed[h])]
        gaps = [b.value - a.value for a, b in zip(*accuracies, strict=True)]
        share = max(
            a.n / analyses[run].data.n_train for a, run in zip(accuracies[0], by_seed[g].values(), strict=False)
        )
        difference, p_value = corrected_t_test(gaps, share)
        found.append(GroupDifference(g, h, tuple(seeds), difference, p_value, p_value))
    adjusted = holm([difference.p_value for difference in found])
    return tuple(replace(difference, p_adjusted=float(p)) for difference, p in zip(found, adjusted, strict=True))


def _accuracy_of(analysis: Analysis) -> Proportion:
    if analysis.classification is None:  # pragma: no cover - the caller has looked
        raise ValueError("the run has no accuracy")
    return analysis.classification.model.accuracy


def _verdict(found: Comparison, preference: Preference) -> str:
    if preference.group is None:
        head = "No clear winner." if len(found.groups) > 1 else "Nothing to prefer."
    else:
        name = found.groups[preference.group].name
        head = f"Prefer {name!r}." if preference.by == "accuracy" else f"Perhaps {name!r}: a tie-break, no proof."
    return f"{head} {preference.reason}"


def _notes(pairs: Sequence[PairedRuns], groups: Sequence[RunGroup], same_data: bool) -> tuple[str, ...]:
    notes = []
    n_tests = sum(pair.accuracy is not None for pair in pairs)
    if n_tests > 1:
        notes.append(
            f"P-values are corrected for {n_tests} pairs (Holm); intervals of single pairs are not widened for it."
        )
    if any(pair.accuracy is not None and pair.n_paired < pair.n_held_out for pair in pairs):
        notes.append("Some rows that both runs held out have no known label and are left out of paired accuracies.")
    if any(len(group.runs) > 1 for group in groups):
        notes.append(
            "Runs that differ in the seed only form a group. Another seed holds out other rows, draws other labels and "
            "trains anew, so the spread within a group is that of all three."
        )
    if same_data:
        notes.append("That equal row ids mean equal rows was vouched for and not checked by a hash of the data.")
    return tuple(notes)
