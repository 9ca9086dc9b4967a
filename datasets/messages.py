"""Words for error messages: names from files are foreign text and must not break the one clear line."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

__all__ = ["did_you_mean", "listing", "quote", "quote_path"]


def quote(value: object, limit: int = 80) -> str:
    r"""Quote a foreign value for a message: one line, printable, at most ``limit`` characters long.

    >>> quote("two\nlines")
    "'two\\nlines'"
    """
    text = repr(str(value)[: limit + 1])
    return text if len(text) <= limit else f"{text[: limit - 4]}...{text[0]}"


def quote_path(path: object, limit: int = 120) -> str:
    """Quote a path for a message; of a long one the end is shown, which names the file.

    >>> quote_path("a/long/way/to/table.csv", limit=16)
    "'...o/table.csv'"
    """
    text = str(path)
    quoted = repr(text)
    if len(quoted) <= limit:
        return quoted
    return quote(f"...{text[5 - limit :]}", limit)


def listing(values: Iterable[object], limit: int = 12) -> str:
    """List quoted values, the first ``limit`` of them.

    >>> listing("abc", limit=2)
    "'a', 'b' and 1 more"
    """
    known = list(values)
    shown = ", ".join(quote(value) for value in known[:limit])
    return shown if len(known) <= limit else f"{shown} and {len(known) - limit} more"


def did_you_mean(word: str, known: Iterable[object]) -> str:
    """Return a hint that starts with "; " if a known word is close, else an empty text; case is ignored.

    >>> did_you_mean("Digts", ["digits", "iris"])
    "; did you mean 'digits'?"
    """
    from difflib import get_close_matches

    by_lower = {str(name).lower(): name for name in islice(known, 5000)}  # a hint is not worth a long search
    close = get_close_matches(word[:100].lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean {quote(by_lower[close[0]])}?" if close else ""
