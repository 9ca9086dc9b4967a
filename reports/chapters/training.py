"""How training went."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes

from aaetools.analysis.health import always_wins, explains_nothing, is_crowded, is_fooled
from aaetools.reports import plots, text
from aaetools.reports.blocks import Chapter, Figure, Table, Tone, side_by_side
from aaetools.reports.chapters.rows import is_known

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["training_chapter"]

_CURVE_SIZE = (5.5, 3.2)


def training_chapter(analysis: Analysis) -> Chapter:
    """Return the chapter."""
    history, model = analysis.tables.history, analysis.model
    losses = [str(name) for name in history.columns if str(name).endswith("_loss") and is_known(history, str(name))]
    game = [name for name in losses if name in {"discriminator_loss", "generator_loss"}]
    plans: list[tuple[str, list[str], str, str]] = [
        (
            "reconstruction-loss",
            [name for name in losses if name == "reconstruction_loss"],
            "Reconstruction loss",
            "It should fall and then level off; if it still falls at the end, more epochs may help.",
        ),
        (
            "game-losses",
            game,
            "Losses of the adversarial game",
            "They should settle and not drift apart: neither side should win.",
        ),
        (
            "further-losses",
            [name for name in losses if name not in {"reconstruction_loss", *game}],
            "Further loss terms",
            "What is added to the plain game; these should settle, too.",
        ),
    ]
    figures = []
    for name, terms, title, how in plans:
        if terms:
            ends = ", ".join(f"{term.replace('_', ' ')} {text.number(float(history[term].iloc[-1]))}" for term in terms)
            figures.append(
                Figure(
                    _curves(history, terms, title),
                    _CURVE_SIZE,
                    alt=f"{title} over {text.count(len(history), 'epoch')}; at the end: {text.shorten(ends, 300)}.",
                    how=how,
                    name=name,
                )
            )
    accuracy = text.percent(model.discriminator_accuracy)
    if is_known(history, "discriminator_accuracy"):
        figures.append(
            Figure(
                lambda ax: plots.discriminator_curve(ax, history),
                _CURVE_SIZE,
                alt=f"Accuracy of the discriminator over {text.count(len(history), 'epoch')}; {accuracy} "
                "over the last tenth.",
                how="At the dashed line the discriminator can only guess, as theory asks; in the band on top "
                "it always wins, and the encoder learns nothing from it.",
                name="discriminator",
            )
        )
    verdict = (
        f"Training ran {text.count(model.n_epochs, 'epoch')}; at its end the discriminator was right "
        f"{accuracy} of the time (theory: 50%)."
    )
    return Chapter("training", "Training curves and health", verdict, (_health(analysis), *side_by_side(*figures)))


_HEALTH: dict[str, Tone] = {"fine": "good", "alarm": "bad"}


def _health(analysis: Analysis) -> Table:
    model, n = analysis.model, len(analysis.tables.rows)
    largest = max(analysis.clustering.sizes, default=0) / max(n, 1)
    dead = ", ".join(f"z{axis}" for axis in model.dead_axes)
    checks = [
        (
            "Discriminator's accuracy, last tenth of epochs",
            text.percent(model.discriminator_accuracy),
            "alarm above 98%, and up to 55% where the codes as a whole are not the prior's",
            always_wins(model.discriminator_accuracy) or is_fooled(model.discriminator_accuracy, analysis.prior_match),
        ),
        (
            "Variance explained by the reconstruction",
            text.percent(model.reconstruction_r2),
            "alarm where it is no better than the mean beyond chance",
            explains_nothing(model.reconstruction_r2, model.reconstruction_r2_low),
        ),
        (
            "Dead latent axes",
            text.shorten(dead, 120) or "none",
            "alarm where a standard deviation is under 0.05, or 5% of a narrow prior's",
            bool(dead),
        ),
        (
            "Largest cluster",
            text.percent(largest),
            "alarm with over 95% of the rows",
            is_crowded(analysis.clustering.sizes),
        ),
    ]
    lines = tuple((name, value, rule, "alarm" if alarm else "fine") for name, value, rule, alarm in checks)
    return Table("Health checks", ("check", "value", "rule", "result"), lines, tones=_HEALTH)


def _curves(history: pd.DataFrame, terms: list[str], title: str) -> Callable[[Axes], Axes]:
    return lambda ax: plots.training_curves(ax, history, terms, title=title)
