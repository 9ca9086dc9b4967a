"""``aaetools datasets``: what is bundled, and what is fetched."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from aaetools.cli.options import data_home_option, json_option
from aaetools.cli.output import columns
from aaetools.exceptions import DataError

if TYPE_CHECKING:
    from aaetools.datasets import DataCard
    from aaetools.datasets.downloads import RemoteFile

__all__ = ["datasets"]

# scikit-learn's own files; other bundled data sets are drawn by a generator.
_FILES = {
    "breast_cancer": "breast_cancer.csv",
    "digits": "digits.csv.gz",
    "digits_imbalanced": "digits.csv.gz",
    "digits_noisy": "digits.csv.gz",
    "iris": "iris.csv",
    "wine": "wine_data.csv",
}


def _complete_name(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem | str]:
    from aaetools.datasets import DATASETS

    return [name for name in DATASETS if name.startswith(incomplete)]


_name_argument = click.argument("name", metavar="NAME", shell_complete=_complete_name)


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  aaetools datasets
  aaetools datasets show wine
  aaetools datasets fetch mnist
  aaetools fit wine
""",
)
@click.pass_context
def datasets(ctx: click.Context) -> None:
    """List the data sets that have a name, and show what they are.

    Without a command they are listed.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=False)


@datasets.command("list", epilog="\b\nExample:\n  aaetools datasets list --json")
@json_option
def list_(as_json: bool) -> None:
    """List the bundled data sets and those that are fetched."""
    from aaetools.datasets import DATASETS

    if as_json:
        click.echo(json.dumps([_describe(card) for card in DATASETS.values()]))
        return
    rows = [("NAME", "ROWS", "FEATURES", "CLASSES", "FROM", "WHAT")]
    rows += [
        (card.name, f"{card.n_rows:,}", str(card.n_features), str(len(card.classes)), _origin(card), card.title)
        for card in DATASETS.values()
    ]
    click.echo(columns(rows))


@datasets.command(epilog="\b\nExample:\n  aaetools datasets show digits")
@_name_argument
@json_option
def show(name: str, as_json: bool) -> None:
    """Show the card of the data set NAME."""
    from aaetools.datasets import dataset_card

    facts = _describe(dataset_card(name))
    if as_json:
        click.echo(json.dumps(facts))
        return
    rows = []
    for key, value in facts.items():
        lines = value if key in ("files", "mirrors") else [_shown(value)] if value else []
        rows += [(key.replace("_", " ") if line is lines[0] else "", line) for line in lines]
    click.echo(columns(rows))


@datasets.command(epilog="\b\nExample:\n  aaetools datasets path iris")
@_name_argument
@data_home_option
def path(name: str) -> None:
    """Print where the data set NAME is read from.

    That is one file of scikit-learn, or the folder of fetched files. Generated data sets have none.
    """
    click.echo(_file_of(name))


@datasets.command(
    epilog="""\b
Examples:
  aaetools datasets fetch mnist
  aaetools datasets fetch fashion_mnist --data-home data
"""
)
@_name_argument
@data_home_option
def fetch(name: str) -> None:
    """Fetch the files of the data set NAME.

    Those that are there already are only checked; then their folder is printed. Any command that is given NAME does the
    same. An interrupted fetch is gone on with.
    """
    from aaetools.datasets import dataset_card
    from aaetools.datasets.downloads import fetched_files

    card = dataset_card(name)
    if card.download is None:
        raise DataError(f"data set {card.name!r} is {_origin(card)}; there is nothing to fetch")
    click.echo(fetched_files(card.download)[0].parent)


def _file_of(name: str) -> Path:
    from aaetools.datasets import dataset_card
    from aaetools.datasets.downloads import fetched_files

    card = dataset_card(name)
    if card.download is not None:
        return fetched_files(card.download, fetch=False)[0].parent
    if name not in _FILES:
        raise DataError(f"data set {card.name!r} has no file: it is {card.source}")
    package = find_spec("sklearn")  # found, not imported
    if package is None or package.origin is None:
        raise DataError("scikit-learn is not installed, and the bundled files come with it")
    return Path(package.origin).parent / "datasets" / "data" / _FILES[name]


def _origin(card: DataCard) -> str:
    if card.download is not None:
        return "fetched"
    return "generated" if card.kind == "synthetic" else "bundled"


def _describe(card: DataCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "title": card.title,
        "kind": card.kind,
        "n_rows": card.n_rows,
        "n_features": card.n_features,
        "n_classes": len(card.classes),
        "classes": list(card.classes),
        "target": card.target_name,
        "image_shape": None if card.image_shape is None else list(card.image_shape),
        "licence": card.licence,
        "source": card.source,
        "sha256": card.sha256 or None,
        "origin": _origin(card),
        "files": [] if card.download is None else [_checksum(file) for file in card.download.files],
        "mirrors": [] if card.download is None else list(card.download.mirrors),
    }


def _checksum(file: RemoteFile) -> str:
    """Return a file's name with the hash that it is compared with."""
    name = file.name.removesuffix(".gz")
    if file.sha256:
        return f"{name} SHA-256 {file.sha256}"
    return f"{file.name} SHA-256 {file.packed_sha256}, or unpacked MD5 {file.md5}"


def _shown(value: Any) -> str:
    if not isinstance(value, list):
        return f"{value:,}" if isinstance(value, int) else str(value)
    listed = ", ".join(map(str, value[:12]))
    return listed if len(value) <= 12 else f"{listed}, ... ({len(value)})"
