"""What an analysis found: frozen dataclasses all the way down, JSON out and in.

Numbers live in the dataclasses and go through JSON; what is one value per row, per epoch or per pixel lives
in
:class:`Tables`, which a run folder stores beside the JSON (parquet, JSON lines, npz).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BeforeValidator, WithJsonSchema

__all__ = [
    "SCHEMA_VERSION",
    "AboutLabels",
    "Agreement",
    "Analysis",
    "AxisMatch",
    "Calibration",
    "CalibrationBin",
    "CalibrationCurve",
    "ClassScore",
    "Classification",
    "ClusterProfile",
    "Clustering",
    "ConformalSets",
    "CountChoice",
    "CountScore",
    "DataSummary",
    "FeatureEffect",
    "FreshDiscriminator",
    "GoodnessOfFit",
    "Images",
    "Interval",
    "LabelAudit",
    "LabelCurve",
    "LabelEffect",
    "LatentMap",
    "LatentPath",
    "LatentSpace",
    "LeakCheck",
    "MethodScore",
    "ModelSummary",
    "NovelClasses",
    "NovelCluster",
    "Preservation",
    "Previews",
    "PriorMatch",
    "Proportion",
    "Provenance",
    "Rejection",
    "Scores",
    "Separation",
    "ShareEstimate",
    "SuggestedRow",
    "Suggestions",
    "SuspectLabel",
    "Tables",
    "WeightMatch",
]

SCHEMA_VERSION = 2

MaybeNaN = Annotated[
    float,
    BeforeValidator(lambda value: float("nan") if value is None else value),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "null"}]}),
]
"""A number that is NaN where it could not be had; JSON has no NaN and writes null."""


@dataclass(frozen=True)
class Proportion:
    """A share of ``n`` rows with its 95% Wilson score interval; all three lie in [0, 1]."""

    value: MaybeNaN
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Interval:
    """A number with its 95% interval, from ``n`` observations of what the owner's documentation names."""

    value: MaybeNaN
    low: MaybeNaN
    high: MaybeNaN
    n: int


@dataclass(frozen=True)
class DataSummary:
    """The data and the label budget.

    ``encodings`` says in words how each feature was encoded; it is empty where all were complete numbers.
    """

    name: str
    source: str
    n_features: int
    n_train: int
    n_holdout: int
    n_labeled: int
    classes: tuple[str, ...]
    labeled_per_class: tuple[int, ...]
    feature_names: tuple[str, ...] = ()
    target_name: str | None = None
    image_shape: tuple[int, ...] | None = None
    sha256: str = ""
    encodings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelSummary:
    """The fitted model and how its training ended."""

    estimator: str
    parameters: dict[str, Any]
    prior: str
    prior_parameters: dict[str, Any]
    n_components: int
    n_weights: int
    scaling: str
    device: str
    n_epochs: int
    fit_seconds: MaybeNaN
    discriminator_accuracy: MaybeNaN
    """Mean over the last tenth of the epochs; the theory says about 0.5."""
    reconstruction_r2: MaybeNaN
    """1 - mean squared reconstruction error / variance, on hold-out rows if there are any."""
    dead_axes: tuple[int, ...]
    """Latent axes with a standard deviation under 0.05, or that share of a narrow prior's own."""
    reconstruction_r2_low: MaybeNaN = float("nan")
    """Lower end of the one-sided 99% interval of the same about the rows' own mean, by the normal approximation."""


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose confidence lies in (``low``, ``high``]: their mean confidence, and the share that is right."""

    low: float
    high: float
    confidence: float
    accuracy: Proportion


@dataclass(frozen=True)
class CalibrationCurve:
    """How often predictions are right, by how sure the method is of them.

    ``error`` is the expected calibration error of Guo et al. (2017, equation 3): the mean gap between confidence (the
    largest probability) and accuracy over ``n_bins`` bins of equal width, weighted by rows. Every finite sample has
    some: 95% of samples of a calibrated method with these confidences stay below ``error_if_calibrated``.
    """

    error: Interval
    error_if_calibrated: float
    n_bins: int
    bins: tuple[CalibrationBin, ...]
    """Bins that hold any row, in order."""


@dataclass(frozen=True)
class Scores:
    """What else there is to say of one method; intervals come from drawing the evaluated rows anew (bootstrap).

    The last three compare it with the model on the same rows and are None for the model itself.
    """

    balanced_accuracy: Interval
    """Mean of the recalls of the classes that the rows have."""
    macro_f1: Interval
    """Mean of F1 over the classes that the rows or the predictions have."""
    f1: tuple[Interval, ...]
    """F1 of each class, in the order of ``Classification.classes``; 0 where neither a row nor a prediction has it."""
    confusion: tuple[tuple[int, ...], ...]
    """As ``Classification.confusion``; left out, (), with more than 50 classes."""
    log_loss: Interval | None
    """Mean negative log-likelihood of the true class in nats; None for methods without probabilities."""
    brier: Interval | None
    """Mean squared distance of probabilities from the truth, summed over classes: 0 to 2."""
    calibration: CalibrationCurve | None
    difference: Interval | None
    """The model's accuracy less this method's, with an interval of the paired difference."""
    p_value: float | None
    """McNemar's exact test of the two."""
    p_adjusted: float | None
    """Holm's correction of it over all methods."""


