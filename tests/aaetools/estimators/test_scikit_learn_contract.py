"""scikit-learn's own checks, those it yields and those it defines without yielding them."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from aaetools import AdversarialAutoencoder


def quick(**parameters: Any) -> AdversarialAutoencoder:
    """Return an estimator small enough for some seventy fits, and still able to learn scikit-learn's blobs."""
    return AdversarialAutoencoder(
        **{
            "max_epochs": 40,
            "hidden_layer_sizes": (32,),
            "learning_rate": 5e-3,
            "random_state": 0,
            **parameters,
        }
    )


def expected_failures(estimator: AdversarialAutoencoder) -> dict[str, str]:
    failures = {"check_supervised_y_no_nan": "wants y of NaN refused, and NaN means unlabelled here"}
    if estimator.unlabeled is not None:
        failures["check_classifiers_classes"] = (
            "feeds the classes -1 and 1, and -1 means unlabelled here; it passes with unlabeled=None"
        )
    return failures


def thrifty(estimator: AdversarialAutoencoder, check: Callable[[Any], None]) -> None:
    """Run a check, with one epoch where it tries some twenty containers and looks at no result."""
    if getattr(check, "func", check).__name__.startswith("check_estimator_sparse"):
        estimator = clone(estimator).set_params(max_epochs=1)  # a copy: other checks get the same object
    check(estimator)


@parametrize_with_checks([quick(unlabeled=None)], expected_failed_checks=expected_failures)
def test_every_check_of_scikit_learn(estimator: AdversarialAutoencoder, check: Callable[[Any], None]) -> None:
    thrifty(estimator, check)


@pytest.mark.slow
@parametrize_with_checks([quick(), quick(unlabeled=None, recipe="paper")], expected_failed_checks=expected_failures)
def test_every_check_in_other_settings(estimator: AdversarialAutoencoder, check: Callable[[Any], None]) -> None:
    thrifty(estimator, check)


UNYIELDED = [
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    "check_set_output_transform_polars",
    "check_global_output_transform_pandas",
    "check_global_set_output_transform_polars",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_get_feature_names_out_error",
    "check_dataframe_column_names_consistency",
    "check_param_validation",
    "check_inplace_ensure_writeable",
    "check_estimator_cloneable",
    "check_requires_y_none",
]


NOT_CALLED = {
    "check_array_api_input_and_values": "array API input is not claimed",
    "check_class_weight_balanced_classifiers": "there is no class_weight",
    "check_classifiers_predictions": "called by check_classifiers_classes, which is yielded",
    "check_estimator": "yields the others",
    "check_estimators_data_not_an_array": "called by check_classifier_data_not_an_array, which is yielded",
    "check_outlier_corruption": "for outlier detectors",
}


def test_no_check_that_is_never_yielded_is_overlooked() -> None:
    tree = ast.parse(inspect.getsource(estimator_checks))
    yielded = {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Yield) and node.value is not None
        for name in ast.walk(node.value)
        if isinstance(name, ast.Name)
    }
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("check_")}
    assert len(defined & yielded) > 50
    assert defined - yielded <= {*UNYIELDED, *NOT_CALLED}


# these checks mix frames and arrays between fit and transform on purpose
@pytest.mark.filterwarnings("ignore:X (does not have valid|has) feature names:UserWarning")
@pytest.mark.parametrize("name", UNYIELDED)
def test_checks_that_scikit_learn_defines_without_yielding(name: str) -> None:
    check = getattr(estimator_checks, name)
    if "polars" in name:
        pytest.importorskip("polars", reason="polars output needs polars")
    check("AdversarialAutoencoder", quick())
