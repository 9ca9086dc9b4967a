"""``aaetools fit``: from data to a trained model, its analysis and a report."""

from __future__ import annotations

import math
import re
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aaetools.cli.config import config_option, option_keys
from aaetools.cli.interrupts import interrupts
from aaetools.cli.label_budget import DEFAULT_LABELS_PER_CLASS, ChosenLabels, LabelBudget, choose_labels
from aaetools.cli.options import (
    ARCHITECTURE_NAMES,
    AUGMENTATION_NAMES,
    PRECISION_NAMES,
    PRIOR_NAMES,
    RECIPE_NAMES,
    RECONSTRUCTION_NAMES,
    SCALING_NAMES,
    UMAP_NAMES,
    DataType,
    HiddenType,
    LabelsType,
    NumberOrAuto,
    SettingType,
    ShapeType,
    UmapType,
    data_home_option,
    device_option,
    explorer_option,
    force_option,
    id_column_option,
    json_option,
    named_settings,
    quiet_option,
)
from aaetools.cli.progress import Display, open_display
from aaetools.cli.unfinished import checked_resume, original_command, resume_option, training_folder
from aaetools.datasets.messages import listing, quote
from aaetools.exceptions import DataError, LabelError
from aaetools.staging import unfinished_folder

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import numpy as np
    from numpy.typing import NDArray

    from aaetools.analysis import Analysis
    from aaetools.datasets import Dataset
    from aaetools.training import Checkpoints

__all__ = ["FitOptions", "choose_rows", "fit", "load_data_of"]

MIN_TRAINING_ROWS = 10
"""Fewer rows than this can be neither clustered nor compared with a prior."""

# No part of what a run is, so not recorded as its configuration.
_NOT_CONFIGURATION = ("out", "force", "as_json", "quiet", "resume", "checkpoint_minutes", "checkpoint_epochs")


@dataclass(frozen=True)
class FitOptions:
    """The options of one call."""

    data: str
    target: str | None
    labels: LabelBudget
    labels_per_class: int | None
    unlabeled: str | None
    id_column: str | None
    image_shape: tuple[int, ...] | None
    hold_out: float
    out: Path | None
    seed: int
    prior: str
    recipe: str
    recipe_param: dict[str, Any]
    latent_size: int | str
    epochs: int | str
    batch_size: int | str
    learning_rate: float
    hidden: tuple[int, ...] | str
    architecture: str
    augmentation: str
    scaling: str
    reconstruction: str
    early_stopping: bool
    validation_fraction: float
    patience: int | None
    device: str
    precision: str
    compile: bool
    n_clusters: int | str
    umap: str
    explorer: bool
    checkpoint_minutes: float
    checkpoint_epochs: int | None
    resume: Path | None
    force: bool
    as_json: bool
    quiet: bool


class _FitCommand(click.Command):
    """Takes ``--umap`` without a word, and ``--no-umap``, for what they were: on and off."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write these out before they are read."""
        written = [
            "--umap=never"
            if word == "--no-umap"
            else ("--umap=auto" if word == "--umap" and after not in UMAP_NAMES else word)
            for word, after in zip_longest(args, args[1:])
        ]
        return super().parse_args(ctx, written)


