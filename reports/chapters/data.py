"""What the data are, and how many labels training was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaetools.reports import text
from aaetools.reports.blocks import FOLD, Block, Chapter, Listing, Table, facts, side_by_side

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["data_chapter"]


def data_chapter(analysis: Analysis) -> Chapter:
    """Return the chapter."""
    data = analysis.data
    pairs = [
        ("Source", text.shorten(data.source, 300)),
        ("Rows for training", text.count(data.n_train)),
        ("Rows held out", text.count(data.n_holdout)),
        ("Rows with a label in training", f"{data.n_labeled:,} ({text.share(data.n_labeled, data.n_train)})"),
        ("Features", text.count(data.n_features)),
        ("Classes", text.count(len(data.classes))),
    ]
    if data.target_name is not None:
        pairs.append(("Label column", text.shorten(data.target_name)))
    if data.image_shape is not None:
        pairs.append(("Image size", " \N{MULTIPLICATION SIGN} ".join(map(str, data.image_shape)) + " pixels"))
    blocks: list[Block] = [facts("The data", pairs)]
    if data.classes:
        lines = tuple(
            (text.shorten(label), text.count(n), text.share(n, data.n_labeled))
            for label, n in zip(data.classes, data.labeled_per_class, strict=True)
        )
        columns = ("class", "rows with a label", "share")
        budget = Table("Labels given to training", columns, lines, folded=len(lines) > FOLD)
        blocks = [*side_by_side(facts("The data", pairs), budget)]
    if data.encodings:
        encoded = tuple(
            (text.shorten(name, 40), encoding)
            for name, encoding in zip(data.feature_names, data.encodings, strict=True)
        )
        blocks.append(Table("How columns were encoded", ("column", "encoded as"), encoded, folded=len(encoded) > FOLD))
    elif data.feature_names:
        names = tuple(text.shorten(name, 40) for name in data.feature_names[:300])
        caption = "Feature names"
        if len(names) < len(data.feature_names):
            caption += f" (the first {len(names)} of {len(data.feature_names):,})"
        blocks.append(Listing(caption, names))
    verdict = f"{text.count(data.n_train + data.n_holdout, 'row')}; training had no labels."
    if data.n_labeled:
        verdict = (
            f"{text.count(data.n_train + data.n_holdout, 'row')}, of which {text.count(data.n_labeled)} had "
            "a label that training could use."
        )
    return Chapter("data", "Data and label budget", verdict, tuple(blocks))
