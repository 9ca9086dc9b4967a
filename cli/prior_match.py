"""``aaetools prior-match``: how far a run's codes are from the prior."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from aaetools.cli.options import device_option, run_argument
from aaetools.cli.results import check_result_file, deliver_result, result_options, text_table
from aaetools.cli.run_data import data_option

if TYPE_CHECKING:
    from aaetools.analysis.results import GoodnessOfFit, PriorMatch
    from aaetools.cli.run_data import RunData

__all__ = ["STATISTIC_NAMES", "prior_match"]

STATISTIC_NAMES = (
    "axes",
    "discriminator",
    "energy",
    "frechet",
    "knn_kl",
    "max_sliced_wasserstein",
    "mmd",
    "sliced_wasserstein",
    "weights",
)
"""The choices repeat what the library has, because importing that would load torch; a test compares the two."""

_FILE = "prior-match.json"
_N_AXES = 5
_N_ROWS = 5


@click.command(
    "prior-match",
    epilog="""\b
Examples:
  aaetools prior-match runs/digits
  aaetools prior-match runs/digits --statistics mmd --statistics axes --resamples 4999
  aaetools prior-match runs/digits --split train --json
""",
)
@run_argument
@data_option
@click.option(
    "--split",
    type=click.Choice(["holdout", "train", "all"]),
    default="holdout",
    help="Rows whose codes are tested; training adapts its own rows to the prior.",
)
@click.option(
    "--statistics",
    type=click.Choice(STATISTIC_NAMES),
    multiple=True,
    show_default="all that apply",
    help="Statistic to compute; repeat it for more. The first one leads the verdict.",
)
@click.option(
    "--resamples",
    type=click.IntRange(19, 1_000_000),
    metavar="N",
    default=999,
    help="Fresh prior samples per test, at least; more are drawn where Holm's correction needs them.",
)
@click.option(
    "--max-rows",
    type=click.IntRange(0),
    metavar="N",
    default=4000,
    help="Thin to this many codes at random (500 per class), 0 for all; compare runs at one number.",
)
@click.option("--classes/--no-classes", default=True, help="Test class by class too, where classes are known.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), metavar="N", default=0, help="Seed of all that is drawn.")
@device_option
@result_options(_FILE)
def prior_match(
    run: Path,
    data: str | None,
    split: Literal["holdout", "train", "all"],
    statistics: tuple[str, ...],
    resamples: int,
    max_rows: int,
    classes: bool,
    seed: int,
    device: str,
    out: Path | None,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Test whether RUN's latent codes follow its prior.

    Compares the codes with the prior as a whole, class by class and axis by axis, tests the shares of the
    components, and trains a fresh discriminator. Every result stands beside what fresh draws of the prior reach.
    """
    place = check_result_file(run, _FILE, out, force)
    from aaetools.analysis import prior_match as test
    from aaetools.analysis.prior_match import MAX_CLASS_CODES
    from aaetools.cli.progress import open_display
    from aaetools.cli.run_data import open_run_data

    with open_display(quiet=quiet or as_json) as display:
        display.stage("loading the run and its data")
        found = open_run_data(run, data, device)
        positions, codes, labels, names = _codes(found, split, classes)
        match = test(
            codes,
            found.model.prior_,
            labels,
            n_resamples=resamples,
            random_state=seed,
            statistics=statistics or None,
            class_names=names,
            split=split,
            max_codes=max_rows or None,
            max_class_codes=MAX_CLASS_CODES if max_rows else None,
            progress=display.step,
        )
        display.close()
    if match.discriminator is not None:
        named = tuple(int(positions[row]) for row in match.discriminator.rows)
        match = replace(match, discriminator=replace(match.discriminator, rows=named))
    deliver_result(match, place, _text(match, found.dataset.row_ids), as_json=as_json, quiet=quiet)


