"""The whole analysis: what it takes from where, and that labels held back stay held back."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from aaetools.analysis.analyze import _spread_over, analyze
from aaetools.analysis.latent_paths import class_centres
from aaetools.analysis.results import Analysis
from aaetools.exceptions import DataError, LabelError

FAST: dict[str, Any] = {"embed": False, "n_resamples": 39, "baselines": ("knn",)}
QUICK: dict[str, Any] = {**FAST, "n_resamples": 19, "label_parts": (), "n_clusters": 2}


def test_the_row_table_has_the_documented_columns_in_order(analysis: Analysis) -> None:
    rows = analysis.tables.rows
    assert list(rows) == [
        "row", "split", "label_given", "label_true", "label_pred", "confidence", "cluster",
        "reconstruction_error", "latent_x", "latent_y", "umap_x", "umap_y", "z0", "z1", "z2", "z3",
    ]  # fmt: skip
    assert len(rows) == analysis.data.n_train + analysis.data.n_holdout
    assert rows["row"].is_unique
    assert rows["umap_x"].isna().all()
    assert rows["confidence"].between(0, 1).all()
    assert {rows[name].dtype for name in ("z0", "confidence", "umap_x", "latent_x")} == {np.dtype("float32")}


def test_given_labels_stand_only_at_training_rows_and_true_ones_only_at_hold_out_rows(
    analysis: Analysis, digits: Any
) -> None:
    train, holdout = (analysis.tables.rows.query(f"split == '{split}'") for split in ("train", "holdout"))
    assert train["label_true"].isna().all()
    assert holdout["label_given"].isna().all()
    expected = [None if label == -1 else str(label) for label in digits.y]
    assert [None if pd.isna(label) else label for label in train["label_given"]] == expected
    assert holdout["label_true"].tolist() == [str(label) for label in digits.y_holdout]
    assert set(analysis.tables.rows["label_pred"]) == {"0", "1", "2", "3"}


def test_numbers_agree_with_the_table(analysis: Analysis) -> None:
    holdout = analysis.tables.rows.query("split == 'holdout'")
    assert analysis.classification is not None
    accuracy = analysis.classification.model.accuracy
    assert accuracy.n == len(holdout) == analysis.data.n_holdout
    assert accuracy.value == pytest.approx((holdout["label_true"] == holdout["label_pred"]).mean())
    assert np.trace(analysis.classification.confusion) == round(accuracy.value * accuracy.n)
    assert analysis.clustering.sizes == tuple(analysis.tables.rows["cluster"].value_counts().sort_index())
    assert analysis.clustering.agreement is not None
    assert analysis.clustering.agreement.n == len(holdout)
    assert analysis.prior_match.split == "holdout"
    assert analysis.data.labeled_per_class == (8, 8, 8, 8)


def test_the_hold_out_labels_change_scores_only(analysis: Analysis, digits: Any, digits_model: Any) -> None:
    shuffled = np.random.default_rng(0).permutation(digits.y_holdout)
    other = analyze(digits_model, digits.X, digits.y, X_holdout=digits.X_holdout, y_holdout=shuffled, embed=False)
    kept = [name for name in analysis.tables.rows if name != "label_true"]
    pd.testing.assert_frame_equal(other.tables.rows[kept], analysis.tables.rows[kept])
    assert other.classification is not None
    assert other.classification.model.accuracy.value < 0.5


def test_the_best_baseline_had_the_same_labels(analysis: Analysis) -> None:
    assert analysis.classification is not None
    assert {score.name for score in analysis.classification.baselines} == {
        "label_spreading",
        "logistic_regression",
        "knn",
    }
    assert all(score.accuracy.value > 0.7 for score in analysis.classification.baselines)


def test_prior_draws_lie_in_the_plane_of_the_latent_map(analysis: Analysis) -> None:
    draws = analysis.tables.prior_samples
    assert list(draws) == ["label", "latent_x", "latent_y", "z0", "z1", "z2", "z3"]
    plane = draws[["z0", "z1", "z2", "z3"]].to_numpy() @ np.array(analysis.latent_map.projection).T
    np.testing.assert_allclose(plane + analysis.latent_map.offset, draws[["latent_x", "latent_y"]], atol=1e-4)
    assert draws["label"].value_counts().nunique() == 1
    assert set(draws["label"]) == {"0", "1", "2", "3"}


def test_images_are_hold_out_rows_of_all_classes_and_samples_of_each(analysis: Analysis, digits: Any) -> None:
    images = analysis.tables.images
    assert images is not None
    assert images.originals.shape == images.reconstructions.shape == (12, 8, 8)
    flat = {row.tobytes() for row in digits.X_holdout.astype(np.float32)}
    assert {image.reshape(-1).tobytes() for image in images.originals} <= flat
    assert images.samples.shape == (32, 8, 8)
    assert images.sample_labels == ("0",) * 8 + ("1",) * 8 + ("2",) * 8 + ("3",) * 8


def test_previews_are_the_rows_themselves(analysis: Analysis, digits: Any) -> None:
    previews = analysis.tables.previews
    assert previews is not None
    assert previews.thumbnails is not None
    X = np.concatenate([digits.X, digits.X_holdout])
    np.testing.assert_array_equal(previews.rows, np.arange(len(X)))
    np.testing.assert_allclose(previews.thumbnails.reshape(len(X), -1), X * (255 / X.max()), atol=0.51)


def test_chosen_rows_are_spread_over_the_classes() -> None:
    codes = np.array([0] * 90 + [1] * 8 + [2] * 2)
    chosen = codes[_spread_over(codes, 12, np.random.default_rng(0))]
    assert np.bincount(chosen).tolist() == [5, 5, 2]
    assert len(_spread_over(codes[:3], 12, np.random.default_rng(0))) == 3


def test_the_same_seed_gives_the_same_analysis(analysis: Analysis, digits: Any, digits_model: Any) -> None:
    again = analyze(
        digits_model, digits.X, digits.y, X_holdout=digits.X_holdout, y_holdout=digits.y_holdout, embed=False
    )
    pd.testing.assert_frame_equal(again.tables.rows, analysis.tables.rows)
    pd.testing.assert_frame_equal(again.tables.prior_samples, analysis.tables.prior_samples)
    assert again.prior_match == analysis.prior_match
    # this time the features have no names
    assert replace(again.clustering, profiles=()) == replace(analysis.clustering, profiles=())
    for one, other in zip(again.clustering.profiles, analysis.clustering.profiles, strict=True):
        assert replace(one, features=()) == replace(other, features=())
        assert [effect.effect for effect in one.features] == [effect.effect for effect in other.features]
        assert [effect.feature.removeprefix("feature ") for effect in one.features] == [
            effect.feature.removeprefix("pixel ") for effect in other.features
        ]
    assert again.classification == analysis.classification


def test_without_labels_there_is_no_classification_and_the_rest_stands(digits: Any, make_model: Any) -> None:
    model = make_model(3).fit(digits.X)
    result = analyze(model, digits.X, **FAST)
    assert result.classification is None
    assert result.prior_match.split == "train"
    assert any("training rows" in note for note in result.provenance.notes)
    assert "silhouette" in result.clustering.reason
    assert result.tables.rows["label_pred"].isna().all()
    assert result.tables.rows["confidence"].isna().all()
    assert (result.tables.prior_samples["label"] == "").all()
    assert result.tables.images is None
    assert result.data.classes == ()
    assert result.latent_map.umap == {"skipped": "not asked for"}


def test_string_labels_and_gaps_in_the_hold_out(digits: Any, make_model: Any) -> None:
    names = np.array(["zero", "one", "two", "three"], dtype=object)
    y = np.array([None if label == -1 else names[label] for label in digits.y], dtype=object)
    truth = names[digits.y_holdout]
    truth[:20] = None
    truth[20:25] = "seven"
    model = make_model(4).fit(digits.X, y)
    result = analyze(model, digits.X, y, X_holdout=digits.X_holdout, y_holdout=truth, **FAST)
    assert result.classification is not None
    assert result.classification.model.accuracy.n == len(truth) - 20
    assert result.classification.classes == ("one", "three", "two", "zero", "seven")
    assert any("5 hold-out rows have a label that no training row had (seven)" in text for text in result.warnings)
    assert result.tables.rows["label_true"].notna().sum() == len(truth) - 20


def test_float_labels_with_gaps_mean_the_integers(digits: Any, make_model: Any) -> None:
    y = np.where(digits.y == -1, np.nan, digits.y)
    model = make_model(4).fit(digits.X, y)
    result = analyze(model, digits.X, y, X_holdout=digits.X_holdout, y_holdout=digits.y_holdout.astype(float), **FAST)
    assert result.data.classes == ("0", "1", "2", "3")
    assert set(result.tables.rows["label_given"].dropna()) == {"0", "1", "2", "3"}
    assert result.classification is not None
    assert result.classification.classes == ("0", "1", "2", "3")


def test_repeated_rows_are_left_out_of_the_prior_match(digits: Any, digits_model: Any) -> None:
    X, y = (np.concatenate([part, part[:7]]) for part in (digits.X_holdout, digits.y_holdout))
    result = analyze(digits_model, digits.X, digits.y, X_holdout=X, y_holdout=y, **FAST)
    assert result.prior_match.n == len(digits.X_holdout)
    assert "7 repeated rows were left out of the prior match." in result.provenance.notes


def test_row_identifiers_are_kept_and_checked(digits: Any, digits_model: Any) -> None:
    n, m = len(digits.X), len(digits.X_holdout)
    ids, other = np.array([f"a{i}" for i in range(n)]), np.array([f"b{i}" for i in range(m)])
    call = {"X_holdout": digits.X_holdout, "y_holdout": digits.y_holdout, **FAST}
    result = analyze(digits_model, digits.X, digits.y, row_ids=ids, holdout_row_ids=other, **call)
    assert result.tables.rows["row"].tolist() == [*ids, *other]
    with pytest.raises(DataError, match="not for the hold-out rows"):
        analyze(digits_model, digits.X, digits.y, row_ids=ids, **call)
    with pytest.raises(DataError, match=f"3 row identifiers were given for {n} training rows"):
        analyze(digits_model, digits.X, digits.y, row_ids=ids[:3], holdout_row_ids=other, **call)


def test_labels_must_fit_the_rows(digits: Any, digits_model: Any) -> None:
    with pytest.raises(LabelError, match="without X_holdout"):
        analyze(digits_model, digits.X, digits.y, y_holdout=digits.y_holdout, **FAST)
    with pytest.raises(LabelError, match="5 labels were given for"):
        analyze(digits_model, digits.X, digits.y[:5], **FAST)


def test_parameters_and_provenance_are_plain_and_name_no_machine(analysis: Analysis) -> None:
    import platform

    assert analysis.model.parameters["f"] == "builtin_function_or_method"
    assert analysis.model.parameters["prior"] == {"name": "test", "n_dims": 4}
    assert {"aaetools", "torch", "scikit-learn", "numpy", "umap-learn", "python"} <= set(analysis.provenance.versions)
    assert platform.node() not in analysis.provenance.platform
    assert analysis.provenance.created.endswith("+00:00")
    assert analysis.provenance.command == "aaetools fit digits"


def test_stages_are_announced(digits: Any, digits_model: Any) -> None:
    said: list[str] = []
    analyze(digits_model, digits.X, digits.y, progress=said.append, **FAST)
    assert said == [
        "encoding rows",
        "comparing with baselines",
        "clustering",
        *(f"asking the labels: {part}" for part in ("audit", "suggestions", "novel classes", "shares")),
        "testing the prior match",
        "comparing neighbours",
        "drawing samples",
    ]


def test_the_estimator_itself_goes_through(digits: Any) -> None:
    from aaetools.analysis.serialise import analysis_from_json, analysis_to_json
    from aaetools.estimators import AdversarialAutoencoder

    model = AdversarialAutoencoder(max_epochs=2, hidden_layer_sizes=(16,), image_shape=(8, 8), random_state=0)
    model.fit(digits.X, digits.y)
    result = analyze(model, digits.X, digits.y, X_holdout=digits.X_holdout, y_holdout=digits.y_holdout, **FAST)
    holdout = result.tables.rows.query("split == 'holdout'")
    assert holdout["label_pred"].tolist() == [str(label) for label in model.predict(digits.X_holdout)]
    assert result.model.n_components == model.n_components_
    assert len(result.tables.history) == 2
    assert result.tables.images is not None
    text = analysis_to_json(result)
    assert analysis_to_json(analysis_from_json(text, result.tables)) == text


def test_a_model_far_below_its_baseline_is_an_alarm(digits: Any, make_model: Any) -> None:
    model = make_model(4).fit(digits.X, digits.y)
    model.means_ = np.roll(model.means_, 1, axis=0)  # takes every class for the next
    result = analyze(model, digits.X, digits.y, X_holdout=digits.X_holdout, y_holdout=digits.y_holdout, **FAST)
    assert any("points fewer than knn" in warning for warning in result.warnings)


@pytest.mark.parametrize("n_holdout", [0, 9])
def test_too_few_hold_out_rows_leave_the_prior_match_to_the_training_rows(
    digits: Any, digits_model: Any, n_holdout: int
) -> None:
    found = analyze(
        digits_model,
        digits.X,
        digits.y,
        X_holdout=digits.X_holdout[:n_holdout] if n_holdout else None,
        y_holdout=digits.y_holdout[:n_holdout] if n_holdout else None,
        embed=False,
        baselines=(),
        n_resamples=19,
    )
    assert found.prior_match.split == "train"
    assert found.prior_match.n > 9
    assert any("the prior match uses training rows" in note for note in found.provenance.notes)


def test_neighbours_are_those_of_hold_out_rows_and_the_map_is_judged_with_the_codes(
    analysis: Analysis, digits: Any, make_model: Any
) -> None:
    found = analysis.latent_space
    assert found is not None
    assert (found.split, found.n, found.n_axes) == ("holdout", len(digits.X_holdout), 4)
    assert {(p.space, p.of) for p in found.preservation} >= {("codes", "features"), ("latent map", "codes")}
    assert found.prior_dimension is not None
    # codes of two axes are their own map, and without hold-out rows there are those of training
    flat = analyze(make_model(2).fit(digits.X), digits.X, **QUICK).latent_space
    assert flat is not None
    assert (flat.split, {p.space for p in flat.preservation}) == ("train", {"codes", "PCA"})


def test_ways_between_classes_are_stored_as_images(analysis: Analysis) -> None:
    images = analysis.tables.images
    assert images is not None
    assert images.walks is not None
    assert images.walks.shape == (4, 9, 8, 8)
    assert images.walk_names == ("0 to 1", "1 to 2", "2 to 3", "3 to 0")
    np.testing.assert_allclose(images.walks[0, -1], images.walks[1, 0], rtol=1e-5)
    assert analysis.tables.profiles is None


def test_without_classes_the_ways_lead_along_the_main_axes(digits: Any, make_model: Any) -> None:
    shaped = SimpleNamespace(name="digits", image_shape=(8, 8))
    images = analyze(make_model(3).fit(digits.X), digits.X, dataset=shaped, **QUICK).tables.images
    assert images is not None
    assert images.walks is not None
    assert images.walks.shape == (3, 9, 8, 8)
    assert images.walk_names[0].startswith("main axis 1 (")


def test_rows_that_are_no_images_get_a_profile_of_each_class(digits: Any, digits_model: Any) -> None:
    profiles = analyze(digits_model, digits.X, digits.y, **QUICK).tables.profiles
    assert profiles is not None
    assert list(profiles.columns) == ["name", "feature", "decoded", "mean", "std"]
    assert len(profiles) == 4 * 64
    assert list(profiles["name"].unique()) == ["0", "1", "2", "3"]
    by_name = profiles[profiles["name"] == "2"]
    np.testing.assert_allclose(by_name["mean"], digits.X.mean(axis=0))
    centre = class_centres(digits_model)[2:3]
    np.testing.assert_allclose(by_name["decoded"], digits_model.inverse_transform(centre)[0], rtol=1e-5)


def test_what_is_no_wish_for_a_picture_is_refused(digits: Any, digits_model: Any) -> None:
    with pytest.raises(DataError, match="embed must be 'auto', 'always' or 'never', not 'yes'"):
        analyze(digits_model, digits.X, digits.y, embed="yes")  # type: ignore[arg-type]


def test_too_few_rows_for_neighbours_are_a_note(digits: Any, make_model: Any) -> None:
    model = make_model(2).fit(digits.X[:10])
    found = analyze(model, digits.X[:10], **QUICK)
    assert found.latent_space is None
    assert any("fewer than 11 rows" in note for note in found.provenance.notes)


@pytest.mark.parametrize(("wish", "force"), [("auto", False), (True, False), ("always", True)])
def test_the_wish_for_a_picture_reaches_umap(
    monkeypatch: pytest.MonkeyPatch, digits: Any, make_model: Any, wish: Any, force: bool
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        import_module("aaetools.analysis.analyze"),  # the package has a function of that name
        "umap_embed",
        lambda codes, seed, forced: (asked.append(forced), (None, {"skipped": "a test"}))[1],
    )
    analyze(make_model(2).fit(digits.X), digits.X, **{**QUICK, "embed": wish})
    assert asked == [force]
