"""Class shares of unlabelled rows: the equation, the graph, the model, what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.linear_model import LogisticRegression

from aaetools.analysis import estimate_class_shares, result_from_json, result_to_json
from aaetools.analysis.class_shares import saerens_shares
from aaetools.analysis.results import ShareEstimate
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import mask_labels


@pytest.fixture(scope="module")
def unequal() -> SimpleNamespace:
    """Classes of 60, 30 and 10% with as many labels each, as strings."""
    X, codes = make_blobs([180, 90, 30], centers=8 * np.eye(3), random_state=0)
    y = mask_labels(np.array(["a", "b", "c"], dtype=object)[codes], per_class=12, random_state=0)
    free = np.array([label is None for label in y])
    return SimpleNamespace(X=X, y=y, free=free, truth=np.bincount(codes[free]) / free.sum())


def values(found: ShareEstimate) -> list[float]:
    return [share.value for share in found.shares]


def test_em_undoes_a_shift_of_calibrated_probabilities() -> None:
    random = np.random.RandomState(0)
    classes = random.choice(3, size=6000, p=[0.7, 0.2, 0.1])
    x = random.normal(size=6000) + 1.5 * classes
    likelihood = np.exp(-0.5 * np.square(x[:, None] - 1.5 * np.arange(3)))
    balanced = likelihood / likelihood.sum(axis=1, keepdims=True)
    assert np.abs(balanced.mean(axis=0) - [0.7, 0.2, 0.1]).max() > 0.1
    assert saerens_shares(balanced, np.full(3, 1 / 3)) == pytest.approx([0.7, 0.2, 0.1], abs=0.03)


def test_em_stops_where_the_likelihood_is_highest() -> None:
    random = np.random.RandomState(1)
    probabilities = random.dirichlet([1, 1, 1], size=200)
    prior = np.array([0.5, 0.3, 0.2])
    shares = saerens_shares(probabilities, prior)

    def likelihood(weights: np.ndarray) -> float:
        return float(np.log((probabilities / prior) @ weights).sum())

    assert shares.sum() == pytest.approx(1)
    for other in random.dirichlet(200 * shares + 1e-3, size=50):
        assert likelihood(shares) >= likelihood(other) - 1e-3


def test_the_graph_sees_the_shares_that_balanced_labels_hide(unequal: SimpleNamespace) -> None:
    found = estimate_class_shares(None, unequal.X, unequal.y, random_state=0, n_resamples=20)
    assert found.classes == ("a", "b", "c")
    assert found.method == "counted on the graph"
    assert values(found) == pytest.approx(unequal.truth, abs=0.02)
    assert found.given == pytest.approx([1 / 3] * 3)
    assert (found.n, found.n_labeled) == (264, 36)
    assert all(0 <= share.low <= share.value <= share.high <= 1 for share in found.shares)
    assert "a (" in found.verdict
    assert result_from_json(result_to_json(found), ShareEstimate) == found
    assert found == estimate_class_shares(None, unequal.X, unequal.y, random_state=0, n_resamples=20)


def test_with_few_labels_class_mass_predicts_the_shares(unequal: SimpleNamespace) -> None:
    y = mask_labels(unequal.y, per_class=4, random_state=0)
    found = estimate_class_shares(None, unequal.X, y, random_state=0, n_resamples=5)
    assert found.method == "class-mass normalisation on the graph"
    assert values(found) == pytest.approx([0.6, 0.3, 0.1], abs=0.08)


def test_a_model_and_its_probabilities_say_the_same(unequal: SimpleNamespace) -> None:
    known = ~unequal.free
    model = LogisticRegression().fit(unequal.X[known], unequal.y[known].astype(str))
    of_model = estimate_class_shares(model, unequal.X, unequal.y, random_state=0)
    of_numbers = estimate_class_shares(model.predict_proba(unequal.X), None, unequal.y, random_state=0)
    assert of_model == of_numbers
    assert values(of_model) == pytest.approx(unequal.truth, abs=0.03)
    width = of_model.shares[0].high - of_model.shares[0].low
    assert width == pytest.approx(4 * np.sqrt(0.6 * 0.4 / 264), rel=0.4)


def test_the_weights_of_a_models_prior_are_what_it_takes_for_granted(unequal: SimpleNamespace) -> None:
    truth = np.where(unequal.free, 0, 1)

    class Model:
        classes_ = np.array(["a", "b", "c"])
        prior_ = SimpleNamespace(weights=(0.6, 0.3, 0.1))

        def predict_proba(self, X: Any) -> Any:
            return np.tile([0.6, 0.3, 0.1], (len(truth), 1))  # nothing known: the shares stay as they were

    found = estimate_class_shares(Model(), unequal.X, unequal.y, random_state=0, n_resamples=2)
    assert values(found) == pytest.approx([0.6, 0.3, 0.1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": ["a"] * 300}, "fewer than two classes"),
        ({"y": ["a", "b"] * 150}, "every row has a label"),
        ({"n_resamples": 0}, "at least 1"),
        ({"X": None}, "X is needed for the graph"),
        ({"X": np.zeros((3, 2))}, "X has 3 rows"),
        ({"source": np.ones((300, 2)) / 2}, r"expected \(300, 3\)"),
        ({"source": np.ones((300, 3))}, "sum to 1"),
        ({"source": np.ones((300, 3)) / 3, "prior": [1, 2]}, "3 positive numbers"),
    ],
)
def test_what_cannot_be_estimated_is_refused(change: dict[str, Any], words: str, unequal: SimpleNamespace) -> None:
    with pytest.raises(DataError, match=words):
        estimate_class_shares(**{"source": None, "X": unequal.X, "y": unequal.y, **change})


def test_a_model_of_other_classes_is_refused(unequal: SimpleNamespace) -> None:
    model = LogisticRegression().fit(unequal.X, np.arange(300) % 2)
    with pytest.raises(LabelError, match="must be the same"):
        estimate_class_shares(model, unequal.X, unequal.y)
    with pytest.raises(DataError, match="X is needed to apply the model to"):
        estimate_class_shares(model, None, unequal.y)
