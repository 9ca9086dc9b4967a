"""Null distributions of statistics by sampling the target anew, and what shift each could see; kept in memory.

Given what a target's seed fixes (reference, directions, frequencies), codes drawn from the target and its fresh samples
are exchangeable, so ``p = (1 + #{T_b >= T}) / (B + 1)`` is exact at every n, d and B, whatever T is. Two calls with the
same seed share fresh samples: each p-value stays exact, but such p-values are not independent of each other.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from aaetools.analysis.divergences import MANY_CODES, Samples, Statistic, Target, Values

__all__ = ["LEVEL", "MAX_CACHED", "NullDistribution", "clear_nulls", "null_distributions"]

LEVEL = 0.05
"""Results are rejected below this adjusted p-value."""

MAX_CACHED = 512
"""Null distributions kept in memory, the latest used; one holds B numbers of 8 bytes."""

_BLOCK_VALUES = 1 << 19
_VALUES_PER_CODE = 64
_POWER_QUANTILE = 0.8416
_FIRST_SHIFT, _SHIFT_STEP, _MAX_SHIFTS = 1.0, 1.5, 18


@dataclass(frozen=True, eq=False)
class NullDistribution:
    """Values of a statistic on fresh samples of the target, shape (B,), and the smallest shift that it can see.

    ``smallest_shift`` is in standard deviations of the target along its first axis: codes moved so far along that axis
    would be rejected at 5% in 80% of cases; NaN where no shift that was tried is seen.
    """

    values: Values
    smallest_shift: float

    @property
    def q95(self) -> float:
        """The 95% quantile."""
        return float(np.quantile(self.values, 1 - LEVEL))


_KNOWN: OrderedDict[Hashable, NullDistribution] = OrderedDict()


def clear_nulls() -> None:
    """Forget all null distributions that are kept in memory."""
    _KNOWN.clear()


def null_distributions(
    target: Target,
    statistics: Sequence[str],
    n_resamples: int,
    key: Hashable | None = None,
    report: Callable[[int, int], object] | None = None,
) -> dict[str, NullDistribution]:
    """Return the null distribution of each statistic on samples of the target.

    Parameters
    ----------
    target
        What is sampled.
    statistics
        Names in ``DIVERGENCES``.
    n_resamples
        Fresh samples B.
    key
        Names the distribution that is sampled; with it, results are kept by (key, n, d, seed, B, statistic) and
        given again. None keeps nothing.
    report
        Called with (done, B) as sampling goes on.
    """
    keys = {name: (key, target.n, target.n_dims, target.seed, n_resamples, name) for name in statistics}
    found: dict[str, NullDistribution] = {}
    for name, place in keys.items():
        if key is not None and place in _KNOWN:
            _KNOWN.move_to_end(place)
            found[name] = _KNOWN[place]
    missing = {name: target.statistic(name) for name in statistics if name not in found}
    if missing:
        values = _fresh_values(target, missing, n_resamples, report)
        shifts = _smallest_shifts(target, missing, values)
        for name in missing:
            found[name] = NullDistribution(values[name], shifts[name])
            if key is not None:
                _KNOWN[keys[name]] = found[name]
        while len(_KNOWN) > MAX_CACHED:
            _KNOWN.popitem(last=False)
    return {name: found[name] for name in statistics}


def _fresh_values(
    target: Target,
    statistics: Mapping[str, Statistic],
    n_resamples: int,
    report: Callable[[int, int], object] | None = None,
) -> dict[str, Values]:
    rng = target.rng(3)
    # Blocks depend on n and d alone, so that the same samples come whatever statistics are asked for.
    size = max(1, _BLOCK_VALUES // (target.n * max(_VALUES_PER_CODE, target.n_dims)))
    parts: dict[str, list[Values]] = {name: [] for name in statistics}
    for start in range(0, n_resamples, size):
        samples = _stack(target, min(size, n_resamples - start), rng)
        for name, statistic in statistics.items():
            parts[name].append(statistic(samples))
        if report is not None:
            report(min(start + size, n_resamples), n_resamples)
    return {name: np.concatenate(part) for name, part in parts.items()}


def _smallest_shifts(
    target: Target, statistics: Mapping[str, Statistic], null: Mapping[str, Values]
) -> dict[str, float]:
    """Return the shift along the first axis where mean - 0.84 standard deviations of the statistic passes its q95.

    The statistic of shifted samples is taken to be normal; its mean and spread come from a few samples for each of a
    growing series of shifts, and the shift from a parabola (what a small shift adds is quadratic) between the last two.
    """
    rng = target.rng(4)
    stack = _stack(target, 20 if target.n <= MANY_CODES else 8, rng)
    spread = sqrt(float(target.moments[1][0, 0]))
    thresholds = {name: float(np.quantile(values, 1 - LEVEL)) for name, values in null.items()}
    before = {name: (0.0, _low_end(values) - thresholds[name]) for name, values in null.items()}
    found = dict.fromkeys(statistics, nan)
    waiting = list(statistics)
    for i in range(_MAX_SHIFTS):
        if not waiting or spread == 0:
            break
        shift = _FIRST_SHIFT / sqrt(target.n) * _SHIFT_STEP**i
        moved = stack.codes.copy()
        moved[:, :, 0] += shift * spread
        samples = Samples(moved, target)
        for name in list(waiting):
            margin = _low_end(statistics[name](samples)) - thresholds[name]
            if margin >= 0:
                last_shift, last_margin = before[name]
                part = -last_margin / max(margin - last_margin, 1e-300)
                found[name] = sqrt(last_shift**2 + (shift**2 - last_shift**2) * part)
                waiting.remove(name)
            before[name] = (shift, min(margin, 0.0))
    return found


def _low_end(values: Values) -> float:
    """Return what 80% of normal values with this mean and standard deviation exceed."""
    return float(values.mean() - _POWER_QUANTILE * values.std(ddof=1)) if len(values) > 1 else float(values.mean())


def _stack(target: Target, size: int, rng: np.random.Generator) -> Samples:
    return Samples(target.draw(size * target.n, rng).reshape(size, target.n, target.n_dims), target)
