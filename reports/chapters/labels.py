"""What the given labels themselves say: which to doubt, which rows to label next, which classes are missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaetools.reports import text
from aaetools.reports.blocks import Block, Chapter, Note, Table

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis, LabelAudit, ShareEstimate, Suggestions

__all__ = ["labels_chapter"]

_LISTED_ROWS = 10
"""Rows that a table of rows shows; the analysis holds them all."""


def labels_chapter(analysis: Analysis) -> Chapter | None:
    """Return the chapter, None where there is nothing to say."""
    found = analysis.labels
    parts = (found.audit, found.suggestions, found.novel_classes, found.shares)
    verdicts = [part.verdict for part in parts if part is not None]
    if not verdicts:
        return None
    blocks: list[Block] = [Note(text.clean(verdict)) for verdict in verdicts[1:]]
    if found.audit is not None and found.audit.suspects:
        blocks.append(_suspects(analysis, found.audit))
    if found.suggestions is not None and found.suggestions.rows:
        blocks.append(_suggested(analysis, found.suggestions))
    if found.shares is not None:
        blocks.append(_shares(found.shares))
    return Chapter("labels", "Labels to check, rows to label", text.shorten(verdicts[0], 400), tuple(blocks))


def _suspects(analysis: Analysis, audit: LabelAudit) -> Table:
    ids = analysis.tables.rows["row"]
    lines = tuple(
        (
            text.shorten(str(ids.iloc[suspect.row])),
            text.shorten(suspect.given),
            text.shorten(suspect.predicted),
            text.percent(suspect.p_given),
            "yes" if suspect.flagged else "no",
        )
        for suspect in audit.suspects[:_LISTED_ROWS]
    )
    columns = ("row", "given label", "the other labels say", "probability of the given", "expected to be wrong")
    return Table("Labels to check, the most doubtful first", columns, lines, folded=not audit.n_flagged)


def _suggested(analysis: Analysis, suggestions: Suggestions) -> Table:
    ids = analysis.tables.rows["row"]
    lines = tuple(
        (
            text.shorten(str(ids.iloc[row.row])),
            text.MISSING if row.label_pred is None else text.shorten(row.label_pred),
            text.shorten(row.reason, 200),
        )
        for row in suggestions.rows[:_LISTED_ROWS]
    )
    return Table("Rows to label next, the most useful first", ("row", "predicted", "why"), lines)


def _shares(shares: ShareEstimate) -> Table:
    lines = tuple(
        (
            text.shorten(label),
            text.percent(estimate.value),
            f"{text.percent(estimate.low)} to {text.percent(estimate.high)}",
            text.percent(given),
        )
        for label, estimate, given in zip(shares.classes, shares.shares, shares.given, strict=True)
    )
    columns = ("class", "among unlabelled rows", "95% interval", "among labels")
    return Table("Estimated shares of the classes", columns, lines, folded=True)
