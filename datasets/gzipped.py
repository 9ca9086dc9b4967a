"""Files that gzip has compressed: opened as if they were not, after a look at how long they are."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from aaetools.datasets.refusals import check_size, reason, refused

__all__ = ["GZIP_DAMAGE", "open_binary", "unpacked_size"]

GZIP_DAMAGE = (gzip.BadGzipFile, zlib.error, EOFError)
"""What reading a damaged file raises."""

_CHUNK = 2**20


@contextmanager
def open_binary(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading; what a file ending in .gz holds is unpacked on the way."""
    if path.suffix.lower() != ".gz":
        with path.open("rb") as file:
            yield file
        return
    try:
        with path.open("rb") as packed, gzip.GzipFile(fileobj=packed, mode="rb") as file:
            yield file  # type: ignore[misc]  # reads like any other
    except GZIP_DAMAGE as error:
        raise refused(path, f"cannot be unpacked, truncated or damaged ({reason(error)})") from None


def unpacked_size(path: Path, *, limited: bool = True) -> int:
    """Return how many bytes a file holds; of a .gz file, by unpacking it piece by piece, with its checksum.

    Raises
    ------
    DataError
        If it is damaged, or if it is ``limited`` and needs more than half of the machine's memory.
    """
    if path.suffix.lower() != ".gz":
        return path.stat().st_size
    size = 0
    with open_binary(path) as file:
        while piece := file.read(_CHUNK):
            size += len(piece)
            if limited:
                check_size(path, size, "unpacked, it")  # before all of a bomb is unpacked
    return size
