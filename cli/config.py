"""Options from a TOML file: they take the place of defaults, and the command line wins over them."""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import click

from aaetools.exceptions import DataError

__all__ = ["apply_config", "config_option", "option_keys", "read_config"]

_NOT_IN_FILES = {"config", "help", "resume"}


def option_keys(command: click.Command) -> dict[str, str]:
    """Return what a configuration file may set: long names of options without dashes, to parameter names."""
    keys = {}
    for parameter in command.params:
        long = max(parameter.opts, key=len).lstrip("-")
        if long not in _NOT_IN_FILES and parameter.name is not None:
            keys[long] = parameter.name
    return keys


def read_config(path: Path, keys: dict[str, str], tables: Collection[str] = ()) -> dict[str, str | list[str]]:
    """Return parameter names and texts from a TOML file, as if typed on the command line.

    The file is a list of ``option = value``; of a run's ``run.toml`` the table ``configuration`` counts.

    Parameters
    ----------
    path
        The file.
    keys
        What may occur, from :func:`option_keys`.
    tables
        Those of the keys whose value is a table, one ``NAME=VALUE`` for each of its entries.

    Raises
    ------
    DataError
        If the file cannot be read, or holds an unknown key or a value that is no option's.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is not TOML ({str(error) or type(error).__name__})") from error
    if isinstance(document.get("configuration"), dict):
        document = document["configuration"]
    values: dict[str, str | list[str]] = {}
    for key, value in document.items():
        name = key.replace("_", "-")
        if name not in keys:
            close = difflib.get_close_matches(name, keys, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else f" (there are {', '.join(sorted(keys))})"
            raise DataError(f"{path}: unknown key {key!r}{hint}")
        if name not in tables:
            values[keys[name]] = _text(path, key, value)
        elif isinstance(value, dict):
            values[keys[name]] = [f"{entry}={_toml(path, f'{key}.{entry}', item)}" for entry, item in value.items()]
        else:
            raise DataError(f"{path}: {key!r} must be a table, as in {key} = {{name = 1}}")
    return values


def _text(path: Path, key: str, value: Any) -> str:
    """Return a TOML value as it would be typed."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, int) for item in value):
        return ",".join(map(str, value))
    raise DataError(f"{path}: {key!r} must be a text, a number, true or false, not a {type(value).__name__}")


def _toml(path: Path, key: str, value: Any) -> str:
    """Return an entry of a table as TOML writes it."""
    if isinstance(value, list):
        return f"[{', '.join(_toml(path, key, item) for item in value)}]"
    if isinstance(value, bool | int | float | str):
        return json.dumps(value) if isinstance(value, bool | str) else str(value)
    raise DataError(f"{path}: {key!r} must be a text, a number, true, false or a list, not a {type(value).__name__}")


def apply_config(ctx: click.Context, path: Path) -> None:
    """Let the options in a file take the place of a command's defaults."""
    repeatable = {p.name for p in ctx.command.params if isinstance(p, click.Option) and p.multiple}
    keys = option_keys(ctx.command)
    ctx.default_map = read_config(path, keys, [key for key, name in keys.items() if name in repeatable])


def _apply(ctx: click.Context, parameter: click.Parameter, path: Path | None) -> None:
    if path is not None:
        apply_config(ctx, path)


config_option = click.option(
    "--config",
    metavar="FILE.toml",
    type=click.Path(path_type=Path, dir_okay=False),
    is_eager=True,
    expose_value=False,
    callback=_apply,
    show_default="none",
    help="Read options from a file, as in 'epochs = 100'; also the run.toml of an earlier run. "
    "The command line wins over the file.",
)
