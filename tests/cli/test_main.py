from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest
from click.testing import CliRunner

import aaetools
from aaetools.cli.main import COMMANDS, cli, main
from aaetools.exceptions import DataError

HEAVY = {"torch", "pandas", "sklearn", "numpy", "matplotlib", "pyarrow", "pydantic", "rich"}


def all_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with the words that call it."""
    waiting: list[tuple[str, click.Command]] = [("", cli)]
    while waiting:
        name, command = waiting.pop()
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for child in command.list_commands(context):
                found = command.get_command(context, child)
                assert found is not None
                waiting.append((f"{name} {child}".strip(), found))


ALL = dict(all_commands())


def loaded_by(*arguments: str) -> set[str]:
    """Return the top-level modules that a call of the command line has imported in a fresh interpreter."""
    code = (
        "import sys; from aaetools.cli.main import main; code = main(sys.argv[1:]); "
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("fit", "--help"), ("datasets", "list")])
def test_help_and_lists_import_nothing_heavy(arguments: tuple[str, ...]) -> None:
    assert loaded_by(*arguments) & HEAVY == set()


def test_a_command_is_imported_only_when_it_is_asked_for() -> None:
    code = "import sys, aaetools.cli.main; print(*(m for m in sys.modules if m.startswith('aaetools.cli.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["aaetools.cli.main"]


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_option_has_help_and_a_default(name: str) -> None:
    command = ALL[name]
    assert command.get_short_help_str(), name
    assert "Example" in (command.epilog or ""), name
    assert CliRunner().invoke(cli, [*name.split(), "--help"]).exit_code == 0
    context = click.Context(command, show_default=True)
    for option in command.params:
        if not isinstance(option, click.Option):
            continue
        assert option.help, f"{name} {option.name}"
        if not option.is_flag:
            record = option.get_help_record(context)
            assert record is not None
            assert "[default: " in record[1] or "required]" in record[1], f"{name} {option.name}"


def test_help_lines_of_the_commands_are_not_cut_off() -> None:
    shown = CliRunner().invoke(cli, ["--help"], terminal_width=100).output
    assert "..." not in shown.split("Commands:")[1].split("Examples:")[0]


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_without_a_command_the_help_is_shown(run_cli: Callable[..., Any], arguments: list[str]) -> None:
    result = run_cli(*arguments)
    assert result.code == 0
    assert all(f"  {name} " in result.out for name in COMMANDS)


def test_version(run_cli: Callable[..., Any]) -> None:
    result = run_cli("--version")
    assert (result.code, result.out) == (0, f"aaetools {aaetools.__version__}\n")


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "aaetools", "fitt"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("Error: No such command")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nothing"],
        ["fit", "--nothing"],
        ["fit", "--seed", "x"],
        ["transform"],
        ["datasets", "x"],
    ],
)
def test_usage_errors_are_one_line_that_names_the_help(run_cli: Callable[..., Any], arguments: list[str]) -> None:
    result = run_cli(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("Error: ")
    assert result.err.endswith("--help')\n")
    assert result.err.count("\n") == 1


def failing(error: BaseException) -> click.Command:
    def fail() -> None:
        raise error

    return click.Command("datasets", callback=fail)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("row 3:\n  bad\tcell"), 2, "Error: row 3: bad cell\n"),
        (KeyboardInterrupt(), 130, "Interrupted; nothing was written.\n"),
    ],
)
def test_expected_errors_end_in_one_line(
    monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any], error: BaseException, code: int, line: str
) -> None:
    monkeypatch.setattr("aaetools.cli.datasets.datasets", failing(error))
    result = run_cli("datasets")
    assert (result.code, result.err.lstrip("\n")) == (code, line)


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aaetools.cli.datasets.datasets", failing(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(["datasets"])
