"""Ways through the latent space of every prior, decoded by a stand-in that shows the codes themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from aaetools.analysis.latent_paths import class_centres, interpolate, principal_ways, traverse
from aaetools.exceptions import DataError, LabelError
from aaetools.priors import PRIORS, Prior, SampledPrior, make_prior


def model_of(prior: Prior) -> Any:
    """A model that decodes each code to twice itself."""
    return SimpleNamespace(
        prior_=prior,
        classes_=np.array(["a", "b", "c", "d", "e"][: prior.n_classes]),
        n_components_=prior.n_dims,
        inverse_transform=lambda Z: 2 * np.asarray(Z, dtype=np.float32),
    )


SIMPLEX = model_of(make_prior("simplex", n_dims=4, n_classes=3))


def test_a_way_begins_and_ends_at_its_codes_and_is_straight() -> None:
    Z = np.array([[0.1, 0, 0, 0], [0.7, 1, 2, 3], [-1, 0.3, 0, 9]], dtype=np.float32)
    way = interpolate(SIMPLEX, Z, n_steps=5)
    assert way.codes.shape == (9, 4)
    assert (way.codes[[0, 4, 8]] == Z).all()
    np.testing.assert_allclose(way.codes[2], (Z[0] + Z[1]) / 2, rtol=1e-6)
    np.testing.assert_allclose(way.position, np.arange(9) / 4)
    np.testing.assert_array_equal(way.decoded, 2 * way.codes)


def test_a_traversal_changes_one_axis_only() -> None:
    way = traverse(SIMPLEX, [1, 2, 3, 4], 2, [-1, 0, 7])
    np.testing.assert_array_equal(way.codes, [[1, 2, -1, 4], [1, 2, 0, 4], [1, 2, 7, 4]])
    assert way.position.tolist() == [-1, 0, 7]


@pytest.mark.parametrize("name", sorted(PRIORS))
def test_the_centre_of_each_class_belongs_to_it_and_to_the_prior(name: str) -> None:
    prior = make_prior(name, n_dims=3, n_classes=5)
    model = model_of(prior)
    centres = class_centres(model, 0)
    assert centres.shape == (5, 3)
    assert (prior.class_log_posterior(torch.from_numpy(centres)).argmax(dim=1) == torch.arange(5)).all()
    assert (class_centres(model, 0) == centres).all()
    way = interpolate(model, centres, 3)
    assert way.labels[::2] == ("a", "b", "c", "d", "e")
    assert way.typicality is not None
    assert way.confidence is not None
    assert way.typicality[::2].min() > 0.02  # of the swiss roll, too, whose segments are bent
    assert ((way.confidence > 0) & (way.confidence <= 1)).all()


def test_the_centres_of_a_mixture_are_its_means() -> None:
    np.testing.assert_allclose(class_centres(SIMPLEX, 0), SIMPLEX.prior_.means, atol=0.1)


def test_between_classes_that_lie_apart_the_prior_has_nothing() -> None:
    way = interpolate(SIMPLEX, class_centres(SIMPLEX)[:2], 5)
    assert way.typicality is not None
    assert way.typicality[[0, 4]].min() > 0.9
    assert way.typicality[2] == 0
    assert (way.labels[0], way.labels[4]) == ("a", "b")


def test_a_uniform_prior_is_as_dense_everywhere_inside() -> None:
    way = traverse(model_of(make_prior("uniform", n_dims=2)), [0, 0], 0, [-1.7, 0, 1.7, 1.8])
    assert way.typicality is not None
    assert way.typicality.tolist() == [1, 1, 1, 0]
    assert (way.labels, way.confidence) == ((), None)


def test_a_prior_without_density_leaves_typicality_open() -> None:
    prior = SampledPrior(2, 2, sampler=lambda n, labels, generator: torch.rand(n, 2) + 5 * labels[:, None])
    way = interpolate(model_of(prior), class_centres(model_of(prior)), 2)
    assert way.typicality is None
    assert way.labels == ("a", "b")


def test_ways_along_main_axes_go_two_standard_deviations_either_way() -> None:
    spread = np.array([[3.0, 0, 0, 0], [-3, 0, 0, 0], [0, 1, 0, 0], [0, -1, 0, 0]]) + 5
    ways, shares = principal_ways(SIMPLEX, spread, 4, 3)
    assert ways.shape == (2, 3, 4)  # two of the four axes have no spread
    np.testing.assert_allclose(shares, [0.9, 0.1])
    np.testing.assert_allclose(ways[:, 1], 5, atol=1e-6)
    np.testing.assert_allclose(ways[0, 2] - ways[0, 1], [2 * np.sqrt(18 / 4), 0, 0, 0], atol=1e-5)
    assert len(principal_ways(SIMPLEX, np.ones((5, 4)), 4, 3)[0]) == 0


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: traverse(SIMPLEX, np.zeros(4), 4, [0]), "no latent axis 4; the model has 4"),
        (lambda: traverse(SIMPLEX, np.zeros(4), -1, [0]), "no latent axis -1"),
        (lambda: traverse(SIMPLEX, np.zeros(4), 0, [0, np.nan]), "finite numbers"),
        (lambda: traverse(SIMPLEX, np.zeros(4), 0, []), "at least one"),
        (lambda: traverse(SIMPLEX, np.zeros((2, 4)), 0, [1]), "2 codes were given to start from"),
        (lambda: traverse(SIMPLEX, np.zeros(3), 0, [1]), r"give shape \(n, 4\)"),
        (lambda: interpolate(SIMPLEX, np.zeros((1, 4))), "at least 2 are needed"),
        (lambda: interpolate(SIMPLEX, np.zeros((2, 4)), 1), "at least 2 steps"),
        (lambda: interpolate(SIMPLEX, [[0] * 4, [np.inf] * 4]), "code 1 .* holds NaN or infinity"),
        (lambda: class_centres(model_of(make_prior("gaussian", n_dims=2))), "without labels"),
    ],
)
def test_what_leads_nowhere_is_refused(work: Any, message: str) -> None:
    with pytest.raises((DataError, LabelError), match=message):
        work()
