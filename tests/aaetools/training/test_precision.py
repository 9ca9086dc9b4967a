"""Precision: who gets bfloat16, that it is really used, and that it changes results no more than a seed does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from aaetools import AdversarialAutoencoder, mask_labels, split_holdout
from aaetools.priors import RingPrior
from aaetools.training import precision
from aaetools.training.precision import PRECISIONS, bfloat16_is_fast, full_precision, mixed_precision, resolve_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize("wanted", [name for name in PRECISIONS if name != "auto"])
def test_what_is_asked_for_is_what_is_used(wanted: str) -> None:
    assert resolve_precision(wanted, CPU, 1, 1) == wanted


@pytest.mark.parametrize("fast", [True, False])
def test_auto_takes_bfloat16_for_large_products_where_it_is_fast(monkeypatch: pytest.MonkeyPatch, fast: bool) -> None:
    monkeypatch.setattr(precision, "bfloat16_is_fast", lambda device: fast)
    assert resolve_precision("auto", CPU, 784 * 500, 128) == ("bfloat16" if fast else "float32")
    assert resolve_precision("auto", CPU, 64 * 256, 64) == "float32"


def test_a_devices_abilities_are_read_not_measured() -> None:
    assert len({bfloat16_is_fast(CPU) for _ in range(3)}) == 1
    assert not bfloat16_is_fast(torch.device("meta"))


def test_products_are_in_bfloat16_and_densities_in_full_precision() -> None:
    a = torch.randn(4, 4)
    with mixed_precision("bfloat16", CPU):
        assert (a @ a).dtype == torch.bfloat16
        with full_precision(a):
            assert (a @ a).dtype == torch.float32
    with mixed_precision("float32", CPU):
        assert (a @ a).dtype == torch.float32


def test_prior_draws_and_posteriors_of_a_step_do_not_lose_digits() -> None:
    prior = RingPrior(n_dims=2, n_classes=5)
    labels = torch.arange(5).repeat(20)
    plain = prior.sample(100, labels, torch.Generator().manual_seed(0))
    with mixed_precision("bfloat16", CPU), full_precision(plain):
        assert torch.equal(prior.sample(100, labels, torch.Generator().manual_seed(0)), plain)


@pytest.mark.slow
def test_bfloat16_is_within_the_noise_of_float32_on_digits() -> None:
    X, y = load_digits(return_X_y=True)
    train, holdout = split_holdout(y, 0.25, random_state=0)
    accuracy: dict[str, list[float]] = {}
    for seed in range(3):
        given = mask_labels(y[train], n_labels=100, random_state=seed)
        for name in ("float32", "bfloat16"):
            model = AdversarialAutoencoder(precision=name, random_state=seed)
            accuracy.setdefault(name, []).append(model.fit(X[train], given).score(X[holdout], y[holdout]))
            assert model.precision_ == name
            assert next(model.encoder_.parameters()).dtype == torch.float32
    exact, mixed = np.array(accuracy["float32"]), np.array(accuracy["bfloat16"])
    assert not np.array_equal(exact, mixed), "bfloat16 must have been used"
    noise = 2 * max(float(exact.std(ddof=1)), 0.005)
    assert abs(exact.mean() - mixed.mean()) < noise
    assert mixed.min() > 0.9
