"""A fitted model applied to data of any size: rows come in chunks, results leave in parts, memory stays the same.

One thread reads and writes, in the order of the data; others check the chunks, scale them and run the network. What
comes out does not depend on how many there are.
"""

from __future__ import annotations

import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from aaetools.analysis.progress import Progress, tell
from aaetools.columns import ColumnCodec
from aaetools.datasets import Dataset, DataStream, open_stream
from aaetools.datasets.messages import listing, quote
from aaetools.exceptions import DataError, LabelError
from aaetools.labels import is_unlabeled
from aaetools.sinks import CLASS_SINKS, SINKS, Layout, Part, Sink, check_out_file, open_sink

__all__ = [
    "Streamed",
    "encoding_of",
    "has_own_names",
    "matched_features",
    "predict_file",
    "transform_file",
    "write_classes",
    "write_codes",
]

OpenSink = Callable[[Layout], AbstractContextManager[Sink]]
"""Called with what will be written, gives what takes it."""

_MOST_WORKERS = 4
"""Chunks in work at once: each takes its memory. With more threads than this, torch shares a chunk among them."""


@dataclass(frozen=True)
class Streamed:
    """What a stream of rows came to.

    Attributes
    ----------
    n_rows
        Rows written.
    n_numbers
        Numbers per row: latent dimensions or classes.
    seconds
        From the first chunk to the last byte; what is looked at beforehand is not in it.
    n_labeled, n_right
        Rows with a known label, and how many of them were predicted right; 0 where nothing is compared.
    """

    n_rows: int
    n_numbers: int
    seconds: float
    n_labeled: int = 0
    n_right: int = 0

    @property
    def rows_per_second(self) -> float:
        """Rows per second."""
        return self.n_rows / max(self.seconds, 1e-9)


def transform_file(
    model: Any,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    target: str | None = None,
    id_column: str | None = None,
    force: bool = False,
    chunk_rows: int | None = None,
    progress: Progress | None = None,
) -> Streamed:
    """Write the latent codes of a file's rows to a file, in memory that does not grow with their number.

    Parameters
    ----------
    model
        A fitted estimator.
    source
        A file or folder, or a bundled data set; read as by :func:`aaetools.load_dataset`. Columns are matched by name
        where the model was fitted to names.
    out
        File to write; its suffix is one of :data:`aaetools.sinks.SINKS`. It is there once it is whole.
    target, id_column
        Columns that are no features, as for :func:`aaetools.load_dataset`.
    force
        Replace a file that is there already.
    chunk_rows
        Rows of a chunk; by default as many as make some two million cells. Results are the same to the bit for all
        multiples of 512; others may differ in the last digit, because networks add up in another order.
    progress
        Called with what is done, how many chunks are, and how many there are.

    Raises
    ------
    DataError
        If the rows cannot be read or do not fit the model; nothing is written.
    RunFolderError
        If the file cannot be written.
    """
    place = Path(out)
    check_out_file(place, force, tuple(SINKS))
    stream = open_stream(
        source,
        target=target,
        id_column=id_column,
        features=_names_of(model),
        encoding=encoding_of(model),
        with_labels=False,
    )
    return write_codes(model, stream, partial(open_sink, place), chunk_rows=chunk_rows, progress=progress)


def predict_file(
    model: Any,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    target: str | None = None,
    unlabeled: str | int | None = None,
    id_column: str | None = None,
    force: bool = False,
    chunk_rows: int | None = None,
    progress: Progress | None = None,
) -> Streamed:
    """Write the predicted class of a file's rows, and the probability of each class; see :func:`transform_file`.

    Parameters
    ----------
    target
        Column of known labels, with which predictions are compared.
    unlabeled
        Category of that column that stands for unlabelled.
    model, source, out, id_column, force, chunk_rows, progress
        As for :func:`transform_file`.

    Raises
    ------
    LabelError
        If the model has no classes, or if ``target`` holds others.
    DataError, RunFolderError
        As for :func:`transform_file`.
    """
    place = Path(out)
    check_out_file(place, force, CLASS_SINKS)
    stream = open_stream(
        source,
        target=target,
        unlabeled=unlabeled,
        id_column=id_column,
        features=_names_of(model),
        encoding=encoding_of(model),
    )
    opened = partial(open_sink, place)
    compare = target is not None
    return write_classes(model, stream, opened, compare=compare, chunk_rows=chunk_rows, progress=progress)


