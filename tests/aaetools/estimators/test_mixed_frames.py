"""The estimator on data frames of several kinds of columns, and on counts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from aaetools import AdversarialAutoencoder, load, mask_labels, save
from aaetools.exceptions import DataError


def patients(n: int = 240, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Three classes that a word tells best, with gaps in two columns."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    colour = np.where(rng.random(n) < 0.95, np.array(["red", "green", "blue"])[y], "grey").astype(object)
    frame = pd.DataFrame(
        {
            "height": rng.normal(size=n) + 0.3 * y,
            "age": rng.integers(18, 90, n),
            "visits": rng.negative_binomial(2, 0.2 + 0.2 * y),
            "smoker": rng.random(n) < 0.2 + 0.3 * y,
            "colour": colour,
            "joined": pd.Timestamp("2015-01-01") + pd.to_timedelta(rng.integers(0, 2000, n), "D"),
        }
    )
    frame.loc[rng.random(n) < 0.1, "height"] = np.nan
    frame.loc[rng.random(n) < 0.1, "colour"] = None
    return frame, y


def quick(**parameters: Any) -> AdversarialAutoencoder:
    return AdversarialAutoencoder(**{"max_epochs": 3, "hidden_layer_sizes": (16,), "random_state": 0, **parameters})


def learning(**parameters: Any) -> AdversarialAutoencoder:
    return quick(**{"max_epochs": 40, "learning_rate": 5e-3, "hidden_layer_sizes": (64,), **parameters})


FRAME, Y = patients()
SOME = mask_labels(Y, per_class=15, random_state=0)


@pytest.fixture(scope="module")
def model() -> AdversarialAutoencoder:
    return learning().fit(FRAME, SOME)


def test_columns_are_the_users_and_decode_to_readable_ones(model: AdversarialAutoencoder) -> None:
    assert model.feature_names_in_.tolist() == list(FRAME.columns)
    assert model.n_features_in_ == 6
    assert (model.reconstruction_, model.scaling_) == ("columns", "standard")
    codes = model.transform(FRAME)
    assert codes.shape == (len(FRAME), model.n_components_)
    decoded = model.inverse_transform(codes)
    assert decoded.columns.tolist() == list(FRAME.columns)
    assert set(decoded["colour"].dropna()) <= {"red", "green", "blue", "grey"}
    assert decoded["smoker"].dtype == bool
    assert decoded["joined"].dtype.kind == "M"
    assert (decoded["joined"].dt.normalize() == decoded["joined"]).all()
    assert decoded["visits"].min() >= 0
    pd.testing.assert_frame_equal(model.sample(5, label=1, random_state=3), model.sample(5, label=1, random_state=3))


def test_networks_see_zeros_and_ones_beside_standardised_numbers(model: AdversarialAutoencoder) -> None:
    scaled = pd.DataFrame(model.scale(FRAME), columns=list(model.encoded_names_))
    for name in ("smoker", "colour = red", "colour is missing", "height is missing"):
        assert set(scaled[name]) == {0, 1}
    for name in ("height", "age", "visits", "joined (days from 2015-01-01)"):
        assert scaled[name].std(ddof=0) == pytest.approx(1, abs=1e-3)
    units = pd.DataFrame(model.in_units(FRAME), columns=list(model.encoded_names_))
    np.testing.assert_allclose(units["age"], FRAME["age"], rtol=1e-5)
    np.testing.assert_allclose(units["visits"], FRAME["visits"], atol=1e-3)


@pytest.mark.slow
def test_a_category_that_tells_the_class_is_worth_its_column() -> None:
    fresh, truth = patients(seed=1)
    numbers = ["height", "age", "visits"]
    score = learning(max_epochs=150).fit(FRAME, SOME).score(fresh, truth)
    assert score > 0.8
    assert score > learning(max_epochs=150).fit(FRAME[numbers], SOME).score(fresh[numbers], truth) + 0.15


def test_reconstructions_are_better_than_the_mean_and_strange_rows_stand_out(model: AdversarialAutoencoder) -> None:
    scaled = model.scale(FRAME)
    error = model.reconstruction_error(FRAME)
    assert error.mean() < 0.8 * scaled.var(axis=0).mean()
    assert np.isfinite(model.score_samples(FRAME)).all()
    strange = FRAME.iloc[:20].assign(height=40.0, visits=900)
    assert model.score_samples(strange).max() < np.quantile(model.score_samples(FRAME), 0.05)


def test_a_saved_model_keeps_its_columns(model: AdversarialAutoencoder, tmp_path: Path) -> None:
    again = load(save(model, tmp_path / "model"))
    np.testing.assert_array_equal(again.transform(FRAME), model.transform(FRAME))
    np.testing.assert_array_equal(again.score_samples(FRAME), model.score_samples(FRAME))
    pd.testing.assert_frame_equal(
        again.inverse_transform(model.transform(FRAME)), model.inverse_transform(model.transform(FRAME))
    )
    assert again.columns_ is not None
    assert model.columns_ is not None
    assert again.columns_.columns == model.columns_.columns
    again.set_params(max_epochs=1)
    assert again.refit(FRAME, SOME, max_epochs=1).n_iter_ == 1


def test_gaps_and_words_that_the_fit_did_not_know_do_no_harm(model: AdversarialAutoencoder) -> None:
    odd = FRAME.astype({"age": float, "smoker": object}).iloc[:3]
    odd.loc[0, "age"] = np.nan
    odd.loc[1, "smoker"] = None
    odd.loc[2, "colour"] = "violet"
    assert np.isfinite(model.transform(odd)).all()
    # each row for itself
    np.testing.assert_allclose(model.transform(odd)[2], model.transform(odd.iloc[2:])[0], atol=1e-5)


def test_what_does_not_fit_is_refused(model: AdversarialAutoencoder) -> None:
    with pytest.raises(DataError, match="give one with height, age"):
        model.transform(np.zeros((2, 6)))
    with pytest.raises(ValueError, match="feature names"):
        model.transform(FRAME.drop(columns="colour"))
    with pytest.raises(DataError, match=r"row 1 .*column 'age': 'old' is not a number"):
        model.transform(FRAME.iloc[:2].assign(age=["12", "old"]))
    with pytest.raises(DataError, match="at least 2"):
        quick().fit(FRAME.iloc[:1])
    with pytest.raises(DataError, match="identifiers or free text"):
        quick().fit(FRAME.assign(name=[f"p{i}" for i in range(len(FRAME))]))


def test_missing_values_in_an_array_are_still_refused() -> None:
    gaps = FRAME[["height", "age"]]
    with pytest.raises(ValueError, match="NaN"):
        quick().fit(gaps.to_numpy())
    assert quick().fit(gaps).columns_ is not None


def test_a_frame_of_complete_numbers_is_taken_as_the_matrix_it_is() -> None:
    numbers = FRAME[["age", "visits"]]
    framed, plain = quick().fit(numbers, SOME), quick().fit(numbers.to_numpy(), SOME)
    assert framed.columns_ is None
    np.testing.assert_array_equal(framed.transform(numbers), plain.transform(numbers.to_numpy()))
    assert framed.encoded_names_ == ("age", "visits")


def test_the_squared_error_can_be_asked_for_in_any_case() -> None:
    squared = quick(reconstruction="squared").fit(FRAME, SOME)
    assert squared.reconstruction_ == "squared"
    assert squared.inverse_transform(squared.transform(FRAME)).columns.tolist() == list(FRAME.columns)
    assert not np.array_equal(squared.transform(FRAME), quick().fit(FRAME, SOME).transform(FRAME))


def test_columns_survive_cloning_and_polars() -> None:
    polars = pytest.importorskip("polars")
    plain = quick().fit(FRAME, SOME)
    framed = clone(plain).fit(polars.from_pandas(FRAME), SOME)
    np.testing.assert_array_equal(framed.transform(polars.from_pandas(FRAME)), plain.transform(FRAME))
    assert framed.feature_names_in_.tolist() == list(FRAME.columns)


@pytest.mark.parametrize("recipe", ["few-labels", "paper"])
def test_the_same_seed_gives_the_same_model(recipe: str) -> None:
    one, two = (quick(recipe=recipe).fit(FRAME, SOME) for _ in range(2))
    np.testing.assert_array_equal(one.transform(FRAME), two.transform(FRAME))
    assert one.history_["reconstruction_loss"] == two.history_["reconstruction_loss"]


def test_counts_can_be_learned_as_counts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    depth = np.exp(rng.normal(size=(200, 1)))
    counts = rng.poisson(depth * np.linspace(1, 30, 8))
    model = learning(reconstruction="counts", max_epochs=40).fit(counts)
    assert model.reconstruction_ == "counts"
    np.testing.assert_allclose(model.in_units(counts), counts, rtol=1e-4)
    decoded = model.inverse_transform(model.transform(counts))
    assert decoded.min() >= 0
    assert np.corrcoef(np.log1p(decoded).ravel(), np.log1p(counts).ravel())[0, 1] > 0.9
    assert model.history_["reconstruction_loss"][-1] < model.history_["reconstruction_loss"][0]
    # more certain of these means than the counts are on their own
    assert (model.decoder_.log_dispersion > 0).all()
    again = load(save(model, tmp_path / "model"))
    np.testing.assert_array_equal(again.score_samples(counts), model.score_samples(counts))
    with pytest.raises(DataError, match=r"row 0, column 1 .*-1 is no count"):
        model.transform(np.array([[0, -1, 0, 0, 0, 0, 0, 0]]))
    with pytest.raises(DataError, match=r"0\.5 is no count"):
        quick(reconstruction="counts").fit(counts + 0.5)
    with pytest.raises(DataError, match="reconstruction='counts' is for complete whole numbers"):
        quick(reconstruction="counts").fit(FRAME)
