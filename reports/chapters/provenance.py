"""What it takes to make the run again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aaetools.reports import text
from aaetools.reports.blocks import Chapter, facts, settings, side_by_side

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["provenance_chapter"]


def provenance_chapter(analysis: Analysis) -> Chapter:
    """Return the chapter."""
    made, model, data = analysis.provenance, analysis.model, analysis.data
    run = [
        ("Command", text.shorten(made.command, 600)),
        ("Seed", str(made.random_state)),
        ("Created (UTC)", text.shorten(made.created)),
        ("Data, SHA-256", text.shorten(data.sha256, 80)),
        ("Platform", text.shorten(made.platform, 200)),
        ("Device", text.shorten(model.device)),
        ("Threads", text.count(made.n_threads)),
        ("Time to fit", text.duration(model.fit_seconds)),
        ("Schema of the analysis", str(analysis.schema_version)),
        *((f"Note {i}", text.shorten(note, 400)) for i, note in enumerate(made.notes, start=1)),
    ]
    fitted = [
        ("Estimator", text.shorten(model.estimator, 80)),
        ("Weights", text.count(model.n_weights)),
        ("Latent dimensions", text.count(model.n_components)),
        ("Scaling of features", text.shorten(model.scaling, 120)),
        ("Prior", text.shorten(model.prior, 80)),
        *((f"Prior: {name}", value) for name, value in settings(model.prior_parameters)),
    ]
    blocks = (
        facts("The run", run),
        *side_by_side(facts("The model", fitted), facts("Versions", settings(made.versions))),
        facts("Parameters of the estimator", settings(model.parameters), folded=True),
    )
    return Chapter("provenance", "Provenance", "What it takes to make this run again.", blocks)
