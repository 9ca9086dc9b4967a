"""What can be said about the labels of a fit: which are wrong, which are missing, how large the classes are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike
from sklearn.utils.validation import _num_samples

from aaetools.analysis.class_shares import estimate_class_shares
from aaetools.analysis.label_audit import audit_labels
from aaetools.analysis.label_effect import label_effect
from aaetools.analysis.novel_classes import find_novel_classes
from aaetools.analysis.results import AboutLabels
from aaetools.analysis.suggestion import MAX_CANDIDATES, suggest_labels
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import UNLABELED, is_unlabeled
from aaetools.propagation import neighbor_graph

__all__ = ["CHEAP_LABEL_PARTS", "LABEL_PARTS", "MAX_ROWS", "about_labels"]

MAX_ROWS = 20_000
"""Above it each part takes minutes, most of it for a nearest-neighbour graph, and has to be asked for."""

_N_SUGGESTIONS = 20


@dataclass(frozen=True, eq=False)
class Asked:
    """What the parts are asked about: a fitted estimator, its rows, the labels it was given, and a seed."""

    model: Any
    X: ArrayLike
    y: Any
    seed: int

    @cached_property
    def graph(self) -> sp.csr_matrix | None:
        """The nearest-neighbour graph of the scaled rows, for all parts; None where most look at a part of the rows."""
        x = self.model.scale(self.X)
        return neighbor_graph(x) if len(x) <= MAX_CANDIDATES else None


LABEL_PARTS: dict[str, Callable[[Asked], Any]] = {
    "audit": lambda a: audit_labels(a.model, a.X, a.y, graph=a.graph, random_state=a.seed),
    "suggestions": lambda a: suggest_labels(a.model, a.X, a.y, _N_SUGGESTIONS, graph=a.graph, random_state=a.seed),
    "novel_classes": lambda a: find_novel_classes(a.model, a.X, a.y, graph=a.graph, random_state=a.seed),
    "shares": lambda a: estimate_class_shares(
        a.model, a.X, a.y, unlabeled=getattr(a.model, "unlabeled", UNLABELED), random_state=a.seed
    ),
    "effect": lambda a: label_effect(a.model, a.X, a.y, random_state=a.seed),
}
"""Field of :class:`AboutLabels` -> function of what is asked about that fills it."""

CHEAP_LABEL_PARTS = tuple(part for part in LABEL_PARTS if part != "effect")
"""All but the one that fits the model again and again."""


def about_labels(
    model: Any,
    X: ArrayLike,
    y: ArrayLike | None,
    *,
    parts: Sequence[str] | str = "auto",
    random_state: int = 0,
    say: Callable[[str], object] = lambda text: None,
) -> tuple[AboutLabels, tuple[str, ...]]:
    """Say what the labels can be asked; also return why some of it could not be said.

    Parameters
    ----------
    model
        A fitted estimator.
    X, y
        The rows it was trained on and the labels it was given, with gaps.
    parts
        Names from :data:`LABEL_PARTS`; "auto" is all but the effect of the labels, or nothing above
        :data:`MAX_ROWS` rows.
    random_state
        Seed of all parts.
    say
        Called with a short text before each part.

    Raises
    ------
    DataError
        For an unknown part.
    """
    if isinstance(parts, str):
        if parts != "auto":
            raise DataError(f"parts must be 'auto' or a list of names, not {parts!r}")
        wanted = CHEAP_LABEL_PARTS
    else:
        wanted = tuple(parts)
    for part in wanted:
        if part not in LABEL_PARTS:
            raise DataError(f"unknown part {part!r}: choose from {', '.join(LABEL_PARTS)}")
    n_rows = _num_samples(X)
    if parts == "auto" and n_rows > MAX_ROWS:
        return AboutLabels(), (
            f"With {n_rows:,} rows the labels were not looked at; aaetools audit, suggest and novel do that.",
        )
    gaps = np.ones(n_rows, dtype=bool) if y is None else is_unlabeled(y, getattr(model, "unlabeled", UNLABELED))
    if gaps.all():
        wanted = tuple(part for part in wanted if part == "suggestions")  # where to begin
    elif not gaps.any():
        wanted = tuple(part for part in wanted if part in ("audit", "effect"))  # no row is left to say anything of
    asked = Asked(model, X, y, random_state)
    found: dict[str, Any] = {}
    notes = []
    for part in wanted:
        say(f"asking the labels: {part.replace('_', ' ')}")
        try:
            found[part] = LABEL_PARTS[part](asked)
        except (DataError, LabelError) as error:
            notes.append(f"About the labels, {part.replace('_', ' ')}: {error}.")
    return AboutLabels(**found), tuple(notes)
