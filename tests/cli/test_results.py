from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest

from aaetools import runs
from aaetools.analysis import result_from_json
from aaetools.analysis.results import PriorMatch
from aaetools.cli.main import COMMANDS, cli
from aaetools.cli.results import check_result_file, deliver_result
from aaetools.exceptions import RunFolderError

RESULT = PriorMatch("ring", "holdout", 12, 199, 0, (), "Not tested.")


def test_the_result_goes_into_the_run_and_may_be_replaced_there(tmp_path: Path) -> None:
    (tmp_path / "prior-match.json").write_text("old")
    assert check_result_file(tmp_path, "prior-match.json", None, False) == tmp_path / "prior-match.json"


def test_a_file_elsewhere_is_replaced_only_by_force(tmp_path: Path) -> None:
    place = tmp_path / "mine.json"
    place.write_text("old")
    with pytest.raises(RunFolderError, match="is there already"):
        check_result_file(tmp_path, "prior-match.json", place, False)
    assert check_result_file(tmp_path, "prior-match.json", place, True) == place
    with pytest.raises(RunFolderError, match="told by the suffix"):
        check_result_file(tmp_path, "prior-match.json", tmp_path / "mine.txt", False)


def test_the_text_ends_with_the_path_and_the_file_reads_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "prior-match.json"
    deliver_result(RESULT, place, "A table", as_json=False, quiet=False)
    assert capsys.readouterr().out.splitlines() == ["A table", str(place)]
    assert result_from_json(place.read_text(), PriorMatch) == RESULT
    deliver_result(RESULT, place, "A table", as_json=False, quiet=True)
    assert capsys.readouterr().out.splitlines() == [str(place)]


def test_json_is_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place = tmp_path / "prior-match.json"
    deliver_result(RESULT, place, "A table", as_json=True, quiet=False)
    out = capsys.readouterr().out
    assert out == place.read_text()
    assert json.loads(out)["kind"] == "PriorMatch"


def test_what_commands_write_into_a_run_is_known_to_be_part_of_it() -> None:
    written = set()
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option) and isinstance(option.show_default, str):
                written |= set(re.findall(r"^([\w-]+\.json) in RUN", option.show_default))
    assert written == set(runs.RESULT_FILES)
