"""The prior match keeps its level, sees what is off, and its statistics are what they claim to be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm

from aaetools.analysis import result_from_json, result_to_json
from aaetools.analysis.divergences import DIVERGENCES
from aaetools.analysis.nulls import clear_nulls
from aaetools.analysis.prior_match import MAX_CODES, STATISTICS, TESTS, _verdict, distinct_rows, prior_match
from aaetools.analysis.results import GoodnessOfFit, PriorMatch
from aaetools.exceptions import DataError, LabelError
from aaetools.priors import PRIORS, GaussianComponents, SampledPrior
from aaetools.priors import make_prior as named_prior


@pytest.fixture(autouse=True)
def _small_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """P-values are exact for any reference; a small one is cheap."""
    monkeypatch.setattr("aaetools.analysis.divergences._REFERENCE_ROWS", 1_000)


def normal(n: int, d: int, seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


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
    assert {result.statistic for result in match.results} == {*STATISTICS} - {"weights"}
    # knn_kl is unreliable away from the prior
    sampled = [r for r in match.results if r.statistic in DIVERGENCES and r.statistic != "knn_kl"]
    assert all(result.p_adjusted < 0.05 and result.verdict != "met" for result in sampled)
    assert "do not follow" in match.verdict


def test_classes_are_compared_with_their_own_component(make_prior: Any) -> None:
    prior = make_prior(3, 3)
    labels = np.repeat([0, 1, 2, -1], 60)
    codes = normal(240, 3, 3)
    codes += prior.means.numpy()[np.where(labels < 0, 0, labels)]
    codes[labels == 2] = codes[labels == 2] * 0.5 + 1
    match = prior_match(
        codes, prior, labels, random_state=0, class_names=["a", "b", "c"], statistics=("mmd", "axes", "weights")
    )
    by_class = {r.scope: r for r in match.results if r.statistic == "mmd"}
    assert set(by_class) == {"overall", "a", "b", "c"}
    assert by_class["a"].verdict == by_class["b"].verdict == "met"
    assert by_class["c"].verdict == "not met"
    assert by_class["a"].n == 60
    assert "1 of 3 classes do not follow their part of it" in match.verdict


def test_swapped_classes_are_seen_by_class_only(make_prior: Any) -> None:
    prior, labels = make_prior(2, 2), np.repeat([0, 1], 100)
    codes = normal(200, 2, 3) + prior.means.numpy()[1 - labels]
    match = prior_match(codes, prior, labels, random_state=0, statistics=("mmd", "energy"))
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
    by_class = [r for r in match.results if r.scope != "overall"]
    assert all(r.n_resamples >= 20 * len(by_class) for r in by_class)
    assert match.notes == ("1 classes with fewer than 10 codes are not tested.",)
    assert all(r.p_adjusted < 0.05 for r in match.results)


def test_same_seed_same_numbers_and_the_global_generators_are_left_alone(make_prior: Any) -> None:
    codes, prior = normal(50, 2, 0), make_prior(2)

    before = np.random.get_state()[1].copy(), torch.random.get_rng_state()  # type: ignore[index]
    first, second = (prior_match(codes, prior, random_state=4, n_resamples=19) for _ in range(2))
    assert first == second
    assert first != prior_match(codes, prior, random_state=5, n_resamples=19)
    assert (np.random.get_state()[1] == before[0]).all()  # type: ignore[index]
    assert bool((torch.random.get_rng_state() == before[1]).all())
    unseeded = prior_match(codes, prior, statistics=("energy",))
    assert prior_match(codes, prior, random_state=unseeded.random_state, statistics=("energy",)) == unseeded


def test_the_effect_ratio_and_the_p_value_follow_from_the_null(make_prior: Any) -> None:
    match = prior_match(normal(60, 2, 0) + 3, make_prior(2), random_state=0, n_resamples=99)
    for result in match.results:
        assert result.p_value <= 1 / 100
        if result.n_resamples:
            assert result.p_value == 1 / (result.n_resamples + 1)
        assert result.effect_ratio == pytest.approx(result.value / result.null_q95)
        assert result.null_mean < result.null_q95 < result.value


def test_many_codes_are_thinned_to_the_stated_number(make_prior: Any) -> None:
    match = prior_match(
        normal(MAX_CODES + 500, 2, 0), make_prior(2), random_state=0, n_resamples=39, statistics=("mmd",)
    )
    assert match.n == MAX_CODES + 500
    assert match.results[0].n == MAX_CODES
    assert match.notes == (f"The overall tests use {MAX_CODES:,} of {MAX_CODES + 500:,} codes, drawn at random.",)
    whole = prior_match(
        normal(MAX_CODES + 500, 2, 0),
        make_prior(2),
        random_state=0,
        n_resamples=19,
        statistics=("mmd",),
        max_codes=None,
    )
    assert (whole.results[0].n, whole.notes) == (MAX_CODES + 500, ())


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


def drawn(prior: Any, n: int, labels: Any = None, seed: int = 0) -> Any:
    return prior.sample(n, labels, torch.Generator().manual_seed(seed)).numpy()


@pytest.mark.parametrize("name", sorted(PRIORS))
def test_draws_of_every_prior_are_met_overall_and_by_class(name: str) -> None:
    prior = named_prior(name, n_dims=3, n_classes=2)
    z = prior.sample(90, generator=torch.Generator().manual_seed(2))
    labels = prior.class_log_posterior(z).argmax(1).numpy()
    statistics = ("mmd", "sliced_wasserstein", "frechet", "axes", "weights")
    match = prior_match(z.numpy(), prior, labels, random_state=1, statistics=statistics)
    assert {result.verdict for result in match.results} == {"met"}
    assert {result.scope for result in match.results} == {"overall", "0", "1"}
    assert [r.statistic for r in match.results if r.scope == "0"] == list(statistics[:-1])


def test_a_prior_that_is_only_a_sampler_will_do() -> None:
    prior = SampledPrior(n_dims=2, sampler=lambda n, labels, generator: torch.rand(n, 2, generator=generator))
    codes = np.random.default_rng(0).random((80, 2))
    match = prior_match(codes, prior, random_state=0)
    assert {r.statistic for r in match.results} == {*STATISTICS} - {"weights"}
    assert all(r.verdict == "met" for r in match.results)
    assert prior_match(codes + 0.5, prior, random_state=0, statistics=("axes",)).axes[0].p_adjusted < 1e-6


def test_classes_of_a_gaussian_mixture_share_null_distributions(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = named_prior("ring", n_dims=2, n_classes=3)
    labels = np.arange(90) % 3
    clear_nulls()
    match = prior_match(drawn(prior, 90, torch.as_tensor(labels)), prior, labels, random_state=0, statistics=("mmd",))
    by_class = [result for result in match.results if result.scope != "overall"]
    assert len({(r.null_mean, r.null_q95, r.smallest_effect) for r in by_class}) == 1
    assert {r.effect_unit for r in by_class} == {"shift along own 0 in the component's standard deviations"}
    monkeypatch.setattr("aaetools.analysis.nulls._fresh_values", None)  # everything needed is kept
    again = prior_match(drawn(prior, 90, torch.as_tensor(labels)), prior, labels, random_state=0, statistics=("mmd",))
    assert again == match


def test_one_bimodal_axis_of_sixteen_is_found_and_named() -> None:
    codes = normal(600, 16, 0)
    codes[:, 3] = 0.9 * np.sign(codes[:, 3]) + 0.436 * normal(600, 1, 1)[:, 0]
    match = prior_match(codes, named_prior("gaussian", n_dims=16), random_state=0, statistics=("mmd", "axes"))
    assert match.overall("axes").verdict != "met"
    assert match.overall("axes").detail == "z3"
    assert min(match.axes, key=lambda axis: axis.p_adjusted).axis == "z3"
    assert "do not follow" in match.verdict or "close to the prior" in match.verdict


def test_swapped_weights_are_found_without_labels() -> None:
    prior = named_prior("simplex", n_dims=2, n_classes=2, weights=(0.7, 0.3))
    codes = drawn(named_prior("simplex", n_dims=2, n_classes=2, weights=(0.3, 0.7)), 300)
    match = prior_match(codes, prior, random_state=0, statistics=("weights",))
    assert match.weights is not None
    assert match.weights.source == "posterior"
    assert match.overall("weights").verdict == "not met"


def test_repeated_codes_are_reported_and_repeated_rows_can_be_left_out() -> None:
    codes = np.concatenate([normal(40, 2, 0), normal(5, 2, 0)])
    match = prior_match(codes, named_prior("gaussian", n_dims=2), random_state=0, statistics=("frechet",))
    assert match.n_repeated == 5
    assert match.notes == ("5 codes equal an earlier one; they are kept, because a collapse would show so.",)
    assert distinct_rows(codes).tolist() == list(range(40))


def test_rows_of_the_discriminator_are_positions_in_the_codes_given_also_when_thinned() -> None:
    codes = normal(300, 2, 0)
    codes[::3] += 8
    match = prior_match(
        codes, named_prior("gaussian", n_dims=2), random_state=0, statistics=("discriminator",), max_codes=150
    )
    assert match.discriminator is not None
    assert match.discriminator.accuracy.n == 150
    assert {row % 3 for row in match.discriminator.rows} == {0}
    assert max(match.discriminator.rows) > 150


def test_json_out_and_in() -> None:
    prior = named_prior("ring", n_dims=2, n_classes=2)
    match = prior_match(drawn(prior, 60), prior, random_state=0, statistics=("frechet", *TESTS))
    assert result_from_json(result_to_json(match), PriorMatch) == match


def test_progress_is_told() -> None:
    prior, said = named_prior("ring", n_dims=2, n_classes=2), list[Any]()
    labels = np.arange(60) % 2
    prior_match(
        drawn(prior, 60, torch.as_tensor(labels)),
        prior,
        labels,
        random_state=11,
        statistics=("frechet",),
        progress=lambda what, done, total: said.append((what, done, total)),
    )
    assert ("sampling the prior: overall", 199, 199) in said
    assert said[-1] == ("sampling the prior: classes", 2, 2)


def test_components_that_do_not_fit_are_refused() -> None:
    class Wrong:
        name, n_dims, n_components = "wrong", 2, 0
        said: Any = GaussianComponents(np.ones(1), np.zeros((1, 3)), np.eye(3)[None])

        def sample(self, n: int, labels: Any = None, generator: Any = None) -> torch.Tensor:
            return torch.randn(n, 2, generator=generator)

        def gaussian_components(self) -> Any:
            return self.said

    prior = Wrong()
    with pytest.raises(DataError, match="weights \\(K,\\) that sum to 1"):
        prior_match(normal(30, 2, 0), prior)
    prior.said = GaussianComponents(np.ones(1), np.zeros((1, 2)), np.zeros((1, 2, 2)))
    with pytest.raises(DataError, match="not positive definite"):
        prior_match(normal(30, 2, 0), prior)


def test_nearest_neighbours_above_four_dimensions_are_left_out_or_refused() -> None:
    prior = named_prior("gaussian", n_dims=5)
    with pytest.raises(DataError, match="knn_kl is not computed above 4"):
        prior_match(normal(30, 5, 0), prior, statistics=("knn_kl",))


def test_large_classes_of_nearly_equal_size_share_samples_of_the_prior() -> None:
    prior = named_prior("simplex", n_dims=2, n_classes=3)
    labels = np.repeat([0, 1, 2], [25, 520, 560])
    codes = prior.sample(1_105, labels=torch.as_tensor(labels), generator=torch.Generator().manual_seed(0)).numpy()

    def tested(rows: slice) -> PriorMatch:
        return prior_match(
            codes[rows],
            prior,
            labels[rows],
            statistics=["energy"],
            max_class_codes=None,
            n_resamples=39,
            random_state=0,
        )

    match, alone = tested(slice(None)), tested(slice(0, 545))
    sizes = [(result.scope, result.n) for result in match.results]
    assert sizes == [("overall", 1_105), ("0", 25), ("1", 520), ("2", 520)]
    assert "40 codes are left out so that classes of nearly equal size share samples of the prior." in match.notes
    assert not any("left out" in note for note in alone.notes)
