"""Fetched data sets: a server on this machine that behaves in every way that servers do."""

from __future__ import annotations

import gzip
import hashlib
import re
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from aaetools.datasets import DATASETS, downloads, fetch_fashion_mnist, fetch_mnist
from aaetools.datasets.downloads import FASHION_CLASSES, Download, RemoteFile, data_home, fetched_files
from aaetools.exceptions import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, size=(2, 500, 4, 4), dtype=np.uint8)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype("u1").tobytes()


CONTENT = {
    "train-images-idx3-ubyte.gz": idx(PIXELS[0]),
    "train-labels-idx1-ubyte.gz": idx(np.arange(500) % 10),
    "t10k-images-idx3-ubyte.gz": idx(PIXELS[1]),
    "t10k-labels-idx1-ubyte.gz": idx(np.arange(500) % 7),
}
PACKED = {name: gzip.compress(content, mtime=0) for name, content in CONTENT.items()}
IMAGES = "train-images-idx3-ubyte.gz"
FILES = tuple(
    RemoteFile(name, len(content), sha256=hashlib.sha256(content).hexdigest()) for name, content in CONTENT.items()
)


class Server(ThreadingHTTPServer):
    """Gives the files; what it does to them can be changed.

    Attributes
    ----------
    parts
        Whether it gives parts of files.
    breaks
        So many answers end in the middle.
    files
        What it has.
    asked
        Name and range of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.parts, self.breaks, self.endless = True, 0, False
        self.files = dict(PACKED)
        self.asked: list[tuple[str, str | None]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # the library calls it by this name
        name, wanted = self.path.lstrip("/"), self.headers.get("Range")
        self.server.asked.append((name, wanted))
        content = self.server.files.get(name)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.parts else 0
        if start >= len(content) > 0 and start:
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            content = content[: start + (len(content) - start) // 2]
        self.wfile.write(content[start:])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def tiny(*mirrors: str) -> Download:
    return Download("tiny", mirrors, FILES)


# -- what comes ------------------------------------------------------------------------------------------------------


def test_files_are_fetched_once_and_then_read_from_the_data_home(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "MNIST", tiny(server.url))
    monkeypatch.setattr(downloads, "FASHION_MNIST", replace(tiny("http://127.0.0.1:9/"), name="tiny"))
    data = fetch_mnist(tmp_path)
    np.testing.assert_array_equal(data.X, PIXELS.reshape(1000, 16))
    assert data.y is not None
    np.testing.assert_array_equal(data.y, np.concatenate([np.arange(500) % 10, np.arange(500) % 7]))
    assert (data.image_shape, data.X.dtype, data.feature_names[5]) == ((4, 4), np.float32, "pixel_1_1")
    assert [name for name, _ in server.asked] == list(CONTENT)
    assert sorted(path.name for path in (tmp_path / "tiny").iterdir()) == sorted(CONTENT)
    assert fetch_mnist(tmp_path).sha256 == data.sha256
    assert len(server.asked) == 4
    clothes = fetch_fashion_mnist(tmp_path)
    assert clothes.y is not None
    assert clothes.y[:10].tolist() == list(FASHION_CLASSES)


@pytest.mark.parametrize("folder", ["", "tiny", "MNIST/raw"])
@pytest.mark.parametrize("name", ["{}.gz", "{}", "dotted"])
def test_a_local_folder_will_do(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir(parents=True, exist_ok=True)
    for packed, content in CONTENT.items():
        plain = packed.removesuffix(".gz")
        other = plain.replace("-idx", ".idx") if name == "dotted" else name.format(plain)
        # packed anew, as others may have done
        (tmp_path / folder / other).write_bytes(gzip.compress(content, 1) if other.endswith(".gz") else content)
    found = fetched_files(replace(tiny(), folders=("MNIST/raw",)), tmp_path)
    assert {path.parent for path in found} == {tmp_path / folder}


def test_the_data_home_is_what_is_given_or_in_the_environment_or_for_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAETOOLS_DATA_HOME", "/there")
    assert data_home("/here") == Path("/here")
    assert data_home() == Path("/there")
    monkeypatch.delenv("AAETOOLS_DATA_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    if sys.platform == "linux":
        assert data_home() == Path("/home/me/.cache/aaetools")


# -- servers and connections as they are -----------------------------------------------------------------------------


def test_a_connection_that_breaks_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.breaks = 2
    fetched_files(tiny(server.url), tmp_path)
    size = len(PACKED[IMAGES])
    assert server.asked[:3] == [
        (IMAGES, None),
        (IMAGES, f"bytes={size // 2}-"),
        (IMAGES, f"bytes={size // 2 + (size - size // 2) // 2}-"),
    ]


def test_what_another_process_left_is_gone_on_with(server: Server, tmp_path: Path) -> None:
    server.breaks = 3
    with pytest.raises(DataError, match=r"ended early, [\d,]+ bytes are kept to go on with"):
        fetched_files(tiny(server.url), tmp_path)
    kept = (tmp_path / "tiny" / f"{IMAGES}.part").stat().st_size
    assert 0 < kept < len(PACKED[IMAGES])
    fetched_files(tiny(server.url), tmp_path)
    assert server.asked[3] == (IMAGES, f"bytes={kept}-")
    assert not list(tmp_path.rglob("*.part"))


def test_a_server_that_ignores_ranges_sends_all_of_it_again(server: Server, tmp_path: Path) -> None:
    server.parts, server.breaks = False, 1
    found = fetched_files(tiny(server.url), tmp_path)
    assert found[0].read_bytes() == PACKED[IMAGES]


@pytest.mark.parametrize("left", [PACKED[IMAGES], PACKED[IMAGES] + b"more", b"something else"])
def test_a_part_of_another_file_or_all_of_this_one_does_no_harm(server: Server, tmp_path: Path, left: bytes) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / f"{IMAGES}.part").write_bytes(left)
    found = fetched_files(tiny(server.url, server.url), tmp_path)
    assert found[0].read_bytes() == PACKED[IMAGES]


def test_the_next_mirror_is_asked_where_one_fails(server: Server, tmp_path: Path) -> None:
    found = fetched_files(tiny(f"{server.url}gone/", "http://127.0.0.1:9/", server.url), tmp_path)
    assert [path.read_bytes() for path in found] == list(PACKED.values())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "the server answered 404"),
        (gzip.compress(CONTENT[IMAGES][:-1] + b"x", mtime=0), "what came is not the published file: its SHA-256 is"),
        (gzip.compress(CONTENT[IMAGES][:-1], mtime=0), "what came holds 8,015 bytes where 8,016 are published"),
        (gzip.compress(CONTENT[IMAGES] + bytes(2**20), mtime=0), "what came holds more bytes where 8,016"),
        (PACKED[IMAGES][:-9], "what came cannot be unpacked, truncated or damaged"),
        (b"<html>Please log in</html>", "what came holds 26 bytes"),
        (bytes(2**21), "sends more than the file can hold"),
    ],
)
def test_a_wrong_file_is_thrown_away_and_told_in_one_line(
    server: Server, tmp_path: Path, content: bytes | None, words: str
) -> None:
    server.files = {} if content is None else {**PACKED, IMAGES: content}
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        fetched_files(tiny(server.url), tmp_path)
    message = str(caught.value)
    assert message.isprintable()
    for part in (f"{server.url}{IMAGES}", "AAETOOLS_DATA_HOME or --data-home", "'tiny'"):
        assert part in message
    assert list(tmp_path.rglob("*")) == []


def test_without_a_network_the_address_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "create_connection", no_network)
    with pytest.raises(DataError, match=r"http://data\.example/train-images.*: Name or service not known"):
        fetched_files(tiny("http://data.example/"), tmp_path / "new" / "home")
    assert list(tmp_path.iterdir()) == []


# -- files that are there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", PACKED[IMAGES][:-1], CONTENT[IMAGES][:-1] + b"x", CONTENT[IMAGES] + b"x"])
def test_a_damaged_file_in_the_data_home_is_refused_and_not_replaced(
    server: Server, tmp_path: Path, content: bytes
) -> None:
    fetched_files(tiny(server.url), tmp_path)
    path = tmp_path / "tiny" / IMAGES
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{IMAGES}': .*; remove it, or name another folder"):
        fetched_files(tiny(server.url), tmp_path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("unpacked", [True, False])
def test_without_a_hash_of_the_unpacked_file_that_of_the_packed_one_counts_or_md5(
    tmp_path: Path, unpacked: bool
) -> None:
    files = tuple(
        RemoteFile(
            name,
            len(CONTENT[name]),
            packed_sha256=hashlib.sha256(PACKED[name]).hexdigest(),
            md5=hashlib.md5(CONTENT[name]).hexdigest() if unpacked else "0" * 32,
        )
        for name in CONTENT
    )
    for name in CONTENT:
        (tmp_path / name).write_bytes(CONTENT[name] if unpacked else PACKED[name])
    download = Download("tiny", (), files)
    assert len(fetched_files(download, tmp_path)) == 4
    (tmp_path / IMAGES).write_bytes(gzip.compress(CONTENT[IMAGES][:-1] + b"x"))
    with pytest.raises(DataError, match="is not the published file"):
        fetched_files(download, tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="files are not locked there")
def test_two_processes_do_not_write_one_file(server: Server, tmp_path: Path) -> None:
    import fcntl

    (tmp_path / "tiny").mkdir()
    with (tmp_path / "tiny" / f"{IMAGES}.part").open("ab") as held:
        fcntl.flock(held.fileno(), fcntl.LOCK_EX)
        with pytest.raises(DataError, match="another process is fetching it"):
            fetched_files(tiny(server.url), tmp_path)
    assert server.asked == []


def test_a_data_home_that_cannot_be_written_is_named(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match=r"cannot write .*file/tiny'"):
        fetched_files(tiny(server.url), tmp_path / "file")


# -- cards -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, card in DATASETS.items() if card.download is not None])
def test_cards_of_fetched_data_fit_what_is_fetched(name: str) -> None:
    card = DATASETS[name]
    assert card.download is not None
    assert card.download.name == name == card.name
    assert card.n_rows == 70_000
    assert all(mirror.startswith("https://") and mirror.endswith("/") for mirror in card.download.mirrors)
    assert [file.name.split("-")[:2] for file in card.download.files] == [
        ["train", "images"],
        ["train", "labels"],
        ["t10k", "images"],
        ["t10k", "labels"],
    ]
    for file, n_rows in zip(card.download.files, (60_000, 60_000, 10_000, 10_000), strict=True):
        assert file.n_bytes == (16 + n_rows * card.n_features if "images" in file.name else 8 + n_rows)
        for digest, length in ((file.sha256 or file.packed_sha256, 64), (file.md5, 32 if file.packed_sha256 else 0)):
            assert re.fullmatch(f"[0-9a-f]{{{length}}}", digest)
