from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from aaetools.datasets import load_dataset
from aaetools.exceptions import DataError


def picture(path: Path, values: Any, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values, dtype=np.uint8)).save(path, kind)
    return path


def grey(start: int, height: int = 2, width: int = 3) -> np.ndarray[Any, Any]:
    return np.arange(start, start + height * width).reshape(height, width)


def pets(folder: Path) -> Path:
    for name, values in {"cat/b.png": grey(9), "cat/a.png": grey(0), "dog/a.png": grey(20)}.items():
        picture(folder / name, values)
    return folder


def test_the_folder_of_a_picture_is_its_label_and_its_place_the_row_id(tmp_path: Path) -> None:
    data = load_dataset(pets(tmp_path / "pets"))
    assert (data.name, data.image_shape, data.target_name) == ("pets", (2, 3), "label")
    assert data.row_ids.tolist() == ["cat/a.png", "cat/b.png", "dog/a.png"]
    assert data.y is not None
    assert data.y.tolist() == ["cat", "cat", "dog"]
    np.testing.assert_array_equal(data.X[:, 0], [0, 9, 20])
    assert load_dataset(tmp_path / "pets", unlabeled="dog").n_labeled == 2


def test_one_coloured_picture_makes_all_coloured_and_transparency_is_dropped(tmp_path: Path) -> None:
    folder = pets(tmp_path)
    picture(folder / "dog" / "z.png", np.stack([grey(0), grey(10), grey(20), grey(0)], axis=2))
    data = load_dataset(folder)
    assert data.image_shape == (2, 3, 3)
    np.testing.assert_array_equal(data.X[0, :6], [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(data.X[-1, :6], [0, 10, 20, 1, 11, 21])


def bomb(folder: Path) -> Path:
    """Write a picture of a few bytes whose header tells of 10^10 pixels."""
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    path = folder / "cat" / "a.png"
    content = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + header, b"IDAT" + zlib.compress(b"\0"), b"IEND"):
        content += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(content)
    return path


def truncated(folder: Path) -> Path:
    path = folder / "dog" / "a.png"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64))
    for file in (folder / "cat" / "a.png", folder / "cat" / "b.png", path):
        picture(file, noise)
    path.write_bytes(path.read_bytes()[:2000])
    return path


def boastful(folder: Path) -> Path:
    """Write a picture one of whose parts claims 2 GiB, behind which there is nothing."""
    path = folder / "dog" / "a.png"
    content = path.read_bytes()
    place = content.index(b"IDAT")
    path.write_bytes(content[: place - 4] + b"\x80\0\0\0" + content[place:])
    return path


def renamed(folder: Path) -> Path:
    buffer = io.BytesIO()
    Image.fromarray(grey(0).astype(np.uint8)).save(buffer, "TIFF")
    path = folder / "dog" / "a.png"
    path.write_bytes(buffer.getvalue())
    return path


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda folder: picture(folder / "dog" / "a.png", grey(0, 3, 3)), ("3 x 3 pixels", "3 x 2", "one size")),
        (bomb, ("no picture", "DecompressionBomb")),
        (truncated, ("truncated or damaged",)),
        (renamed, ("no picture of its kind",)),
    ],
    ids=["another size", "bomb", "truncated", "other format"],
)
def test_a_picture_that_cannot_be_used_is_named(
    tmp_path: Path, spoil: Callable[[Path], Path], words: tuple[str, ...]
) -> None:
    path = spoil(pets(tmp_path))
    with pytest.raises(DataError) as caught:
        load_dataset(tmp_path)
    message = str(caught.value)
    assert message.isprintable()
    assert all(word in message for word in (str(path), *words)), message


def test_no_memory_is_allocated_that_a_part_of_a_picture_merely_claims(tmp_path: Path) -> None:
    boastful(pets(tmp_path))
    tracemalloc.start()
    try:
        with contextlib.suppress(DataError):
            load_dataset(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()
