from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from aaetools.analysis import Analysis, analysis_to_json, json_schema
from aaetools.cli.formats import FIGURE_KINDS
from aaetools.reports import render_markdown
from aaetools.reports.figures import FILE_KINDS
from aaetools.runs import read_analysis


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


def test_the_format_follows_the_suffix_or_goes_to_standard_output(
    copy: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    analysis = read_analysis(copy)
    for kind, document in (("json", analysis_to_json(analysis)), ("md", render_markdown(analysis))):
        before = sorted(path.name for path in copy.iterdir())
        assert run_cli("report", copy, "--format", kind).out == document
        assert sorted(path.name for path in copy.iterdir()) == before
        page = tmp_path / f"page.{kind}"
        assert run_cli("report", copy, "--out", page).out == f"{page}\n"
        assert page.read_text("utf-8") == document
        assert run_cli("report", copy, "--out", page, "--format", "html", "--force").code == 2
        assert run_cli("report", copy, "--format", kind, "--json").code == 2


def test_the_json_of_a_real_run_fits_the_schema_that_is_printed(copy: Path, run_cli: Callable[..., Any]) -> None:
    schema = json.loads(run_cli("report", "--schema").out)
    assert schema == json_schema(Analysis)
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(run_cli("report", copy, "--format", "json").out)
    jsonschema.validate(document, schema)
    del document["data"]
    with pytest.raises(jsonschema.ValidationError, match="'data' is a required property"):
        jsonschema.validate(document, schema)


@pytest.mark.slow
def test_reports_and_comparisons_need_no_torch(copy: Path, run: Path) -> None:
    code = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ImportError(name)
sys.meta_path.insert(0, NoTorch())
from aaetools.cli.main import main
run, other, page = sys.argv[1:]
assert main(["report", other]) == 0
assert main(["report", other, "--format", "md", "--out", page + ".md"]) == 0
assert main(["compare", run, other, "--out", page + ".html"]) == 0
"""
    page = copy.parent / "page"
    done = subprocess.run([sys.executable, "-c", code, run, copy, page], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert page.with_suffix(".html").is_file()
    assert page.with_suffix(".md").is_file()


@pytest.mark.slow
def test_figures_are_written_as_files_of_the_kinds_asked_for(
    copy: Path, tmp_path: Path, run_cli: Callable[..., Any]
) -> None:
    folder = tmp_path / "figures"
    result = run_cli("report", copy, "--figures", folder, "--format", "svg,png")
    assert result.code == 0
    written = sorted(folder.iterdir())
    assert sorted(result.out.splitlines()) == [str(path) for path in written]
    assert {path.suffix for path in written} == {".svg", ".png"}
    assert {path.stem for path in written if path.suffix == ".svg"} == {p.stem for p in written if p.suffix == ".png"}
    before = written[0].read_bytes()
    assert "is not empty" in run_cli("report", copy, "--figures", folder).err
    assert run_cli("report", copy, "--figures", folder, "--force", "--format", "svg").code == 0
    assert written[0].read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--figures", "f", "--format", "html"), "svg, pdf, png, not html"),
        (("--format", "svg"), "go with --figures"),
        (("--format", "html,md"), "takes one of"),
        (("--format", "gif"), "'gif': choose from html, json, md, svg, pdf, png"),
        (("--figures", "f", "--out", "x.html"), "leave --out away"),
        (("--figures", "page.html"), "is a file; name a folder"),
        (("--figures", "no/where"), "there is no folder"),
    ],
)
def test_what_does_not_go_together_is_refused_and_nothing_is_written(
    copy: Path,
    tmp_path: Path,
    run_cli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.html").write_text("mine")
    result = run_cli("report", copy, *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert result.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "page.html"]


def test_kinds_of_figures_are_those_that_can_be_drawn() -> None:
    assert set(FIGURE_KINDS) == set(FILE_KINDS)