@dataclass(frozen=True)
class MethodScore:
    """Accuracy of one method on the evaluated rows, and its other scores."""

    name: str
    accuracy: Proportion
    note: str = ""
    scores: Scores | None = None


@dataclass(frozen=True)
class ClassScore:
    """How one class was recognised on the evaluated rows."""

    label: str
    n: int
    recall: Proportion
    precision: float | None
    f1: float


@dataclass(frozen=True)
class Calibration:
    """Probabilities made to mean what they say, by a temperature (Guo et al. 2017, section 4.2).

    ``temperature`` divides the logarithms of the probabilities: above 1 the model was too sure of itself. Its interval
    holds what a likelihood-ratio test does not reject at 5%. ``before`` and ``after`` are scores on the evaluated rows.
    Where ``refused`` says why there is none, the temperature is NaN and both are None.
    """

    temperature: Interval
    source: str
    """Which labels it was chosen on; ``temperature.n`` of them."""
    before: Scores | None
    after: Scores | None
    refused: str
    verdict: str


@dataclass(frozen=True)
class ConformalSets:
    """Sets of classes that hold the true one with a probability of at least ``level`` (Sadinle et al. 2019).

    ``guaranteed`` is the coverage that is proved, on average over draws of the calibration labels. Coverage and size
    are measured on the evaluated rows. Where ``refused`` says why there are none, they are None.
    """

    level: float
    class_conditional: bool
    source: str
    n_calibration: int
    guaranteed: MaybeNaN
    coverage: Proportion | None
    coverage_per_class: tuple[Proportion, ...]
    """In the order of ``Classification.classes``."""
    mean_size: Interval | None
    sizes: tuple[int, ...]
    """Number of evaluated rows with a set of 1, 2, ... classes."""
    refused: str
    verdict: str


@dataclass(frozen=True)
class Rejection:
    """A rule that leaves unsure rows undecided, so that few of the decided ones are wrong (Geifman and El-Yaniv 2017).

    A row is accepted where the probability of all classes but the likeliest is below ``max_doubt``. With probability
    ``confidence`` over draws of the calibration labels, at most a share ``max_error`` of accepted new rows is wrong;
    ``bound`` is what was proved of the chosen rule. ``accepted`` and ``error`` are measured on the evaluated rows.
    Where ``refused`` says why there is no rule, they are None.
    """

    max_error: float
    confidence: float
    source: str
    n_calibration: int
    n_candidates: int
    """Rules that were tried; each is tested at ``(1 - confidence) / n_candidates``."""
    max_doubt: MaybeNaN
    bound: MaybeNaN
    accepted: Proportion | None
    error: Proportion | None
    """Share of accepted rows that are wrong."""
    error_of_all: Proportion | None
    refused: str
    verdict: str


