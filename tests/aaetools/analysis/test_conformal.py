"""Sets cover as often as is proved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest

from aaetools.analysis.conformal import conformal_sets, guaranteed_coverage, labels_needed
from aaetools.exceptions import DataError, LabelError

SHARES = np.array([0.7, 0.2, 0.1])


def sample(rng: np.random.Generator, n: int, shares: Any = SHARES) -> tuple[Any, Any]:
    """Classes, and probabilities of a model that is far too sure of itself and best at the first class."""
    codes = rng.choice(3, n, p=shares)
    logits = 4 * (np.eye(3)[codes] + rng.normal(0, np.array([0.3, 0.8, 1.2])[codes][:, None], (n, 3)))
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True), codes


def coverage(rng: np.random.Generator, n: int, level: float, repeats: int, **settings: Any) -> Any:
    """Return hits and rows by class over many draws of calibration and new rows."""
    hits, rows = np.zeros(3), np.zeros(3)
    shares = settings.pop("shares", SHARES)
    for _ in range(repeats):
        held, codes = sample(rng, n, shares)
        new, truth = sample(rng, 20)
        try:
            sets = conformal_sets([new], [held], [codes], level, **settings)
        except LabelError:
            continue
        hits += np.bincount(truth, weights=sets[np.arange(20), truth], minlength=3)
        rows += np.bincount(truth, minlength=3)
    return hits, rows


@pytest.mark.parametrize(("n", "level"), [(9, 0.9), (30, 0.8), (100, 0.95)])
def test_sets_hold_the_true_class_as_often_as_they_say(n: int, level: float) -> None:
    hits, rows = coverage(np.random.default_rng(0), n, level, 1_000)
    # rows of one draw share its calibration labels: count draws, not rows, in the test's error
    assert hits.sum() / rows.sum() >= level - 3 * np.sqrt(level * (1 - level) / 1_000)


def test_plain_sets_neglect_the_rare_class_and_sets_by_class_do_not() -> None:
    rng = np.random.default_rng(1)
    hits, rows = coverage(rng, 150, 0.9, 400)
    assert (hits / rows)[2] < 0.85
    hits, rows = coverage(rng, 150, 0.9, 400, class_conditional=True)
    assert (hits / rows >= 0.88).all()


def test_sets_by_class_hold_where_labels_came_in_other_shares_than_the_rows() -> None:
    rng = np.random.default_rng(2)
    hits, rows = coverage(rng, 150, 0.9, 400, class_conditional=True, shares=[1 / 3] * 3)
    assert (hits / rows >= 0.88).all()


def test_sets_grow_with_the_level_and_hold_the_likeliest_class() -> None:
    rng = np.random.default_rng(0)
    held, codes = sample(rng, 200)
    new, _ = sample(rng, 50)
    narrow, wide = (conformal_sets([new], [held], [codes], level) for level in (0.5, 0.98))
    assert (narrow <= wide).all()
    assert narrow[np.arange(50), new.argmax(axis=1)].all()
    assert narrow.sum() < wide.sum()


def test_classes_that_are_all_but_impossible_are_told_apart() -> None:
    held = np.tile([1.0, 1e-30], (20, 1))
    codes = np.array([1] * 4 + [0] * 16)  # a fifth of them wrong, and very surely so
    new = np.array([[1.0, 1e-20], [1.0, 1e-40]])
    assert conformal_sets([new], [held], [codes], 0.9).tolist() == [[True, True], [True, False]]


def test_the_limit_is_the_quantile_of_the_split_method() -> None:
    rng = np.random.default_rng(3)
    held, codes = sample(rng, 57)
    new, _ = sample(rng, 100)
    for level in (0.5, 0.9, 0.95):
        limit = np.sort(1 - held[np.arange(57), codes])[int(np.ceil(58 * level)) - 1]
        expected = 1 - new <= limit
        expected[np.arange(100), new.argmax(axis=1)] = True
        assert (conformal_sets([new], [held], [codes], level) == expected).all()


def test_several_folds_cover_at_least_what_is_proved_and_about_the_level() -> None:
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(400):
        held, codes = sample(rng, 60)
        new, truth = sample(rng, 10)
        parts = np.split(np.arange(60), 3)
        sets = conformal_sets([new] * 3, [held[p] for p in parts], [codes[p] for p in parts], 0.9)
        assert (sets == conformal_sets([new], [held], [codes], 0.9)).all()  # equal models: the folds are one
        hits += int(sets[np.arange(10), truth].sum())
    assert hits / 4_000 >= 0.9 - 3 * np.sqrt(0.09 / 400)


def test_what_is_proved() -> None:
    assert guaranteed_coverage(0.9, [50]) == 0.9
    assert guaranteed_coverage(0.9, [20, 20, 20]) == pytest.approx(0.8 - min(4 / 3 / 21, 0.95 / 4))
    assert guaranteed_coverage(0.5, [2, 2]) == 0
    assert 0.79 < guaranteed_coverage(0.9, [1_000] * 5) < 0.8


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.99])
def test_one_label_less_than_needed_is_refused_and_the_needed_number_can_exclude_a_class(level: float) -> None:
    n = labels_needed(level)
    new, held = np.array([[1.0, 0.0]]), np.tile([0.9, 0.1], (n, 1))
    codes = np.zeros(n, dtype=int)
    assert conformal_sets([new], [held], [codes], level).tolist() == [[True, False]]
    with pytest.raises(LabelError, match=f"cannot give sets at level .*at least {n}"):
        conformal_sets([new], [held[1:]], [codes[1:]], level)


def test_sets_by_class_need_labels_of_every_class() -> None:
    held, codes = sample(np.random.default_rng(0), 60)
    codes[codes == 2] = 0
    codes[:5] = 2
    with pytest.raises(LabelError, match=r"a class with 5 labels held back .*at least 9 of each class"):
        conformal_sets([held], [held], [codes], 0.9, class_conditional=True)
    with pytest.raises(DataError, match="the level must lie within 0 and 1"):
        labels_needed(1.0)


def test_coverage_of_one_draw_follows_the_beta_law() -> None:
    rng = np.random.default_rng(5)
    new, truth = sample(rng, 4_000)
    below = 0
    for _ in range(100):
        held, codes = sample(rng, 99)
        sets = conformal_sets([new], [held], [codes], 0.9)
        below += sets[np.arange(4_000), truth].mean() < 0.9
    assert binomtest(below, 100, 0.5).pvalue > 0.001
