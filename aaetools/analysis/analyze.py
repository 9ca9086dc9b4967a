"""One call that looks at a fitted model from all sides and returns one value."""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import _num_samples

from aaetools.analysis.about_labels import about_labels
from aaetools.analysis.baselines import BASELINES, PROBES, compare_baselines, predict_with, resolve_classifiers
from aaetools.analysis.class_codes import class_codes
from aaetools.analysis.classification import DEFAULT_PROBES, classify
from aaetools.analysis.clustering import cluster_latents
from aaetools.analysis.embedding import apply_map, project_latents, umap_embed
from aaetools.analysis.features import decoded_in_units, features_in_units
from aaetools.analysis.health import dead_axes, explained_low, health_warnings, late_mean
from aaetools.analysis.latent_paths import class_centres, principal_ways, straight_way
from aaetools.analysis.latent_space import MIN_COMPARED, MIN_HELD_OUT, latent_space
from aaetools.analysis.named_clusters import NamedClusters
from aaetools.analysis.previews import row_previews
from aaetools.analysis.prior_match import MIN_CODES, STATISTICS, distinct_rows, prior_match
from aaetools.analysis.results import (
    Analysis,
    Classification,
    Clustering,
    DataSummary,
    Images,
    LatentSpace,
    ModelSummary,
    PriorMatch,
    Provenance,
    Tables,
)
from aaetools.analysis.scores import Predictions
from aaetools.analysis.serialise import json_value
from aaetools.analysis.threads import one_thread_for
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import encode_labels, is_unlabeled

__all__ = ["analyze"]

_N_ORIGINALS = 12
_SAMPLES_PER_CLASS = 8
_MAX_SAMPLED_CLASSES = 20
_N_UNCONDITIONAL_SAMPLES = 32
_N_PRIOR_DRAWS = 2_000
_N_WALKS = 10
_N_DIRECTIONS = 5
_WALK_STEPS = 9
_N_PROFILED_AXES = 3
_SLOW_STATISTICS = ("knn_kl",)
_PACKAGES = ("aaetools", "torch", "numpy", "scipy", "scikit-learn", "pandas", "umap-learn")


Picture = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Rows:
    """Rows as the model sees them; hold-out rows follow the training rows wherever both are together."""

    n_train: int
    n_holdout: int
    ids: NDArray[Any]
    scaled: NDArray[np.float32]
    codes: NDArray[np.float32]
    error: NDArray[np.float32]
    proba: NDArray[np.float32] | None
    given: NDArray[Any]
    true: NDArray[Any]
    """Labels as written, object arrays over all rows with None where missing."""

    @property
    def evaluated(self) -> slice:
        """Hold-out rows, or all rows where there are none."""
        return slice(self.n_train if self.n_holdout else 0, None)


