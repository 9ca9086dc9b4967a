"""Models on disk: weights as safetensors, everything else as JSON, checksums beside them. No pickle anywhere.

The checksums find damage; they are no protection against somebody who writes the folder on purpose.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from torch import nn

import aaetools
from aaetools.estimators import AdversarialAutoencoder
from aaetools.exceptions import ModelFileError

__all__ = ["MODEL_SCHEMA_VERSION", "load", "save"]

MODEL_SCHEMA_VERSION = 1
_WEIGHTS, _META, _MANIFEST = "weights.safetensors", "meta.json", "manifest.json"
_ESTIMATORS = {"AdversarialAutoencoder": AdversarialAutoencoder}
_META_KEYS = {"schema_version", "estimator", "aaetools_version", "state"}
_LARGEST_JSON = 64 * 2**20


def save(model: AdversarialAutoencoder, path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Write a fitted estimator to a folder: ``weights.safetensors``, ``meta.json`` and ``manifest.json``.

    The folder appears whole or not at all: it is written beside its place and moved there at the end.

    Parameters
    ----------
    model
        A fitted estimator.
    path
        Folder to make.
    force
        Replace a model folder that is already there.

    Raises
    ------
    ModelFileError
        If the folder exists and ``force`` is not set, if it cannot be written, or if it is no model folder and
        would be replaced.
    """
    from safetensors.torch import save_file

    target = Path(path)
    if target.exists():
        if not force:
            raise ModelFileError(f"{target} exists already; choose another folder or replace it with force=True")
        if not (target / _MANIFEST).is_file():
            raise ModelFileError(f"{target} is not a model folder, so it is not replaced")
    meta, tensors = model.to_state()
    document = {
        "schema_version": MODEL_SCHEMA_VERSION,
        "estimator": type(model).__name__,
        "aaetools_version": aaetools.__version__,
        "state": meta,
    }
    staging: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, staging / _WEIGHTS)
        (staging / _META).write_text(_json(document), encoding="utf-8")
        sums = {name: _sha256(staging / name) for name in (_META, _WEIGHTS)}
        (staging / _MANIFEST).write_text(_json({"sha256": sums}), encoding="utf-8")
        for name in (_META, _WEIGHTS, _MANIFEST):
            with (staging / name).open("rb") as file:
                os.fsync(file.fileno())
        staging.chmod(0o755)  # mkdtemp makes it private
        if target.exists():
            shutil.rmtree(target)
        staging.replace(target)
    except OSError as error:
        raise ModelFileError(f"cannot write the model to {target}: {error.strerror or error}") from error
    finally:
        if staging is not None and staging.exists():
            shutil.rmtree(staging, ignore_errors=True)
    return target


def load(
    path: str | os.PathLike[str],
    *,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    discriminator: nn.Module | None = None,
    prior: Any = None,
    device: str = "auto",
) -> AdversarialAutoencoder:
    """Read a fitted estimator back; on the same machine its latent codes are equal bit for bit.

    Parameters
    ----------
    path
        A model folder, or a run folder with one in it.
    encoder, decoder, discriminator, prior
        What the model was fitted with, where that was the user's own module or sampler: code is not stored.
    device
        Where the networks go.

    Raises
    ------
    ModelFileError
        If files are missing, damaged, too new, or need one of the arguments above.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    folder = Path(path)
    if (folder / "model" / _MANIFEST).is_file():
        folder = folder / "model"
    if not folder.is_dir():
        raise ModelFileError(f"{folder} is not a folder; give the folder that save() or `aaetools fit` wrote")
    contents = {name: _read(folder / name) for name in (_MANIFEST, _META, _WEIGHTS)}
    sums = _parse(contents[_MANIFEST], folder / _MANIFEST).get("sha256")
    if not isinstance(sums, dict) or set(sums) != {_META, _WEIGHTS}:
        raise ModelFileError(f"{folder / _MANIFEST} is damaged: it must list {_META} and {_WEIGHTS}, nothing else")
    for name, expected in sums.items():
        if hashlib.sha256(contents[name]).hexdigest() != expected:
            raise ModelFileError(f"{folder / name} is damaged: its checksum differs from the one in {_MANIFEST}")
    document = _parse(contents[_META], folder / _META)
    version = document.get("schema_version")
    if version != MODEL_SCHEMA_VERSION:
        raise ModelFileError(
            f"{folder / _META} has schema version {version!r}, this aaetools reads {MODEL_SCHEMA_VERSION}; "
            f"use aaetools {document.get('aaetools_version', 'of the time')} or fit again"
        )
    if set(document) != _META_KEYS or document["estimator"] not in _ESTIMATORS:
        raise ModelFileError(f"{folder / _META} is not what this aaetools writes; fit again")
    own = {"encoder": encoder, "decoder": decoder, "discriminator": discriminator, "prior": prior}
    try:
        tensors = load_tensors(contents[_WEIGHTS])
        return _ESTIMATORS[document["estimator"]].from_state(document["state"], tensors, own, device=device)
    except (SafetensorError, KeyError, TypeError, RuntimeError, AttributeError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelFileError(f"the model in {folder} cannot be rebuilt: {reason}") from error


def _read(file: Path) -> bytes:
    try:
        if file.is_symlink():
            raise ModelFileError(f"{file} is a link; a model folder holds plain files only")
        if file.suffix == ".json" and file.stat().st_size > _LARGEST_JSON:
            raise ModelFileError(f"{file} is larger than {_LARGEST_JSON} bytes; this is no model file")
        return file.read_bytes()
    except OSError as error:
        raise ModelFileError(f"cannot read {file}: {error.strerror or error}") from error


def _parse(content: bytes, file: Path) -> dict[str, Any]:
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{file} is damaged: it is not JSON") from error
    if not isinstance(document, dict):
        raise ModelFileError(f"{file} is damaged: it must hold a JSON object")
    return document


def _json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=True) + "\n"


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
