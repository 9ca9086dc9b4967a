"""The label-incorporating adversarial autoencoder as a scikit-learn estimator."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from functools import partial
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from aaetools.columns import ColumnCodec, Layout, data_frame, is_mixed
from aaetools.estimators.inputs import is_annotated, is_lazy_frame, matrix_of, written_out
from aaetools.exceptions import DataError, LabelError, ModelFileError
from aaetools.labels import UNLABELED, encode_labels, is_unlabeled
from aaetools.losses import reconstruction_loss
from aaetools.networks import ARCHITECTURES, Discriminator, WithDispersion
from aaetools.preprocessing import SCALINGS, InputScaler
from aaetools.priors import PRIORS, Prior, SampledPrior, default_n_dims, make_prior
from aaetools.reconstruction import ByKind, moment_dispersion
from aaetools.training import Callback, GameBatches, PrintLosses, fit_loop
from aaetools.training.augmentation import AUGMENTATIONS, InDataUnits, make_augmentation
from aaetools.training.averaging import refresh_batch_norm, use_averages
from aaetools.training.checkpoints import Checkpoints
from aaetools.training.compilation import compiled
from aaetools.training.early_stopping import EarlyStopping, choose_validation_rows
from aaetools.training.fit_tasks import CallbackSupportMixin, FitTasks, with_callbacks
from aaetools.training.precision import PRECISIONS, mixed_precision, resolve_precision
from aaetools.training.recipes import MANY_ROWS, RECIPES, Parts, Recipe, make_recipe
from aaetools.training.threads import largest_layer, threads_for

__all__ = ["AdversarialAutoencoder"]

RECONSTRUCTIONS = ("auto", "squared", "counts")
"""What a decoder's error can be, see :class:`AdversarialAutoencoder`."""
_PARTS = ("encoder", "decoder", "discriminator")
_CHUNK = 512
"""Rows that go through a network at once where nothing is learned; what 2048 leave behind fits no core's cache."""
_WIDEST_CRITIC = 128
"""The discriminator works on a few latent dimensions: wider layers cost a third of a step and bring nothing."""
_GO_ON = 0.25
"""Share of a fit's epochs that training goes on for after labels were added."""


