from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import pytest

from aaetools.datasets import gzipped
from aaetools.datasets.gzipped import open_binary, unpacked_size
from aaetools.exceptions import DataError


def test_a_compressed_file_reads_as_if_it_were_not(tmp_path: Path) -> None:
    content = b"one\ntwo\n" * 1000
    for name, stored in (("a.csv", content), ("a.csv.gz", gzip.compress(content, mtime=0))):
        path = tmp_path / name
        path.write_bytes(stored)
        assert unpacked_size(path) == len(content)
        with open_binary(path) as file:
            assert file.read() == content


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "d.csv.gz"
    path.write_bytes(gzip.compress(bytes(2**25), mtime=0))  # 32 MiB in 32 KiB
    monkeypatch.setattr("os.sysconf", lambda _: 2**12)  # 16 MiB of memory
    monkeypatch.setattr(gzipped, "_CHUNK", 2**16)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="unpacked, it needs"):
            unpacked_size(path)
        assert tracemalloc.get_traced_memory()[1] < 2**21
    finally:
        tracemalloc.stop()
