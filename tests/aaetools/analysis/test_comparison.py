"""Runs are paired on the rows that they share, never on wrong ones, and a preference needs a reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import jsonschema
import numpy as np
import pytest
from scipy.stats import binomtest

from aaetools.analysis import Comparison, compare, json_schema, result_from_json, result_to_json
from aaetools.analysis.comparison import MAX_RUNS
from aaetools.analysis.comparison_results import PairedAccuracy, PairedRuns
from aaetools.analysis.intervals import corrected_t_test, holm, wilson_interval
from aaetools.analysis.results import Analysis, Interval
from aaetools.exceptions import DataError

OTHER = {"0": "1", "1": "2", "2": "3", "3": "0"}


def variant(analysis: Analysis, wrong: Sequence[int] = (), seed: int = 0, **parameters: Any) -> Analysis:
    """Return an analysis that is right on all hold-out rows but those at ``wrong``, its accuracy with it."""
    rows = analysis.tables.rows.copy()
    held = np.flatnonzero(rows["split"] == "holdout")
    called = rows["label_pred"].to_numpy(dtype=object)
    called[held] = rows["label_true"].to_numpy(dtype=object)[held]
    called[held[list(wrong)]] = [OTHER[label] for label in called[held[list(wrong)]]]
    rows["label_pred"] = called
    found = analysis.classification
    assert found is not None
    accuracy = wilson_interval(len(held) - len(wrong), len(held))
    return replace(
        analysis,
        tables=replace(analysis.tables, rows=rows),
        classification=replace(found, model=replace(found.model, accuracy=accuracy)),
        provenance=replace(analysis.provenance, random_state=seed),
        model=replace(analysis.model, parameters={**analysis.model.parameters, **parameters}, fit_seconds=10.0),
        warnings=(),
    )


def with_rows(analysis: Analysis, **columns: Any) -> Analysis:
    return replace(analysis, tables=replace(analysis.tables, rows=analysis.tables.rows.assign(**columns)))


def with_verdict(analysis: Analysis, verdict: Literal["met", "close", "not met"]) -> Analysis:
    match = analysis.prior_match
    results = tuple(replace(result, verdict=verdict) for result in match.results)
    return replace(analysis, prior_match=replace(match, results=results))


def unlabeled(analysis: Analysis) -> Analysis:
    data = replace(analysis.data, classes=())
    return with_rows(replace(analysis, classification=None, data=data), label_pred=None)


def quick(analyses: Sequence[Analysis], names: Sequence[str] | None = None, **settings: Any) -> Comparison:
    return compare(analyses, names, n_bootstrap=20, **settings)


def only(found: Comparison) -> PairedRuns:
    (pair,) = found.pairs
    return pair


def accuracy_of(pair: PairedRuns) -> PairedAccuracy:
    assert pair.accuracy is not None
    return pair.accuracy


# -- rows in common --------------------------------------------------------------------------------------------------


def test_rows_right_in_one_run_only_are_counted_and_tested(analysis: Analysis) -> None:
    n = analysis.data.n_holdout
    pair = only(quick([variant(analysis, range(12)), variant(analysis, range(8, 14))]))
    found = accuracy_of(pair)
    assert (pair.n_common, pair.n_held_out, pair.n_paired) == (len(analysis.tables.rows), n, n)
    assert (found.n_first_only, found.n_second_only, found.n_both) == (2, 8, n - 14)
    assert found.difference.value == pytest.approx(6 / n)
    assert found.p_value == found.p_adjusted == pytest.approx(binomtest(2, 10).pvalue)
    recalls = [recall for recall in found.recalls if recall is not None]
    assert found.balanced.value == pytest.approx(np.mean([recall.value for recall in recalls]))
    assert sum(recall.n for recall in recalls) == found.balanced.n == n
    confusion = np.array(found.confusion)
    assert np.trace(confusion) == 6
    assert (confusion.sum(axis=1) == 0).all()


def test_rows_are_matched_by_id_in_whatever_order_they_stand(analysis: Analysis) -> None:
    one, other = variant(analysis, range(12)), variant(analysis, range(8, 14))
    shuffled = replace(other, tables=replace(other.tables, rows=other.tables.rows.sample(frac=1, random_state=0)))
    assert accuracy_of(only(quick([one, shuffled]))) == accuracy_of(only(quick([one, other])))


def test_the_order_of_runs_turns_the_sign(analysis: Analysis) -> None:
    one, other = variant(analysis, range(12)), variant(analysis, range(8, 14))
    there, back = accuracy_of(only(quick([one, other]))), accuracy_of(only(quick([other, one])))
    assert back.difference.value == -there.difference.value
    assert back.difference.low == pytest.approx(-there.difference.high)
    assert back.p_value == there.p_value


def test_only_rows_that_both_held_out_are_paired(analysis: Analysis) -> None:
    other = variant(analysis, range(12))
    rows = other.tables.rows
    held = np.flatnonzero(rows["split"] == "holdout")
    split = rows["split"].to_numpy(dtype=object)
    split[held[:50]] = "train"
    pair = only(quick([variant(analysis), with_rows(other, split=split)]))
    assert pair.n_paired == pair.n_held_out == len(held) - 50
    assert accuracy_of(pair).n_first_only == 0


def test_a_few_rows_in_common_are_no_comparison(analysis: Analysis) -> None:
    ids = analysis.tables.rows["row"].to_numpy().copy()
    held = np.flatnonzero(analysis.tables.rows["split"] == "holdout")
    ids[held[20:]] += 10_000
    pair = only(quick([variant(analysis), with_rows(variant(analysis, range(9)), row=ids)]))
    assert (pair.accuracy, pair.refused, pair.n_paired) == (None, "", 20)
    assert pair.no_accuracy == "they held out only 20 labelled rows in common, and 30 are needed"


def test_rows_of_other_data_are_not_paired_though_their_ids_agree(analysis: Analysis) -> None:
    one, other = variant(analysis), variant(analysis, range(12))
    elsewhere = replace(other, data=replace(other.data, sha256="1" * 64))
    nowhere = replace(other, data=replace(other.data, sha256=""))
    for second, reason in ((elsewhere, "their data differ"), (nowhere, "not known whether")):
        found = quick([one, second])
        pair = only(found)
        assert reason in pair.refused
        assert pair.n_common == len(analysis.tables.rows)
        assert (pair.accuracy, pair.reconstruction, pair.clusters, found.preference.group) == (None,) * 4
        assert accuracy_of(only(quick([one, second], same_data=True))).n_first_only == 12


def test_a_contradicted_label_refuses_the_pair_whatever_was_vouched_for(analysis: Analysis) -> None:
    truth = analysis.tables.rows["label_true"].to_numpy(dtype=object).copy()
    row = int(np.flatnonzero(analysis.tables.rows["split"] == "holdout")[0])
    truth[row] = OTHER[truth[row]]
    pair = only(quick([variant(analysis), with_rows(variant(analysis), label_true=truth)], same_data=True))
    assert pair.refused == "1 of the rows that they have in common have another label in the other run"
    assert pair.accuracy is None


def test_repeated_ids_refuse_the_pair(analysis: Analysis) -> None:
    ids = analysis.tables.rows["row"].to_numpy().copy()
    ids[1] = ids[0]
    found = quick([variant(analysis), with_rows(variant(analysis), row=ids)], ["a", "b"])
    assert only(found).refused == "rows of 'b' share an id, so it does not say which row is which"


def test_p_values_are_corrected_over_all_pairs(analysis: Analysis) -> None:
    found = quick([variant(analysis, range(n), hidden=n) for n in (0, 9, 12, 30)])
    raw = [accuracy_of(pair).p_value for pair in found.pairs]
    assert [accuracy_of(pair).p_adjusted for pair in found.pairs] == pytest.approx(list(holm(raw)))
    assert len(raw) == 6


def test_reconstructions_are_compared_where_features_are_scaled_alike(analysis: Analysis) -> None:
    one, other = variant(analysis), variant(analysis)
    worse = with_rows(other, reconstruction_error=other.tables.rows["reconstruction_error"] + 0.25)
    gap = only(quick([one, worse])).reconstruction
    assert gap is not None
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.25, 0.25, 0.25), abs=1e-6)
    scaled = replace(worse, model=replace(worse.model, scaling="standard"))
    assert only(quick([one, scaled])).reconstruction is None


def test_the_same_clusters_with_other_numbers_agree(analysis: Analysis) -> None:
    other = with_rows(variant(analysis), cluster=3 - analysis.tables.rows["cluster"])
    same = only(quick([variant(analysis), other])).clusters
    assert same is not None
    assert same.value == pytest.approx(1)
    mixed = with_rows(variant(analysis), cluster=np.random.default_rng(0).integers(4, size=len(analysis.tables.rows)))
    chance = only(quick([variant(analysis), mixed])).clusters
    assert chance is not None
    assert abs(chance.value) < 0.05


# -- settings and groups ---------------------------------------------------------------------------------------------


def test_settings_that_differ_are_listed_and_the_others_counted(analysis: Analysis) -> None:
    one, other = variant(analysis, recipe="paper"), variant(analysis, seed=3, recipe="few-labels", ramp=0.5)
    found = quick([one, other])
    assert {(s.section, s.name): s.values for s in found.settings} == {
        ("parameters", "recipe"): ("paper", "few-labels"),
        ("parameters", "ramp"): (None, 0.5),
        ("seed", "seed"): (0, 3),
    }
    assert quick([one, one]).n_settings_same == found.n_settings_same + 2


def test_runs_that_differ_in_the_seed_form_a_group_with_a_mean_and_a_spread(analysis: Analysis) -> None:
    runs = [variant(analysis, range(n), seed=seed) for seed, n in enumerate((3, 8, 14))]
    found = quick([*runs, variant(analysis, range(5), recipe="paper")], ["a", "b", "c", "d"])
    first, second = found.groups
    assert (first.name, first.runs, first.seeds) == ("a (3 seeds)", (0, 1, 2), (0, 1, 2))
    assert (second.name, second.runs) == ("d", (3,))
    accuracies = [1 - n / analysis.data.n_holdout for n in (3, 8, 14)]
    assert first.means[0] == pytest.approx(np.mean(accuracies))
    assert first.deviations[0] == pytest.approx(np.std(accuracies, ddof=1))
    assert np.isnan(second.deviations[0])


def test_groups_are_compared_over_the_seeds_that_they_share(analysis: Analysis) -> None:
    ours, theirs = (3, 8, 14, 6), (20, 31, 30)
    runs = [variant(analysis, range(n), seed=seed) for seed, n in enumerate(ours)]
    runs += [variant(analysis, range(n), seed=seed, recipe="paper") for seed, n in enumerate(theirs)]
    found = quick(runs)
    (difference,) = found.group_differences
    gaps = [(a - b) / analysis.data.n_holdout for a, b in zip(ours, theirs, strict=False)]
    expected, p = corrected_t_test(gaps, analysis.data.n_holdout / analysis.data.n_train)
    assert difference.seeds == (0, 1, 2)
    assert difference.difference.value == pytest.approx(expected.value)
    assert difference.p_value == pytest.approx(p)
    assert quick(runs[:2] + runs[4:]).group_differences == ()


def test_seeds_alone_leave_nothing_to_prefer(analysis: Analysis) -> None:
    found = quick([variant(analysis, range(40)), variant(analysis, seed=1)])
    assert found.preference.group is None
    assert "differ in the seed only" in found.verdict
    assert "Nothing that could matter" in quick([variant(analysis)] * 2).verdict


# -- preference ------------------------------------------------------------------------------------------------------


def test_a_clear_difference_in_accuracy_decides(analysis: Analysis) -> None:
    found = quick([variant(analysis, range(30), recipe="paper"), variant(analysis, range(3))], ["paper", "ours"])
    chosen = found.preference
    assert (chosen.group, chosen.by) == (1, "accuracy")
    assert found.verdict.startswith("Prefer 'ours'. 'ours' is more accurate than 'paper' by 12.5 points")


def test_ties_are_broken_in_the_stated_order_or_not_at_all(analysis: Analysis) -> None:
    one, other = (with_verdict(variant(analysis, recipe=name), "close") for name in ("paper", "ours"))
    alarmed = replace(one, warnings=("An alarm.",))
    slow = replace(one, model=replace(one.model, fit_seconds=25.0))
    for first, second, group, by in (
        (with_verdict(alarmed, "met"), other, 0, "prior match"),
        (alarmed, other, 1, "alarms"),
        (slow, other, 1, "time"),
        (replace(slow, model=replace(slow.model, device="cuda")), other, None, None),
        (one, other, None, None),
    ):
        found = quick([first, second])
        assert (found.preference.group, found.preference.by) == (group, by)
        assert found.verdict.startswith("Perhaps" if by else "No clear winner")
        assert "Accuracy does not tell 'run 1' and 'run 2' apart" in found.preference.reason


def test_no_tie_is_broken_in_favour_of_what_looks_less_accurate(analysis: Analysis) -> None:
    one = with_verdict(variant(analysis, range(4), recipe="paper"), "met")
    other = with_verdict(variant(analysis), "not met")
    found = quick([one, other])
    assert not any(accuracy_of(pair).p_value < 0.05 for pair in found.pairs)
    assert found.preference.group is None
    assert "'run 1' looks less accurate" in found.verdict


def test_runs_that_answer_different_questions_have_no_winner(analysis: Analysis) -> None:
    found = quick([variant(analysis), unlabeled(variant(analysis, recipe="paper"))])
    assert found.preference.group is None
    assert "different questions" in found.verdict
    assert only(found).no_accuracy == "'run 2' has no measured accuracy"


def test_runs_without_labels_are_compared_by_clusters_prior_and_reconstruction(analysis: Analysis) -> None:
    one = with_verdict(unlabeled(variant(analysis)), "not met")
    other = with_verdict(unlabeled(variant(analysis, prior="ring")), "met")
    found = quick([one, other])
    pair = only(found)
    assert pair.accuracy is None
    assert isinstance(pair.clusters, Interval)
    assert isinstance(pair.reconstruction, Interval)
    assert (found.preference.group, found.preference.by) == (1, "prior match")
    assert "Without known labels of held-out rows there is no accuracy" in found.verdict
    assert "accuracy" not in [measure.name for measure in found.measures]


@pytest.mark.slow
def test_equal_runs_rarely_get_a_winner_by_accuracy(analysis: Analysis) -> None:
    rng = np.random.default_rng(0)
    n, wins = analysis.data.n_holdout, 0
    for _ in range(40):
        runs = [variant(analysis, np.flatnonzero(rng.random(n) < 0.1).tolist(), run=i) for i in range(4)]
        wins += compare(runs, n_bootstrap=0).preference.by == "accuracy"
    assert wins <= 5


# -- the result ------------------------------------------------------------------------------------------------------


def test_measures_stand_side_by_side(analysis: Analysis) -> None:
    one, other = variant(analysis, range(6)), variant(analysis, prior="ring")
    found = quick([one, other])
    accuracy = found.measure("accuracy")
    assert [value.value for value in accuracy.values if value is not None] == pytest.approx(
        [1 - 6 / analysis.data.n_holdout, 1.0]
    )
    r2 = found.measure("reconstruction R2").values[0]
    assert r2 is not None
    assert r2.value == analysis.model.reconstruction_r2
    assert r2.low < r2.value < r2.high
    with pytest.raises(KeyError):
        found.measure("beauty")
    mmd = next(statistic for statistic in found.prior_match if statistic.statistic == "mmd")
    assert mmd.ratios[0] == analysis.prior_match.overall("mmd").effect_ratio


def test_the_same_seed_gives_the_same_comparison(analysis: Analysis) -> None:
    runs = [variant(analysis, range(6)), variant(analysis, prior="ring")]
    assert result_to_json(compare(runs, random_state=1)) == result_to_json(compare(runs, random_state=1))


def test_a_comparison_survives_json_and_fits_its_schema(analysis: Analysis) -> None:
    found = quick([variant(analysis, range(6)), unlabeled(variant(analysis, prior="ring"))])
    text = result_to_json(found)
    assert result_to_json(result_from_json(text, Comparison)) == text
    jsonschema.validate(json.loads(text), json_schema(Comparison))


@pytest.mark.parametrize(
    ("n", "names", "message"),
    [
        (0, None, "no run is not enough"),
        (1, None, "one run is not enough"),
        (MAX_RUNS + 1, None, "21 runs are too many"),
        (2, ["a"], "1 names were given for 2 runs"),
        (2, ["a", "a"], "two runs are called 'a'"),
        (2, ["a", " "], "the name of run 2 is empty"),
    ],
)
def test_what_cannot_be_compared_is_said(analysis: Analysis, n: int, names: list[str] | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare([analysis] * n, names)
