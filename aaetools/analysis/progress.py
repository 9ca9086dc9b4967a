"""How long work says where it stands."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Progress", "tell"]

Progress = Callable[[str, int, int], object]
"""Called with what is being done, how many of its parts are done, and how many there are."""


def tell(progress: Progress | None, what: str, done: int, total: int) -> None:
    """Call ``progress`` if there is one."""
    if progress is not None:
        progress(what, done, total)
