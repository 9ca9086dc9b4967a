"""Files and folders that appear whole or not at all: written beside their place, then moved there."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aaetools.exceptions import RunFolderError

__all__ = ["TEMPORARY", "folder_lock", "move_into_place", "unfinished_folder", "write_file"]

TEMPORARY = ".aaetools-"
"""What the names of folders that are not finished, or about to go, begin with."""

_LOCK = "lock"


def unfinished_folder(run: Path) -> Path:
    """Return the folder beside a run folder that is there while the run is made: it has the lock, and checkpoints.

    Examples
    --------
    >>> print(unfinished_folder(Path("runs/wine")).as_posix())
    runs/wine.unfinished
    """
    named = run if run.name not in ("", "..") else Path(os.path.abspath(run))
    return named.with_name(f"{named.name}.unfinished")


def write_file(path: Path, content: bytes) -> None:
    """Write a file through a temporary one in the same folder, so that nobody ever sees a part of it.

    Raises
    ------
    OSError, ValueError
        If it cannot be written; nothing is left behind, and what was there stays.
    """
    place = Path(os.path.realpath(path))  # a linked file is replaced where it lies
    descriptor, temporary = tempfile.mkstemp(prefix=TEMPORARY, dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes it private
        os.replace(temporary, place)
    except BaseException:
        os.unlink(temporary)
        raise


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


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a folder for this process while a block runs; the system lets go of it however the process ends.

    What another process left half-written there is removed. The folder is made if it is missing, and goes afterwards
    if nothing else was put into it.

    Raises
    ------
    RunFolderError
        If another process holds it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise RunFolderError(f"cannot write {folder}: {error.strerror or error}") from error
    try:
        try:
            _lock(descriptor)
            # its holder may have removed it in the moment before
            if os.fstat(descriptor).st_ino != (folder / _LOCK).stat().st_ino:
                raise FileNotFoundError
        except OSError as error:
            raise RunFolderError(
                f"{folder} is in use: another process is at work there; wait for it, or choose another folder"
            ) from error
        for entry in folder.iterdir():
            if entry.name.startswith(TEMPORARY):
                shutil.rmtree(entry, ignore_errors=True)
        try:
            yield
        finally:
            if os.name != "nt" and {entry.name for entry in folder.iterdir()} == {_LOCK}:
                (folder / _LOCK).unlink()
                folder.rmdir()
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