def analyze(
    model: Any,
    X: ArrayLike,
    y: ArrayLike | None = None,
    *,
    X_holdout: ArrayLike | None = None,
    y_holdout: ArrayLike | None = None,
    dataset: Any = None,
    row_ids: ArrayLike | None = None,
    holdout_row_ids: ArrayLike | None = None,
    command: str = "",
    fit_seconds: float = float("nan"),
    n_clusters: int | None = None,
    baselines: Sequence[str] = tuple(BASELINES),
    label_parts: Sequence[str] | str = "auto",
    embed: Literal["auto", "always", "never"] | bool = "auto",
    n_resamples: int = 199,
    random_state: int = 0,
    progress: Callable[[str], object] | None = None,
    executor: Executor | None = None,
) -> Analysis:
    """Analyse a fitted model: accuracy beside baselines, clusters, prior match, pictures and alarms.

    Parameters
    ----------
    model
        A fitted :class:`aaetools.AdversarialAutoencoder`.
    X, y
        The rows it was trained on, shape (n, n_features), and the labels it was given, shape (n,), with gaps.
    X_holdout, y_holdout
        Rows that training never saw, and their true labels (gaps allowed). Accuracy, agreement of clusters
        with labels and the prior match use these rows only; without them there is no accuracy, and the prior
        match falls back on training rows and says so.
    dataset
        Where the rows came from: an object with ``name``, ``source``, ``feature_names``, ``target_name``,
        ``image_shape`` and ``sha256``.
    row_ids, holdout_row_ids
        Identifiers of the rows; numbered from 0, hold-out rows after training rows, by default.
    command
        The command line that made the run, recorded.
    fit_seconds
        How long the fit took, recorded.
    n_clusters
        Number of clusters; the number of classes, or chosen by silhouette, by default.
    baselines
        Names from :data:`BASELINES`.
    label_parts
        What to ask the given labels, names from :data:`LABEL_PARTS`; "auto" is all that is cheap, see
        :func:`aaetools.analysis.about_labels.about_labels`.
    embed
        Whether to make a UMAP picture: "auto" where the latent space has more than two dimensions, "always", "never".
        True is "auto", False "never".
    n_resamples
        Fresh prior samples per prior-match test, at least (see :func:`prior_match`).
    random_state
        Seed of everything random here.
    progress
        Called with a short text before each stage.
    executor
        Where UMAP runs while this process does the rest, such as a pool of one process; here, in its turn, by
        default. The result is the same.

    Returns
    -------
    Analysis

    Raises
    ------
    DataError, LabelError
        If rows, labels and identifiers do not fit together.
    """
    say = progress or (lambda text: None)
    wish = _embedding_wish(embed)
    say("encoding rows")
    rows = _encode_rows(model, X, y, X_holdout, y_holdout, row_ids, holdout_row_ids)
    notes: list[str] = []
    force, elsewhere = wish == "always", None
    if wish != "never" and executor is not None:
        elsewhere = executor.submit(umap_embed, rows.codes, random_state, force)

    say("comparing with baselines")
    with one_thread_for(rows.scaled.size):
        classification, alarms = _classification(model, rows, baselines, random_state)
    say("clustering")
    with one_thread_for(rows.codes.size):
        clusters, clustering = _clustering(model, rows, n_clusters, (X, X_holdout), dataset, random_state)
    labels, silent = about_labels(model, X, y, parts=label_parts, random_state=random_state, say=say)
    notes += silent
    say("testing the prior match")
    match, removed = _prior_match(model, rows, n_resamples, random_state)
    if removed:
        notes.append(f"{removed} repeated rows were left out of the prior match.")
    if match.split == "train":
        many = f"only {rows.n_holdout}" if rows.n_holdout else "no"
        notes.append(f"There are {many} hold-out rows: the prior match uses training rows, which flatters it.")
    prior_labels, prior_codes = _prior_draws(model, random_state)
    centres = None
    if "" not in prior_labels:
        centres = [prior_codes[prior_labels == str(label)].mean(axis=0) for label in model.classes_]
    coordinates, latent_map = project_latents(rows.codes, centres)
    if wish != "never":
        say("embedding with UMAP")
        picture, umap = _embedding(rows, random_state, force, elsewhere)
    else:
        picture, umap = None, {"skipped": "not asked for"}
    latent_map = replace(latent_map, umap=umap)
    say("comparing neighbours")
    space = _latent_space(rows, coordinates, picture, prior_codes, random_state)
    if space is None:
        notes.append(f"With fewer than {MIN_COMPARED} rows neighbours in the latent space were not looked at.")
    say("drawing samples")
    image_shape = _image_shape(model, dataset)
    tables = Tables(
        rows=_row_table(model, rows, clusters, coordinates, picture),
        history=pd.DataFrame(dict(model.history_)),
        prior_samples=_prior_samples(prior_labels, prior_codes, apply_map(latent_map, prior_codes)),
        images=None if image_shape is None else _images(model, rows, X, X_holdout, image_shape, random_state),
        previews=row_previews(
            _features(model, rows, X, X_holdout),
            clusters if rows.proba is None else rows.proba.argmax(axis=1),
            image_shape=image_shape,
            feature_names=_encoded_names(model, dataset),
            random_state=random_state,
        ),
        profiles=_profiles(model, rows, X, dataset, random_state) if image_shape is None else None,
    )
    summary = _model_summary(model, rows, prior_codes, fit_seconds)
    alarms += health_warnings(
        discriminator_accuracy=summary.discriminator_accuracy,
        prior_match=match,
        dead=summary.dead_axes,
        n_components=summary.n_components,
        cluster_sizes=clustering.sizes,
        reconstruction_r2=summary.reconstruction_r2,
        reconstruction_r2_low=summary.reconstruction_r2_low,
        classification=classification,
    )
    return Analysis(
        data=_data_summary(model, rows, dataset, image_shape),
        model=summary,
        classification=classification,
        clustering=clustering,
        prior_match=match,
        latent_map=latent_map,
        provenance=_provenance(command, random_state, notes),
        tables=tables,
        labels=labels,
        warnings=alarms,
        latent_space=space,
    )


