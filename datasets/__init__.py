"""Data sets: bundled ones by name, files by path, all as one :class:`Dataset`.

Importing this package is quick: numpy, pandas, scikit-learn and pyarrow are imported by the functions that
use them.
"""

from aaetools.datasets.bundled import (
    load_breast_cancer,
    load_digits,
    load_digits_imbalanced,
    load_iris,
    load_wine,
)
from aaetools.datasets.chunks import CHUNK_READERS, TableChunks
from aaetools.datasets.dataset import Dataset, content_hash
from aaetools.datasets.files import READERS
from aaetools.datasets.inspection import DataInspection, inspect_data
from aaetools.datasets.load import load_dataset
from aaetools.datasets.registry import DATASETS, DataCard, dataset_card
from aaetools.datasets.streams import DataStream, open_stream
from aaetools.datasets.synthetic import make_blobs, make_moons, make_swiss_roll

__all__ = [
    "CHUNK_READERS",
    "DATASETS",
    "READERS",
    "DataCard",
    "DataInspection",
    "DataStream",
    "Dataset",
    "TableChunks",
    "content_hash",
    "dataset_card",
    "inspect_data",
    "load_breast_cancer",
    "load_dataset",
    "load_digits",
    "load_digits_imbalanced",
    "load_iris",
    "load_wine",
    "make_blobs",
    "make_moons",
    "make_swiss_roll",
    "open_stream",
]
