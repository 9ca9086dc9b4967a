"""Null distributions are the target's own, are kept while they are wanted, and tell what the test could see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from aaetools.analysis import nulls
from aaetools.analysis.divergences import DIVERGENCES, Samples, Target
from aaetools.analysis.nulls import clear_nulls, null_distributions
from aaetools.priors import GaussianComponents


def standard_normal(n: int, d: int, seed: int = 0) -> Target:
    components = GaussianComponents(np.ones(1), np.zeros((1, d)), np.eye(d)[None])
    return Target(n, d, lambda size, rng: rng.standard_normal((size, d), dtype=np.float32), (seed,), components)


@pytest.fixture(autouse=True)
def _no_memory() -> None:
    clear_nulls()


def test_fresh_samples_do_not_depend_on_which_statistics_are_asked_for() -> None:
    both = null_distributions(standard_normal(50, 3), ["mmd", "frechet"], 30)
    alone = null_distributions(standard_normal(50, 3), ["frechet"], 30)
    assert (both["frechet"].values == alone["frechet"].values).all()
    assert both["frechet"].smallest_shift == alone["frechet"].smallest_shift
    other = null_distributions(standard_normal(50, 3, seed=1), ["frechet"], 30)
    assert not (other["frechet"].values == alone["frechet"].values).any()


def test_distributions_are_kept_by_key_and_only_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def target(n: int) -> Target:
        components = GaussianComponents(np.ones(1), np.zeros((1, 2)), np.eye(2)[None])

        def draw(size: int, rng: np.random.Generator) -> nulls.Values:
            drawn.append(size)
            return rng.standard_normal((size, 2), dtype=np.float32)

        return Target(n, 2, draw, (0,), components)

    first = null_distributions(target(20), ["frechet"], 20, key="a")["frechet"]
    drawn.clear()
    assert null_distributions(target(20), ["frechet"], 20, key="a")["frechet"] is first
    assert drawn == []
    for changed in ({"n": 21}, {"key": "b"}, {"n_resamples": 21}, {"key": None}):
        drawn.clear()
        values = {"n": 20, "n_resamples": 20, "key": "a", **changed}
        null_distributions(target(values["n"]), ["frechet"], values["n_resamples"], key=values["key"])
        assert drawn, changed
    monkeypatch.setattr(nulls, "MAX_CACHED", 1)
    null_distributions(target(20), ["mmd"], 20, key="a")
    drawn.clear()
    null_distributions(target(20), ["frechet"], 20, key="a")
    assert drawn


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mmd", "sliced_wasserstein", "max_sliced_wasserstein", "energy", "frechet"])
def test_the_smallest_shift_is_rejected_in_four_cases_of_five(name: str) -> None:
    target = standard_normal(100, 4)
    null = null_distributions(target, [name], 400)[name]
    stack = np.random.default_rng(9).standard_normal((400, 100, 4)).astype(np.float32)
    stack[:, :, 0] += np.float32(null.smallest_shift)
    rejected = (target.statistic(name)(Samples(stack, target)) > null.q95).mean()
    assert 0.68 < rejected < 0.9


@pytest.mark.parametrize("name", sorted(DIVERGENCES))
def test_p_values_reject_five_percent_under_the_null(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aaetools.analysis.divergences._REFERENCE_ROWS", 1_000)
    repeats, rejected = 50, 0
    for seed in range(4):  # nulls of their own: what is true of one could be its luck
        target = standard_normal(40, 3, seed)
        null = null_distributions(target, [name], 199)[name].values
        stack = np.random.default_rng([1, seed]).standard_normal((repeats, 40, 3)).astype(np.float32)
        values = target.statistic(name)(Samples(stack, target))
        p = (1 + (null[None] >= values[:, None]).sum(axis=1)) / 200
        rejected += int((p <= 0.05).sum())
    low, high = binom.ppf([0.0002, 0.9998], 4 * repeats, 0.05)
    assert low <= rejected <= high


def test_smaller_samples_see_less() -> None:
    shifts = [null_distributions(standard_normal(n, 2), ["energy"], 60)["energy"].smallest_shift for n in (50, 800)]
    assert shifts[0] / shifts[1] == pytest.approx(4, rel=0.35)  # the square root of 16


def test_progress_is_told_up_to_the_end() -> None:
    said: list[tuple[int, int]] = []
    null_distributions(standard_normal(500, 2), ["frechet"], 100, report=lambda *told: said.append(told))
    assert said[-1] == (100, 100)
    assert len(said) > 1
