"""Analyses made up to look real, so that reports are tested without training anything."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from aaetools.analysis import latent_space
from aaetools.analysis.results import (
    AboutLabels,
    Agreement,
    Analysis,
    Classification,
    ClassScore,
    Clustering,
    DataSummary,
    GoodnessOfFit,
    Images,
    Interval,
    LabelAudit,
    LabelCurve,
    LabelEffect,
    LatentMap,
    LeakCheck,
    MethodScore,
    ModelSummary,
    Previews,
    PriorMatch,
    Proportion,
    Provenance,
    ShareEstimate,
    SuggestedRow,
    Suggestions,
    SuspectLabel,
    Tables,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser

MakeAnalysis = Callable[..., Analysis]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def proportion(hits: float, n: int) -> Proportion:
    """Wilson's 95% interval."""
    p, z = hits / n, 1.959964
    middle, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Proportion(p, float((middle - half) / (1 + z * z / n)), float((middle + half) / (1 + z * z / n)), n)


def agreement_of(n: int) -> Agreement:
    """Agreement of clusters with n labels."""
    share, index = proportion(0.94 * n, n), Interval(0.88, 0.84, 0.92, n)
    return Agreement(share, share, share, index, index, index, index, index, index, n, 0, 0)


def effect_of(classes: tuple[str, ...], n_test: int) -> LabelEffect:
    """Accuracies that grow with labels, level for clusters and at chance for permuted labels; made-up numbers."""
    sizes, chance = (2, 5, 10), 1 / len(classes)

    def curve(method: str, *values: float) -> LabelCurve:
        accuracy = tuple(Interval(value, value - 0.03, value + 0.02, 3) for value in values)
        return LabelCurve(method, sizes[-len(values) :], accuracy, tuple((value,) * 3 for value in values))

    gain = Interval(0.2, 0.15, 0.25, 3)
    return LabelEffect(
        model="AdversarialAutoencoder",
        classes=classes,
        labels_per_class=sizes,
        n_draws=3,
        n_train=1000,
        n_test=n_test,
        held_back=False,
        curves=(curve("AdversarialAutoencoder", 0.8, 0.9, 0.95), curve("knn", 0.6, 0.7, 0.8)),
        without=(curve("codes, k-means", 0.7), curve("features, k-means", 0.75)),
        permuted=LeakCheck(10, Interval(chance, 0.0, 0.2, 3), (chance,) * 3, chance, 0.3, 0.5, 0.001, "at chance"),
        best_without="features, k-means",
        gain_over_none=gain,
        best_baseline="knn",
        gain_over_baseline=gain,
        gain_of_last_step=Interval(0.05, 0.01, 0.09, 3),
        labels_in_last_step=5 * len(classes),
        n_fits=13,
        random_state=0,
        notes=("The rarest class has 10 labels.",),
        verdict="The labels helped: 95.0% of held-out rows are right with 10 labels per class.",
    )


def about_labels_of(classes: tuple[str, ...], n_rows: int, n_labeled: int) -> AboutLabels:
    """An audit with one doubtful label, rows to label, and shares, of made-up numbers."""
    first, last = classes[0], classes[-1]
    share = Interval(1 / len(classes), 0.0, 1.0, n_rows - n_labeled)
    return AboutLabels(
        audit=LabelAudit(
            method="pool",
            classes=classes,
            n_rows=n_rows,
            n_labeled=n_labeled,
            n_skipped=0,
            n_folds=3,
            random_state=0,
            temperature=1.0,
            agreement=proportion(n_labeled - 1, n_labeled),
            expected_wrong=Interval(1.0, 0.0, 3.0, n_labeled),
            n_flagged=1,
            suspects=(
                SuspectLabel(7, first, last, 0.01, 0.97, True, None),
                SuspectLabel(3, last, first, 0.4, 0.6, False, first),
            ),
            verdict=f"About 1 of {n_labeled} labels is expected to be wrong.",
        ),
        suggestions=Suggestions(
            strategy="hybrid",
            n=1,
            n_rows=n_rows,
            n_labeled=n_labeled,
            n_compared=n_rows,
            random_state=0,
            rows=(SuggestedRow(11, last, 2.5, f"the labels nearby waver between {first} and {last}"),),
            verdict="1 row chosen by hybrid.",
        ),
        shares=ShareEstimate(
            classes=classes,
            shares=(share,) * len(classes),
            given=(1 / len(classes),) * len(classes),
            method="graph",
            n=n_rows - n_labeled,
            n_labeled=n_labeled,
            n_resamples=100,
            random_state=0,
            verdict="The classes are as large among unlabelled rows as among labels.",
        ),
    )


