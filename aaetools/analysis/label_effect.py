"""Did the labels help? Accuracy against the number of labels, with permuted labels, and with none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.stats import t as student
from sklearn.base import clone
from sklearn.utils.parallel import Parallel, delayed

from aaetools.analysis.baselines import BASELINES, compare_baselines
from aaetools.analysis.class_codes import class_codes
from aaetools.analysis.named_clusters import NamedClusters
from aaetools.analysis.progress import Progress, tell
from aaetools.analysis.results import Interval, LabelCurve, LabelEffect, LeakCheck
from aaetools.columns import ColumnCodec, data_frame, is_mixed
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import UNLABELED, encode_labels, is_unlabeled, mask_labels
from aaetools.model_selection import SemiSupervisedSplit
from aaetools.preprocessing import InputScaler

__all__ = ["LABELS_PER_CLASS", "MODEL", "label_effect", "plan_fits", "renaming_test"]

LABELS_PER_CLASS = (2, 5, 10, 20)
"""Labels per class that are tried by default."""
MODEL = "model"
"""Name of the model among the methods of a result."""

_CODES, _FEATURES = "clusters of the model's codes", "clusters of the features"
_TEST_SHARE = 0.25
_N_RENAMINGS = 9_999
_ALARM = 0.01
"""P-value below which permuted labels do better than chance: a false alarm would throw good numbers away."""
_LEAST_FOR_TWO_CLASSES = 8
"""Draws with permuted labels that two classes take at least, one to spare: with six no outcome is rarer than that."""

Rows = NDArray[Any] | pd.DataFrame
Codes = NDArray[np.int64]
Kind = Literal["labels", "permuted", "without"]


@dataclass(frozen=True, eq=False)
class _Material:
    """What every fit works on.

    Attributes
    ----------
    X, codes
        All rows that may be learned from, and their class codes, -1 where unlabelled.
    X_test, test_codes
        Fixed test rows, all labelled, -2 for a class that no training row has; None where each draw holds some back.
    parts
        Per draw, row numbers in ``X`` of the training rows and, where there are no fixed ones, of the test rows.
    seeds
        One per draw.
    """

    model: Any
    classes: NDArray[Any]
    X: Rows
    codes: Codes
    X_test: Rows | None
    test_codes: Codes | None
    parts: tuple[tuple[Codes, Codes], ...]
    seeds: tuple[int, ...]
    baselines: tuple[str, ...]

    def train(self, draw: int) -> tuple[Rows, Codes]:
        """Return the training rows of a draw with all their labels."""
        rows = self.parts[draw][0]
        return getattr(self.X, "iloc", self.X)[rows], self.codes[rows]

    def test(self, draw: int) -> tuple[Rows, Codes]:
        """Return the test rows of a draw with their class codes."""
        if self.X_test is not None and self.test_codes is not None:
            return self.X_test, self.test_codes
        rows = self.parts[draw][1]
        return getattr(self.X, "iloc", self.X)[rows], self.codes[rows]

    def test_rows(self, draw: int) -> Codes:
        """Return numbers that tell test rows apart, the same for the same row in every draw."""
        return np.arange(len(self.X_test)) if self.X_test is not None else self.parts[draw][1]


@dataclass(frozen=True, eq=False)
class _Scored:
    """Numbers of test rows, which tell rows apart across draws, and one value for each."""

    rows: Codes
    values: NDArray[np.float64]


@dataclass(frozen=True)
class _Task:
    """One fit of the model."""

    kind: Kind
    draw: int
    seed: int
    labels_per_class: int


def label_effect(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike | None = None,
    y_test: ArrayLike | None = None,
    *,
    labels_per_class: Sequence[int] = LABELS_PER_CLASS,
    n_draws: int = 3,
    baselines: Sequence[str] = tuple(BASELINES),
    permuted: bool = True,
    without: bool = True,
    n_jobs: int | None = None,
    random_state: int | None = None,
    progress: Progress | None = None,
) -> LabelEffect:
    """Measure what labels are worth: fit anew with more and more of them, with permuted ones, and with none.

    In every draw ``labels_per_class`` labels of each class are kept and the others hidden; a larger set contains the
    smaller ones of its draw. Accuracy is that on rows whose labels no fit saw.

    Parameters
    ----------
    model
        Estimator that takes -1 for "no label", fitted or not; it is cloned, never changed. Class codes stand in for the
        labels, seeds for its ``random_state``.
    X, y
        Rows, shape (n_rows, n_features) or images, and labels with or without gaps, shape (n_rows,). All rows are
        learned from, but for those that are held back.
    X_test, y_test
        Rows to measure accuracy on; unlabelled ones are left out. Without them a quarter of the labelled rows is held
        back, anew in every draw.
    labels_per_class
        Rising numbers. Those above what the rarest class has are replaced by what it has.
    n_draws
        Draws of labels (and of held-back rows), each with a seed of its own; at least 2.
    baselines
        Names from :data:`aaetools.analysis.BASELINES`, fitted to the same labels.
    permuted
        Check for leaks: fit to the largest label sets with labels permuted among their rows. For two classes that
        takes at least eight draws, whatever ``n_draws``.
    without
        Fit without labels, cluster the codes by k-means, and name the clusters by the largest label sets
        (one-to-one, Hungarian). No test label takes part in the naming, which would flatter.
    n_jobs
        Processes that fits are shared among, as in scikit-learn.
    random_state
        Seed of the draws; fits of one draw share one.
    progress
        Called with "fitting", fits done and fits in all.

    Returns
    -------
    LabelEffect

    Raises
    ------
    DataError, LabelError
        If data, labels or settings cannot be used; the message says which and what to do.

    Notes
    -----
    An interval is the mean over draws plus and minus the root of two squared half-widths: Student's t over the draws,
    for labels and seeds, and a normal one over test rows, for the rows that happen to be tested. The latter's variance
    is that of each row's mean over draws, and at least that of one row among them. Differences are paired by draw and
    by row.

    With as many labels of each class, permuted labels carry no word about which class is which: renaming the classes
    that such a fit predicts changes nothing in distribution. So :func:`renaming_test` is exact, however much the
    predictions of neighbouring rows depend on each other; a binomial test would not be.
    """
    material, notes = _prepare(model, X, y, X_test, y_test, n_draws, tuple(baselines), random_state)
    sizes, more = _sizes(labels_per_class, material)
    if without and not _fits_without_labels(model):
        without, more = (
            False,
            [*more, f"{type(model).__name__} cannot be fitted without labels and then transform rows."],
        )
    tasks = list(_tasks(material, sizes, permuted=permuted, without=without))
    tell(progress, "fitting", 0, len(tasks))
    found: dict[_Task, dict[str, Codes]] = {}
    run = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    for done, (task, predicted) in enumerate(run(delayed(_carry_out)(task, material) for task in tasks), start=1):
        found[task] = predicted
        tell(progress, "fitting", done, len(tasks))
    return _summary(material, sizes, found, random_state, (*notes, *more))


def plan_fits(n_sizes: int, n_draws: int, n_classes: int, *, permuted: bool = True, without: bool = True) -> int:
    """Return how many fits of the model :func:`label_effect` takes with ``n_sizes`` numbers of labels."""
    return n_draws * (n_sizes + without) + permuted * _permuted_draws(n_draws, n_classes)


def renaming_test(
    confusions: Sequence[NDArray[np.int64]], *, n_renamings: int = _N_RENAMINGS, random_state: int | None = None
) -> tuple[float, float, float]:
    """Test whether predicted classes agree with true ones better than renamed at random.

    Parameters
    ----------
    confusions
        Per draw, rows of each true class (first axis) that were predicted as each class, shape (n_classes, n_classes).
    n_renamings
        Random renamings of the predicted classes, independent in every draw.

    Returns
    -------
    p_value
        Share of renamings whose mean accuracy is at least the one found, which counts as one of them.
    smallest
        The same for the renamings with the highest accuracy: no outcome would have a smaller p-value.
    q95
        The 95% quantile of mean accuracy under renaming.

    Examples
    --------
    >>> p, smallest, _ = renaming_test([9 * np.eye(10, dtype=int)], random_state=0)
    >>> p, smallest
    (0.0001, 0.0001)
    """
    random = np.random.RandomState(random_state)
    null = np.zeros(n_renamings)
    value = best = 0.0
    for confusion in confusions:
        n, k = max(int(confusion.sum()), 1), len(confusion)
        names = random.rand(n_renamings, k).argsort(axis=1)
        null += confusion[np.arange(k), names].sum(axis=1) / n / len(confusions)
        value += np.trace(confusion) / n / len(confusions)
        best += confusion[linear_sum_assignment(confusion, maximize=True)].sum() / n / len(confusions)

    def share(least: float) -> float:
        return float((1 + (null >= least - 1e-12).sum()) / (n_renamings + 1))

    return share(value), share(best), float(np.quantile(null, 0.95))


# -- what is fitted to ---------------------------------------------------------------------------------------------


def _prepare(
    model: Any,
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike | None,
    y_test: ArrayLike | None,
    n_draws: int,
    baselines: tuple[str, ...],
    random_state: int | None,
) -> tuple[_Material, list[str]]:
    """Check everything that can be checked before the first fit."""
    missing = [name for name in ("get_params", "fit", "predict") if not hasattr(model, name)]
    if missing:
        raise DataError(f"the model is no scikit-learn classifier: it has no {missing[0]}()")
    if n_draws < 2:
        raise DataError(f"n_draws={n_draws}: one draw shows no spread, take at least 2")
    unknown = [name for name in baselines if name not in BASELINES]
    if unknown:
        raise DataError(f"unknown baseline {unknown[0]!r}: choose from {', '.join(sorted(BASELINES))}")
    if (X_test is None) != (y_test is None):
        raise DataError("give X_test and y_test together, or neither")
    unlabeled = getattr(model, "unlabeled", UNLABELED)
    coding = encode_labels(y, unlabeled)
    rows = _array(X)
    if len(rows) != len(coding.codes):
        raise LabelError(f"X has {len(rows)} rows, but y has {len(coding.codes)} labels")
    if len(coding.classes) < 2:
        raise LabelError("y has fewer than two classes; the effect of labels is that of telling classes apart")
    random = np.random.RandomState(random_state)
    seeds = tuple(int(seed) for seed in random.randint(np.iinfo(np.int32).max, size=n_draws))
    notes: list[str] = []
    test = test_codes = None
    if X_test is not None and y_test is not None:
        test, test_codes = _test_part(X, X_test, y_test, unlabeled, coding.classes, notes)
        everything = np.arange(len(rows))
        parts = tuple((everything, everything[:0]) for _ in seeds)
    else:
        split = SemiSupervisedSplit(n_draws, test_size=_TEST_SHARE, unlabeled=unlabeled, random_state=seeds[0])
        parts = tuple(split.split(rows, y))
        notes.append(f"{len(parts[0][1])} of {(coding.codes >= 0).sum()} labelled rows are held back in every draw.")
    material = _Material(model, coding.classes, rows, coding.codes, test, test_codes, parts, seeds, baselines)
    return material, notes


def _array(X: ArrayLike, name: str = "X") -> Rows:
    """Return rows as an array, or a frame that is more than complete numbers as it is."""
    frame = data_frame(X)
    if frame is not None and is_mixed(frame):
        return frame.reset_index(drop=True)
    rows = np.asarray(X.to_numpy() if isinstance(X, pd.DataFrame) else X)
    if rows.ndim < 2:
        raise DataError(f"{name} has shape {rows.shape}; give one row per line, shape (n_rows, n_features)")
    if rows.dtype.kind not in "fiub":
        raise DataError(f"{name} holds {rows.dtype}; features must be numbers")
    bad = np.flatnonzero(~np.isfinite(rows.reshape(len(rows), -1)).all(axis=1))
    if len(bad):
        raise DataError(
            f"{name}, row {bad[0]} (counted from 0): a feature is missing or infinite; fill it or drop the row"
        )
    return rows


def _test_part(
    X: ArrayLike, X_test: ArrayLike, y_test: ArrayLike, unlabeled: Any, classes: NDArray[Any], notes: list[str]
) -> tuple[Rows, Codes]:
    """Return the labelled test rows and their class codes, -2 for classes that nothing could be learned of."""
    if isinstance(X, pd.DataFrame) and isinstance(X_test, pd.DataFrame) and list(X.columns) != list(X_test.columns):
        raise DataError("X and X_test have different columns, or in another order; give X_test[X.columns]")
    test, known = _array(X_test, "X_test"), ~is_unlabeled(y_test, unlabeled)
    if len(test) != len(known):
        raise LabelError(f"X_test has {len(test)} rows, but y_test has {len(known)} labels")
    if test.shape[1:] != _array(X).shape[1:]:
        raise DataError(f"rows of X_test have shape {test.shape[1:]}, those of X {_array(X).shape[1:]}")
    if not known.any():
        raise LabelError("y_test has no label, so there is nothing to measure accuracy on; leave X_test out")
    test_coding = encode_labels(y_test, unlabeled)
    codes = class_codes(test_coding.classes, classes)[test_coding.codes[known]]
    if (codes < 0).any():
        notes.append(f"{(codes < 0).sum()} test rows have a label that no other row has; they count as errors.")
    return getattr(test, "iloc", test)[known], np.where(codes < 0, -2, codes)


def _sizes(labels_per_class: Sequence[int], material: _Material) -> tuple[tuple[int, ...], list[str]]:
    """Return the numbers of labels per class that the rarest class allows."""
    wanted = sorted({int(size) for size in labels_per_class})
    if not wanted or wanted[0] < 1:
        raise DataError(f"labels_per_class must be numbers of at least 1, got {list(labels_per_class)}")
    n_classes = len(material.classes)
    trained = [material.train(draw)[1] for draw in range(len(material.seeds))]
    counts = np.min([np.bincount(codes[codes >= 0], minlength=n_classes) for codes in trained], axis=0)
    there, rarest = int(counts.min()), material.classes[counts.argmin()]
    if there < 1:
        raise LabelError(f"class {rarest} has no labelled row left to learn from; label more of its rows")
    kept = [size for size in wanted if size <= there]
    if len(kept) == len(wanted):
        return tuple(kept), []
    note = f"Class {rarest} has {there} labelled rows to learn from, so no more labels per class are tried than that."
    return tuple(sorted({*kept, there})), [note]


def _fits_without_labels(model: Any) -> bool:
    tags = getattr(model, "__sklearn_tags__", None)
    return hasattr(model, "transform") and (tags is None or not tags().target_tags.required)


def _permuted_draws(n_draws: int, n_classes: int) -> int:
    return max(n_draws, _LEAST_FOR_TWO_CLASSES) if n_classes == 2 else n_draws


def _tasks(material: _Material, sizes: Sequence[int], *, permuted: bool, without: bool) -> Iterator[_Task]:
    """Yield all fits; those that share a draw share its seed."""
    n_draws = len(material.seeds)
    for draw, seed in enumerate(material.seeds):
        if without:
            yield _Task("without", draw, seed, sizes[-1])
        for size in sizes:
            yield _Task("labels", draw, seed, size)
    if permuted:
        for index in range(_permuted_draws(n_draws, len(material.classes))):
            seed = material.seeds[index % n_draws]
            # a draw that is used again gets other labels, permuted in another way
            yield _Task("permuted", index % n_draws, (seed + index // n_draws) % np.iinfo(np.int32).max, sizes[-1])


# -- fits ----------------------------------------------------------------------------------------------------------


def _carry_out(task: _Task, material: _Material) -> tuple[_Task, dict[str, Codes]]:
    """Fit, and predict the test rows; class codes by method."""
    X, codes = material.train(task.draw)
    X_test, _ = material.test(task.draw)
    given = mask_labels(codes, per_class=task.labels_per_class, random_state=task.seed)
    model = _unfitted(material.model, task.seed)
    scaled, scaled_test = _scaled(X, X_test, getattr(material.model, "scaling", "auto"))
    if task.kind == "without":
        model.fit(X)
        pairs = {_CODES: (model.transform(X), model.transform(X_test)), _FEATURES: (scaled, scaled_test)}
        return task, {
            name: NamedClusters(task.seed).fit(rows, given).predict(test) for name, (rows, test) in pairs.items()
        }
    if task.kind == "permuted":
        known = np.flatnonzero(given >= 0)
        # a stream of its own: the same one has just chosen the rows
        given[known] = np.random.RandomState([task.seed, 1]).permutation(given[known])
    with np.errstate(invalid="ignore", divide="ignore"):  # LabelSpreading: rows that no label reaches
        predicted = {MODEL: np.asarray(model.fit(X, given).predict(X_test), dtype=np.int64)}
    if task.kind == "labels" and material.baselines:
        others = compare_baselines(scaled, given, scaled_test, baselines=material.baselines, random_state=task.seed)
        predicted |= {name: other.predicted for name, other in others.items()}
    return task, predicted


def _scaled(X: Rows, X_test: Rows, scaling: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return training and test rows as a model would see them, for classifiers that work on features."""
    if isinstance(X, pd.DataFrame):
        codec = ColumnCodec.fit(X)
        encoded, encoded_test = codec.encode(X), codec.encode(pd.DataFrame(X_test))
        scaler = InputScaler.fit(encoded, scaling, codec.scaled)
        return scaler.transform(encoded), scaler.transform(encoded_test)
    flat, flat_test = (np.asarray(rows).reshape(len(rows), -1) for rows in (X, X_test))
    scaler = InputScaler.fit(flat, scaling)
    return scaler.transform(flat), scaler.transform(flat_test)


