"""Training speed on the CPU, beside the machine's own rate of matrix products and beside other implementations.

    python benchmarks/throughput.py --pythae-python ENVIRONMENT/bin/python [--threads 2] [--data rows.npy] [--quick]

pythae needs an environment of its own: ``python -m venv ENVIRONMENT`` and
``ENVIRONMENT/bin/pip install torch==2.13.0 pythae``. Everything else in this file runs in the project's environment.
Writes results/throughput.md; with --quick, a small part of everything is printed and nothing written.

Operations are those of the layers' matrix products alone, counted from the widths: with P weights in a network's
products, a row costs 2 P forward, 2 P for the gradient of the weights, and 2 P for the gradient handed down, of which
the first layer's part falls away where nobody asks for the gradient of the input. Batch normalisation, activations,
losses, priors and optimisers count nothing, though they take time. See :func:`operations_per_row` for what is run.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from eager_loop import EagerLoop, make_networks
from numpy.typing import NDArray
from tables import RESULTS, machine, markdown_table, versions
from torch import Tensor

from aaetools import AdversarialAutoencoder
from aaetools.networks import Discriminator, mlp_networks
from aaetools.priors import make_prior
from aaetools.training import AdversarialGame, GameBatches, LatentMatch, run_epoch
from aaetools.training.consistency import AdversarialConsistency, posterior_temperature
from aaetools.training.precision import mixed_precision
from aaetools.training.threads import threads_for

SEED = 0
N_FEATURES = 784
N_COMPONENTS = 12
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
COMPARED_HIDDEN = (500, 500)
COMPARED_BATCH = 100
PYTHAE, EAGER = "pythae", "plain eager loop, two encoder passes"
OURS = {
    (shared_pass, precision): f"ours, {'one encoder pass' if shared_pass else 'two encoder passes'}, {precision}"
    for shared_pass in (True, False)
    for precision in DTYPES
}


@dataclass(frozen=True)
class Play:
    """What a step runs: one encoder pass or the paper's two, and whether the consistency term is added."""

    title: str
    shared_pass: bool = False
    consistency: bool = False


BARE = Play("bare game")
SHARED = Play("bare game, one encoder pass", shared_pass=True)
CONSISTENT = Play("with consistency", shared_pass=True, consistency=True)


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    hidden: tuple[int, ...] = (256, 500, 1000, 2000)
    batches: tuple[int, ...] = (64, 256, 1024, 4096)
    cell_seconds: float = 1.2
    product_size: int = 2048
    n_products: int = 3
    compared_rows: int = 10_000
    compared_epochs: int = 3
    rounds: int = 3
    linear_rows: tuple[int, ...] = (5_000, 10_000, 20_000, 40_000)
    memory_rows: int = 60_000


QUICK = Plan(
    hidden=(256, 1000),
    batches=(256,),
    cell_seconds=0.3,
    n_products=2,
    compared_rows=1_000,
    compared_epochs=1,
    rounds=1,
    linear_rows=(500, 1_000),
    memory_rows=6_000,
)


# -- our engine: what has to change when the engine does ---------------------------------------------------------------


def engine_epoch(
    x: Tensor, hidden: tuple[int, ...], batch_size: int, play: Play, precision: str
) -> Callable[[], dict[str, float]]:
    """Return a function that trains our engine on every row of x once; no row has a label.

    Networks are fully connected with batch normalisation in the encoder, and the discriminator sees codes alone. It
    goes the way of ``AdversarialAutoencoder.fit`` with as many threads as that would take, but leaves the rows
    unscaled and does nothing before or after training.
    """
    torch.manual_seed(SEED)
    generator = torch.Generator().manual_seed(SEED)
    encoder, decoder = mlp_networks((x.shape[1],), N_COMPONENTS, hidden)
    discriminator = Discriminator(N_COMPONENTS, 0, hidden)
    prior = make_prior("simplex", n_dims=N_COMPONENTS, n_classes=10)
    consistency = AdversarialConsistency(
        encoder,
        prior,
        weight=1.0,
        radius=0.3125 * float(x[:1000].square().sum(1).mean().sqrt()),
        temperature=posterior_temperature(prior, 8.0),
        generator=generator,
    )
    game = AdversarialGame(
        encoder,
        decoder,
        [LatentMatch(prior, discriminator, generator)],
        terms={"consistency": consistency} if play.consistency else {},
        shared_pass=play.shared_pass,
        precision=partial(mixed_precision, precision, x.device),
        generator=generator,
    )
    batches = GameBatches(x, torch.full((len(x),), -1), batch_size, generator)

    def epoch() -> dict[str, float]:
        with threads_for((encoder, decoder, discriminator), 2 * batch_size):
            return run_epoch(game, batches, 0.0, 1.0)

    return epoch