def build_analysis(
    *,
    classes: tuple[str, ...] = tuple("0123456789"),
    n_rows: int = 1797,
    n_dims: int = 2,
    labels: bool = True,
    images: bool = True,
    baselines: bool = True,
    umap: bool = True,
    name: str = "digits",
    feature_names: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    seed: int = 0,
) -> Analysis:
    """Codes around a ring of Gaussians, one per class, with a few per cent of them predicted wrongly."""
    rng = np.random.default_rng(seed)
    n_classes, n_true = len(classes), len(classes) or 5
    n_holdout = n_rows // 4
    n_train = n_rows - n_holdout
    true = rng.integers(n_true, size=n_rows)
    angle = 2 * np.pi * np.arange(n_true) / n_true
    radius = max(4.0, 0.45 * n_true)
    centers = np.zeros((n_true, n_dims))
    centers[:, 0] = radius * np.cos(angle)
    if n_dims > 1:
        centers[:, 1] = radius * np.sin(angle)
    codes = centers[true] + 0.55 * rng.normal(size=(n_rows, n_dims))
    wrong = rng.random(n_rows) < 0.05
    predicted = np.where(wrong, (true + rng.integers(1, 3, size=n_rows)) % n_true, true)
    codes[wrong] = 0.5 * (centers[true[wrong]] + centers[predicted[wrong]]) + 0.5 * rng.normal(
        size=(wrong.sum(), n_dims)
    )
    strings = np.array(classes if labels else ("",) * n_true, dtype=object)

    split = np.array(["train"] * n_train + ["holdout"] * n_holdout)
    given = np.full(n_rows, None, dtype=object)
    per_class = []
    if labels:
        for k in range(n_classes):
            chosen = np.flatnonzero((true == k) & (split == "train"))[:10]
            given[chosen] = strings[k]
            per_class.append(len(chosen))
    flat = np.zeros((2, n_dims))
    flat[0, 0] = 1
    if n_dims > 1:
        flat[1, 1] = 1
    picture = codes @ flat.T
    neighbours = 9 * rng.normal(size=(n_true, 2))[true] + rng.standard_t(5, size=(n_rows, 2))
    rows = pd.DataFrame(
        {
            "row": np.arange(n_rows),
            "split": split,
            "label_given": given,
            "label_true": [
                label if part == "holdout" else None for label, part in zip(strings[true], split, strict=True)
            ]
            if labels
            else None,
            "label_pred": strings[predicted] if labels else None,
            "confidence": rng.beta(9, 1, size=n_rows),
            "cluster": np.where(rng.random(n_rows) < 0.01, -1, predicted),
            "reconstruction_error": rng.gamma(2, 0.1, size=n_rows),
            "latent_x": picture[:, 0],
            "latent_y": picture[:, 1],
            "umap_x": neighbours[:, 0] if umap else np.nan,
            "umap_y": neighbours[:, 1] if umap else np.nan,
            **{f"z{i}": codes[:, i].astype(np.float32) for i in range(n_dims)},
        }
    )

    epochs = np.arange(1, 121)
    history = pd.DataFrame(
        {
            "epoch": epochs,
            "reconstruction_loss": 0.25 + 0.8 * np.exp(-epochs / 15) + 0.01 * rng.random(120),
            "discriminator_loss": 1.386 - 0.5 * np.exp(-epochs / 20) + 0.02 * rng.normal(size=120),
            "generator_loss": 0.693 + 0.4 * np.exp(-epochs / 20) + 0.02 * rng.normal(size=120),
            "consistency_loss": 0.02 + 0.6 * np.exp(-epochs / 10),
            "discriminator_accuracy": 0.52 + 0.4 * np.exp(-epochs / 20) + 0.01 * rng.normal(size=120),
            "seconds": 0.2 * epochs,
        }
    )
    drawn = rng.integers(n_true, size=max(1000, 60 * n_true))
    drawn_codes = centers[drawn] + 0.5 * rng.normal(size=(len(drawn), n_dims))
    prior_samples = pd.DataFrame(
        {
            "label": strings[drawn] if labels else "",
            "latent_x": (drawn_codes @ flat.T)[:, 0],
            "latent_y": (drawn_codes @ flat.T)[:, 1],
            **{f"z{i}": drawn_codes[:, i] for i in range(n_dims)},
        }
    )

    classification = None
    if labels:
        held = split == "holdout"
        confusion = np.zeros((n_classes, n_classes), dtype=int)
        np.add.at(confusion, (true[held], predicted[held]), 1)
        hits = np.diag(confusion)
        model_score = MethodScore("Adversarial autoencoder", proportion(hits.sum(), n_holdout))
        others = {
            "Logistic regression": 0.90,
            "1-NN": 0.906,
            "LabelSpreading": 0.93,
            "SelfTraining": 0.88,
            "PCA + k-NN": 0.895,
        }
        scores = tuple(
            MethodScore(method, proportion(round(share * n_holdout), n_holdout), "same labels")
            for method, share in others.items()
        )
        classification = Classification(
            classes=classes,
            model=model_score,
            baselines=scores if baselines else (),
            balanced_accuracy=model_score.accuracy.value - 0.002,
            per_class=tuple(
                ClassScore(
                    label,
                    int(confusion[k].sum()),
                    proportion(hits[k], max(int(confusion[k].sum()), 1)),
                    float(hits[k] / confusion[:, k].sum()) if confusion[:, k].sum() else None,
                    0.95,
                )
                for k, label in enumerate(classes)
            ),
            confusion=tuple(tuple(int(v) for v in line) for line in confusion),
            best_baseline="LabelSpreading" if baselines else None,
            p_value_best_baseline=0.031 if baselines else None,
            verdict="Right on 19 of 20 rows, more often than every baseline with the same labels.",
        )

    results = []
    for scope, ratio in [
        ("overall", 0.9),
        *((label, 0.5 + rng.gamma(2, 0.4)) for label in (classes if labels else ())),
    ]:
        for statistic, factor in (("mmd", 1.0), ("sliced_wasserstein", 0.9)):
            effect = float(ratio * factor)
            results.append(
                GoodnessOfFit(
                    scope=scope,
                    statistic=statistic,
                    n=n_holdout if scope == "overall" else max(n_holdout // n_true, 1),
                    value=0.004 * effect,
                    null_mean=0.001,
                    null_q95=0.004,
                    effect_ratio=effect,
                    p_value=0.005 if effect > 1 else 0.4,
                    p_adjusted=0.06 if effect > 1 else 1.0,
                    verdict="met" if effect <= 1 else "close" if effect <= 1.5 else "not met",
                )
            )

    shown = np.arange(0, n_rows, max(1, n_rows // 500))
    previews = Previews(
        rows=shown,
        feature_names=(feature_names or ("pixel_0_0", "pixel_0_1"))[:6],
        features=rng.normal(size=(len(shown), len((feature_names or ("", ""))[:6]))).astype(np.float32),
    )
    pictures = None
    if images:
        digits = load_digits()
        originals = digits.images[:20].astype(np.float32)
        previews = Previews(rows=shown, thumbnails=(digits.images[shown % 1797] * 15.9).astype(np.uint8))
        by_class = np.concatenate([digits.images[digits.target == k % 10][:10] for k in range(n_true)])
        pictures = Images(
            originals=originals,
            reconstructions=np.clip(originals * 0.8 + 1 + rng.normal(size=originals.shape), 0, 16).astype(np.float32),
            samples=by_class.astype(np.float32),
            sample_labels=tuple(str(v) for v in np.repeat(strings, 10)),
            walks=np.linspace(originals[:10], originals[10:], 9, axis=1).astype(np.float32),
            walk_names=tuple(f"{i} to {i + 1}" for i in range(10)),
        )
    profiles = None
    if not images:
        names = feature_names or tuple(f"pixel_{i // 8}_{i % 8}" for i in range(64))
        of = strings if labels else ("main axis 1, - 2 sd", "main axis 1, + 2 sd")
        profiles = pd.DataFrame([(name, feature) for name in of for feature in names], columns=["name", "feature"])
        profiles = profiles.assign(decoded=rng.normal(3, 2, len(profiles)), mean=3.0, std=2.0)

    return Analysis(
        labels=dataclasses.replace(
            about_labels_of(classes, n_train, sum(per_class)),
            effect=effect_of(classes, n_holdout) if baselines else None,
        )
        if labels and per_class
        else AboutLabels(),
        data=DataSummary(
            name=name,
            source="UCI optical recognition of handwritten digits, the 1,797 test images",
            n_features=len(feature_names) or 64,
            n_train=n_train,
            n_holdout=n_holdout,
            n_labeled=sum(per_class),
            classes=classes if labels else (),
            labeled_per_class=tuple(per_class),
            feature_names=feature_names or tuple(f"pixel_{i // 8}_{i % 8}" for i in range(64)),
            target_name="digit" if labels else None,
            image_shape=(8, 8) if images else None,
            sha256="5f3c" * 16,
        ),
        model=ModelSummary(
            estimator="AdversarialAutoencoder",
            parameters={
                "n_components": "auto",
                "batch_size": 64,
                "learning_rate": 0.001,
                "prior": "auto",
                "callbacks": None,
            },
            prior="ring",
            prior_parameters={"radius": 4.0, "std": 0.5, "n_components": n_classes},
            n_components=n_dims,
            n_weights=212_345,
            scaling="min-max to [0, 1]",
            device="cpu",
            n_epochs=120,
            fit_seconds=48.2,
            discriminator_accuracy=0.523,
            reconstruction_r2=0.81,
            dead_axes=(),
        ),
        classification=classification,
        clustering=Clustering(
            method="Gaussian mixture",
            n_clusters=n_true,
            reason="the Bayesian information criterion is lowest there",
            sizes=tuple(int((rows["cluster"] == k).sum()) for k in range(n_true)),
            silhouette=0.71,
            agreement=agreement_of(n_holdout) if labels else None,
            verdict=f"{n_true} groups that stand well apart"
            + (" and match the known classes for 94.0% of the rows." if labels else "."),
        ),
        prior_match=PriorMatch(
            prior="ring",
            split="holdout",
            n=n_holdout,
            n_resamples=199,
            random_state=0,
            results=tuple(results),
            verdict="Overall the codes are as close to the prior as fresh samples; some classes are not.",
        ),
        latent_map=LatentMap(
            kind="axes",
            x_name="z0",
            y_name="z1" if n_dims > 1 else "",
            projection=(tuple(map(float, flat[0])), tuple(map(float, flat[1]))),
            offset=(0.0, 0.0),
            umap={"n_neighbors": 15, "min_dist": 0.1, "random_state": 0} if umap else {"skipped": "fewer than 30 rows"},
        ),
        provenance=Provenance(
            command="aaetools fit --labels partial",
            created="2025-03-01T12:00:00Z",
            random_state=0,
            versions={"aaetools": "0.1.0", "numpy": "2.1.0", "scikit-learn": "1.7.0", "torch": "2.10.0"},
            platform="Linux x86_64, Python 3.12",
            n_threads=2,
        ),
        tables=Tables(rows, history, prior_samples, pictures, profiles=profiles, previews=previews),
        warnings=warnings,
        latent_space=latent_space(
            codes,
            codes @ rng.normal(size=(n_dims, 6)) + rng.normal(size=(n_rows, 6)),
            {"UMAP": neighbours} if umap else None,
            random_state=0,
            max_compared=200,
        ),
    )


VARIANTS: dict[str, dict[str, Any]] = {
    "digits": {},
    "no labels": {"labels": False, "classes": (), "images": False, "baselines": False},
    "three string classes": {
        "classes": ("setosa", "versicolor", "virginica"),
        "n_rows": 150,
        "images": False,
    },
    "fifty classes": {"classes": tuple(f"class {i}" for i in range(50)), "images": False},
    "one latent dimension": {"n_dims": 1, "classes": ("a", "b"), "n_rows": 300, "images": False},
    "no baselines, no UMAP": {"baselines": False, "umap": False, "n_rows": 200, "images": False},
}

HOSTILE = (
    "</script><script>alert(1)</script>",
    "</style><b id=injected>",
    "<!--",
    '" onerror="alert(2)',
    "' onload='alert(3)",
    "{{7*7}}",
    "{% raw %}",
    "javascript:alert(4)",
    "line\u2028and paragraph\u2029separators",
    "right\u202eto left\u200f\u2066",
    "nul\x00and bell\x07",
    "lone\ud800surrogate\udfff",
    "x" * 10_000,
    "$\\frac{1}{2}$",
    "$unfinished",
    "$$\\bad{$$",
    "_hidden from legends",
    "&lt;b&gt; &amp;",
    "=cmd|' /C calc'!A0",
    "漢字 \N{GRINNING FACE} \u05e9\u05dc\u05d5\u05dd",
    "",
    " ",
)


@pytest.fixture
def make_analysis() -> MakeAnalysis:
    """Build an analysis; keyword arguments as of `build_analysis`."""
    return build_analysis


def build_rerun(analysis: Analysis, share: float, seed: int) -> Analysis:
    """Return an analysis of the same rows whose run took another `share` of them for another class."""
    rng, rows = np.random.default_rng(seed), analysis.tables.rows
    called = rows["label_pred"].to_numpy(dtype=object).copy()
    chosen = rng.random(len(rows)) < share
    called[chosen] = rng.permutation(called[chosen])
    parameters = {**analysis.model.parameters, "learning_rate": 0.001 / (seed + 1)}
    return dataclasses.replace(
        analysis,
        model=dataclasses.replace(analysis.model, parameters=parameters),
        tables=dataclasses.replace(analysis.tables, rows=rows.assign(label_pred=called)),
    )


def build_hostile(n_rows: int = 600) -> Analysis:
    """Hostile strings wherever data can put a string."""
    strings = HOSTILE
    analysis = build_analysis(
        classes=strings,
        name=" ".join(strings[:12]),
        feature_names=strings,
        warnings=strings,
        n_rows=n_rows,
        images=False,
    )
    provenance = dataclasses.replace(
        analysis.provenance,
        command=" ".join(strings),
        notes=strings,
        versions=dict.fromkeys(strings, strings[0]),
    )
    model = dataclasses.replace(
        analysis.model, parameters={text: text for text in strings}, prior=strings[0], scaling=strings[3]
    )
    data = dataclasses.replace(analysis.data, source=strings[0], target_name=strings[3])
    ids = [strings[i % len(strings)] for i in range(n_rows)]
    tables = dataclasses.replace(analysis.tables, rows=analysis.tables.rows.assign(row=ids))
    return dataclasses.replace(analysis, provenance=provenance, model=model, data=data, tables=tables)


@cache
def _rendered(variant: str) -> str:
    from aaetools.analysis import compare
    from aaetools.reports import render, render_comparison

    if variant == "hostile":
        return render(build_hostile())
    if variant == "comparison":
        first = build_analysis(classes=("setosa", "versicolor", "virginica"), n_rows=240, images=False)
        runs = [first, build_rerun(first, 0.3, 1)]
        return render_comparison(compare(runs, ["many labels", "few labels"], n_bootstrap=50), runs)
    if variant == "hostile comparison":
        first = build_hostile()
        runs = [first, *(build_rerun(first, 0.2, seed) for seed in (1, 2))]
        return render_comparison(compare(runs, [HOSTILE[0], HOSTILE[3], HOSTILE[15]], n_bootstrap=50), runs)
    return render(build_analysis(**VARIANTS[variant]))


@pytest.fixture
def make_rerun() -> Callable[[Analysis, float, int], Analysis]:
    """Change the predictions of an analysis; arguments as of `build_rerun`."""
    return build_rerun


@pytest.fixture
def hostile_analysis() -> Analysis:
    """An analysis full of hostile strings."""
    return build_hostile()


@pytest.fixture
def page_of() -> Callable[[str], str]:
    """Return a page, made once: of a variant, of one full of hostile strings ("hostile"), or of a comparison."""
    return _rendered


@cache
def _analysis(variant: str) -> Analysis:
    return build_analysis(**VARIANTS[variant])


@pytest.fixture
def analysis_of() -> Callable[[str], Analysis]:
    """Return the analysis that the page of a variant was made from."""
    return _analysis


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Open headless Chromium once for all tests; they are skipped where there is none."""
    if CHROMIUM is None:
        reason = "no chromium, chromium-browser or google-chrome on the path"
        if os.environ.get("AAETOOLS_NEEDS_BROWSER"):
            pytest.fail(f"AAETOOLS_NEEDS_BROWSER is set, but there is {reason}")
        pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # as root, which continuous integration runs as, Chromium needs to be told to go without its sandbox
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture(autouse=True)
def _count_browser_tests(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    if "browser" in request.fixturenames:
        record_property("browser", f"Chromium {request.getfixturevalue('browser').version}")