@dataclass(frozen=True)
class Classification:
    """Accuracy on rows that training never saw, beside baselines given the same labels.

    ``confusion[i][j]`` counts rows of class i that were predicted as class j. ``p_value_best_baseline`` is
    McNemar's exact test of the model against the best baseline on the same rows, None without baselines.
    """

    classes: tuple[str, ...]
    model: MethodScore
    """Classes read off the prior's components, no classifier is trained."""
    baselines: tuple[MethodScore, ...]
    """Classifiers of the features."""
    balanced_accuracy: MaybeNaN
    per_class: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    best_baseline: str | None
    p_value_best_baseline: float | None
    verdict: str
    probes: tuple[MethodScore, ...] = ()
    """Classifiers of the latent codes, fitted to the same labels."""
    n_labeled: int = 0
    """Labels that the model, probes and baselines were given."""
    n_bootstrap: int = 0
    random_state: int | None = None
    calibration: Calibration | None = None
    conformal: ConformalSets | None = None
    rejection: Rejection | None = None
    """None where they were not asked for."""
    without_labels: MethodScore | None = None
    """k-means clusters of the features, found without any label and only named by the given ones, one class each."""


@dataclass(frozen=True)
class Agreement:
    """Agreement of clusters with known labels of ``n`` rows that training never saw labelled.

    In the accuracies and the purity the ``n_noise`` rows of no cluster are errors; in the other measures they are a
    group of their own.
    """

    accuracy: Proportion
    """Share of rows whose cluster maps to their class under the best one-to-one (Hungarian) matching."""
    purity: Proportion
    """Share of rows that have the most common class of their cluster."""
    paper_accuracy: Proportion | None
    """Makhzani et al. (2015), section 6: each cluster takes the label of its most certain row; those rows are not
    scored themselves."""
    adjusted_rand: Interval
    adjusted_mutual_info: Interval
    normalized_mutual_info: Interval
    """By the arithmetic mean of the two entropies, which makes it the same as ``v_measure``."""
    v_measure: Interval
    homogeneity: Interval
    completeness: Interval
    n: int
    n_noise: int
    random_state: int | None


@dataclass(frozen=True)
class Separation:
    """How well clusters are told apart by the codes alone; rows in no cluster are left out but for the stability.

    A measure is None where it is not defined: fewer than two clusters, or a cluster for every row.
    """

    silhouette: Interval | None
    """Mean silhouette, -1 to 1, higher is better."""
    davies_bouldin: Interval | None
    """Davies and Bouldin's index, 0 or more, lower is better."""
    calinski_harabasz: Interval | None
    """Calinski and Harabasz' index, higher is better; it grows with the number of rows."""
    stability: Interval | None
    """Mean adjusted Rand index between the clusters of pairs of subsamples; 1 is always the same clusters."""
    n_subsamples: int
    """Subsamples that were clustered anew for the stability."""


@dataclass(frozen=True)
class CountScore:
    """What a criterion says of one number of clusters; the standard error is NaN where there is none."""

    n_clusters: int
    score: MaybeNaN
    standard_error: MaybeNaN


@dataclass(frozen=True)
class CountChoice:
    """How the number of clusters was chosen, on ``n`` rows."""

    criterion: str
    n_clusters: int
    scores: tuple[CountScore, ...]
    n: int
    random_state: int | None
    reason: str


@dataclass(frozen=True)
class FeatureEffect:
    """How far a feature of a cluster's rows lies from that of all other rows.

    ``effect`` is the standardised mean difference (Cohen's d with Hedges' correction), positive where the cluster's
    rows have more; the means are in the feature's own units.
    """

    feature: str
    effect: Interval
    mean: float
    mean_elsewhere: float


