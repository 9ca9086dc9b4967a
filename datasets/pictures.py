"""Folders of pictures, one folder per class."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aaetools.datasets.messages import quote
from aaetools.datasets.refusals import check_size, reason, refused
from aaetools.datasets.tables import MAX_FEATURES, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PICTURE_SUFFIXES", "is_picture", "read_pictures"]

PICTURE_SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".bmp": "BMP"}
"""Suffix in lower case to Pillow's name of the only format that such a file may have."""

_GREY_MODES = ("1", "L")
_LARGEST_PICTURE = 2**28  # bytes of a file; nothing of a size that can be learned from is larger


def is_picture(path: Path) -> bool:
    """Tell by its name whether a file is a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


def read_pictures(path: Path) -> Table:
    """Read pictures as rows: the label is the name of the folder, the row id the picture's place below ``path``.

    All must have one size; none is resized, because how to do so is a choice about the data. Values are 0 to 255. If
    every picture is grey, a row is (height, width), else (height, width, 3): red, green, blue; transparency is dropped.

    Raises
    ------
    DataError
        Names the picture that cannot be read or has another size.
    """
    import numpy as np
    import pandas as pd

    folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    files = [file for folder in folders for file in sorted(folder.iterdir()) if is_picture(file) and file.is_file()]
    if not files:
        raise refused(path, "holds no pictures")
    sizes = [_look(file) for file in files]
    for file, (size, _) in zip(files, sizes, strict=True):
        if size != sizes[0][0]:
            this, that = (f"{one[0]} x {one[1]}" for one in (size, sizes[0][0]))
            raise refused(file, f"is {this} pixels, but {quote(files[0].name)} is {that}; bring all to one size")
    (width, height), grey = sizes[0][0], all(mode in _GREY_MODES for _, mode in sizes)
    shape = (height, width) if grey else (height, width, 3)
    n_values = int(np.prod(shape))
    if n_values > MAX_FEATURES:
        raise refused(files[0], f"has {n_values:,} values; at most {MAX_FEATURES:,} are supported; shrink the pictures")
    check_size(path, len(files) * n_values * 5, "the folder")
    block = np.empty((len(files), n_values), dtype=np.uint8)
    for row, file in enumerate(files):
        block[row] = _pixels(file, "L" if grey else "RGB").reshape(-1)
    names = tuple("pixel_" + "_".join(map(str, index)) for index in np.ndindex(*shape))
    columns = pd.DataFrame(
        {
            "label": [file.parent.name for file in files],
            "id": [file.relative_to(path).as_posix() for file in files],
        },
        dtype=object,
    )

    def locate(row: int) -> str:
        return quote(files[row].relative_to(path))

    return Table(path=path, columns=columns, block=block, block_names=names, image_shape=shape, locate=locate)


def _look(file: Path) -> tuple[tuple[int, int], str]:
    """Return (width, height) and the mode that a picture's header tells, without unpacking it."""
    with _opened(file) as image:
        return image.size, image.mode


def _pixels(file: Path, mode: str) -> NDArray[Any]:
    import numpy as np

    try:
        with _opened(file) as image:
            return np.asarray(image.convert(mode), dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, IndexError) as error:
        raise refused(file, f"cannot be read, truncated or damaged ({reason(error)})") from None


def _opened(file: Path) -> Any:
    """Open a picture, only in the format that its suffix says: other decoders never see it."""
    from PIL import Image

    if file.stat().st_size > _LARGEST_PICTURE:
        raise refused(file, "is too large for a picture to learn from")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # sizes are judged by the caller before anything is unpacked
            # from memory, because of a file Pillow would allocate whatever length a part of it claims
            content = io.BytesIO(file.read_bytes())
            return Image.open(content, formats=[PICTURE_SUFFIXES[file.suffix.lower()]])
    except (OSError, ValueError, SyntaxError, EOFError, TypeError, Image.DecompressionBombError) as error:
        raise refused(file, f"is no picture of its kind, truncated or damaged ({type(error).__name__})") from None
