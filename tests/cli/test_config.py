from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from aaetools.cli.config import config_option, option_keys, read_config
from aaetools.cli.fit import fit
from aaetools.exceptions import DataError


def parsed(*arguments: str) -> dict[str, Any]:
    return fit.make_context("fit", list(arguments)).params


def write(folder: Path, text: str) -> Path:
    path = folder / "options.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_option_but_config_and_help_can_be_set() -> None:
    keys = option_keys(fit)
    assert {"data", "labels", "hold-out", "umap", "json", "out", "learning-rate"} <= set(keys)
    assert not {"config", "help", "no-umap"} & set(keys)


def test_a_file_takes_the_place_of_defaults(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        'data = "iris"\nlabels = 20\nhold_out = 0.5\nhidden = [16, 8]\numap = false\n'
        'early-stopping = true\nlearning-rate = 1e-2\nepochs = "auto"\nbatch-size = 7\n',
    )
    options = parsed("--config", str(path))
    assert str(options["labels"]) == "20"
    assert {name: options[name] for name in ("data", "hold_out", "hidden", "umap", "early_stopping")} == {
        "data": "iris",
        "hold_out": 0.5,
        "hidden": (16, 8),
        "umap": "never",
        "early_stopping": True,
    }
    assert (options["learning_rate"], options["epochs"], options["batch_size"]) == (0.01, "auto", 7)


def test_settings_of_a_recipe_are_a_table_whose_entries_can_be_typed_over_one_by_one(tmp_path: Path) -> None:
    path = write(
        tmp_path, "image-shape = [8, 8]\n[recipe-param]\nramp = 0.5\npropagate = false\nclass_shares = [0.6, 0.4]\n"
    )
    options = parsed("--config", str(path))
    assert options["image_shape"] == (8, 8)
    assert options["recipe_param"] == {"ramp": 0.5, "propagate": False, "class_shares": (0.6, 0.4)}
    options = parsed("--recipe-param", "ramp=0.2", "--config", str(path), "--recipe-param", "radius=1")
    assert options["recipe_param"] == {"ramp": 0.2, "propagate": False, "class_shares": (0.6, 0.4), "radius": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipe-param = 0.5", "'recipe-param' must be a table, as in recipe-param = {name = 1}"),
        ("recipe-param = {ramp = {a = 1}}", "'recipe-param.ramp' must be a text, a number"),
    ],
)
def test_settings_that_are_no_table_of_values_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parsed("--config", str(write(tmp_path, text)))


@pytest.mark.parametrize("first", [True, False])
def test_the_command_line_wins_over_the_file(tmp_path: Path, first: bool) -> None:
    config = ["--config", str(write(tmp_path, "seed = 5\numap = false\nepochs = 9\n"))]
    typed = ["--seed", "6", "--umap"]
    options = parsed(*(config + typed if first else typed + config))
    assert (options["seed"], options["umap"], options["epochs"]) == (6, "auto", 9)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "unknown key 'epoch'; did you mean 'epochs'"),
        ("no-umap = true", "unknown key 'no-umap'; did you mean 'umap'"),
        ("config = 'x'", "unknown key 'config'"),
        ("[fit]\nseed = 1", "unknown key 'fit'"),
        ("seed = {a = 1}", "'seed' must be a text, a number, true or false, not a dict"),
        ("seed = ", "is not TOML"),
        ("created = 2020-01-01", "unknown key 'created'"),
    ],
)
def test_what_is_no_option_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        read_config(path, option_keys(fit))
    assert str(path) in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"data = '\xe9'")
    for name, message in (("latin.toml", "is not TOML"), ("none.toml", "cannot be read")):
        with pytest.raises(DataError, match=message):
            read_config(tmp_path / name, option_keys(fit))


@pytest.mark.parametrize(
    "text", ['epochs = "ten"', "epochs = true", "hold-out = 2", 'umap = "maybe"', 'prior = "x"', "seed = 1.5"]
)
def test_values_are_checked_as_if_typed(tmp_path: Path, text: str) -> None:
    with pytest.raises(click.BadParameter):
        parsed("--config", str(write(tmp_path, text)))


def test_the_option_serves_any_command(tmp_path: Path) -> None:
    @click.command
    @click.option("--size", type=int, default=1)
    @config_option
    def grow(size: int) -> None:
        """Nothing to do."""

    path = write(tmp_path, "size = 4")
    assert grow.make_context("grow", ["--config", str(path)]).params == {"size": 4}