def write_codes(
    model: Any,
    stream: DataStream,
    opened: OpenSink,
    *,
    names: Collection[str] = (),
    chunk_rows: int | None = None,
    progress: Progress | None = None,
) -> Streamed:
    """Send the latent codes of all rows of a stream to a sink.

    Parameters
    ----------
    model
        A fitted estimator.
    stream
        The rows.
    opened
        Opens the sink.
    names
        What the features are called in the data that the model was fitted to, if it does not say so itself.
    chunk_rows, progress
        As for :func:`transform_file`.
    """
    n_codes = int(model.n_components_)
    layout = Layout(tuple(f"z{axis}" for axis in range(n_codes)), None, stream.n_rows, stream.source)

    def work(chunk: Any) -> _Done:
        dataset = stream.checked(chunk)
        codes = np.asarray(model.transform(matched_features(dataset, model, names)))
        return _Done(Part(dataset.row_ids, codes))

    return _run(work, stream, opened, layout, "encoding rows", chunk_rows, progress)


def write_classes(
    model: Any,
    stream: DataStream,
    opened: OpenSink,
    *,
    compare: bool,
    names: Collection[str] = (),
    chunk_rows: int | None = None,
    progress: Progress | None = None,
) -> Streamed:
    """Send predicted classes and their probabilities to a sink, and ``compare`` them with the labels of the stream.

    Raises
    ------
    LabelError
        If the model has no classes, or if labels to compare with are none of them.
    """
    classes = model.classes_
    if len(classes) == 0:
        raise LabelError("this model was fitted without labels, so it has no classes to predict")
    layout = Layout(tuple(f"p_{label}" for label in classes), classes, stream.n_rows, stream.source)
    code_of = {str(label): code for code, label in enumerate(classes)}
    if compare:
        _check_labels_known(stream, classes, code_of)

    def work(chunk: Any) -> _Done:
        dataset = stream.checked(chunk)
        proba = np.asarray(model.predict_proba(matched_features(dataset, model, names)))
        best = proba.argmax(axis=1)
        given = _given_codes(dataset.y, code_of) if compare and dataset.y is not None else np.empty(0, dtype=np.int64)
        known = given >= 0
        return _Done(
            Part(dataset.row_ids, proba, classes[best]),
            n_labeled=int(known.sum()),
            n_right=int((given[known] == best[: len(given)][known]).sum()),
        )

    return _run(work, stream, opened, layout, "predicting rows", chunk_rows, progress)


def _names_of(model: Any) -> tuple[str, ...]:
    return tuple(getattr(model, "feature_names_in_", ()))


def _check_labels_known(stream: DataStream, classes: NDArray[Any], code_of: dict[str, int]) -> None:
    """Refuse labels that are no class of the model: accuracy on them would mean nothing."""
    unknown = [(row, label) for label, row in stream.labels if str(label) not in code_of]
    if unknown:
        row, label = min(unknown, key=lambda found: found[0])
        raise LabelError(
            f"{quote(stream.source)}: row {row} (counted from 0), column {quote(stream.target_name)}: {quote(label)} "
            f"is no class of the model ({listing(classes, 10)}); correct or empty the cell, or drop the column"
        )


def _given_codes(y: NDArray[Any], code_of: dict[str, int]) -> NDArray[np.int64]:
    """Return the class code of each given label, -1 where there is none."""
    codes, labels = pd.factorize(y)
    # asked of the few distinct labels: row by row in Python it would hold up the other threads
    marks = is_unlabeled(labels)
    named = (-1 if mark else code_of.get(str(label), -1) for label, mark in zip(labels, marks, strict=True))
    given: NDArray[np.int64] = np.array([*named, -1], dtype=np.int64)[codes]
    return given


# Matching columns


def encoding_of(model: Any) -> ColumnCodec | Literal["numbers"]:
    """Return what a fitted estimator can take: columns of its kinds, or complete numbers."""
    columns: ColumnCodec | None = getattr(model, "columns_", None)
    return "numbers" if columns is None else columns


def has_own_names(dataset: Dataset) -> bool:
    """Tell whether the features have names of their own, not numbers that the loader made up, nor pixels."""
    made_up = tuple(f"x{i}" for i in range(dataset.n_features))
    return dataset.image_shape is None and dataset.feature_names != made_up


