from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aaetools.analysis import Comparison, json_schema, result_from_json

Call = Callable[..., Any]


@pytest.fixture
def other(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the run in a folder of its own, which is then the working directory."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(run, tmp_path / "other"))


def test_a_comparison_is_printed_and_its_page_written(run: Path, other: Path, run_cli: Call) -> None:
    result = run_cli("compare", run, other)
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines()[-1] == "comparison.html"
    assert "flowers" in result.out
    assert "Nothing that could matter differs" in result.out
    assert Path("comparison.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in other.parent.iterdir()) == ["comparison.html", "other"]


def test_a_page_is_never_replaced_by_accident(run: Path, other: Path, run_cli: Call) -> None:
    Path("comparison.html").write_text("mine")
    for options in ((), ("--out", "comparison.html")):
        result = run_cli("compare", run, other, *options)
        assert (result.code, result.out) == (2, "")
        assert "comparison.html is there already" in result.err
    assert Path("comparison.html").read_text() == "mine"


def test_json_is_the_whole_comparison(run: Path, other: Path, run_cli: Call) -> None:
    result = run_cli("compare", run, other, "--format", "json", "--names", "a, b")
    found = result_from_json(result.out, Comparison)
    assert [told.name for told in found.runs] == ["a", "b"]
    jsonschema.validate(json.loads(result.out), json_schema(Comparison))
    assert run_cli("compare", run, other, "--names", "a,b", "--out", "c.json", "--quiet").out == "c.json\n"
    assert Path("c.json").read_text() == result.out
    told = json.loads(run_cli("compare", run, other, "--out", "d.json", "--json").out)
    assert told["comparison"] == "d.json"
    assert told["prefer"] is None


def test_markdown_is_printed(run: Path, other: Path, run_cli: Call) -> None:
    result = run_cli("compare", run, other, "--format", "md")
    assert result.out.startswith("# 2 runs on flowers\n")
    assert not Path("comparison.html").exists()


def test_folders_of_one_name_are_told_apart_by_what_is_above(run: Path, other: Path, run_cli: Call) -> None:
    same = Path(shutil.copytree(run, other.parent / "elsewhere" / run.name))
    found = result_from_json(run_cli("compare", run, same, "--format", "json").out, Comparison)
    assert [told.name for told in found.runs] == [f"{run.parent.name}/{run.name}", f"elsewhere/{run.name}"]


def test_bad_input_ends_in_one_line(run: Path, other: Path, run_cli: Call) -> None:
    (other / "sub").mkdir()
    for arguments, message in (
        ((), "give at least two runs to compare, not none"),
        ((run,), "give at least two runs to compare, not one"),
        ((run, run.parent / "x" / ".." / run.name), "is given twice"),
        ((run, other / "sub"), "is not a run folder"),
        ((run, other.parent / "nothing"), "no such run folder"),
        ((run, other, "--names", "a"), "1 names were given for 2 runs"),
        ((run, other, "--names", "a,a"), "two runs are called 'a'"),
        ((run, other, "--format", "md", "--json"), "--json needs --out"),
        ((run, other, "--format", "md", "--out", "x.html"), "choose from .md, .markdown"),
        ((run, other, "--out", "x.pdf"), "choose from .html"),
    ):
        result = run_cli("compare", *arguments)
        assert (result.code, result.out) == (2, ""), arguments
        assert message in result.err
        assert result.err.count("\n") == 1
    assert not Path("comparison.html").exists()


def test_the_schema_is_printed_without_a_run(run_cli: Call) -> None:
    result = run_cli("compare", "--schema")
    assert json.loads(result.out) == json_schema(Comparison)
