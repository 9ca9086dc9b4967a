"""Going on from fitted weights after labels were added."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError

from aaetools import AdversarialAutoencoder, mask_labels
from aaetools.exceptions import DataError, LabelError


@pytest.fixture(scope="module")
def data() -> tuple[Any, Any]:
    X, y = make_blobs(240, 6, centers=4, cluster_std=2.0, random_state=0)
    return X, y


def fitted(data: Any, **settings: Any) -> AdversarialAutoencoder:
    X, y = data
    return AdversarialAutoencoder(random_state=0, **settings).fit(X, mask_labels(y, n_labels=8, random_state=0))


def test_a_refit_starts_from_the_fitted_weights_and_keeps_scaling_and_networks(data: Any) -> None:
    X, y = data
    model = fitted(data, max_epochs=15)
    before, center, encoder = model.transform(X), model._scaler.center.copy(), model.encoder_
    short = model.refit(X, mask_labels(y, n_labels=40, random_state=0), max_epochs=1)
    assert short is model
    assert model.encoder_ is encoder
    assert (model._scaler.center == center).all()
    assert model.n_iter_ == 1
    fresh = fitted(data, max_epochs=1).transform(X)
    moved, anew = np.square(model.transform(X) - before).mean(), np.square(fresh - before).mean()
    assert moved < 0.25 * anew
    assert not model.encoder_.training


@pytest.mark.slow
def test_a_short_refit_learns_new_labels_where_a_short_fit_cannot(data: Any) -> None:
    X, y = data
    labels = mask_labels(y, n_labels=40, random_state=0)
    warm = fitted(data, max_epochs=150).refit(X, labels, max_epochs=10)
    cold = AdversarialAutoencoder(random_state=0, max_epochs=10).fit(X, labels)
    assert warm.score(X, y) > 0.9 > cold.score(X, y)


def test_a_refit_is_reproducible_and_leaves_global_generators_alone(data: Any) -> None:
    X, y = data
    labels = mask_labels(y, n_labels=20, random_state=1)
    state, numpy_state = torch.random.get_rng_state(), np.random.get_state()[1].copy()
    first, again = (fitted(data, max_epochs=3).refit(X, labels, max_epochs=2).transform(X) for _ in range(2))
    assert (first == again).all()
    assert (torch.random.get_rng_state() == state).all()
    assert (np.random.get_state()[1] == numpy_state).all()


def test_auto_takes_a_quarter_of_the_epochs(data: Any) -> None:
    X, y = data
    model = fitted(data, max_epochs=1, recipe="paper", recipe_params={"n_steps": 1, "n_epochs": 8})
    assert model.refit(X, mask_labels(y, n_labels=20, random_state=0)).n_iter_ == 2


def test_class_weights_are_estimated_anew(data: Any) -> None:
    X, y = data
    model = fitted(data, max_epochs=1)
    rare = np.concatenate([np.flatnonzero(y == 0)[:5], np.flatnonzero(y > 0)])
    model.refit(X[rare], y[rare], max_epochs=1)
    given = model.prior_.weights
    model.refit(X[rare], mask_labels(y[rare], per_class=4, random_state=0), max_epochs=1)
    assert model.prior_.weights != given


def test_other_classes_or_epochs_are_refused(data: Any) -> None:
    X, y = data
    with pytest.raises(NotFittedError):
        AdversarialAutoencoder().refit(X, y)
    model = fitted(data, max_epochs=1)
    with pytest.raises(LabelError, match="0, 1, 2, 3, 4, but the model was fitted to 0, 1, 2, 3; fit it anew"):
        model.refit(X, np.where(np.arange(240) == 0, 4, y))
    with pytest.raises(LabelError, match="labels the classes 1, 2, 3"):
        model.refit(X, np.where(y == 0, -1, y))
    with pytest.raises(DataError, match="max_epochs"):
        model.refit(X, y, max_epochs=0)
