"""How far latent codes are from the prior: goodness of fit, overall and class by class.

The prior is known and can be sampled, so this is a one-sample problem. Statistics of :data:`DIVERGENCES` get their
null distribution from fresh samples of the prior, which makes their p-values exact (see
:mod:`aaetools.analysis.nulls`); :data:`TESTS` have a known one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aaetools.analysis.divergences import (
    DIVERGENCES,
    MAX_NEIGHBOR_DIMS,
    Codes,
    Samples,
    Target,
    checked_codes,
)
from aaetools.analysis.fresh_discriminator import (
    accuracy_null,
    fresh_discriminator,
    smallest_accuracy,
)
from aaetools.analysis.intervals import holm
from aaetools.analysis.marginals import (
    axis_matches,
    axis_null,
    smallest_axis_shift,
    smallest_moved_share,
    standardized,
    weight_match,
)
from aaetools.analysis.nulls import LEVEL, null_distributions
from aaetools.analysis.progress import Progress, tell
from aaetools.analysis.results import AxisMatch, FreshDiscriminator, GoodnessOfFit, PriorMatch, WeightMatch
from aaetools.analysis.threads import one_thread_for
from aaetools.exceptions import DataError, LabelError

if TYPE_CHECKING:  # reading a run must not need torch
    from aaetools.priors import GaussianComponents

__all__ = [
    "CLOSE_RATIO",
    "LEVEL",
    "MAX_CLASS_CODES",
    "MAX_CODES",
    "MIN_CODES",
    "STATISTICS",
    "TESTS",
    "SampleablePrior",
    "distinct_rows",
    "holm",
    "prior_match",
]

CLOSE_RATIO = 2.0
"""A rejected result under this many times the null's 95% quantile is "close", above it "not met"."""

MIN_CODES = 10
"""Fewer codes than this are not tested: the answer would say more about n than about the codes."""

MAX_CODES = 4_000
"""More codes than this are thinned to it: near the prior, n beyond this only rejects what does not matter."""

MAX_CLASS_CODES = 500
"""The same for the codes of one class."""

_CENTERED = frozenset({"frechet", "knn_kl"})
"""Statistics whose null's mean is subtracted."""

_SHIFT = "shift along z0 in prior standard deviations"
_OWN_SHIFT = "shift along own 0 in the component's standard deviations"


class SampleablePrior(Protocol):
    """What the tests need of a prior.

    If it also has ``gaussian_components()`` (see :class:`aaetools.priors.Prior`), its side of the statistics is
    computed in closed form; with ``class_log_posterior(z)`` the component weights can be tested without labels.
    """

    @property
    def name(self) -> str:
        """Name for the report."""
        ...

    @property
    def n_dims(self) -> int:
        """Latent dimensions."""
        ...

    @property
    def n_components(self) -> int:
        """Number of class components, 0 for none."""
        ...

    def sample(self, n: int, labels: Any = None, generator: Any = None) -> Any:
        """Draw a tensor of shape (n, n_dims); ``labels`` (int64, -1 = whole mixture) choose components."""
        ...


