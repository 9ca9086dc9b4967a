from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaetools.datasets.messages import did_you_mean, listing, quote


@given(st.text(max_size=300))
def test_a_quoted_value_is_one_short_printable_line(value: str) -> None:
    text = quote(value)
    assert text.isprintable()
    assert len(text) <= 80


@pytest.mark.parametrize("value", ["a\nb", "a\x1b[31m", "\u2028", "\u202e", "\ud800", "x" * 10_000, "'\"" * 90])
def test_hostile_names_are_made_harmless(value: str) -> None:
    assert quote(value).isprintable()
    assert len(quote(value)) <= 80


def test_short_names_are_shown_in_full() -> None:
    assert quote("petal width (cm)") == "'petal width (cm)'"


def test_a_list_is_cut_and_says_how_much_is_left() -> None:
    assert listing([1, 2, 3]) == "'1', '2', '3'"
    assert listing(range(100), limit=3) == "'0', '1', '2' and 97 more"
    assert listing([]) == ""


def test_a_close_word_is_offered_whatever_its_case_and_a_far_one_is_not() -> None:
    assert did_you_mean("LABLE", ["x", "Label"]) == "; did you mean 'Label'?"
    assert did_you_mean("zzz", ["x", "Label"]) == ""
