"""The adversarial step: who learns in which phase, what each part is shown, and what labels cannot touch."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from aaetools.exceptions import TrainingError
from aaetools.networks import Discriminator, mlp_networks
from aaetools.priors import Prior, SimplexPrior, make_prior
from aaetools.training import AdversarialGame, Batch, LatentMatch, linear_decay, linear_ramp

N_CLASSES = 3
PRIOR = SimplexPrior(n_dims=4, n_classes=N_CLASSES)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(codes: list[int] | None = None) -> Batch:
    values = torch.tensor([0, 1, 2, 0, -1, -1, -1, -1] if codes is None else codes)
    x = torch.randn(len(values), 6, generator=seeded())
    return Batch(x, values, int((values >= 0).sum()))


class Recorder(Discriminator):
    """A discriminator that remembers what it was shown."""

    def __init__(self, n_entries: int = N_CLASSES + 1, prior: Prior = PRIOR) -> None:
        super().__init__(prior.n_dims, n_entries, (16,))
        self.seen: list[tuple[Tensor, Tensor | None]] = []

    def forward(self, z: Tensor, entries: Tensor | None = None) -> Tensor:
        self.seen.append((z.detach().clone(), None if entries is None else entries.clone()))
        return super().forward(z, entries)


def make_game(critic: Discriminator | None = None, prior: Prior = PRIOR, **options: Any) -> AdversarialGame:
    torch.manual_seed(0)
    encoder, decoder = mlp_networks((6,), prior.n_dims, (16,))
    entries = prior.n_classes + 1 if prior.n_classes else 0
    critic = Discriminator(prior.n_dims, entries, (16,)) if critic is None else critic
    return AdversarialGame(encoder, decoder, [LatentMatch(prior, critic, seeded(1))], **options)


def weights(module: nn.Module) -> list[Tensor]:
    return [p.detach().clone() for p in module.parameters()]


def same(before: list[Tensor], after: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


# -- what the discriminator is shown ---------------------------------------------------------------------------------


def test_the_discriminator_gets_each_rows_own_entry_and_the_extra_one_for_unlabelled_rows() -> None:
    critic = Recorder()
    made = batch()
    make_game(critic).train_step(made, 0.0)
    _, entries = critic.seen[0]
    assert entries is not None
    expected = torch.tensor([0, 1, 2, 0, 3, 3, 3, 3])
    positives, negatives = entries.chunk(2)
    assert entries.shape == (16, N_CLASSES + 1)
    assert torch.equal(positives.argmax(1), expected)
    assert torch.equal(negatives.argmax(1), expected)
    assert (entries.sum(1) == 1).all()


def test_positives_of_a_class_come_from_its_component_and_unlabelled_ones_from_the_whole_mixture() -> None:
    critic = Recorder()
    codes = [k for k in range(N_CLASSES) for _ in range(30)] + [-1] * 90
    make_game(critic).train_step(batch(codes), 0.0)
    positives = critic.seen[0][0][:180]
    component = PRIOR.class_log_posterior(positives).argmax(1)
    assert component[:90].tolist() == codes[:90]
    shares = torch.bincount(component[90:], minlength=N_CLASSES)
    assert (shares > 15).all(), "the extra entry must see every component"


def test_negatives_are_the_encoders_codes_of_the_same_batch() -> None:
    critic = Recorder()
    game = make_game(critic, shared_pass=True)
    made = batch()
    expected = copy.deepcopy(game.encoder)(made.x)
    game.train_step(made, 0.0)
    assert torch.allclose(critic.seen[0][0][8:], expected, atol=1e-6)


def test_without_classes_the_discriminator_sees_codes_alone() -> None:
    plain = make_prior("gaussian", n_dims=2)
    critic = Recorder(0, plain)
    make_game(critic, plain).train_step(batch([-1] * 8), 0.0)
    assert all(entries is None for _, entries in critic.seen)


def test_prior_draws_are_real_and_codes_are_fake() -> None:
    game = make_game(learning_rate=1e-2)
    made = batch([0, 1, 2] * 20 + [-1] * 60)
    match = game.matches[0]
    with torch.no_grad():
        z = game.encoder(made.x)
    for _ in range(150):
        loss, accuracy = match.discriminator_step(made, z, match.entries(made), 0.0)
        game.discriminator_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        game.discriminator_optimizer.step()
    entries = match.entries(made)
    assert accuracy > 0.9
    assert (match.discriminator(match.draw(made), entries) > 0).float().mean() > 0.9
    assert (match.discriminator(z, entries) < 0).float().mean() > 0.9


# -- who learns when -------------------------------------------------------------------------------------------------


def test_the_discriminators_step_leaves_the_encoder_alone_and_the_encoders_the_discriminator() -> None:
    game = make_game()
    match, made = game.matches[0], batch()
    z = game.encoder(made.x)
    loss, _ = match.discriminator_step(made, z.detach(), match.entries(made), 0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in game.encoder.parameters())
    assert all(p.grad is not None for p in match.discriminator.parameters())
    before = weights(match.discriminator)
    game.discriminator_optimizer.step = lambda *_: None  # type: ignore[method-assign]
    game.train_step(made, 0.0)
    assert same(before, weights(match.discriminator)), "only its own optimiser may move D"
    assert all(p.requires_grad for p in match.discriminator.parameters())


@pytest.mark.parametrize("shared_pass", [False, True])
def test_a_step_moves_encoder_decoder_and_discriminator(shared_pass: bool) -> None:
    game = make_game(shared_pass=shared_pass)
    parts = (game.encoder, game.decoder, game.matches[0].discriminator)
    before = [weights(part) for part in parts]
    recorded = game.train_step(batch(), 0.0)
    assert not any(same(old, weights(part)) for old, part in zip(before, parts, strict=True))
    assert all(torch.isfinite(value) and not value.requires_grad for value in recorded.values())
    assert 0 <= recorded["discriminator_accuracy"] <= 1


def test_the_paper_updates_the_encoder_once_in_each_phase_and_the_decoder_in_the_first_only() -> None:
    game = make_game(shared_pass=False)
    assert game.generator_optimizer is not None
    order: list[str] = []
    for name in ("autoencoder", "discriminator", "generator"):
        optimizer = getattr(game, f"{name}_optimizer")
        step = optimizer.step
        optimizer.step = lambda *args, _step=step, _name=name: (order.append(_name), _step(*args))
    decoder = {id(p) for p in game.decoder.parameters()}
    assert not decoder & {id(p) for group in game.generator_optimizer.param_groups for p in group["params"]}
    game.train_step(batch(), 0.0)
    assert order == ["autoencoder", "discriminator", "generator"]


# -- what labels cannot touch ----------------------------------------------------------------------------------------


def test_permuting_the_labels_leaves_the_reconstruction_phases_gradients_unchanged() -> None:
    gradients = []
    for codes in ([0, 1, 2, 0, -1, -1, -1, -1], [2, 0, 1, 1, -1, -1, -1, -1], [-1] * 8):
        game = make_game()
        _, loss = game.reconstruction_phase(batch(codes))
        loss.backward()  # type: ignore[no-untyped-call]
        parameters = [*game.encoder.parameters(), *game.decoder.parameters()]
        gradients.append([p.grad.clone() for p in parameters if p.grad is not None])
        assert len(gradients[-1]) == len(parameters)
    assert same(gradients[0], gradients[1])
    assert same(gradients[0], gradients[2])


def test_permuting_the_labels_changes_the_encoders_gradient_through_the_discriminator() -> None:
    gradients = []
    for codes in ([0, 1, 2, 0], [2, 0, 1, 1]):
        game = make_game()
        made, match = batch(codes), game.matches[0]
        match.encoder_step(made, game.encoder(made.x), match.entries(made), 0.0).backward()  # type: ignore[no-untyped-call]
        gradients.append([p.grad.clone() for p in game.encoder.parameters() if p.grad is not None])
    assert not same(*gradients)


# -- options ---------------------------------------------------------------------------------------------------------


def test_labelled_and_unlabelled_parts_are_averaged_apart() -> None:
    game = make_game()
    match, made = game.matches[0], batch([0] + [-1] * 9)
    z, entries = game.encoder(made.x).detach(), match.entries(made)
    assert entries is not None
    logits = match.discriminator(z, entries)
    softplus = torch.nn.functional.softplus(-logits)
    expected = softplus[0] + softplus[1:].mean()
    assert torch.allclose(match.encoder_step(made, z, entries, 0.0), expected)


def test_the_unlabelled_weight_applies_only_beside_labels() -> None:
    match = LatentMatch(PRIOR, Discriminator(4, 4, (8,)), seeded(), unlabeled_weight=lambda progress: 0.0)
    for codes, expect_zero in (([-1, -1], False), ([0, -1], True)):
        made = batch(codes)
        z = torch.randn(2, 4, generator=seeded())
        z.requires_grad_()
        match.encoder_step(made, z, match.entries(made), 0.0).backward()  # type: ignore[no-untyped-call]
        assert z.grad is not None
        assert bool((z.grad[1] == 0).all()) is expect_zero


def test_ramp_and_decay_follow_progress() -> None:
    ramp = linear_ramp(0.4, 0.3)
    assert [ramp(p) for p in (0.0, 0.2, 0.4, 1.0)] == pytest.approx([0, 0.15, 0.3, 0.3])
    assert linear_ramp(0.0)(0.0) == 1
    decay = linear_decay(0.5, 0.02)
    assert [decay(p) for p in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([1, 1, 0.51, 0.02])


def test_the_schedule_sets_every_optimisers_learning_rate() -> None:
    game = make_game(learning_rate=0.1, schedule=linear_decay(0.5))
    game.train_step(batch(), 0.75)
    for optimizer in (game.autoencoder_optimizer, game.discriminator_optimizer, game.generator_optimizer):
        assert optimizer is not None
        assert optimizer.param_groups[0]["lr"] == pytest.approx(0.05)


def test_terms_are_added_recorded_and_never_shown_a_label() -> None:
    seen: list[tuple[Any, ...]] = []

    def term(*arguments: Any) -> Tensor:
        seen.append(arguments)
        return arguments[1].square().mean()

    recorded = make_game(terms={"size": term}).train_step(batch(), 0.25)
    assert "size_loss" in recorded
    x, z, progress = seen[0]
    assert (x.shape, z.shape, progress) == ((8, 6), (8, 4), 0.25)


def test_input_noise_needs_a_generator_and_leaves_the_target_clean() -> None:
    with pytest.raises(TrainingError, match="needs a generator"):
        make_game(input_noise=0.3).train_step(batch(), 0.0)
    game = make_game(input_noise=0.3, generator=seeded())
    made = batch()
    clean = made.x.clone()
    game.train_step(made, 0.0)
    assert torch.equal(made.x, clean)


def test_a_gradient_that_is_not_finite_is_never_forgotten() -> None:
    encoder, decoder = nn.Linear(3, 2), nn.Linear(2, 3)
    match = LatentMatch(make_prior("gaussian", n_dims=2), Discriminator(2, 0, (4,)), seeded())
    game = AdversarialGame(encoder, decoder, [match])
    assert game.not_finite() is None
    for value, found in ((1.0, None), (float("nan"), "encoder or decoder"), (1.0, "encoder or decoder")):
        for parameter in encoder.parameters():
            parameter.grad = torch.full_like(parameter, value)
        game.autoencoder_optimizer.step()
        assert game.not_finite() == found
