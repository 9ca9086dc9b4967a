"""A fresh discriminator guesses on draws of the prior, is right on others, and names the rows it is certain about."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from aaetools.analysis.divergences import Target
from aaetools.analysis.fresh_discriminator import accuracy_null, fresh_discriminator, smallest_accuracy
from aaetools.priors import GaussianComponents, make_prior


def standard_normal(n: int, d: int) -> Target:
    components = GaussianComponents(np.ones(1), np.zeros((1, d)), np.eye(d)[None])
    return Target(n, d, lambda size, rng: rng.standard_normal((size, d), dtype=np.float32), (0,), components)


def normal(n: int, d: int, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def judged(codes: Any, seed: int = 0) -> Any:
    return fresh_discriminator(codes, standard_normal(*codes.shape), np.random.default_rng(seed))


def test_interval_and_p_value_are_scipys_exact_ones() -> None:
    found = judged(normal(200, 2, 0) + np.float32(0.4))
    accuracy = found.accuracy
    assert accuracy.n == 200
    right = round(accuracy.value * accuracy.n)
    exact = binomtest(right, accuracy.n).proportion_ci(0.95, "exact")
    assert (accuracy.low, accuracy.high) == (exact.low, exact.high)
    assert found.p_value == pytest.approx(float(binom.sf(right - 1, accuracy.n, 0.5)))
    assert found.n_train == 100


def test_draws_of_the_prior_are_seldom_rejected_and_shifted_codes_always() -> None:
    null = [judged(normal(80, 2, s), s).p_value for s in range(40)]
    assert sum(p <= 0.05 for p in null) <= binom.ppf(0.9995, 40, 0.05)
    assert judged(normal(300, 2, 0) + np.float32(2)).accuracy.low > 0.8
    assert judged(0.5 * normal(300, 2, 0)).accuracy.low > 0.5


def test_the_most_certain_rows_are_judged_rows_that_are_off_the_prior() -> None:
    codes = normal(400, 2, 0)
    strange = np.arange(0, 400, 10)
    codes[strange] += np.float32(5)
    found = judged(codes)
    assert set(found.rows) <= set(strange.tolist())
    assert len(found.rows) == 10
    assert list(found.scores) == sorted(found.scores, reverse=True)


def test_codes_within_a_component_are_looked_at_too() -> None:
    import torch

    prior = make_prior("ring", n_dims=2, n_classes=6)
    labels = torch.arange(600) % 6
    codes = prior.sample(600, labels, torch.Generator().manual_seed(0)).numpy()
    codes = prior.means.numpy()[labels] + 0.6 * (codes - prior.means.numpy()[labels])

    def draw(n: int, rng: np.random.Generator) -> Any:
        return prior.sample(n, generator=torch.Generator().manual_seed(int(rng.integers(2**62)))).numpy()

    target = Target(600, 2, draw, (0,), prior.gaussian_components())
    found = fresh_discriminator(codes.astype(np.float32), target, np.random.default_rng(0))
    assert found is not None
    assert found.p_value < 0.001


def test_too_few_codes_are_not_judged_and_runaway_codes_do_no_harm() -> None:
    assert judged(normal(39, 2, 0)) is None
    far = normal(60, 2, 0)
    far[:30] *= np.float32(1e30)
    assert np.isfinite(judged(far).accuracy.value)


def test_the_quantile_and_the_smallest_accuracy_are_the_binomials() -> None:
    n = 300
    critical = round((accuracy_null(n) + 0.5) * n) + 1
    assert binom.sf(critical - 1, n, 0.5) <= 0.05 < binom.sf(critical - 2, n, 0.5)
    assert binom.sf(critical - 1, n, smallest_accuracy(n)) == pytest.approx(0.8, abs=0.01)