def _unfitted(model: Any, seed: int) -> Any:
    """Return a copy without what it has learned, with a seed, that takes -1 for "no label"."""
    fresh = clone(model)
    own = {"random_state": seed, "unlabeled": UNLABELED}
    settings = {name: own[name.rsplit("__", 1)[-1]] for name in fresh.get_params() if name.rsplit("__", 1)[-1] in own}
    return fresh.set_params(**settings)


# -- what was found ------------------------------------------------------------------------------------------------


def _summary(
    material: _Material,
    sizes: tuple[int, ...],
    found: dict[_Task, dict[str, Codes]],
    random_state: int | None,
    notes: tuple[str, ...],
) -> LabelEffect:
    def right(kind: Kind, size: int, method: str) -> list[_Scored]:
        return [
            _Scored(material.test_rows(task.draw), (found[task][method] == material.test(task.draw)[1]).astype(float))
            for task in _of_kind(found, kind, size)
        ]

    def curve(kind: Kind, method: str, at: tuple[int, ...]) -> LabelCurve:
        scored = [right(kind, size, method) for size in at]
        draws = tuple(tuple(float(part.values.mean()) for part in each) for each in scored)
        return LabelCurve(method, at, tuple(_interval(each, within=(0.0, 1.0)) for each in scored), draws)

    def gain(other: list[_Scored]) -> Interval:
        pairs = zip(ours, other, strict=True)
        return _interval([_Scored(mine.rows, mine.values - theirs.values) for mine, theirs in pairs])

    most = sizes[-1]
    has_none = any(task.kind == "without" for task in found)
    curves = tuple(curve("labels", method, sizes) for method in (MODEL, *material.baselines))
    without = tuple(curve("without", name, (most,)) for name in (_CODES, _FEATURES)) if has_none else ()
    best, free = _best(curves[1:]), _best(without)
    ours = right("labels", most, MODEL)
    effect = LabelEffect(
        model=type(material.model).__name__,
        classes=tuple(str(label) for label in material.classes),
        labels_per_class=sizes,
        n_draws=len(material.seeds),
        n_train=len(material.parts[0][0]),
        n_test=len(material.test_rows(0)),
        held_back=material.X_test is None,
        curves=curves,
        without=without,
        permuted=_leak_check(material, most, found, right("permuted", most, MODEL), random_state),
        best_without=None if free is None else free.method,
        gain_over_none=None if free is None else gain(right("without", most, free.method)),
        best_baseline=None if best is None else best.method,
        gain_over_baseline=None if best is None else gain(right("labels", most, best.method)),
        gain_of_last_step=gain(right("labels", sizes[-2], MODEL)) if len(sizes) > 1 else None,
        labels_in_last_step=(most - sizes[-2]) * len(material.classes) if len(sizes) > 1 else 0,
        n_fits=len(found),
        random_state=random_state,
        notes=notes,
        verdict="",
    )
    return replace(effect, verdict=_verdict(effect))


