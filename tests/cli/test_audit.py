from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from aaetools.analysis import CROSS_FITS, result_from_json
from aaetools.analysis.results import LabelAudit
from aaetools.cli.audit import audit


def test_the_labels_of_a_run_are_audited(run: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    place = tmp_path / "audit.json"
    result = run_cli("audit", run, "--out", place, "--folds", "2")
    assert result.code == 0, result.err
    assert result.out.splitlines()[-1] == str(place)
    found = result_from_json(place.read_text(), LabelAudit)
    assert (found.n_labeled, found.n_folds, found.method) == (18, 2, "pool")
    assert found.classes == ("aster", "daisy", "rose")
    assert found.verdict in result.out


def test_all_labels_are_audited_if_asked_and_a_result_is_not_written_over(
    run: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    options = ("--all-labels", "--most", "3", "--out", tmp_path / "a.json", "--json")
    result = run_cli("audit", run, *options)
    assert result.code == 0, result.err
    document = json.loads(result.out)["result"]
    assert document["n_labeled"] == 60
    assert len(document["suspects"]) == 3
    refused = run_cli("audit", run, *options)
    assert (refused.code, refused.out) == (2, "")
    assert "is there already" in refused.err


def test_the_choice_of_methods_is_the_librarys() -> None:
    option = next(p for p in audit.params if p.name == "method")
    assert isinstance(option.type, click.Choice)
    assert list(option.type.choices) == sorted(CROSS_FITS)


@pytest.mark.parametrize("folder", ["nothing", "."])
def test_what_is_no_run_is_refused(folder: str, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    result = run_cli("audit", tmp_path / folder)
    assert (result.code, result.out) == (2, "")
    assert str(tmp_path) in result.err