# -- counting and measuring --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Layers:
    """Operations per row of a network of fully connected layers, a multiply-add being two."""

    widths: tuple[int, ...]

    @property
    def forward(self) -> int:
        """Operations of one forward pass."""
        return 2 * sum(a * b for a, b in zip(self.widths, self.widths[1:], strict=False))

    def backward(self, *, weights: bool = True, inputs: bool = False) -> int:
        """Operations of one backward pass, with the gradient of the weights, of the input, or of both."""
        down = self.forward if inputs else self.forward - 2 * self.widths[0] * self.widths[1]
        return down + (self.forward if weights else 0)


def operations_per_row(hidden: tuple[int, ...], play: Play) -> int:
    """Return the operations of one training step per row of the batch."""
    encoder = Layers((N_FEATURES, *hidden, N_COMPONENTS))
    decoder = Layers((N_COMPONENTS, *reversed(hidden), N_FEATURES))
    critic = Layers((N_COMPONENTS, *hidden, 1))
    reconstruct = encoder.forward + decoder.forward + decoder.backward(inputs=True) + encoder.backward()
    discriminate = 2 * (critic.forward + critic.backward())  # a draw and a code, neither asking for its gradient
    fool = critic.forward + critic.backward(weights=False, inputs=True)
    total = reconstruct + discriminate + fool
    if not play.shared_pass:
        total += encoder.forward + encoder.backward()
    if play.consistency:
        search = encoder.forward + encoder.backward(weights=False, inputs=True)
        total += search + encoder.forward + encoder.backward()
    return total


def measure_products(precision: str, size: int, repeats: int) -> list[float]:
    """Return the rate of each of several products of two square matrices, in operations per second."""
    generator = torch.Generator().manual_seed(SEED)
    a, b = (torch.randn(size, size, generator=generator).to(DTYPES[precision]) for _ in range(2))
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    return [2 * size**3 / seconds_of(lambda: torch.mm(a, b, out=out)) for _ in range(repeats)]


def seconds_of(task: Callable[[], Any]) -> float:
    """Return how long a function takes."""
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def timed_epochs(epoch: Callable[[], Any], n_epochs: int) -> list[float]:
    """Return the seconds of several epochs, after one that is not timed."""
    epoch()
    return [seconds_of(epoch) for _ in range(n_epochs)]


def measure_cell(hidden: int, batch_size: int, play: Play, precision: str, rate: float, seconds: float) -> float:
    """Return the rows per second of one setting.

    An epoch is as many batches as take about a third of the time to spend if they run at half the machine's rate;
    after one that is not timed, epochs are run until the time is spent, and their median counts.
    """
    widths = (hidden, hidden)
    step = batch_size * operations_per_row(widths, play) / (0.5 * rate)
    n_steps = min(max(round(seconds / 3 / step), 1), math.ceil(16_384 / batch_size))
    epoch = engine_epoch(make_rows(n_steps * batch_size), widths, batch_size, play, precision)
    epoch()
    taken: list[float] = []
    while sum(taken) < seconds:
        taken.append(seconds_of(epoch))
    gc.collect()
    return n_steps * batch_size / statistics.median(taken)


