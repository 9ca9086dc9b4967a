"""Adversarial training: batches -> step (a game) -> epoch -> fit, with callbacks."""

from aaetools.training.batches import Batch, GameBatches
from aaetools.training.callbacks import Callback, PrintLosses, TrainingContext
from aaetools.training.checkpoints import Checkpoints
from aaetools.training.game import AdversarialGame, LatentMatch, Term, linear_decay, linear_ramp
from aaetools.training.loop import Game, fit_loop, run_epoch
from aaetools.training.state import Stateful

__all__ = [
    "AdversarialGame",
    "Batch",
    "Callback",
    "Checkpoints",
    "Game",
    "GameBatches",
    "LatentMatch",
    "PrintLosses",
    "Stateful",
    "Term",
    "TrainingContext",
    "fit_loop",
    "linear_decay",
    "linear_ramp",
    "run_epoch",
]