# --- Stages -----------------------------------------------------------------------------------------


def _encode_rows(
    model: Any,
    X: ArrayLike,
    y: ArrayLike | None,
    X_holdout: ArrayLike | None,
    y_holdout: ArrayLike | None,
    row_ids: ArrayLike | None,
    holdout_row_ids: ArrayLike | None,
) -> _Rows:
    scaled = model.scale(X)
    n_train, n_holdout = len(scaled), 0 if X_holdout is None else _num_samples(X_holdout)
    if X_holdout is None and y_holdout is not None:
        raise LabelError("y_holdout was given without X_holdout")
    blocks = [X] if X_holdout is None or n_holdout == 0 else [X, X_holdout]
    ids = [_ids(row_ids, 0, n_train, "training"), _ids(holdout_row_ids, n_train, n_holdout, "hold-out")]
    if row_ids is not None and holdout_row_ids is None and n_holdout:
        raise DataError("row_ids were given for the training rows but not for the hold-out rows")
    has_classes = len(model.classes_) > 0
    return _Rows(
        n_train=n_train,
        n_holdout=n_holdout,
        ids=np.concatenate(ids) if n_holdout else ids[0],
        scaled=np.concatenate([scaled, *(model.scale(block) for block in blocks[1:])]),
        codes=np.concatenate([np.asarray(model.transform(block), dtype=np.float32) for block in blocks]),
        error=np.concatenate([model.reconstruction_error(block) for block in blocks]),
        proba=np.concatenate([model.predict_proba(block) for block in blocks]) if has_classes else None,
        given=np.concatenate([_known_labels(model, y, n_train, "training"), np.full(n_holdout, None, dtype=object)]),
        true=np.concatenate(
            [np.full(n_train, None, dtype=object), _known_labels(model, y_holdout, n_holdout, "hold-out")]
        ),
    )


def _classification(
    model: Any, rows: _Rows, baselines: Sequence[str], random_state: int
) -> tuple[Classification | None, tuple[str, ...]]:
    tested = np.flatnonzero(~pd.isna(rows.true))
    if rows.proba is None or len(tested) == 0:
        return None, ()
    codes = class_codes(rows.given[: rows.n_train], model.classes_)
    others: dict[str, Predictions] = {}
    probes: dict[str, Predictions] = {}
    without = None
    if (codes >= 0).any():
        without = predict_with(
            NamedClusters(random_state),
            rows.scaled[: rows.n_train],
            codes,
            rows.scaled[tested],
            n_classes=len(model.classes_),
            random_state=random_state,
        )
        others = compare_baselines(
            rows.scaled[: rows.n_train],
            codes,
            rows.scaled[tested],
            baselines=baselines,
            n_classes=len(model.classes_),
            random_state=random_state,
        )
        probes = {
            name: predict_with(
                probe, rows.codes[: rows.n_train], codes, rows.codes[tested], n_classes=len(model.classes_)
            )
            for name, probe in resolve_classifiers(DEFAULT_PROBES, PROBES, "probe", random_state).items()
        }
    return classify(
        rows.true[tested],
        np.asarray(model.classes_)[rows.proba[tested].argmax(axis=1)],
        model.classes_,
        proba=rows.proba[tested],
        probes=probes,
        baselines=others,
        without_labels=without,
        model_name=type(model).__name__,
        n_labeled=int((codes >= 0).sum()),
        random_state=random_state,
    )


