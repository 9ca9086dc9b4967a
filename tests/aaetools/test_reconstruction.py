"""What decoder outputs mean, kind by kind."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor

from aaetools.columns import ColumnCodec, Layout
from aaetools.preprocessing import InputScaler
from aaetools.reconstruction import ByKind, moment_dispersion


def table(n: int = 40) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "number": rng.normal(50, 9, n),
            "visits": rng.negative_binomial(2, 0.2, n),
            "flag": rng.random(n) < 0.3,
            "kind": rng.choice(["x", "y", "z"], n),
        }
    )
    frame.loc[3, "number"] = np.nan
    frame.loc[4, "kind"] = None
    return frame


CODEC = ColumnCodec.fit(table())
ENCODED = CODEC.encode(table())
SCALER = InputScaler.fit(ENCODED, "auto", CODEC.scaled)
X = torch.from_numpy(SCALER.transform(ENCODED))
KINDS = ByKind.of(CODEC.layout, SCALER, X)
RAW = torch.randn(X.shape, generator=torch.Generator().manual_seed(0))
NONE = torch.zeros(1)


def at(name: str) -> int:
    return CODEC.encoded_names.index(name)


def test_zeros_and_ones_are_not_scaled() -> None:
    marked = [at(name) for name in ("flag", "kind = x", "kind is missing", "number is missing")]
    assert set(X[:, marked].ravel().tolist()) == {0, 1}
    assert torch.allclose(X[:, at("visits")].std(correction=0), torch.tensor(1.0), atol=1e-4)


def test_the_loss_is_the_likelihood_of_each_column() -> None:
    row, raw, x = 7, RAW[7].double().numpy(), X[7].double().numpy()
    dispersion = 1.7
    center, scale = SCALER.center[at("visits")], SCALER.scale[at("visits")]
    mean = math.exp(raw[at("visits")] * scale + center)
    count = int(table()["visits"][row])
    levels = [at(f"kind = {level}") for level in "xyz"] + [at("kind is missing")]
    logits = raw[levels] - np.log(np.exp(raw[levels]).sum())
    expected = -(
        stats.norm.logpdf(x[at("number")], raw[at("number")])
        + stats.nbinom.logpmf(count, dispersion, dispersion / (dispersion + mean))
        + stats.bernoulli.logpmf(bool(table()["flag"][row]), 1 / (1 + math.exp(-raw[at("flag")])))
        + stats.bernoulli.logpmf(0, 1 / (1 + math.exp(-raw[at("number is missing")])))
        + logits[x[levels].argmax()]
    )
    log_dispersion = torch.tensor([dispersion]).log()
    one = KINDS.log_likelihood(RAW[7:8], X[7:8], log_dispersion, 1.0)
    assert float(one) == pytest.approx(-expected, rel=1e-4)
    loss = KINDS.loss(RAW[7:8], X[7:8], log_dispersion)
    assert float(loss) == pytest.approx((expected - 0.5 * math.log(2 * math.pi)) / 4, rel=1e-4)


def test_the_noise_variance_is_that_of_the_numbers() -> None:
    narrow, wide = (KINDS.log_likelihood(RAW, X, NONE, variance) for variance in (1.0, 4.0))
    squares = (RAW - X)[:, at("number")].square()
    change = -0.5 * squares / 4 - 0.5 * math.log(4) + 0.5 * squares
    change[3] = 0  # a gap has no density
    assert torch.allclose(wide - narrow, change, atol=1e-4)
    assert KINDS.noise_variance(RAW, X)[7] == squares[7]


@pytest.mark.parametrize("name", ["number", "visits"])
def test_a_missing_value_costs_nothing_but_its_mark(name: str) -> None:
    changed = RAW.clone()
    changed[3, at(name)] += 2
    for error in (
        lambda raw: KINDS.squared_error(raw, X),
        lambda raw: KINDS.log_likelihood(raw, X, NONE, 1.0),
    ):
        same = torch.isclose(error(changed), error(RAW))
        assert bool(same[3]) == (name == "number")
    marked = RAW.clone()
    marked[3, at("number is missing")] -= 3
    assert KINDS.loss(marked[3:4], X[3:4], NONE) > KINDS.loss(RAW[3:4], X[3:4], NONE)


def test_expected_values_are_means_and_probabilities() -> None:
    expected = KINDS.expected(RAW)
    levels = [at(f"kind = {level}") for level in "xyz"] + [at("kind is missing")]
    assert torch.allclose(expected[:, levels].sum(dim=1), torch.ones(len(X)))
    assert torch.equal(expected[:, at("flag")], RAW[:, at("flag")].sigmoid())
    assert torch.equal(expected[:, at("number")], RAW[:, at("number")])
    place, center, scale = at("visits"), SCALER.center[at("visits")], SCALER.scale[at("visits")]
    mean = torch.exp(RAW[:, place] * scale + center)
    assert torch.allclose(expected[:, place] * scale + center, torch.log1p(mean), atol=1e-5)


def test_counts_are_whole_again_after_scaling() -> None:
    assert KINDS.counts(X)[:, 0].tolist() == table()["visits"].tolist()


def test_no_constant_has_a_smaller_error_than_the_mean() -> None:
    """The share of variance that is explained then means the same for every kind."""
    share = table()["flag"].mean()
    only = [at("flag")]

    def error(p: float) -> float:
        raw = torch.full_like(X, math.log(p / (1 - p)))
        return float((KINDS.expected(raw) - X)[:, only].square().mean())

    assert error(share) == pytest.approx(float(X[:, only].var(correction=0)), rel=1e-4)
    assert error(share) < min(error(share - 0.05), error(share + 0.05))


def test_the_loss_leads_every_kind_to_the_data() -> None:
    raw, log_dispersion = torch.zeros_like(X, requires_grad=True), torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.Adam([raw, log_dispersion], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        (len(X) * KINDS.loss(raw, X, log_dispersion)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found = CODEC.decode(SCALER.inverse_transform(KINDS.expected(raw.detach()).numpy()))
    assert found["kind"].fillna("").tolist() == table()["kind"].fillna("").tolist()
    assert found["flag"].tolist() == table()["flag"].tolist()
    assert bool(found["number"].isna()[3])
    assert np.abs(found["number"] - table()["number"]).max() < 0.5
    assert np.abs(found["visits"] - table()["visits"]).max() <= 1


def test_a_dispersion_is_found_from_moments() -> None:
    counts = torch.from_numpy(np.random.default_rng(0).negative_binomial(3, 0.3, (20_000, 2))).float()
    assert torch.allclose(moment_dispersion(counts), torch.tensor([3.0, 3.0]).log(), atol=0.1)
    poisson = torch.poisson(torch.full((500, 1), 4.0), generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(moment_dispersion(poisson)).all()
    assert torch.isfinite(moment_dispersion(torch.zeros(9, 1))).all()


def test_a_matrix_of_counts_has_no_other_kind() -> None:
    counts = np.random.default_rng(0).poisson(3.0, (30, 4))
    scaler = InputScaler.fit(np.log1p(counts))
    kinds = ByKind.of(Layout.of_counts(4), scaler, X)
    x = torch.from_numpy(scaler.transform(np.log1p(counts)))
    assert torch.equal(kinds.counts(x), torch.from_numpy(counts).float())
    found: Tensor = kinds.loss(x, x, torch.full((4,), 8.0))
    poisson = -stats.poisson.logpmf(counts, np.maximum(1 + counts, 1))  # the logarithm of 1 + x as that of the mean
    assert float(found) == pytest.approx(poisson.mean(), abs=0.01)
