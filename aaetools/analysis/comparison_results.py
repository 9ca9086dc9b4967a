"""What a comparison of runs found: frozen dataclasses all the way down, JSON out and in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from aaetools.analysis.results import Interval, MaybeNaN

__all__ = [
    "ComparedRun",
    "Comparison",
    "GroupDifference",
    "Measure",
    "PairedAccuracy",
    "PairedRuns",
    "Preference",
    "PriorComparison",
    "RunGroup",
    "SettingDifference",
]


@dataclass(frozen=True)
class ComparedRun:
    """One of the compared runs, and what it was made of."""

    name: str
    data: str
    data_sha256: str
    """Hash of features and labels; empty where it is not known."""
    seed: int
    n_train: int
    n_holdout: int
    n_labeled: int
    classes: tuple[str, ...]
    command: str
    created: str
    """UTC time in ISO 8601."""
    platform: str
    group: int
    """Position of its group in ``Comparison.groups``."""
    alarms: tuple[str, ...]


@dataclass(frozen=True)
class SettingDifference:
    """A setting that is not the same in all runs; one value per run, None also where a run has no such setting."""

    section: Literal["data", "labels", "parameters", "prior", "seed", "machine", "versions"]
    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Measure:
    """One measure of every run; None where a run does not have it, NaN ends where it has no interval."""

    name: str
    unit: Literal["share", "number", "seconds", "count"]
    better: Literal["higher", "lower", "neither"]
    values: tuple[Interval | None, ...]


@dataclass(frozen=True)
class PriorComparison:
    """One statistic of the prior match of every run, over all codes.

    ``ratios`` are distances in units of what 95% of fresh samples of the run's own prior stay below; NaN where a run
    does not have the statistic, and its verdict is then None.
    """

    statistic: str
    ratios: tuple[MaybeNaN, ...]
    verdicts: tuple[Literal["met", "close", "not met"] | None, ...]


@dataclass(frozen=True)
class PairedAccuracy:
    """Accuracy of the second run less that of the first, on the rows that both held out.

    The interval is Newcombe's for paired proportions; ``p_value`` is McNemar's exact test, and ``p_adjusted`` Holm's
    correction of it over all pairs of runs. ``recalls`` are the same differences within each class, not corrected.
    """

    difference: Interval
    balanced: Interval
    """Difference of the balanced accuracies, with a bootstrap interval over rows."""
    n_both: int
    """Rows that both runs got right."""
    n_first_only: int
    n_second_only: int
    p_value: float
    p_adjusted: float
    classes: tuple[str, ...]
    recalls: tuple[Interval | None, ...]
    """In the order of ``classes``; None for a class without rows in common."""
    confusion: tuple[tuple[int, ...], ...]
    """Confusion matrix of the second run less that of the first on the same rows; () with more than 50 classes."""


@dataclass(frozen=True)
class PairedRuns:
    """Two runs on the rows that they have in common."""

    first: int
    second: int
    """Positions of the two runs."""
    n_common: int
    """Rows of the data that both runs have, in training or held out."""
    n_held_out: int
    """Rows that both runs held out."""
    n_paired: int
    """Rows that both held out, with a known label and a prediction of both."""
    refused: str
    """Why the two are not paired; empty where they are."""
    accuracy: PairedAccuracy | None
    no_accuracy: str
    """Why there is no paired accuracy; empty where there is one."""
    reconstruction: Interval | None
    """Mean of the second run's reconstruction errors (scaled units) less the first's on rows that both held out;
    None where the two scale features differently."""
    clusters: Interval | None
    """Adjusted Rand index between the clusters of the two runs on all common rows: 1 is the same, 0 chance."""


@dataclass(frozen=True)
class RunGroup:
    """Runs whose settings differ in nothing but the seed.

    ``means`` and ``deviations`` (standard, n - 1 in the denominator) are over the runs, one per measure in the order
    of ``Comparison.measures``; NaN where a run does not have the measure, and without a second run the deviation.
    """

    name: str
    runs: tuple[int, ...]
    seeds: tuple[int, ...]
    means: tuple[MaybeNaN, ...]
    deviations: tuple[MaybeNaN, ...]


@dataclass(frozen=True)
class GroupDifference:
    """Mean accuracy of the second group less that of the first over the seeds that both have.

    ``difference.n`` is the number of seeds. Runs with one seed share hold-out rows and labels, so seeds are paired;
    rows that several seeds hold out are not independent, which the corrected resampled t-test allows for (Nadeau and
    Bengio, "Inference for the generalization error", Machine Learning 2003).
    """

    first: int
    second: int
    seeds: tuple[int, ...]
    difference: Interval
    p_value: float
    p_adjusted: float
    """Holm's over all pairs of groups."""


@dataclass(frozen=True)
class Preference:
    """Which group of runs to prefer; a group of one run is that run.

    ``by`` is what decided. Only accuracy is a test; the others break a tie and prove nothing.
    """

    group: int | None
    """Position in ``Comparison.groups``; None where there is no clear winner."""
    by: Literal["accuracy", "prior match", "alarms", "time"] | None
    reason: str
    rule: str


@dataclass(frozen=True)
class Comparison:
    """Several runs side by side."""

    runs: tuple[ComparedRun, ...]
    groups: tuple[RunGroup, ...]
    settings: tuple[SettingDifference, ...]
    """What differs."""
    n_settings_same: int
    measures: tuple[Measure, ...]
    """Each run's on its own rows."""
    prior_match: tuple[PriorComparison, ...]
    pairs: tuple[PairedRuns, ...]
    """Every pair of runs, in order."""
    group_differences: tuple[GroupDifference, ...]
    preference: Preference
    verdict: str
    level: float
    """Adjusted p-values below this count."""
    n_bootstrap: int
    random_state: int | None
    notes: tuple[str, ...] = ()

    def measure(self, name: str) -> Measure:
        """Return the measure of a name, for example "accuracy".

        Raises
        ------
        KeyError
            If no run has it.
        """
        for measure in self.measures:
            if measure.name == name:
                return measure
        raise KeyError(name)
