"""Folders and files that appear whole or not at all: written beside their place, then moved there."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from aaetools.exceptions import RunFolderError

__all__ = [
    "TEMPORARY",
    "file_beside",
    "folder_lock",
    "move_into_place",
    "put_in_place",
    "staged_folder",
    "unfinished_folder",
    "write_file",
    "write_flushed",
]

TEMPORARY = ".aaetools-"
"""What the names of folders and files that are not finished, or about to go, begin with."""

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


@contextmanager
def staged_folder(place: Path) -> Iterator[Path]:
    """Yield an empty folder beside a place; once the block has filled it, move it there.

    The folder itself is flushed to the disk; its files are to be written by :func:`write_flushed`.

    Raises
    ------
    OSError
        If it cannot be made, flushed or moved; nothing is left behind, and what was in the place stays.
    """
    staging: Path | None = None
    try:
        staging = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=place.parent))
        yield staging
        staging.chmod(0o755)  # mkdtemp makes it private
        _flush_folder(staging)
        move_into_place(staging, place)
        with suppress(OSError):  # the folder is in place; only a power cut could still undo that
            _flush_folder(place.parent)
    finally:
        if staging is not None and staging.exists():
            shutil.rmtree(staging, ignore_errors=True)


def write_flushed(file: Path, content: bytes) -> None:
    """Write a file and flush it to the disk."""
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


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


def file_beside(place: Path) -> Path:
    """Make an empty file in the folder of a file to be, to be written and given to :func:`put_in_place`."""
    descriptor, name = tempfile.mkstemp(prefix=TEMPORARY, dir=place.parent)
    os.close(descriptor)
    return Path(name)


def put_in_place(temporary: Path, place: Path) -> None:
    """Flush a finished file to the disk and move it to its place, over an older one."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    os.chmod(temporary, 0o644)  # mkstemp makes it private
    os.replace(temporary, place)


def write_file(path: Path, content: bytes) -> None:
    """Write a file through another one in the same folder, so that nobody ever sees a part of it.

    Raises
    ------
    OSError, ValueError
        If it cannot be written; nothing is left behind, and what was there stays.
    """
    place = Path(os.path.realpath(path))  # a linked file is replaced where it lies
    temporary = file_beside(place)
    try:
        temporary.write_bytes(content)
        put_in_place(temporary, place)
    finally:
        temporary.unlink(missing_ok=True)


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
        with suppress(OSError):  # if it was made just now, it is empty
            folder.rmdir()
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
            if os.name != "nt":
                _remove_unless_used(folder)
    finally:
        os.close(descriptor)
        if os.name == "nt":  # an open file cannot be removed there, nor one that another process has opened meanwhile
            with suppress(OSError):
                _remove_unless_used(folder)


def _remove_unless_used(folder: Path) -> None:
    if {entry.name for entry in folder.iterdir()} == {_LOCK}:
        (folder / _LOCK).unlink()
        folder.rmdir()


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
