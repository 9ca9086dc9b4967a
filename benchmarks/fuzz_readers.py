"""Damaged files of every format: does any reader raise something else than its one clear line?

Valid files are changed at random (bits, bytes, lengths, pieces moved or repeated) and loaded; half of the archives
are changed inside and packed again, so that their checksums hold. A finding is any exception outside the family of
DataError, a message of more than one line, a loaded value that is not finite, a file that takes longer than
``SLOW`` seconds, or memory beyond ``MEMORY``. Each format runs in a process of its own, so that a crash of a library
below is a finding too and not the end. Writes results/fuzz_readers.md.
"""

from __future__ import annotations

import argparse
import gzip
import io
import multiprocessing
import resource
import tempfile
import time
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pandas as pd
import scipy.sparse
from PIL import Image
from tables import RESULTS, machine, markdown_table, versions

from aaetools.columns import ColumnCodec
from aaetools.datasets import inspect_data, load_dataset
from aaetools.exceptions import DataError

SLOW = 5.0
MEMORY = 2**30  # bytes of address space beyond what the process has when it starts to read
ODD = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\n",
    b'"',
    b",",
    b"nan",
    b"1e999",
    b"-",
)
EARLIER = """\
Two findings of an earlier run are mended, and tests hold them: text in a npy or npz array beyond the last Unicode \
character ended in a SystemError of numpy, and a PNG whose last part claims up to 4 GiB made Pillow ask for as much \
memory.
"""
X = np.arange(24.0).reshape(6, 4)
TEXT = b"id,a,b,label\nr1,1,2.5,u\nr2,3,4.5,v\nr3,5,-6e3,\nr4,7,8,u\n"


def saved(write: Callable[[io.BytesIO], object]) -> bytes:
    buffer = io.BytesIO()
    write(buffer)
    return buffer.getvalue()


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype("u1").tobytes()


def seeds() -> dict[str, tuple[str, bytes]]:
    """Return, for every reader, the file that is changed and what a valid one holds."""
    frame = pd.DataFrame({"a": [1.0, 2, 3], "n": [1, 2, 3], "b": [True, False, True], "label": ["u", "v", None]})
    parquet = saved(lambda file: frame.to_parquet(file))
    images = np.arange(48).reshape(4, 3, 4)
    picture = saved(lambda file: Image.fromarray(np.arange(64, dtype="u1").reshape(8, 8)).save(file, "PNG"))
    photo = saved(lambda file: Image.fromarray(np.arange(192, dtype="u1").reshape(8, 8, 3)).save(file, "JPEG"))
    sparse = scipy.sparse.csr_array(np.eye(5, 6))
    return {
        "csv": ("d.csv", TEXT),
        "tsv": ("d.tsv", TEXT.replace(b",", b"\t")),
        "csv.gz": ("d.csv.gz", gzip.compress(TEXT, mtime=0)),
        "parquet": ("d.parquet", parquet),
        "parquet folder": ("d/2.parquet", parquet),
        "npy": ("d.npy", saved(lambda file: np.save(file, X))),
        "npz": ("d.npz", saved(lambda file: np.savez_compressed(file, X=X, y=np.arange(6) % 2))),
        "sparse npz, csr": ("d.npz", saved(lambda file: scipy.sparse.save_npz(file, sparse))),
        "sparse npz, coo": ("d.npz", saved(lambda file: scipy.sparse.save_npz(file, sparse.tocoo()))),
        "idx": ("d-idx3-ubyte", idx(images)),
        "idx.gz": ("d.idx.gz", gzip.compress(idx(images), mtime=0)),
        "labels, csv": ("labels.csv", b"id,kind\nr1,x\nr3,y\n"),
        "labels, npy": ("labels.npy", saved(lambda file: np.save(file, np.array(["x", "y", "x", "y"])))),
        "labels, idx": ("labels-idx1-ubyte", idx(np.arange(4))),
        "png folder": ("d/cat/2.png", picture),
        "jpeg folder": ("d/cat/2.jpg", photo),
    }


