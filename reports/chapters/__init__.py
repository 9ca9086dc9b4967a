"""The chapters of a report, one module each: `(analysis) -> Chapter`, or None without anything to say.

A new chapter is one function and one entry in :data:`CHAPTERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from aaetools.reports.blocks import Chapter
from aaetools.reports.chapters.accuracy import accuracy_chapter
from aaetools.reports.chapters.clusters import clusters_chapter
from aaetools.reports.chapters.data import data_chapter
from aaetools.reports.chapters.effect import effect_chapter
from aaetools.reports.chapters.explorer import explorer_chapter
from aaetools.reports.chapters.images import images_chapter
from aaetools.reports.chapters.labels import labels_chapter
from aaetools.reports.chapters.latent import latent_chapter
from aaetools.reports.chapters.prior import prior_chapter
from aaetools.reports.chapters.provenance import provenance_chapter
from aaetools.reports.chapters.space import space_chapter
from aaetools.reports.chapters.training import training_chapter
from aaetools.reports.chapters.umap import umap_chapter

if TYPE_CHECKING:
    from aaetools.analysis.results import Analysis

__all__ = ["CHAPTERS"]

CHAPTERS: dict[str, Callable[[Analysis], Chapter | None]] = {
    "data": data_chapter,
    "accuracy": accuracy_chapter,
    "effect": effect_chapter,
    "latent": latent_chapter,
    "explorer": explorer_chapter,
    "umap": umap_chapter,
    "space": space_chapter,
    "clusters": clusters_chapter,
    "prior": prior_chapter,
    "images": images_chapter,
    "training": training_chapter,
    "labels": labels_chapter,
    "provenance": provenance_chapter,
}
"""Chapters in the reader's order."""
