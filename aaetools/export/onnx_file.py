"""A fitted model's encoder and class posterior as one ONNX file, checked against the model itself."""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import nn

import aaetools
from aaetools.estimators import AdversarialAutoencoder
from aaetools.exceptions import DataError, ModelFileError
from aaetools.export.graph import Graph
from aaetools.export.networks import write_network
from aaetools.export.posteriors import write_posterior
from aaetools.staging import write_file

__all__ = ["ONNX_SCHEMA_VERSION", "OnnxExport", "export_onnx"]

ONNX_SCHEMA_VERSION = 1
"""Of inputs, outputs and metadata."""
_OPSET, _IR_VERSION = 18, 8
"""Old enough for every onnxruntime since 1.14."""
_LARGEST = 2**31 - 1
"""Bytes that the file format can hold."""
_LIMIT = 1e-4
"""Difference from the model at which nothing is written; rounding alone stays far below."""
_CHECKED_ROWS = 512


@dataclass(frozen=True)
class OnnxExport:
    """What was written, and how far it is from the model.

    Attributes
    ----------
    path
        The file.
    input_dtype
        "float32" or "float64", what the input ``X`` must be.
    n_inputs
        Width of ``X``.
    encoded
        Whether ``X`` is a table as the model's ``columns_`` encodes it, and not the data's own features.
    outputs
        Names of the outputs.
    n_bytes
        Size of the file.
    n_checked
        Random rows on which file and model were compared; 0 where onnxruntime is not installed.
    code_difference
        Largest difference of a code from the model's, in units of max(1, |code|); None if not compared.
    probability_difference
        Largest difference of a class's probability at equal codes; None if not compared or not written.
    """

    path: Path
    input_dtype: str
    n_inputs: int
    encoded: bool
    outputs: tuple[str, ...]
    n_bytes: int
    n_checked: int
    code_difference: float | None
    probability_difference: float | None


def export_onnx(
    model: AdversarialAutoencoder,
    path: str | os.PathLike[str],
    *,
    dtype: Literal["float32", "float64"] = "float32",
    codes_only: bool = False,
    force: bool = False,
) -> OnnxExport:
    """Write scaling, encoder and class posterior as one ONNX file with a free number of rows.

    Its input is ``X``, shape (n, n_features), in the data's own units; images are flattened row by row. Its outputs
    are ``codes`` (n, n_components_) as :meth:`~AdversarialAutoencoder.transform` gives them and, where there are
    classes, ``probabilities`` (n, n_classes) as by :meth:`~AdversarialAutoencoder.predict_proba`, float32, and
    ``label`` (n,), the likeliest of ``classes_``. Features are scaled in float64, as by the model. Where onnxruntime
    is installed, the file's answers are compared with the model's on random rows before it is written.

    After a fit on a data frame of several kinds of columns ``X`` is the matrix of numbers that the model's ``columns_``
    encodes it to; its state is in the file's metadata, for :meth:`aaetools.columns.ColumnCodec.from_state`.

    Parameters
    ----------
    model
        A fitted estimator.
    path
        File to write.
    dtype
        Number format of ``X``.
    codes_only
        Leave the class posterior out.
    force
        Replace a file that is there.

    Raises
    ------
    DataError
        If the package onnx is missing, if a network of the user's own does what has no translation, if a feature is
        too far from zero for float32, or if the file's answers differ from the model's by over 1e-4.
    ModelFileError
        If the file is there already or cannot be written.
    """
    check_is_fitted(model)
    place = Path(path)
    if os.path.lexists(place) and (not force or place.is_dir()):
        raise ModelFileError(f"{place} exists already; choose another file, or use force=True")
    if dtype not in ("float32", "float64"):
        raise DataError(f"the input of an ONNX file is float32 or float64, not {dtype!r}")
    if dtype == "float32":
        _check_rounding(model)
    with_classes = len(model.classes_) > 0 and not codes_only
    encoder = copy.deepcopy(model.encoder_).cpu().eval()
    content = _content(model, encoder, dtype, with_classes)
    n_checked, code_difference, probability_difference = _compared(content, model, encoder, dtype, with_classes)
    try:
        write_file(place, content)
    except (OSError, ValueError) as error:
        raise ModelFileError(f"cannot write {place}: {getattr(error, 'strerror', None) or error}") from error
    return OnnxExport(
        path=place,
        input_dtype=dtype,
        n_inputs=len(model._scaler.center),
        encoded=model.columns_ is not None,
        outputs=("codes", "probabilities", "label") if with_classes else ("codes",),
        n_bytes=len(content),
        n_checked=n_checked,
        code_difference=code_difference,
        probability_difference=probability_difference,
    )


def _check_rounding(model: AdversarialAutoencoder) -> None:
    """Refuse float32 where it would move features by more than the codes may move."""
    if model.columns_ is not None or model.reconstruction_ == "counts":
        return  # encoded as float32 anyway, or logarithms, which are never far from zero
    scaler = model._scaler
    with np.errstate(over="ignore"):
        gap = np.spacing(np.abs(scaler.center).astype(np.float32)).astype(np.float64)
    rounding = gap / 2 / scaler.scale
    worst = int(np.argmax(rounding))
    if rounding[worst] > _LIMIT:
        names = getattr(model, "feature_names_in_", None)
        name = f"feature {worst}" if names is None else f"feature {str(names[worst])!r}"
        raise DataError(
            f"{name} lies around {scaler.center[worst]:.6g} with a spread of {scaler.scale[worst]:.3g}, too far from "
            "zero for float32; export with an input of float64"
        )


