"""Adversarial autoencoders that learn from a few labels.

The public names are imported on first use, so that ``import aaetools`` does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aaetools.analysis import Analysis, analyze
    from aaetools.datasets import load_dataset
    from aaetools.estimators import AdversarialAutoencoder
    from aaetools.export import export_onnx
    from aaetools.labels import UNLABELED, mask_labels, split_holdout
    from aaetools.persistence import load, save
    from aaetools.reports import render
    from aaetools.runs import read_analysis, write_run
    from aaetools.streaming import predict_file, transform_file

try:
    __version__ = version("aaetools")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

_HOME = {
    "AdversarialAutoencoder": "aaetools.estimators",
    "Analysis": "aaetools.analysis",
    "UNLABELED": "aaetools.labels",
    "analyze": "aaetools.analysis",
    "export_onnx": "aaetools.export",
    "load": "aaetools.persistence",
    "load_dataset": "aaetools.datasets",
    "mask_labels": "aaetools.labels",
    "predict_file": "aaetools.streaming",
    "read_analysis": "aaetools.runs",
    "render": "aaetools.reports",
    "save": "aaetools.persistence",
    "split_holdout": "aaetools.labels",
    "transform_file": "aaetools.streaming",
    "write_run": "aaetools.runs",
}

__all__ = [
    "UNLABELED",
    "AdversarialAutoencoder",
    "Analysis",
    "__version__",
    "analyze",
    "export_onnx",
    "load",
    "load_dataset",
    "mask_labels",
    "predict_file",
    "read_analysis",
    "render",
    "save",
    "split_holdout",
    "transform_file",
    "write_run",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'aaetools' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
