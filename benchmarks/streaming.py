"""How much memory and time do transform and predict take on a file that is larger than memory should need to be?

Writes a parquet file of random rows, fits a small model to a few of them, and runs the command line on all. Beside each
run the bare network is timed on rows that are in memory and scaled already, in chunks of the same size, in the way that
is fastest: with all threads on one batch, or with one thread on each of several, for several batch sizes.

    python benchmarks/streaming.py                     10 million rows; 3 GB of disk, some ten minutes
    python benchmarks/streaming.py --rows 200000       a minute
    TMPDIR=/mnt/scratch python benchmarks/streaming.py     where to put the files
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from tables import machine, markdown_table, publish, versions

from aaetools import AdversarialAutoencoder, save
from aaetools.datasets.chunks import chunk_size

N_FEATURES = 64
NAMES = [f"f{column}" for column in range(N_FEATURES)]
SMALL, LARGE = (256, 256), (1000, 500, 250)
MAX_MEGABYTES, MAX_RATIO = 1500, 1.5


@dataclass(frozen=True)
class Run:
    """One command on one file."""

    what: str
    n_rows: int
    megabytes: float
    seconds: float
    rows_per_second: float
    bare: float
    processor: float
    bare_processor: float
    load: float

    @property
    def ratio(self) -> float:
        """Times the bare network's time."""
        return self.bare / self.rows_per_second

    @property
    def processor_ratio(self) -> float:
        """Times the bare network's processor time, which other programs change little."""
        return self.processor / self.bare_processor


def rows(start: int, n: int) -> pd.DataFrame:
    """Return rows of two classes; the same for the same numbers."""
    chance = np.random.default_rng(start)
    kinds = chance.integers(0, 2, size=n)
    X = chance.standard_normal(size=(n, N_FEATURES), dtype=np.float32)
    X[:, :4] += 3 * kinds[:, None].astype(np.float32)
    table = pd.DataFrame(X, columns=NAMES)
    table.insert(0, "id", np.arange(start, start + n))
    return table.assign(kind=np.where(kinds == 1, "up", "down"))


def write_parquet(path: Path, n_rows: int) -> None:
    """Write the rows a row group at a time."""
    step = 100_000
    writer = None
    for start in range(0, n_rows, step):
        table = pa.Table.from_pandas(rows(start, min(step, n_rows - start)), preserve_index=False)
        writer = writer or pq.ParquetWriter(path, table.schema, use_dictionary=["kind"])
        writer.write_table(table)
    assert writer is not None
    writer.close()


def write_csv(path: Path, n_rows: int) -> None:
    step = 20_000
    for start in range(0, n_rows, step):
        rows(start, min(step, n_rows - start)).to_csv(path, mode="a", index=False, header=start == 0)


