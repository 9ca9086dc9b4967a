from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_the_script_is_for_that_shell_and_says_how_to_install_it(shell: str, run_cli: Callable[..., Any]) -> None:
    result = run_cli("completion", shell)
    assert result.code == 0
    assert result.out.startswith(f"# To install: aaetools completion {shell} > ")
    assert f"_AAETOOLS_COMPLETE={shell}_complete" in result.out


def test_the_shell_in_use_is_the_default(monkeypatch: pytest.MonkeyPatch, run_cli: Callable[..., Any]) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert run_cli("completion").out == run_cli("completion", "fish").out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    result = run_cli("completion")
    assert result.code == 2
    assert "'tcsh'" in result.err


def test_the_script_s_question_is_answered() -> None:
    asked = {
        **os.environ,
        "_AAETOOLS_COMPLETE": "bash_complete",
        "COMP_WORDS": "aaetools fit di",
        "COMP_CWORD": "2",
    }
    done = subprocess.run(
        [sys.executable, "-m", "aaetools"], env=asked, capture_output=True, text=True, timeout=60, check=False
    )
    assert "plain,digits" in done.stdout.split()