@dataclass(frozen=True)
class ClusterProfile:
    """One cluster: its size, what labels it holds, rows that stand for it, features that set it apart."""

    cluster: int
    size: int
    share: float
    majority_label: str | None
    """The most common known label, of equally common ones the first in order; None without known labels."""
    purity: Proportion | None
    """Share of the cluster's rows with a known label that have the majority label."""
    typical_rows: tuple[int, ...]
    """Positions of the rows nearest to the cluster's mean code, nearest first."""
    unusual_rows: tuple[int, ...]
    """Positions of the rows of the cluster farthest from its mean code, farthest first."""
    features: tuple[FeatureEffect, ...]
    """The features with the largest effects, largest first; few or none are large where nothing sets it apart."""
    typical_ids: tuple[str, ...] = ()
    unusual_ids: tuple[str, ...] = ()
    """Identifiers of those rows, where the rows have any."""


@dataclass(frozen=True)
class Clustering:
    """Clusters found in the latent codes of all rows.

    ``sizes`` counts rows of clusters 0, 1, ...; the ``n_noise`` rows that belong to no cluster have the number -1 in
    the table of rows, which says nothing about whether they have a label.
    """

    method: str
    n_clusters: int
    reason: str
    sizes: tuple[int, ...]
    silhouette: float | None
    agreement: Agreement | None
    verdict: str
    n: int = 0
    n_noise: int = 0
    random_state: int | None = None
    choice: CountChoice | None = None
    """The numbers of clusters that were compared, where the number was chosen from the codes."""
    separation: Separation | None = None
    profiles: tuple[ClusterProfile, ...] = ()
    notes: tuple[str, ...] = ()
    """What was done on a part of the rows, and other things to know."""


@dataclass(frozen=True)
class LabelCurve:
    """Held-out accuracy of one method at each number of labels per class.

    ``draws[i][d]`` is the accuracy in draw d with ``labels_per_class[i]`` labels of each class, ``accuracy[i]`` their
    mean; its n is the number of draws.
    """

    method: str
    labels_per_class: tuple[int, ...]
    accuracy: tuple[Interval, ...]
    draws: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class LeakCheck:
    """Held-out accuracy after fits to permuted labels, which nothing but chance can explain.

    ``p_value`` is that of the randomisation test that renames the predicted classes at random, each draw by itself;
    ``null_q95`` is the mean accuracy that 95% of renamings stay below. ``smallest_p_value`` is what the luckiest
    renaming would have reached; where it is not below 0.01 the check cannot tell.
    """

    labels_per_class: int
    accuracy: Interval
    draws: tuple[float, ...]
    chance: float
    """1 / number of classes: every class gets as many labels, so their names are exchangeable."""
    null_q95: float
    p_value: float
    smallest_p_value: float
    verdict: Literal["at chance", "above chance", "cannot tell"]


@dataclass(frozen=True)
class LabelEffect:
    """What the labels are worth: accuracy on rows whose labels no fit saw, against the number of labels.

    Differences are paired draw by draw; their n is the number of draws.
    """

    model: str
    classes: tuple[str, ...]
    labels_per_class: tuple[int, ...]
    n_draws: int
    n_train: int
    """Rows in each fit, most of them unlabelled."""
    n_test: int
    """Rows that accuracy is measured on in each draw."""
    held_back: bool
    """Whether the test rows were split off anew in every draw; else they are the same in all."""
    curves: tuple[LabelCurve, ...]
    """The model's, then the baselines'."""
    without: tuple[LabelCurve, ...]
    """Clusters found without labels, of the model's codes and of the features; names come from the largest labelled
    set, so there is one point each."""
    permuted: LeakCheck | None
    best_without: str | None
    gain_over_none: Interval | None
    """Accuracy with the most labels less that of the best clusters found without any."""
    best_baseline: str | None
    gain_over_baseline: Interval | None
    """Accuracy with the most labels less that of the best baseline at as many."""
    gain_of_last_step: Interval | None
    """Accuracy with the most labels less that with the second most."""
    labels_in_last_step: int
    """Labels of all classes together that the last step adds."""
    n_fits: int
    random_state: int | None
    notes: tuple[str, ...]
    verdict: str


