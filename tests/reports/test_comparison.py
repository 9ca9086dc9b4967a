"""The page of a comparison says what the comparison found, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from aaetools.analysis import Comparison, compare
from aaetools.analysis.results import Analysis
from aaetools.exceptions import DataError
from aaetools.reports import render_comparison
from aaetools.reports.blocks import Block, Figure, Row, Stack, Table
from aaetools.reports.comparison import comparison_page
from aaetools.reports.page import Page

MakeAnalysis = Callable[..., Analysis]
Rerun = Callable[[Analysis, float, int], Analysis]
CLASSES = ("setosa", "versicolor", "virginica")


def quick(runs: list[Analysis], names: list[str] | None = None) -> tuple[Comparison, Page]:
    found = compare(runs, names, n_bootstrap=20)
    return found, comparison_page(found, runs)


def flat(blocks: tuple[Block | Stack, ...]) -> Iterator[Block]:
    for block in blocks:
        if isinstance(block, Row | Stack):
            yield from flat(block.blocks)
        else:
            yield block


def tables(page: Page, chapter: str) -> list[Table]:
    found = next(part for part in page.chapters if part.id == chapter)
    return [block for block in flat(found.blocks) if isinstance(block, Table)]


def figures(page: Page) -> list[Figure]:
    return [block for chapter in page.chapters for block in flat(chapter.blocks) if isinstance(block, Figure)]


@pytest.fixture
def first(make_analysis: MakeAnalysis) -> Analysis:
    return make_analysis(classes=CLASSES, n_rows=400, images=False)


def test_the_clear_winner_is_named_on_top(first: Analysis, make_rerun: Rerun) -> None:
    found, page = quick([first, make_rerun(first, 0.5, 1)], ["ours", "theirs"])
    which, clear, _, rows, seeds, _ = page.answers
    assert (which.value, which.tone) == ("ours", "good")
    assert found.preference.rule in which.rule
    pair = found.pairs[0].accuracy
    assert pair is not None
    assert clear.value == f"{-100 * pair.difference.value:.1f} points"
    assert clear.tone == "good"
    assert "ours over theirs" in clear.sentence
    assert (rows.value, rows.tone) == (f"{found.pairs[0].n_paired} rows", "good")
    assert (seeds.value, seeds.tone) == ("Not known", "mixed")
    assert any("--seed" in step.command for step in page.steps)


def test_no_winner_is_claimed_where_there_is_none(first: Analysis) -> None:
    other = replace(first, model=replace(first.model, parameters={**first.model.parameters, "learning_rate": 0.5}))
    _, page = quick([first, other])
    assert (page.answers[0].value, page.answers[0].tone) == ("No clear winner", "none")
    assert (page.answers[1].value, page.answers[1].tone) == ("None", "mixed")


def test_every_run_is_in_every_table_of_runs(first: Analysis, make_rerun: Rerun) -> None:
    names = ["a", "b", "c", "d"]
    _, page = quick([first, *(make_rerun(first, 0.1, seed) for seed in (1, 2, 3))], names)
    assert tables(page, "settings")[0].columns == ("setting", *names)
    assert tables(page, "settings")[0].rows[0][1:] == ("0.001", "0.0005", "0.000333333", "0.00025")
    assert tables(page, "measures")[0].columns[2:] == tuple(names)
    assert len(tables(page, "accuracy")[0].rows) == 6
    assert tables(page, "classes")[0].columns == ("class", "rows", "b", "c", "d")
    assert [table.caption for table in tables(page, "provenance")] == [f"How {name} was made" for name in names]
    assert sum(figure.name.startswith("map-") for figure in figures(page)) == 4
    assert sum(figure.name.startswith("confusion-") for figure in figures(page)) == 3


def test_runs_on_different_data_are_shown_but_not_paired(first: Analysis, make_analysis: MakeAnalysis) -> None:
    other = make_analysis(classes=("cat", "dog"), n_rows=200, images=False, seed=1)
    other = replace(other, data=replace(other.data, sha256="ab" * 32, name="animals"))
    _, page = quick([first, other])
    assert page.title == "2 runs"
    assert "Not all are known to be on the same data" in page.done
    assert (page.answers[3].value, page.answers[3].tone) == ("No", "bad")
    assert "classes" not in [chapter.id for chapter in page.chapters]
    assert tables(page, "accuracy") == []


def test_runs_without_labels_are_compared_by_the_rest(make_analysis: MakeAnalysis) -> None:
    first = make_analysis(labels=False, classes=(), n_rows=300, images=False)
    other = replace(first, model=replace(first.model, prior="gaussian"))
    _, page = quick([first, other])
    assert [chapter.id for chapter in page.chapters] == [
        "settings", "measures", "latent", "training", "prior", "clusters", "provenance",
    ]  # fmt: skip
    assert page.answers[1].value == "Not measured"


def test_seeds_are_summed_up(first: Analysis, make_rerun: Rerun) -> None:
    runs = [
        replace(
            make_rerun(first, 0.1, group),
            provenance=replace(first.provenance, random_state=seed),
        )
        for group in (0, 1)
        for seed in (0, 1, 2)
    ]
    found, page = quick(runs)
    assert len(found.groups) == 2
    spread = tables(page, "measures")[1]
    assert spread.columns == ("measure", "run 1 (3 seeds) (3 runs)", "run 4 (3 seeds) (3 runs)")
    assert page.answers[4].tone == "good"
    assert tables(page, "accuracy")[1].rows[0][1] == "0, 1, 2"
    assert not page.steps


def test_alarms_say_whose_they_are(first: Analysis) -> None:
    alarmed = replace(first, warnings=("The prior was not met.",))
    _, page = quick([alarmed, replace(alarmed, warnings=()), alarmed], ["a", "b", "c"])
    assert page.steps[0].text == "a, c: The prior was not met."
    assert page.steps[0].alarm


def test_names_that_look_alike_once_shortened_stay_apart(first: Analysis) -> None:
    _, page = quick([first, first], ["x" * 40 + "1", "x" * 40 + "2"])
    heads = tables(page, "measures")[0].columns[2:]
    assert len(set(heads)) == 2
    assert max(map(len, heads)) < 40


def test_twelve_runs_fit_on_a_page_that_is_not_heavy(first: Analysis, make_rerun: Rerun) -> None:
    runs = [first, *(make_rerun(first, 0.05, seed) for seed in range(1, 12))]
    _, page = quick(runs)
    assert len(page.chapters) == 9
    assert sum(figure.name.startswith("confusion-") for figure in figures(page)) == 6
    assert sum(figure.name == "accuracy-differences" for figure in figures(page)) == 1


def test_the_page_needs_the_analyses_that_were_compared(first: Analysis) -> None:
    with pytest.raises(DataError, match="2 runs were compared, 1 analyses were given"):
        comparison_page(compare([first, first], n_bootstrap=20), [first])


@pytest.mark.slow
def test_same_comparison_same_bytes(first: Analysis, make_rerun: Rerun) -> None:
    runs = [first, make_rerun(first, 0.3, 1)]
    assert render_comparison(compare(runs), runs) == render_comparison(compare(runs), runs)


def test_long_names_keep_both_ends(first: Analysis) -> None:
    _, page = quick([first, first], ["a-rather-long-name-of-a-run-1", "a-rather-long-name-of-a-run-2" + "\u202e" * 300])
    heads = tables(page, "measures")[0].columns[2:]
    assert heads[0].startswith("a-rather")
    assert heads[0].endswith("-run-1")
    assert len(heads[1]) <= 24