def make_rows(n_rows: int) -> Tensor:
    """Return random rows in [0, 1]."""
    return torch.rand(n_rows, N_FEATURES, generator=torch.Generator().manual_seed(SEED))


def load_rows(path: Path, n_rows: int) -> Tensor:
    """Return the first rows of a .npy file of 784 values each, scaled to [0, 1] by the largest value."""
    rows = np.load(path)[:n_rows].reshape(n_rows, N_FEATURES).astype(np.float32)
    return torch.from_numpy(rows / rows.max())


# -- the sections of the table -----------------------------------------------------------------------------------------

Grid = dict[tuple[int, int, Play, str], float]


def measure_grid(plan: Plan) -> tuple[Grid, dict[str, list[float]]]:
    """Return rows per second by (batch, hidden, play, precision), and all rates of products measured in between."""
    grid: Grid = {}
    rates: dict[str, list[float]] = {precision: [] for precision in DTYPES}
    for hidden in plan.hidden:
        for batch_size in plan.batches:
            for precision in DTYPES:
                rates[precision] += measure_products(precision, plan.product_size, plan.n_products)
                rate = statistics.median(rates[precision])
                for play in (BARE, CONSISTENT):
                    speed = measure_cell(hidden, batch_size, play, precision, rate, plan.cell_seconds)
                    grid[batch_size, hidden, play, precision] = speed
                    print(f"batch {batch_size}, hidden {hidden}, {play.title}, {precision}: {speed:,.0f}/s", flush=True)
    return grid, rates


@dataclass
class Comparison:
    """Seconds of every timed epoch by side, and what pythae's child says beside them."""

    seconds: dict[str, list[float]]
    computing: list[float]
    pythae_versions: str = ""


def run_pythae(python: Path, rows: Path, n_epochs: int, threads: int) -> dict[str, Any]:
    """Run pythae_epochs.py in pythae's environment and return what it prints."""
    arguments = {
        "--components": N_COMPONENTS,
        "--batch-size": COMPARED_BATCH,
        "--epochs": n_epochs,
        "--threads": threads,
        "--seed": SEED,
    }
    command = [str(python), str(Path(__file__).with_name("pythae_epochs.py")), str(rows)]
    command += ["--hidden", *map(str, COMPARED_HIDDEN)]
    command += [str(word) for pair in arguments.items() for word in pair]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"pythae's side failed:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def compare(plan: Plan, x: Tensor, python: Path | None, threads: int) -> Comparison:
    """Time every side in turn, several rounds over, all with the same networks, rows, batches and threads."""
    sides = {
        title: partial(engine_epoch, x, COMPARED_HIDDEN, COMPARED_BATCH, SHARED if shared else BARE, precision)
        for (shared, precision), title in OURS.items()
    }
    sides[EAGER] = lambda: EagerLoop(x, COMPARED_HIDDEN, N_COMPONENTS, COMPARED_BATCH, SEED).epoch
    n_weights = sum(
        p.numel() for net in make_networks(N_FEATURES, COMPARED_HIDDEN, N_COMPONENTS) for p in net.parameters()
    )
    found = Comparison({title: [] for title in ([PYTHAE] if python else []) + list(sides)}, [])
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.npy"
        np.save(rows, x.numpy())
        for number in range(plan.rounds):
            if python:
                told = run_pythae(python, rows, plan.compared_epochs, threads)
                if told["n_weights"] != n_weights:
                    raise RuntimeError(f"pythae trains {told['n_weights']} weights, the other sides {n_weights}")
                found.seconds[PYTHAE] += told["seconds"]
                found.computing += told["computing"]
                found.pythae_versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
            for title, make_epoch in sides.items():
                found.seconds[title] += timed_epochs(make_epoch(), plan.compared_epochs)
                gc.collect()
            print(f"comparison: round {number + 1} of {plan.rounds} done", flush=True)
    return found


