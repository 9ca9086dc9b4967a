from __future__ import annotations

import inspect
from typing import Any

import click
import pytest

from aaetools.cli import options
from aaetools.cli.fit import fit
from aaetools.cli.options import HiddenType, LabelsType, NumberOrAuto, SettingType, ShapeType, UmapType
from aaetools.estimators import AdversarialAutoencoder
from aaetools.estimators.adversarial_autoencoder import RECONSTRUCTIONS
from aaetools.networks import ARCHITECTURES
from aaetools.preprocessing import SCALINGS
from aaetools.priors import PRIORS
from aaetools.training.augmentation import AUGMENTATIONS
from aaetools.training.precision import PRECISIONS
from aaetools.training.recipes import RECIPES


@pytest.mark.parametrize(
    ("names", "registry"),
    [
        (options.ARCHITECTURE_NAMES, ARCHITECTURES),
        (options.AUGMENTATION_NAMES, ("none", *AUGMENTATIONS)),
        (options.PRECISION_NAMES, PRECISIONS),
        (options.PRIOR_NAMES, ("auto", *PRIORS)),
        (options.RECIPE_NAMES, RECIPES),
        (options.SCALING_NAMES, SCALINGS),
        (options.RECONSTRUCTION_NAMES, RECONSTRUCTIONS),
    ],
)
def test_choices_are_those_of_the_library(names: tuple[str, ...], registry: Any) -> None:
    assert list(names) == sorted(registry)


@pytest.mark.parametrize(
    ("option", "parameter"),
    [
        ("architecture", "architecture"),
        ("augmentation", "augmentation"),
        ("batch_size", "batch_size"),
        ("compile", "compile"),
        ("device", "device"),
        ("early_stopping", "early_stopping"),
        ("epochs", "max_epochs"),
        ("hidden", "hidden_layer_sizes"),
        ("latent_size", "n_components"),
        ("image_shape", "image_shape"),
        ("learning_rate", "learning_rate"),
        ("patience", "n_iter_no_change"),
        ("precision", "precision"),
        ("prior", "prior"),
        ("recipe", "recipe"),
        ("scaling", "scaling"),
        ("validation_fraction", "validation_fraction"),
    ],
)
def test_defaults_are_those_of_the_estimator(option: str, parameter: str) -> None:
    context = fit.make_context("fit", [])
    assert context.params[option] == inspect.signature(AdversarialAutoencoder).parameters[parameter].default


def converted(kind: Any, text: str) -> Any:
    return kind.convert(text, None, None)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (NumberOrAuto(1), "auto", "auto"),
        (NumberOrAuto(1), "12", 12),
        (HiddenType(), "64,32", (64, 32)),
        (HiddenType(), "8", (8,)),
        (HiddenType(), "auto", "auto"),
        (ShapeType(), "28,28", (28, 28)),
        (ShapeType(), "32,16,3", (32, 16, 3)),
        (SettingType(), "ramp=0.3", ("ramp", 0.3)),
        (SettingType(), "n_neighbors = 5", ("n_neighbors", 5)),
        (SettingType(), "propagate=true", ("propagate", True)),
        (SettingType(), "class_shares=[0.6, 0.4]", ("class_shares", (0.6, 0.4))),
    ],
)
def test_types_read_what_they_promise(kind: Any, text: str, value: object) -> None:
    assert converted(kind, text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (NumberOrAuto(1), "0"),
        (NumberOrAuto(2), "1"),
        (NumberOrAuto(1), "many"),
        (HiddenType(), ""),
        (HiddenType(), "64,,32"),
        (HiddenType(), "64,0"),
        (LabelsType(), "some"),
        (ShapeType(), "64"),
        (ShapeType(), "8,0"),
        (ShapeType(), "8,8,1,1"),
        (SettingType(), "ramp"),
        (SettingType(), "ramp=fast"),
        (SettingType(), "=1"),
    ],
)
def test_types_refuse_the_rest_and_quote_it(kind: Any, text: str) -> None:
    with pytest.raises(click.BadParameter, match=f"'{text}'"):
        converted(kind, text)


def test_one_setting_brings_no_other() -> None:
    with pytest.raises(click.BadParameter):
        converted(SettingType(), "ramp=1\nother=2")


def test_completion_offers_bundled_data_and_files() -> None:
    offered = options.DataType().shell_complete(click.Context(fit), fit.params[0], "di")
    assert [item.value for item in offered] == ["digits", "digits_imbalanced", "di"]
    assert offered[-1].type == "file"
    labels = LabelsType().shell_complete(click.Context(fit), fit.params[0], "")
    assert [item.value for item in labels] == ["partial", "full", "none"]


@pytest.mark.parametrize(
    ("words", "wish", "data"),
    [
        ((), "auto", "digits"),
        (("--umap", "always", "wine"), "always", "wine"),
        (("wine", "--umap"), "auto", "wine"),
        (("--umap", "wine"), "auto", "wine"),
        (("--umap", "--seed", "1"), "auto", "digits"),
        (("--no-umap", "wine"), "never", "wine"),
        (("--umap=never", "--umap"), "auto", "digits"),
        (("--umap", "always", "--no-umap"), "never", "digits"),
    ],
)
def test_umap_can_be_forced_and_its_old_spellings_mean_what_they_did(
    words: tuple[str, ...], wish: str, data: str
) -> None:
    with fit.make_context("fit", list(words)) as context:
        assert (context.params["umap"], context.params["data"]) == (wish, data)


def test_umap_of_an_old_configuration_is_understood() -> None:
    umap = UmapType()
    assert [umap.convert(value, None, None) for value in (True, "false", "always")] == ["auto", "never", "always"]
    with pytest.raises(click.BadParameter, match="'maybe' is none of auto, always, never"):
        umap.convert("maybe", None, None)
    assert [item.value for item in umap.shell_complete(None, None, "a")] == ["auto", "always"]  # type: ignore[arg-type]
