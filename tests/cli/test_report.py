from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


def test_the_report_is_made_again_from_the_run_folder_alone(copy: Path, run_cli: Callable[..., Any]) -> None:
    before = (copy / "report.html").read_bytes()
    (copy / "report.html").unlink()
    shutil.rmtree(copy / "model")
    result = run_cli("report", copy)
    assert (result.code, result.out) == (0, f"{copy / 'report.html'}\n")
    assert (copy / "report.html").read_bytes() == before


def test_another_file_is_never_replaced_by_accident(copy: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    assert run_cli("report", copy, "--out", page).code == 2
    assert page.read_text() == "mine"
    result = run_cli("report", copy, "--out", page, "--force", "--json")
    assert json.loads(result.out) == {"report": str(page)}
    assert page.read_bytes() == (copy / "report.html").read_bytes()


@pytest.mark.parametrize("name", ["analysis.json", "latents.parquet", "history.jsonl", "run.toml"])
@pytest.mark.parametrize("how", ["missing", "damaged"])
def test_the_file_that_is_at_fault_is_named(copy: Path, name: str, how: str, run_cli: Callable[..., Any]) -> None:
    if how == "missing":
        (copy / name).unlink()
    else:
        content = (copy / name).read_bytes()
        (copy / name).write_bytes(content[: len(content) // 2])
    result = run_cli("report", copy)
    assert (result.code, result.out) == (2, "")
    assert f"{copy / name} is {how}" in result.err
    assert result.err.count("\n") == 1


def test_without_the_explorer_the_page_is_smaller_and_has_no_script(
    copy: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    assert run_cli("report", copy, "--out", tmp_path / "small.html", "--no-explorer").code == 0
    small = (tmp_path / "small.html").read_text(encoding="utf-8")
    whole = (copy / "report.html").read_text(encoding="utf-8")
    assert "<script" not in small
    assert "<script" in whole
    assert len(small) < len(whole) - 450_000
