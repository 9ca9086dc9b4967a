"""How far the codes are from the prior."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaetools.reports import plots, text
from aaetools.reports.blocks import FOLD, Block, Chapter, Figure, Note, Table, side_by_side
from aaetools.reports.summary import VERDICTS, farthest

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["prior_chapter"]

_MAX_AXES = 5
"""Axes shown of the per-axis tests."""


def prior_chapter(analysis: Analysis) -> Chapter:
    """Return the chapter."""
    match = analysis.prior_match
    words = Note(
        f"The prior is called {text.shorten(match.prior)}. It is known and can be drawn from, so each "
        f"distance is compared with {text.count(match.n_resamples, 'fresh sample')} of the same size (seed "
        f"{match.random_state}). The p-value is the share of fresh samples that lie at least as far from the "
        "prior; Holm's correction is over all statistics of the whole, and over all of the classes. With many rows "
        "tiny differences become significant: read the ratio first, the p-value second. The smallest effect is what "
        "would be rejected in 80% of cases with so many rows: a shift of one axis in the prior's standard "
        "deviations, for weights a share of the rows, for the discriminator its accuracy."
    )
    blocks: tuple[Block, ...] = (words,)
    worst = farthest(match.results)
    if worst is not None:
        scopes = len({result.scope for result in match.results})
        picture = Figure(
            lambda ax: plots.prior_match_grid(ax, match.results),
            (6.4, 2.1 + (0.3 if scopes <= 16 else 0.22) * scopes),
            alt=f"Distance from the prior for {text.count(scopes, 'scope')}. Farthest: "
            f"{text.shorten(worst.scope, 40)}, {text.number(worst.effect_ratio)} times the 95% quantile of "
            "fresh prior samples.",
            how="Numbers are distances in units of what 95% of fresh draws of the prior stay below: up to 1 codes are "
            "as close to the prior as such draws; the larger, the worse. Colours are verdicts.",
            name="prior-match",
        )
        table = Table(
            f"Codes of {text.count(match.n, 'row')} "
            f"({'held out' if match.split == 'holdout' else 'from training'}) against the prior",
            (
                "codes of",
                "statistic",
                "rows",
                "distance",
                "95% of fresh",
                "ratio",
                "p",
                "p (Holm)",
                "smallest effect",
                "verdict",
            ),
            tuple(
                (
                    text.shorten(result.scope, 40),
                    text.shorten(f"{plots.statistic_name(result.statistic)} {result.detail}".strip(), 60),
                    text.count(result.n),
                    text.number(result.value),
                    text.number(result.null_q95),
                    text.number(result.effect_ratio),
                    text.p_value(result.p_value),
                    text.p_value(result.p_adjusted),
                    text.number(result.smallest_effect),
                    VERDICTS[result.verdict][0],
                )
                for result in match.results
            ),
            tones=dict(VERDICTS.values()),
            folded=len(match.results) > 24,
        )
        blocks = (*side_by_side(picture, words), *_prior_details(analysis), table)
    return Chapter("prior", "Prior match", text.shorten(match.verdict, 400), blocks)


def _prior_details(analysis: Analysis) -> tuple[Block, ...]:
    """Return the fresh discriminator, the axes farthest from the prior and the components' shares."""
    match = analysis.prior_match
    notes, tables = [], []
    if match.discriminator is not None:
        found, rows = match.discriminator, analysis.tables.rows["row"]
        named = [text.shorten(str(rows.iloc[row]), 40) for row in found.rows if row < len(rows)]
        notes.append(
            Note(
                f"A fresh discriminator, trained on {text.count(found.n_train, 'code')} and as many prior draws, is "
                f"right on {text.percent(found.accuracy.value)} of {found.accuracy.n:,} others (95% interval "
                f"{text.interval(found.accuracy)}; the theory says 50%). Rows that it is most certain do not come "
                f"from the prior: {', '.join(named) or 'none'}."
            )
        )
    farthest_axes = sorted(match.axes, key=lambda axis: axis.p_adjusted)[:_MAX_AXES]
    if farthest_axes:
        lines = tuple(
            (axis.axis, text.number(axis.distance), text.p_value(axis.p_value), text.p_value(axis.p_adjusted))
            for axis in farthest_axes
        )
        caption = f"Axes farthest from the prior, of {len(match.axes)} (Kolmogorov-Smirnov)"
        tables.append(Table(caption, ("axis", "distance", "p", "p (Holm)"), lines))
    if match.weights is not None:
        shares = zip(match.weights.components, match.weights.shares, match.weights.expected, strict=True)
        parts = tuple((text.shorten(name, 40), text.percent(got), text.percent(want)) for name, got, want in shares)
        caption = f"Shares of the components, counted by {match.weights.source}"
        tables.append(Table(caption, ("component", "codes", "prior"), parts, folded=len(parts) > FOLD))
    notes += [Note(note) for note in match.notes]
    return (*notes, *side_by_side(*tables))
