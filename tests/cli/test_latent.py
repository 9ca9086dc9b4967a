from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aaetools.analysis import result_from_json
from aaetools.analysis.results import LatentSpace
from aaetools.runs import read_analysis


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_the_table_tells_neighbours_and_dimension_and_ends_with_the_path(
    copy: Path, run_cli: Callable[..., Any]
) -> None:
    result = run_cli("latent", copy)
    assert (result.code, result.err) == (0, "")
    for words in ("TRUSTWORTHINESS AT 10", "RECALL AT 5", "codes", "PCA", "(chance)", "effective dimension", "dead"):
        assert words in result.out
    assert result.out.splitlines()[-1] == str(copy / "latent.json")
    assert all(len(line) < 200 for line in result.out.splitlines()[1:])
    found = result_from_json((copy / "latent.json").read_text(), LatentSpace)
    # 15 rows are held out: too few, so those of training
    assert (found.split, found.n, found.neighbours) == ("train", 45, (5, 10))
    assert result.out.startswith(found.verdict)


def test_it_finds_what_the_run_found(copy: Path, run_cli: Callable[..., Any]) -> None:
    of_run = read_analysis(copy).latent_space
    assert of_run is not None
    assert run_cli("latent", copy, "--seed", "1", "--quiet").out == f"{copy / 'latent.json'}\n"
    found = result_from_json((copy / "latent.json").read_text(), LatentSpace)
    # the fit had this seed, too; the table holds the map's coordinates in float32
    assert found.find("codes", "features") == of_run.find("codes", "features")


def test_rows_and_neighbours_can_be_chosen(copy: Path, tmp_path: Path, run_cli: Callable[..., Any]) -> None:
    out = tmp_path / "some.json"
    options = ("--split", "all", "--neighbours", "3,7", "--max-rows", "40", "--out", out, "--json")
    result = run_cli("latent", copy, *options)
    assert result.code == 0, result.err
    told = json.loads(result.out)["result"]
    assert (told["n"], told["n_compared"], told["neighbours"]) == (60, 40, [3, 7])
    assert out.read_text() == result.out
    assert run_cli("latent", copy, "--split", "holdout", "--neighbours", "4", "-q").code == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--neighbours", "30"), "30 neighbours are too many for 45 rows"),
        (("--neighbours", "5,x"), "is no list of numbers of neighbours"),
        (("--max-rows", "5"), "--max-rows"),
        (("--out", "x.txt"), "choose from .json"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    copy: Path, run_cli: Callable[..., Any], options: tuple[str, ...], message: str
) -> None:
    result = run_cli("latent", copy, *options)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert len(result.err.splitlines()) == 1
    assert not (copy / "latent.json").exists()
