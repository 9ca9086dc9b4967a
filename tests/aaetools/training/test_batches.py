"""Balanced batches: who is in them, and that the set of labelled rows never changes."""

from __future__ import annotations

import pytest
import torch

from aaetools.training import BalancedBatches


def make(n_labeled: int, n_unlabeled: int, batch_size: int, **options: torch.Tensor) -> BalancedBatches:
    codes = torch.cat([torch.arange(n_labeled) % 3, torch.full((n_unlabeled,), -1)])
    x = torch.arange(len(codes), dtype=torch.float32)[:, None]
    return BalancedBatches(x, codes, batch_size, torch.Generator().manual_seed(0), **options)


@pytest.mark.parametrize(("n_labeled", "n_unlabeled"), [(10, 90), (90, 10), (50, 50), (0, 64), (64, 0), (1, 5)])
def test_an_epoch_covers_all_rows_not_just_the_labelled_ones(n_labeled: int, n_unlabeled: int) -> None:
    batches = make(n_labeled, n_unlabeled, 16)
    seen = torch.cat([batch.x[:, 0] for batch in batches.epoch()])
    assert set(seen.tolist()) == set(range(n_labeled + n_unlabeled))


def test_labelled_and_unlabelled_rows_come_in_equal_measure() -> None:
    for batch in make(40, 200, 16).epoch():
        assert batch.n_labeled == 16
        assert (batch.codes[:16] >= 0).all()
        assert (batch.codes[16:] == -1).all()
        assert len(batch.x) == 32


def test_few_labelled_rows_are_all_there_in_every_batch() -> None:
    for batch in make(5, 100, 16).epoch():
        assert sorted(batch.x[:5, 0].tolist()) == [0, 1, 2, 3, 4]


def test_the_labelled_rows_are_the_same_in_every_epoch() -> None:
    batches = make(20, 100, 16)
    labelled = set()
    for _ in range(30):
        for batch in batches.epoch():
            labelled |= set(batch.x[: batch.n_labeled, 0].tolist())
            assert (batch.codes[: batch.n_labeled] == batch.x[: batch.n_labeled, 0].long() % 3).all()
    assert labelled == set(range(20)), "no row outside the given labels may ever show one"


def test_rows_left_over_come_first_in_the_next_epoch() -> None:
    batches = make(0, 10, 4)
    first = torch.cat([batch.x[:, 0] for batch in batches.epoch()])
    assert len(batches) == 3
    assert len(first) == 12
    assert torch.bincount(first.long(), minlength=10).min() == 1


def test_rows_with_a_propagated_label_can_play_the_unlabelled_game_too() -> None:
    told = torch.tensor([False] * 4 + [True] * 16)
    batches = make(20, 0, 4, also_unlabeled=told)
    unlabeled = torch.cat([batch.x[batch.n_labeled :, 0] for batch in batches.epoch()])
    assert set(unlabeled.tolist()) == set(range(4, 20))
    for batch in batches.epoch():
        assert (batch.codes[batch.n_labeled :] == -1).all()


def test_the_order_depends_on_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    one, two = (torch.cat([b.x for b in make(5, 50, 8).epoch()]) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(state, torch.random.get_rng_state())