# -- the file --------------------------------------------------------------------------------------------------------


def _content(model: AdversarialAutoencoder, encoder: nn.Module, dtype: str, with_classes: bool) -> bytes:
    """Return the file's bytes: the same model makes the same."""
    try:
        from onnx import checker, helper
    except ImportError as error:
        raise DataError("ONNX files need the packages onnx and onnxruntime: pip install 'aaetools[onnx]'") from error
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in encoder.state_dict().values())
    if n_bytes > _LARGEST:
        raise DataError(f"the encoder has {n_bytes:,} bytes of weights, more than an ONNX file can hold")
    graph = Graph()
    outputs: list[tuple[str, Any, list[int]]] = [("codes", np.float32, [model.n_components_])]
    x = graph.cast("X", np.float64)
    if model.reconstruction_ == "counts":
        x = graph.add("Log", graph.add("Add", x, graph.constant(1.0)))
    centred = graph.add("Sub", x, graph.constant(model._scaler.center))
    scaled = graph.cast(graph.add("Div", centred, graph.constant(model._scaler.scale)), np.float32)
    codes = graph.add("Identity", write_network(graph, encoder, scaled), name="codes")
    if with_classes:
        probabilities = graph.cast(write_posterior(graph, model.prior_, codes), np.float32, name="probabilities")
        best = graph.add("ArgMax", probabilities, axis=1, keepdims=0)
        classes = model.classes_ if model.classes_.dtype.kind in "biu" else model.classes_.astype(object)
        graph.add("Gather", graph.constant(classes), best, name="label", axis=0)
        outputs += [("probabilities", np.float32, [len(classes)]), ("label", classes.dtype, [])]

    def described(name: str, kind: Any, shape: list[int]) -> Any:
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), ["n", *shape])

    document = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "aaetools",
            [described("X", dtype, [len(model._scaler.center)])],
            [described(*output) for output in outputs],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="aaetools",
        producer_version=aaetools.__version__,
    )
    helper.set_model_props(document, _metadata(model))
    try:
        checker.check_model(document, full_check=True)
    except Exception as error:  # a network of the user's own may give anything
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DataError(f"the model cannot be written as ONNX: {reason}") from error
    content: bytes = document.SerializeToString(deterministic=True)
    return content


def _metadata(model: AdversarialAutoencoder) -> dict[str, str]:
    """Return what a reader of the file may want to know, as JSON where it is more than a word."""
    return {
        "aaetools_version": aaetools.__version__,
        "schema_version": str(ONNX_SCHEMA_VERSION),
        "input_names": json.dumps(list(model.encoded_names_)),
        "columns": json.dumps(None if model.columns_ is None else model.columns_.to_state()),
        "sample_shape": json.dumps([int(size) for size in model.sample_shape_]),
        "classes": json.dumps(model.classes_.tolist()),
        "prior": model.prior_.name,
        "scaling": str(model.scaling_),
    }


# -- the check -------------------------------------------------------------------------------------------------------


def _compared(
    content: bytes, model: AdversarialAutoencoder, encoder: nn.Module, dtype: str, with_classes: bool
) -> tuple[int, float | None, float | None]:
    """Return how many rows were compared, and the largest differences of codes and of probabilities.

    Probabilities are compared at the file's own codes: on the border between two classes the last digit of a code
    may be worth more than all that is asked of them.

    Raises
    ------
    DataError
        If they differ by more than rounding does.
    """
    try:
        import onnxruntime
    except ImportError:
        return 0, None, None
    scaler = model._scaler
    noise = np.random.default_rng(0).standard_normal((_CHECKED_ROWS, len(scaler.center)))
    rows = (scaler.center + scaler.scale * noise).astype(dtype)
    encoded = rows
    if model.reconstruction_ == "counts":
        rows = np.expm1(np.maximum(rows, 0)).round()
        encoded = np.log1p(rows.astype(np.float64))
    try:
        session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
        answers: list[NDArray[Any]] = session.run(["codes", *(["probabilities"] if with_classes else [])], {"X": rows})
    except Exception as error:  # onnxruntime has no family of errors
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise DataError(f"onnxruntime cannot run what was exported: {reason}") from error
    with torch.inference_mode():
        expected = encoder(torch.from_numpy(scaler.transform(encoded))).double().numpy()
        code_difference = _difference(answers[0], expected, np.maximum(1, np.abs(expected)))
        if not with_classes:
            _check(code_difference, "codes")
            return len(rows), code_difference, None
        posterior = model.prior_.class_log_posterior(torch.from_numpy(answers[0]).double()).softmax(dim=1).numpy()
    probability_difference = _difference(answers[1], posterior, 1.0)
    _check(code_difference, "codes")
    _check(probability_difference, "probabilities")
    return len(rows), code_difference, probability_difference


def _difference(found: NDArray[Any], expected: NDArray[Any], unit: Any) -> float:
    return float(np.max(np.abs(found.astype(np.float64) - expected) / unit))


def _check(difference: float, what: str) -> None:
    if not difference <= _LIMIT:  # NaN too
        raise DataError(f"the {what} of the exported file differ from the model's by {difference:.2g}; not written")
