from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aaetools.datasets import DATASETS


def test_the_list_has_every_data_set(run_cli: Callable[..., Any]) -> None:
    lines = run_cli("datasets", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", *DATASETS]
    assert [card["name"] for card in json.loads(run_cli("datasets", "list", "--json").out)] == list(DATASETS)


@pytest.mark.parametrize("name", DATASETS)
def test_a_card_says_what_and_whose_the_data_are(name: str, run_cli: Callable[..., Any]) -> None:
    card, shown = DATASETS[name], run_cli("datasets", "show", name)
    told = json.loads(run_cli("datasets", "show", name, "--json").out)
    assert (told["n_rows"], told["classes"]) == (card.n_rows, list(card.classes))
    for fact in (card.title, card.licence, card.source):
        assert fact in shown.out


@pytest.mark.parametrize("name", DATASETS)
def test_real_data_have_a_file_and_generated_data_say_that_they_have_none(
    name: str, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("datasets", "path", name)
    if DATASETS[name].kind == "synthetic":
        assert result.code == 2
        assert "generated" in result.err
    else:
        assert Path(result.out.strip()).is_file()


@pytest.mark.parametrize("command", ["show", "path"])
def test_an_unknown_name_is_answered_with_a_close_one(command: str, run_cli: Callable[..., Any]) -> None:
    result = run_cli("datasets", command, "irs")
    assert result.code == 2
    assert "did you mean 'iris'" in result.err


def test_without_a_command_the_data_sets_are_listed(run_cli: Callable[..., Any]) -> None:
    bare = run_cli("datasets")
    assert bare.code == 0
    assert bare.out == run_cli("datasets", "list").out
