"""Early stopping: which labels it holds back, and whose weights are left at the end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from aaetools.training import TrainingContext
from aaetools.training.early_stopping import EarlyStopping, choose_validation_rows


def test_validation_rows_are_labelled_and_balanced() -> None:
    codes = np.concatenate([np.repeat([0, 1], 50), np.full(100, -1)])
    rows = choose_validation_rows(codes, 0.2, 0)
    assert rows is not None
    assert np.bincount(codes[rows]).tolist() == [10, 10]
    assert len(set(rows)) == 20


@pytest.mark.parametrize("per_class", [1, 2, 10])
def test_too_few_labels_turn_it_off_with_a_warning(per_class: int) -> None:
    with pytest.warns(UserWarning, match="early stopping is off"):
        assert choose_validation_rows(np.repeat([0, 1], per_class), 0.2, 0) is None


def test_no_labels_turn_it_off_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="early stopping is off"):
        assert choose_validation_rows(np.full(10, -1), 0.2, 0) is None


def test_it_stops_after_patience_and_restores_the_best_epochs_weights() -> None:
    module = nn.Linear(1, 1)
    scores = iter([0.1, 0.9, 0.5, 0.9, 0.2, 0.3])
    stopping = EarlyStopping([module], lambda: next(scores), patience=3)
    context = TrainingContext(10)
    for epoch in range(1, 7):
        with torch.no_grad():
            module.weight.fill_(float(epoch))
        context.epoch = epoch
        stopping.on_epoch_end(context)
        assert module.training
        if context.stop:
            break
    assert context.epoch == 5
    stopping.on_fit_end(context)
    assert float(module.weight.detach()) == 2
