"""How often the statistics of the prior match reject codes that are draws of the prior, and codes that are not.

    python benchmarks/calibration.py [--repeats 1000] [--power-repeats 200]
    OMP_NUM_THREADS=2 python benchmarks/calibration.py --timing

Level: ``repeats`` samples of 400 codes per prior are drawn from the prior itself and tested at 5% without Holm's
correction over statistics (per-axis tests: with Holm over the axes). Null distributions of 999 samples are made for 10
seeds and shared by a tenth of the repeats each; every repeat of the discriminator and the G-test has a seed of its own.
Power: ``power-repeats`` samples of 600 codes per alternative, against the null distribution of one seed.
Writes results/calibration.md. With --timing nothing of this is done: the whole prior match of many codes is timed, each
case in a process of its own, and results/prior_match_time.md is written.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from tables import RESULTS, machine, markdown_table, versions

from aaetools.analysis.divergences import DIVERGENCES, MAX_NEIGHBOR_DIMS, Samples, Target
from aaetools.analysis.fresh_discriminator import fresh_discriminator
from aaetools.analysis.marginals import axis_matches, weight_match
from aaetools.analysis.nulls import null_distributions
from aaetools.analysis.prior_match import MAX_CLASS_CODES, prior_match
from aaetools.priors import Prior, make_prior

LEVEL = 0.05
BAND = (0.03, 0.07)
N_LEVEL, N_POWER = 400, 600
N_RESAMPLES, N_SEEDS = 999, 10
NAMES = {
    "mmd": "MMD, several bandwidths",
    "sliced_wasserstein": "sliced Wasserstein-2",
    "max_sliced_wasserstein": "max-sliced Wasserstein-2",
    "energy": "energy distance",
    "frechet": "Frechet distance",
    "knn_kl": "kNN-KL (up to d = 4)",
    "axes": "per-axis Kolmogorov-Smirnov, Holm",
    "weights": "component weights, G-test",
    "discriminator": "fresh discriminator",
}
PRIORS: dict[str, Prior] = {
    **{f"N(0, I), d = {d}": make_prior("gaussian", n_dims=d) for d in (2, 8, 32, 64)},
    "simplex, 5 classes, d = 8": make_prior("simplex", n_dims=8, n_classes=5),
    "swiss roll, d = 2 (no closed form)": make_prior("swiss_roll", n_dims=2),
}
Codes = NDArray[np.float32]


def sample(prior: Prior, n: int, rng: np.random.Generator) -> Codes:
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    return prior.sample(n, generator=generator).numpy()


def target_of(prior: Prior, n: int, seed: int) -> Target:
    return Target(n, prior.n_dims, lambda size, rng: sample(prior, size, rng), (seed,), prior.gaussian_components())


def rejections(prior: Prior, stacks: Sequence[Codes]) -> dict[str, float]:
    """Return the share of samples that each statistic rejects; every stack (R, n, d) gets a null of its own."""
    n, total = stacks[0].shape[1], sum(map(len, stacks))
    names = [name for name in DIVERGENCES if name != "knn_kl" or prior.n_dims <= MAX_NEIGHBOR_DIMS]
    rejected: dict[str, int] = dict.fromkeys(names, 0)
    repeat = 0
    for seed, stack in enumerate(stacks):
        target = target_of(prior, n, seed)
        nulls = null_distributions(target, names, N_RESAMPLES)
        for codes in stack:
            observed = Samples(codes[None], target)
            p = {}
            for name in names:
                value = target.statistic(name)(observed)[0]
                p[name] = (1 + np.count_nonzero(nulls[name].values >= value)) / (N_RESAMPLES + 1)
            rng = np.random.default_rng([7, repeat])
            p["axes"] = min(match.p_adjusted for match in axis_matches(codes, target, rng))
            if prior.n_components > 1:
                unknown = np.full(n, -1)
                found = weight_match(codes, prior, unknown, [str(k) for k in range(prior.n_components)], target, rng)
                p["weights"] = found.p_value
            p["discriminator"] = fresh_discriminator(codes, target, rng).p_value
            for name, value in p.items():
                rejected[name] = rejected.get(name, 0) + (value <= LEVEL)
            repeat += 1
    return {name: count / total for name, count in rejected.items()}


def level(prior: Prior, repeats: int) -> dict[str, float]:
    rng = np.random.default_rng(1)
    each = repeats // N_SEEDS
    drawn = [sample(prior, each * N_LEVEL, rng).reshape(each, N_LEVEL, -1) for _ in range(N_SEEDS)]
    return rejections(prior, drawn)


def bimodal(n: int, rng: np.random.Generator) -> Codes:
    codes = rng.standard_normal((n, 16))
    codes[:, 3] = 0.9 * rng.choice([-1, 1], n) + np.sqrt(1 - 0.81) * codes[:, 3]
    return codes.astype(np.float32)


def shifted(n: int, rng: np.random.Generator) -> Codes:
    codes = rng.standard_normal((n, 8))
    codes[:, 0] += 0.2
    return codes.astype(np.float32)


GAUSSIAN = {d: make_prior("gaussian", n_dims=d) for d in (2, 8, 16)}
UNEQUAL = make_prior("simplex", n_dims=2, n_classes=2, weights=(0.55, 0.45))
SWAPPED = make_prior("simplex", n_dims=2, n_classes=2, weights=(0.45, 0.55))
ALTERNATIVES: dict[str, tuple[Prior, Callable[[int, np.random.Generator], Codes]]] = {
    "scale 0.92, d = 2": (GAUSSIAN[2], lambda n, rng: 0.92 * rng.standard_normal((n, 2), dtype=np.float32)),
    "heavy tails (t, 4 df, unit variance), d = 8": (
        GAUSSIAN[8],
        lambda n, rng: (rng.standard_t(4, (n, 8)) / np.sqrt(2)).astype(np.float32),
    ),
    "one bimodal axis of 16 (mean 0, variance 1)": (GAUSSIAN[16], bimodal),
    "shift 0.2 of one axis, d = 8": (GAUSSIAN[8], shifted),
    "weights 0.55, 0.45 swapped, 2 classes, d = 2": (UNEQUAL, lambda n, rng: sample(SWAPPED, n, rng)),
}


# --- Time and memory ----------------------------------------------------------------------------------

TIMED = {
    "N(0, I)": make_prior("gaussian", n_dims=32),
    "simplex, 10 classes": make_prior("simplex", n_dims=32, n_classes=10),
}
TIMED_CASES = [
    ("N(0, I)", 10_000, None),
    ("simplex, 10 classes", 10_000, MAX_CLASS_CODES),
    ("simplex, 10 classes", 10_000, None),
    ("N(0, I)", 100_000, None),
    ("simplex, 10 classes", 100_000, MAX_CLASS_CODES),
    ("simplex, 10 classes", 100_000, None),
]
"""Prior, codes in all, and how many of each class are tested against its own component at most."""


def timed(name: str, n: int, max_class_codes: int | None) -> tuple[float, float, float, int]:
    """Return seconds by the clock, seconds of all processors, the peak of the memory in GB, and the tests made."""
    prior = TIMED[name]
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(prior.n_components, (n,), generator=generator) if prior.n_components else None
    codes = prior.sample(n, labels=labels, generator=generator).numpy()
    given = None if labels is None else labels.numpy()
    clock, processors = time.perf_counter(), time.process_time()
    found = prior_match(codes, prior, given, random_state=0, max_codes=None, max_class_codes=max_class_codes)
    clock, processors = time.perf_counter() - clock, time.process_time() - processors
    return clock, processors, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, len(found.results)


def time_all() -> None:
    rows = []
    for name, n, limit in TIMED_CASES:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as worker:
            clock, processors, memory, n_tests = worker.submit(timed, name, n, limit).result()
        by_class = "-" if name == "N(0, I)" else f"{limit:,} of each" if limit else "all"
        target = 10 if n == 10_000 else 60
        rows.append(
            [
                name,
                f"{n:,}",
                by_class,
                str(n_tests),
                f"{processors:.1f}",
                f"{clock:.1f}",
                f"{memory:.1f}",
                f"{target}, 2",
            ]
        )
        print(rows[-1], flush=True)
    header = [
        "prior",
        "codes",
        "codes tested class by class",
        "results",
        "processor seconds",
        "seconds by the clock",
        "peak memory, GB",
        "target: seconds, GB",
    ]
    text = f"""# Prior match of many codes: time and memory

