"""What the top of a page says: answers, their rules, and what to do next."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from aaetools.analysis.results import (
    Analysis,
    CalibrationCurve,
    Interval,
    MethodScore,
    NovelClasses,
    NovelCluster,
    Proportion,
    Scores,
)
from aaetools.reports.blocks import Answer
from aaetools.reports.summary import answers, next_steps

Make = Callable[..., Analysis]
HELPED, SURE = "Did the labels help?", "How sure is that?"


@pytest.fixture
def analysis(make_analysis: Make) -> Analysis:
    return make_analysis(classes=("a", "b"), n_rows=2_000, images=False)


def answer(analysis: Analysis, question: str) -> Answer:
    return next(answer for answer in answers(analysis) if answer.question == question)


def scores(p_value: float = 0.01, error: float = 0.01) -> Scores:
    some = Interval(0.9, 0.8, 1.0, 100)
    curve = CalibrationCurve(Interval(error, 0.0, 0.2, 100), 0.02, 15, ())
    return Scores(some, some, (some,), (), None, None, curve, some, p_value, p_value)


def with_classification(analysis: Analysis, **changes: Any) -> Analysis:
    assert analysis.classification is not None
    return dataclasses.replace(analysis, classification=dataclasses.replace(analysis.classification, **changes))


def with_labels(analysis: Analysis, **changes: Any) -> Analysis:
    return dataclasses.replace(analysis, labels=dataclasses.replace(analysis.labels, **changes))


def test_measured_label_effect_decides_whether_the_labels_helped(analysis: Analysis) -> None:
    effect = analysis.labels.effect
    assert effect is not None
    assert effect.permuted is not None
    assert (answer(analysis, HELPED).value, answer(analysis, HELPED).tone) == ("+20.0 points", "good")

    def tone(**changes: Any) -> str:
        return answer(with_labels(analysis, effect=dataclasses.replace(effect, **changes)), HELPED).tone

    assert tone(gain_over_none=Interval(0.01, -0.01, 0.03, 3)) == "mixed"
    assert tone(gain_over_none=Interval(-0.02, -0.03, -0.01, 3)) == "bad"
    assert tone(permuted=dataclasses.replace(effect.permuted, verdict="above chance")) == "bad"


def test_without_it_one_draw_is_compared_with_clusters_found_without_labels(analysis: Analysis) -> None:
    plain = with_labels(analysis, effect=None)
    assert answer(plain, HELPED).tone == "none"
    assert plain.classification is not None
    n = plain.classification.model.accuracy.n

    def shown(accuracy: float, p_value: float) -> Answer:
        none = MethodScore("kmeans", Proportion(accuracy, accuracy - 0.05, accuracy + 0.05, n), "", scores(p_value))
        return answer(with_classification(plain, without_labels=none), HELPED)

    assert shown(0.5, 0.01).tone == "good"
    assert shown(0.5, 0.3).tone == "mixed"
    assert shown(0.99, 0.01).tone == "bad"
    assert "label-effect" in shown(0.5, 0.01).sentence


def test_how_sure_needs_a_short_interval_and_honest_confidences(analysis: Analysis) -> None:
    assert analysis.classification is not None
    n = analysis.classification.model.accuracy.n

    def tone(width: float, error: float) -> str:
        model = MethodScore("m", Proportion(0.9, 0.9 - width / 2, 0.9 + width / 2, n), "", scores(error=error))
        return answer(with_classification(analysis, model=model), SURE).tone

    assert (tone(0.04, 0.01), tone(0.04, 0.2), tone(0.1, 0.01), tone(0.1, 0.2)) == ("good", "mixed", "mixed", "bad")


def test_steps_start_with_alarms_and_name_rows_by_their_identifiers(analysis: Analysis) -> None:
    rows = analysis.tables.rows.assign(row=[f"id {i}" for i in range(len(analysis.tables.rows))])
    sick = dataclasses.replace(
        analysis, warnings=("The axis z1 is dead.",), tables=dataclasses.replace(analysis.tables, rows=rows)
    )
    steps = next_steps(sick)
    assert [step.alarm for step in steps] == [True, *[False] * (len(steps) - 1)]
    texts = [step.text for step in steps]
    assert texts[0] == "The axis z1 is dead."
    assert any("Check 1 given label" in text and "row id 7." in text for text in texts)
    assert any("label these rows first: row id 11." in text for text in texts)
    assert not any("label-effect" in step.command for step in steps)
    assert "aaetools label-effect RUN" in [step.command for step in next_steps(with_labels(sick, effect=None))]


def test_new_classes_and_dishonest_confidences_are_steps(analysis: Analysis) -> None:
    cluster = NovelCluster(30, 0.001, 4.0, (("a", 30),), 1.5, (1, 2), tuple(range(30)))
    novel = NovelClasses(1500, 20, 1500, 999, 0, 0.05, 0.001, 12, (cluster,), "One cluster has no labels.")
    assert any(
        "a class that nobody has labelled" in step.text
        for step in next_steps(with_labels(analysis, novel_classes=novel))
    )
    model = MethodScore("m", Proportion(0.9, 0.88, 0.92, 500), "", scores(error=0.3))
    commands = [step.command for step in next_steps(with_classification(analysis, model=model))]
    assert "aaetools classify RUN --calibrate" in commands


def test_a_run_that_needs_nothing_says_so(make_analysis: Make) -> None:
    quiet = make_analysis(labels=False, images=False, n_rows=100)
    assert [step.text for step in next_steps(quiet)] == [
        "Nothing needs attention: use the predictions and the latent codes."
    ]
