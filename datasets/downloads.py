"""Data sets that are fetched when they are first asked for, checked, and kept in the data home.

A file that is there already is never fetched; every file is compared with its published checksum whenever it is
loaded. What a broken connection left is gone on with.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aaetools.datasets.dataset import Dataset
from aaetools.datasets.messages import quote_path
from aaetools.datasets.refusals import reason, refused
from aaetools.exceptions import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "DATA_HOME",
    "FASHION_CLASSES",
    "FASHION_MNIST",
    "FASHION_MNIST_SOURCE",
    "MNIST",
    "MNIST_SOURCE",
    "Download",
    "RemoteFile",
    "data_home",
    "fetch_fashion_mnist",
    "fetch_mnist",
    "fetched_files",
]

DATA_HOME = "AAETOOLS_DATA_HOME"
"""Environment variable that names the data home."""

MNIST_SOURCE = "Y. LeCun, C. Cortes and C. J. C. Burges (1998), The MNIST database of handwritten digits"
FASHION_MNIST_SOURCE = (
    "H. Xiao, K. Rasul and R. Vollgraf (2017), Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine "
    "Learning Algorithms, arXiv:1708.07747"
)

FASHION_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""What the numbers 0 to 9 in Fashion-MNIST's files stand for."""

_TIMEOUT = 30
_TRIES = 3
_PIECE = 2**16

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteFile:
    """A file packed by gzip, and what is known of it.

    Attributes
    ----------
    name
        With its suffix .gz.
    n_bytes
        How long it is when unpacked.
    sha256
        SHA-256 of the unpacked file; empty where none is published.
    packed_sha256, md5
        Where it is not: SHA-256 of the packed file as it was first published, and MD5 of the unpacked one. Either
        will do, because the file may have been unpacked or packed anew. MD5 finds damage, not a forger's work.
    """

    name: str
    n_bytes: int
    sha256: str = ""
    packed_sha256: str = ""
    md5: str = ""


@dataclass(frozen=True)
class Download:
    """Where the files of a data set are.

    Attributes
    ----------
    name
        The data set's, and that of its folder in the data home.
    mirrors
        Addresses of folders, tried one after the other.
    files
        Images and labels of the training part, then those of the test part.
    folders
        Further folders of a data home where the files may be, as other libraries put them.
    """

    name: str
    mirrors: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    folders: tuple[str, ...] = ()


MNIST = Download(
    name="mnist",
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
    ),
    files=(
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            47_040_016,
            sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            60_008,
            sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            7_840_016,
            sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            10_008,
            sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    folders=("MNIST/raw",),
)

# No SHA-256 of its unpacked files is published. Of the packed ones it is in TensorFlow Datasets' list of checksums,
# beside the lengths; MD5 of the unpacked ones is what several frameworks compare with.
FASHION_MNIST = Download(
    name="fashion_mnist",
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    files=(
        RemoteFile(
            "train-images-idx3-ubyte.gz",
            47_040_016,
            packed_sha256="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            md5="f4a8712d7a061bf5bd6d2ca38dc4d50a",
        ),
        RemoteFile(
            "train-labels-idx1-ubyte.gz",
            60_008,
            packed_sha256="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            md5="9018921c3c673c538a1fc5bad174d6f9",
        ),
        RemoteFile(
            "t10k-images-idx3-ubyte.gz",
            7_840_016,
            packed_sha256="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            md5="8181f5470baa50b63fa0f6fddb340f0a",
        ),
        RemoteFile(
            "t10k-labels-idx1-ubyte.gz",
            10_008,
            packed_sha256="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            md5="15d484375f8d13e6eb1aabb0c3f46965",
        ),
    ),
    folders=("FashionMNIST/raw",),
)


def data_home(folder: str | os.PathLike[str] | None = None) -> Path:
    """Return the folder of fetched data: the one given, the one in AAETOOLS_DATA_HOME, or one for caches."""
    given = folder or os.environ.get(DATA_HOME)
    if given:
        return Path(os.path.expanduser(given))
    if sys.platform == "win32":
        caches = os.environ.get("LOCALAPPDATA", "~/AppData/Local")
    elif sys.platform == "darwin":
        caches = "~/Library/Caches"
    else:
        caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(caches)) / "aaetools"


