"""The prior match keeps its level, sees what is off, and its statistics are what they claim to be."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from scipy.special import gamma, hyp1f1
from scipy.stats import binom, norm

from aaetools.analysis.prior_match import (
    DIVERGENCES,
    MAX_CODES,
    _bandwidths,
    _verdict,
    divergence,
    holm,
    prior_match,
)
from aaetools.analysis.results import GoodnessOfFit
from aaetools.exceptions import DataError, LabelError

module = sys.modules["aaetools.analysis.prior_match"]
NAMES = sorted(DIVERGENCES)


@pytest.fixture
def small_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """The level holds for any reference; a small one makes hundreds of repeats cheap."""
    monkeypatch.setattr(module, "_REFERENCE_ROWS", 1_000)


def normal(n: int, d: int, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_divergence_grows_with_a_shift(name: str) -> None:
    reference, codes = normal(4_000, 3, 0), normal(400, 3, 1)
    values = [divergence(codes + shift, reference, name) for shift in (0.0, 0.3, 1.0, 3.0)]
    assert values == sorted(values)
    assert values[-1] > 10 * max(values[0], 1e-3)


@pytest.mark.parametrize("name", NAMES)
def test_a_stack_of_samples_gives_what_each_sample_gives_alone(name: str) -> None:
    reference, stack = normal(1_200, 3, 0), normal(600, 3, 1).reshape(3, 200, 3)
    statistic = DIVERGENCES[name](reference, 200, np.random.default_rng(0))
    np.testing.assert_allclose(statistic(stack), [statistic(sample[None])[0] for sample in stack], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", ["mmd", "energy"])
@pytest.mark.parametrize("d", [1, 2, 8])
def test_unbiased_statistics_average_to_zero_under_the_null(name: str, d: int) -> None:
    statistic = DIVERGENCES[name](normal(40_000, d, 0), 100, np.random.default_rng(0))
    values = statistic(normal(300 * 100, d, 1).reshape(300, 100, d))
    assert abs(values.mean()) < 4 * values.std() / np.sqrt(len(values))


def test_mmd_is_close_to_the_exact_kernel_statistic_and_its_closed_form() -> None:
    d, codes, reference = 2, 0.6 * normal(500, 2, 1) + 0.5, normal(20_000, 2, 0)
    exact = 0.0
    for h2 in _bandwidths(reference):
        pairs = np.square(codes[:, None] - codes[None]).sum(2)
        kernel = np.exp(-pairs / (2 * h2))
        n = len(codes)
        within = (kernel.sum() - n) / (n * (n - 1))
        norms = np.square(codes).sum(1)
        across = ((h2 / (h2 + 1)) ** (d / 2) * np.exp(-norms / (2 * (h2 + 1)))).mean()
        exact += within - 2 * across + (h2 / (h2 + 2)) ** (d / 2)
    exact /= 5
    assert divergence(codes, reference, "mmd") == pytest.approx(exact, rel=0.15)


def test_energy_is_close_to_its_closed_form() -> None:
    d, codes, reference = 3, 0.7 * normal(400, 3, 1) + 0.4, normal(20_000, 3, 0)
    norms = np.square(codes.astype(float)).sum(1)
    mean_to_normal = np.sqrt(2) * gamma((d + 1) / 2) / gamma(d / 2) * hyp1f1(-0.5, d / 2, -norms / 2)
    between = np.sqrt(np.square(codes[:, None] - codes[None]).sum(2)).sum() / (400 * 399)
    exact = 2 * mean_to_normal.mean() - between - 2 * gamma((d + 1) / 2) / gamma(d / 2)
    assert divergence(codes, reference, "energy") == pytest.approx(exact, rel=0.1)


def test_energy_in_one_dimension_is_the_exact_u_statistic_even_outside_the_reference() -> None:
    codes, reference = 3 * normal(50, 1, 1) + 4, normal(200, 1, 0)

    def mean_distance(a: Any) -> float:
        return float(np.abs(a - a.T).sum() / (len(a) * (len(a) - 1)))

    exact = 2 * np.abs(codes - reference.T).mean() - mean_distance(codes) - mean_distance(reference)
    assert divergence(codes, reference, "energy") == pytest.approx(exact, rel=1e-3)


def test_sliced_wasserstein_in_one_dimension_is_the_distance_between_quantile_functions() -> None:
    codes, reference = normal(30, 1, 1) + 1, normal(90, 1, 0)
    repeated = np.sort(np.repeat(codes[:, 0], 3))
    exact = np.sqrt(np.square(repeated - np.sort(reference[:, 0])).mean())
    assert divergence(codes, reference, "sliced_wasserstein") == pytest.approx(exact, rel=1e-5)


def test_sliced_wasserstein_of_a_pure_shift_is_its_mean_projected_length() -> None:
    codes = normal(500, 2, 0)
    # mean of cos^2 over directions of the plane is 1/2; orthonormal pairs of directions give it exactly
    value = divergence(codes + np.array([3, 4], dtype=np.float32), codes, "sliced_wasserstein")
    assert value == pytest.approx(5 / np.sqrt(2), rel=1e-4)


@pytest.mark.usefixtures("small_reference")
def test_p_values_reject_five_percent_under_the_null(make_prior: Any) -> None:
    prior, repeats = make_prior(3), 80
    rejected = dict.fromkeys(NAMES, 0)
    for seed in range(repeats):
        match = prior_match(normal(40, 3, 1_000 + seed), prior, random_state=seed, n_resamples=39)
        for result in match.results:
            rejected[result.statistic] += result.p_value <= 0.05
    assert max(rejected.values()) <= binom.ppf(0.9995, repeats, 0.05)


@pytest.mark.slow
@pytest.mark.usefixtures("small_reference")
@pytest.mark.parametrize("d", [2, 32])
def test_p_values_are_uniform_under_the_null(make_prior: Any, d: int) -> None:
    prior, repeats = make_prior(d), 300
    p = np.array(
        [
            [r.p_value for r in prior_match(normal(60, d, 5_000 + s), prior, random_state=s, n_resamples=39).results]
            for s in range(repeats)
        ]
    )
    for level in (0.05, 0.25, 0.5):
        low, high = binom.ppf([0.0005, 0.9995], repeats, level)
        counts = (p <= level).sum(axis=0)
        assert (low <= counts).all()
        assert (counts <= high).all()


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param(normal(300, 4, 7) + 0.5, id="shift"),
        pytest.param(0.7 * normal(300, 4, 7), id="too narrow"),
        pytest.param(1.4 * normal(300, 4, 7), id="too wide"),
        pytest.param(np.zeros((300, 4)), id="collapsed"),
    ],
)
def test_codes_off_the_prior_are_rejected_by_every_statistic(make_prior: Any, codes: Any) -> None:
    match = prior_match(codes, make_prior(4), random_state=0)
    assert {result.statistic for result in match.results} == set(NAMES)
    assert all(result.p_adjusted < 0.05 and result.verdict != "met" for result in match.results)
    assert "do not follow" in match.verdict


def test_classes_are_compared_with_their_own_component(make_prior: Any) -> None:
    prior = make_prior(3, 3)
    labels = np.repeat([0, 1, 2, -1], 60)
    codes = normal(240, 3, 3)
    codes += prior.means.numpy()[np.where(labels < 0, 0, labels)]
    codes[labels == 2] = codes[labels == 2] * 0.5 + 1
    match = prior_match(codes, prior, labels, random_state=0, class_names=["a", "b", "c"])
    by_class = {r.scope: r for r in match.results if r.statistic == "mmd"}
    assert set(by_class) == {"overall", "a", "b", "c"}
    assert by_class["a"].verdict == by_class["b"].verdict == "met"
    assert by_class["c"].verdict == "not met"
    assert by_class["a"].n == 60
    assert "1 of 3 classes do not follow their part of it" in match.verdict


def test_swapped_classes_are_seen_by_class_only(make_prior: Any) -> None:
    prior, labels = make_prior(2, 2), np.repeat([0, 1], 100)
    codes = normal(200, 2, 3) + prior.means.numpy()[1 - labels]
    match = prior_match(codes, prior, labels, random_state=0)
    assert match.overall("mmd").verdict == "met"
    assert all(r.verdict == "not met" for r in match.results if r.scope != "overall")
    assert match.verdict.startswith("Overall the codes cannot be told from the prior (MMD ")
    assert match.verdict.endswith(
        ", n = 200), but within classes they can: 2 of 2 classes do not follow their part of it."
    )


def test_small_classes_are_skipped_and_resamples_suffice_for_the_correction(make_prior: Any) -> None:
    prior, labels = make_prior(12, 12), np.repeat(np.arange(12), 12)
    labels[labels == 11] = -1
    labels[:3] = -1  # leaves 9 rows of class 0
    codes = normal(144, 12, 0) + 50
    match = prior_match(codes, prior, labels, n_resamples=19, random_state=0, statistics=("mmd",))
    assert {r.scope for r in match.results} == {"overall", *map(str, range(1, 11))}
    assert match.n_resamples >= 20 * len(match.results)
    assert all(r.p_adjusted < 0.05 for r in match.results)


def test_same_seed_same_numbers_and_the_global_generators_are_left_alone(make_prior: Any) -> None:
    codes, prior = normal(50, 2, 0), make_prior(2)
    import torch

    before = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # type: ignore[index]
    first, second = (prior_match(codes, prior, random_state=4) for _ in range(2))
    assert first == second
    assert first != prior_match(codes, prior, random_state=5)
    assert (np.random.get_state()[1] == before[0]).all()  # type: ignore[index]
    assert bool((torch.random.get_rng_state() == before[1]).all())
    unseeded = prior_match(codes, prior)
    assert prior_match(codes, prior, random_state=unseeded.random_state) == unseeded


def test_the_effect_ratio_and_the_p_value_follow_from_the_null(make_prior: Any) -> None:
    match = prior_match(normal(60, 2, 0) + 3, make_prior(2), random_state=0, n_resamples=99)
    for result in match.results:
        assert result.p_value == 1 / 100
        assert result.effect_ratio == pytest.approx(result.value / result.null_q95)
        assert result.null_mean < result.null_q95 < result.value


def test_many_codes_are_thinned_to_the_stated_number(make_prior: Any) -> None:
    match = prior_match(
        normal(MAX_CODES + 500, 1, 0), make_prior(1), random_state=0, n_resamples=39, statistics=("mmd",)
    )
    assert match.n == MAX_CODES + 500
    assert match.results[0].n == MAX_CODES


def test_too_few_codes_are_not_tested_and_say_so(make_prior: Any) -> None:
    match = prior_match(normal(9, 2, 0), make_prior(2), random_state=0)
    assert match.results == ()
    assert match.verdict == "Not tested: 9 rows, 10 are needed."


def test_bad_input_is_named(make_prior: Any) -> None:
    prior, codes = make_prior(2, 2), normal(20, 2, 0)
    broken = codes.copy()
    broken[3, 1] = np.nan
    with pytest.raises(DataError, match="row 3 is not finite"):
        prior_match(broken, prior)
    with pytest.raises(DataError, match="3 columns but the prior has 2"):
        prior_match(normal(20, 3, 0), prior)
    with pytest.raises(DataError, match="unknown statistic 'mdm'"):
        prior_match(codes, prior, statistics=("mdm",))
    with pytest.raises(LabelError, match="there are 20 codes"):
        prior_match(codes, prior, [0, 1])
    with pytest.raises(LabelError, match=r"-1 \.\.\. 1"):
        prior_match(codes, prior, np.full(20, 2))
    with pytest.raises(LabelError, match="must be integers"):
        prior_match(codes, prior, np.full(20, 0.5))


def test_holm_matches_a_worked_example() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0]


def test_power_against_a_small_change_of_scale_is_that_of_a_good_test(make_prior: Any) -> None:
    """At n = 600 in the plane a scale of 0.85 is found nearly always, as by the best test, that of |z|^2."""
    prior = make_prior(2)
    found = [
        prior_match(0.85 * normal(600, 2, s), prior, random_state=s, n_resamples=39, statistics=("mmd",))
        .results[0]
        .p_value
        <= 0.05
        for s in range(10)
    ]
    assert sum(found) >= 8
    assert norm.cdf((1 - 0.85**2) * np.sqrt(600)) > 0.99


def outcome(scope: str, verdict: Any, statistic: str = "mmd", ratio: float = 1.0) -> GoodnessOfFit:
    p = 0.6 if verdict == "met" else 0.01
    return GoodnessOfFit(scope, statistic, 50, 0.1, 0.05, 0.1, ratio, p, p, verdict)


OPENINGS = {
    "met": "he codes cannot be told from the prior (",
    "close": "he codes are close to the prior, not equal to it (",
    "not met": "he codes do not follow the prior (",
}


@pytest.mark.parametrize(
    ("overall", "classes", "ending"),
    [
        ("met", "met met", "and within classes they cannot either (2 tested)."),
        (
            "met",
            "met close",
            "but within classes they can: 1 of 2 classes are only close to their part of it.",
        ),
        ("met", "close off", "but within classes they can: 1 of 2 classes do not follow their part of it."),
        ("close", "met met", "and within classes they cannot even be told from it (2 tested)."),
        ("close", "close met", "and so are those of 1 of 2 classes to their part of it."),
        (
            "close",
            "off off",
            "but within classes they are far off: 2 of 2 classes do not follow their part of it.",
        ),
        ("not met", "met met", "but within classes they cannot be told from it (2 tested)."),
        (
            "not met",
            "met close",
            "but within classes they are nearer: 1 of 2 classes are close to their part of it.",
        ),
        ("not met", "met off", "and 1 of 2 classes do not follow their part of it."),
    ],
)
def test_the_verdict_is_one_sentence_that_sets_classes_against_the_whole(
    overall: str, classes: str, ending: str
) -> None:
    whole = outcome("overall", overall)
    verdicts = ["not met" if verdict == "off" else verdict for verdict in classes.split()]
    verdict = _verdict([whole, *(outcome(str(k), each) for k, each in enumerate(verdicts))], "mmd")
    assert verdict.startswith(f"Overall t{OPENINGS[overall]}")
    assert verdict.endswith(f"n = 50), {ending}")
    assert len(verdict) < 300  # what the report's card has room for
    alone = _verdict([whole], "mmd")
    assert alone.startswith(f"T{OPENINGS[overall]}")
    assert alone.endswith("n = 50).")


def test_the_verdict_tells_the_numbers_of_the_statistic_that_decides() -> None:
    met, far = outcome("overall", "met"), outcome("overall", "not met", "sliced_wasserstein", ratio=4.0)
    assert "do not follow the prior (sliced wasserstein 4.0 times" in _verdict([met, far], "mmd")
    assert "cannot be told from the prior (MMD 1.0 times" in _verdict([met], "mmd")
    both = [outcome("overall", "met", "energy", ratio=0.5), met]
    assert "(MMD 1.0 times" in _verdict(both, "mmd")
    assert "(energy 0.5 times" in _verdict(both, "energy")


def test_a_class_counts_once_by_its_worst_statistic() -> None:
    results = [
        outcome("overall", "met"),
        *(outcome("a", verdict, name) for name, verdict in [("mmd", "met"), ("energy", "not met")]),
        *(outcome("b", "close", name) for name in ("mmd", "energy")),
    ]
    assert "1 of 2 classes do not follow" in _verdict(results, "mmd")