def _clustering(
    model: Any,
    rows: _Rows,
    n_clusters: int | None,
    blocks: tuple[ArrayLike, ArrayLike | None],
    dataset: Any,
    random_state: int,
) -> tuple[NDArray[np.int64], Clustering]:
    known = bool((~pd.isna(rows.true)).any())
    names = _encoded_names(model, dataset)
    return cluster_latents(
        rows.codes,
        n_clusters,
        rows.true if known else None,
        random_state=random_state,
        n_classes=len(model.classes_) or None,
        X=_features(model, rows, *blocks),
        feature_names=names if len(names) == rows.scaled.shape[1] else (),
        row_ids=rows.ids,
        unlabeled=None,
    )


def _prior_match(model: Any, rows: _Rows, n_resamples: int, random_state: int) -> tuple[PriorMatch, int]:
    """Test the evaluated rows; also return how many were left out because they repeat another row.

    The rows that the fresh discriminator names are positions in the table of rows.
    """
    # a handful of hold-out rows can be told from nothing: the training rows then, and the result says so
    held_out = rows.n_holdout >= MIN_CODES
    start, stop = (rows.n_train, len(rows.codes)) if held_out else (0, rows.n_train)
    kept = distinct_rows(rows.scaled[start:stop]) + start
    labels = None
    classes = [str(label) for label in model.classes_]
    if classes and model.prior_.n_components == len(classes):
        labels = class_codes((rows.true if held_out else rows.given)[kept], model.classes_)
    match = prior_match(
        rows.codes[kept],
        model.prior_,
        labels,
        n_resamples=n_resamples,
        random_state=random_state,
        statistics=[name for name in STATISTICS if name not in _SLOW_STATISTICS],
        class_names=classes or None,
        split="holdout" if held_out else "train",
    )
    if match.discriminator is not None:
        named = tuple(int(kept[row]) for row in match.discriminator.rows)
        match = replace(match, discriminator=replace(match.discriminator, rows=named))
    return match, stop - start - len(kept)


def _embedding_wish(embed: str | bool) -> str:
    """Return "auto", "always" or "never"."""
    if isinstance(embed, bool):
        return "auto" if embed else "never"
    if embed not in ("auto", "always", "never"):
        raise DataError(f"embed must be 'auto', 'always' or 'never', not {embed!r}")
    return embed


def _embedding(
    rows: _Rows,
    random_state: int,
    force: bool,
    elsewhere: Future[tuple[Picture | None, dict[str, Any]]] | None,
) -> tuple[Picture | None, dict[str, Any]]:
    """Return what another process computes, if one does; if it has died, of too little memory say, compute it here."""
    if elsewhere is not None:
        try:
            return elsewhere.result()
        except BrokenProcessPool:
            pass
    return umap_embed(rows.codes, random_state, force)


def _latent_space(
    rows: _Rows,
    coordinates: NDArray[np.float64],
    picture: Picture | None,
    prior_codes: NDArray[np.float32],
    random_state: int,
) -> LatentSpace | None:
    """Compare neighbours of hold-out rows, or of training rows where there are too few of them."""
    held_out = rows.n_holdout >= MIN_HELD_OUT
    part = slice(rows.n_train, None) if held_out else slice(0, rows.n_train)
    codes = rows.codes[part]
    if len(codes) < MIN_COMPARED or not np.ptp(rows.scaled[part], axis=0).any():
        return None
    # codes of two dimensions are their own map
    pictures: dict[str, NDArray[Any]] = {"latent map": coordinates[part]} if codes.shape[1] > 2 else {}
    if picture is not None:
        pictures["UMAP"] = picture[part]
    return latent_space(
        codes,
        rows.scaled[part],
        pictures,
        random_state,
        prior_codes=prior_codes,
        split="holdout" if held_out else "train",
    )


# --- Tables -----------------------------------------------------------------------------------------