@click.command(
    cls=_FitCommand,
    epilog="""\b
Examples:
  aaetools fit
  aaetools fit digits --labels 100 --seed 1
  aaetools fit table.csv --target species --unlabeled unknown
  aaetools fit cells.parquet --labels none --n-clusters 12 --out runs/cells
  aaetools fit --config runs/cells/run.toml --epochs 400
  aaetools fit --resume runs/cells
""",
)
@click.argument("data", metavar="[DATA]", default="digits", type=DataType())
@click.option(
    "--target",
    metavar="COLUMN",
    show_default="a column called label, labels, target, class or y",
    help="Column of the labels, in an npz file the array, or a file of labels; empty cells are unlabelled.",
)
@click.option(
    "--labels",
    type=LabelsType(),
    metavar="partial|full|none|N|FRACTION",
    default="partial",
    help="Labels that training sees. partial: those that are given, or where every row has one, "
    "--labels-per-class of each class; full: all; none: none; N: so many in all, balanced; "
    "FRACTION: so much of each class. The others are hidden.",
)
@click.option(
    "--labels-per-class",
    type=click.IntRange(min=1),
    metavar="N",
    show_default=f"{DEFAULT_LABELS_PER_CLASS}, fewer where a class has fewer rows",
    help="Labels of each class that --labels partial keeps; also thins out labels with gaps if given.",
)
@click.option(
    "--unlabeled",
    metavar="CATEGORY",
    show_default="none",
    help="Category that stands for unlabelled, besides empty cells and -1.",
)
@id_column_option
@data_home_option
@click.option(
    "--image-shape",
    type=ShapeType(),
    metavar="H,W[,C]",
    show_default="none, or that of the data",
    help="Height, width and channels where each row is a flattened image.",
)
@click.option(
    "--hold-out",
    type=click.FloatRange(0, 1, max_open=True),
    metavar="FRACTION",
    default=0.25,
    help="Share of the rows that training never sees, used to measure accuracy; 0 for none.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    show_default="runs/<data>-<time>",
    help="Run folder to make.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    metavar="N",
    default=0,
    help="Seed of the hold-out, the choice of labels, training and analysis.",
)
@click.option(
    "--prior",
    type=click.Choice(PRIOR_NAMES),
    default="auto",
    help="Distribution that the latent codes are to follow; auto: simplex with labels, gaussian without.",
)
@click.option(
    "--recipe",
    type=click.Choice(RECIPE_NAMES),
    default="few-labels",
    help="How the game is played: made for few labels, or the paper's bare game.",
)
@click.option(
    "--recipe-param",
    type=SettingType(),
    metavar="NAME=VALUE",
    multiple=True,
    callback=named_settings,
    show_default="the recipe's own",
    help="Setting of the recipe, as in ramp=0.5, propagate=false or class_shares=[0.6,0.4]; can be repeated.",
)
@click.option(
    "--latent-size",
    type=NumberOrAuto(1),
    metavar="N",
    default="auto",
    help="Latent dimensions; auto takes what suits the prior and the number of classes.",
)
@click.option(
    "--epochs",
    type=NumberOrAuto(1),
    metavar="N",
    default="auto",
    help="Passes over all rows; auto takes as many as the recipe needs.",
)
@click.option(
    "--batch-size",
    type=NumberOrAuto(1),
    metavar="N",
    default="auto",
    help="Rows of the unlabelled game in one step; auto takes 64, or 128 from 10,000 rows on.",
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="RATE",
    default=1e-3,
    help="Step size of Adam at the start.",
)
@click.option(
    "--hidden",
    type=HiddenType(),
    metavar="N,N,...",
    default="auto",
    help="Widths of the encoder's hidden layers; the decoder has them in reverse; auto takes 256,256, or "
    "1000,500,250 from 10,000 rows on.",
)
@click.option(
    "--architecture",
    type=click.Choice(ARCHITECTURE_NAMES),
    default="mlp",
    help="Fully connected or, for images, convolutional networks.",
)
@click.option(
    "--augmentation",
    type=click.Choice(AUGMENTATION_NAMES),
    default="none",
    help="Random changes of images while training; affine: small turns, shifts, stretches and slants.",
)
@click.option(
    "--scaling",
    type=click.Choice(SCALING_NAMES),
    default="auto",
    help="Divide each feature by its own spread, all by a shared one, or none.",
)
@click.option(
    "--reconstruction",
    type=click.Choice(RECONSTRUCTION_NAMES),
    default="auto",
    help="The decoder's error; auto: squared, or by the kinds of columns where these are more than complete numbers; "
    "counts: a negative binomial, for tables of whole numbers from 0 on.",
)
@click.option(
    "--early-stopping",
    is_flag=True,
    help="Hold back a part of the given labels and stop when accuracy on them no longer rises.",
)
@click.option(
    "--validation-fraction",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="FRACTION",
    default=0.2,
    help="Share of the given labels that --early-stopping holds back.",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="a quarter of the epochs",
    help="Epochs without a better accuracy after which --early-stopping ends training.",
)
@device_option
@click.option(
    "--precision",
    type=click.Choice(PRECISION_NAMES),
    default="auto",
    help="Number format of matrix products; auto takes bfloat16 for large layers where the device is fast at it.",
)
@click.option("--compile", is_flag=True, help="Compile the networks; pays on long fits.")
@click.option(
    "--n-clusters",
    type=NumberOrAuto(1),
    metavar="N",
    default="auto",
    help="Clusters to look for; auto takes the number of classes or, without labels, what separates best.",
)
@click.option(
    "--umap",
    type=UmapType(),
    metavar="auto|always|never",
    default="auto",
    help="Whether the report has a UMAP picture; auto: where there are more than two latent dimensions. "
    "--umap alone is auto, --no-umap is never.",
)
@explorer_option
@click.option(
    "--checkpoint-minutes",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    default=1.0,
    help="Save the state of training whenever so many minutes have passed, for --resume.",
)
@click.option(
    "--checkpoint-epochs",
    type=click.IntRange(min=1),
    metavar="N",
    show_default="none",
    help="Save the state of training after every N epochs as well.",
)
@resume_option
@force_option
@config_option
@json_option
@quiet_option("the report's path")
@click.pass_context
def fit(ctx: click.Context, /, **options: Any) -> None:
    """Train on data and write a run folder with a report.

    DATA is the name of a data set (see 'aaetools datasets list'), a csv, tsv, parquet, npz, npy, h5ad or IDX file, or a
    folder of parquet files or pictures. A part of the rows is held out, most labels are hidden, and accuracy is
    measured on rows that training never saw.
    """
    command = ctx.obj if isinstance(ctx.obj, str) else ctx.command_path
    run = options["resume"]
    if run is not None:
        checked_resume(ctx)
        options["out"], command = run, original_command(run)
    _fit(FitOptions(**options), command, _configuration(ctx))