@dataclass(frozen=True, eq=False)
class _Scope:
    """Codes of one scope, what they are compared with, and what the tests say beside their results."""

    name: str
    codes: Codes
    target: Target
    rows: NDArray[np.int64]
    """Positions of the codes among those given."""
    labels: NDArray[np.int64]
    prior: SampleablePrior
    class_names: Sequence[str]
    unit: str
    key: Hashable | None
    """Names what is sampled, for keeping null distributions; None where that cannot be told from its value."""

    def rng(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([*self.target.seed, len(self.rows), purpose])


Details = AxisMatch | WeightMatch | FreshDiscriminator
Finding = tuple[GoodnessOfFit, tuple[Details, ...]]


# --- Tests with a known null distribution -----------------------------------------------------------


def _axes_test(scope: _Scope) -> Finding | None:
    found = axis_matches(scope.codes, scope.target, scope.rng(10))
    worst, n = max(found, key=lambda match: match.distance), len(scope.codes)
    mean, q95 = axis_null(len(found), n, scope.target)
    p_value = min(match.p_adjusted for match in found)
    shift = smallest_axis_shift(len(found), n, scope.target)
    # in a component's own coordinates the latent axes are its own
    name = worst.axis if scope.unit == _SHIFT else worst.axis.replace("z", "own ")
    return _result(scope, "axes", worst.distance, mean, q95, p_value, 0, shift, scope.unit, name), found


def _weights_test(scope: _Scope) -> Finding | None:
    if scope.name != "overall":
        return None
    found = weight_match(scope.codes, scope.prior, scope.labels, scope.class_names, scope.target, scope.rng(11))
    if found is None:
        return None
    from scipy.stats import chi2

    k, n = len(found.components), found.n
    apart = [abs(share - expected) for share, expected in zip(found.shares, found.expected, strict=True)]
    worst = found.components[int(np.argmax(apart))]
    moved, unit = smallest_moved_share(n, k), "share of codes moved into one component"
    q95 = float(chi2.isf(LEVEL, k - 1))
    return _result(scope, "weights", found.g, float(k - 1), q95, found.p_value, 0, moved, unit, worst), (found,)


def _discriminator_test(scope: _Scope) -> Finding | None:
    if scope.name != "overall":
        return None
    found = fresh_discriminator(scope.codes, scope.target, scope.rng(12))
    if found is None:
        return None
    found = replace(found, rows=tuple(int(scope.rows[row]) for row in found.rows))
    value, n = found.accuracy.value - 0.5, found.accuracy.n
    result = _result(
        scope, "discriminator", value, 0.0, accuracy_null(n), found.p_value, 0, smallest_accuracy(n), "accuracy"
    )
    return result, (found,)


TESTS: dict[str, Callable[[_Scope], Finding | None]] = {
    "axes": _axes_test,
    "weights": _weights_test,
    "discriminator": _discriminator_test,
}
"""Name -> function of a scope that returns a result with its details, or None where there is nothing to test."""

STATISTICS: tuple[str, ...] = (*DIVERGENCES, *TESTS)
"""All statistics, in the order of the results."""


# --- The test ---------------------------------------------------------------------------------------


def prior_match(
    codes: ArrayLike,
    prior: SampleablePrior,
    labels: ArrayLike | None = None,
    *,
    n_resamples: int = 199,
    random_state: int | None = None,
    statistics: Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    split: Literal["holdout", "train", "all"] = "holdout",
    max_codes: int | None = MAX_CODES,
    max_class_codes: int | None = MAX_CLASS_CODES,
    progress: Progress | None = None,
) -> PriorMatch:
    """Test whether ``codes`` look like draws from ``prior``, overall and class by class.

    Use codes of rows that training did not see: training adapts its own codes to the prior. The overall test
    compares with the whole mixture, so class shares that differ from the prior's weights count against the
    codes. A class whose component is a Gaussian is compared with it along the component's own axes, in its
    standard deviations.

    Parameters
    ----------
    codes
        Latent codes, shape (n, d). Fewer than ``MIN_CODES`` are not tested.
    prior
        Anything with ``name``, ``n_dims``, ``n_components`` and ``sample``.
    labels
        Component of each row, shape (n,): integers below ``prior.n_components``, -1 where not known. The
        codes of class k are then compared with draws from component k. Ignored by priors without components.
    n_resamples
        Fresh prior samples per test, at least. Raised to 22 per test in the Holm family where that is more,
        because with fewer the smallest p-value that can be reached would not survive the correction.
    random_state
        Seed of everything that is drawn here; None draws one and records it.
    statistics
        Names from ``STATISTICS``; the first one leads the verdict. By default all that apply: ``knn_kl`` up to
        4 dimensions and not class by class, ``weights`` with two components or more, ``discriminator`` with 40
        codes or more.
    class_names
        Names of the prior's components, for ``scope``; their numbers by default.
    split
        Which rows the codes belong to; recorded.
    max_codes, max_class_codes
        More codes, in all or of one class, are thinned to this many at random, which a note says; None keeps all. Yet
        classes of over 500 codes that have a Gaussian each, and sizes within a tenth of each other, are thinned to the
        smallest of them: then they share samples of the prior.
    progress
        Called with (what, done, total) as samples are drawn.

    Returns
    -------
    PriorMatch
        ``p_adjusted`` is Holm's over all statistics of the whole, and over all statistics of all classes. A
        result is "met" where ``p_adjusted >= 0.05``; else "close" while the statistic stays under twice the 95%
        quantile of fresh prior samples of the same size; else "not met".

    Raises
    ------
    DataError
        Codes that are not finite or have other dimensions than the prior, an unknown statistic, or ``knn_kl``
        asked for above 4 dimensions.
    LabelError
        Labels of another length, or outside the prior's components.

    Examples
    --------
    >>> from aaetools.priors import make_prior
    >>> codes = np.random.default_rng(0).normal(0.5, 1, (300, 2))
    >>> match = prior_match(codes, make_prior("gaussian", n_dims=2), random_state=0)
    >>> match.overall("mmd").verdict
    'not met'
    """
    codes = checked_codes(codes)
    if codes.shape[1] != prior.n_dims:
        raise DataError(f"codes have {codes.shape[1]} columns but the prior has {prior.n_dims} dimensions")
    chosen = _chosen_statistics(statistics, prior.n_dims)
    component = _checked_labels(labels, len(codes), prior.n_components)
    if random_state is None:
        random_state = int(np.random.default_rng().integers(2**31))
    if len(codes) < MIN_CODES or not chosen:
        reason = "no statistic was asked for" if not chosen else f"{len(codes)} rows, {MIN_CODES} are needed"
        return PriorMatch(
            prior=prior.name,
            split=split,
            n=len(codes),
            n_resamples=0,
            random_state=random_state,
            results=(),
            verdict=f"Not tested: {reason}.",
        )
    sizes = np.bincount(component[component >= 0], minlength=prior.n_components)
    tested = [int(k) for k in np.flatnonzero(sizes >= MIN_CODES)]
    names = [str(k) for k in range(prior.n_components)] if class_names is None else [str(k) for k in class_names]
    repeated = len(codes) - len(np.unique(codes, axis=0))
    notes = _notes(len(codes), repeated, sizes, max_codes, max_class_codes)
    limits = [int(sizes[k]) if max_class_codes is None else min(int(sizes[k]), max_class_codes) for k in tested]
    kept = _shared_sizes(limits) if _stand_alone(prior) else limits
    if left_out := sum(limits) - sum(kept):
        notes += (f"{left_out:,} codes are left out so that classes of nearly equal size share samples of the prior.",)

    whole = _overall_scope(codes, prior, component, names, random_state, max_codes)
    normal: dict[int, Target] = {}
    by_class = [
        _class_scope(codes, prior, component, names, k, random_state, limit, normal)
        for k, limit in zip(tested, kept, strict=True)
    ]
    # nearest neighbours are slow, and of little use among the few codes of a class
    overall_only = {"weights", "discriminator"} | ({"knn_kl"} if statistics is None else set())
    by_class_statistics = [name for name in chosen if name not in overall_only]
    n_whole = max(n_resamples, _resamples_for(len(chosen)))
    n_class = max(n_resamples, _resamples_for(len(by_class_statistics) * len(by_class)))
    with one_thread_for(codes.size):
        results, details = _test(whole, chosen, n_whole, _reporter(progress, "overall"))
        family: list[GoodnessOfFit] = []
        for i, scope in enumerate(by_class):
            found, _ = _test(scope, by_class_statistics, n_class, None)
            family += found
            tell(progress, "sampling the prior: classes", i + 1, len(by_class))
    results = [*_adjusted(results), *_adjusted(family)]
    return PriorMatch(
        prior=prior.name,
        split=split,
        n=len(codes),
        n_resamples=n_whole,
        random_state=random_state,
        results=tuple(results),
        verdict=_verdict(results, chosen[0]),
        axes=tuple(detail for detail in details if isinstance(detail, AxisMatch)),
        weights=next((detail for detail in details if isinstance(detail, WeightMatch)), None),
        discriminator=next((detail for detail in details if isinstance(detail, FreshDiscriminator)), None),
        n_repeated=repeated,
        notes=notes,
    )


def distinct_rows(table: NDArray[Any]) -> NDArray[np.int64]:
    """Return the positions of rows of a table (n, n_features) that equal no earlier row, in order.

    Equal rows of features are not independent and are to be left out of the test; equal codes of different rows are
    a collapse, which the test has to see.
    """
    return np.sort(np.unique(table, axis=0, return_index=True)[1]).astype(np.int64)


def _test(
    scope: _Scope, statistics: Sequence[str], n_resamples: int, report: Callable[[int, int], object] | None
) -> tuple[list[GoodnessOfFit], list[Details]]:
    """Return the results of one scope in the order of ``statistics``, and their details."""
    n, target = len(scope.codes), scope.target
    sampled = [name for name in statistics if name in DIVERGENCES]
    nulls = null_distributions(target, sampled, n_resamples, scope.key, report)
    observed = Samples(scope.codes[None], target)
    results: list[GoodnessOfFit] = []
    details: list[Details] = []
    for name in statistics:
        if name in TESTS:
            found = TESTS[name](scope)
            if found is not None:
                results.append(found[0])
                details += found[1]
            continue
        value, null = float(target.statistic(name)(observed)[0]), nulls[name].values
        p_value = float((1 + np.count_nonzero(null >= value)) / (len(null) + 1))
        middle, q95 = float(null.mean()), nulls[name].q95
        if name in _CENTERED:
            value, q95, middle = value - middle, q95 - middle, 0.0
        shift = nulls[name].smallest_shift
        results.append(_result(scope, name, value, middle, q95, p_value, len(null), shift, scope.unit))
    assert all(result.n == n for result in results)
    return results, details


def _result(
    scope: _Scope,
    statistic: str,
    value: float,
    null_mean: float,
    q95: float,
    p_value: float,
    n_resamples: int,
    smallest: float,
    unit: str,
    detail: str = "",
) -> GoodnessOfFit:
    return GoodnessOfFit(
        scope=scope.name,
        statistic=statistic,
        n=len(scope.codes),
        value=value,
        null_mean=null_mean,
        null_q95=q95,
        effect_ratio=value / q95 if q95 > 0 else (inf if value > 0 else 0.0),
        p_value=p_value,
        p_adjusted=p_value,
        verdict="met",
        n_resamples=n_resamples,
        smallest_effect=smallest,
        effect_unit=unit,
        detail=detail,
    )


def _adjusted(results: Sequence[GoodnessOfFit]) -> list[GoodnessOfFit]:
    """Fill in Holm's p-values over a family of results, and the verdicts that follow from them."""
    adjusted = []
    for result, p in zip(results, holm([result.p_value for result in results]), strict=True):
        close = result.effect_ratio < CLOSE_RATIO
        verdict: Literal["met", "close", "not met"] = "met" if p >= LEVEL else ("close" if close else "not met")
        adjusted.append(replace(result, p_adjusted=float(p), verdict=verdict))
    return adjusted


def _resamples_for(n_tests: int) -> int:
    """Return how many fresh samples let the smallest p-value survive Holm's correction over so many tests."""
    return ceil(1.1 / LEVEL * n_tests)


# --- Scopes -----------------------------------------------------------------------------------------


def _overall_scope(
    codes: Codes,
    prior: SampleablePrior,
    component: NDArray[np.int64],
    names: Sequence[str],
    random_state: int,
    limit: int | None,
) -> _Scope:
    rows = _thinned(np.arange(len(codes)), limit, random_state, 0)
    target = Target(len(rows), prior.n_dims, _sampler(prior, None), (random_state, 0), _components(prior))
    key = None if (named := _key(prior)) is None else (named, "overall")
    return _Scope("overall", codes[rows], target, rows, component[rows], prior, names, _SHIFT, key)


def _class_scope(
    codes: Codes,
    prior: SampleablePrior,
    component: NDArray[np.int64],
    names: Sequence[str],
    k: int,
    random_state: int,
    limit: int,
    normal: dict[int, Target],
) -> _Scope:
    # One stream per scope: leaving a class out does not move the numbers of the others.
    rows = _thinned(np.flatnonzero(component == k), limit, random_state, k + 1)
    components, d = _components(prior), prior.n_dims
    if components is not None and _stand_alone(prior):
        # Along its own axes every component is N(0, I), so that all classes of a size share one null distribution.
        target = normal.setdefault(len(rows), _standard_normal(len(rows), d, (random_state, 1)))
        inside = standardized(codes[rows], components, k)
        return _Scope(names[k], inside, target, rows, component[rows], prior, names, _OWN_SHIFT, "standard normal")
    target = Target(len(rows), d, _sampler(prior, k), (random_state, k + 2))
    key = None if (named := _key(prior)) is None else (named, k)
    return _Scope(names[k], codes[rows], target, rows, component[rows], prior, names, _SHIFT, key)


def _thinned(rows: NDArray[Any], limit: int | None, random_state: int, scope: int) -> NDArray[np.int64]:
    if limit is None or len(rows) <= limit:
        return np.asarray(rows, dtype=np.int64)
    rng = np.random.default_rng([random_state, scope, 5])
    return np.sort(rng.choice(rows, limit, replace=False)).astype(np.int64)


def _stand_alone(prior: SampleablePrior) -> bool:
    """Tell whether every class has a Gaussian of its own, along whose axes all classes are compared with N(0, I)."""
    components = _components(prior)
    return components is not None and len(components.weights) == prior.n_components


def _shared_sizes(sizes: Sequence[int]) -> list[int]:
    """Return the sizes that classes are thinned to: large ones that are nearly equal become equal.

    Sampling the prior at every size on its own would take ten times as long for ten classes.

    Examples
    --------
    >>> _shared_sizes([40, 1000, 1090, 1200])
    [40, 1000, 1000, 1200]
    """
    shared: dict[int, int] = {}
    smallest = 0
    for size in sorted(sizes):
        if size > 1.1 * smallest or size <= MAX_CLASS_CODES:
            smallest = size
        shared[size] = smallest
    return [shared[size] for size in sizes]


def _components(prior: SampleablePrior) -> GaussianComponents | None:
    """Return the prior's Gaussian components if it says them.

    Raises
    ------
    DataError
        If they do not fit its dimensions, or a covariance is not positive definite.
    """
    ask = getattr(prior, "gaussian_components", None)
    said = None if ask is None else ask()
    if said is None:
        return None
    from aaetools.priors import GaussianComponents

    found = GaussianComponents(*(np.asarray(part, dtype=np.float64) for part in said))
    k, d = len(found.weights), prior.n_dims
    if found.means.shape != (k, d) or found.covariances.shape != (k, d, d) or abs(found.weights.sum() - 1) > 1e-5:
        raise DataError(
            f"the {prior.name} prior's gaussian_components() must be weights (K,) that sum to 1, means (K, {d}) and "
            f"covariances (K, {d}, {d})"
        )
    if not np.linalg.eigvalsh(found.covariances).min() > 0:
        raise DataError(f"a covariance of the {prior.name} prior's gaussian_components() is not positive definite")
    return found


def _key(prior: SampleablePrior) -> Hashable | None:
    """Return what names the prior's distribution: the prior itself if it is a frozen dataclass, whose value is that."""
    declared = getattr(type(prior), "__dataclass_params__", None)
    if declared is None or not declared.frozen:
        return None
    try:
        hash(prior)
    except TypeError:
        return None
    return (type(prior), prior)


def _sampler(prior: SampleablePrior, component: int | None) -> Callable[[int, np.random.Generator], Codes]:
    """Return a function (n, rng) that draws (n, d) from the prior or one component."""
    import torch

    def draw(n: int, rng: np.random.Generator) -> Codes:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        labels = None if component is None else torch.full((n,), component, dtype=torch.int64)
        drawn = prior.sample(n, labels=labels, generator=generator)
        return np.asarray(drawn.detach().cpu().numpy(), dtype=np.float32)

    return draw


def _standard_normal(n: int, d: int, seed: tuple[int, ...]) -> Target:
    from aaetools.priors import GaussianComponents

    def draw(size: int, rng: np.random.Generator) -> Codes:
        return rng.standard_normal((size, d), dtype=np.float32)

    return Target(n, d, draw, seed, GaussianComponents(np.ones(1), np.zeros((1, d)), np.eye(d)[None]))


# --- Words ------------------------------------------------------------------------------------------


def _notes(
    n: int, repeated: int, sizes: NDArray[np.int64], max_codes: int | None, max_class_codes: int | None
) -> tuple[str, ...]:
    found = []
    if max_codes is not None and n > max_codes:
        found.append(f"The overall tests use {max_codes:,} of {n:,} codes, drawn at random.")
    if max_class_codes is not None and (many := int((sizes > max_class_codes).sum())):
        found.append(f"The tests of {many} classes use {max_class_codes:,} codes each, drawn at random.")
    if few := int(((sizes > 0) & (sizes < MIN_CODES)).sum()):
        found.append(f"{few} classes with fewer than {MIN_CODES} codes are not tested.")
    if repeated:
        found.append(f"{repeated:,} codes equal an earlier one; they are kept, because a collapse would show so.")
    return tuple(found)


def _reporter(progress: Progress | None, scope: str) -> Callable[[int, int], object] | None:
    if progress is None:
        return None
    return lambda done, total: progress(f"sampling the prior: {scope}", done, total)


_VERDICTS = ("met", "close", "not met")
_OVERALL = {
    "met": "cannot be told from the prior",
    "close": "are close to the prior, not equal to it",
    "not met": "do not follow the prior",
}
# What the worst class adds, by (overall verdict, worst class's verdict): "but" where the two differ.
_WITHIN = {
    ("met", "met"): "and within classes they cannot either ({n} tested)",
    ("met", "close"): "but within classes they can: {k} of {n} classes are only close to their part of it",
    ("met", "not met"): "but within classes they can: {k} of {n} classes do not follow their part of it",
    ("close", "met"): "and within classes they cannot even be told from it ({n} tested)",
    ("close", "close"): "and so are those of {k} of {n} classes to their part of it",
    (
        "close",
        "not met",
    ): "but within classes they are far off: {k} of {n} classes do not follow their part of it",
    ("not met", "met"): "but within classes they cannot be told from it ({n} tested)",
    (
        "not met",
        "close",
    ): "but within classes they are nearer: {k} of {n} classes are close to their part of it",
    ("not met", "not met"): "and {k} of {n} classes do not follow their part of it",
}


def _verdict(results: Sequence[GoodnessOfFit], leading: str) -> str:
    """Say in one sentence what all results together say: overall first, then whether the classes agree."""
    overall = [result for result in results if result.scope == "overall"]
    if not overall:
        return "Not tested: none of the statistics asked for applies to so few rows or to this prior."
    # The numbers must be those of the result that decides; the leading statistic where several do.
    told = max(overall, key=lambda result: (_VERDICTS.index(result.verdict), result.statistic == leading))
    named = "MMD" if told.statistic == "mmd" else told.statistic.replace("_", " ")
    numbers = (
        f"{named} {max(told.effect_ratio, 0.0):.1f} times the 95% quantile of prior samples, "
        f"p = {told.p_adjusted:.2g}, n = {told.n}"
    )
    by_class: dict[str, int] = {}
    for result in results:
        if result.scope != "overall":
            by_class[result.scope] = max(by_class.get(result.scope, 0), _VERDICTS.index(result.verdict))
    if not by_class:
        return f"The codes {_OVERALL[told.verdict]} ({numbers})."
    worst = max(by_class.values())
    within = _WITHIN[told.verdict, _VERDICTS[worst]].format(
        k=sum(rank == worst for rank in by_class.values()), n=len(by_class)
    )
    return f"Overall the codes {_OVERALL[told.verdict]} ({numbers}), {within}."


# --- Checks -----------------------------------------------------------------------------------------


def _chosen_statistics(asked: Sequence[str] | None, n_dims: int) -> tuple[str, ...]:
    if asked is None:
        return tuple(name for name in STATISTICS if name != "knn_kl" or n_dims <= MAX_NEIGHBOR_DIMS)
    for name in asked:
        if name not in STATISTICS:
            raise DataError(f"unknown statistic {name!r}: choose from {', '.join(sorted(STATISTICS))}")
        if name == "knn_kl" and n_dims > MAX_NEIGHBOR_DIMS:
            raise DataError(
                f"knn_kl is not computed above {MAX_NEIGHBOR_DIMS} latent dimensions, here there are {n_dims}: "
                "it would be far off; leave it out"
            )
    return tuple(dict.fromkeys(asked))


def _checked_labels(labels: ArrayLike | None, n: int, n_components: int) -> NDArray[np.int64]:
    if labels is None or n_components == 0:
        return np.full(n, -1, dtype=np.int64)
    array = np.asarray(labels)
    if array.shape != (n,):
        raise LabelError(f"labels have shape {array.shape} but there are {n} codes")
    if not np.issubdtype(array.dtype, np.integer):
        raise LabelError(f"labels must be integers that number the prior's components, not {array.dtype}")
    if n and (array.min() < -1 or array.max() >= n_components):
        raise LabelError(
            f"labels must lie in -1 ... {n_components - 1} (the prior has {n_components} components), "
            f"not {array.min()} ... {array.max()}"
        )
    return array.astype(np.int64)