def _row_table(
    model: Any,
    rows: _Rows,
    clusters: NDArray[np.int64],
    coordinates: NDArray[np.float64],
    picture: NDArray[np.float32] | None,
) -> pd.DataFrame:
    n = len(rows.codes)
    names = np.array([str(label) for label in model.classes_], dtype=object)
    missing = np.full(n, np.nan, dtype=np.float32)
    columns: dict[str, Any] = {
        "row": rows.ids,
        "split": np.array(["train"] * rows.n_train + ["holdout"] * rows.n_holdout, dtype=object),
        "label_given": _as_strings(rows.given, model.classes_),
        "label_true": _as_strings(rows.true, model.classes_),
        "label_pred": np.full(n, None, dtype=object) if rows.proba is None else names[rows.proba.argmax(axis=1)],
        "confidence": missing if rows.proba is None else np.clip(rows.proba.max(axis=1), 0, 1).astype(np.float32),
        "cluster": clusters,
        "reconstruction_error": rows.error.astype(np.float32),
        "latent_x": coordinates[:, 0].astype(np.float32),
        "latent_y": coordinates[:, 1].astype(np.float32),
        "umap_x": missing if picture is None else picture[:, 0],
        "umap_y": missing if picture is None else picture[:, 1],
    }
    columns.update({f"z{axis}": rows.codes[:, axis] for axis in range(rows.codes.shape[1])})
    return pd.DataFrame(columns)


def _prior_draws(model: Any, random_state: int) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Draw codes from the prior, class by class, with the label of each; labels are "" where it has no classes."""
    import torch

    prior, classes = model.prior_, [str(label) for label in model.classes_]
    generator = torch.Generator().manual_seed(random_state)
    if classes and prior.n_components == len(classes):
        each = max(50, _N_PRIOR_DRAWS // len(classes))
        components = torch.arange(len(classes)).repeat_interleave(each)
        labels = np.repeat(np.array(classes, dtype=object), each)
        drawn = prior.sample(len(components), labels=components, generator=generator)
    else:
        labels = np.full(_N_PRIOR_DRAWS, "", dtype=object)
        drawn = prior.sample(_N_PRIOR_DRAWS, generator=generator)
    return labels, drawn.detach().cpu().numpy()


def _prior_samples(labels: NDArray[Any], codes: NDArray[np.float32], points: NDArray[np.float64]) -> pd.DataFrame:
    plane = points.astype(np.float32)
    axes = {f"z{axis}": codes[:, axis].astype(np.float32) for axis in range(codes.shape[1])}
    return pd.DataFrame({"label": labels, "latent_x": plane[:, 0], "latent_y": plane[:, 1], **axes})


def _images(
    model: Any,
    rows: _Rows,
    X: ArrayLike,
    X_holdout: ArrayLike | None,
    shape: tuple[int, ...],
    random_state: int,
) -> Images:
    def pictures(flat: ArrayLike) -> NDArray[np.float32]:
        return np.asarray(flat, dtype=np.float32).reshape(-1, *shape)

    start = rows.evaluated.start
    source = np.asarray(X if X_holdout is None or not rows.n_holdout else X_holdout)
    known = encode_labels(rows.true[start:], None).codes
    codes = known if rows.proba is None else np.where(known < 0, rows.proba[start:].argmax(axis=1), known)
    chosen = _spread_over(codes, _N_ORIGINALS, np.random.default_rng(random_state))
    classes = list(model.classes_)
    if classes and len(classes) <= _MAX_SAMPLED_CLASSES and model.prior_.n_components == len(classes):
        drawn = [
            model.sample(_SAMPLES_PER_CLASS, label=c, random_state=random_state + k) for k, c in enumerate(classes)
        ]
        samples, labels = (
            np.concatenate(drawn),
            [str(label) for label in classes for _ in range(_SAMPLES_PER_CLASS)],
        )
    else:
        samples = model.sample(_N_UNCONDITIONAL_SAMPLES, random_state=random_state)
        labels = [""] * _N_UNCONDITIONAL_SAMPLES
    walks, names = _walks(model, rows, random_state)
    return Images(
        originals=pictures(source[chosen]),
        reconstructions=pictures(model.inverse_transform(rows.codes[start + chosen])),
        samples=pictures(samples),
        sample_labels=tuple(labels),
        walks=pictures(walks).reshape(-1, _WALK_STEPS, *shape) if names else None,
        walk_names=names,
    )


def _walks(model: Any, rows: _Rows, random_state: int) -> tuple[NDArray[np.float32], tuple[str, ...]]:
    """Decode the ways from class to class, or without classes those along the main axes of the codes."""
    classes = [str(label) for label in model.classes_]
    if len(classes) < 2 or model.prior_.n_components != len(classes):
        ways, shares = principal_ways(model, rows.codes[: rows.n_train], _N_DIRECTIONS, _WALK_STEPS)
        names = tuple(f"main axis {i} ({share:.0%})" for i, share in enumerate(shares, start=1))
        return model.inverse_transform(ways.reshape(-1, ways.shape[-1])) if names else ways, names
    centres = class_centres(model, random_state)
    # a round trip, but there and back again between two classes would show everything twice
    ends = [(k, (k + 1) % len(classes)) for k in range(len(classes) if len(classes) > 2 else 1)][:_N_WALKS]
    codes = np.concatenate([straight_way(centres[[a, b]], _WALK_STEPS)[1] for a, b in ends])
    return model.inverse_transform(codes), tuple(f"{classes[a]} to {classes[b]}" for a, b in ends)


def _profiles(model: Any, rows: _Rows, X: ArrayLike, dataset: Any, random_state: int) -> pd.DataFrame | None:
    """Decode the centre of each class, or without classes the ends of the main axes of the codes."""
    classes = [str(label) for label in model.classes_]
    if classes and model.prior_.n_components == len(classes):
        codes, labels = class_centres(model, random_state), classes
    else:
        ways, _ = principal_ways(model, rows.codes[: rows.n_train], _N_PROFILED_AXES, 2)
        codes = ways.reshape(-1, rows.codes.shape[1])
        labels = [f"main axis {i + 1}, {end} 2 sd" for i in range(len(ways)) for end in ("-", "+")]
    if len(codes) == 0:
        return None
    decoded = decoded_in_units(model, codes).astype(np.float64).reshape(len(codes), -1)
    features = features_in_units(model, X).astype(np.float64).reshape(rows.n_train, -1)
    n_features = decoded.shape[1]
    names = _encoded_names(model, dataset)
    if len(names) != n_features:
        names = tuple(f"feature {i}" for i in range(n_features))
    return pd.DataFrame(
        {
            "name": np.repeat(np.array(labels, dtype=object), n_features),
            "feature": np.tile(np.array(names, dtype=object), len(codes)),
            "decoded": decoded.ravel(),
            "mean": np.tile(features.mean(axis=0), len(codes)),
            "std": np.tile(features.std(axis=0), len(codes)),
        }
    )


def _spread_over(codes: NDArray[np.int64], n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose n rows at random, one of every class before a second of any, in class order."""
    order = rng.permutation(len(codes))
    turn = pd.Series(codes[order]).groupby(codes[order]).cumcount().to_numpy()
    chosen = order[np.argsort(turn, kind="stable")][:n]
    return np.asarray(chosen[np.argsort(codes[chosen], kind="stable")])