def fetch_mnist(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """Load 70,000 handwritten digits of 28 x 28 pixels with values 0 to 255, fetched (12 MB) unless they are there.

    The first 60,000 rows are the training part, the rest are the test part; classes are the integers 0 to 9.

    Parameters
    ----------
    folder
        The data home, see :func:`data_home`. The IDX files, packed or not, may lie there or in its folder "mnist".

    Raises
    ------
    DataError
        If a file cannot be fetched, or is not the published one; the message says how to give a folder.
    """
    X, y = _images_and_labels(fetched_files(MNIST, folder))
    return _of_images("mnist", X, y, "digit", MNIST_SOURCE)


def fetch_fashion_mnist(folder: str | os.PathLike[str] | None = None) -> Dataset:
    """Load 70,000 articles of clothing of 28 x 28 pixels, values 0 to 255, fetched (31 MB) unless they are there.

    The first 60,000 rows are the training part, the rest are the test part; classes are :data:`FASHION_CLASSES`.
    Parameters and errors are those of :func:`fetch_mnist`.
    """
    import numpy as np

    X, y = _images_and_labels(fetched_files(FASHION_MNIST, folder))
    return _of_images("fashion_mnist", X, np.array(FASHION_CLASSES, dtype=object)[y], "article", FASHION_MNIST_SOURCE)


def _images_and_labels(paths: list[Path]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Join images and labels of the training part with those of the test part."""
    import numpy as np

    from aaetools.datasets.files import read_file

    images = [read_file(path).block for path in paths[0::2]]
    labels = [read_file(path, labels=True).columns["label"].to_numpy() for path in paths[1::2]]
    X = np.concatenate([part for part in images if part is not None]).astype(np.float32)
    return X, np.concatenate(labels).astype(np.int64)


def _of_images(name: str, X: NDArray[Any], y: NDArray[Any], target_name: str, source: str) -> Dataset:
    import math

    side = math.isqrt(X.shape[1])
    return Dataset(
        name=name,
        X=X,
        y=y,
        feature_names=tuple(f"pixel_{row}_{column}" for row in range(side) for column in range(side)),
        target_name=target_name,
        image_shape=(side, side),
        source=source,
    )


def fetched_files(
    download: Download, folder: str | os.PathLike[str] | None = None, *, fetch: bool = True
) -> list[Path]:
    """Return the files of a data set in their order, fetching those that are not there.

    Parameters
    ----------
    download
        The data set.
    folder
        The data home, see :func:`data_home`.
    fetch
        Whether to fetch what is missing.

    Raises
    ------
    DataError
        If a file is missing and cannot be or is not to be fetched, or if it is not the published one.
    """
    home = data_home(folder)
    found = []
    for file in download.files:
        path = _find(download, file, home)
        if path is not None:
            problem = _problem(path, file)
            if problem is not None:
                raise refused(path, f"{problem}; remove it, or name another folder with {_WAYS}")
        elif fetch:
            path = _fetch(download, file, home / download.name)
        else:
            raise DataError(f"data set {download.name!r} is not in {quote_path(home)} yet: {file.name} is missing")
        found.append(path)
    return found


_WAYS = f"{DATA_HOME} or --data-home"


def _find(download: Download, file: RemoteFile, home: Path) -> Path | None:
    """Return where a file is, packed or not, in the data home; None if it is not there."""
    plain = file.name.removesuffix(".gz")
    for folder in (home / download.name, *(home / other for other in download.folders), home):
        for name in (file.name, plain, plain.replace("-idx", ".idx")):
            if (folder / name).is_file():
                return folder / name
    return None


# Checking


def _problem(path: Path, file: RemoteFile) -> str | None:
    """Return in what way a file is not the published one; None if it is."""
    import gzip
    import hashlib
    import zlib

    packed, sha256, md5 = hashlib.sha256(), hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    n_bytes = 0
    try:
        with path.open("rb") as opened:
            is_packed = opened.read(2) == b"\x1f\x8b"
            opened.seek(0)
            while piece := opened.read(_PIECE):
                packed.update(piece)
            opened.seek(0)
            with gzip.GzipFile(fileobj=opened) if is_packed else opened as content:
                while n_bytes <= file.n_bytes and (piece := content.read(_PIECE)):
                    n_bytes += len(piece)
                    sha256.update(piece)
                    md5.update(piece)
    except (zlib.error, EOFError, OSError) as error:
        return f"cannot be unpacked, truncated or damaged ({reason(error)})"
    if n_bytes != file.n_bytes:
        held = "more" if n_bytes > file.n_bytes else f"{n_bytes:,}"
        return f"holds {held} bytes where {file.n_bytes:,} are published"
    if file.sha256:
        same, shown, known = sha256.hexdigest() == file.sha256, sha256.hexdigest(), file.sha256
    else:
        same = packed.hexdigest() == file.packed_sha256 or md5.hexdigest() == file.md5
        shown, known = packed.hexdigest(), file.packed_sha256
    return None if same else f"is not the published file: its SHA-256 is {shown}, not {known}"


# Fetching


def _fetch(download: Download, file: RemoteFile, folder: Path) -> Path:
    """Fetch a file into a folder from the first mirror that has it."""
    place, part = folder / file.name, folder / f"{file.name}.part"
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(part) as opened:
            failures = _try_mirrors(download, file, part, opened)
            n_kept = opened.tell()
        if failures is None:
            os.replace(part, place)
            return place
        if n_kept == 0:
            part.unlink(missing_ok=True)
            for one in made:
                with suppress(OSError):  # it may hold another file by now
                    one.rmdir()
    except OSError as error:
        raise DataError(f"cannot write {quote_path(folder)}: {reason(error)}; name another with {_WAYS}") from None
    names = ", ".join(one.name for one in download.files)
    raise DataError(
        f"data set {download.name!r} is not here and could not be fetched: {failures}; "
        f"put {names}, packed or not, into a folder and name it with {_WAYS}"
    )


def _try_mirrors(download: Download, file: RemoteFile, part: Path, opened: IO[bytes]) -> str | None:
    """Fetch a file from the first mirror that has it; return what each of them said if none has."""
    failures = []
    for mirror in download.mirrors:
        url = mirror + file.name
        try:
            _get(url, opened, limit=file.n_bytes + 2**20)
        except _FetchError as error:
            failures.append(f"{url}: {error}")
            continue
        problem = _problem(part, file)
        if problem is None:
            return None
        _empty(opened)  # going on with it would not mend it
        failures.append(f"{url}: what came {problem}")
    return "; ".join(failures)


def _empty(opened: IO[bytes]) -> None:
    opened.truncate(0)
    opened.seek(0)


class _FetchError(Exception):
    """A mirror did not give a file; the next one may."""


@contextmanager
def _alone(part: Path) -> Iterator[IO[bytes]]:
    """Open an unfinished file to go on with it; no two processes may at once."""
    with part.open("ab") as opened:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(opened.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise DataError(f"{quote_path(part)}: another process is fetching it; wait for that to end") from None
        yield opened


def _get(url: str, opened: IO[bytes], limit: int) -> None:
    """Append what a file lacks, or all of it where the server does not give parts."""
    import http.client
    import ssl
    import urllib.error

    failure = "nothing came"
    for attempt in range(_TRIES):
        before = opened.seek(0, os.SEEK_END)
        try:
            if _get_rest(url, opened, limit):
                return
            failure = "the connection ended early"
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and before:  # there is nothing beyond what is there: it is another file, or whole
                _empty(opened)
                continue
            raise _FetchError(f"the server answered {error.code} {error.reason}") from None
        except urllib.error.URLError as error:
            cause = error.reason
            raise _FetchError(reason(cause) if isinstance(cause, BaseException) else str(cause)) from None
        except (TimeoutError, http.client.HTTPException, ConnectionError, ssl.SSLError) as error:
            failure = reason(error)
        if opened.tell() == before and attempt:
            break
    raise _FetchError(f"{failure}, {opened.tell():,} bytes are kept to go on with")


def _get_rest(url: str, opened: IO[bytes], limit: int) -> bool:
    """Make one request; return whether all that it announced came."""
    import urllib.request

    start = opened.tell()
    headers = {"User-Agent": "aaetools", **({"Range": f"bytes={start}-"} if start else {})}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT) as response:
        goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")
        if start and not goes_on:
            _empty(opened)
            start = 0
        announced = response.headers.get("Content-Length", "")
        wanted = int(announced) if announced.isdigit() else None
        size = "" if wanted is None else f" ({wanted / 1e6:,.1f} MB{' more' if start else ''})"
        _log.info("fetching %s%s", url, size)
        came = 0
        while piece := response.read(_PIECE):
            came += len(piece)
            if start + came > limit:
                _empty(opened)
                raise _FetchError("sends more than the file can hold")
            opened.write(piece)
        opened.flush()
    return wanted is None or came == wanted
