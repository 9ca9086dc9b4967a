"""Retelling: when it happens, whose word counts, and that given labels stand."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from aaetools.priors import SimplexPrior
from aaetools.training import GameBatches, TrainingContext
from aaetools.training.telling import Retelling

PRIOR = SimplexPrior(n_dims=2, n_classes=3)


def made(given: list[int]) -> tuple[GameBatches, Retelling, torch.Tensor]:
    truth = torch.arange(60) % 3
    spread = torch.linspace(0.1, 2.5, 60)[:, None] * torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    x = PRIOR.means[truth] + spread
    codes = torch.full((60,), -1)
    codes[: len(given)] = torch.tensor(given)
    batches = GameBatches(x, codes, 8, torch.Generator().manual_seed(0), codes < 0)
    encoder = nn.Sequential(nn.Identity())
    retelling = Retelling(batches, encoder, PRIOR, codes.numpy().copy(), 5.0, [(0.4, 0.5), (0.7, 0.9)])
    return batches, retelling, truth


def test_rows_are_told_when_due_and_the_surest_are_right() -> None:
    batches, retelling, truth = made([0, 1, 2])
    told = []
    for epoch in range(1, 11):
        retelling.on_epoch_end(TrainingContext(10, epoch))
        told.append(int((batches.codes >= 0).sum()))
    assert told[:3] == [3] * 3
    assert told[3:6] == [told[3]] * 3
    assert 30 <= told[3] <= 36, "half of each class, and the given ones"
    assert 54 <= told[6] <= 57
    assert told[6:] == [told[6]] * 4
    known = batches.codes >= 0
    assert (batches.codes[known] == truth[known]).float().mean() > 0.95


def test_a_given_label_stands_whatever_the_encoder_says() -> None:
    batches, retelling, _ = made([1, 2, 0, 2])  # all wrong
    retelling.on_epoch_end(TrainingContext(10, 5))
    assert batches.codes[:4].tolist() == [1, 2, 0, 2]


def test_rounds_that_were_missed_are_made_up_for_once() -> None:
    batches, retelling, _ = made([0, 1, 2])
    retelling.on_epoch_end(TrainingContext(4, 3))
    assert retelling.rounds == []
    assert (batches.codes >= 0).float().mean() >= 0.9


def test_the_last_epoch_revises_nothing() -> None:
    batches, retelling, _ = made([0, 1, 2])
    retelling.on_epoch_end(TrainingContext(1, 1))
    assert int((batches.codes >= 0).sum()) == 3


def test_class_shares_are_those_of_the_prior() -> None:
    _, retelling, _ = made([0, 1, 2])
    retelling.prior = SimplexPrior(n_dims=2, n_classes=3, weights=(0.6, 0.2, 0.2))
    assert np.allclose(retelling.probabilities().mean(axis=0), [0.6, 0.2, 0.2], atol=0.01)


def test_evidence_overrules_an_encoder_that_mistakes_a_kind_of_a_class() -> None:
    batches, retelling, truth = made([0, 1, 2])
    hidden = truth[3:]
    strayed = torch.arange(3, 60)[hidden == 2][:6]
    batches.x[strayed] = PRIOR.means[1]  # the encoder, the identity, takes these for class 1
    retelling.on_epoch_end(TrainingContext(10, 8))
    assert (batches.codes[strayed] == 1).all()
    told = []
    for sureness in (0.5, 0.999):
        batches, retelling, truth = made([0, 1, 2])
        batches.x[strayed] = PRIOR.means[1]
        other = (1 - sureness) / 2
        retelling.evidence = np.where(np.eye(3)[truth.numpy()] == 1, sureness, other) ** 4
        retelling.on_epoch_end(TrainingContext(10, 8))
        told.append(int((batches.codes[strayed] == 2).sum()))
    assert told[1] > told[0], "the surer the evidence, the more it counts"