def measure_linearity(plan: Plan) -> dict[int, float]:
    """Return the median seconds of an epoch by number of rows; the sizes take turns."""
    epochs = {n: engine_epoch(make_rows(n), COMPARED_HIDDEN, COMPARED_BATCH, BARE, "float32") for n in plan.linear_rows}
    seconds: dict[int, list[float]] = {n: [] for n in epochs}
    next(iter(epochs.values()))()
    for _ in range(plan.rounds):
        for n, epoch in epochs.items():
            seconds[n].append(seconds_of(epoch))
    return {n: statistics.median(values) for n, values in seconds.items()}


@dataclass(frozen=True)
class Memory:
    """Bytes that one fit takes at its peak beyond its rows, and bytes of what it cannot do without."""

    peak: int
    data: int
    parameters: int
    optimizers: int

    @property
    def ratio(self) -> float:
        """Peak over data, parameters and optimiser state."""
        return self.peak / (self.data + self.parameters + self.optimizers)


def measure_memory(n_rows: int, threads: int) -> Memory:
    """Fit the bare game for one epoch and watch this process's memory; runs in a process of its own, on Linux."""
    torch.set_num_threads(threads)
    settings: dict[str, Any] = {"recipe": "paper", "n_components": N_COMPONENTS, "max_epochs": 1, "device": "cpu"}
    settings |= {"batch_size": COMPARED_BATCH, "precision": "float32", "random_state": SEED}
    X: NDArray[np.float32] = np.random.default_rng(SEED).random((n_rows, N_FEATURES), dtype=np.float32)
    AdversarialAutoencoder(hidden_layer_sizes=(16, 16), **settings).fit(X[:300])  # what is loaded when first needed
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = resident("VmRSS")
    model = AdversarialAutoencoder(hidden_layer_sizes=COMPARED_HIDDEN, **settings).fit(X)
    peak = resident("VmHWM") - before
    n_encoder = sum(p.numel() for p in model.encoder_.parameters())
    # Adam keeps two numbers per weight; the encoder has two optimisers, one for each phase
    return Memory(peak, X.nbytes, 4 * model.n_weights_, 4 * 2 * (model.n_weights_ + n_encoder))


def resident(field: str) -> int:
    """Return a field of this process's status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"the system does not tell {field}")


# -- writing -----------------------------------------------------------------------------------------------------------


def describe_products(rates: dict[str, list[float]], plan: Plan) -> str:
    """Return the section on the machine's own rate."""
    rows = [
        [
            precision,
            f"{statistics.median(measured) / 1e9:,.1f}",
            f"{min(measured) / 1e9:,.1f} to {max(measured) / 1e9:,.1f}",
            str(len(measured)),
        ]
        for precision, measured in rates.items()
    ]
    return (
        "## Matrix products\n\n"
        f"Products of {plan.product_size} x {plan.product_size} matrices, measured before every setting of the next "
        "table; shares refer to their median.\n\n"
        + markdown_table(["precision", "GFLOP/s, median", "range", "products"], rows)
    )


def share_of_rate(grid: Grid, rates: dict[str, list[float]], cell: tuple[int, int, Play, str]) -> float:
    """Return a cell's operations per second over the median rate of products of its precision."""
    _, hidden, play, precision = cell
    return grid[cell] * operations_per_row((hidden, hidden), play) / statistics.median(rates[precision])


def describe_grid(grid: Grid, rates: dict[str, list[float]], plan: Plan) -> str:
    """Return the section on rows per second."""
    columns = [(play, precision) for play in (BARE, CONSISTENT) for precision in DTYPES]
    rows = []
    for hidden in plan.hidden:
        for batch_size in plan.batches:
            cells = [(batch_size, hidden, play, precision) for play, precision in columns]
            shown = [f"{grid[cell]:,.0f} ({share_of_rate(grid, rates, cell):.0%})" for cell in cells]
            rows.append([str(hidden), str(batch_size), *shown])
    counted = "; ".join(
        f"hidden {hidden}: "
        + " and ".join(f"{operations_per_row((hidden, hidden), play) / 1e6:,.1f}" for play in (BARE, CONSISTENT))
        for hidden in plan.hidden
    )
    return (
        "## Rows per second, and share of the rate of matrix products\n\n"
        f"Encoder {N_FEATURES}-h-h-{N_COMPONENTS} with batch normalisation, decoder mirrored, discriminator "
        f"{N_COMPONENTS}-h-h-1, random rows, no labels. The bare game is the paper's, with two encoder passes and two "
        "encoder updates a batch; with the consistency term the encoder takes one step on the sum of all losses, as "
        "in the default recipe, and three passes forward. Operations counted per row, in millions (bare game and with "
        f"consistency): {counted}. Only the layers' products count, see the top of benchmarks/throughput.py.\n\n"
        + markdown_table(["hidden", "batch", *(f"{play.title}, {precision}" for play, precision in columns)], rows)
    )


