"""Fitted models as files that other programs run."""

from aaetools.export.onnx_file import ONNX_SCHEMA_VERSION, OnnxExport, export_onnx

__all__ = ["ONNX_SCHEMA_VERSION", "OnnxExport", "export_onnx"]
