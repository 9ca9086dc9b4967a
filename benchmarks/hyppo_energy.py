"""Energy distance and its test beside hyppo's: the same numbers, and what knowing the prior is worth.

hyppo brings numba-compiled code, statsmodels and more, so it has no place in the test environment. Beside it:

    python -m venv PATH && PATH/bin/pip install -c constraints.txt . hyppo==0.5.2
    OMP_NUM_THREADS=1 PATH/bin/python benchmarks/hyppo_energy.py [--repeats 200]

Numbers: codes and as many draws of the prior, once by hyppo and once by ``divergence``, whose directions are random,
with 20 seeds. Tests: the codes against a null distribution that is sampled from the prior, and by hyppo against as many
draws of the prior. Writes results/hyppo_energy.md.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from calibration import ALTERNATIVES, GAUSSIAN, LEVEL, sample, target_of
from hyppo.ksample import Energy
from tables import RESULTS, machine, markdown_table, versions

from aaetools.analysis import divergence
from aaetools.analysis.divergences import Samples
from aaetools.analysis.nulls import null_distributions

N = 300
N_RESAMPLES = 999
N_SEEDS = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=200)
    arguments = parser.parse_args()
    started = time.process_time()
    cases = {"draws of N(0, I), d = 8": (GAUSSIAN[8], lambda n, rng: sample(GAUSSIAN[8], n, rng)), **ALTERNATIVES}
    rows = []
    for name, (prior, draw) in cases.items():
        rng = np.random.default_rng(3)
        codes, reference = draw(N, rng).astype(np.float64), sample(prior, N, rng).astype(np.float64)
        theirs = float(Energy(bias=False).statistic(codes, reference))
        ours = [divergence(codes, reference, "energy", random_state=seed) for seed in range(N_SEEDS)]
        error = np.std(ours, ddof=1) / np.sqrt(N_SEEDS)
        target = target_of(prior, N, 0)
        null = null_distributions(target, ["energy"], N_RESAMPLES)["energy"].values
        rejected = {"ours": 0, "hyppo": 0}
        for _ in range(arguments.repeats):
            codes, reference = draw(N, rng), sample(prior, N, rng)
            value = target.statistic("energy")(Samples(codes[None], target))[0]
            rejected["ours"] += (1 + np.count_nonzero(null >= value)) / (len(null) + 1) <= LEVEL
            rejected["hyppo"] += Energy().test(codes.astype(np.float64), reference.astype(np.float64))[1] <= LEVEL
        shares = [f"{rejected[who] / arguments.repeats:.2f}" for who in ("ours", "hyppo")]
        rows.append([name, f"{theirs:.4f}", f"{np.mean(ours):.4f} ± {error:.4f}", *shares])
        print(rows[-1], f"{time.process_time() - started:.0f} s", flush=True)
    header = ["codes", "hyppo's distance", "ours", "ours rejects", "hyppo rejects"]
    text = f"""# Energy distance beside hyppo's

{N} codes and as many draws of the prior. The distance is the unbiased one in both, hyppo's by U-centred distances, \
which differs by a share of about 1/n; ours is the mean over {N_SEEDS} seeds of the random directions ± its standard \
error. Rejection at {LEVEL:.0%} in {arguments.repeats} repeats: ours compares with {N_RESAMPLES} fresh samples of the \
prior, hyppo's (Dcorr, chi-squared approximation) with as many draws as codes.

{markdown_table(header, rows)}
Made by `OMP_NUM_THREADS=1 python benchmarks/hyppo_energy.py --repeats {arguments.repeats}` in \
{(time.process_time() - started) / 60:.1f} processor minutes on {machine()}; {versions("scipy", "hyppo")}.
"""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "hyppo_energy.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