def describe_comparison(found: Comparison, rates: dict[str, list[float]], plan: Plan, n_rows: int, data: str) -> str:
    """Return the section on other implementations."""
    medians = {title: statistics.median(seconds) for title, seconds in found.seconds.items()}
    others = {side: name for side, name in ((PYTHAE, "pythae"), (EAGER, "the eager loop")) if side in medians}
    rows = [
        [
            title,
            f"{medians[title]:.3f} ({min(seconds):.3f} to {max(seconds):.3f})",
            f"{n_rows / medians[title]:,.0f}",
            *(f"{medians[other] / medians[title]:.2f} x" for other in others),
        ]
        for title, seconds in found.seconds.items()
    ]
    text = (
        "## Other implementations\n\n"
        f"{n_rows:,} rows of {N_FEATURES} features ({data}), batch {COMPARED_BATCH}; every side trains the same "
        f"networks: encoder {N_FEATURES}-{'-'.join(map(str, COMPARED_HIDDEN))}-{N_COMPONENTS} with batch "
        f"normalisation, decoder mirrored without, discriminator {N_COMPONENTS}-{'-'.join(map(str, COMPARED_HIDDEN))}"
        f"-1, ReLU, Adam. The sides took turns in {plan.rounds} rounds; each time came an epoch that does not count, "
        f"then {plan.compared_epochs} that do. Ratios are of medians. pythae makes one encoder pass a batch, the eager "
        "loop two, as the paper: ours is timed both ways.\n\n"
        + markdown_table(
            [
                "side",
                "seconds per epoch, median (range)",
                "rows/s",
                *(f"times as fast as {name}" for name in others.values()),
            ],
            rows,
        )
    )
    bounds = []
    for precision, measured in rates.items():
        seconds = n_rows * operations_per_row(COMPARED_HIDDEN, SHARED) / statistics.median(measured)
        ratios = " and ".join(f"{medians[side] / seconds:.2f} times {name}" for side, name in others.items())
        bounds.append(f"{seconds:.3f} s in {precision} ({ratios})")
    text += (
        "\nWith one encoder pass, and nothing but products at the rate of the first section, an epoch would take "
        f"{' or '.join(bounds)}: the bound for these operations on this machine.\n"
    )
    if found.computing:
        own = 1 - sum(found.computing) / sum(found.seconds[PYTHAE])
        text += (
            f"\n{found.pythae_versions} in an environment of its own: AdversarialTrainer without evaluation data, "
            f"checkpoints or log file. {own:.0%} of its epochs went by outside networks, gradients and optimisers: "
            "fetching rows, callbacks, progress bar, copying the best model.\n"
        )
    return text


