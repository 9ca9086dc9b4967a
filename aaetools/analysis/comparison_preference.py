"""Which of the compared runs to prefer, by a rule that is stated beside the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from aaetools.analysis.comparison_results import Comparison, Preference
from aaetools.analysis.results import Analysis, GoodnessOfFit, Interval

__all__ = ["RULE", "choose", "farthest_match", "overall_match"]

RULE = (
    "Accuracy first: what is less accurate than another on the same held-out rows, with a p-value below 0.05 after "
    "Holm's correction over all pairs and an interval without 0, drops out. Between those left, only to break the "
    "tie: the best verdict of the prior match, then the fewest alarms, then training in less than half the time of "
    "all others on the same machine; but never in favour of what looks less accurate by over a point. If none of "
    "these decides, there is no clear winner."
)
"""How it is chosen."""

_VERDICTS: tuple[Literal["met", "close", "not met"], ...] = ("met", "close", "not met")
_FASTER = 0.5
_BEHIND = 0.01


def overall_match(analysis: Analysis) -> dict[str, GoodnessOfFit]:
    """Return the results of the prior match over all codes, by statistic."""
    return {result.statistic: result for result in analysis.prior_match.results if result.scope == "overall"}


def farthest_match(analysis: Analysis) -> GoodnessOfFit | None:
    """Return the overall result with the worst verdict, and among those the largest ratio."""
    return max(
        overall_match(analysis).values(),
        key=lambda result: (_VERDICTS.index(result.verdict), result.effect_ratio),
        default=None,
    )


@dataclass(frozen=True)
class _Evidence:
    """How two groups differ in accuracy: ``gap`` is the second less the first; ``better`` names the better, if any."""

    gap: Interval
    p_adjusted: float
    better: int | None


def _evidence(found: Comparison, g: int, h: int) -> _Evidence | None:
    """Return how the accuracies of two groups compare; None where nothing compares them.

    Enough common seeds decide by themselves. Else pairs of runs do, those with the same seed if there are any: all
    that differ clearly must agree.
    """
    for known in found.group_differences:
        if (known.first, known.second) == (g, h):
            return _judged(known.difference, known.p_adjusted, g, h, found.level)
    between = []
    for pair in found.pairs:
        sides = found.runs[pair.first].group, found.runs[pair.second].group
        if pair.accuracy is not None and set(sides) == {g, h}:
            gap = pair.accuracy.difference
            if sides == (h, g):
                gap = Interval(-gap.value, -gap.high, -gap.low, gap.n)
            same_seed = found.runs[pair.first].seed == found.runs[pair.second].seed
            between.append((same_seed, _judged(gap, pair.accuracy.p_adjusted, g, h, found.level)))
    chosen = [evidence for same_seed, evidence in between if same_seed] or [evidence for _, evidence in between]
    if not chosen:
        return None
    surest = min(chosen, key=lambda evidence: evidence.p_adjusted)
    agree = len({evidence.better for evidence in chosen} - {None}) == 1
    return surest if agree else replace(surest, better=None)


def _judged(gap: Interval, p_adjusted: float, g: int, h: int, level: float) -> _Evidence:
    clear = p_adjusted < level and (gap.low > 0 or gap.high < 0)
    return _Evidence(gap, p_adjusted, (h if gap.value > 0 else g) if clear else None)


def choose(found: Comparison, analyses: Sequence[Analysis]) -> Preference:
    """Return which group of the compared runs to prefer by :data:`RULE`; ``found`` has all but this."""

    def none(reason: str) -> Preference:
        return Preference(None, None, reason, RULE)

    groups = found.groups
    if len(groups) == 1:
        seeds = {run.seed for run in found.runs}
        if len(seeds) == 1:
            return none("Nothing that could matter differs between these runs.")
        return none("These runs differ in the seed only: what differs between them is chance.")
    refused = {pair.refused for pair in found.pairs if pair.refused}
    if refused:
        return none(f"They cannot be compared row by row: {min(refused)}.")
    predicts = [any(analyses[run].data.classes for run in group.runs) for group in groups]
    if any(predicts) and not all(predicts):
        return none("Some of the runs predict classes and others do not: they were made for different questions.")
    left = list(range(len(groups)))
    evidence = {(g, h): _evidence(found, g, h) for g, h in combinations(left, 2)}
    beaten = {h if e.better == g else g for (g, h), e in evidence.items() if e is not None and e.better is not None}
    left = [g for g in left if g not in beaten]
    if len(left) == 1:
        return Preference(left[0], "accuracy", _by_accuracy(found, left[0], evidence), RULE)
    if not left:
        return none("Each is less accurate than another on the rows that those two have in common.")
    broken = _tie_break(found, analyses, left, _undecided(found, left, beaten, evidence))
    if broken.group is not None and _looks_behind(broken.group, left, evidence):
        name = found.groups[broken.group].name
        return none(f"{broken.reason} But {name!r} looks less accurate, so that does not break the tie.")
    return broken


def _tie_break(found: Comparison, analyses: Sequence[Analysis], left: Sequence[int], so_far: str) -> Preference:
    """Choose between groups that accuracy leaves: by prior match, alarms, time, or not at all."""
    groups = found.groups
    ranks = [_prior_rank([analyses[run] for run in groups[g].runs]) for g in left]
    known = [rank for rank in ranks if rank is not None]
    if len(known) == len(left) and len(set(known)) > 1:
        best = [g for g, rank in zip(left, known, strict=True) if rank == min(known)]
        if len(best) == 1:
            name = groups[best[0]].name
            worse = " or ".join(repr(_VERDICTS[rank]) for rank in sorted(set(known) - {min(known)}))
            return Preference(
                best[0],
                "prior match",
                f"{so_far} By the worst statistic of the prior match, {name!r} has {_VERDICTS[min(known)]!r} and "
                f"{'the other' if len(left) == 2 else 'the others'} {worse}.",
                RULE,
            )
        left = best
    alarms = [max(len(analyses[run].warnings) for run in groups[g].runs) for g in left]
    best = [g for g, n in zip(left, alarms, strict=True) if n == min(alarms)]
    if len(best) == 1:
        return Preference(
            best[0],
            "alarms",
            f"{so_far} By prior match they are level; {groups[best[0]].name!r} set off {_alarms(min(alarms))}, "
            f"{'the other' if len(left) == 2 else 'the others'} {_alarms(sorted(alarms)[1])}"
            f"{' or more' if len(left) > 2 else ''}.",
            RULE,
        )
    left = best
    machines = {(run.platform, analyses[i].model.device) for i, run in enumerate(found.runs)}
    times = [float(np.median([analyses[run].model.fit_seconds for run in groups[g].runs])) for g in left]
    if len(machines) == 1 and not any(map(math.isnan, times)):
        first, second = sorted(times)[:2]
        if first < _FASTER * second:
            winner = left[times.index(first)]
            return Preference(
                winner,
                "time",
                f"{so_far} By prior match and alarms they are level; {groups[winner].name!r} trained in {first:.1f} s, "
                f"{'the other' if len(left) == 2 else 'the next'} in {second:.1f} s.",
                RULE,
            )
    return Preference(None, None, f"{so_far} Prior match, alarms and time do not tell them apart either.", RULE)


def _looks_behind(chosen: int, left: Sequence[int], evidence: Mapping[tuple[int, int], _Evidence | None]) -> bool:
    """Tell whether another of those left seems more accurate by over a point, though not clearly so."""
    for other in left:
        known = evidence.get((min(chosen, other), max(chosen, other)))
        if known is not None and (known.gap.value if chosen < other else -known.gap.value) > _BEHIND:
            return True
    return False


def _prior_rank(analyses: Sequence[Analysis]) -> int | None:
    """Return the position of the worst verdict of any of these runs; None where one was not tested."""
    worst = [farthest_match(analysis) for analysis in analyses]
    ranks = [_VERDICTS.index(result.verdict) for result in worst if result is not None]
    return max(ranks) if len(ranks) == len(analyses) else None


def _alarms(n: int) -> str:
    return "no alarm" if n == 0 else "one alarm" if n == 1 else f"{n} alarms"


def _by_accuracy(found: Comparison, winner: int, evidence: Mapping[tuple[int, int], _Evidence | None]) -> str:
    """Say by how much the winner is ahead of the one that comes closest, and of whom it is not clearly ahead."""
    against = {
        h if g == winner else g: (e, 1 if h == winner else -1)
        for (g, h), e in evidence.items()
        if winner in (g, h) and e is not None and e.better == winner
    }
    name = found.groups[winner].name
    if not against:  # the others lose to each other, not to it
        return f"Every run but {name!r} is less accurate than another on the rows they have in common."
    closest = min(against, key=lambda group: abs(against[group][0].gap.value))
    e, sign = against[closest]
    low, high = sorted((sign * e.gap.low, sign * e.gap.high))
    unit = "seeds" if any({d.first, d.second} == {winner, closest} for d in found.group_differences) else "rows"
    others = len(found.groups) - 1
    told = (
        f"{name!r} is more accurate than {found.groups[closest].name!r} by {_points(sign * e.gap.value)} points "
        f"(95% interval {_points(low)} to {_points(high)}; {e.gap.n} {unit}; adjusted p {_p(e.p_adjusted)})"
    )
    if others == 1:
        return f"{told}."
    if len(against) == others:
        return f"{told}, and by more than all others."
    return f"{told}; each of the others is less accurate than some run."


def _undecided(
    found: Comparison, left: Sequence[int], beaten: set[int], evidence: Mapping[tuple[int, int], _Evidence | None]
) -> str:
    """Say that accuracy does not decide, and why."""
    out = ", ".join(repr(found.groups[g].name) for g in sorted(beaten))
    if len(beaten) > 3:
        out = f"{len(beaten)} of {len(found.groups)}"
    dropped = f"Accuracy rules out {out}. " if out else ""
    between = [evidence[g, h] for g, h in combinations(left, 2)]
    if all(e is None for e in between):
        if all(pair.no_accuracy.endswith("has no measured accuracy") for pair in found.pairs):
            return "Without known labels of held-out rows there is no accuracy to go by."
        return f"{dropped}Accuracy could not be compared: they have too few held-out rows in common."
    if len(left) == 2:
        e = between[0]
        assert e is not None
        ahead = left[1] if e.gap.value > 0 else left[0]
        low, high = (e.gap.low, e.gap.high) if e.gap.value > 0 else (-e.gap.high, -e.gap.low)
        one, other = (repr(found.groups[g].name) for g in left)
        told = f"{dropped}Accuracy does not tell {one} and {other} apart"
        if e.gap.value == 0:
            return (
                f"{told}: both have the same (95% interval of the difference {_points(low)} to {_points(high)} points)."
            )
        return (
            f"{told}: {found.groups[ahead].name!r} is ahead by {_points(abs(e.gap.value))} points (95% interval "
            f"{_points(low)} to {_points(high)}; adjusted p {_p(e.p_adjusted)})."
        )
    unknown = " (and some could not be compared)" if any(e is None for e in between) else ""
    return (
        f"{dropped}Accuracy does not tell the other {len(left)} apart{unknown}."
        if out
        else (f"Accuracy does not tell the {len(left)} apart{unknown}.")
    )


def _points(share: float) -> str:
    return f"{round(100 * share, 1) + 0.0:.1f}"  # no minus before a zero


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
