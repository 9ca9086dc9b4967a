"""A `Comparison` as one HTML page: which run to prefer, how clear that is, and everything side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from aaetools.analysis.threads import one_thread_for
from aaetools.exceptions import DataError
from aaetools.reports import comparison_plots, plots, text
from aaetools.reports.blocks import (
    FOLD,
    Answer,
    Block,
    Chapter,
    Figure,
    Note,
    Row,
    Step,
    Table,
    Tone,
    facts,
    settings,
    side_by_side,
)
from aaetools.reports.chapters.rows import coordinates, is_known, labels_of, thin
from aaetools.reports.html import N_DENSITY_VALUES
from aaetools.reports.page import Page, write_page
from aaetools.reports.summary import VERDICTS

if TYPE_CHECKING:
    from aaetools.analysis.comparison_results import Comparison, Measure, PairedRuns, SettingDifference
    from aaetools.analysis.results import Analysis, Interval

__all__ = ["comparison_page", "render_comparison"]

_MAP_POINTS = 24_000
"""Rows drawn in all maps together: a page with twelve maps should not weigh twelve times as much."""

_MAX_MATRICES = 6
_SHOWN_NAME = 24
_CHIPS: dict[str, Tone] = {"clear": "good", "may be chance": "none"}


def render_comparison(comparison: Comparison, analyses: Sequence[Analysis]) -> str:
    """Return a comparison as one self-contained HTML page.

    The page makes no request and runs no script; the same comparison gives the same bytes. Strings from the data are
    shortened and escaped.

    Parameters
    ----------
    comparison
        What :func:`aaetools.analysis.compare` returned.
    analyses
        The analyses that it was given, in the same order.

    Raises
    ------
    DataError
        If these are not as many analyses as runs were compared.
    """
    with one_thread_for(N_DENSITY_VALUES):
        return write_page(comparison_page(comparison, analyses))


def comparison_page(comparison: Comparison, analyses: Sequence[Analysis]) -> Page:
    """Return what the page consists of; its figures are not drawn yet. Parameters as of :func:`render_comparison`."""
    if len(analyses) != len(comparison.runs):
        raise DataError(f"{len(comparison.runs)} runs were compared, {len(analyses)} analyses were given")
    data = list(dict.fromkeys(run.data for run in comparison.runs))
    on = f" on {text.shorten(data[0], 60)}" if len(data) == 1 else ""
    return Page(
        kind="Comparison of adversarial autoencoders",
        title=f"{len(analyses)} runs{on}",
        done=_what_was_compared(comparison),
        answers=(
            _which(comparison),
            _how_clear(comparison),
            _what_differs(comparison),
            _same_rows(comparison),
            _chance(comparison),
            _prior(comparison, analyses),
        ),
        steps=tuple(_steps(comparison)),
        chapters=tuple(chapter for make in _CHAPTERS if (chapter := make(comparison, analyses)) is not None),
        made_by=analyses[0].provenance.versions.get("aaetools", ""),
        made_from=" and ".join(dict.fromkeys([min(made := [run.created for run in comparison.runs]), max(made)])),
    )


# --- The top of the page ----------------------------------------------------------------------------


def _what_was_compared(comparison: Comparison) -> str:
    names = [_name(run.name) for run in comparison.runs]
    same = len({run.data_sha256 for run in comparison.runs}) == 1 and comparison.runs[0].data_sha256
    told = f"{text.count(len(names), 'run')} were compared: {', '.join(names[:-1])} and {names[-1]}."
    if len(names) > 6:
        told = f"{len(names)} runs were compared: {', '.join(names[:4])} and {len(names) - 4} more."
    return f"{told} {'All' if same else 'Not all'} are {'' if same else 'known to be '}on the same data."


def _which(comparison: Comparison) -> Answer:
    chosen = comparison.preference
    tone: Tone
    if chosen.group is None:
        value, tone = "No clear winner", "none"
    else:
        value, tone = _name(comparison.groups[chosen.group].name), "good" if chosen.by == "accuracy" else "mixed"
    if chosen.by not in (None, "accuracy"):
        value = f"Perhaps {value}"
    rule = f"{chosen.rule} Good: by accuracy; mixed: by breaking a tie, which proves nothing."
    return Answer("Which run to prefer?", value, text.shorten(chosen.reason, 500), tone, rule, "accuracy")


def _how_clear(comparison: Comparison) -> Answer:
    question = "How clear is the difference?"
    rule = (
        "Newcombe's 95% interval of the difference and McNemar's exact test on rows that both runs held out, p-values "
        "corrected over all pairs (Holm). Good: the clearest difference has p < 0.05; mixed: none has."
    )
    tested = _tested(comparison)
    if not tested:
        return Answer(question, "Not measured", "No two accuracies could be paired.", "none", rule, "accuracy")
    pair = min(tested, key=lambda pair: (_accuracy(pair).p_adjusted, -abs(_accuracy(pair).difference.value)))
    found = _accuracy(pair)
    gap = _turned(found.difference)
    better, worse = (pair.second, pair.first) if found.difference.value > 0 else (pair.first, pair.second)
    names = [_name(comparison.runs[i].name) for i in (better, worse)]
    clear = found.p_adjusted < comparison.level
    which = "is the difference" if len(tested) == 1 else "is the clearest difference"
    value = "None" if gap.value == 0 else f"{100 * gap.value:.1f} points"
    between = f"{names[0]} over {names[1]}" if gap.value else f"between {names[0]} and {names[1]}"
    return Answer(
        question,
        value,
        f"{which}, {between}: 95% interval {_points(gap.low)} to {_points(gap.high)} points on "
        f"{text.count(pair.n_paired, 'row')}, p {text.p_value(found.p_adjusted)}"
        f"{'.' if clear else ': this may be chance.'}",
        "good" if clear else "mixed",
        rule,
        "accuracy",
    )


def _what_differs(comparison: Comparison) -> Answer:
    found = comparison.settings
    listed = ", ".join(f"{text.shorten(setting.name, 40)} ({setting.section})" for setting in found[:4])
    more = "" if len(found) <= 4 else f" and {len(found) - 4} more"
    return Answer(
        "What differs?",
        text.count(len(found), "setting") if found else "Nothing",
        f"{listed}{more}. {text.count(comparison.n_settings_same, 'other')} are the same."
        if found
        else f"All {comparison.n_settings_same} settings are the same.",
        "none",
        "Settings of data, labels, estimator, prior, seed, machine and versions. What a fit derives from its "
        "data, such as shares of classes, is listed too. Not judged.",
        "settings",
    )


def _same_rows(comparison: Comparison) -> Answer:
    question, pairs = "Were they judged on the same rows?", comparison.pairs
    paired = _tested(comparison)
    rule = (
        "Rows are matched by their id, and only where the data are the same and known labels agree. Good: every two "
        "runs have at least 30 labelled hold-out rows in common; mixed: some have, or rows without labels; bad: none."
    )
    reasons = [pair.refused or pair.no_accuracy for pair in pairs if pair.accuracy is None]
    counts = sorted({pair.n_paired for pair in paired})
    if not paired and any(pair.refused or not pair.n_held_out for pair in pairs):
        return Answer(question, "No", text.shorten(_sentence(reasons[0]), 300), "bad", rule, "settings")
    if not paired:
        fewest = min(pair.n_held_out for pair in pairs)
        sentence = f"at least were held out by both runs of every pair. Accuracies are not paired: {reasons[0]}."
        return Answer(question, text.count(fewest, "row"), text.shorten(sentence, 300), "mixed", rule, "clusters")
    rows = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    if not reasons:
        sentence = "labelled rows were held out by both runs of every pair." if len(pairs) > 1 else "by both runs."
        return Answer(question, f"{rows} rows", sentence, "good", rule, "accuracy")
    sentence = f"{len(paired)} of {len(pairs)} pairs share {rows} labelled hold-out rows. Others: {reasons[0]}."
    return Answer(
        question, f"{len(paired)} of {len(pairs)} pairs", text.shorten(sentence, 300), "mixed", rule, "accuracy"
    )


def _chance(comparison: Comparison) -> Answer:
    question = "How much is due to the seed?"
    rule = (
        "Runs whose settings differ in nothing but the seed form a group; the spread is the standard deviation of its "
        "accuracies. Good: every setting was run with at least three seeds; mixed: with fewer."
    )
    measure = _measure(comparison, "accuracy") or _measure(comparison, "adjusted Rand index")
    several = [group for group in comparison.groups if len(set(group.seeds)) > 1]
    if not several or measure is None:
        sentence = "Each setting was run with one seed. Another seed holds out other rows and trains anew."
        return Answer(question, "Not known", sentence, "mixed", rule, "measures")
    index = comparison.measures.index(measure)
    largest = max(several, key=lambda group: -1.0 if math.isnan(group.deviations[index]) else group.deviations[index])
    enough = all(len(set(group.seeds)) >= 3 for group in comparison.groups)
    spread = largest.deviations[index]
    value = f"{100 * spread:.1f} points" if measure.unit == "share" else text.number(spread)
    sentence = (
        f"is the standard deviation of the {measure.name} over the {len(largest.runs)} runs of {_name(largest.name)}"
        f"{', the largest of all groups' if len(several) > 1 else ''}."
    )
    return Answer(question, value, sentence, "good" if enough else "mixed", rule, "measures")


def _prior(comparison: Comparison, analyses: Sequence[Analysis]) -> Answer:
    question = "Who meets the prior?"
    rule = "By the worst of the statistics over all codes. Good: all runs meet their prior; mixed: some; bad: none."
    worst = _worst_verdicts(comparison)
    known = [verdict for verdict in worst if verdict is not None]
    if not known:
        return Answer(question, "Not measured", "No run was tested.", "none", rule, "prior")
    n_met = known.count("met")
    if len(worst) <= 4:
        listed = "; ".join(
            f"{_name(run.name)}: {verdict or 'not tested'}" for run, verdict in zip(comparison.runs, worst, strict=True)
        )
    else:
        listed = ", ".join(f"{known.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in known)
    tone: Tone = "good" if n_met == len(known) else "mixed" if n_met or "close" in known else "bad"
    return Answer(question, f"{n_met} of {len(known)}", text.shorten(f"{listed}.", 300), tone, rule, "prior")


def _steps(comparison: Comparison) -> list[Step]:
    alarms: dict[str, list[str]] = {}
    for run in comparison.runs:
        for alarm in run.alarms:
            alarms.setdefault(alarm, []).append(_name(run.name))
    steps = [
        Step(text.shorten(f"{', '.join(names)}: {alarm}", 400), "training", alarm=True)
        for alarm, names in alarms.items()
    ]
    if any(len(set(group.seeds)) < 3 for group in comparison.groups) and len(comparison.groups) > 1:
        steps.append(
            Step(
                "Run each setting with at least three seeds, the same for all, and compare again: one run each says "
                "nothing of what another draw of labels and rows would give.",
                "measures",
                "aaetools fit DATA --seed 1",
            )
        )
    return steps


# --- Chapters ---------------------------------------------------------------------------------------


def _settings_chapter(comparison: Comparison, analyses: Sequence[Analysis]) -> Chapter:
    lines = tuple(
        (
            f"{setting.section}: {text.shorten(setting.name, 40)}",
            *(_setting(setting, value) for value in setting.values),
        )
        for setting in comparison.settings
    )
    table = Table("Settings that differ", ("setting", *_names(comparison)), lines)
    verdict = (
        f"{text.count(len(lines), 'setting')} {'differs' if len(lines) == 1 else 'differ'}, "
        f"{comparison.n_settings_same} are the same in all runs."
    )
    return Chapter("settings", "What differs", verdict, (table,) if lines else ())


def _setting(setting: SettingDifference, value: Any) -> str:
    if value is None:
        return text.MISSING
    if isinstance(value, float):
        return f"{value:.6g}"
    if setting.name == "SHA-256":
        return str(value)[:12]
    if isinstance(value, list):
        parts = [text.number(part) if isinstance(part, float) else str(part) for part in value]
        several = len(parts) > 3 and len(set(parts)) == 1
        shown = f"{len(parts)} times {parts[0]}" if several else ", ".join(parts)
    else:
        shown = text.setting(value)
    return text.shorten(shown, 60) or text.MISSING


def _accuracy_chapter(comparison: Comparison, analyses: Sequence[Analysis]) -> Chapter | None:
    measure = _measure(comparison, "accuracy")
    if measure is None:
        return None
    names, tested = _names(comparison), _tested(comparison)
    n_known = sum(value is not None for value in measure.values)
    listed = ", ".join(
        f"{name} {text.percent(None if value is None else value.value)}"
        for name, value in zip(names, measure.values, strict=True)
    )
    blocks: list[Block] = []
    bars = Figure(
        lambda ax: comparison_plots.accuracy_intervals(ax, names, measure.values),
        (5.6, 1.3 + 0.42 * n_known),
        alt=f"Accuracy with 95% intervals: {listed}.",
        how="Overlapping bars do not mean that runs are alike: the paired differences see smaller ones, because both "
        "runs are judged on the same rows.",
        name="accuracy",
    )
    if tested:
        chosen = sorted(tested, key=lambda pair: _accuracy(pair).p_adjusted)[:20]
        chosen = [pair for pair in tested if pair in chosen]
        labels = [f"{names[pair.second]} against {names[pair.first]}" for pair in chosen]
        gaps = [_accuracy(pair).difference for pair in chosen]
        clear = [_is_clear(pair, comparison.level) for pair in chosen]
        forest = Figure(
            lambda ax: comparison_plots.paired_differences(ax, labels, gaps, clear),
            (6.2 if max(map(len, labels)) <= 36 else 8.4, 1.6 + 0.42 * len(labels)),
            alt="Paired differences of accuracy: "
            + text.shorten(
                "; ".join(f"{label} {_points(gap.value)} points" for label, gap in zip(labels, gaps, strict=True)), 500
            )
            + ".",
            how="Bars that do not touch the dashed line are differences; grey ones may be chance once all pairs are "
            "taken together."
            + (f" The {len(chosen)} surest of {len(tested)} pairs." if len(chosen) < len(tested) else ""),
            name="accuracy-differences",
        )
        blocks += side_by_side(bars, forest)
        blocks.append(_pair_table(comparison, tested))
    else:
        blocks.append(bars)
    blocks += _seed_tables(comparison)
    reasons: dict[str, list[str]] = {}
    for pair in comparison.pairs:
        if pair.accuracy is None:
            reasons.setdefault(pair.refused or pair.no_accuracy, []).append(
                f"{names[pair.first]} and {names[pair.second]}"
            )
    for reason, between in reasons.items():
        shown = "; ".join(between[:3]) + (f" and {len(between) - 3} more pairs" if len(between) > 3 else "")
        blocks.append(Note(f"Not paired: {shown}: {text.shorten(reason, 300)}."))
    blocks.append(
        Note(
            "McNemar's exact test counts the rows that only one of the two got right (right alone: the first "
            "named, the second). Differences have Newcombe's interval (1998, method 10); that of the balanced accuracy "
            "is put together from those of the classes (Zou and Donner 2008). " + " ".join(comparison.notes)
        )
    )
    return Chapter("accuracy", "Accuracy on the same rows", text.shorten(comparison.verdict, 600), tuple(blocks))


def _pair_table(comparison: Comparison, tested: Sequence[PairedRuns]) -> Table:
    names = _names(comparison)
    lines = []
    for pair in tested:
        found = _accuracy(pair)
        lines.append(
            (
                f"{names[pair.second]} less {names[pair.first]}",
                text.count(pair.n_paired),
                _with_interval(found.difference, _points),
                _with_interval(found.balanced, _points),
                f"{found.n_second_only:,} and {found.n_first_only:,}",
                text.p_value(found.p_value),
                text.p_value(found.p_adjusted),
                "clear" if _is_clear(pair, comparison.level) else "may be chance",
            )
        )
    columns = ("runs", "rows", "accuracy", "balanced accuracy", "right alone", "p", "p (Holm)", "difference")
    caption = "Paired differences (percentage points, in brackets 95% intervals)"
    return Table(caption, columns, tuple(lines), folded=len(lines) > 2 * FOLD, tones=_CHIPS)


def _seed_tables(comparison: Comparison) -> tuple[Block, ...]:
    """Return the differences between groups over the seeds that they share."""
    if not comparison.group_differences:
        return ()
    names = [_name(group.name) for group in comparison.groups]
    lines = tuple(
        (
            f"{names[found.second]} less {names[found.first]}",
            ", ".join(map(str, found.seeds)),
            _points(found.difference.value),
            f"{_points(found.difference.low)} to {_points(found.difference.high)}",
            text.p_value(found.p_value),
            text.p_value(found.p_adjusted),
        )
        for found in comparison.group_differences
    )
    table = Table(
        "Differences over seeds (percentage points of accuracy)",
        ("groups of runs", "seeds", "mean", "95% interval", "p", "p (Holm)"),
        lines,
    )
    words = Note(
        "Runs with the same seed share hold-out rows and labels, so differences are taken seed by seed. Seeds share "
        "rows, which the corrected resampled t-test allows for (Nadeau and Bengio 2003); with few seeds it is cautious."
    )
    return table, words


def _classes_chapter(comparison: Comparison, analyses: Sequence[Analysis]) -> Chapter | None:
    names = _names(comparison)
    against = [pair for pair in _tested(comparison) if pair.first == 0]
    if not against:
        return None
    styles = comparison_plots.run_styles(names)
    classes = list(dict.fromkeys(label for pair in against for label in _accuracy(pair).classes))
    recalls = {names[pair.second]: _by_class(pair, classes) for pair in against}
    best, worst = _extremes(recalls, classes)
    dots = Figure(
        lambda ax: comparison_plots.class_differences(ax, classes, recalls, styles),
        (6.2, 1.4 + len(classes) * float(np.clip(0.12 + 0.1 * len(against), 0.26, 0.8))),
        alt=f"Difference in recall from {names[0]} by class. Largest gain: {best}; largest loss: {worst}.",
        how=f"Right of the dashed line a run finds more rows of the class than {names[0]}, on the same rows. Intervals "
        "are those of single classes.",
        name="recall-differences",
    )
    lines = tuple(
        (
            text.shorten(label, 40),
            text.count(max((value.n for values in recalls.values() if (value := values[k]) is not None), default=0)),
            *(_with_interval(values[k], _points) for values in recalls.values()),
        )
        for k, label in enumerate(classes)
    )
    caption = f"Recall of each class less that of {names[0]} (percentage points)"
    table = Table(caption, ("class", "rows", *recalls), lines, folded=len(lines) > FOLD or len(recalls) > 3)
    matrices = [_matrix(pair, names) for pair in against[:_MAX_MATRICES] if _accuracy(pair).confusion]
    blocks: list[Block] = [*side_by_side(dots, table), *_in_rows(matrices)]
    left_out = len(comparison.runs) - 1 - len(against)
    verdict = f"Largest gain over {names[0]}: {best}; largest loss: {worst}."
    if left_out:
        could = f"{text.count(left_out, 'run')} could not be paired with {names[0]}"
        blocks.append(Note(f"{could} and {'is' if left_out == 1 else 'are'} left out."))
    return Chapter("classes", f"Classes, against {names[0]}", verdict, tuple(blocks))


def _by_class(pair: PairedRuns, classes: Sequence[str]) -> list[Interval | None]:
    found = _accuracy(pair)
    known = dict(zip(found.classes, found.recalls, strict=True))
    return [known.get(label) for label in classes]


def _extremes(recalls: dict[str, list[Interval | None]], classes: Sequence[str]) -> tuple[str, str]:
    """Return in words the class that gains most and the one that loses most."""
    every = [
        (value.value, name, label)
        for name, values in recalls.items()
        for label, value in zip(classes, values, strict=True)
        if value is not None
    ]
    words: list[str] = []
    for value, name, label in (max(every), min(every)):
        good = value > 0 if not words else value < 0
        words.append(f"{text.shorten(label, 30)} in {name} ({_points(value)} points)" if good else "none")
    return words[0], words[1]


def _matrix(pair: PairedRuns, names: Sequence[str]) -> Figure:
    found = _accuracy(pair)
    side = float(np.clip(2.2 + 0.27 * len(found.classes), 3.6, 7.0))
    title = f"{names[pair.second]} less {names[pair.first]} (rows)"
    hits = sum(found.confusion[k][k] for k in range(len(found.classes)))
    return Figure(
        lambda ax: comparison_plots.confusion_difference(ax, found.confusion, found.classes, title=title),
        (side, side),
        alt=f"Confusion matrix of {title}: {hits:+d} rows on the diagonal. The table holds the recalls.",
        how="Blue is better: more hits on the diagonal or fewer errors beside it. Magenta is worse.",
        name=f"confusion-{pair.second + 1}-less-{pair.first + 1}",
    )


def _measures_chapter(comparison: Comparison, analyses: Sequence[Analysis]) -> Chapter:
    names = _names(comparison)
    hints = {"higher": "higher", "lower": "lower", "neither": text.MISSING}
    lines = tuple(
        (
            _capital(measure.name),
            hints[measure.better],
            *(_with_interval(value, _writer(measure)) for value in measure.values),
        )
        for measure in comparison.measures
    )
    blocks: list[Block] = [Table("Each run on its own rows", ("measure", "better", *names), lines)]
    several = [group for group in comparison.groups if len(group.runs) > 1]
    if several:
        groups = tuple(
            (
                _capital(measure.name),
                *(_spread(group.means[i], group.deviations[i], _writer(measure)) for group in comparison.groups),
            )
            for i, measure in enumerate(comparison.measures)
        )
        heads = [f"{_name(group.name)} ({text.count(len(group.runs), 'run')})" for group in comparison.groups]
        blocks.append(Table("Mean and standard deviation over seeds", ("measure", *heads), groups))
    blocks.append(
        Note(
            "Brackets hold 95% intervals where a measure has one: they tell what other rows would have given, not what "
            "another training would. Runs with different hold-out rows are measured on different rows here; "
            "differences on the same rows are in the chapter on accuracy."
        )
    )
    return Chapter("measures", "All measures side by side", "The same measures for every run.", tuple(blocks))


def _latent_chapter(comparison: Comparison, analyses: Sequence[Analysis]) -> Chapter:
    names = _names(comparison)
    classes = list(dict.fromkeys(label for analysis in analyses for label in analysis.data.classes))
    most = max(500, _MAP_POINTS // len(analyses))
    figures, where = [], []
    for analysis, name in zip(analyses, names, strict=True):
        rows = analysis.tables.rows
        column = "label_true" if is_known(rows, "label_true") else "label_given"
        known = rows[rows[column].notna()] if column == "label_true" else rows
        seen = sorted({label for label in labels_of(known, column) if label is not None})
        classes = list(dict.fromkeys([*classes, *seen]))
        thinned, _ = thin(known, by=column)
        step = math.ceil(len(thinned) / most)
        where.append((analysis, name, thinned.iloc[::step], column, len(known)))
    for analysis, name, shown, column, n_rows in where:
        what = "hold-out rows by true label" if column == "label_true" else "rows by given label"
        less = f" Drawn: {len(shown):,} of {n_rows:,} rows." if len(shown) < n_rows else ""
        figures.append(
            Figure(
                _map(analysis, shown, labels_of(shown, column), classes, name),
                (4.6, 3.7) if len(classes) <= plots.MANY_CLASSES else (6.4, 4.4),
                alt=f"Latent codes of {name}: {len(shown):,} {what}, with an outline of the prior.",
                how=f"{_capital(what)}; the outline holds 90% of the prior's draws.{less}",
                name=f"map-{names.index(name) + 1}",
            )
        )
    words = Note(
        "The same class has the same colour in every map. Each run has its own latent space: positions and directions "
        "cannot be compared across maps, but how well classes are apart and how the outline is filled can."
    )
    return Chapter("latent", "Latent maps", "Where each encoder puts the rows.", (*_in_rows(figures), words))


def _map(
    analysis: Analysis, rows: pd.DataFrame, labels: list[str | None], classes: Sequence[str], name: str
) -> Callable[[Any], Any]:
    where = analysis.latent_map
    return lambda ax: plots.latent_map(
        ax,
        *coordinates(rows, "latent"),
        labels if any(label is not None for label in labels) else None,
        classes=classes,
        prior=analysis.tables.prior_samples,
        x_name=where.x_name,
        y_name=where.y_name,
        title=text.in_figure(name, 44),
    )


def _training_chapter(comparison: Comparison, analyses: Sequence[Analysis]) -> Chapter:
    histories = {name: analysis.tables.history for name, analysis in zip(_names(comparison), analyses, strict=True)}
    plans = (
        (
            "reconstruction_loss",
            "Reconstruction loss",
            "loss (mean per row)",
            "Lower is better where runs scale features alike; a curve that still falls at its end wants more epochs.",
        ),
        (
            "discriminator_accuracy",
            "Discriminator's accuracy",
            "accuracy (%)",
            "Near the dashed line (50%) the discriminator can only guess, as theory asks.",
        ),
    )
    figures = []
    for column, title, unit, how in plans:
        if any(column in history for history in histories.values()):
            ends = ", ".join(
                f"{name} {text.number(float(history[column].iloc[-1]))}"
                for name, history in histories.items()
                if column in history and len(history)
            )
            figures.append(
                Figure(
                    _curves(histories, column, title, unit),
                    (6.2, 3.4),
                    alt=f"{title} over the epochs of each run; at the end: {text.shorten(ends, 400)}.",
                    how=f"{how} Lines are running means over a fiftieth of the epochs.",
                    name=column.replace("_", "-"),
                )
            )
    return Chapter("training", "Training curves", "How training went, run by run.", tuple(side_by_side(*figures)))


def _curves(histories: dict[str, pd.DataFrame], column: str, title: str, unit: str) -> Callable[[Any], Any]:
    share = column.endswith("accuracy")
    return lambda ax: comparison_plots.overlaid_curves(ax, histories, column, title=title, unit=unit, share=share)


def _prior_chapter(comparison: Comparison, analyses: Sequence[Analysis]) -> Chapter | None:
    if not comparison.prior_match:
        return None
    names = _names(comparison)
    lines = tuple(
        (
            _capital(plots.statistic_name(found.statistic)),
            *(
                text.MISSING if verdict is None else f"{text.number(ratio)} ({verdict})"
                for ratio, verdict in zip(found.ratios, found.verdicts, strict=True)
            ),
        )
        for found in comparison.prior_match
    )
    results = [
        replace(result, scope=name)
        for name, analysis in zip(names, analyses, strict=True)
        for result in analysis.prior_match.results
        if result.scope == "overall"
    ]
    grid = Figure(
        lambda ax: plots.prior_match_grid(ax, results),
        (6.2, 2.0 + 0.32 * len(names)),
        alt="Distance from the prior by run and statistic, in units of what fresh samples of the prior reach; the "
        "table holds the numbers.",
        how="Up to about 1 the codes of a run are as close to its prior as fresh draws from it; colours are verdicts.",
        name="prior-grid",
    )
    table = Table("Distance from the prior (ratio and verdict)", ("statistic", *names), lines)
    about = tuple(
        (
            name,
            text.shorten(analysis.prior_match.prior, 40),
            text.count(analysis.prior_match.n),
            "held out" if analysis.prior_match.split == "holdout" else "training",
            text.shorten(analysis.prior_match.verdict, 300),
        )
        for name, analysis in zip(names, analyses, strict=True)
    )
    blocks = (
        *(side_by_side(grid, table) if len(names) == 2 else (grid, table)),
        Table("What was tested", ("run", "prior", "codes", "rows", "verdict"), about),
        Note(
            "A ratio is a distance in units of what 95% of fresh samples of the run's own prior stay below: 1 and less "
            "is as close as such samples come. Runs with different priors aim at different things; verdicts can be "
            "compared, distances as such cannot. More codes see smaller differences."
        ),
    )
    met = sum(verdict == "met" for verdict in _worst_verdicts(comparison))
    return Chapter("prior", "Prior match", f"{met} of {len(names)} runs meet their prior by every statistic.", blocks)


def _clusters_chapter(comparison: Comparison, analyses: Sequence[Analysis]) -> Chapter | None:
    names, n = _names(comparison), len(comparison.runs)
    known = [pair for pair in comparison.pairs if pair.clusters is not None]
    errors = [pair for pair in comparison.pairs if pair.reconstruction is not None]
    if not known and not errors:
        return None
    blocks: list[Block] = []
    if known:
        table = np.full((n, n), np.nan)
        np.fill_diagonal(table, 1.0)
        for pair in known:
            assert pair.clusters is not None
            table[pair.first, pair.second] = table[pair.second, pair.first] = pair.clusters.value
        lines = tuple(
            (
                f"{names[pair.first]} and {names[pair.second]}",
                text.count(pair.n_common),
                text.number(pair.clusters.value),
                f"{text.number(pair.clusters.low)} to {text.number(pair.clusters.high)}",
            )
            for pair in known
            if pair.clusters is not None
        )
        pairs = Table(
            "Agreement of clusters between runs (adjusted Rand index)",
            ("runs", "rows", "index", "95% interval"),
            lines,
            folded=len(lines) > FOLD,
        )
        if n > 2:
            side = float(np.clip(2.4 + 0.42 * n, 3.6, 6.4))
            matrix = Figure(
                lambda ax: comparison_plots.agreement_matrix(ax, table, names),
                (side, side),
                alt=f"Adjusted Rand index between the clusters of {n} runs; the table holds the numbers.",
                how="1: two runs put the same rows together; 0: no more alike than chance.",
                name="cluster-agreement",
            )
            blocks += side_by_side(matrix, pairs)
        else:
            blocks.append(pairs)
    if errors:
        gaps = tuple(
            (
                f"{names[pair.second]} less {names[pair.first]}",
                text.count(pair.n_held_out),
                _with_interval(pair.reconstruction, text.number),
            )
            for pair in errors
        )
        caption = "Reconstruction error on the same hold-out rows (mean squared, scaled units)"
        blocks.append(Table(caption, ("runs", "rows", "difference [95% interval]"), gaps, folded=len(gaps) > FOLD))
        blocks.append(
            Note("Below 0 the first of the two runs reconstructs better. Compared where both scale features alike.")
        )
    verdict = "Whether runs find the same groups, and how well they reconstruct the same rows."
    return Chapter("clusters", "Clusters and reconstructions", verdict, tuple(blocks))


def _provenance_chapter(comparison: Comparison, analyses: Sequence[Analysis]) -> Chapter:
    blocks: list[Table] = []
    for run, analysis, name in zip(comparison.runs, analyses, _names(comparison), strict=True):
        pairs = [
            ("Command", text.shorten(run.command, 600)),
            ("Data", text.shorten(run.data, 80)),
            ("Data, SHA-256", text.shorten(run.data_sha256, 80)),
            ("Rows for training, held out", f"{run.n_train:,}, {run.n_holdout:,}"),
            ("Rows with a label in training", text.count(run.n_labeled)),
            ("Seed", str(run.seed)),
            ("Created (UTC)", text.shorten(run.created)),
            ("Platform and device", f"{text.shorten(run.platform, 80)}, {text.shorten(analysis.model.device)}"),
            ("Alarms", text.shorten("; ".join(run.alarms), 600) or "none"),
            *((f"Version of {package}", version) for package, version in settings(analysis.provenance.versions)),
        ]
        blocks.append(facts(f"How {name} was made", pairs, folded=True))
    words = Note(
        f"The comparison was made with seed {comparison.random_state} and {comparison.n_bootstrap:,} bootstrap draws; "
        "its JSON holds all numbers."
    )
    return Chapter("provenance", "Provenance", "What it takes to make each run again.", (*blocks, words))


_CHAPTERS: tuple[Callable[[Comparison, Sequence[Analysis]], Chapter | None], ...] = (
    _settings_chapter,
    _accuracy_chapter,
    _classes_chapter,
    _measures_chapter,
    _latent_chapter,
    _training_chapter,
    _prior_chapter,
    _clusters_chapter,
    _provenance_chapter,
)


# --- Small parts ------------------------------------------------------------------------------------


def _name(name: str) -> str:
    """Shorten a name in its middle: names of runs often differ at their ends."""
    ends = [text.shorten(part, len(part) + 1) for part in (name[:200], name[-200:])]
    if len(name) <= 200 and len(ends[0]) <= _SHOWN_NAME:
        return ends[0]
    half = _SHOWN_NAME // 2
    return f"{ends[0][: half - 1].rstrip()}\N{HORIZONTAL ELLIPSIS}{ends[1][-half:].lstrip()}"


def _names(comparison: Comparison) -> tuple[str, ...]:
    """Return the names of runs as they are shown; where shortening makes two alike, a number tells them apart."""
    shown = [_name(run.name) for run in comparison.runs]
    return tuple(f"{name} ({i})" if shown.count(name) > 1 else name for i, name in enumerate(shown, start=1))


def _measure(comparison: Comparison, name: str) -> Measure | None:
    return next((measure for measure in comparison.measures if measure.name == name), None)


def _tested(comparison: Comparison) -> list[PairedRuns]:
    return [pair for pair in comparison.pairs if pair.accuracy is not None]


def _accuracy(pair: PairedRuns) -> Any:
    return pair.accuracy


def _is_clear(pair: PairedRuns, level: float) -> bool:
    gap = _accuracy(pair).difference
    return bool(_accuracy(pair).p_adjusted < level and (gap.low > 0 or gap.high < 0))


def _worst_verdicts(comparison: Comparison) -> list[str | None]:
    """Return the worst verdict of each run over all codes, None where it was not tested."""
    order = list(VERDICTS)
    found: list[str | None] = []
    for i in range(len(comparison.runs)):
        known = [verdict for statistic in comparison.prior_match if (verdict := statistic.verdicts[i]) is not None]
        found.append(max(known, key=lambda verdict: order.index(verdict)) if known else None)
    return found


def _turned(gap: Interval) -> Interval:
    """Return a difference the way round that makes it positive."""
    return gap if gap.value >= 0 else type(gap)(-gap.value, -gap.high, -gap.low, gap.n)


def _points(share: float) -> str:
    if math.isnan(share):
        return text.MISSING
    return f"{round(100 * share, 1) + 0.0:.1f}".replace("-", "\N{MINUS SIGN}")


def _writer(measure: Measure) -> Callable[[float], str]:
    writers: dict[str, Callable[[float], str]] = {
        "share": text.percent,
        "number": text.number,
        "seconds": text.duration,
        "count": text.number,
    }
    return writers[measure.unit]


def _with_interval(value: Interval | None, write: Callable[[float], str]) -> str:
    if value is None:
        return text.MISSING
    if math.isnan(value.low) or math.isnan(value.high):
        return write(value.value)
    # the two ends stay on one line
    return f"{write(value.value)} [{write(value.low)},\N{NO-BREAK SPACE}{write(value.high)}]"


def _spread(mean: float, deviation: float, write: Callable[[float], str]) -> str:
    if math.isnan(mean) or math.isnan(deviation):
        return write(mean)
    return f"{write(mean)} \N{PLUS-MINUS SIGN} {write(deviation)}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _sentence(words: str) -> str:
    return f"{_capital(words)}."


def _in_rows(figures: Sequence[Figure]) -> tuple[Block, ...]:
    """Put figures side by side, as many as the page is wide."""
    return (Row(tuple(figures)),) if len(figures) > 1 else tuple(figures)