def _fit(options: FitOptions, command: str, configuration: dict[str, Any]) -> None:
    """Run all stages; the run folder is written at the end, and until then there is one beside it."""
    from aaetools.cli.second_process import render_report, second_process
    from aaetools.runs import check_target

    started = time.perf_counter()
    if options.out is not None:
        check_target(options.out, options.force)
    with (
        interrupts() as interrupting,
        # without UMAP there is too little to get ready for
        second_process() if options.umap != "never" else nullcontext() as executor,
    ):
        dataset = load_data_of(options)
        out = options.out or _free_folder(dataset.name)
        check_target(out, options.force)
        with open_display(quiet=options.quiet) as display:
            train, holdout, chosen = choose_rows(options, dataset)
            for note in (*chosen.notes, *_about_words(options, dataset)):
                display.note(note)
            if display.live:  # too short for a line in a log
                display.stage(f"preparing {dataset.name}")
            with training_folder(
                out,
                configuration,
                command,
                resume=options.resume is not None,
                force=options.force,
                minutes=options.checkpoint_minutes,
                epochs=options.checkpoint_epochs,
            ) as checkpoints:
                interrupting.checkpoints = checkpoints
                analysis, model = _train_and_analyse(
                    options, command, dataset, train, holdout, chosen, display, checkpoints, executor
                )
                display.stage("writing the report")
                from aaetools.runs import write_run

                if options.labels.kind == "partial" and chosen.per_class is not None:
                    configuration["labels-per-class"] = chosen.per_class
                write_run(
                    out,
                    model,
                    analysis,
                    render_report(analysis, executor, explorer=options.explorer),
                    configuration,
                    force=options.force,
                    lock=False,  # the training folder has it
                )
    _tell(options, analysis, out, time.perf_counter() - started)


