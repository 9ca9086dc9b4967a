"""Two runs, row by row: which rows they have in common, and what differs on those."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from aaetools.analysis.cluster_agreement import contingency, overlap_measures
from aaetools.analysis.comparison_results import PairedAccuracy, PairedRuns
from aaetools.analysis.intervals import holm, mcnemar, paired_difference
from aaetools.analysis.results import Analysis, Interval
from aaetools.analysis.scores import MAX_CONFUSION_CLASSES, bootstrap_mean, confusion_matrix
from aaetools.analysis.threads import one_thread_for

__all__ = ["MIN_PAIRED", "comparable_rows", "corrected", "pair_runs"]

MIN_PAIRED = 30
"""With fewer rows in common runs are not paired: the interval would say nothing."""

_ROW_COLUMNS = ("row", "split", "label_given", "label_true", "label_pred", "reconstruction_error", "cluster")


@dataclass(frozen=True, eq=False)
class _CommonRows:
    """The same rows in two runs, in the same order."""

    first: pd.DataFrame
    second: pd.DataFrame


def comparable_rows(analysis: Analysis) -> pd.DataFrame:
    """Return what is compared of each row, by its id; ``label_known`` is whatever the run knew, given or true."""
    rows = analysis.tables.rows.reindex(columns=list(_ROW_COLUMNS)).set_index("row")
    return rows.assign(label_known=rows["label_given"].where(rows["label_given"].notna(), rows["label_true"]))


def _common(first: pd.DataFrame, second: pd.DataFrame) -> _CommonRows:
    shared = first.index.intersection(second.index, sort=False)
    return _CommonRows(first.loc[shared], second.loc[shared])


def pair_runs(
    i: int,
    j: int,
    analyses: Sequence[Analysis],
    rows: Sequence[pd.DataFrame],
    names: Sequence[str],
    same_data: bool,
    n_bootstrap: int,
    random_state: int | None,
) -> PairedRuns:
    """Compare runs i and j of ``analyses``, whose rows are in ``rows`` (see :func:`comparable_rows`)."""
    refused = ""
    for run in (i, j):
        if not rows[run].index.is_unique:
            refused = f"rows of {names[run]!r} share an id, so it does not say which row is which"
    if refused:
        return PairedRuns(i, j, 0, 0, 0, refused, None, refused, None, None)
    common = _common(rows[i], rows[j])
    n_common = len(common.first)
    held = ((common.first["split"] == "holdout") & (common.second["split"] == "holdout")).to_numpy(dtype=bool)
    refused = _not_the_same(analyses[i], analyses[j], common, same_data)
    if refused:
        return PairedRuns(i, j, n_common, int(held.sum()), 0, refused, None, refused, None, None)
    one, other = common.first[held], common.second[held]
    complete = np.ones(len(one), dtype=bool)
    for column in ("label_true", "label_pred"):
        complete &= (one[column].notna() & other[column].notna()).to_numpy(dtype=bool)
    n_paired = int(complete.sum())
    no_accuracy = _why_no_accuracy(analyses[i], analyses[j], names[i], names[j], len(one), n_paired)
    return PairedRuns(
        first=i,
        second=j,
        n_common=n_common,
        n_held_out=len(one),
        n_paired=n_paired,
        refused="",
        accuracy=None
        if no_accuracy
        else _accuracy(one[complete], other[complete], (*analyses[i].data.classes, *analyses[j].data.classes)),
        no_accuracy=no_accuracy,
        reconstruction=_reconstruction(analyses[i], analyses[j], one, other, n_bootstrap, random_state),
        clusters=_same_clusters(common, random_state),
    )


def _not_the_same(first: Analysis, second: Analysis, common: _CommonRows, same_data: bool) -> str:
    """Return why rows with the same id cannot be taken for the same rows, "" where they can."""
    sums = (first.data.sha256, second.data.sha256)
    if len(common.first) == 0:
        return "they have no row in common"
    if not same_data and sums[0] != sums[1] and all(sums):
        return "their data differ, so a row of one need not be the row of that id in the other"
    if not same_data and not all(sums):
        return "it is not known whether their data are the same"
    known, other = common.first["label_known"], common.second["label_known"]
    both = (known.notna() & other.notna()).to_numpy(dtype=bool)
    n_wrong = int((known[both].astype(str).to_numpy() != other[both].astype(str).to_numpy()).sum())
    if n_wrong:
        return f"{n_wrong} of the rows that they have in common have another label in the other run"
    return ""


def _why_no_accuracy(first: Analysis, second: Analysis, one: str, other: str, n_held_out: int, n_paired: int) -> str:
    for analysis, name in ((first, one), (second, other)):
        if analysis.classification is None:
            return f"{name!r} has no measured accuracy"
    if n_paired < MIN_PAIRED:
        return (
            f"they held out only {n_paired} labelled rows in common, and {MIN_PAIRED} are needed"
            if n_held_out
            else "they held out no row in common"
        )
    return ""


def _accuracy(one: pd.DataFrame, other: pd.DataFrame, order: Sequence[str]) -> PairedAccuracy:
    """Compare predictions for the same rows; ``order`` has the classes that the runs know, others follow."""
    true = one["label_true"].astype(str).to_numpy(dtype=object)
    called = [rows["label_pred"].astype(str).to_numpy(dtype=object) for rows in (one, other)]
    right = [predicted == true for predicted in called]
    seen = set(true) | set(called[0]) | set(called[1])
    classes = tuple(dict.fromkeys([*(label for label in order if label in seen), *sorted(seen)]))
    code = {label: k for k, label in enumerate(classes)}
    codes = np.array([code[label] for label in true], dtype=np.int64)
    counts = np.stack(
        [
            np.bincount(codes[kind], minlength=len(classes))
            for kind in (right[0] & right[1], right[0] & ~right[1], ~right[0] & right[1], ~right[0] & ~right[1])
        ]
    )
    both, only_first, only_second, neither = (int(n) for n in counts.sum(axis=1))
    present = counts.sum(axis=0) > 0
    confusion: tuple[tuple[int, ...], ...] = ()
    if len(classes) <= MAX_CONFUSION_CLASSES:
        tables = [
            np.array(confusion_matrix(codes, np.array([code[label] for label in predicted]), len(classes)))
            for predicted in called
        ]
        confusion = tuple(tuple(int(n) for n in line) for line in tables[1] - tables[0])
    recalls = tuple(
        paired_difference(*(int(n) for n in counts[:, k])) if present[k] else None for k in range(len(classes))
    )
    p_value = mcnemar(right[0], right[1])
    return PairedAccuracy(
        difference=paired_difference(both, only_first, only_second, neither),
        balanced=_mean_of([recall for recall in recalls if recall is not None]),
        n_both=both,
        n_first_only=only_first,
        n_second_only=only_second,
        p_value=p_value,
        p_adjusted=p_value,
        classes=classes,
        recalls=recalls,
        confusion=confusion,
    )


def _mean_of(parts: Sequence[Interval]) -> Interval:
    """Return the mean of independent numbers; its interval is put together from theirs (Zou and Donner 2008)."""
    value = float(np.mean([part.value for part in parts]))
    below = float(np.sqrt(sum((part.value - part.low) ** 2 for part in parts))) / len(parts)
    above = float(np.sqrt(sum((part.high - part.value) ** 2 for part in parts))) / len(parts)
    return Interval(value, max(value - below, -1.0), min(value + above, 1.0), sum(part.n for part in parts))


def _reconstruction(
    first: Analysis,
    second: Analysis,
    one: pd.DataFrame,
    other: pd.DataFrame,
    n_bootstrap: int,
    random_state: int | None,
) -> Interval | None:
    if first.model.scaling != second.model.scaling or len(one) < MIN_PAIRED:
        return None
    gaps = other["reconstruction_error"].to_numpy(np.float64) - one["reconstruction_error"].to_numpy(np.float64)
    return bootstrap_mean(gaps, n_bootstrap, random_state) if np.isfinite(gaps).all() else None


def _same_clusters(common: _CommonRows, random_state: int | None) -> Interval | None:
    if len(common.first) < MIN_PAIRED:
        return None
    # noise is a group of its own
    numbers = [rows["cluster"].to_numpy(np.int64) + 1 for rows in (common.first, common.second)]
    with one_thread_for(len(numbers[0])):
        return overlap_measures(contingency(*numbers), random_state)["adjusted_rand"]


def corrected(pairs: Sequence[PairedRuns]) -> tuple[PairedRuns, ...]:
    """Fill in Holm's p-values over all pairs with a test."""
    tested = [(i, pair.accuracy) for i, pair in enumerate(pairs) if pair.accuracy is not None]
    adjusted = holm([accuracy.p_value for _, accuracy in tested])
    found = list(pairs)
    for (i, accuracy), p in zip(tested, adjusted, strict=True):
        found[i] = replace(pairs[i], accuracy=replace(accuracy, p_adjusted=float(p)))
    return tuple(found)