All statistics against priors of 32 dimensions with 199 fresh samples, more where Holm's correction needs them; \
`max_codes=None`, so no code is left out of the overall tests. The peak of memory holds everything the process has \
loaded, some 0.4 GB. The clock is no better than the machine was idle: other programs used both cores in this run, so \
processor seconds are the number to look at, and two free cores are quicker than that.

{markdown_table(header, rows)}
Made by `OMP_NUM_THREADS={os.environ.get("OMP_NUM_THREADS", "")} python benchmarks/calibration.py --timing` on \
{machine()}; {versions("scipy")}.
"""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "prior_match_time.md").write_text(text, encoding="utf-8")
    print(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1_000)
    parser.add_argument("--power-repeats", type=int, default=200)
    parser.add_argument("--timing", action="store_true", help="time the prior match of many codes instead")
    arguments = parser.parse_args()
    if arguments.timing:
        time_all()
        return
    torch.set_num_threads(1)
    started = time.process_time()
    levels = {}
    for name, prior in PRIORS.items():
        levels[name] = level(prior, arguments.repeats)
        print(name, levels[name], f"{time.process_time() - started:.0f} s", flush=True)
    powers = {}
    for name, (prior, draw) in ALTERNATIVES.items():
        rng = np.random.default_rng(2)
        stack = np.stack([draw(N_POWER, rng) for _ in range(arguments.power_repeats)])
        powers[name] = rejections(prior, [stack])
        print(name, powers[name], f"{time.process_time() - started:.0f} s", flush=True)
    seconds = time.process_time() - started

    measured = [(where, name, share) for where, found in levels.items() for name, share in found.items()]
    outside = [(w, name, share) for w, name, share in measured if not BAND[0] <= share <= BAND[1]]
    verdict = "met by all" if not outside else f"missed by {len(outside)} of"
    missed = "".join(f"; {NAMES[name]}, {where}: {share:.3f}" for where, name, share in outside)

    def lines(found: dict[str, dict[str, float]], marked: bool) -> list[list[str]]:
        rows = []
        for name, title in NAMES.items():
            cells = []
            for shares in found.values():
                share = shares.get(name)
                text = "" if share is None else f"{share:.3f}" if marked else f"{share:.2f}"
                cells.append(
                    f"**{text}**" if marked and share is not None and not BAND[0] <= share <= BAND[1] else text
                )
            rows.append([title, *cells])
        return rows

    spread = np.sqrt(LEVEL * (1 - LEVEL) * (1 / arguments.repeats + 1 / (N_RESAMPLES * N_SEEDS)))
    text = f"""# Prior match: level and power of its statistics

