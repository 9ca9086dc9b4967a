"""Folders of named files under a list of checksums: written whole or not at all, read only if they are as written.

The checksums find damage; they are no protection against somebody who writes the folder on purpose.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from aaetools.exceptions import ModelFileError
from aaetools.staging import staged_folder, write_flushed

__all__ = ["MANIFEST", "json_bytes", "parse_json", "read_sealed", "write_sealed"]

MANIFEST = "manifest.json"
_LARGEST_JSON = 64 * 2**20


def write_sealed(place: Path, files: Mapping[str, bytes]) -> None:
    """Write files and their checksums to a folder that appears whole or not at all.

    They are written beside the place, the checksums last, flushed to the disk, and moved. A folder that is there is
    moved aside for that moment, and put back if the move fails.

    Raises
    ------
    OSError
        If the folder cannot be written; nothing is left behind, and what was there stays.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    with staged_folder(place) as staging:
        for name, content in {**files, MANIFEST: json_bytes({"sha256": sums})}.items():
            write_flushed(staging / name, content)


def read_sealed(folder: Path, names: Collection[str]) -> dict[str, bytes]:
    """Read the files that a folder must hold, and nothing else of it.

    Raises
    ------
    ModelFileError
        If one is missing, a link or no plain file, or not as it was written; the message names it.
    """
    contents = {name: _read(folder / name) for name in (MANIFEST, *names)}
    for name, expected in _checksums(contents.pop(MANIFEST), folder / MANIFEST, names).items():
        if hashlib.sha256(contents[name]).hexdigest() != expected:
            raise ModelFileError(f"{folder / name} is damaged: its checksum differs from the one in {MANIFEST}")
    return contents


def parse_json(content: bytes, file: Path) -> dict[str, Any]:
    """Parse a JSON object that was read from a file.

    Raises
    ------
    ModelFileError
        If it is none.
    """
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{file} is damaged: it is not JSON") from error
    if not isinstance(document, dict):
        raise ModelFileError(f"{file} is damaged: it must hold a JSON object")
    return document


def json_bytes(document: Mapping[str, Any]) -> bytes:
    """Return a JSON object as it is written: one form for one content."""
    text = json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=True)
    return f"{text}\n".encode("ascii")


def _checksums(content: bytes, file: Path, names: Collection[str]) -> dict[str, str]:
    """Return the checksum of each file; the manifest has none itself, so it must be as written to the letter.

    Neither a missing line end nor a key beside the others would be found otherwise.
    """
    sums: dict[str, str] = parse_json(content, file).get("sha256", {})
    if not isinstance(sums, dict) or set(sums) != set(names):
        raise ModelFileError(f"{file} is damaged: it must list {' and '.join(names)}, nothing else")
    if content != json_bytes({"sha256": {name: str(value) for name, value in sums.items()}}):
        raise ModelFileError(f"{file} is damaged: it is not as save() wrote it")
    return sums


def _read(file: Path) -> bytes:
    try:
        if file.is_symlink():
            raise ModelFileError(f"{file} is a link; a model folder holds plain files only")
        if file.exists() and not file.is_file():  # a pipe would never end
            raise ModelFileError(f"{file} is no plain file; a model folder holds plain files only")
        if file.suffix == ".json" and file.stat().st_size > _LARGEST_JSON:
            raise ModelFileError(f"{file} is larger than {_LARGEST_JSON} bytes; this is no model file")
        return file.read_bytes()
    except OSError as error:
        raise ModelFileError(f"cannot read {file}: {error.strerror or error}") from error
