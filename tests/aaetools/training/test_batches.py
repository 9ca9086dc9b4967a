"""Batches: who is in them, who plays which game, and that the set of labelled rows never changes."""

from __future__ import annotations

import pytest
import torch

from aaetools.training import GameBatches


def make(n_labeled: int, n_unlabeled: int, batch_size: int, **options: torch.Tensor) -> GameBatches:
    codes = torch.cat([torch.arange(n_labeled) % 3, torch.full((n_unlabeled,), -1)])
    x = torch.arange(len(codes), dtype=torch.float32)[:, None]
    return GameBatches(x, codes, batch_size, torch.Generator().manual_seed(0), **options)


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


def test_rows_with_a_propagated_label_play_both_games_in_one_pass() -> None:
    told = torch.tensor([False] * 4 + [True] * 12 + [False] * 4)
    codes = torch.cat([torch.arange(16) % 3, torch.full((4,), -1)])
    batches = GameBatches(torch.arange(20.0)[:, None], codes, 8, torch.Generator().manual_seed(0), told)
    labelled, unlabelled = set(), set()
    for batch in batches.epoch():
        judged, judged_codes = batch.judged(batch.x)[:, 0], batch.judged_codes()
        assert len(batch.x) == len(batch.codes) == 10, "eight of the unlabelled game and two given labels beside them"
        assert len(judged) == len(judged_codes) == 10 + batch.n_both
        labelled |= set(judged[: batch.n_labeled].tolist())
        unlabelled |= set(judged[batch.n_labeled :].tolist())
        assert torch.equal(judged_codes[: batch.n_labeled], judged[: batch.n_labeled].long() % 3)
        assert (judged_codes[batch.n_labeled :] == -1).all()
    assert labelled == set(range(16))
    assert unlabelled == set(range(4, 20))


@pytest.mark.parametrize("n_rare", [1, 2])
def test_the_rarer_of_told_and_untold_rows_is_never_left_out(n_rare: int) -> None:
    for n_told, n_untold in ((n_rare, 100), (100, n_rare)):
        codes = torch.cat([torch.zeros(n_told, dtype=torch.long), torch.full((n_untold,), -1)])
        x = torch.arange(float(len(codes)))[:, None]
        also = torch.ones(len(codes), dtype=torch.bool)
        batches = GameBatches(x, codes, 16, torch.Generator().manual_seed(0), also)
        seen = torch.cat([batch.x[:, 0] for batch in batches.epoch()])
        assert set(seen.tolist()) == set(range(len(codes)))


def test_telling_anew_deals_the_rows_out_anew() -> None:
    batches = make(4, 16, 4)
    batches.tell(torch.arange(20) % 3)
    assert all(batch.n_labeled == len(batch.x) for batch in batches.epoch())


def test_the_order_depends_on_the_generator_alone() -> None:
    state = torch.random.get_rng_state()
    one, two = (torch.cat([b.x for b in make(5, 50, 8).epoch()]) for _ in range(2))
    assert torch.equal(one, two)
    assert torch.equal(state, torch.random.get_rng_state())