@dataclass(frozen=True)
class ShareEstimate:
    """Estimated share of each class among ``n`` unlabelled rows.

    The intervals come from ``n_resamples`` resamples of rows and labels; each one's n is that of the unlabelled rows.
    """

    classes: tuple[str, ...]
    shares: tuple[Interval, ...]
    given: tuple[float, ...]
    """Shares among the labelled rows."""
    method: str
    n: int
    n_labeled: int
    n_resamples: int
    random_state: int | None
    verdict: str


@dataclass(frozen=True)
class GoodnessOfFit:
    """One statistic of codes against the prior, with its null distribution from fresh prior samples.

    ``p_value = (1 + #{null >= value}) / (n_resamples + 1)``, or that of an exact test where ``n_resamples`` is 0;
    ``p_adjusted`` is Holm's over the family: all statistics of the whole, or all statistics of all classes.
    ``effect_ratio = value / null_q95``: above 1 the codes are farther from the prior than 95% of fresh
    samples. The Frechet distance and the nearest-neighbour divergence come with their null's mean subtracted, the
    discriminator's accuracy with 1/2.
    """

    scope: str
    """"overall", or the class whose codes are compared with the prior's component of that class."""
    statistic: str
    n: int
    value: MaybeNaN
    null_mean: float
    null_q95: float
    effect_ratio: MaybeNaN
    p_value: float
    p_adjusted: float
    verdict: Literal["met", "close", "not met"]
    n_resamples: int = 0
    smallest_effect: MaybeNaN = float("nan")
    """What a test of this statistic alone would reject at 5% in 80% of cases at this n, in ``effect_unit``."""
    effect_unit: str = ""
    detail: str = ""
    """Where the difference is greatest: an axis, a component; empty where the statistic does not say."""


@dataclass(frozen=True)
class AxisMatch:
    """Kolmogorov-Smirnov test of all codes along one axis; ``p_adjusted`` is Holm's over the axes.

    ``axis`` is ``z0``, ``z1``, ... for latent axes; ``own 0``, ``own 1``, ... for the axes of the prior's Gaussian
    components, where each code is measured from its component's mean in that component's standard deviations.
    """

    axis: str
    distance: float
    p_value: float
    p_adjusted: float


@dataclass(frozen=True)
class WeightMatch:
    """G-test of the prior's component weights: how many codes lie in each component.

    ``source`` says how codes were counted: by their ``labels``, or by the prior's ``posterior`` p(k | z).
    """

    source: Literal["labels", "posterior"]
    components: tuple[str, ...]
    shares: tuple[float, ...]
    expected: tuple[float, ...]
    g: float
    p_value: float
    n: int


@dataclass(frozen=True)
class FreshDiscriminator:
    """A classifier trained to tell codes from prior draws on one half of the codes and judged on the other half.

    The interval of ``accuracy`` is the exact binomial one (Clopper and Pearson), over as many codes as prior draws;
    ``p_value`` is the exact binomial test against guessing, one-sided. ``rows`` are positions in the codes given of the
    judged codes that it was most certain are none of the prior's, with its ``scores`` (0 to 1).
    """

    accuracy: Proportion
    p_value: float
    n_train: int
    rows: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True)
class PriorMatch:
    """How far the aggregated posterior q(z) is from the prior p(z), on codes of ``split`` rows."""

    prior: str
    split: Literal["holdout", "train", "all"]
    n: int
    n_resamples: int
    """Fresh prior samples of the overall tests; those by class have their own number in each result."""
    random_state: int
    results: tuple[GoodnessOfFit, ...]
    verdict: str
    axes: tuple[AxisMatch, ...] = ()
    weights: WeightMatch | None = None
    discriminator: FreshDiscriminator | None = None
    n_repeated: int = 0
    """Codes that equal an earlier one."""
    notes: tuple[str, ...] = ()
    """What to know about how it was tested: thinning, repeated codes, classes left out; one sentence each."""

    def overall(self, statistic: str) -> GoodnessOfFit:
        """Return the overall result of one statistic, for example "mmd" or "sliced_wasserstein"."""
        for result in self.results:
            if result.scope == "overall" and result.statistic == statistic:
                return result
        raise KeyError(statistic)