def bare_speed(model: AdversarialAutoencoder, seconds: float = 1.5) -> tuple[float, float]:
    """Return how many scaled rows a second the encoder takes, and processor seconds a row.

    Each is that of the fastest of several ways, which need not be the same.
    """
    n_threads = torch.get_num_threads()
    x = torch.from_numpy(model.scale(rows(0, chunk_size(N_FEATURES))[NAMES]))

    def encode(batch: int) -> int:
        with torch.inference_mode():
            for part in torch.split(x, batch):
                model.encoder_(part)
        return len(x)

    def rate(n_workers: int, batch: int) -> tuple[float, float]:
        torch.set_num_threads(n_threads // n_workers)
        with ThreadPoolExecutor(n_workers) as pool:
            list(pool.map(encode, [batch] * n_workers))
            done, began, used = 0, time.perf_counter(), time.process_time()
            while time.perf_counter() - began < seconds:
                done += sum(pool.map(encode, [batch] * n_workers))
            return done / (time.perf_counter() - began), (time.process_time() - used) / done

    try:
        found = [rate(n, batch) for n in {1, n_threads} for batch in (512, 2048, 16384)]
        return max(speed for speed, _ in found), min(processor for _, processor in found)
    finally:
        torch.set_num_threads(n_threads)


def used_by(pid: int) -> tuple[float, float]:
    """Return the most memory that a process ever held, in MB, and its processor seconds, as Linux counts them."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        times = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:  # it is over
        return 0.0, 0.0
    megabytes = next((int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM")), 0.0)
    return megabytes, (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")


def command(words: list[str], folder: Path) -> tuple[dict[str, Any], float, float, float]:
    """Run a command in a process of its own; return what it told, seconds, megabytes and processor seconds."""
    whole = [sys.executable, "-m", "aaetools", *words, "--json", "--force", "--quiet"]
    began = time.perf_counter()
    process = subprocess.Popen(whole, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    megabytes = processor = 0.0
    # not from wait4: what it tells counts in the memory of this process, before the other one took its place
    while process.poll() is None:
        memory, used = used_by(process.pid)
        megabytes, processor = max(megabytes, memory), max(processor, used)
        time.sleep(0.02)
    seconds = time.perf_counter() - began
    assert process.returncode == 0
    assert process.stdout is not None
    return json.loads(process.stdout.read()), seconds, megabytes, processor


def measure(what: str, model: AdversarialAutoencoder, words: list[str], folder: Path) -> Run:
    """Run a command on rows and on one row, and the bare network before and after it."""
    load = os.getloadavg()[0]
    before = bare_speed(model)
    told, seconds, megabytes, processor = command(words, folder)
    after = bare_speed(model)
    start = command([*words[:2], "one.parquet", *words[3:-1], f"one-{words[-1]}"], folder)[3]
    run = Run(
        what,
        told["n_rows"],
        megabytes,
        seconds,
        told["rows_per_second"],
        (before[0] + after[0]) / 2,
        (processor - start) / told["n_rows"],
        min(before[1], after[1]),
        load,
    )
    print(run, f"{run.ratio:.2f} {run.processor_ratio:.2f}", flush=True)
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--write", action="store_true", help="write the results file")
    arguments = parser.parse_args()
    n_rows, fewer = arguments.rows, max(arguments.rows // 10, 1000)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        needed = 450 * n_rows
        assert shutil.disk_usage(folder).free > needed, f"{folder} has no {needed / 1e9:.1f} GB to spare"
        sample = rows(0, 2000)
        models = {}
        for name, hidden in (("small", SMALL), ("large", LARGE)):
            model = AdversarialAutoencoder(hidden_layer_sizes=hidden, recipe="paper", max_epochs=3, random_state=0)
            models[name] = model.fit(sample[NAMES], sample["kind"].to_numpy())
            save(model, folder / name)
        write_parquet(folder / "rows.parquet", n_rows)
        write_parquet(folder / "fewer.parquet", fewer)
        write_parquet(folder / "one.parquet", 1)
        write_csv(folder / "fewer.csv", fewer // 5)
        gigabytes = (folder / "rows.parquet").stat().st_size / 1e9
        small, large = models["small"], models["large"]
        target = ["--target", "kind"]
        runs = [
            measure("transform, parquet to parquet", small,
                    ["transform", "small", "rows.parquet", *target, "--out", "z.parquet"], folder),
            measure("predict with accuracy, parquet to parquet", small,
                    ["predict", "small", "rows.parquet", *target, "--out", "p.parquet"], folder),
            measure("transform, larger network, parquet to parquet", large,
                    ["transform", "large", "fewer.parquet", *target, "--out", "z.parquet"], folder),
            measure("transform, parquet to csv", small,
                    ["transform", "small", "fewer.parquet", *target, "--out", "z.csv"], folder),
            measure("transform, csv to parquet", small,
                    ["transform", "small", "fewer.csv", *target, "--out", "z.parquet"], folder),
        ]  # fmt: skip
        assert pq.read_metadata(folder / "p.parquet").num_rows == n_rows
    table = markdown_table(
        ["what", "rows", f"peak memory, MB (target {MAX_MEGABYTES:,})", "seconds in all", "rows/s",
         "bare network, rows/s", f"times its time (target {MAX_RATIO}, but for csv)", "processor time, us a row",
         "bare network, us a row", "times its processor time", "load before"],
        [[run.what, f"{run.n_rows:,}", f"{run.megabytes:,.0f}", f"{run.seconds:.0f}", f"{run.rows_per_second:,.0f}",
          f"{run.bare:,.0f}", f"{run.ratio:.2f}", f"{1e6 * run.processor:.2f}", f"{1e6 * run.bare_processor:.2f}",
          f"{run.processor_ratio:.2f}", f"{run.load:.1f}"] for run in runs],
    )  # fmt: skip
    text = (
        "# Streams\n\nMade by `benchmarks/streaming.py`: the command line on files of random rows with "
        f"{N_FEATURES} float32 features, integer row ids and labels; the parquet file of {n_rows:,} rows has "
        f"{gigabytes:.1f} GB.\n\n{table}\n"
        f"Hidden layers of {' and '.join(map(str, SMALL))}, which a fit to under 10,000 rows has by default; "
        f"{', '.join(map(str, LARGE))}, the default from there on, where it says larger. Peak memory is that of the "
        'whole process, Python, torch and pandas included. "Seconds in all" are from start to end of the process; '
        "rows/s, as the command reports them, begin with the first chunk, after imports and after the columns of ids "
        "and labels were looked at. Processor time is that of all threads, less that of the command on one row. The "
        "bare network encodes rows that are in memory and scaled, in the fastest of six ways (one or all threads to a "
        "batch, three batch sizes), timed before and after each run. For predict too it is the encoder alone. "
        f"{torch.get_num_threads()} threads; a load above 0 before a run is other programs' work: with more than "
        "2 of them waiting for two cores, times depend on who gets a turn, and processor times are what can be "
        f"compared. {machine()}. {versions('pyarrow', 'pandas')}\n"
    )
    publish("streaming.md", text, arguments.write)


if __name__ == "__main__":
    main()
