"""The estimator as users meet it."""

from __future__ import annotations

import copy
import shutil
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, make_blobs
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from aaetools import AdversarialAutoencoder, mask_labels, split_holdout
from aaetools.exceptions import AAEToolsError, DataError, LabelError, TrainingError
from aaetools.networks import Discriminator
from aaetools.priors import PRIORS, RingPrior
from aaetools.training import Callback, TrainingContext
from aaetools.training.recipes import RECIPES


def blobs(n: int = 120, n_classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    centers = 8 * np.random.RandomState(1).normal(size=(n_classes, 5))
    X, y = make_blobs(n, centers=centers, random_state=0)
    return X, y


def quick(**parameters: Any) -> AdversarialAutoencoder:
    return AdversarialAutoencoder(**{"max_epochs": 2, "hidden_layer_sizes": (16,), "random_state": 0, **parameters})


def learning(**parameters: Any) -> AdversarialAutoencoder:
    return quick(**{"max_epochs": 150, "learning_rate": 5e-3, **parameters})


X, Y = blobs()
SOME = mask_labels(Y, per_class=5, random_state=0)
NAMES = np.array(["ant", "bee", "cat"], dtype=object)


def with_gaps(values: np.ndarray, gap: Any) -> np.ndarray:
    labels = values.astype(object)
    labels[SOME == -1] = gap
    return labels


# -- labels of every kind --------------------------------------------------------------------------------------------

LABELS: list[tuple[str, Any, list[Any]]] = [
    ("integers with -1", SOME, [0, 1, 2]),
    ("a list", SOME.tolist(), [0, 1, 2]),
    ("floats with nan", np.where(SOME == -1, np.nan, SOME), [0, 1, 2]),
    ("strings with None", with_gaps(NAMES[Y], None), ["ant", "bee", "cat"]),
    ("strings with nan", with_gaps(NAMES[Y], np.nan), ["ant", "bee", "cat"]),
    ("a nullable integer series", pd.Series(with_gaps(Y, pd.NA), dtype="Int64"), [0, 1, 2]),
    ("a string series", pd.Series(with_gaps(NAMES[Y], pd.NA), dtype="string"), ["ant", "bee", "cat"]),
    ("a categorical series", pd.Series(with_gaps(NAMES[Y], None), dtype="category"), ["ant", "bee", "cat"]),
    ("booleans with None", with_gaps(Y == 0, None), [False, True]),
    ("all labelled", Y, [0, 1, 2]),
]


@pytest.mark.parametrize(("y", "classes"), [case[1:] for case in LABELS], ids=[case[0] for case in LABELS])
def test_labels_of_every_kind_come_back_as_they_went_in(y: Any, classes: list[Any]) -> None:
    model = quick().fit(X, y)
    assert model.classes_.tolist() == classes
    predicted = model.predict(X)
    assert predicted.shape == (len(X),)
    assert set(predicted.tolist()) <= set(classes)
    proba = model.predict_proba(X)
    assert proba.shape == (len(X), len(classes))
    assert np.allclose(proba.sum(1), 1, atol=1e-5)
    assert 0 <= model.score(X, y) <= 1


def test_a_named_category_can_stand_for_unlabelled() -> None:
    y = with_gaps(NAMES[Y], "unknown")
    model = quick(unlabeled="unknown").fit(X, y)
    assert model.classes_.tolist() == ["ant", "bee", "cat"]
    assert model.score(X, y) == model.score(X[SOME != -1], NAMES[Y][SOME != -1])


@pytest.mark.parametrize("y", [None, np.full(len(X), -1), [None] * len(X)])
def test_without_labels_it_is_the_plain_autoencoder(y: Any) -> None:
    model = quick().fit(X, y)
    assert len(model.classes_) == 0
    assert model.prior_.name == "gaussian"
    assert model.discriminator_.n_entries == 0
    assert model.transform(X).shape == (len(X), 2)
    with pytest.raises(LabelError, match="fitted without labels"):
        model.predict(X)


# -- what the model must learn ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_every_recipe_learns_separate_classes(recipe: str) -> None:
    model = learning(recipe=recipe, max_epochs=250).fit(X, SOME)
    assert model.score(X, Y) >= 0.95


@pytest.mark.parametrize("prior", sorted(PRIORS))
@pytest.mark.slow
def test_every_prior_can_hold_the_classes(prior: str) -> None:
    model = learning(prior=prior, max_epochs=500).fit(X, Y)
    assert model.score(X, Y) >= 0.9
    draws = model.predict(model.sample(60, label=1))
    assert (draws == 1).mean() >= 0.6


class BlindDiscriminator(Discriminator):
    """D with the one-hot row blanked: the label never reaches it."""

    def forward(self, z: Tensor, entries: Tensor | None = None) -> Tensor:
        assert entries is not None
        return super().forward(z, torch.zeros_like(entries))


@pytest.mark.slow
def test_removing_the_one_hot_from_the_discriminator_drops_class_placement_to_chance() -> None:
    """The classes reach the codes through D's label row and no other way."""
    rows, truth = blobs(200, n_classes=5)
    told = learning(max_epochs=200, n_components=6).fit(rows, truth).score(rows, truth)
    scores = []
    for seed in range(5):
        blind = learning(
            max_epochs=100, random_state=seed, n_components=6, discriminator=BlindDiscriminator(6, 6, (16,))
        )
        scores.append(blind.fit(rows, truth).score(rows, truth))
    assert told >= 0.9
    # five clusters land on five corners by chance: one in five is right on average
    assert np.mean(scores) <= 0.5


def test_permuted_labels_teach_nothing_about_the_truth() -> None:
    shuffled = np.random.RandomState(0).permutation(Y)
    assert learning(recipe="paper").fit(X, shuffled).score(X, Y) < 0.75


class LabelLeakEncoder(nn.Module):
    """Records what the encoder is given."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(5, 4)
        self.widths: set[tuple[int, int]] = set()

    def forward(self, x: Tensor) -> Tensor:
        self.widths.add((x.ndim, x.shape[1]))
        return self.net(x)


@pytest.mark.parametrize("recipe", sorted(RECIPES))
def test_the_encoder_is_only_ever_given_the_features(recipe: str) -> None:
    model = quick(encoder=LabelLeakEncoder(), recipe=recipe).fit(X, SOME)
    assert model.encoder_.widths == {(2, 5)}


def test_an_untold_row_never_shows_its_label() -> None:
    """Changing the hidden labels changes nothing, because they are nowhere."""
    first = quick(max_epochs=3).fit(X, SOME).transform(X)
    hidden = Y.copy()
    hidden[SOME == -1] = (hidden[SOME == -1] + 1) % 3
    second = quick(max_epochs=3).fit(X, np.where(SOME == -1, -1, hidden)).transform(X)
    assert np.array_equal(first, second)


@pytest.mark.slow
def test_digits_with_ten_labels_per_class_are_recognised() -> None:
    digits, truth = load_digits(return_X_y=True)
    train, holdout = split_holdout(truth, 0.25, random_state=0)
    given = mask_labels(truth[train], per_class=10, random_state=100)
    model = AdversarialAutoencoder(random_state=0).fit(digits[train], given)
    assert model.score(digits[holdout], truth[holdout]) >= 0.95
    assert 0.4 < np.mean(model.history_["discriminator_accuracy"][-10:]) < 0.6
    # the prior's regions decode to the digits they stand for
    for digit in range(10):
        assert (model.predict(model.sample(50, label=digit)) == digit).mean() >= 0.8


# -- transformer -----------------------------------------------------------------------------------------------------


def test_codes_are_float32_and_decode_to_the_datas_units() -> None:
    model = learning().fit(X, SOME)
    Z = model.transform(X)
    assert Z.dtype == np.float32
    assert Z.shape == (len(X), model.n_components_)
    back = model.inverse_transform(Z)
    assert back.shape == X.shape
    assert np.square(back - X).mean() < 0.5 * X.var(0).mean()
    assert np.allclose(model.fit_transform(X, SOME), Z, atol=1e-6), "fit_transform is fit and transform"


def test_data_frames_keep_their_names() -> None:
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = quick().set_output(transform="pandas").fit(frame, SOME)
    assert model.feature_names_in_.tolist() == list("abcde")
    codes = model.transform(frame)
    assert codes.columns.tolist() == model.get_feature_names_out().tolist()
    assert codes.index.equals(frame.index)
    with pytest.raises(ValueError, match="feature names"):
        model.transform(frame[list("edcba")])


def test_sparse_rows_give_what_dense_rows_give_unless_they_would_fill_the_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    X = np.random.default_rng(0).poisson(0.5, size=(60, 8)).astype(float)
    dense = AdversarialAutoencoder(max_epochs=1, random_state=0).fit(X)
    thin = AdversarialAutoencoder(max_epochs=1, random_state=0).fit(scipy.sparse.csr_array(X))
    np.testing.assert_array_equal(thin.transform(scipy.sparse.coo_array(X)), dense.transform(X))
    np.testing.assert_array_equal(thin.score_samples(scipy.sparse.csc_array(X)), dense.score_samples(X))
    monkeypatch.setattr("os.sysconf", lambda _: 64)  # 4 KiB of memory
    with pytest.raises(DataError, match=r"X is sparse, shape \(60, 8\).*fewer rows"):
        thin.transform(scipy.sparse.csr_array(X))


def test_score_samples_finds_the_odd_row() -> None:
    model = learning().fit(X, SOME)
    strange = X[:1] + 60
    assert model.score_samples(strange)[0] < model.score_samples(X).min()
    assert model.reconstruction_error(strange)[0] > model.reconstruction_error(X).max()


def test_samples_of_a_class_depend_on_the_seed_alone() -> None:
    model = quick().fit(X, with_gaps(NAMES[Y], None))
    one, two = model.sample(5, label="bee", random_state=3), model.sample(5, label="bee", random_state=3)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, model.sample(5, label="bee", random_state=4))
    assert not np.array_equal(one, model.sample(5, label="ant", random_state=3))
    assert model.sample(7).shape == (7, 5)
    with pytest.raises(LabelError, match="no class 'dog'; the model knows ant, bee, cat"):
        model.sample(1, label="dog")


@pytest.mark.parametrize("architecture", ["mlp", "conv"])
def test_images_go_in_and_come_out_as_images(architecture: str) -> None:
    images = np.random.RandomState(0).rand(24, 8, 6)
    model = quick(architecture=architecture).fit(images, np.arange(24) % 2)
    assert model.inverse_transform(model.transform(images)).shape == images.shape
    assert model.sample(3).shape == (3, 8, 6)
    flat = quick(architecture=architecture, image_shape=(8, 6)).fit(images.reshape(24, -1), np.arange(24) % 2)
    assert flat.sample(3).shape == (3, 48)
    assert np.array_equal(flat.transform(images.reshape(24, -1)), model.transform(images))


# -- in scikit-learn's tools -----------------------------------------------------------------------------------------


def test_it_works_in_pipelines_searches_and_before_other_estimators() -> None:
    search = GridSearchCV(
        make_pipeline(StandardScaler(), quick()), {"adversarialautoencoder__batch_size": [32, 64]}, cv=2
    )
    assert search.fit(X, Y).best_score_ >= 0
    features = make_pipeline(learning(max_epochs=60), LogisticRegression(max_iter=1000))
    assert cross_val_score(features, X, Y, cv=3).mean() >= 0.9


def test_cross_validation_scores_the_labelled_rows_only() -> None:
    scores = cross_val_score(quick(), X, SOME, cv=3)
    assert np.isfinite(scores).all()
    model = quick().fit(X, SOME)
    known = SOME != -1
    assert model.score(X, SOME) == pytest.approx((model.predict(X)[known] == SOME[known]).mean())
    with pytest.raises(LabelError, match="no labelled row"):
        model.score(X, np.full(len(X), -1))


def test_cloning_and_fitting_leave_parameters_alone() -> None:
    encoder = nn.Linear(5, 4)
    before = copy.deepcopy(encoder.state_dict())
    model = quick(encoder=encoder, recipe_params={"ramp": 0.2})
    parameters = model.get_params()
    model.fit(X, SOME)
    assert model.get_params() == parameters
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())
    assert clone(model).get_params()["recipe_params"] == {"ramp": 0.2}


# -- randomness ------------------------------------------------------------------------------------------------------


def test_the_same_seed_gives_identical_codes_and_another_seed_others() -> None:
    one, two, other = (quick(random_state=seed).fit(X, SOME).transform(X) for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_fit_leaves_the_global_generators_alone() -> None:
    torch_state, numpy_state = torch.random.get_rng_state(), np.random.get_state()
    quick().fit(X, SOME)
    assert torch.equal(torch_state, torch.random.get_rng_state())
    assert all(np.array_equal(a, b) for a, b in zip(numpy_state, np.random.get_state(), strict=True))


# -- options ---------------------------------------------------------------------------------------------------------


def test_the_history_records_every_epoch() -> None:
    history = quick(max_epochs=4).fit(X, SOME).history_
    for name in (
        "reconstruction_loss",
        "discriminator_loss",
        "generator_loss",
        "discriminator_accuracy",
        "seconds",
    ):
        assert len(history[name]) == 4
    assert all(0 <= value <= 1 for value in history["discriminator_accuracy"])


def test_max_epochs_auto_takes_the_recipes_number_of_steps() -> None:
    model = quick(max_epochs="auto", recipe_params={"n_steps": 30, "n_epochs": 1}).fit(X, SOME)
    assert model.n_iter_ == 15  # 105 rows without a given label make 2 steps of 64
    assert quick(max_epochs="auto", recipe_params={"n_steps": 1, "n_epochs": 3}).fit(X, SOME).n_iter_ == 3


def test_early_stopping_holds_labels_back_and_may_end_early() -> None:
    model = learning(
        early_stopping=True, n_iter_no_change=120, validation_fraction=0.5, max_epochs=900, hidden_layer_sizes=(64,)
    ).fit(X, Y)
    assert model.n_iter_ < 900
    assert model.score(X, Y) >= 0.9
    with pytest.warns(UserWarning, match="early stopping is off"):
        quick(early_stopping=True).fit(X, mask_labels(Y, per_class=1, random_state=0))


def test_own_modules_priors_and_callbacks_are_used() -> None:
    seen: list[int] = []

    class Watcher(Callback):
        def on_epoch_end(self, context: TrainingContext) -> None:
            seen.append(context.epoch)

    model = quick(
        encoder=nn.Linear(5, 3),
        decoder=nn.Linear(3, 5),
        discriminator=Discriminator(3, 4, (8,)),
        prior=RingPrior(n_dims=3, n_classes=3),
        callbacks=[Watcher()],
        recipe="paper",
    ).fit(X, SOME)
    assert isinstance(model.encoder_, nn.Linear)
    assert model.prior_ == RingPrior(n_dims=3, n_classes=3)
    assert seen == [1, 2]


def test_one_callback_needs_no_list() -> None:
    class Stopper(Callback):
        def on_epoch_end(self, context: TrainingContext) -> None:
            context.stop = True

    assert quick(callbacks=Stopper(), max_epochs=9).fit(X, SOME).n_iter_ == 1


def test_an_own_discriminator_without_labels_gets_codes_alone() -> None:
    plain = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), nn.Flatten(0))
    assert quick(discriminator=plain).fit(X).transform(X).shape == (len(X), 2)


def test_a_function_can_be_the_prior() -> None:
    def corners(n: int, labels: Tensor | None, generator: torch.Generator | None) -> Tensor:
        assert labels is not None
        return 0.3 * torch.randn(n, 2, generator=generator) + 4 * torch.eye(3)[labels][:, :2]

    model = learning(prior=corners, max_epochs=150, recipe="paper").fit(X, SOME)
    assert model.score(X, Y) >= 0.9
    assert np.isfinite(model.score_samples(X)).all()


def test_verbose_prints_losses(capsys: pytest.CaptureFixture[str]) -> None:
    quick(verbose=1).fit(X, SOME)
    assert "epoch 2/2" in capsys.readouterr().out


@pytest.mark.parametrize("n_classes", [2, 50])
@pytest.mark.parametrize("prior", ["simplex", "ring"])
def test_any_number_of_classes_fits(n_classes: int, prior: str) -> None:
    rows, truth = blobs(4 * n_classes, n_classes)
    model = quick(prior=prior).fit(rows, truth)
    assert model.predict_proba(rows).shape == (len(rows), n_classes)


# -- bad input -------------------------------------------------------------------------------------------------------

BAD: list[tuple[str, dict[str, Any], Any, Any, str]] = [
    ("nan in X", {}, np.where(np.eye(120, 5) > 0, np.nan, X), Y, "NaN"),
    ("infinity in X", {}, np.where(np.eye(120, 5) > 0, np.inf, X), Y, "infinity"),
    ("one row", {}, X[:1], Y[:1], "minimum of 2"),
    ("no columns", {}, X[:, :0], Y, r"0 feature\(s\)"),
    ("too few labels", {}, X, Y[:-1], "120 rows, but y has 119"),
    ("one class", {}, X, np.where(SOME == 0, 0, -1), "only one class, .*0.*, is labelled"),
    ("a regression target", {}, X, X[:, 0], "Unknown label type"),
    ("mixed labels", {}, X, [1, "a"] * 60, "mixes"),
    ("unknown prior", {"prior": "cube"}, X, Y, "'prior' parameter"),
    ("unknown recipe", {"recipe": "magic"}, X, Y, "'recipe' parameter"),
    ("no epochs", {"max_epochs": 0}, X, Y, "'max_epochs' parameter"),
    ("wrong picture size", {"image_shape": (2, 3)}, X, Y, "6 pixels, but X has 5 features"),
    ("no picture", {"architecture": "conv"}, X, Y, "image_shape"),
    ("no such device", {"device": "cuda:99"}, X, Y, "not available"),
    (
        "prior of another class count",
        {"prior": RingPrior(n_dims=2, n_classes=4)},
        X,
        Y,
        "4 classes, but y has 3",
    ),
    (
        "prior of another size",
        {"prior": RingPrior(n_dims=2, n_classes=3), "n_components": 5},
        X,
        Y,
        "2 dimensions, but n_components=5",
    ),
    ("ring in one dimension", {"prior": "ring", "n_components": 1}, X, Y, "at least 2 latent dimensions"),
    ("unknown recipe setting", {"recipe_params": {"rampp": 1}}, X, Y, "rampp"),
]


@pytest.mark.parametrize(("parameters", "rows", "labels", "message"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_bad_input_is_refused_in_clear_words(parameters: dict[str, Any], rows: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        quick(**parameters).fit(rows, labels)


def test_errors_are_of_one_family_and_still_value_errors() -> None:
    for kind in (DataError, LabelError):
        assert issubclass(kind, AAEToolsError)
        assert issubclass(kind, ValueError)


def test_a_diverging_fit_stops_and_says_so() -> None:
    with pytest.raises(TrainingError, match="training diverged"):
        quick(encoder=nn.Sequential(nn.Linear(5, 4), Blowup())).fit(X, SOME)


class Blowup(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z * torch.inf


@pytest.mark.parametrize("shape", [(4, 3), (4,), (2, 2, 2)])
def test_codes_of_the_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    model = quick().fit(X, SOME)
    with pytest.raises(DataError, match="Z has shape"):
        model.inverse_transform(np.zeros(shape))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_fit_on_the_gpu_gives_numpy_back() -> None:
    model = quick(device="cuda").fit(X, SOME)
    assert model.device_.startswith("cuda")
    assert isinstance(model.transform(X), np.ndarray)
    assert np.isfinite(model.predict_proba(X)).all()


# -- sizes, precision, speed -----------------------------------------------------------------------------------------


def test_auto_takes_larger_networks_and_batches_for_many_rows() -> None:
    small = quick(hidden_layer_sizes="auto", max_epochs=1).fit(X, SOME)
    assert (small.hidden_layer_sizes_, small.batch_size_, small.precision_) == ((256, 256), 64, "float32")
    rows = np.random.RandomState(0).normal(size=(10_000, 2)).astype(np.float32)
    codes = np.where(np.arange(10_000) < 20, rows[:, 0] > 0, -1)
    large = quick(hidden_layer_sizes="auto", max_epochs=1, recipe_params={"propagate": False}).fit(rows, codes)
    assert (large.hidden_layer_sizes_, large.batch_size_) == ((1000, 500, 250), 128)


def test_the_discriminator_is_no_wider_than_it_needs_to_be() -> None:
    widths = {m.out_features for m in quick(hidden_layer_sizes=(400, 64)).fit(X, SOME).discriminator_.net[::2]}
    assert widths == {128, 64, 1}


def test_what_auto_came_to_is_saved() -> None:
    model = quick(hidden_layer_sizes="auto", max_epochs=1).fit(X, SOME)
    meta, tensors = model.to_state()
    again = AdversarialAutoencoder.from_state(meta, tensors, {})
    assert (again.hidden_layer_sizes_, again.batch_size_, again.precision_) == ((256, 256), 64, "float32")
    assert np.array_equal(again.transform(X), model.transform(X))


def test_training_in_bfloat16_leaves_a_model_in_float32() -> None:
    model = quick(precision="bfloat16").fit(X, SOME)
    assert model.precision_ == "bfloat16"
    assert {p.dtype for module in model._modules() for p in module.parameters()} == {torch.float32}
    assert not np.array_equal(model.transform(X), quick(precision="float32").fit(X, SOME).transform(X))
    assert np.array_equal(model.transform(X), quick(precision="bfloat16").fit(X, SOME).transform(X))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
@pytest.mark.filterwarnings("ignore")  # torch's own
def test_compiled_networks_learn_the_same() -> None:
    plain, compiled = quick().fit(X, SOME), quick(compile=True).fit(X, SOME)
    assert np.allclose(plain.transform(X), compiled.transform(X), atol=1e-2)
    assert compiled.encoder_._compiled_call_impl is None


def test_augmentation_changes_training_and_is_for_images() -> None:
    pictures = np.random.RandomState(0).rand(40, 6, 6).astype(np.float32)
    y = np.where(np.arange(40) < 10, np.arange(40) % 2, -1)
    moved, still = (quick(augmentation=name).fit(pictures, y) for name in ("affine", "none"))
    assert not np.array_equal(moved.transform(pictures), still.transform(pictures))
    again = quick(augmentation="affine").fit(pictures, y)
    assert np.array_equal(moved.transform(pictures), again.transform(pictures))
    with pytest.raises(DataError, match="affine augmentation is for images"):
        quick(augmentation="affine").fit(X, SOME)


def test_rows_left_out_of_the_telling_are_told_later() -> None:
    few = quick(max_epochs=2, recipe_params={"told_share": 0.5, "propagate": True}).fit(X, SOME)
    more = quick(max_epochs=3, recipe_params={"told_share": 0.5, "propagate": True}).fit(X, SOME)
    everything = quick(max_epochs=3).fit(X, SOME)
    assert 0 < few.n_propagated_ <= more.n_propagated_ < everything.n_propagated_