def changed(content: bytes, random: Random) -> bytes:
    """Return bytes with one to four changes."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        place = random.randrange(len(data) + 1)
        other = random.randrange(len(data) + 1)
        kind = random.randrange(6)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[place : place + random.randrange(1, 9)] = random.randbytes(random.randrange(1, 9))
        elif kind == 2:
            del data[place:]
        elif kind == 3:
            odd = random.choice(ODD)
            data[place : place + random.choice((0, len(odd)))] = odd
        elif kind == 4:
            data[place:place] = data[min(place, other) : max(place, other)]
        else:
            del data[min(place, other) : max(place, other)]
        if len(data) == 0:
            data += b"\0"
    return bytes(data)


def mutated(name: str, content: bytes, random: Random) -> bytes:
    """Return a changed file; of an archive, every other time what is in it was changed."""
    if name.endswith(".gz") and random.random() < 0.5:
        return gzip.compress(changed(gzip.decompress(content), random), mtime=0)
    if name.endswith(".npz") and random.random() < 0.5:
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
            members = old.namelist()
            spoiled = random.choice(members)
            for member in members:
                inside = old.read(member)
                new.writestr(member, changed(inside, random) if member == spoiled else inside)
        return buffer.getvalue()
    return changed(content, random)


def usable(X: np.ndarray | pd.DataFrame) -> bool:
    """Tell whether features are finite and not too large, encoded if they have to be."""
    if isinstance(X, pd.DataFrame):
        X = ColumnCodec.fit(X).encode(X) / 2  # counted from the median, which may be as large itself
    return bool(np.isfinite(X).all() and np.abs(X).max(initial=0) <= 1.01e30)


def attempt(folder: Path, path: Path, random: Random) -> str:
    """Load what was written; return "loaded", "refused", or what is wrong with the reader."""
    is_labels = path.name.startswith("labels")
    source = folder / "rows.csv" if is_labels else folder / path.relative_to(folder).parts[0]
    target = str(path) if is_labels else None
    look = inspect_data if random.random() < 0.2 else load_dataset
    started = time.perf_counter()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            data = look(source, target=target)
        outcome = "loaded"
        if look is load_dataset and not usable(data.X):
            outcome = "loaded a value that is not usable"
    except DataError as error:
        message = str(error)
        outcome = "refused"
        if "does not fit into memory" in message:
            outcome = f"more than {MEMORY >> 20} MiB of memory"
        elif not message.isprintable():
            outcome = f"a message that is no line: {message[:80]!r}"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        outcome = f"{type(error).__name__} in {Path(place.filename).name}:{place.lineno}: {str(error)[:80]}"
    seconds = time.perf_counter() - started
    return f"{seconds:.0f} s" if seconds > SLOW else outcome


def fuzz(kind: str, seconds: float, seed: int, results: multiprocessing.Queue) -> None:
    """Change and load files of one kind for some seconds; put (kind, outcomes by how often, inputs of findings)."""
    random = Random(f"{kind} {seed}")
    name, content = seeds()[kind]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (folder / "rows.csv").write_bytes(b"id,a\nr1,1\nr2,2\nr3,3\nr4,4\n")
        if "/" in name:  # whole neighbours of the file that is changed
            path.with_stem("1").write_bytes(content)
        path.write_bytes(content)
        valid = attempt(folder, path, Random(0))
        assert valid == "loaded", f"{kind}: the file that is not changed: {valid}"
        size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
        outcomes: dict[str, int] = {}
        until = time.perf_counter() + seconds
        while time.perf_counter() < until:
            path.write_bytes(mutated(name, content, random))
            outcome = attempt(folder, path, random)
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            if outcome not in ("loaded", "refused"):
                print(f"{kind}: {outcome}: {path.read_bytes()[:300]!r}", flush=True)
    results.put(outcomes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="in all, shared by the formats")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one format")
    arguments = parser.parse_args()
    kinds = [arguments.only] if arguments.only else list(seeds())
    context = multiprocessing.get_context("fork")
    rows, findings, total = [], [], 0
    for kind in kinds:
        results = context.Queue()
        worker = context.Process(target=fuzz, args=(kind, arguments.seconds / len(kinds), arguments.seed, results))
        worker.start()
        try:
            outcomes = results.get(timeout=arguments.seconds / len(kinds) + 60)
        except Exception:  # the queue's Empty: the process died or hangs
            outcomes = {}
        worker.join(1)
        if worker.is_alive() or worker.exitcode:
            outcomes[f"the process ended with {worker.exitcode}"] = 1
            worker.kill()
        wrong = {what: n for what, n in outcomes.items() if what not in ("loaded", "refused")}
        n = sum(outcomes.values())
        total += n
        findings += [f"- {kind}: {what} ({count} times)" for what, count in wrong.items()]
        counts = (n, outcomes.get("refused", 0), outcomes.get("loaded", 0), len(wrong))
        rows.append([kind, *(f"{count:,}" for count in counts)])
        print(rows[-1], flush=True)
    found = "\n".join(findings) or "None."
    text = (
        "# Damaged files\n\n"
        f"{total:,} changed files in {arguments.seconds:.0f} s, seed {arguments.seed}. A changed file that loads is no "
        "finding: a digit may have become another digit.\n\n"
        + markdown_table(["format", "files", "refused with one line", "loaded", "findings"], rows)
        + f"\nFindings of this run:\n\n{found}\n\n{EARLIER}\n"
        f"Made by `OMP_NUM_THREADS=1 python benchmarks/fuzz_readers.py --seconds {arguments.seconds:.0f} --seed "
        f"{arguments.seed}` on {machine()}; {versions('pandas', 'pyarrow', 'scipy', 'pillow')}.\n"
    )
    if not arguments.only:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "fuzz_readers.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
