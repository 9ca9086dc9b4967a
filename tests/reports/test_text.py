from __future__ import annotations

import math

import pytest

from aaetools.reports import text


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("plain text, ü and 漢字", "plain text, ü and 漢字"),
        ("two\nlines\tand\u2028more\u2029", "two lines and more "),
        ("nul\x00 bell\x07", "nul\ufffd bell\ufffd"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("non-character \uffff", "non-character \ufffd"),
        ("turned \u202earound\u202c \u2066\u2069\u200f\u061c", "turned around "),
    ],
)
def test_clean_keeps_text_and_drops_what_no_page_should_carry(given: str, shown: str) -> None:
    assert text.clean(given) == shown
    text.clean(given).encode("utf-8")


def test_shorten_cuts_to_the_limit_with_an_ellipsis() -> None:
    assert text.shorten("a" * 10_000, 20) == "a" * 19 + "…"
    assert text.shorten("a" * 20, 20) == "a" * 20
    assert text.shorten("  padded  ") == "padded"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.012345, "0.0123"),
        (-1.5, "\N{MINUS SIGN}1.50"),
        (12345.6, "12,346"),
        (12.0, "12"),
        (1.2e-7, "1.20 \N{MULTIPLICATION SIGN} 10⁻⁷"),
        (math.nan, "\N{EN DASH}"),
        (None, "\N{EN DASH}"),
        (math.inf, "infinite"),
    ],
)
def test_numbers_have_three_digits(value: float | None, shown: str) -> None:
    assert text.number(value) == shown


def test_counts_agree_with_their_noun() -> None:
    assert text.count(1, "class", "classes") == "1 class"
    assert text.count(1797, "row") == "1,797 rows"
    assert text.count(0, "row") == "0 rows"
    assert text.count(12) == "12"


@pytest.mark.parametrize(("p", "shown"), [(0.0004, "< 0.001"), (0.0312, "0.031"), (0.5, "0.50"), (None, "\N{EN DASH}")])
def test_p_values_never_read_as_zero(p: float | None, shown: str) -> None:
    assert text.p_value(p) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(3.14, "3.1 s"), (48.2, "48 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (math.nan, "\N{EN DASH}")],
)
def test_durations_use_units_people_read(seconds: float, shown: str) -> None:
    assert text.duration(seconds) == shown


def test_settings_show_no_memory_address() -> None:
    assert text.setting(object()) == '"object"'
    assert text.setting({"b": object(), "a": (1, 2)}) == '{"a": [1, 2], "b": "object"}'
    assert text.setting(None) == "None"
    assert text.setting({(1, 2): 3}) == "dict"