class AdversarialAutoencoder(
    CallbackSupportMixin,  # type: ignore[misc]  # scikit-learn publishes no types
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]  # scikit-learn publishes no types
    ClassifierMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Adversarial autoencoder whose labels are seen only by the discriminator (Makhzani et al. 2015, section 2.3).

    An encoder and a decoder learn to reconstruct; a discriminator pushes the latent codes toward a prior p(z) that
    has one region per class. It alone is told the labels, as a one-hot row with an extra entry for "no label", so
    the classes come to lie where the prior puts them. ``predict`` reads the class off the prior: no classifier is
    trained. Without any label it is the plain adversarial autoencoder of section 2.

    Parameters
    ----------
    n_components
        Latent dimensions; "auto" takes what suits the prior and the number of classes.
    prior
        "auto" ("simplex" with labels, "gaussian" without), a name of :data:`aaetools.priors.PRIORS`, a
        :class:`aaetools.priors.Prior`, or a function ``sampler(n, labels, generator)`` returning (n, d) codes.
    recipe
        How the game is played, a name of :data:`aaetools.training.recipes.RECIPES`: "few-labels", made to learn
        from few labels, or "paper", the bare game of section 2.3.
    recipe_params
        Settings of the recipe that differ from its defaults, as a dict.
    architecture
        "mlp", or "conv" for images.
    hidden_layer_sizes
        Widths of the encoder's hidden layers; the decoder has them in reverse. "auto" takes 256 and 256, or
        1000, 500 and 250 from 10,000 rows on.
    encoder, decoder, discriminator
        Modules to use instead of the built ones; copied, never changed. The encoder maps scaled inputs
        (n, n_features) to (n, n_components) codes, the decoder back, and the discriminator takes codes and label
        rows (n, n_classes + 1), or codes alone where there are no labels, and returns logits (n,).
    image_shape
        ``(height, width)`` or ``(height, width, channels)`` where each row is a flattened image. Arrays of images,
        shape (n, height, width[, channels]), say it themselves.
    augmentation
        "none", or a name of :data:`aaetools.training.augmentation.AUGMENTATIONS` for images whose class a small change
        leaves alone: "affine" turns, shifts, stretches and slants them while training.
    scaling
        One of :data:`aaetools.preprocessing.SCALINGS`. In a data frame of columns of several kinds it concerns numbers,
        counts and dates, and "auto" is "standard".
    reconstruction
        What the decoder's error is. "auto": for a data frame that holds more than complete numbers the likelihood of
        each column's kind (squared error of numbers and dates, Bernoulli, cross-entropy of categories, negative
        binomial of counts), for anything else the squared error. "squared": that in any case. "counts": the negative
        binomial for a matrix of whole numbers from 0 on, which the networks see as log(1 + x).
    unlabeled
        Value in ``y`` that stands for "no label", besides None, NaN and pd.NA; None for no such value.
    max_epochs
        Passes over all rows; "auto" takes as many as the recipe's number of steps needs.
    batch_size
        Rows of the unlabelled game per step, see :class:`aaetools.training.GameBatches`; "auto" takes 64, or 128 from
        10,000 rows on.
    learning_rate
        Step size of Adam at the start.
    early_stopping
        Hold back a part of the given labels and stop when accuracy on them no longer rises, keeping the best
        weights. Ignored with a warning where classes have too few labels to spare one.
    validation_fraction
        Share of the given labels that early stopping holds back.
    n_iter_no_change
        Epochs without improvement before early stopping ends training; None for a quarter of the epochs.
    device
        "auto" (a CUDA device where there is one), or any torch device.
    precision
        "float32"; "bfloat16" for matrix products in bfloat16 around float32 weights and sums; or "auto", which takes
        bfloat16 where the device multiplies it in hardware and the layers are large. It concerns training alone.
    compile
        Compile the networks by ``torch.compile`` for training. It pays on long fits; where it does not work, a
        warning says why and training goes on without.
    callbacks
        One :class:`aaetools.training.Callback`, or a list of objects with its methods. Those of scikit-learn (1.9 and
        later, experimental) are given by ``set_callbacks``, and are told of the fit and of each epoch.
    verbose
        0 is silent; n > 0 prints the losses every n epochs.
    random_state
        Seed of everything random: weights, batches, prior draws. Global generators are left alone.

    Attributes
    ----------
    classes_
        Sorted labels, shape (n_classes,); empty where there were none.
    encoder_, decoder_, discriminator_
        Fitted modules.
    prior_
        The prior, see :class:`aaetools.priors.Prior`.
    history_
        One list per loss, one number per epoch; ``discriminator_accuracy`` should near 0.5.
    n_iter_
        Epochs run.
    n_components_
        Latent dimensions.
    hidden_layer_sizes_, batch_size_, precision_
        What "auto" came to.
    n_propagated_
        Unlabelled rows of which the discriminator was told a propagated label.
    scaling_
        "standard", "shared" or "none".
    reconstruction_
        "squared", "columns" (by kind) or "counts".
    columns_
        How each column is encoded, a :class:`aaetools.columns.ColumnCodec`; None where rows were complete numbers.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from aaetools import AdversarialAutoencoder, mask_labels
    >>> X, y = load_iris(return_X_y=True)
    >>> y_partial = mask_labels(y, per_class=5, random_state=0)
    >>> model = AdversarialAutoencoder(max_epochs=5, random_state=0).fit(X, y_partial)
    >>> model.transform(X).shape
    (150, 4)
    >>> model.predict(X[:2]).shape
    (2,)
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_components": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "prior": [StrOptions({"auto", *PRIORS}), Prior, callable],
        "recipe": [StrOptions(set(RECIPES))],
        "recipe_params": [dict, None],
        "architecture": [StrOptions(set(ARCHITECTURES))],
        "hidden_layer_sizes": [StrOptions({"auto"}), "array-like"],
        "encoder": [nn.Module, None],
        "decoder": [nn.Module, None],
        "discriminator": [nn.Module, None],
        "image_shape": ["array-like", None],
        "augmentation": [StrOptions({"none", *AUGMENTATIONS})],
        "scaling": [StrOptions(set(SCALINGS))],
        "reconstruction": [StrOptions(set(RECONSTRUCTIONS))],
        "unlabeled": [Integral, Real, str, None],
        "max_epochs": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), None],
        "device": [str, torch.device],
        "precision": [StrOptions(set(PRECISIONS))],
        "compile": ["boolean"],
        "callbacks": ["array-like", Callback, None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int | str = "auto",
        *,
        prior: str | Prior | Callable[..., Any] = "auto",
        recipe: str = "few-labels",
        recipe_params: dict[str, Any] | None = None,
        architecture: str = "mlp",
        hidden_layer_sizes: Sequence[int] | str = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        discriminator: Any = None,
        image_shape: Sequence[int] | None = None,
        augmentation: str = "none",
        scaling: str = "auto",
        reconstruction: str = "auto",
        unlabeled: Any = UNLABELED,
        max_epochs: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float = 1e-3,
        early_stopping: bool = False,
        validation_fraction: float = 0.2,
        n_iter_no_change: int | None = None,
        device: str | torch.device = "auto",
        precision: str = "auto",
        compile: bool = False,
        callbacks: Sequence[Callback] | Callback | None = None,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.prior = prior
        self.recipe = recipe
        self.recipe_params = recipe_params
        self.architecture = architecture
        self.hidden_layer_sizes = hidden_layer_sizes
        self.encoder = encoder
        self.decoder = decoder
        self.discriminator = discriminator
        self.image_shape = image_shape
        self.augmentation = augmentation
        self.scaling = scaling
        self.reconstruction = reconstruction
        self.unlabeled = unlabeled
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.device = device
        self.precision = precision
        self.compile = compile
        self.callbacks = callbacks
        self.verbose = verbose
        self.random_state = random_state

    # -- learning ------------------------------------------------------------------------------------------------

    @with_callbacks  # type: ignore[untyped-decorator]  # scikit-learn has no types
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]  # scikit-learn has no types
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> AdversarialAutoencoder:
        """Learn from rows with and without labels.

        Parameters
        ----------
        X
            Rows, shape (n_rows, n_features), or images, shape (n_rows, height, width[, channels]): an array, a data
            frame of pandas or polars, or an AnnData object, of which ``X`` and ``var_names`` are taken. A sparse
            matrix is written out with its zeros; one that would fill over half of the memory is refused. A data
            frame may hold categories, booleans, dates and gaps, see :mod:`aaetools.columns`; an array may not.
        y
            One label per row, shape (n_rows,): integers, strings or booleans; unlabelled rows hold ``unlabeled``,
            None, NaN or pd.NA. None for no labels at all. Of an AnnData object, say ``adata.obs["cell_type"]``.

        Raises
        ------
        DataError, LabelError
            If the data or labels cannot be used; the message says which and what to do.
        TrainingError
            If a loss stops being finite.
        """
        X_array, shape = self._learn_columns(X)
        self._fit_on_images = shape is not None
        self.sample_shape_ = shape or self._given_image_shape(X_array.shape[1])
        self.classes_, codes = self._encode(y, len(X_array))
        self._scaler = InputScaler.fit(X_array, self.scaling, None if self.columns_ is None else self.columns_.scaled)
        self.scaling_ = self._scaler.kind
        self.prior_ = self._make_prior(len(self.classes_))
        self.n_components_ = self._n_features_out = self.prior_.n_dims
        self.hidden_layer_sizes_ = self._pick_hidden_layer_sizes(len(X_array))
        x = torch.from_numpy(self._scaler.transform(X_array))
        del X_array  # the scaled rows are all that training needs
        return self._train(x, codes, self.max_epochs, goes_on=False, told=(X, y))

    def refit(self, X: ArrayLike, y: ArrayLike, *, max_epochs: int | str = "auto") -> AdversarialAutoencoder:
        """Go on from the fitted weights, after labels were added or corrected.

        Scaling, networks and classes stay; the recipe starts over on the new labels: propagation, class shares,
        learning rates and ramps. ``history_`` and ``n_iter_`` are those of this training alone.

        Parameters
        ----------
        X
            Rows, as for :meth:`fit`; they may be others than those of the fit.
        y
            Labels with gaps, as for :meth:`fit`. Every class of the fit must have a label, and no other class may.
        max_epochs
            Passes over all rows; "auto" takes a quarter of what :meth:`fit` would take.

        Raises
        ------
        LabelError
            If the labelled classes are not those of the fit: the prior has a region for each of these.
        DataError, TrainingError
            As for :meth:`fit`.
        """
        check_is_fitted(self)
        if max_epochs != "auto" and (isinstance(max_epochs, str | bool) or max_epochs < 1):
            raise DataError(f"max_epochs must be 'auto' or a whole number of at least 1, not {max_epochs!r}")
        X_array = self._encoded(X, ensure_min_samples=2)
        classes, codes = self._encode(y, len(X_array))
        if classes.tolist() != self.classes_.tolist():
            raise LabelError(
                f"y labels the classes {_listed(classes)}, but the model was fitted to {_listed(self.classes_)}; "
                "fit it anew"
            )
        if not isinstance(self.prior, Prior):
            self.prior_ = dataclasses.replace(self.prior_, weights=None)  # estimated anew from the new labels
        x = torch.from_numpy(self._scaler.transform(X_array))
        del X_array
        return self._train(x, codes, max_epochs, goes_on=True)

    def _so_far(self, rows: Tensor, averages: Sequence[AveragedModel]) -> dict[str, Any]:
        """Return the networks that training would leave if it ended now."""
        encoder, decoder, discriminator = copy.deepcopy(self._modules())
        use_averages((encoder, decoder), averages)
        if averages:
            refresh_batch_norm(encoder, rows)
        return {"encoder_": encoder.eval(), "decoder_": decoder.eval(), "discriminator_": discriminator.eval()}

    def _learn_columns(self, X: Any) -> tuple[NDArray[Any], tuple[int, ...] | None]:
        """Check rows, learn how to encode columns where that is needed, and return encoded rows and the image shape."""
        frame = data_frame(X)
        if frame is not None and is_mixed(frame):
            if self.reconstruction == "counts":
                raise DataError(
                    "reconstruction='counts' is for complete whole numbers; in this frame leave it at 'auto'"
                )
            validate_data(self, frame, skip_check_array=True)
            if len(frame) < 2:
                raise DataError(f"X has {len(frame)} rows; at least 2 are needed")
            self.columns_: ColumnCodec | None = ColumnCodec.fit(frame)
            self.reconstruction_ = "columns" if self.reconstruction == "auto" else "squared"
            return self.columns_.encode(frame), None
        self.columns_ = None
        self.reconstruction_ = "counts" if self.reconstruction == "counts" else "squared"
        X_flat, shape = self._flatten_images(X)
        X_array = validate_data(self, X_flat, dtype=[np.float64, np.float32], ensure_min_samples=2)
        return (_log_counts(X_array) if self.reconstruction_ == "counts" else X_array), shape

    def _encoded(self, X: Any, **checks: Any) -> NDArray[Any]:
        """Check rows against those of the fit and return them encoded, not scaled."""
        if self.columns_ is not None:
            frame = data_frame(X)
            if frame is None:
                names = _listed(np.array(self.columns_.names, dtype=object))
                raise DataError(
                    f"the model was fitted to a data frame of several kinds of columns; give one with {names}"
                )
            validate_data(self, frame, reset=False, skip_check_array=True)
            return self.columns_.encode(frame)
        X_flat, _ = self._flatten_images(X)
        X_array = validate_data(self, X_flat, dtype=[np.float64, np.float32], reset=False, **checks)
        return _log_counts(X_array) if self.reconstruction_ == "counts" else X_array

    def _layout(self) -> Layout | None:
        """Return which encoded columns are of which kind, None where all of them are numbers."""
        if self.reconstruction_ == "counts":
            return Layout.of_counts(int(self.n_features_in_))
        return None if self.columns_ is None or self.reconstruction_ == "squared" else self.columns_.layout

    def _train(
        self,
        x: Tensor,
        codes: NDArray[np.int64],
        max_epochs: int | str,
        *,
        goes_on: bool,
        told: tuple[Any, Any] | None = None,
    ) -> AdversarialAutoencoder:
        """Play the recipe's game on scaled rows with class codes, with new networks or with those that are there.

        ``told`` is what scikit-learn's callbacks are told of, the rows and labels as they were given.
        """
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        device = self._pick_device(self.device)
        self.device_ = str(device)

        validation = choose_validation_rows(codes, self.validation_fraction, seed) if self.early_stopping else None
        if validation is not None:
            codes = codes.copy()
            held_back, codes[validation] = codes[validation], -1

        recipe = make_recipe(self.recipe, self.recipe_params)
        self.batch_size_ = self._pick_batch_size(len(x))
        # modules and user code may draw from the global generators: lend them seeded ones and give the old back
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            if not goes_on:
                self.encoder_, self.decoder_, self.discriminator_ = self._build_networks()
            for module in self._modules():
                module.to(device)
                if goes_on:
                    module.train()
            rows = x.to(device)
            self._learn_kinds(rows, starts=not goes_on)
            self.precision_ = resolve_precision(
                self.precision, device, largest_layer(self._modules()), self.batch_size_
            )
            generator = torch.Generator(device).manual_seed(seed)
            augment = make_augmentation(self.augmentation, self.sample_shape_, generator)
            if augment is not None:
                center, scale = (torch.from_numpy(v).to(rows) for v in (self._scaler.center, self._scaler.scale))
                augment = InDataUnits(augment, center, scale)
            run = recipe.prepare(
                Parts(
                    x=rows,
                    codes=torch.from_numpy(codes).to(device),
                    encoder=self.encoder_,
                    decoder=self.decoder_,
                    discriminator=self.discriminator_,
                    prior=self.prior_,
                    learning_rate=self.learning_rate,
                    generator=generator,
                    precision=partial(mixed_precision, self.precision_, device),
                    augment=augment,
                    reconstruction=self._reconstruction_loss(),
                )
            )
            self.prior_ = run.prior
            order = torch.Generator(device).manual_seed(seed + 1)
            batches = GameBatches(rows, run.codes, self.batch_size_, order, run.also_unlabeled)
            n_epochs = self._epochs(recipe, len(batches), max_epochs, share=_GO_ON if goes_on else 1.0)
            given = self.callbacks or []
            callbacks = [*run.callbacks(batches), *([given] if isinstance(given, Callback) else given)]
            if self.verbose:
                callbacks.append(PrintLosses(int(self.verbose)))
            if validation is not None:
                judged = rows[torch.from_numpy(validation).to(device)]
                patience = self.n_iter_no_change or math.ceil(n_epochs / 4)
                callbacks.append(EarlyStopping(self._modules(), lambda: self._accuracy(judged, held_back), patience))
            if told is not None and getattr(self, "_skl_callbacks", None):
                callbacks.append(FitTasks(self, *told, partial(self._so_far, rows, run.averages)))
            # the state that they save is that after all others have had their turn
            callbacks.sort(key=lambda callback: isinstance(callback, Checkpoints))
            with (
                threads_for(self._modules(), 2 * self.batch_size_),
                compiled(self._modules(), self._trial(rows) if self.compile else None),
            ):
                self.history_ = fit_loop(run.game, batches, n_epochs, callbacks, partial(self._identity, x, codes))
            if validation is None:  # early stopping has just put the best epoch's own weights back
                use_averages((self.encoder_, self.decoder_), run.averages)
            if run.averages:
                refresh_batch_norm(self.encoder_, rows)
        for module in self._modules():
            module.eval()
        self.n_iter_ = len(self.history_["epoch"])
        self.n_propagated_ = int((batches.codes >= 0).sum()) - int((codes >= 0).sum())
        error = self._noise(x) if self._by_kind is not None else self._reconstruction_error(x)
        self.noise_variance_ = float(max(error.mean(), 1e-12))
        return self

    def _learn_kinds(self, rows: Tensor, *, starts: bool) -> None:
        """Put together what the decoder's outputs mean; dispersions of counts start where moments put them."""
        layout = self._layout()
        self._by_kind = None if layout is None else ByKind.of(layout, self._scaler, rows)
        if self._by_kind is not None and starts and isinstance(self.decoder_, WithDispersion):
            with torch.no_grad():
                self.decoder_.log_dispersion.copy_(moment_dispersion(self._by_kind.counts(rows)))

    def _reconstruction_loss(self) -> Callable[[Tensor, Tensor], Tensor]:
        if self._by_kind is None:
            return reconstruction_loss
        return partial(self._by_kind.loss, log_dispersion=self._log_dispersion())

    def _log_dispersion(self) -> Tensor:
        """Return the logarithm of each count column's dispersion."""
        found: Tensor = getattr(self.decoder_, "log_dispersion", torch.empty(0, device=self.device_))
        return found

    def _identity(self, x: Tensor, codes: NDArray[np.int64]) -> dict[str, str]:
        """Return what training depends on besides its state, see :class:`aaetools.training.TrainingContext`."""
        data = hashlib.sha256(x.numpy().tobytes() + codes.tobytes())
        settings = {name: value for name, value in self._plain_parameters().items() if name != "verbose"}
        return {
            "data": data.hexdigest(),
            "settings": json.dumps(settings, sort_keys=True, default=str),
            "torch": torch.__version__,
            "device": self.device_,
            "threads": str(torch.get_num_threads()),
            "processor": torch.backends.cpu.get_cpu_capability(),
        }

    def _modules(self) -> tuple[nn.Module, nn.Module, nn.Module]:
        return self.encoder_, self.decoder_, self.discriminator_

    def _pick_hidden_layer_sizes(self, n_rows: int) -> tuple[int, ...]:
        if isinstance(self.hidden_layer_sizes, str):
            return (1000, 500, 250) if n_rows >= MANY_ROWS else (256, 256)
        return tuple(int(size) for size in self.hidden_layer_sizes)

    def _pick_batch_size(self, n_rows: int) -> int:
        if isinstance(self.batch_size, str):
            return 128 if n_rows >= MANY_ROWS else 64
        return int(self.batch_size)

    def _trial(self, rows: Tensor) -> Callable[[Sequence[nn.Module]], Tensor]:
        """Return a pass through networks like these, as one training step would make it."""

        def run(modules: Sequence[nn.Module]) -> Tensor:
            encoder, decoder, discriminator = modules
            z = encoder(rows[: self.batch_size_])
            entries = z.new_zeros(len(z), len(self.classes_) + 1)
            logits: Tensor = discriminator(z, entries) if len(self.classes_) else discriminator(z)
            total: Tensor = decoder(z).mean() + logits.mean()
            return total

        return run

    def _flatten_images(self, X: Any) -> tuple[Any, tuple[int, ...] | None]:
        """Flatten an array of images and return its sample shape, write a sparse matrix out; leave all else alone."""
        if is_annotated(X):
            return matrix_of(X), None
        if is_lazy_frame(X):
            raise DataError("X is a lazy frame, whose rows are not there yet; give X.collect()")
        if isinstance(X, np.ndarray) and X.ndim in (3, 4):
            return X.reshape(len(X), -1), tuple(X.shape[1:])
        if issparse(X):
            return written_out(X), None
        return X, None

    def _given_image_shape(self, n_features: int) -> tuple[int, ...]:
        if self.image_shape is None:
            return (n_features,)
        shape = tuple(int(size) for size in self.image_shape)
        if math.prod(shape) != n_features:
            raise DataError(f"image_shape {shape} has {math.prod(shape)} pixels, but X has {n_features} features")
        return shape

    def _encode(self, y: ArrayLike | None, n_rows: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
        if y is None:
            return np.empty(0, dtype=np.int64), np.full(n_rows, -1)
        labels = y if isinstance(y, pd.Series | pd.Index | list | tuple) else column_or_1d(y, warn=True)
        if len(labels) != n_rows:
            raise LabelError(f"X has {n_rows} rows, but y has {len(labels)} labels")
        coding = encode_labels(labels, self.unlabeled)
        if len(coding.classes) == 1:
            raise LabelError(f"only one class, {coding.classes[0]!r}, is labelled; label at least two, or leave y out")
        return coding.classes, coding.codes

    def _make_prior(self, n_classes: int) -> Prior:
        if isinstance(self.prior, Prior):
            if self.prior.n_classes != n_classes and n_classes:
                raise DataError(f"the prior has {self.prior.n_classes} classes, but y has {n_classes}")
            if self.n_components not in ("auto", self.prior.n_dims):
                raise DataError(f"the prior has {self.prior.n_dims} dimensions, but n_components={self.n_components}")
            return self.prior
        name = self.prior
        if name == "auto":
            name = "simplex" if n_classes else "gaussian"
        if callable(name):
            n_dims = 2 if self.n_components == "auto" else int(self.n_components)
            return SampledPrior(n_dims=n_dims, n_classes=n_classes, sampler=name)
        n_dims = default_n_dims(name, n_classes) if self.n_components == "auto" else int(self.n_components)
        return make_prior(name, n_dims=n_dims, n_classes=n_classes)

    def _pick_device(self, wanted: str | torch.device) -> torch.device:
        if wanted != "auto":
            try:
                device = torch.device(wanted)
                torch.empty(0, device=device)
            except (RuntimeError, AssertionError) as error:
                raise DataError(f"device {str(wanted)!r} is not available here; use device='auto' or 'cpu'") from error
            return device
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    def _build_networks(self) -> tuple[nn.Module, nn.Module, Discriminator]:
        hidden = self.hidden_layer_sizes_
        encoder, decoder = ARCHITECTURES[self.architecture](self.sample_shape_, self.n_components_, hidden)
        n_entries = len(self.classes_) + 1 if len(self.classes_) else 0
        widths = tuple(min(size, _WIDEST_CRITIC) for size in hidden[:2])
        discriminator = Discriminator(self.n_components_, n_entries, widths)
        if self.encoder is not None:
            encoder = copy.deepcopy(self.encoder)
        if self.decoder is not None:
            decoder = copy.deepcopy(self.decoder)
        if self.discriminator is not None:
            discriminator = copy.deepcopy(self.discriminator)
            discriminator.n_entries = n_entries
        layout = self._layout()
        if layout is not None and len(layout.counts):
            decoder = WithDispersion(decoder, len(layout.counts))
        return encoder, decoder, discriminator

    def _epochs(self, recipe: Recipe, steps_per_epoch: int, max_epochs: int | str, *, share: float) -> int:
        if isinstance(max_epochs, str):
            return math.ceil(share * max(recipe.n_epochs, math.ceil(recipe.n_steps / steps_per_epoch)))
        return int(max_epochs)

    # -- using ---------------------------------------------------------------------------------------------------

    def scale(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return rows as the networks see them, float32, shape (n_rows, n_features).

        Of a data frame of several kinds of columns that is one column per encoded one: levels of categories,
        booleans and marks of gaps are 0 or 1 and not scaled.
        """
        check_is_fitted(self)
        return self._scaler.transform(self._encoded(X))

    def in_units(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return rows as numbers in the data's own units, float32, one column per name in :attr:`encoded_names_`."""
        check_is_fitted(self)
        encoded = self._encoded(X)
        if self.columns_ is not None:
            return self.columns_.in_units(encoded)
        if self.reconstruction_ == "counts":
            encoded = np.expm1(encoded).round()
        return encoded.astype(np.float32)

    @property
    def encoded_names_(self) -> tuple[str, ...]:
        """One name per column that the networks see, as in "height", "kind = oak"; none where there are no names."""
        check_is_fitted(self)
        if self.columns_ is not None:
            return self.columns_.encoded_names
        return tuple(str(name) for name in getattr(self, "feature_names_in_", ()))

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return latent codes, float32, shape (n_rows, n_components_)."""
        return self._apply(self.encoder_, torch.from_numpy(self.scale(X)))

    def inverse_transform(self, Z: ArrayLike) -> Any:
        """Decode latent codes (n, n_components_) to rows in the data's own units.

        Returns
        -------
        ndarray of float32, shape (n, n_features_in_), or (n, height, width[, channels]) after a fit on images
            After a fit on a data frame of several kinds of columns it is a pandas data frame of the same columns, each
            cell the likeliest value or the expected one: words, booleans, dates, numbers, None and NaN in gaps.
        """
        rows = self._decoded(Z)
        if self.columns_ is not None:
            return self.columns_.decode(rows)
        return rows.reshape(len(rows), *self.sample_shape_) if self._fit_on_images else rows

    def decode_in_units(self, Z: ArrayLike) -> NDArray[np.float32]:
        """Decode latent codes to numbers, as :meth:`in_units` has them: of a category, probabilities of its levels."""
        rows = self._decoded(Z)
        return rows if self.columns_ is None else self.columns_.in_units(rows)

    def _decoded(self, Z: ArrayLike) -> NDArray[np.float32]:
        """Return encoded rows for codes, not scaled; counts of a matrix of counts as such."""
        check_is_fitted(self)
        codes = torch.as_tensor(np.asarray(Z, dtype=np.float32))
        if codes.ndim != 2 or codes.shape[1] != self.n_components_:
            raise DataError(f"Z has shape {tuple(codes.shape)}; expected (n_rows, {self.n_components_})")
        kinds = self._by_kind
        decode = self.decoder_ if kinds is None else lambda z: kinds.expected(self.decoder_(z).float())
        rows = self._scaler.inverse_transform(self._apply(decode, codes))
        return np.expm1(rows, out=rows) if self.reconstruction_ == "counts" else rows

    def sample(self, n: int, label: Any = None, random_state: int | np.random.RandomState | None = None) -> Any:
        """Draw codes from the prior, of one class if asked, and decode them.

        Parameters
        ----------
        n
            Number of rows.
        label
            A class of ``classes_``; None draws from the whole prior.
        random_state
            Seed of the draw; by default the estimator's own.

        Returns
        -------
        ndarray of float32, or a data frame, as from :meth:`inverse_transform`
        """
        check_is_fitted(self)
        codes = None
        if label is not None:
            found = np.flatnonzero(self.classes_ == label)
            if len(found) != 1:
                known = ", ".join(map(str, self.classes_[:20])) or "none: it was fitted without labels"
                raise LabelError(f"no class {label!r}; the model knows {known}")
            codes = torch.full((n,), int(found[0]))
        chosen = self.random_state if random_state is None else random_state
        seed = int(check_random_state(chosen).randint(np.iinfo(np.int32).max))
        z = self.prior_.sample(n, codes, torch.Generator().manual_seed(seed))
        return self.inverse_transform(z.numpy())

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return p(class | z) under the prior at each row's code, float32, shape (n_rows, n_classes)."""
        check_is_fitted(self)
        if len(self.classes_) == 0:
            raise LabelError("this model was fitted without labels, so it has no classes to predict")
        return self._apply(
            lambda x: self.prior_.class_log_posterior(self.encoder_(x)).double().softmax(dim=1),
            torch.from_numpy(self.scale(X)),
        )

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class whose region of the prior is likeliest, shape (n_rows,), dtype of ``classes_``."""
        best = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Return accuracy on the labelled rows of ``y``; unlabelled rows are left out.

        Raises
        ------
        LabelError
            If ``y`` has no label at all.
        """
        labels = np.asarray(y)
        known = ~is_unlabeled(labels, self.unlabeled)
        if not known.any():
            raise LabelError("y has no labelled row to score")
        hits = self.predict(X)[known] == labels[known]
        weights = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(np.average(hits, weights=weights))

    def score_samples(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return how typical each row is, shape (n_rows,), higher being more typical.

        It is log p(x | z) + log p(z) at z = encoder(x): a Gaussian around the reconstruction with the training
        rows' mean squared error as variance, in scaled units, and the prior's density (left out where the prior
        has none). Booleans, categories and counts bring the logarithm of their probability instead, and gaps that
        the fit knew bring nothing but their mark.
        """
        x = torch.from_numpy(self.scale(X))
        if self._by_kind is not None:
            return self._scores_by_kind(x, self._by_kind)
        n_features = x.shape[1]
        error = self._reconstruction_error(x)
        constant = 0.5 * n_features * math.log(2 * math.pi * self.noise_variance_)
        likelihood = -0.5 * n_features * error / self.noise_variance_ - constant
        if isinstance(self.prior_, SampledPrior):
            return likelihood.astype(np.float32)
        density = self._apply(lambda rows: self.prior_.log_prob(self.encoder_(rows)), x)
        return np.asarray(likelihood + density, dtype=np.float32)

    def reconstruction_error(self, X: ArrayLike) -> NDArray[np.float32]:
        """Return each row's mean squared reconstruction error in scaled units, shape (n_rows,).

        Where the decoder gives probabilities, of booleans and categories, it is Brier's score; of counts it is the
        error of log(1 + x). Gaps that the fit knew cost nothing but an error of their mark.
        """
        return self._reconstruction_error(torch.from_numpy(self.scale(X)))

    @property
    def n_weights_(self) -> int:
        """Number of trained weights of encoder, decoder and discriminator."""
        check_is_fitted(self)
        return sum(p.numel() for module in self._modules() for p in module.parameters())

    def _scores_by_kind(self, x: Tensor, kinds: ByKind) -> NDArray[np.float32]:
        def score(rows: Tensor) -> Tensor:
            z = self.encoder_(rows)
            raw = self.decoder_(z).float()
            found = kinds.log_likelihood(raw, rows, self._log_dispersion(), self.noise_variance_)
            return found if isinstance(self.prior_, SampledPrior) else found + self.prior_.log_prob(z)

        return self._apply(score, x)

    def _noise(self, x: Tensor) -> NDArray[np.float32]:
        """Return each row's mean squared error of the numbers, where columns are of several kinds."""
        kinds = self._by_kind
        assert kinds is not None
        return self._apply(lambda rows: kinds.noise_variance(self.decoder_(self.encoder_(rows)).float(), rows), x)

    def _reconstruction_error(self, x: Tensor) -> NDArray[np.float32]:
        kinds = self._by_kind
        if kinds is not None:
            return self._apply(lambda rows: kinds.squared_error(self.decoder_(self.encoder_(rows)).float(), rows), x)
        return self._apply(lambda rows: (self.decoder_(self.encoder_(rows)) - rows).square().mean(1), x)

    def _accuracy(self, x: Tensor, codes: NDArray[np.int64]) -> float:
        with torch.inference_mode():
            best = self.prior_.class_log_posterior(self.encoder_(x)).argmax(1).cpu().numpy()
        return float((best == codes).mean())

    def _apply(self, function: Callable[[Tensor], Tensor], rows: Tensor) -> NDArray[np.float32]:
        """Run rows through a fitted function in chunks, and return a numpy array whatever the device."""
        out = np.empty(0, dtype=np.float32)
        start = 0
        with torch.inference_mode():
            for part in torch.split(rows, _CHUNK):
                values = function(part.to(self.device_)).float().cpu().numpy()
                if start == 0:  # kept one by one, the small results would hold on to the memory that the networks leave
                    out = np.empty((len(rows), *values.shape[1:]), dtype=np.float32)
                out[start : start + len(values)] = values
                start += len(values)
        return out

    # -- saving --------------------------------------------------------------------------------------------------

    def to_state(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return what :func:`aaetools.save` writes: JSON values, and tensors by name."""
        check_is_fitted(self)
        own = [name for name in ("encoder", "decoder", "discriminator") if getattr(self, name) is not None]
        prior = {"name": self.prior_.name, **self.prior_.describe()}
        if type(self.prior_) not in PRIORS.values():
            own.append("prior")
            if not isinstance(self.prior_, SampledPrior):
                prior = {"name": self.prior_.name, "weights": prior["weights"]}  # what fitting adds
        meta = {
            "parameters": self._plain_parameters(),
            "own": own,
            "classes": {"dtype": str(self.classes_.dtype), "values": self.classes_.tolist()},
            "feature_names": getattr(self, "feature_names_in_", np.empty(0, dtype=object)).tolist(),
            "n_features": int(self.n_features_in_),
            "sample_shape": list(self.sample_shape_),
            "fit_on_images": bool(self._fit_on_images),
            "scaling": self.scaling_,
            "reconstruction": self.reconstruction_,
            "columns": None if self.columns_ is None else self.columns_.to_state(),
            "hidden_layer_sizes": list(self.hidden_layer_sizes_),
            "batch_size": self.batch_size_,
            "precision": self.precision_,
            "prior": prior,
            "noise_variance": self.noise_variance_,
            "n_propagated": self.n_propagated_,
            "history": self.history_,
        }
        tensors = {
            f"{part}.{name}": tensor.detach().cpu()
            for part, module in zip(_PARTS, self._modules(), strict=True)
            for name, tensor in module.state_dict().items()
        }
        tensors["scaler.center"] = torch.from_numpy(self._scaler.center)
        tensors["scaler.scale"] = torch.from_numpy(self._scaler.scale)
        return meta, tensors

    @classmethod
    def from_state(
        cls, meta: dict[str, Any], tensors: dict[str, Tensor], own: dict[str, Any], *, device: str = "auto"
    ) -> AdversarialAutoencoder:
        """Rebuild a fitted estimator from :meth:`to_state`; ``own`` holds the user's modules and prior by name."""
        missing = [name for name in meta["own"] if own.get(name) is None]
        if missing:
            raise ModelFileError(
                f"the model was fitted with its user's own {' and '.join(missing)}; "
                f"give {', '.join(f'{name}=' for name in missing)} to load()"
            )
        parameters = {name: tuple(v) if isinstance(v, list) else v for name, v in meta["parameters"].items()}
        model = cls(**{**parameters, **{name: own[name] for name in meta["own"]}})
        labels = meta["classes"]
        model.classes_ = np.array(labels["values"], dtype=np.dtype(labels["dtype"]))
        model.n_features_in_ = int(meta["n_features"])
        if meta["feature_names"]:
            model.feature_names_in_ = np.array(meta["feature_names"], dtype=object)
        model.sample_shape_ = tuple(meta["sample_shape"])
        model._fit_on_images = bool(meta["fit_on_images"])
        model.scaling_ = meta["scaling"]
        model.reconstruction_ = meta["reconstruction"]
        model.columns_ = None if meta["columns"] is None else ColumnCodec.from_state(meta["columns"])
        model.hidden_layer_sizes_ = tuple(meta["hidden_layer_sizes"])
        model.batch_size_ = int(meta["batch_size"])
        model.precision_ = meta["precision"]
        model._scaler = InputScaler(meta["scaling"], tensors["scaler.center"].numpy(), tensors["scaler.scale"].numpy())
        prior = dict(meta["prior"])
        kind = prior.pop("name")
        if "prior" in meta["own"]:
            given = own["prior"]
            if prior["weights"] is not None:
                prior["weights"] = tuple(prior["weights"])
            if isinstance(given, Prior) and not isinstance(given, SampledPrior):
                model.prior_ = dataclasses.replace(given, **prior)
            else:
                sampler = given.sampler if isinstance(given, SampledPrior) else given
                model.prior_ = SampledPrior(**{**prior, "sampler": sampler})
        else:
            model.prior_ = make_prior(kind, **prior)
        model.n_components_ = model._n_features_out = model.prior_.n_dims
        target = model._pick_device(device)
        model.device_ = str(target)
        with torch.random.fork_rng(devices=[]):  # building draws weights that the saved ones replace
            model.encoder_, model.decoder_, model.discriminator_ = model._build_networks()
        for part, module in zip(_PARTS, model._modules(), strict=True):
            prefix = f"{part}."
            module.load_state_dict(
                {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
            )
            module.to(target).eval()
        model._learn_kinds(torch.empty(0, device=target), starts=False)
        model.noise_variance_ = float(meta["noise_variance"])
        model.n_propagated_ = int(meta["n_propagated"])
        model.history_ = meta["history"]
        model.n_iter_ = len(model.history_["epoch"])
        return model

    def _plain_parameters(self) -> dict[str, Any]:
        """Return the constructor's parameters as far as JSON can hold them."""
        plain: dict[str, Any] = {}
        for name, value in self.get_params(deep=False).items():
            if name in ("callbacks", "encoder", "decoder", "discriminator"):
                continue
            if name == "prior" and not isinstance(value, str):
                value = "auto"  # the fitted prior is stored beside the parameters
            elif name == "device":
                value = str(value)
            elif name == "unlabeled" and isinstance(value, Real) and math.isnan(value):
                value = None  # NaN counts as unlabelled anyway, and JSON has none
            elif isinstance(value, np.generic):
                value = value.item()
            elif isinstance(value, Sequence) and not isinstance(value, str):
                value = [int(size) for size in value]
            elif name == "random_state" and isinstance(value, np.random.RandomState):
                value = None
            plain[name] = value
        return plain

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: y is optional, and the codes are float32."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _log_counts(X: NDArray[Any]) -> NDArray[Any]:
    """Return log(1 + x) of whole numbers from 0 on, and refuse any others."""
    bad = (X < 0) | (np.floor(X) != X)
    if bad.any():
        row, column = (int(position) for position in np.argwhere(bad)[0])
        raise DataError(
            f"X: row {row}, column {column} (counted from 0): {X[row, column]:g} is no count; "
            "reconstruction='counts' takes whole numbers from 0 on"
        )
    logarithms: NDArray[Any] = np.log1p(X)
    return logarithms


def _listed(classes: NDArray[Any]) -> str:
    shown = ", ".join(str(label) for label in classes[:20])
    return f"{shown}, ..." if len(classes) > 20 else shown or "none"