def describe_scaling(linear: dict[int, float], memory: Memory, plan: Plan) -> str:
    """Return the section on numbers of rows and memory."""
    first = min(linear)
    rows = [
        [f"{n:,}", f"{seconds:.3f}", f"{1e6 * seconds / n:.1f}", f"{seconds / n / (linear[first] / first):.2f}"]
        for n, seconds in linear.items()
    ]
    mega = [f"{value / 1e6:,.0f} MB" for value in (memory.peak, memory.data, memory.parameters, memory.optimizers)]
    return (
        "## Rows and memory\n\n"
        f"The bare game in float32, hidden {' and '.join(map(str, COMPARED_HIDDEN))}, batch {COMPARED_BATCH}; median "
        f"of {plan.rounds} epochs, the sizes taking turns.\n\n"
        + markdown_table(["rows", "seconds per epoch", "microseconds per row", f"per row, {first:,} rows = 1"], rows)
        + f"\nFitting AdversarialAutoencoder(recipe='paper') on {plan.memory_rows:,} x {N_FEATURES} float32 rows for "
        f"one epoch takes {mega[0]} at its peak beyond what the process held after imports and making the rows. Data "
        f"({mega[1]}), parameters ({mega[2]}) and optimiser state ({mega[3]}): {memory.ratio:.2f} times their sum.\n"
    )


def describe_targets(
    grid: Grid, rates: dict[str, list[float]], found: Comparison, linear: dict[int, float], memory: Memory
) -> str:
    """Return the section on what was aimed at and what was measured."""
    wanted: list[tuple[str, float, float, str]] = []
    if PYTHAE in found.seconds:
        pythae = statistics.median(found.seconds[PYTHAE])
        for (_, precision), title in OURS.items():
            times = pythae / statistics.median(found.seconds[title])
            wanted.append((f"times as fast as pythae: {title}", 1.5 if precision == "float32" else 3.0, times, ".2f"))
    for play in (BARE, CONSISTENT):
        for precision, least in (("float32", 0.6), ("bfloat16", 0.4)):
            value = share_of_rate(grid, rates, (256, 1000, play, precision))
            wanted.append(
                (f"share of products, hidden 1000, batch 256: {play.title}, {precision}", least, value, ".0%")
            )
    rows = [
        [what, f">= {least:{form}}", f"{value:{form}}", "yes" if value >= least else "no"]
        for what, least, value, form in wanted
    ]
    rows.append(["peak memory of a fit", "<= 1.50", f"{memory.ratio:.2f}", "yes" if memory.ratio <= 1.5 else "no"])
    first, last = min(linear), max(linear)
    growth = (linear[last] / last) / (linear[first] / first)
    rows.append([f"time per row, {last:,} rows over {first:,}", "about 1", f"{growth:.2f}", ""])
    return "## Targets\n\n" + markdown_table(["quantity", "target", "measured", "met"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--pythae-python", type=Path, help="Python of pythae's environment; left out without it")
    parser.add_argument("--data", type=Path, help=".npy file of images for the comparison; random rows without it")
    parser.add_argument("--quick", action="store_true", help="a small part of everything, printed only")
    arguments = parser.parse_args()
    plan = QUICK if arguments.quick else Plan()
    torch.set_num_threads(arguments.threads)
    started = time.perf_counter()

    n_rows = plan.compared_rows
    x = load_rows(arguments.data, n_rows) if arguments.data else make_rows(n_rows)
    found = compare(plan, x, arguments.pythae_python, arguments.threads)
    grid, rates = measure_grid(plan)
    linear = measure_linearity(plan)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        memory = pool.submit(measure_memory, plan.memory_rows, arguments.threads).result()

    command = "python benchmarks/throughput.py"
    for option, given in (("--pythae-python", arguments.pythae_python), ("--data", arguments.data)):
        command += f" {option} {given.name}" if given else ""
    sections = [
        "# Speed of training on the CPU\n",
        describe_targets(grid, rates, found, linear, memory),
        describe_products(rates, plan),
        describe_grid(grid, rates, plan),
        describe_comparison(found, rates, plan, n_rows, arguments.data.name if arguments.data else "random"),
        describe_scaling(linear, memory, plan),
        f"Made by `{command} --threads {arguments.threads}` in {(time.perf_counter() - started) / 60:.1f} minutes on "
        f"{machine()}, {arguments.threads} threads, seed {SEED} for everything random; {versions()}.\n",
    ]
    text = "\n".join(sections)
    print(text)
    if not arguments.quick:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / "throughput.md").write_text(text)


if __name__ == "__main__":
    main()
