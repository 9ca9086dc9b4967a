"""``aaetools inspect``: what data hold and what may go wrong with them, before anything is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from aaetools.cli.options import DataType, id_column_option, json_option
from aaetools.cli.results import text_table

if TYPE_CHECKING:
    from aaetools.datasets.inspection import ColumnSummary, DataInspection

__all__ = ["inspect"]

_MOST_LINES = 20


@click.command(
    epilog="""\b
Examples:
  aaetools inspect table.csv
  aaetools inspect table.csv --target species --unlabeled unknown
  aaetools inspect images.npy --target labels.npy --json
"""
)
@click.argument("data", metavar="DATA", type=DataType())
@click.option(
    "--target",
    metavar="COLUMN",
    show_default="a column called label, labels, target, class or y",
    help="Column of the labels, or a file of labels.",
)
@click.option(
    "--unlabeled",
    metavar="CATEGORY",
    show_default="none",
    help="Category that stands for unlabelled, besides empty cells and -1.",
)
@id_column_option
@json_option
def inspect(data: str, target: str | None, unlabeled: str | None, id_column: str | None, as_json: bool) -> None:
    """Say what is understood of DATA, what looks like trouble, and what to type next.

    Nothing is trained and nothing is written. Data that can be read but not used end well too: what stops a fit is
    told first.
    """
    from aaetools.cli.rows import option_names
    from aaetools.datasets import inspect_data

    with option_names():
        found = inspect_data(data, target=target, unlabeled=unlabeled, id_column=id_column)
    if as_json:
        from aaetools.analysis import result_to_json

        click.echo(result_to_json(found), nl=False)
        return
    click.echo(_text(found))


def _text(found: DataInspection) -> str:
    """Return everything as text: the sentence, the columns, the classes, the trouble, the command."""
    from aaetools.cli.rows import in_options

    parts = [found.verdict, _columns(found)]
    if found.classes:
        rows = [[one.label, f"{one.n:,}", f"{one.n / found.n_labeled:.1%}"] for one in found.classes[:_MOST_LINES]]
        table = text_table(["class", "rows", "share of labels"], rows)
        parts.append(table + _more(len(found.classes), "classes"))
        parts.append(
            f"{found.n_labeled:,} of {found.n_rows:,} rows are labelled ({found.n_labeled / found.n_rows:.1%})."
        )
    if found.scaling is not None:
        how = {"shared": "all features by one number", "standard": "each feature by its own spread"}[found.scaling]
        if _is_mixed(found):
            how = "numbers, counts and dates each by its own spread; all else is 0 or 1"
        parts.append(f"Scaling: {found.scaling} ({how})")
    if found.trouble:
        lines = [f"{'stops' if one.stops else 'look'}  {one.kind}: {in_options(one.message)}" for one in found.trouble]
        parts.append("Trouble:\n" + "\n".join(f"  {line}" for line in lines))
    if found.command is not None:
        parts.append(f"Next:\n  {found.command}")
    return "\n\n".join(parts)


def _columns(found: DataInspection) -> str:
    """Return the columns, features of an array or an image in one line."""
    special = [column for column in found.columns if column.role != "feature"]
    features = [column for column in found.columns if column.role == "feature"]
    rows = [_row(column) for column in special]
    if features and (found.image_shape is not None or features[0].name == "x0"):
        shape = "" if found.image_shape is None else f"image {' x '.join(map(str, found.image_shape))}: "
        rows.append(_together(features, shape, found.n_features))
        return text_table(_HEADINGS, rows)
    rows += [_row(column) for column in features]
    headings = list(_HEADINGS)
    if _is_mixed(found):
        headings.append("encoded as")
        rows = [[*row, column.encoding] for row, column in zip(rows, [*special, *features], strict=True)]
    return text_table(headings, rows[:_MOST_LINES]) + _more(len(special) + found.n_features, "columns")


def _is_mixed(found: DataInspection) -> bool:
    """Tell whether a feature is anything else than a complete number."""
    return any(column.encoding not in (None, "number") for column in found.columns)


_HEADINGS = ("column", "role", "kind", "missing", "distinct", "from", "to")


def _row(column: ColumnSummary) -> list[str | None]:
    low, high = (None if value is None else f"{value:g}" for value in (column.lowest, column.highest))
    return [_shown(column.name), column.role, column.kind, f"{column.n_missing:,}", f"{column.n_distinct:,}", low, high]


def _together(features: list[ColumnSummary], shape: str, n_features: int) -> list[str | None]:
    """Return one line for features that have no names of their own."""
    kinds = {column.kind for column in features}
    lows = [column.lowest for column in features if column.lowest is not None]
    highs = [column.highest for column in features if column.highest is not None]
    distinct = [column.n_distinct for column in features]
    return [
        f"{shape}{_shown(features[0].name)} and {n_features - 1:,} more",
        "feature",
        "numbers" if "numbers" in kinds else min(kinds, key=lambda kind: (kind != "whole numbers", kind)),
        f"{sum(column.n_missing for column in features):,}",
        f"{min(distinct):,} to {max(distinct):,}",
        f"{min(lows):g}" if lows else None,
        f"{max(highs):g}" if highs else None,
    ]


def _more(n: int, what: str) -> str:
    return f"\nand {n - _MOST_LINES:,} more {what}" if n > _MOST_LINES else ""


def _shown(name: str) -> str:
    """Return a column's name as it is if it is plain, else quoted: names come from files."""
    from aaetools.datasets.messages import quote

    return name if name.isprintable() and 0 < len(name) <= 40 else quote(name, 40)
