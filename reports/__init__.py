"""From an analysis to something to read: figures and one HTML page.

Importing this package is cheap: matplotlib and seaborn are loaded with the first figure.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aaetools.reports import plots
    from aaetools.reports.comparison import render_comparison
    from aaetools.reports.export import figure_files
    from aaetools.reports.html import render
    from aaetools.reports.markdown import render_comparison_markdown, render_markdown

__all__ = [
    "figure_files",
    "plots",
    "render",
    "render_comparison",
    "render_comparison_markdown",
    "render_markdown",
]

_MODULES = {
    "figure_files": "export",
    "render": "html",
    "render_comparison": "comparison",
    "render_comparison_markdown": "markdown",
    "render_markdown": "markdown",
}


def __getattr__(name: str) -> Any:
    if name == "plots":
        return importlib.import_module("aaetools.reports.plots")
    if name in _MODULES:
        return getattr(importlib.import_module(f"aaetools.reports.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
