"""What tests of readers share."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aaetools.datasets import h5ad, h5ad_process


class SameProcess:
    """Stands for the process that reads h5ad files, of which each takes half a second to start."""

    def __init__(self, command: list[str], **_: Any) -> None:
        self.stdout = io.BytesIO()
        h5ad_process.send(Path(command[-3]), self.stdout, command[-2], int(command[-1]))
        self.stdout.seek(0)

    def __enter__(self) -> SameProcess:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def kill(self) -> None:
        pass


@pytest.fixture(scope="module")
def h5ad_in_this_process() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(h5ad.subprocess, "Popen", SameProcess)
        yield
