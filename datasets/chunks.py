"""Files read some rows at a time, in memory that does not grow with their length.

A reader of :data:`CHUNK_READERS` looks at a file once, checks what concerns all of it, and returns :class:`TableChunks`,
which can be gone through any number of times, wholly or a few columns of it. Every cell comes out as the reader of the
whole file gives it. Formats without a reader here are read as a whole and handed out in slices.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aaetools.datasets.files import (
    ArrayHeader,
    array_header,
    arrow_frame,
    check_arrow_types,
    check_parts,
    checked_suffix,
    damaged_parquet,
    flattened,
    idx_header,
    labels_beside,
    labels_by_name,
    line_of,
    lost_rows,
    parquet_parts,
    parse_text,
    parsing,
    place_in_parts,
    read_errors,
    read_file,
    read_idx_labels,
    row_position,
    scan_text,
)
from aaetools.datasets.files import READERS as WHOLE_READERS
from aaetools.datasets.gzipped import length_of, open_binary
from aaetools.datasets.messages import quote
from aaetools.datasets.refusals import refused
from aaetools.datasets.tables import Columns, Table

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = ["CHUNK_READERS", "TableChunks", "chunk_size", "open_chunks", "sliced"]

_CHUNK_CELLS = 2**22
"""Cells of a chunk: 16 MB of float32, and a few times that while they are checked."""

_BATCH = 2048
"""Chunks are a multiple of this many rows, so that networks that take that many at once see the same batches."""
