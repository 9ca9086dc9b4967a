"""scikit-learn's callbacks: what they are told, that they can stop training, and that they change nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.utils import Bunch

from aaetools import AdversarialAutoencoder, mask_labels

pytest.importorskip("sklearn.callback", reason="scikit-learn before 1.9 has no callbacks")

X, truth = load_iris(return_X_y=True)
y = mask_labels(truth, per_class=5, random_state=0)


class Recorder:
    """Notes what it is told; ends training after so many epochs."""

    def __init__(self, last: int = 100) -> None:
        self.last = last
        self.seen: list[Any] = []
        self.scores: list[float] = []

    def setup(self, estimator: Any, context: Any) -> None:
        self.seen.append("setup")

    def teardown(self, estimator: Any, context: Any) -> None:
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator: Any, context: Any) -> None:
        self.seen.append(("begin", context.task_name, context.task_id, context.max_subtasks))

    def on_fit_task_end(self, estimator: Any, context: Any, *, X: Any, y: Any, fitted_estimator: Any) -> bool:
        self.seen.append(("end", context.task_name, context.task_id))
        assert X.shape == (150, 4)
        self.scores.append(fitted_estimator.score(X, y))
        return context.task_name == "epoch" and context.task_id + 1 >= self.last


def made() -> AdversarialAutoencoder:
    return AdversarialAutoencoder(max_epochs=3, hidden_layer_sizes=(16,), random_state=0)


def test_the_fit_and_each_epoch_are_tasks() -> None:
    recorder = Recorder()
    model = made().set_callbacks(recorder).fit(X, y)
    epochs = [step for i in range(3) for step in (("begin", "epoch", i, 0), ("end", "epoch", i))]
    assert recorder.seen == ["setup", ("begin", "fit", 0, 3), *epochs, ("end", "fit", 0), "teardown"]
    assert recorder.scores[-2:] == [model.score(X, y)] * 2, "as if training had ended there"
    np.testing.assert_array_equal(model.transform(X), made().fit(X, y).transform(X))


def test_a_callback_can_end_training() -> None:
    recorder = Recorder(last=2)
    model = made().set_callbacks(recorder).fit(X, y)
    assert model.n_iter_ == 2
    assert recorder.seen[-3:] == [("end", "epoch", 1), ("end", "fit", 0), "teardown"]


def test_callbacks_are_torn_down_after_an_error() -> None:
    recorder = Recorder()
    model = made().set_callbacks(recorder)
    model.callbacks = [Bunch(on_fit_start=lambda context: None, on_step_end=lambda context: 1 / 0)]
    with pytest.raises(ZeroDivisionError):
        model.fit(X, y)
    assert recorder.seen[-1] == "teardown"


def test_without_callbacks_nothing_is_told() -> None:
    model = made().set_callbacks(Recorder()).set_callbacks()
    assert not hasattr(model.fit(X, y), "_skl_callbacks")
    assert clone(model).get_params().keys() == model.get_params().keys()
