"""Settings that every test runs under."""

from __future__ import annotations

import os

os.environ.setdefault("SCIPY_ARRAY_API", "1")  # read once, when scipy is imported; scikit-learn's checks ask for it

import matplotlib as mpl
import pytest
import torch

mpl.use("agg")
# one thread: the networks are tiny, and several test processes may share the cores
torch.set_num_threads(1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests looked at pages in a browser, so that nobody takes skipped ones for passed ones."""
    found = [
        str(value)
        for report in terminalreporter.getreports("passed")
        for name, value in report.user_properties
        if name == "browser"
    ]
    terminalreporter.write_line(f"{len(found)} tests looked at pages{f' in {found[0]}' if found else ''}")
