"""Seconds per epoch of pythae's adversarial autoencoder, printed as JSON; throughput.py runs it as a child.

It runs in an environment of its own, which needs torch and pythae and nothing of this project:

    python -m venv PATH && PATH/bin/pip install torch==2.13.0 pythae
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from eager_loop import make_networks
from pythae.data.datasets import BaseDataset
from pythae.models import Adversarial_AE, Adversarial_AE_Config
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
from pythae.trainers import AdversarialTrainer, AdversarialTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback
from torch import Tensor, nn


class Encoder(BaseEncoder):
    """An encoder without a variance of its own: the model is told to use a deterministic posterior."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> ModelOutput:
        """Return codes, and a log-variance that the model multiplies by 0."""
        z = self.net(x)
        return ModelOutput(embedding=z, log_covariance=torch.zeros_like(z))


class Decoder(BaseDecoder):
    """A decoder with a linear last layer."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> ModelOutput:
        """Return the reconstruction."""
        return ModelOutput(reconstruction=self.net(z))


class Discriminator(BaseDiscriminator):
    """A discriminator that returns probabilities, as the model's cross-entropy wants them."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, z: Tensor) -> ModelOutput:
        """Return the probability of each code to be a draw from the prior."""
        return ModelOutput(embedding=self.net(z).sigmoid())


class Stopwatch(TrainingCallback):
    """Seconds of each epoch, and how many of them went into networks, gradients and optimisers.

    The rest is the trainer's own: fetching and collating rows, callbacks, progress bar, copying the best model.
    """

    def __init__(self, model: nn.Module) -> None:
        self.epochs: list[float] = []
        self.computing: list[float] = []
        self.trainer: AdversarialTrainer | None = None
        self.forward_began = 0.0

        def forward_begins(*unused: Any) -> None:  # no method: the trainer copies the model with its hooks
            self.forward_began = time.perf_counter()

        model.register_forward_pre_hook(forward_begins)

    def on_train_begin(self, training_config: Any, **kwargs: Any) -> None:
        """Watch the optimiser that steps last."""
        self.trainer.discriminator_optimizer.register_step_post_hook(self._step_ended)

    def on_epoch_begin(self, training_config: Any, **kwargs: Any) -> None:
        """Start the clock."""
        self.computing.append(0.0)
        self.began = time.perf_counter()

    def on_epoch_end(self, training_config: Any, **kwargs: Any) -> None:
        """Stop the clock."""
        self.epochs.append(time.perf_counter() - self.began)

    def _step_ended(self, *unused: Any) -> None:
        self.computing[-1] += time.perf_counter() - self.forward_began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", help="float32 rows in [0, 1], a .npy file")
    parser.add_argument("--hidden", type=int, nargs="+", required=True)
    parser.add_argument("--components", type=int, required=True)
    parser.add_argument("--batch-size", type=int, required=True)
    parser.add_argument("--epochs", type=int, required=True, help="timed epochs, after one that is not")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    x = torch.from_numpy(np.load(arguments.data))
    encoder, decoder, discriminator = make_networks(x.shape[1], tuple(arguments.hidden), arguments.components)
    model = Adversarial_AE(
        Adversarial_AE_Config(input_dim=(x.shape[1],), latent_dim=arguments.components, deterministic_posterior=True),
        encoder=Encoder(encoder),
        decoder=Decoder(decoder),
        discriminator=Discriminator(discriminator),
    )
    stopwatch = Stopwatch(model)
    with tempfile.TemporaryDirectory() as folder:  # the trainer always saves the final model, after the last epoch
        trainer = AdversarialTrainer(
            model,
            train_dataset=BaseDataset(x, torch.zeros(len(x))),
            training_config=AdversarialTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=arguments.batch_size,
                num_epochs=1 + arguments.epochs,
                autoencoder_learning_rate=1e-3,
                discriminator_learning_rate=1e-3,
                no_cuda=True,
                seed=arguments.seed,
            ),
            callbacks=[stopwatch],
        )
        stopwatch.trainer = trainer
        trainer.train()
    print(
        json.dumps(
            {
                "seconds": stopwatch.epochs[1:],
                "computing": stopwatch.computing[1:],
                "n_weights": sum(p.numel() for p in model.parameters()),
                "versions": {name: version(name) for name in ("pythae", "torch")},
            }
        )
    )


if __name__ == "__main__":
    main()