def _codes(found: RunData, split: str, classes: bool) -> tuple[Any, Any, Any, list[str] | None]:
    """Return positions in the data, codes, components (or None) and their names; repeated rows are left out."""
    import numpy as np

    from aaetools.analysis.class_codes import class_codes
    from aaetools.analysis.prior_match import distinct_rows
    from aaetools.labels import encode_labels

    model = found.model
    parts = {"train": [found.train], "holdout": [found.holdout], "all": [found.train, found.holdout]}[split]
    positions = np.concatenate(parts)
    if len(positions) == 0:
        return positions, np.empty((0, model.n_components_)), None, None
    labels = np.full(len(found.dataset.row_ids), None, dtype=object)
    for rows, given in ((found.train, found.y_train), (found.holdout, found.labels(found.holdout))):
        if given is not None and len(rows):
            coding = encode_labels(given, model.unlabeled)
            known = coding.codes >= 0
            labels[rows[known]] = np.asarray(coding.classes, dtype=object)[coding.codes[known]]
    positions = positions[distinct_rows(model.scale(found.rows(positions)))]
    codes = model.transform(found.rows(positions))
    names = [str(label) for label in model.classes_]
    if not classes or not names or model.prior_.n_components != len(names):
        return positions, codes, None, names or None
    return positions, codes, class_codes(labels[positions], model.classes_), names


def _text(match: PriorMatch, row_ids: Any) -> str:
    """Return the result for people: tables, and below them the verdict."""
    parts = []
    overall = [result for result in match.results if result.scope == "overall"]
    by_class = [result for result in match.results if result.scope != "overall"]
    headings = ("statistic", "value", "95% of fresh", "ratio", "p", "p (Holm)", "sees", "verdict")
    if overall:
        lines = [(result.statistic, *_numbers(result), result.verdict) for result in overall]
        parts.append(f"{match.n:,} codes of {match.split} rows against the {match.prior} prior")
        parts.append(text_table(headings, lines))
        parts.append("sees: the smallest effect that is rejected in 80% of cases at this n, for most a shift of")
        parts.append("one axis in prior standard deviations; of a share or an accuracy for weights and discriminator")
    if by_class:
        worst = [max((r for r in by_class if r.scope == scope), key=_badness) for scope in _scopes(by_class)]
        lines = [(r.scope, f"{r.n:,}", f"{r.statistic} {r.detail}".strip(), *_numbers(r), r.verdict) for r in worst]
        parts.append("\nEach class by its worst statistic")
        parts.append(text_table(("class", "rows", *headings), lines))
    axes = sorted(match.axes, key=lambda axis: axis.p_adjusted)[:_N_AXES]
    if axes:
        lines = [(a.axis, f"{a.distance:.3f}", f"{a.p_value:.2g}", f"{a.p_adjusted:.2g}") for a in axes]
        parts.append(f"\nThe {len(axes)} axes farthest from the prior, of {len(match.axes)}")
        parts.append(text_table(("axis", "distance", "p", "p (Holm)"), lines))
    if match.weights is not None:
        shares = zip(match.weights.components, match.weights.shares, match.weights.expected, strict=True)
        lines = [(name, f"{share:.1%}", f"{expected:.1%}") for name, share, expected in shares]
        parts.append(f"\nShares of the components, counted by {match.weights.source} (p = {match.weights.p_value:.2g})")
        parts.append(text_table(("component", "codes", "prior"), lines))
    if match.discriminator is not None:
        found, accuracy = match.discriminator, match.discriminator.accuracy
        ids = ", ".join(str(row_ids[row]) for row in found.rows[:_N_ROWS])
        parts.append(
            f"\nA fresh discriminator is right on {accuracy.value:.1%} of {accuracy.n:,} codes and draws "
            f"(95% interval {accuracy.low:.1%} to {accuracy.high:.1%}; 50% is guessing).\n"
            f"Rows that it is most certain about: {ids}"
        )
    parts.append("")
    parts += match.notes
    parts.append(match.verdict)
    return "\n".join(parts)


def _numbers(result: GoodnessOfFit) -> tuple[str, ...]:
    numbers = (result.value, result.null_q95, result.effect_ratio)
    seen = "-" if result.smallest_effect != result.smallest_effect else f"{result.smallest_effect:.2g}"
    return (*(f"{number:.3g}" for number in numbers), f"{result.p_value:.2g}", f"{result.p_adjusted:.2g}", seen)


def _badness(result: GoodnessOfFit) -> tuple[float, float]:
    return (-result.p_adjusted, result.effect_ratio)


def _scopes(results: list[GoodnessOfFit]) -> list[str]:
    return list(dict.fromkeys(result.scope for result in results))
