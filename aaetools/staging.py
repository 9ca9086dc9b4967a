"""Folders that appear whole or not at all: written beside their place, then moved there."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["TEMPORARY", "move_into_place"]

TEMPORARY = ".aaetools-"
"""What the names of folders that are not finished, or about to go, begin with."""


def move_into_place(staging: Path, place: Path) -> None:
    """Move a finished folder to its place on the same file system; an old one goes only once the new one is there.

    If anything fails on the way, the old folder is put back.
    """
    if not place.exists() or not any(place.iterdir()):
        os.replace(staging, place)  # replaces an empty folder
        return
    aside = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=place.parent))
    try:
        os.replace(place, aside)  # onto an empty folder, which it replaces
        os.replace(staging, place)
    except BaseException:
        if place.exists():
            aside.rmdir()
        else:
            os.replace(aside, place)
        raise
    shutil.rmtree(aside, ignore_errors=True)