@dataclass(frozen=True)
class SuspectLabel:
    """A given label beside what the other labels say of its row."""

    row: int
    """Position of the row."""
    given: str
    predicted: str
    """The likeliest class by the labels of the other folds."""
    p_given: float
    """Out-of-fold probability of the given label."""
    p_predicted: float
    flagged: bool
    """Whether it is among the labels that are expected to be wrong."""
    model_label: str | None
    """What the fitted model says, although it was told the given label; None where it knows no classes."""


@dataclass(frozen=True)
class LabelAudit:
    """Given labels, cross-examined by each other: which are probably wrong, and how many.

    ``suspects`` are ranked, the most suspicious first; they may be cut short, ``n_labeled`` is not.
    """

    method: str
    classes: tuple[str, ...]
    n_rows: int
    n_labeled: int
    """Labels that were audited."""
    n_skipped: int
    """Labels that are the only one of their class, of which the others can say nothing."""
    n_folds: int
    random_state: int | None
    temperature: float
    """By which the out-of-fold log-probabilities were divided, so that they fit the given labels."""
    agreement: Proportion
    """Share of the labels that the out-of-fold prediction repeats."""
    expected_wrong: Interval
    """Number of wrong labels by confident learning, with an interval over resampled rows."""
    n_flagged: int
    suspects: tuple[SuspectLabel, ...]
    verdict: str


@dataclass(frozen=True)
class SuggestedRow:
    """A row to label."""

    row: int
    """Position of the row."""
    label_pred: str | None
    """What the model takes it for; None where it knows no classes."""
    score: float
    """What the strategy ranks by, comparable within one strategy only."""
    reason: str


@dataclass(frozen=True)
class Suggestions:
    """Rows to label next, the most useful first."""

    strategy: str
    n: int
    n_rows: int
    n_labeled: int
    n_compared: int
    """Rows that were compared with each other; fewer than ``n_rows`` where there are many."""
    random_state: int | None
    rows: tuple[SuggestedRow, ...]
    verdict: str


@dataclass(frozen=True)
class NovelCluster:
    """Rows that belong together and of which too few have a label for chance to explain it."""

    size: int
    p_value: float
    """Corrected for all clusters that were looked at."""
    expected_labels: float
    """Labels that the cluster would have if labels were spread over like rows at random."""
    taken_for: tuple[tuple[str, int], ...]
    """The classes that the model takes these rows for, with their numbers, most frequent first."""
    error_ratio: MaybeNaN
    """Mean reconstruction error of these rows over that of all other rows."""
    typical: tuple[int, ...]
    """Positions of a few rows in the cluster's middle."""
    rows: tuple[int, ...]
    """Positions of all its rows."""


@dataclass(frozen=True)
class NovelClasses:
    """Clusters without labels: classes that nobody has labelled yet, if there are any."""

    n_rows: int
    n_labeled: int
    n_compared: int
    """Rows that were clustered; fewer than ``n_rows`` where there are many."""
    n_permutations: int
    random_state: int | None
    level: float
    smallest_p_value: float
    smallest_detectable: int | None
    """Rows that a cluster without any label needs to be found here; None where not even half of all rows would do."""
    clusters: tuple[NovelCluster, ...]
    verdict: str


@dataclass(frozen=True)
class AboutLabels:
    """What the given labels were asked; None where they were not, or could not answer."""

    audit: LabelAudit | None = None
    suggestions: Suggestions | None = None
    novel_classes: NovelClasses | None = None
    shares: ShareEstimate | None = None
    effect: LabelEffect | None = None


