"""What every benchmark's table says about where it was made."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def machine() -> str:
    """Describe processor and system in one line, without naming the host."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return f"{model}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def versions(*packages: str) -> str:
    """List package versions in one line."""
    return ", ".join(f"{name} {version(name)}" for name in ("aaetools", "torch", "scikit-learn", "numpy", *packages))


def markdown_table(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def publish(name: str, text: str, write: bool) -> None:
    """Print a result, and write it to the folder of results if that was asked for."""
    print(text)
    if write:
        (RESULTS / name).write_text(text, encoding="utf-8")
