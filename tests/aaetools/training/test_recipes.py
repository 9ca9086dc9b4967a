"""Recipes: what the discriminator is told, weights averaged, consistency."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from aaetools.exceptions import DataError
from aaetools.networks import Discriminator, mlp_networks
from aaetools.priors import Prior, RingPrior, SimplexPrior, make_prior
from aaetools.training import Batch, GameBatches
from aaetools.training.augmentation import Augmentation
from aaetools.training.averaging import refresh_batch_norm, running_average, use_averages
from aaetools.training.consistency import AdversarialConsistency, posterior_temperature
from aaetools.training.recipes import (
    RECIPES,
    FewLabelsRecipe,
    PaperRecipe,
    Parts,
    Run,
    balancing_weights,
    inner_scale,
    make_recipe,
)
from aaetools.training.telling import Retelling
from aaetools.training.threads import threads_for


def blobs(n: int = 30) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.RandomState(0)
    truth = np.arange(n) % 3
    x = 8 * np.eye(3)[truth] + random.normal(size=(n, 3))
    return torch.from_numpy(x).float(), torch.from_numpy(truth)


def prepare(
    recipe: Any, codes: torch.Tensor, x: torch.Tensor, prior: Prior, augment: Augmentation | None = None
) -> Run:
    encoder, decoder = mlp_networks((3,), prior.n_dims, (8,))
    entries = prior.n_classes + 1 if prior.n_classes else 0
    parts = Parts(
        x=x,
        codes=codes,
        encoder=encoder,
        decoder=decoder,
        discriminator=Discriminator(prior.n_dims, entries, (8,)),
        prior=prior,
        learning_rate=1e-3,
        generator=torch.Generator().manual_seed(0),
        augment=augment,
    )
    prepared: Run = recipe.prepare(parts)
    return prepared


PRIOR = SimplexPrior(n_dims=4, n_classes=3)


def test_the_paper_tells_the_discriminator_the_given_labels_only() -> None:
    x, truth = blobs()
    codes = torch.where(torch.arange(30) < 6, truth, -1)
    run = prepare(PaperRecipe(), codes, x, PRIOR)
    assert torch.equal(run.codes, codes)
    assert run.also_unlabeled is None
    assert run.averages == ()


def test_what_an_augmentation_leaves_alone_carries_labels_farther() -> None:
    random = np.random.RandomState(0)
    truth = torch.arange(90) % 3
    x = torch.zeros(90, 3)
    x[:, 0] = 2 * truth
    x[:, 1] = torch.from_numpy(30 * random.rand(90))  # says nothing, and is all that distances are made of
    codes = torch.where(torch.arange(90) < 6, truth, -1)
    generator = torch.Generator().manual_seed(0)

    def elsewhere(rows: torch.Tensor) -> torch.Tensor:
        moved = rows.clone()
        moved[:, 1] = 30 * torch.rand(len(rows), generator=generator)
        return moved

    recipe = FewLabelsRecipe(propagate=True)
    plain, seen = (prepare(recipe, codes, x, PRIOR, augment).codes for augment in (None, elsewhere))
    assert (plain != truth).sum() > 15
    assert (seen != truth).sum() < 3


def test_few_labels_keeps_given_labels_and_adds_propagated_ones() -> None:
    x, truth = blobs()
    codes = torch.where(torch.arange(30) < 6, truth, -1)
    run = prepare(FewLabelsRecipe(), codes, x, PRIOR)
    assert torch.equal(run.codes[:6], codes[:6])
    assert torch.equal(run.codes, truth), "the blobs are far apart: every label propagates to its own"
    assert run.also_unlabeled is not None
    assert torch.equal(run.also_unlabeled, codes < 0), "rows without a given label play the unlabelled game too"
    off = prepare(FewLabelsRecipe(propagate=False), codes, x, PRIOR)
    assert torch.equal(off.codes, codes)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_plays_with_all_labels_some_and_none(name: str) -> None:
    x, truth = blobs()
    some = torch.where(torch.arange(30) < 6, truth, -1)
    for codes, prior in (
        (truth, PRIOR),
        (some, PRIOR),
        (torch.full_like(truth, -1), make_prior("gaussian", n_dims=2)),
    ):
        run = prepare(RECIPES[name](), codes, x, prior)
        order = torch.argsort((run.codes < 0).long(), stable=True)  # labelled rows come first in a batch
        batch = Batch(x[order], run.codes[order], int((run.codes >= 0).sum()))
        recorded = run.game.train_step(batch, 0.1)
        assert all(torch.isfinite(value) for value in recorded.values())


def test_sure_rows_alone_are_told_where_there_are_many_and_then_told_anew() -> None:
    x, truth = blobs()
    codes = torch.where(torch.arange(30) < 6, truth, -1)
    run = prepare(FewLabelsRecipe(told_share=0.5), codes, x, PRIOR)
    assert int((run.codes >= 0).sum()) < 20
    batches = GameBatches(x, run.codes, 8, torch.Generator().manual_seed(0), run.also_unlabeled)
    (retelling,) = run.callbacks(batches)
    assert isinstance(retelling, Retelling)
    assert retelling.rounds == [(0.35, 0.625), (0.65, 0.75)]
    assert retelling.evidence is None
    (trusting,) = prepare(FewLabelsRecipe(told_share=0.5, graph_trust=2.0), codes, x, PRIOR).callbacks(batches)
    assert isinstance(trusting, Retelling)
    assert trusting.rounds == [(0.35, 0.75), (0.65, 0.875)]
    assert trusting.evidence is not None
    right = np.asarray(trusting.evidence)[np.arange(30), truth.numpy()]
    assert np.mean(right) > 0.5 > np.mean(trusting.evidence), "the graph's word, not something else"
    everything = prepare(FewLabelsRecipe(), codes, x, PRIOR)
    assert everything.callbacks(batches) == []


def test_with_augmentation_the_views_are_what_is_kept_consistent() -> None:
    x, truth = blobs()
    views = []

    def augment(rows: torch.Tensor) -> torch.Tensor:
        views.append(rows)
        return rows + 1

    encoder, decoder = mlp_networks((3,), 4, (8,))
    parts = Parts(
        x=x,
        codes=truth,
        encoder=encoder,
        decoder=decoder,
        discriminator=Discriminator(4, 4, (8,)),
        prior=PRIOR,
        learning_rate=1e-3,
        generator=torch.Generator().manual_seed(0),
        augment=augment,
    )
    run = FewLabelsRecipe().prepare(parts)
    recorded = run.game.train_step(Batch(x, truth, 30), 0.5)
    assert recorded["consistency_loss"] > 0
    assert len(views) == 2
    assert all(torch.equal(rows, x) for rows in views), "each view is made of the rows as they are"


def test_class_shares_become_the_priors_weights_and_are_checked() -> None:
    x, truth = blobs()
    codes = torch.where(torch.arange(30) < 6, truth, -1)
    run = prepare(FewLabelsRecipe(class_shares=(2.0, 1.0, 1.0)), codes, x, PRIOR)
    assert run.prior.weights == pytest.approx((0.5, 0.25, 0.25))
    for wrong in ((1.0, 1.0), (1.0, 1.0, 0.0)):
        with pytest.raises(DataError, match="3 positive numbers"):
            prepare(FewLabelsRecipe(class_shares=wrong), codes, x, PRIOR)


def test_weights_that_the_user_gave_the_prior_stay() -> None:
    x, truth = blobs()
    codes = torch.where(torch.arange(30) < 6, truth, -1)
    own = SimplexPrior(n_dims=4, n_classes=3, weights=(0.8, 0.1, 0.1))
    assert prepare(FewLabelsRecipe(), codes, x, own).prior.weights == (0.8, 0.1, 0.1)


def test_rare_classes_weigh_more_by_the_square_root_and_equal_ones_the_same() -> None:
    codes = torch.tensor([0] * 90 + [1] * 10 + [-1] * 50)
    weights = balancing_weights(codes, 2)
    assert float(weights[1] / weights[0]) == pytest.approx(3)
    assert balancing_weights(torch.tensor([0, 1, 2]), 3).tolist() == [1, 1, 1]


def test_the_inner_scale_is_the_narrowest_axis_of_a_region() -> None:
    assert inner_scale(SimplexPrior(n_dims=4, n_classes=3)) == pytest.approx(0.5, rel=0.1)
    assert inner_scale(RingPrior(n_dims=2, n_classes=10)) == pytest.approx(0.1, rel=0.1)
    assert inner_scale(make_prior("gaussian", n_dims=1)) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("n_classes", [2, 10, 50])
@pytest.mark.parametrize("name", ["simplex", "ring", "gaussian"])
def test_the_temperature_brings_typical_log_odds_to_the_asked_sharpness(name: str, n_classes: int) -> None:
    prior = make_prior(name, n_dims=max(2, min(n_classes, 20)), n_classes=n_classes)
    temperature = posterior_temperature(prior, 8.0)
    z = prior.sample(1000, generator=torch.Generator().manual_seed(3))
    best = (prior.class_log_posterior(z) / temperature).topk(2, dim=1).values
    assert temperature >= 1
    assert float((best[:, 0] - best[:, 1]).median()) == pytest.approx(8, rel=0.15) or temperature == 1


def test_consistency_is_zero_for_a_constant_encoder_and_grows_with_the_radius() -> None:
    def term(encoder: nn.Module, radius: float) -> float:
        consistency = AdversarialConsistency(
            encoder,
            PRIOR,
            weight=1.0,
            radius=radius,
            temperature=5.0,
            generator=torch.Generator().manual_seed(0),
        )
        x = torch.randn(20, 4, generator=torch.Generator().manual_seed(1))
        return float(consistency(x, encoder(x), 0.0).detach())

    constant = nn.Linear(4, 4)
    nn.init.zeros_(constant.weight)
    assert term(constant, 1.0) == pytest.approx(0, abs=1e-6)
    identity = nn.Identity()
    assert 0 < term(identity, 0.1) < term(identity, 1.0)


def test_running_averages_follow_and_are_put_in_place() -> None:
    module = nn.Linear(1, 1)
    average = running_average(module, 0.5)
    with torch.no_grad():
        for value in (1.0, 2.0, 3.0):
            module.weight.fill_(value)
            average.update_parameters(module)
    averaged = float(average.module.weight.detach())
    assert 1 < averaged < 3
    use_averages([module], [average])
    assert float(module.weight.detach()) == averaged


def test_refreshed_batch_norm_has_the_statistics_of_all_rows() -> None:
    norm = nn.Sequential(nn.BatchNorm1d(2))
    x = torch.randn(500, 2, generator=torch.Generator().manual_seed(0)) * 3 + 1
    refresh_batch_norm(norm, x)
    assert torch.allclose(norm[0].running_mean, x.mean(0), atol=1e-5)
    assert torch.allclose(norm[0].running_var, x.var(0), atol=1e-3)


def test_small_networks_train_on_one_thread_and_the_count_comes_back() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threads_for((nn.Linear(8, 8),), 64):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        with threads_for((nn.Linear(2000, 2000),), 256):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rump": 1}, "'few-labels' has no setting 'rump'; it has n_steps"),
        ({"ramp": True}, "setting ramp: True is not a number of at least 0; the default is 0.4"),
        ({"ramp": -0.1}, "setting ramp: -0.1 is not a number"),
        ({"balance_classes": 1}, "setting balance_classes: 1 is not true or false; the default is true"),
        ({"propagate": 1}, "propagate must be true, false or 'auto', not 1"),
        ({"told_share": 0.0}, "told_share must be 'auto' or a number above 0 and at most 1, not 0.0"),
        ({"unlabeled_weight": -1.0}, "unlabeled_weight must be 'auto' or a number of at least 0, not -1.0"),
        ({"told_share": "half"}, "told_share must be 'auto' or a number"),
        ({"graph_trust": -1.0}, "graph_trust must be 'auto' or a number of at least 0, not -1.0"),
        ({"n_neighbors": 0.5}, "setting n_neighbors: 0.5 is not a whole number of at least 1"),
    ],
)
def test_settings_of_the_wrong_name_or_kind_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make_recipe("few-labels", settings)


def test_settings_may_be_numpy_numbers() -> None:
    assert make_recipe("few-labels", {"n_steps": np.int64(5), "ramp": np.float32(0.5)}).n_steps == 5