@dataclass(frozen=True)
class LatentMap:
    """How latent codes are drawn in two dimensions.

    ``latent_x = z @ projection[0] + offset[0]`` and the same for y with index 1; for two latent dimensions
    that is the identity. ``umap`` is None, or the parameters of the UMAP picture, or ``{"skipped": reason}``.
    """

    kind: Literal["axes", "classes", "pca"]
    x_name: str
    y_name: str
    projection: tuple[tuple[float, ...], tuple[float, ...]]
    offset: tuple[float, float]
    umap: dict[str, Any] | None


@dataclass(frozen=True)
class Preservation:
    """How far the rows that are neighbours in one space are neighbours in another.

    The tuples have one entry per entry of ``LatentSpace.neighbours``. Intervals are those of the jackknife over rows.
    """

    space: str
    """"codes", the name of a picture, or "PCA": the reference, the first principal components of ``of``."""
    of: Literal["features", "codes"]
    """Where the true neighbours are: in the scaled features, or in the codes."""
    n_axes: int
    trustworthiness: Interval
    """1 where no row has come near that is not near in ``of``, at ``LatentSpace.k`` neighbours."""
    continuity: Interval
    """1 where no row was torn away that is near in ``of``, at ``LatentSpace.k`` neighbours."""
    recall: tuple[Interval, ...]
    """Share of the k nearest rows in ``of`` that are among the k nearest here; ``LatentSpace.chance`` by chance."""
    gain: tuple[Interval, ...] | None
    """Recall less that of PCA with as many axes, on the same rows; None for PCA itself, and where ``of`` has no more
    axes than that."""


@dataclass(frozen=True)
class LatentSpace:
    """Whether neighbours stay neighbours in the latent space and in its pictures, and how much room codes take."""

    split: Literal["holdout", "train", "all"]
    n: int
    """Codes given."""
    n_compared: int
    """Codes whose neighbours were compared with each other: all, or a random choice."""
    n_axes: int
    neighbours: tuple[int, ...]
    """Numbers of neighbours k that were looked at."""
    k: int
    """The one at which trustworthiness and continuity are told, and of which the verdict speaks."""
    chance: tuple[float, ...]
    """Recall of codes that have nothing to do with the features, per entry of ``neighbours``."""
    chance_trustworthiness: float
    """Trustworthiness and continuity of such codes, about 1/2."""
    random_state: int | None
    preservation: tuple[Preservation, ...]
    effective_dimension: Interval
    """Participation ratio of the variances along the principal axes of the codes, 1 to ``n_axes``; NaN without any."""
    prior_dimension: float | None
    """The same of draws from the prior; None where none were given."""
    n_components_95: int
    """Principal components that hold 95% of the variance; 0 where there is none."""
    spread: tuple[float, ...]
    """Standard deviation of the codes along each latent axis."""
    dead_axes: tuple[int, ...]
    """Latent axes with a standard deviation under 0.05."""
    verdict: str
    notes: tuple[str, ...] = ()

    def find(self, space: str, of: str) -> Preservation | None:
        """Return how far ``space`` keeps the neighbours of ``of``, None if it was not asked."""
        return next((found for found in self.preservation if (found.space, found.of) == (space, of)), None)


@dataclass(frozen=True, eq=False)
class LatentPath:
    """Codes along a way through the latent space, decoded.

    Attributes
    ----------
    position
        Where each step is, shape (n,): the value on the latent axis, or for a way through codes the number of the
        last code passed, from 0, plus the share of the way to the next.
    codes
        Shape (n, n_axes).
    decoded
        The rows they stand for, in the data's own units, shape (n, n_features), or (n, height, width[, channels]);
        where columns were encoded, (n, n_encoded) with probabilities of levels and booleans.
    labels
        The class that the model takes each step for, as text; () where it knows no classes.
    confidence
        Probability of that class, shape (n,); None where the model knows no classes.
    typicality
        Share of the prior's draws that lie where the prior is no denser than here, shape (n,): near 0 where training
        has put nothing, and what is decoded is a guess. None where the prior has no density.
    """

    position: NDArray[np.float64]
    codes: NDArray[np.float32]
    decoded: NDArray[np.float32]
    labels: tuple[str, ...]
    confidence: NDArray[np.float32] | None
    typicality: NDArray[np.float32] | None


