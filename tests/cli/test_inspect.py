from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_everything_that_was_understood_is_printed(run_cli: Callable[..., Any]) -> None:
    out = run_cli("inspect", "digits").out
    assert out.startswith("1,797 rows of 64 features; 10 classes, 100.0% of the rows labelled")
    for text in ("image 8 x 8: pixel_0_0 and 63 more", "178   9.9%", "Scaling: shared", "aaetools fit digits"):
        assert text in out


def test_trouble_speaks_of_options_and_is_no_failure(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    path = tmp_path / "d.csv"
    path.write_text("name,a\n" + "".join(f"r{i},{i % 7}\n" for i in range(30)))
    done = run_cli("inspect", str(path))
    assert done.code == 0
    assert "cannot be trained on" in done.out
    assert "--id-column" in done.out
    assert "id_column" not in done.out
    assert "Next:" not in done.out
    assert "Next:" in run_cli("inspect", str(path), "--id-column", "name").out


def test_json_is_the_result(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    document = json.loads(run_cli("inspect", "iris", "--json").out)
    assert document["kind"] == "DataInspection"
    assert document["result"]["command"] == "aaetools fit iris"


def test_data_that_cannot_be_read_end_in_one_line(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    path = tmp_path / "d.csv"
    path.write_text("a,b\n1\n")
    done = run_cli("inspect", str(path))
    assert (done.code, done.out) == (2, "")
    assert done.err.count("\n") == 1
    assert "d.csv': line 2" in done.err


def test_wide_tables_are_cut_short_and_odd_names_are_quoted(tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    path = tmp_path / "d.csv"
    names = ['"two\nlines"', *(f"f{i}" for i in range(30))]
    path.write_text(",".join(names) + "\n" + "".join(",".join([str(i)] * 31) + "\n" for i in range(12)))
    out = run_cli("inspect", str(path)).out
    assert "and 11 more columns" in out
    assert r"'two\nlines'" in out
