"""The forms that a report or a comparison can take, and the options that choose one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from aaetools.cli.output import check_out_file
from aaetools.exceptions import RunFolderError

__all__ = [
    "FIGURE_KINDS",
    "FORMATS",
    "SUFFIXES",
    "FormatsType",
    "format_option",
    "prepare_document",
    "prepare_folder",
    "schema_option",
]

F = TypeVar("F", bound=Callable[..., Any])

FORMATS: dict[str, tuple[str, ...]] = {"html": (".html", ".htm"), "json": (".json",), "md": (".md", ".markdown")}
"""Name to suffixes of files."""

FIGURE_KINDS = ("svg", "pdf", "png")
"""Kinds of files that figures are saved as."""

SUFFIXES = tuple(suffix for suffixes in FORMATS.values() for suffix in suffixes)


class FormatsType(click.ParamType):  # type: ignore[type-arg]  # a generic only since click 8.4
    """Formats of a document or of figures, separated by commas."""

    name = "formats"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the names."""
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(name.strip().lower() for name in str(value).split(",")))
        unknown = [name for name in names if name not in (*FORMATS, *FIGURE_KINDS)]
        if unknown:
            self.fail(
                f"{', '.join(map(repr, unknown))}: choose from {', '.join((*FORMATS, *FIGURE_KINDS))}", param, ctx
            )
        return names


def format_option(command: F) -> F:
    """Add --format; the command gets ``kind``, None where it was not given."""
    return click.option(
        "--format",
        "kind",
        type=click.Choice(tuple(FORMATS)),
        show_default="what the suffix of --out says, else html",
        help="A page, all numbers as JSON, or the page's words and tables as Markdown; json and md are printed "
        "unless there is --out.",
    )(command)


def schema_option(name: str) -> Callable[[F], F]:
    """Add --schema, which prints the JSON schema of results of the type ``name`` in aaetools.analysis, and ends."""

    def show(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if not value or ctx.resilient_parsing:
            return
        import json

        from aaetools import analysis

        click.echo(json.dumps(analysis.json_schema(getattr(analysis, name)), indent=1, sort_keys=True))
        ctx.exit()

    return click.option(
        "--schema",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Print the JSON schema of --format json, and end.",
    )


def prepare_folder(folder: Path, force: bool) -> None:
    """Check that files can be written into a folder, which may be missing, before the work.

    Raises
    ------
    RunFolderError
        If it holds anything and ``force`` is not set, or if it cannot be written.
    """
    if folder.is_dir():
        if any(folder.iterdir()) and not force:
            raise RunFolderError(f"{folder} is not empty; choose another folder, or replace what is in it with --force")
        check_out_file(folder / "figure.svg", True, (".svg",))
        return
    check_out_file(folder.with_name(f"{folder.name}.svg"), True, (".svg",))
    if folder.exists():
        raise RunFolderError(f"{folder} is a file; name a folder")


def prepare_document(
    kind: str | None, out: Path | None, default: Path | None, force: bool, as_json: bool
) -> tuple[str, Path | None]:
    """Return the format and the file to write, None for standard output; checked before the work.

    Parameters
    ----------
    kind, out
        What the options say.
    default
        File of a page without --out, None where the caller checks its own.
    force, as_json
        Whether --force and --json were given.

    Raises
    ------
    RunFolderError
        If the file cannot be written or its suffix is of another format.
    UsageError
        If a JSON object and a document would both go to standard output.
    """
    suffix = "" if out is None else out.suffix.lower()
    told = next((name for name, suffixes in FORMATS.items() if suffix in suffixes), None)
    chosen = kind or told or "html"
    place = out if out is not None or chosen != "html" else default
    if out is not None:
        check_out_file(out, force, SUFFIXES if kind is None else FORMATS[kind])
    elif place is not None:
        check_out_file(place, force, FORMATS["html"])
    elif as_json and chosen != "html":
        raise click.UsageError(
            f"--json needs --out: without it the {chosen} document is printed", click.get_current_context()
        )
    return chosen, place