@dataclass(frozen=True)
class Provenance:
    """What is needed to make the run again."""

    command: str
    created: str
    """UTC time in ISO 8601."""
    random_state: int
    versions: dict[str, str]
    platform: str
    n_threads: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Images:
    """Pictures for data whose rows are images; values in the data's own units.

    Each array has shape (n, height, width) or (n, height, width, channels).
    """

    originals: NDArray[np.float32]
    reconstructions: NDArray[np.float32]
    samples: NDArray[np.float32]
    sample_labels: tuple[str, ...]
    """One label per sample, "" for draws from the whole prior; samples of one class stand together."""
    walks: NDArray[np.float32] | None = None
    """Decoded ways through the latent space, shape (n_walks, n_steps, height, width[, channels])."""
    walk_names: tuple[str, ...] = ()
    """Where each way leads: from one class to the next, or along a principal axis of the codes."""


@dataclass(frozen=True, eq=False)
class Previews:
    """What a reader recognises single rows by: a small picture of each, or its most telling features.

    There are previews of some of the rows only, spread over the classes, so that a run folder stays small.
    """

    rows: NDArray[np.int64]
    """Positions in the table of rows, shape (m,), ascending."""
    thumbnails: NDArray[np.uint8] | None = None
    """Pictures of these rows, shape (m, height, width) or (m, height, width, 3), no side longer than 32."""
    feature_names: tuple[str, ...] = ()
    """The features that differ most between predicted classes or, without any, between clusters."""
    features: NDArray[np.float32] | None = None
    """Their values in the data's own units, shape (m, number of names)."""


@dataclass(frozen=True, eq=False)
class Tables:
    """What is too long for JSON.

    Attributes
    ----------
    rows
        One line per row of data: ``row`` (id), ``split`` ("train" or "holdout"), ``label_given`` (what
        training saw, missing where unlabelled), ``label_true`` (hold-out rows with a known label only),
        ``label_pred``, ``confidence`` (0 to 1), ``cluster`` (-1 is noise), ``reconstruction_error`` (mean
        squared, scaled units), ``latent_x``, ``latent_y``, ``umap_x``, ``umap_y`` (missing where UMAP was
        skipped), ``z0`` ... ``z{d-1}``. Labels are strings.
    history
        One line per epoch, as ``history_`` of the estimator.
    prior_samples
        Draws from the prior: ``label`` ("" where the prior has no classes), ``latent_x`` and ``latent_y`` in the
        latent map's plane, ``z0`` ... ``z{d-1}`` (missing from runs of older versions).
    images
        Pictures where rows are images, else None.
    previews
        What single rows are recognised by; None in runs of older versions.
    profiles
        Where rows are no images, the decoded centre of each class of the prior, or without classes codes along the
        main axes: ``name``, ``feature``, ``decoded`` (in the data's units), ``mean`` and ``std`` of the feature over
        the training rows; one line per name and feature. None for images.
    """

    rows: pd.DataFrame
    history: pd.DataFrame
    prior_samples: pd.DataFrame
    images: Images | None = None
    previews: Previews | None = None
    profiles: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class Analysis:
    """Everything that was found out about a fitted model and its data."""

    data: DataSummary
    model: ModelSummary
    classification: Classification | None
    clustering: Clustering
    prior_match: PriorMatch
    latent_map: LatentMap
    provenance: Provenance
    tables: Tables
    schema_version: int = SCHEMA_VERSION
    labels: AboutLabels = field(default_factory=AboutLabels)
    """What the labels themselves say; rows are positions in the training rows."""
    warnings: tuple[str, ...] = field(default=())
    """Alarms about the training or the data, one sentence each."""
    latent_space: LatentSpace | None = None
    """None where there were too few rows, and in runs of earlier releases."""
