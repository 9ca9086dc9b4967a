"""How many labels training may see: what ``--labels`` says, applied to the training rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from aaetools.exceptions import LabelError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["DEFAULT_LABELS_PER_CLASS", "ChosenLabels", "LabelBudget", "choose_labels"]

DEFAULT_LABELS_PER_CLASS = 10

_WORDS = ("partial", "full", "none")


@dataclass(frozen=True)
class LabelBudget:
    """The meaning of ``--labels``: a word, a number of labels in all, or a fraction of those that are given.

    Examples
    --------
    >>> LabelBudget.parse("100"), str(LabelBudget.parse("0.1"))
    (LabelBudget(kind='number', amount=100), '0.1')
    """

    kind: Literal["partial", "full", "none", "number", "fraction"]
    amount: float | None = None

    @classmethod
    def parse(cls, text: str) -> LabelBudget:
        """Read a budget.

        Raises
        ------
        ValueError
            If the text is no budget; the message says what would be one.
        """
        word = text.strip().lower()
        if word in _WORDS:
            return cls(cast(Literal["partial", "full", "none"], word))
        try:
            amount = float(word)
        except ValueError:
            amount = float("nan")
        if 0 < amount < 1:
            return cls("fraction", amount)
        if amount >= 2 and amount.is_integer():
            return cls("number", int(amount))
        raise ValueError(
            f"{text!r} is none of partial, full, none, a number of labels (2 or more) "
            "and a fraction of them (between 0 and 1)"
        )

    def __str__(self) -> str:
        return self.kind if self.amount is None else str(self.amount)


@dataclass(frozen=True, eq=False)
class ChosenLabels:
    """What training gets.

    Attributes
    ----------
    y
        Labels with gaps, shape (n_rows,), or None where training sees no label.
    per_class
        Labels per class, where every class got that many by ``partial``, else None.
    notes
        What the user should know, one sentence each.
    """

    y: NDArray[Any] | None
    per_class: int | None = None
    notes: tuple[str, ...] = ()


def choose_labels(
    y: NDArray[Any] | None, budget: LabelBudget, per_class: int | None, random_state: int
) -> ChosenLabels:
    """Hide labels of the training rows until the budget is met.

    ``partial`` uses labels with gaps as they are; where every row is labelled it keeps ``per_class`` of each
    class, 10 by default, and all of a class that has fewer.

    Parameters
    ----------
    y
        Labels of the training rows, shape (n_rows,), with -1 or None where unlabelled; None without any.
    budget
        What the user asked for.
    per_class
        Labels per class if the user named a number; each class must have as many then.
    random_state
        Seed of the draw.

    Raises
    ------
    LabelError
        If the rows do not have the labels that are asked for.
    """
    from aaetools.labels import encode_labels, mask_labels

    if per_class is not None and budget.kind != "partial":
        raise LabelError(f"--labels-per-class goes with --labels partial, not with --labels {budget}")
    if budget.kind == "none":
        return ChosenLabels(None)
    coding = None if y is None else encode_labels(y)
    if y is None or coding is None or len(coding.classes) == 0:
        if budget.kind != "partial" or per_class is not None:
            raise LabelError(
                "there are no labels to choose from; name their column with --target, or use --labels none"
            )
        return ChosenLabels(None, notes=("The data have no labels: training goes without.",))
    if budget.kind == "full":
        return ChosenLabels(y)
    if budget.kind == "number":
        return ChosenLabels(mask_labels(y, n_labels=int(budget.amount or 0), random_state=random_state))
    if budget.kind == "fraction":
        return ChosenLabels(mask_labels(y, fraction=budget.amount, random_state=random_state))
    if per_class is not None:
        return ChosenLabels(mask_labels(y, per_class=per_class, random_state=random_state), per_class)
    if (coding.codes < 0).any():
        return ChosenLabels(y)
    return _up_to(y, coding.codes, coding.classes, DEFAULT_LABELS_PER_CLASS, random_state)


def _up_to(
    y: NDArray[Any], codes: NDArray[np.int64], classes: NDArray[Any], per_class: int, random_state: int
) -> ChosenLabels:
    """Keep ``per_class`` labels of each class, and all labels of classes that have fewer rows."""
    import numpy as np

    from aaetools.labels import mask_labels

    counts = np.bincount(codes, minlength=len(classes))
    short = np.flatnonzero(counts < per_class)
    if len(short) == 0:
        return ChosenLabels(mask_labels(y, per_class=per_class, random_state=random_state), per_class)
    of_short = np.isin(codes, short)
    gap = None if y.dtype.kind in "OUSb" else -1
    masked = np.array(y, dtype=object if gap is None else y.dtype)
    masked[of_short] = gap
    if len(short) < len(classes):
        masked = mask_labels(masked, per_class=per_class, random_state=random_state)
    masked[of_short] = y[of_short]
    listed = ", ".join(f"{classes[k]} ({counts[k]})" for k in short[:5])
    more = f" and {len(short) - 5} more" if len(short) > 5 else ""
    note = f"Classes with fewer than {per_class} training rows keep all their labels: {listed}{more}."
    return ChosenLabels(masked, notes=(note,))