# --- Summaries --------------------------------------------------------------------------------------


def _data_summary(model: Any, rows: _Rows, dataset: Any, image_shape: tuple[int, ...] | None) -> DataSummary:
    codes = class_codes(rows.given[: rows.n_train], model.classes_)
    columns = getattr(model, "columns_", None)
    counts = np.bincount(codes[codes >= 0], minlength=len(model.classes_))
    return DataSummary(
        name=str(getattr(dataset, "name", "data")),
        source=str(getattr(dataset, "source", "")),
        n_features=int(model.n_features_in_),
        n_train=rows.n_train,
        n_holdout=rows.n_holdout,
        n_labeled=int((codes >= 0).sum()),
        classes=tuple(str(label) for label in model.classes_),
        labeled_per_class=tuple(int(count) for count in counts),
        feature_names=_feature_names(model, dataset),
        target_name=getattr(dataset, "target_name", None),
        image_shape=image_shape,
        sha256=str(getattr(dataset, "sha256", "")),
        encodings=tuple(column.encoding for column in columns.columns) if columns is not None else (),
    )


def _model_summary(model: Any, rows: _Rows, prior_codes: NDArray[np.float32], fit_seconds: float) -> ModelSummary:
    mean = rows.scaled[: rows.n_train].mean(axis=0, dtype=np.float64)
    variance = float(np.square(rows.scaled[rows.evaluated] - mean).mean(dtype=np.float64))
    mse = float(rows.error[rows.evaluated].mean(dtype=np.float64))
    return ModelSummary(
        estimator=type(model).__name__,
        parameters={name: _setting(value) for name, value in sorted(model.get_params(deep=False).items())},
        prior=str(model.prior_.name),
        prior_parameters=json_value(model.prior_.describe()),
        n_components=int(model.n_components_),
        n_weights=int(model.n_weights_),
        scaling=str(model.scaling_),
        device=str(model.device_),
        n_epochs=int(model.n_iter_),
        fit_seconds=float(fit_seconds),
        discriminator_accuracy=late_mean(model.history_, "discriminator_accuracy"),
        reconstruction_r2=1 - mse / variance if variance > 0 else float("nan"),
        dead_axes=dead_axes(rows.codes, prior_codes),
        reconstruction_r2_low=explained_low(rows.scaled[rows.evaluated], rows.error[rows.evaluated]),
    )


