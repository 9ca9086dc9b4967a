"""From an analysis to something to read: figures and one HTML page.

Importing this package is cheap: matplotlib and seaborn are loaded with the first figure.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aaetools.reports import plots
    from aaetools.reports.export import figure_files
    from aaetools.reports.html import render

__all__ = ["figure_files", "plots", "render"]


def __getattr__(name: str) -> Any:
    if name == "plots":
        return importlib.import_module("aaetools.reports.plots")
    if name == "render":
        return importlib.import_module("aaetools.reports.html").render
    if name == "figure_files":
        return importlib.import_module("aaetools.reports.export").figure_files
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