def _best(curves: Sequence[LabelCurve]) -> LabelCurve | None:
    return max(curves, key=lambda curve: curve.accuracy[-1].value, default=None)


def _of_kind(found: dict[_Task, dict[str, Codes]], kind: Kind, size: int) -> list[_Task]:
    tasks = (task for task in found if task.kind == kind and task.labels_per_class == size)
    return sorted(tasks, key=lambda task: (task.draw, task.seed))


def _leak_check(
    material: _Material,
    size: int,
    found: dict[_Task, dict[str, Codes]],
    scored: list[_Scored],
    random_state: int | None,
) -> LeakCheck | None:
    if not scored:
        return None
    n_classes = len(material.classes)
    confusions = []
    for task in _of_kind(found, "permuted", size):
        true, predicted = material.test(task.draw)[1], found[task][MODEL]
        confusion = np.zeros((n_classes, n_classes), dtype=np.int64)
        np.add.at(confusion, (true[true >= 0], predicted[true >= 0]), 1)
        confusions.append(confusion)
    p_value, smallest, q95 = renaming_test(confusions, random_state=random_state)
    verdict: Literal["at chance", "above chance", "cannot tell"] = "at chance" if p_value >= _ALARM else "above chance"
    return LeakCheck(
        labels_per_class=size,
        accuracy=_interval(scored, within=(0.0, 1.0)),
        draws=tuple(float(part.values.mean()) for part in scored),
        chance=1 / n_classes,
        null_q95=q95,
        p_value=p_value,
        smallest_p_value=smallest,
        verdict="cannot tell" if smallest >= _ALARM else verdict,
    )


