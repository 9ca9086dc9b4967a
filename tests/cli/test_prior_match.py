"""The command tests the rows that it says, prints what it found, and writes the same as JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aaetools.analysis import STATISTICS, result_from_json
from aaetools.analysis.results import PriorMatch
from aaetools.cli.prior_match import STATISTIC_NAMES
from aaetools.runs import read_analysis

FAST = ("--resamples", "19", "--statistics", "frechet", "--statistics", "axes")


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_choices_are_those_of_the_library() -> None:
    assert list(STATISTIC_NAMES) == sorted(STATISTICS)


def test_the_holdout_is_tested_by_all_statistics_and_the_last_line_is_the_file(
    own_run: Path, run_cli: Callable[..., Any]
) -> None:
    done = run_cli("prior-match", own_run, "--resamples", "19")
    assert done.code == 0, done.err
    place = own_run / "prior-match.json"
    assert done.out.splitlines()[-1] == str(place)
    match = result_from_json(place.read_text(), PriorMatch)
    analysis = read_analysis(own_run)
    assert (match.split, match.n, match.prior) == ("holdout", analysis.data.n_holdout, analysis.prior_match.prior)
    assert match.verdict in done.out
    for result in match.results:
        assert result.statistic in done.out
    assert match.weights is not None
    assert match.weights.components == ("aster", "daisy", "rose")


def test_rows_to_test_are_chosen_and_named_as_in_the_data(own_run: Path, run_cli: Callable[..., Any]) -> None:
    sizes, verdicts = {}, {}
    for split in ("train", "holdout", "all"):
        statistics = ("--statistics", "discriminator", "--split", split)
        done = run_cli("prior-match", own_run, "--json", *statistics)
        assert done.code == 0, done.err
        found = json.loads(done.out)
        match = result_from_json(done.out, PriorMatch)
        assert (match.split, found["kind"]) == (split, "PriorMatch")
        sizes[split], verdicts[split] = match.n, match.verdict
        if match.discriminator is not None:
            assert set(match.discriminator.rows) <= set(range(60))
    assert verdicts["holdout"].startswith("Not tested: none of the statistics")  # 15 rows are too few
    assert sizes["train"] + sizes["holdout"] == sizes["all"] == 60
    shown = run_cli("prior-match", own_run, "--statistics", "discriminator", "--split", "all").out
    assert "certain about: plant-" in shown


def test_training_rows_can_be_tested_class_by_class_or_not(own_run: Path, run_cli: Callable[..., Any]) -> None:
    options = (*FAST, "--split", "all", "--json")
    scopes = [
        {result.scope for result in result_from_json(run_cli("prior-match", own_run, *more).out, PriorMatch).results}
        for more in (options, (*options, "--no-classes"))
    ]
    assert scopes == [{"overall", "aster", "daisy", "rose"}, {"overall"}]


def test_the_seed_and_the_number_of_rows_are_the_users(own_run: Path, run_cli: Callable[..., Any]) -> None:
    first, again, other = (run_cli("prior-match", own_run, *FAST, "--json", "--seed", seed).out for seed in "112")
    assert first == again != other
    thin = result_from_json(
        run_cli("prior-match", own_run, *FAST, "--json", "--split", "all", "--max-rows", "20").out, PriorMatch
    )
    assert thin.overall("frechet").n == 20
    assert thin.notes[0] == "The overall tests use 20 of 60 codes, drawn at random."


def test_another_file_is_not_overwritten(own_run: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    place = tmp_path / "mine.json"
    place.write_text("mine")
    done = run_cli("prior-match", own_run, *FAST, "--out", place)
    assert (done.code, done.out) == (2, "")
    assert "is there already" in done.err
    assert place.read_text() == "mine"


def test_what_is_no_run_is_refused(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    done = run_cli("prior-match", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert "Error: " in done.err
    assert "is not a run folder" in done.err