def _provenance(command: str, random_state: int, notes: Sequence[str]) -> Provenance:
    import torch

    versions = {name: _version(name) for name in _PACKAGES}
    return Provenance(
        command=command,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        random_state=random_state,
        versions={**versions, "python": platform.python_version()},
        # Not platform.platform(), whose kernel string says more about the owner than about the numbers.
        platform=f"{platform.system()} {platform.machine()}",
        n_threads=int(torch.get_num_threads()),
        notes=tuple(notes),
    )


# --- Small parts ------------------------------------------------------------------------------------


def _features(model: Any, rows: _Rows, X: ArrayLike, X_holdout: ArrayLike | None) -> NDArray[np.float32]:
    """Return the features of all rows in the data's own units."""
    blocks = [X] if X_holdout is None or rows.n_holdout == 0 else [X, X_holdout]
    return np.concatenate([features_in_units(model, block) for block in blocks])


def _feature_names(model: Any, dataset: Any) -> tuple[str, ...]:
    names = getattr(dataset, "feature_names", ())
    if not len(names):
        names = getattr(model, "feature_names_in_", ())
    return tuple(str(name) for name in names)


def _encoded_names(model: Any, dataset: Any) -> tuple[str, ...]:
    """Return one name per column of :func:`features_in_units`, if there are names."""
    columns = getattr(model, "columns_", None)
    return _feature_names(model, dataset) if columns is None else columns.encoded_names


def _ids(ids: ArrayLike | None, first: int, n: int, which: str) -> NDArray[Any]:
    if ids is None:
        return np.arange(first, first + n)
    array = np.asarray(ids)
    if array.shape != (n,):
        raise DataError(f"{array.size} row identifiers were given for {n} {which} rows")
    return array


def _known_labels(model: Any, y: ArrayLike | None, n: int, which: str) -> NDArray[Any]:
    """Return labels as an object array, shape (n,), with None for every kind of missing label."""
    if y is None:
        return np.full(n, None, dtype=object)
    gaps = is_unlabeled(y, getattr(model, "unlabeled", -1))
    if gaps.shape != (n,):
        raise LabelError(f"{gaps.size} labels were given for {n} {which} rows")
    labels = np.array(pd.Series(y).to_numpy(dtype=object), dtype=object)
    labels[gaps] = None
    return labels


def _as_strings(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[Any]:
    """Write labels as the model's classes are written (3.0 is class 3 where classes are integers)."""
    names = [str(label) for label in classes]
    codes = class_codes(labels, classes).tolist()
    texts = [
        names[code] if code >= 0 else (None if label is None else str(label))
        for label, code in zip(labels, codes, strict=True)
    ]
    return np.array(texts, dtype=object)


def _image_shape(model: Any, dataset: Any) -> tuple[int, ...] | None:
    shape: Any = getattr(dataset, "image_shape", None) or getattr(model, "sample_shape_", ())
    return tuple(int(side) for side in shape) if len(shape) >= 2 else None


def _setting(value: Any) -> Any:
    """Return a constructor parameter in JSON's types; a prior object by its own description."""
    if hasattr(value, "describe"):
        return {"name": str(value.name), **json_value(value.describe())}
    if type(value).__name__ == "device":
        return str(value)
    return json_value(value)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"
