"""Strings and numbers as a reader wants to see them.

Labels, feature names, titles and paths come from data and may hold anything. :func:`clean` removes what no
page should carry, :func:`shorten` keeps the display bounded; markup is escaped by the template, never here.
"""

from __future__ import annotations

import json
import math
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aaetools.analysis.results import Proportion

__all__ = [
    "clean",
    "count",
    "duration",
    "in_figure",
    "interval",
    "method_name",
    "number",
    "p_value",
    "percent",
    "setting",
    "share",
    "shorten",
]

MISSING = "\N{EN DASH}"
"""Shown where there is no number."""

_METHOD_NAMES = {
    "knn": "k-NN",
    "kmeans": "k-means",
    "hdbscan": "HDBSCAN",
    "AdversarialAutoencoder": "Adversarial autoencoder",
}
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_MINUS = "\N{MINUS SIGN}"
_TIMES = "\N{MULTIPLICATION SIGN}"
_SUPERSCRIPT = str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079")


def _clean_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in {"Zl", "Zp"} or character in "\t\n\r\v\f\x1c\x1d\x1e\x1f\x85":
        return " "
    if category in {"Cc", "Cs"} or (ord(character) & 0xFFFE) == 0xFFFE:
        return _REPLACEMENT
    # Marks that reorder the text around them: the page isolates every value by itself.
    if unicodedata.bidirectional(character) in _DIRECTION_CONTROLS or character in "\u200e\u200f\u061c":
        return ""
    return character


_DIRECTION_CONTROLS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


def clean(text: str) -> str:
    """Return `text` as valid, single-line Unicode that cannot reorder its neighbours.

    Line ends and tabs become spaces, control characters, lone surrogates and non-characters become U+FFFD,
    and marks of writing direction go. Ordinary text comes back unchanged.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean_character, text))


def shorten(text: str, limit: int = 60) -> str:
    """Return the cleaned `text`, cut to `limit` characters of which the last is then an ellipsis."""
    # Cut before cleaning, too: ten million characters should not be looked at one by one.
    text = clean(text[: 4 * limit]).strip()
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"


def in_figure(text: str, limit: int) -> str:
    """Shorten a name for a figure, safe from the mathematics parser and from what legends leave out."""
    shown = (shorten(text, limit) or "(empty)").replace("$", r"\$")
    # A legend leaves out entries that begin with an underscore; a word joiner has no width.
    return f"\u2060{shown}" if shown.startswith("_") else shown


def number(value: float | None, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits, for example "0.0123", "12,300" or "1.2 x 10^-7"."""
    if value is None or math.isnan(value):
        return MISSING
    if math.isinf(value):
        return "infinite" if value > 0 else f"{_MINUS}infinite"
    if value == 0:
        return "0"
    exponent = math.floor(math.log10(abs(value)))
    if exponent < -4 or exponent > 8:
        mantissa, power = f"{value:.{digits - 1}e}".split("e")
        return f"{mantissa} {_TIMES} 10{str(int(power)).translate(_SUPERSCRIPT)}".replace("-", _MINUS)
    if float(value).is_integer():
        return f"{value:,.0f}".replace("-", _MINUS)
    return f"{value:,.{max(0, digits - 1 - exponent)}f}".replace("-", _MINUS)


def count(value: int, singular: str = "", plural: str = "") -> str:
    """Return a whole number with thousands separators and, if given, its noun: "1 row", "1,797 rows"."""
    noun = singular if value == 1 else (plural or (f"{singular}s" if singular else ""))
    return f"{value:,} {noun}".strip()


def percent(value: float | None, digits: int = 1) -> str:
    """Return a share in [0, 1] as a percentage."""
    return MISSING if value is None or math.isnan(value) else f"{100 * value:.{digits}f}%"


def method_name(name: str) -> str:
    """Return the name of a method as it is written for readers: "k-NN" for "knn"."""
    return _METHOD_NAMES.get(name, name.replace("_", " "))


def share(part: float, whole: float) -> str:
    """Return `part` of `whole` as a percentage, a dash where there is no whole."""
    return percent(part / whole) if whole else MISSING


def interval(proportion: Proportion) -> str:
    """Return the 95% interval of a share, for example "93.8% to 97.4%"."""
    return f"{percent(proportion.low)} to {percent(proportion.high)}"


def p_value(value: float | None) -> str:
    """Return a p-value as "0.031" or "< 0.001"."""
    if value is None or math.isnan(value):
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def duration(seconds: float) -> str:
    """Return a time span, for example "48 s", "3 min 20 s" or "2 h 5 min"."""
    if math.isnan(seconds):
        return MISSING
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def setting(value: Any) -> str:
    """Return a parameter's value in one line; whatever JSON cannot hold is shown by its type."""
    if value is None or isinstance(value, bool | int | str):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=lambda other: type(other).__name__)
    except (TypeError, ValueError):
        return type(value).__name__
