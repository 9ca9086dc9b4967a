"""What readers say of a file that they do not take, and the size from which they take none."""

from __future__ import annotations

from pathlib import Path

from aaetools.datasets.messages import quote_path
from aaetools.exceptions import DataError
from aaetools.memory import physical_memory

__all__ = ["BYTES_PER_VALUE", "check_size", "reason", "refused"]

BYTES_PER_VALUE = 12
"""Per value while loading: float64 on the way and float32 in the end."""


def refused(path: Path, problem: str, line: int | None = None) -> DataError:
    """Return the error that names a file, a line of it if given, and what is wrong there."""
    return DataError(f"{quote_path(path)}: {'' if line is None else f'line {line}: '}{problem}")


def reason(error: BaseException) -> str:
    """Return what another library says about a failure, as part of one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(text.split())[:200]
    return "".join(c if c.isprintable() else "?" for c in line) or type(error).__name__


def check_size(path: Path, n_bytes: int, what: str = "the file") -> None:
    """Refuse what needs more than half of the machine's memory, before any of it is allocated."""
    physical = physical_memory()
    if n_bytes > physical // 2:
        raise refused(
            path,
            f"{what} needs {n_bytes / 2**30:,.1f} GiB of memory, more than half of this machine's "
            f"{physical / 2**30:,.1f} GiB; split it or take a part of the rows",
        )