def load_data_of(options: FitOptions) -> Dataset:
    """Load the rows that the options name, as images if the options say so.

    Raises
    ------
    DataError
        If they cannot be read, or have another number of features than the images have values.
    """
    from aaetools.cli.rows import load_data

    dataset = load_data(options.data, target=options.target, unlabeled=options.unlabeled, id_column=options.id_column)
    shape = options.image_shape
    if shape is None:
        return dataset
    if math.prod(shape) != dataset.n_features:
        raise DataError(
            f"{quote(options.data)}: has {dataset.n_features} features, but --image-shape {','.join(map(str, shape))} "
            f"makes {' x '.join(map(str, shape))} = {math.prod(shape)}"
        )
    return replace(dataset, image_shape=shape)


def _about_words(options: FitOptions, dataset: Dataset) -> list[str]:
    """Say which features may be labels that nobody named: as features they would tell the class to the encoder."""
    import pandas as pd

    if dataset.target_name is not None or options.labels.kind == "none" or not isinstance(dataset.X, pd.DataFrame):
        return []
    words = [str(name) for name, values in dataset.X.items() if isinstance(values.dtype, pd.CategoricalDtype)]
    if not words:
        return []
    are = "is a feature" if len(words) == 1 else "are features"
    return [f"No column is taken for labels, so {listing(words, 5)} {are}; name labels with --target."]


def choose_rows(options: FitOptions, dataset: Dataset) -> tuple[NDArray[np.int64], NDArray[np.int64], ChosenLabels]:
    """Split rows into training and hold-out rows, hide labels, and refuse what cannot be learned from."""
    from aaetools.labels import encode_labels, is_unlabeled, split_holdout

    where = quote(options.data)
    if dataset.n_rows < MIN_TRAINING_ROWS:
        raise DataError(f"{where}: holds {dataset.n_rows} rows; at least {MIN_TRAINING_ROWS} are needed to train on")
    if len(dataset.classes) == 1 and options.labels.kind != "none":
        raise LabelError(
            f"{where}: column {quote(dataset.target_name)}: every label is {quote(dataset.classes[0])}; "
            "label rows of at least two classes, or use --labels none"
        )
    if dataset.y is None and options.target is None and options.labels.kind not in ("partial", "none"):
        raise LabelError(f"{where}: no column is called label, target, class or y; name the labels with --target")
    try:
        train, holdout = split_holdout(dataset.y, options.hold_out, n_rows=dataset.n_rows, random_state=options.seed)
        given = None if dataset.y is None else dataset.y[train]
        chosen = choose_labels(given, options.labels, options.labels_per_class, options.seed)
    except LabelError as error:
        raise LabelError(f"{where}: {error}") from error
    if len(train) < MIN_TRAINING_ROWS:
        raise DataError(
            f"{where}: a hold-out of {options.hold_out:g} leaves {len(train)} of {dataset.n_rows} rows; "
            f"at least {MIN_TRAINING_ROWS} are needed to train on"
        )
    if options.architecture == "conv" and dataset.image_shape is None:
        raise DataError(f"{where}: --architecture conv is for images; give their --image-shape, or use mlp")
    if options.augmentation != "none" and dataset.image_shape is None:
        raise DataError(f"{where}: --augmentation {options.augmentation} is for images; give their --image-shape")
    if isinstance(options.n_clusters, int) and options.n_clusters > dataset.n_rows:
        raise DataError(f"{where}: --n-clusters {options.n_clusters}, but there are only {dataset.n_rows} rows")
    if chosen.y is not None and dataset.y is not None and len(holdout):
        truth = dataset.y[holdout]
        unseen = set(truth[~is_unlabeled(truth)].tolist()) - set(encode_labels(chosen.y).classes.tolist())
        if unseen:
            raise LabelError(
                f"{where}: no training row has the label {quote(min(unseen, key=str))}, "
                "only held-out rows have; choose a smaller --hold-out"
            )
    return train, holdout, chosen


