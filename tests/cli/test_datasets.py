from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aaetools.datasets import DATASETS, downloads
from aaetools.datasets.downloads import Download, RemoteFile


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


@pytest.mark.parametrize("name", [name for name, card in DATASETS.items() if card.download is None])
def test_real_data_have_a_file_and_generated_data_say_that_they_have_none(
    name: str, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("datasets", "path", name)
    if DATASETS[name].kind == "synthetic":
        assert result.code == 2
        assert "generated" in result.err
    else:
        assert Path(result.out.strip()).is_file()


def tiny(folder: Path) -> Download:
    """Write the files of a data set of six pictures, which nobody would find in the network."""
    files = []
    for part in ("train", "t10k"):
        for name, content in (
            (f"{part}-images-idx3-ubyte.gz", bytes([0, 0, 8, 3, *[0, 0, 0, 3], *[0, 0, 0, 2] * 2, *range(12)])),
            (f"{part}-labels-idx1-ubyte.gz", bytes([0, 0, 8, 1, *[0, 0, 0, 3], 0, 1, 2])),
        ):
            (folder / name).write_bytes(gzip.compress(content, mtime=0))
            files.append(RemoteFile(name, len(content), sha256=hashlib.sha256(content).hexdigest()))
    return Download("mnist", ("http://127.0.0.1:9/",), tuple(files))


@pytest.fixture
def tiny_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "digits"
    folder.mkdir()
    download = tiny(folder)
    monkeypatch.setattr(downloads, "MNIST", download)
    monkeypatch.setitem(DATASETS, "mnist", replace(DATASETS["mnist"], download=download))
    monkeypatch.delenv("AAETOOLS_DATA_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    return folder


def test_a_fetched_data_set_is_taken_from_the_folder_that_is_named(
    tiny_mnist: Path, run_cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in (("datasets", "path"), ("datasets", "fetch")):
        assert run_cli(*command, "mnist", "--data-home", tiny_mnist).out.strip() == str(tiny_mnist)
    assert run_cli("inspect", "mnist", "--data-home", tiny_mnist).out.startswith("6 rows of 4 features")
    assert "AAETOOLS_DATA_HOME" not in os.environ
    monkeypatch.setenv("AAETOOLS_DATA_HOME", str(tiny_mnist))
    assert run_cli("datasets", "path", "mnist").out.strip() == str(tiny_mnist)


def test_without_a_network_one_line_says_where_it_was_looked_for_and_what_to_do(
    tiny_mnist: Path, run_cli: Callable[..., Any]
) -> None:
    for command in ("fit", "inspect", "datasets fetch"):
        result = run_cli(*command.split(), "mnist")
        assert result.code == 2
        assert result.out == ""
        assert result.err.count("\n") == 1
        for words in ("http://127.0.0.1:9/train-images-idx3-ubyte.gz", "refused", "AAETOOLS_DATA_HOME", "--data-home"):
            assert words in result.err
    assert [path for path in (tiny_mnist.parent / "caches").rglob("*") if path.is_file()] == []
    result = run_cli("datasets", "path", "mnist")
    assert (result.code, "is not in" in result.err) == (2, True)


def test_only_what_is_fetched_can_be_fetched(run_cli: Callable[..., Any]) -> None:
    result = run_cli("datasets", "fetch", "wine")
    assert (result.code, "bundled; there is nothing to fetch" in result.err) == (2, True)


@pytest.mark.parametrize("command", ["show", "path"])
def test_an_unknown_name_is_answered_with_a_close_one(command: str, run_cli: Callable[..., Any]) -> None:
    result = run_cli("datasets", command, "irs")
    assert result.code == 2
    assert "did you mean 'iris'" in result.err


def test_without_a_command_the_data_sets_are_listed(run_cli: Callable[..., Any]) -> None:
    bare = run_cli("datasets")
    assert bare.code == 0
    assert bare.out == run_cli("datasets", "list").out
