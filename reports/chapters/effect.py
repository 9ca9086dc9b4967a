"""What the labels are worth: accuracy against their number, with permuted ones and with none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaetools.reports import plots, text
from aaetools.reports.blocks import Block, Chapter, Figure, Note, Table, side_by_side

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis, Interval, LabelEffect

__all__ = ["effect_chapter"]


def effect_chapter(analysis: Analysis) -> Chapter | None:
    """Return the chapter, None for a run without labels."""
    found = analysis.labels.effect
    if found is not None:
        return Chapter("effect", "Did the labels help?", text.shorten(found.verdict, 800), _measured(found))
    if not analysis.data.n_labeled:
        return None
    scores = analysis.classification
    none = None if scores is None else scores.without_labels
    verdict = "How much the labels helped was not measured."
    if scores is not None and none is not None:
        verdict = (
            f"With its labels the model is right on {text.percent(scores.model.accuracy.value)} of "
            f"{text.count(scores.model.accuracy.n, 'row')}; clusters of the features that were found without any and "
            f"only named by them, on {text.percent(none.accuracy.value)} ({text.interval(none.accuracy)})."
        )
    words = Note(
        "This is one draw of labels and one seed. How accuracy grows with labels, and whether something other than the "
        "given labels tells the classes, is measured by fitting anew with fewer, with permuted and without labels: "
        "aaetools label-effect RUN, where RUN is the folder of this report. The next aaetools report RUN shows it here."
    )
    return Chapter("effect", "Did the labels help?", verdict, (words,))


def _measured(found: LabelEffect) -> tuple[Block, ...]:
    sizes = found.labels_per_class
    ours = found.curves[0].accuracy
    picture = Figure(
        lambda ax: plots.label_curves(ax, found),
        (8.4, 3.9),
        alt=f"Accuracy of the model from {text.percent(ours[0].value)} with {sizes[0]} to "
        f"{text.percent(ours[-1].value)} with {sizes[-1]} labels per class, beside "
        "baselines, permuted labels and none.",
        how="The higher and the earlier a line rises, the fewer labels a method needs. Permuted labels belong at "
        "chance; where they lie above it, something leaks.",
        name="label-curves",
    )
    columns = ("method", *(f"{size} per class" for size in sizes))
    lines = [
        (text.shorten(text.method_name(curve.method), 60), *(_range(accuracy) for accuracy in curve.accuracy))
        for curve in found.curves
    ]
    gap = (text.MISSING,) * (len(sizes) - 1)
    lines += [
        (f"without labels: {text.shorten(text.method_name(curve.method), 50)}", *gap, _range(curve.accuracy[0]))
        for curve in found.without
    ]
    if found.permuted is not None:
        place = sizes.index(found.permuted.labels_per_class) if found.permuted.labels_per_class in sizes else -1
        cells = [text.MISSING] * len(sizes)
        cells[place] = _range(found.permuted.accuracy)
        lines.append((f"permuted labels ({found.permuted.verdict})", *cells))
    table = Table("Accuracy, with its 95% interval", columns, tuple(lines))
    words = Note(
        f"{text.count(found.n_fits, 'fit')}: {text.count(found.n_draws, 'draw')} of labels, each with a seed of its "
        f"own (first seed {found.random_state}); {text.count(found.n_train, 'training row')}, judged on "
        f"{text.count(found.n_test, 'row')} whose labels no fit saw"
        f"{', held back anew in every draw' if found.held_back else ''}. Differences are paired draw by draw."
    )
    return (*side_by_side(picture, words), table, *(Note(text.clean(note)) for note in found.notes))


def _range(accuracy: Interval) -> str:
    low, high = text.percent(accuracy.low), text.percent(accuracy.high)
    return f"{text.percent(accuracy.value)} [{low},\N{NO-BREAK SPACE}{high}]"