def matched_features(dataset: Dataset, model: Any, names: Collection[str] = ()) -> Any:
    """Return features as a model takes them: a data frame if it was fitted to names, or an array.

    Parameters
    ----------
    dataset
        The rows.
    model
        A fitted estimator.
    names
        What the features are called in the data that the model was fitted to, if it does not say so itself.

    Raises
    ------
    DataError
        If features are missing, too many, or of another number.
    """
    named = hasattr(model, "feature_names_in_")
    given, known = dataset.feature_names, tuple(names) or _names_of(model)
    X = dataset.X
    if given != known and set(given) == set(known):
        position = {name: index for index, name in enumerate(given)}
        order = [position[name] for name in known]
        X = X[:, order] if isinstance(X, np.ndarray) else X.iloc[:, order]
    elif given != known and named and (has_own_names(dataset) or encoding_of(model) != "numbers"):
        raise DataError(_difference(dataset, known))
    elif X.shape[1] != model.n_features_in_:
        raise DataError(
            f"{quote(dataset.source or dataset.name)}: has {X.shape[1]} features, but the model was fitted with "
            f"{model.n_features_in_}"
        )
    if not named or not isinstance(X, np.ndarray):
        return X
    return pd.DataFrame(X, columns=list(model.feature_names_in_), copy=False)


def _difference(dataset: Dataset, known: tuple[str, ...]) -> str:
    """Say which features are missing and which the model does not know."""
    parts = []
    missing = [name for name in known if name not in set(dataset.feature_names)]
    extra = [name for name in dataset.feature_names if name not in set(known)]
    if missing:
        parts.append(f"lacks {'column' if len(missing) == 1 else 'columns'} {listing(missing, 5)}")
    if extra:
        parts.append(f"has {'column' if len(extra) == 1 else 'columns'} {listing(extra, 5)}, unknown to the model")
    advice = "give the columns that the model was fitted with"
    if extra and not missing:
        advice = "drop what is too much, or name labels with target= and row ids with id_column="
    return f"{quote(dataset.source or dataset.name)}: {' and '.join(parts)}; {advice}"


# The stream itself


@dataclass(frozen=True, eq=False)
class _Done:
    part: Part
    n_labeled: int = 0
    n_right: int = 0


def _run(
    work: Callable[[Any], _Done],
    stream: DataStream,
    opened: OpenSink,
    layout: Layout,
    what: str,
    chunk_rows: int | None,
    progress: Progress | None,
) -> Streamed:
    """Work on all chunks of a stream and write the parts in order."""
    size = stream.chunk_size if chunk_rows is None else chunk_rows
    if size < 1:
        raise DataError(f"chunk_rows must be at least 1, not {size}")
    n_chunks = -(-stream.n_rows // size)
    began = time.perf_counter()
    n_rows = n_labeled = n_right = 0
    # threads that change and restore the filters of warnings can leave them changed
    with warnings.catch_warnings(), opened(layout) as sink, _workers() as (pool, n_workers):
        for n_done, done in enumerate(_in_order(work, stream.chunks(size), pool, n_workers + 1), start=1):
            sink.write(done.part)
            n_rows += len(done.part.row_ids)
            n_labeled += done.n_labeled
            n_right += done.n_right
            tell(progress, what, n_done, n_chunks)
        if n_rows != stream.n_rows:
            raise DataError(f"{quote(stream.source)}: holds {n_rows:,} rows, not {stream.n_rows:,}; damaged")
    return Streamed(n_rows, len(layout.numbers), time.perf_counter() - began, n_labeled, n_right)


@contextmanager
def _workers() -> Iterator[tuple[ThreadPoolExecutor, int]]:
    """Share torch's threads out among chunks: small products are done sooner by one thread each than by all."""
    before = torch.get_num_threads()
    n_workers = min(before, _MOST_WORKERS)
    pool = ThreadPoolExecutor(n_workers)
    try:
        torch.set_num_threads(before // n_workers)
        yield pool, n_workers
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def _in_order(
    work: Callable[[Any], _Done], chunks: Iterator[Any], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[_Done]:
    """Yield what becomes of the chunks in their order, with at most so many in work."""
    waiting: deque[Future[_Done]] = deque()
    failure: DataError | None = None
    while True:
        chunk = None
        try:
            chunk = next(chunks, None)
        except DataError as error:  # chunks before it may have a fault too, which comes first in the data
            failure = error
        if chunk is not None:
            waiting.append(pool.submit(work, chunk))
        while waiting and (chunk is None or len(waiting) >= ahead):
            yield waiting.popleft().result()
        if chunk is None:
            break
    if failure is not None:
        raise failure
