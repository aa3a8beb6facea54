"""How often slices are called worse: where none is, and where one is.

    python benchmarks/slices.py [--sets 1000]

Simulated parts: two classes, six attributes that have nothing to do with the errors, cut into four
slices each, and a seventh whose first tenth has its own escape rate. Printed are the shares of sets
in which a slice is called worse by the bound over all comparisons (`compute_slices`), by the same
bound taken for each comparison alone, and in which the planted slice stands first, by evidence and
by the plain gap.
"""

import argparse

import numpy as np
import pandas as pd

from stripsight.decision.policy import CLEAN, DEFECT
from stripsight.evaluation.slices.cuts import Attribute
from stripsight.evaluation.slices.fault_rates import compare_rates, find_faults
from stripsight.evaluation.slices.slice import Slice, compute_slices

NAMES = tuple(f"attribute {number}" for number in range(6))
PLANTED = Attribute("planted", "", "", levels=((0.5,), ("elsewhere", "planted")))
DESCRIBED = (*(Attribute(name, name, "units") for name in NAMES), PLANTED)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=1000)
    sets = parser.parse_args().sets
    print("| images | look-alikes | rate | planted | called | called alone | first | by gap |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for images, alike, rate, planted in (
        (150, 1, 0.05, 0.05),
        (150, 1, 0.2, 0.2),
        (1900, 1, 0.05, 0.05),
        (1900, 4, 0.05, 0.05),
        (150, 1, 0.05, 0.3),
        (150, 1, 0.05, 0.6),
        (1900, 1, 0.05, 0.12),
        (1900, 1, 0.05, 0.2),
        (1900, 4, 0.05, 0.2),
    ):
        rng = np.random.default_rng(0)
        results = np.mean(
            [judge_set(rng, images, alike, rate, planted) for _ in range(sets)], axis=0
        )
        shown = " | ".join(f"{value:.3f}" for value in results)
        print(f"| {images} | {alike} | {rate} | {planted} | {shown} |", flush=True)


def judge_set(
    rng: np.random.Generator, images: int, alike: int, rate: float, planted: float
) -> tuple[bool, bool, bool, bool]:
    """Called by all bounds, called by one, planted first by evidence, planted first by gap."""
    groups = np.arange(images) // alike
    count = int(groups[-1]) + 1

    def per_group(values: np.ndarray) -> np.ndarray:
        return np.asarray(values[groups])

    labels = per_group(rng.random((count, 2)) < 0.4).astype(np.uint8)
    special = per_group(np.arange(count) < count / 10)
    wrong_rate = np.where(special, planted, rate)[:, None]
    # Look-alikes are got wrong together.
    missed = per_group(rng.random((count, 2))) < wrong_rate
    raised = per_group(rng.random((count, 2))) < rate
    codes = np.where(np.where(labels == 1, ~missed, raised), DEFECT, CLEAN).astype(np.int8)
    table = pd.DataFrame({name: per_group(rng.random(count)) for name in NAMES})
    table["planted"] = special.astype(float)
    logits = labels.astype(np.float32)
    slices = compute_slices(table, codes, logits, labels, groups, described=DESCRIBED)
    alone = any(is_called_alone(s, table, codes, labels, groups) for s in slices)
    by_gap = max(slices, key=lambda s: max(r.gap for r in (s.escape, s.overkill) if r))
    return (
        any(s.is_worse for s in slices),
        alone,
        slices[0].name == "planted",
        by_gap.name == "planted",
    )


def is_called_alone(
    found: Slice, table: pd.DataFrame, codes: np.ndarray, labels: np.ndarray, groups: np.ndarray
) -> bool:
    values = table[found.attribute].to_numpy(dtype=np.float64)
    low = -np.inf if found.low is None else found.low
    high = np.inf if found.high is None else found.high
    rows = (values >= low) & (values < high)
    rates = [
        compare_rates(wrong, rows & possible, ~rows & possible, groups, 0.95)
        for wrong, possible in find_faults(codes, labels).values()
    ]
    return any(rate is not None and rate.least_gap > 0 for rate in rates)


if __name__ == "__main__":
    main()
