"""Models on disk: weights as safetensors, everything else as JSON, checksums beside them. No pickle anywhere.

The checksums find damage; they are no protection against somebody who writes the folder on purpose.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch import nn

import aaetools
from aaetools.estimators import AdversarialAutoencoder
from aaetools.exceptions import ModelFileError
from aaetools.sealed import MANIFEST, json_bytes, parse_json, read_sealed, write_sealed

__all__ = ["MODEL_SCHEMA_VERSION", "load", "save"]

MODEL_SCHEMA_VERSION = 3
_WEIGHTS, _META = "weights.safetensors", "meta.json"
_ESTIMATORS = {"AdversarialAutoencoder": AdversarialAutoencoder}
_META_KEYS = {"schema_version", "estimator", "aaetools_version", "state"}
_STATE_KEYS = {
    "parameters",
    "own",
    "classes",
    "feature_names",
    "n_features",
    "sample_shape",
    "fit_on_images",
    "scaling",
    "reconstruction",
    "columns",
    "hidden_layer_sizes",
    "batch_size",
    "precision",
    "prior",
    "noise_variance",
    "n_propagated",
    "history",
}
_TENSOR_GROUPS = {"encoder", "decoder", "discriminator", "scaler"}


def save(model: AdversarialAutoencoder, path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Write a fitted estimator to a folder: ``weights.safetensors``, ``meta.json`` and ``manifest.json``.

    The folder appears whole or not at all: it is written beside its place and moved there at the end. A model
    that is replaced is moved aside for that moment, and put back if the move fails.

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
        If something is there and ``force`` is not set, or if it is more than a model; if a parameter cannot
        be written as JSON, or the folder cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save as to_bytes

    target = Path(path)
    place = Path(os.path.realpath(target))  # a linked model folder is replaced where it lies
    if os.path.lexists(place):
        _check_replaceable(target, force)
    meta, tensors = model.to_state()
    document = {
        "schema_version": MODEL_SCHEMA_VERSION,
        "estimator": type(model).__name__,
        "aaetools_version": aaetools.__version__,
        "state": meta,
    }
    try:
        written = json_bytes(document)
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"the model has a parameter that JSON cannot hold: {error}") from error
    try:
        # clones, because the format refuses tensors that share memory, as tied layers do
        weights = to_bytes({name: tensor.clone().contiguous() for name, tensor in tensors.items()})
        write_sealed(place, {_WEIGHTS: weights, _META: written})
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"cannot write the model to {target}: {reason}") from error
    return target


def _check_replaceable(target: Path, force: bool) -> None:
    """Refuse to replace what is no model, or holds more than one."""
    if not force:
        raise ModelFileError(f"{target} exists already; choose another folder, or use force=True")
    if not (target / MANIFEST).is_file():
        raise ModelFileError(f"{target} is not a model folder, so it is not replaced")
    try:
        foreign = sorted(set(os.listdir(target)) - {_WEIGHTS, _META, MANIFEST})
    except OSError as error:
        raise ModelFileError(f"cannot read {target}: {error.strerror or error}") from error
    if foreign:
        raise ModelFileError(
            f"{target} holds {foreign[0]!r}, which is no part of a model and would be lost; move it first"
        )


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
    DataError
        If there is no such device.
    """
    from safetensors.torch import load as load_tensors

    folder = _model_folder(Path(path))
    contents = read_sealed(folder, (_META, _WEIGHTS))
    document = parse_json(contents[_META], folder / _META)
    version = document.get("schema_version")
    if version == 2 and isinstance(document.get("state"), dict):  # knew squared errors of complete numbers only
        document["state"] = {"reconstruction": "squared", "columns": None} | document["state"]
        version = 3
    if version != MODEL_SCHEMA_VERSION:
        raise ModelFileError(
            f"{folder / _META} has schema version {version!r}, this aaetools reads {MODEL_SCHEMA_VERSION}; "
            f"use aaetools {document.get('aaetools_version', 'of the time')} or fit again"
        )
    _check_document(document, folder / _META)
    target = str(AdversarialAutoencoder()._pick_device(device))  # a wrong device is no fault of the files
    own = {"encoder": encoder, "decoder": decoder, "discriminator": discriminator, "prior": prior}
    try:
        tensors = load_tensors(contents[_WEIGHTS])
        unknown = sorted(name for name in tensors if name.partition(".")[0] not in _TENSOR_GROUPS)
        if unknown:
            raise ModelFileError(f"{folder / _WEIGHTS} holds unknown weights {unknown[0]!r}; fit again")
        return _ESTIMATORS[document["estimator"]].from_state(document["state"], tensors, own, device=target)
    except ModelFileError:
        raise
    except Exception as error:  # what odd values do to all that is built from them is not for us to list
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelFileError(f"the model in {folder} cannot be rebuilt: {reason}") from error


def _model_folder(path: Path) -> Path:
    """Return the folder of the model itself; a run folder has one in it."""
    if not os.path.isdir(path):
        raise ModelFileError(f"{path} is not a folder; give the folder that save() or `aaetools fit` wrote")
    inner = path / "model"
    is_run = os.path.lexists(inner) or os.path.lexists(path / "run.toml")
    return inner if is_run and not os.path.lexists(path / MANIFEST) else path


def _check_document(document: dict[str, Any], file: Path) -> None:
    """Refuse keys that are missing or unknown: guessing at what they mean could only go wrong quietly."""
    state = document.get("state")
    if (
        set(document) != _META_KEYS
        or not isinstance(document["estimator"], str)
        or document["estimator"] not in _ESTIMATORS
        or not isinstance(state, dict)
        or set(state) != _STATE_KEYS
    ):
        raise ModelFileError(f"{file} is not what this aaetools writes; fit again")