## Rejection of draws from the prior itself, at 5%

{arguments.repeats:,} repeats with {N_LEVEL} codes each. Each statistic alone, without Holm's correction over \
statistics. Null distributions have {N_RESAMPLES} fresh samples; {N_SEEDS} of them were made per prior, with other \
seeds, and each serves {arguments.repeats // N_SEEDS} repeats. Sharing does not move the expected rejection, but the \
repeats of a seed are rejected more often or less often together: the standard deviation of a number in the table is \
{spread:.4f} instead of {np.sqrt(LEVEL * (1 - LEVEL) / arguments.repeats):.4f}. The discriminator and the G-test of \
weights, whose results take few values, keep the level as an upper bound.

{markdown_table(["statistic", *levels], lines(levels, True))}
Target: every number within [{BAND[0]}, {BAND[1]}]: {verdict} {len(measured)} numbers{missed}.

## Power at 5%: rejection of codes that are off the prior

{arguments.power_repeats} repeats with {N_POWER} codes each, against the null distribution of one seed, each \
statistic alone.

{markdown_table(["statistic", *powers], lines(powers, False))}
Made by `python benchmarks/calibration.py --repeats {arguments.repeats} --power-repeats {arguments.power_repeats}` in \
{seconds / 60:.1f} minutes of one core's time (target: under 15) on {machine()}; {versions("scipy")}.
"""
    (RESULTS / "calibration.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
