"""Flipped labels come first, and their number is estimated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs
from sklearn.metrics import roc_auc_score

from aaetools import AdversarialAutoencoder
from aaetools.analysis import audit_labels, result_from_json, result_to_json
from aaetools.analysis.label_audit import count_wrong_labels
from aaetools.analysis.results import LabelAudit
from aaetools.exceptions import DataError, LabelError


@pytest.fixture(scope="module")
def flipped() -> tuple[Any, Any, Any]:
    """Digits with 40 wrong labels of 600, and a model that was hardly fitted: the audit uses its scaling."""
    X, y = load_digits(return_X_y=True)
    X, given = X[:600], y[:600].copy()
    random = np.random.RandomState(0)
    wrong = random.choice(600, 40, replace=False)
    given[wrong] = (given[wrong] + random.randint(1, 10, 40)) % 10
    return AdversarialAutoencoder(max_epochs=1, random_state=0).fit(X, given), (X, given), wrong


def test_flipped_labels_are_ranked_first_and_counted(flipped: Any) -> None:
    model, (X, given), wrong = flipped
    found = audit_labels(model, X, given, most=None, random_state=0)
    assert [s.p_given for s in found.suspects] == sorted(s.p_given for s in found.suspects)
    is_wrong = [suspect.row in wrong for suspect in found.suspects]
    assert roc_auc_score(is_wrong, [-suspect.p_given for suspect in found.suspects]) >= 0.95
    assert found.expected_wrong.low <= 40 <= found.expected_wrong.high
    assert found.n_flagged == sum(suspect.flagged for suspect in found.suspects)
    assert all(suspect.given != suspect.predicted for suspect in found.suspects if suspect.flagged)
    assert f"of {600} labels are expected to be wrong" in found.verdict


def test_the_same_seed_gives_the_same_audit_which_survives_json(flipped: Any) -> None:
    model, (X, given), _ = flipped
    state = np.random.get_state()[1].copy()
    first, again = (audit_labels(model, X, given, most=5, random_state=3) for _ in range(2))
    assert first == again == result_from_json(result_to_json(first), LabelAudit)
    assert len(first.suspects) == 5
    assert (np.random.get_state()[1] == state).all()


def test_clean_labels_of_separate_groups_raise_no_suspicion() -> None:
    X, y = make_blobs(150, 4, centers=3, cluster_std=0.5, random_state=0)
    names = np.array(["ant", "bee", "cat"], dtype=object)[y]
    names[::3] = None
    model = AdversarialAutoencoder(max_epochs=1, random_state=0).fit(X, names)
    found = audit_labels(model, X, names, random_state=0)
    assert (found.n_labeled, found.n_rows) == (100, 150)
    assert found.expected_wrong.high < 1
    assert found.verdict.startswith("No label is contradicted")
    assert set(found.classes) == {"ant", "bee", "cat"}


def test_labels_alone_in_their_class_are_skipped_and_counted() -> None:
    X, y = make_blobs(60, 3, centers=2, random_state=0)
    y[0] = 7
    model = AdversarialAutoencoder(max_epochs=1, random_state=0).fit(X, y)
    found = audit_labels(model, X, y, most=None)
    assert (found.n_skipped, found.n_labeled) == (1, 59)
    assert 0 not in [suspect.row for suspect in found.suspects]


def test_where_labels_predict_little_the_number_is_called_a_bound() -> None:
    random = np.random.default_rng(0)
    X, y = random.normal(size=(120, 3)), random.integers(0, 2, 120)
    model = AdversarialAutoencoder(max_epochs=1, random_state=0).fit(X, y)
    assert "upper bound" in audit_labels(model, X, y).verdict


def test_the_confident_joint_counts_what_was_flipped() -> None:
    truth = np.repeat([0, 1, 2], 50)
    given = truth.copy()
    given[[0, 1, 60, 110]] = [1, 2, 0, 1]
    probability = 0.94 * np.eye(3)[truth] + 0.02
    assert count_wrong_labels(probability, given) == pytest.approx(4)
    assert count_wrong_labels(probability, truth) == 0


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"method": "guess"}, DataError, "choose from graph, model, pool, probe"),
        ({"n_folds": 1}, DataError, "at least 2 folds"),
        ({"most": -1}, DataError, "0 or more"),
        ({"y": [0] * 599 + [1]}, LabelError, "two classes with at least two labels"),
        ({"y": [0, 1]}, LabelError, "600 rows, but y has 2"),
    ],
)
def test_what_cannot_be_audited_is_refused(flipped: Any, settings: dict[str, Any], error: Any, words: str) -> None:
    model, (X, given), _ = flipped
    settings = {"y": given, **settings}
    with pytest.raises(error, match=words):
        audit_labels(model, X, **settings)
