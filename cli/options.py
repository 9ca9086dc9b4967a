"""Types, choices and options that commands share.

The choices repeat what the library's registries hold, because importing those would load torch; a test
compares the two.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from aaetools.cli.label_budget import LabelBudget

__all__ = [
    "ARCHITECTURE_NAMES",
    "AUGMENTATION_NAMES",
    "PRECISION_NAMES",
    "PRIOR_NAMES",
    "RECIPE_NAMES",
    "RECONSTRUCTION_NAMES",
    "SCALING_NAMES",
    "UMAP_NAMES",
    "DataType",
    "HiddenType",
    "LabelsType",
    "NumberOrAuto",
    "SettingType",
    "ShapeType",
    "UmapType",
    "data_argument",
    "device_option",
    "explorer_option",
    "force_option",
    "id_column_option",
    "json_option",
    "named_settings",
    "out_file_option",
    "quiet_option",
    "run_argument",
]

ARCHITECTURE_NAMES = ("conv", "mlp")
AUGMENTATION_NAMES = ("affine", "none")
PRECISION_NAMES = ("auto", "bfloat16", "float32")
PRIOR_NAMES = ("auto", "gaussian", "ring", "simplex", "swiss_roll", "uniform")
RECIPE_NAMES = ("few-labels", "paper")
RECONSTRUCTION_NAMES = ("auto", "counts", "squared")
SCALING_NAMES = ("auto", "none", "shared", "standard")
UMAP_NAMES = ("auto", "always", "never")

F = TypeVar("F", bound=Callable[..., Any])


class LabelsType(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """``partial``, ``full``, ``none``, a number of labels or a fraction of them."""

    name = "labels"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> LabelBudget:
        """Return the label budget that a text stands for."""
        if isinstance(value, LabelBudget):
            return value
        try:
            return LabelBudget.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the words."""
        return [CompletionItem(word) for word in ("partial", "full", "none") if word.startswith(incomplete)]


class NumberOrAuto(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """``auto``, which stays a text, or a whole number of at least ``least``."""

    name = "integer"

    def __init__(self, least: int) -> None:
        self.least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | str:
        """Return the number, or "auto"."""
        if value == "auto":
            return "auto"
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = self.least - 1
        if number < self.least:
            self.fail(f"{str(value)!r} is neither auto nor a whole number of at least {self.least}", param, ctx)
        return number


class HiddenType(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """``auto``, which stays a text, or widths of layers, separated by commas."""

    name = "widths"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...] | str:
        """Return the widths, or "auto"."""
        if isinstance(value, tuple):
            return value
        if value == "auto":
            return "auto"
        try:
            widths = tuple(int(width) for width in str(value).split(","))
        except ValueError:
            widths = (0,)
        if min(widths) < 1:
            self.fail(f"{str(value)!r} is neither auto nor a list of widths such as 256,256", param, ctx)
        return widths


class ShapeType(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """Height, width and, if wanted, channels of an image, separated by commas."""

    name = "shape"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the shape."""
        if isinstance(value, tuple):
            return value
        try:
            shape = tuple(int(size) for size in str(value).split(","))
        except ValueError:
            shape = ()
        if len(shape) not in (2, 3) or min(shape) < 1:
            self.fail(f"{str(value)!r} is no shape of an image such as 28,28 or 32,32,3", param, ctx)
        return shape


class SettingType(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """A name and a value as in a TOML file, ``NAME=VALUE``; a list becomes a tuple."""

    name = "setting"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        """Return name and value."""
        if isinstance(value, tuple):
            return value
        name, _, text = str(value).partition("=")
        try:
            found = tomllib.loads(f"value = {text.strip()}")
        except ValueError:
            found = {}
        kept = found.get("value")
        if (
            not re.fullmatch(r"\w+", name.strip())
            or len(found) != 1
            or not isinstance(kept, bool | int | float | str | list)
        ):
            self.fail(
                f"{str(value)!r} is no NAME=VALUE with a number, true, false or a list of numbers, "
                "as in ramp=0.5 or class_shares=[0.6,0.4]",
                param,
                ctx,
            )
        return name.strip(), tuple(kept) if isinstance(kept, list) else kept


def named_settings(ctx: click.Context, param: click.Parameter, value: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """Return settings by name; those typed win over those of a configuration file one by one."""
    from_file = (ctx.default_map or {}).get(param.name or "", ())
    return dict([*(param.type.convert(text, param, ctx) for text in from_file), *value])


class UmapType(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """``auto``, ``always`` or ``never``; true and false stand for auto and never, as earlier releases wrote them."""

    name = "umap"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return one of the three words."""
        word = {"true": "auto", "false": "never"}.get(str(value).lower(), str(value))
        if word not in UMAP_NAMES:
            self.fail(f"{str(value)!r} is none of {', '.join(UMAP_NAMES)}", param, ctx)
        return word

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the words."""
        return [CompletionItem(word) for word in UMAP_NAMES if word.startswith(incomplete)]


class DataType(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """A bundled data set's name or a file's path; checked when it is loaded."""

    name = "data"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text as it is."""
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the bundled data sets, and files."""
        from aaetools.datasets import DATASETS

        names = [CompletionItem(name) for name in DATASETS if name.startswith(incomplete)]
        return [*names, CompletionItem(incomplete, type="file")]


def run_argument(command: F) -> F:
    """Add RUN, the run folder of ``aaetools fit``."""
    folder = click.Path(path_type=Path, file_okay=False)
    return click.argument("run", metavar="RUN", type=folder)(command)


def data_argument(command: F) -> F:
    """Add DATA, the rows that a fitted model is applied to."""
    return click.argument("data", metavar="DATA", type=DataType())(command)


def out_file_option(*suffixes: str, default: str) -> Callable[[F], F]:
    """Add --out FILE, whose suffix says the format; ``default`` says what happens without it."""
    formats = ", ".join(suffixes)
    return click.option(
        "--out",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False),
        show_default=default,
        help=f"File to write ({formats}).",
    )


force_option = click.option("--force", is_flag=True, help="Replace what is there already.")
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object instead of text on standard output."
)
device_option = click.option(
    "--device",
    metavar="NAME",
    default="auto",
    help="Where the networks run: auto, cpu, cuda, cuda:1 and so on.",
)
explorer_option = click.option(
    "--explorer/--no-explorer",
    default=True,
    help="Whether the report has the map of all rows to explore; without it the page runs no script and is 0.5 MB or "
    "more smaller.",
)
id_column_option = click.option(
    "--id-column",
    metavar="COLUMN",
    show_default="a column called id or row_id",
    help="Column of row identifiers; they are no feature, and stand beside the results.",
)


def quiet_option(what: str) -> Callable[[F], F]:
    """Add --quiet; ``what`` names the little that is still printed."""
    return click.option("--quiet", "-q", is_flag=True, help=f"Print only {what} and errors.")