def _interval(scored: Sequence[_Scored], *, within: tuple[float, float] = (-1.0, 1.0)) -> Interval:
    """Return the mean over draws with its 95% interval, see the notes of :func:`label_effect`."""
    means = np.array([part.values.mean() for part in scored])
    rows = np.concatenate([part.rows for part in scored])
    times = np.bincount(rows)
    sums = np.bincount(rows, weights=np.concatenate([part.values for part in scored]))
    of_rows = sums[times > 0] / times[times > 0]
    n_rows = len(of_rows)
    over_rows = 1.96 * max(float(of_rows.std()), 1 / math.sqrt(n_rows)) / math.sqrt(n_rows)
    over_draws = float(student.ppf(0.975, len(means) - 1) * means.std(ddof=1) / math.sqrt(len(means)))
    value, half = float(means.mean()), math.hypot(over_rows, over_draws)
    return Interval(value, max(value - half, within[0]), min(value + half, within[1]), len(means))


def _verdict(effect: LabelEffect) -> str:
    ours, most = effect.curves[0].accuracy[-1], effect.labels_per_class[-1]
    parts = []
    leak, none, step = effect.permuted, effect.gain_over_none, effect.gain_of_last_step
    if leak is not None and leak.verdict == "above chance":
        parts.append(
            f"Do not trust these numbers: permuted labels give {leak.accuracy.value:.1%}, more than chance "
            f"({leak.chance:.1%}) explains (p = {leak.p_value:.2g}), so something other than the given labels tells "
            "the classes."
        )
    with_them = f"{ours.value:.1%} of {effect.n_test} held-out rows are right with {_per_class(most)}"
    if none is not None:
        helped = "helped" if none.low > 0 else "did not help" if none.high < 0 else "cannot be said to have helped"
        others = max(curve.accuracy[0].value for curve in effect.without)
        parts.append(
            f"The labels {helped}: {with_them}, {others:.1%} for {effect.best_without}, found without any and only "
            f"named by them ({_points(none)})."
        )
    else:
        chance = 1 / len(effect.classes)
        helped = "tell the classes apart" if ours.low > chance else "may be worth nothing"
        parts.append(f"The labels {helped}: {with_them}; chance is {chance:.1%}.")
    if leak is not None and leak.verdict != "above chance":
        told = f"Permuted labels give {leak.accuracy.value:.1%}"
        if leak.verdict == "cannot tell":
            parts.append(f"{told}, chance being {leak.chance:.1%}, but these draws are too few to tell a leak.")
        else:
            parts.append(
                f"{told}, as chance ({leak.chance:.1%}) would; a leak to {leak.null_q95:.1%} or more would have shown."
            )
    if step is not None:
        parts.append(_step(effect, step))
    if effect.gain_over_baseline is not None and effect.best_baseline is not None:
        parts.append(_beside(effect.best_baseline, effect.gain_over_baseline))
    return " ".join(parts)


def _step(effect: LabelEffect, step: Interval) -> str:
    """Say what more labels are worth."""
    before, most = effect.labels_per_class[-2:]
    told = f"The last step, from {before} to {_per_class(most)} ({effect.labels_in_last_step} more in all), brought"
    if step.low > 0:
        each = 100 * step.value / effect.labels_in_last_step * 10
        return f"{told} {_points(step)}, {each:.2g} for every ten labels: more may still help."
    if step.high < 0:
        return f"{told} {_points(step)}: more labels made it worse."
    return f"{told} {_points(step)}: whether more would help cannot be told from these draws."


def _beside(name: str, gain: Interval) -> str:
    title = name.replace("_", " ")
    if gain.low > 0:
        return f"The best simple method, {title}, is behind by {_points(gain)}."
    if gain.high < 0:
        return f"The best simple method, {title}, is ahead: {_points(gain)}."
    return f"The best simple method, {title}, cannot be told from it ({_points(gain)})."


def _per_class(size: int) -> str:
    return f"{size} label{'' if size == 1 else 's'} per class"


def _points(gain: Interval) -> str:
    value, low, high = (100 * number for number in (gain.value, gain.low, gain.high))
    return f"{value:+.1f} points, {low:+.1f} to {high:+.1f}"