def _train_and_analyse(
    options: FitOptions,
    command: str,
    dataset: Dataset,
    train: NDArray[np.int64],
    holdout: NDArray[np.int64],
    chosen: ChosenLabels,
    display: Display,
    checkpoints: Checkpoints,
    executor: Executor | None,
) -> tuple[Analysis, Any]:
    from aaetools.analysis import analyze
    from aaetools.cli.rows import features_of
    from aaetools.estimators import AdversarialAutoencoder

    features = features_of(dataset)
    take = getattr(features, "iloc", features)
    model = AdversarialAutoencoder(
        options.latent_size,
        prior=options.prior,
        recipe=options.recipe,
        recipe_params=options.recipe_param or None,
        architecture=options.architecture,
        hidden_layer_sizes=options.hidden,
        image_shape=dataset.image_shape,
        augmentation=options.augmentation,
        scaling=options.scaling,
        reconstruction=options.reconstruction,
        max_epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        early_stopping=options.early_stopping,
        validation_fraction=options.validation_fraction,
        n_iter_no_change=options.patience,
        device=options.device,
        precision=options.precision,
        compile=options.compile,
        callbacks=[display, checkpoints],  # type: ignore[list-item]  # a Display's base class would load torch
        random_state=options.seed,
    )
    started = time.perf_counter()
    model.fit(take[train], chosen.y)
    fit_seconds = time.perf_counter() - started + checkpoints.seconds_before
    model.set_params(callbacks=None)  # the display is no part of the model
    analysis = analyze(
        model,
        take[train],
        chosen.y,
        X_holdout=take[holdout] if len(holdout) else None,
        y_holdout=None if dataset.y is None or len(holdout) == 0 else dataset.y[holdout],
        dataset=dataset,
        row_ids=dataset.row_ids[train],
        holdout_row_ids=dataset.row_ids[holdout] if len(holdout) else None,
        command=command,
        fit_seconds=fit_seconds,
        n_clusters=options.n_clusters if isinstance(options.n_clusters, int) else None,
        embed=options.umap,  # type: ignore[arg-type]  # UmapType lets no other through
        random_state=options.seed,
        progress=display.stage,
        executor=executor,
    )
    return analysis, model


def _tell(options: FitOptions, analysis: Analysis, out: Path, seconds: float) -> None:
    """Print what was found and where it is."""
    import json

    from aaetools.cli.summary import fit_json, fit_text

    if options.as_json:
        click.echo(json.dumps(fit_json(analysis, out, seconds)))
    elif options.quiet:
        click.echo(out / "report.html")
    else:
        click.echo(fit_text(analysis, out, seconds))


def _configuration(ctx: click.Context) -> dict[str, Any]:
    """Return every option that makes the run what it is, by the name that a configuration file uses."""
    values = {}
    for key, name in option_keys(ctx.command).items():
        value = ctx.params.get(name)
        if value not in (None, {}) and name not in _NOT_CONFIGURATION:
            values[key] = str(value) if isinstance(value, LabelBudget) else value
    return values


def _free_folder(name: str) -> Path:
    """Return a folder below runs/ that is not there yet, called after the data and the time."""
    safe = re.sub(r"[^\w.-]+", "_", name).strip("._-")[:60] or "data"
    stem = f"{safe}-{datetime.now():%Y%m%d-%H%M%S}"
    folder, number = Path("runs") / stem, 1
    while folder.exists() or unfinished_folder(folder).exists():
        number += 1
        folder = Path("runs") / f"{stem}-{number}"
    return folder
