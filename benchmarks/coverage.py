"""How often the 95 % intervals hold the truth, on simulated sets whose truth is known.

    python benchmarks/coverage.py [--sets 2000] [--rounds 200] [--processes 2]

500 images a set with 20, 40 or 60 positives on average; scores of clean and defective images are
normal, logistic or Student's t with 5 degrees of freedom, 1.5 to 4.5 apart; images single, or
in groups of 1 to 4 look-alikes (625 images, 250 groups) that share their label and most of their
score. The true figures come from the distributions by integration. `macro` is the mean of three
classes with 20, 40 and 60 positives; `difference` that of two networks' macros on the same images.
Printed: the share of sets whose interval holds the truth, and that of the quantiles of the draws.
"""

import argparse
import itertools
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from stripsight.evaluation.intervals.bootstrap import BootstrapFigures, bootstrap_figures
from stripsight.evaluation.intervals.differences import subtract_figures
from stripsight.evaluation.intervals.interval import Figure, Interval

IMAGES = 500
FIGURES = ("average_precision", "auroc", "f1", "precision", "recall", "overkill_rate")
NOISE = {"normal": stats.norm(), "logistic": stats.logistic(scale=0.55), "t5": stats.t(5)}
SHIFTS = {1.5: 1.0, 2.5: 1.7, 3.5: 2.2, 4.5: 2.5}  # how far apart the scores: the threshold

Counts = dict[tuple[str, str], npt.NDArray[np.int64]]


@dataclass(frozen=True)
class Scenario:
    noise: str
    positives: int
    shift: float
    grouped: bool
    macro: bool = False


def compute_truth(
    noise: str, prevalence: float, shift: float, threshold: float
) -> dict[str, float]:
    negative, positive = NOISE[noise], NOISE[noise]
    x = np.linspace(-60, 60, 600_001)
    found = prevalence * positive.sf(x - shift)
    wrong = (1 - prevalence) * negative.sf(x)
    density = positive.pdf(x - shift)
    precision = np.divide(found, found + wrong, out=np.ones_like(x), where=found + wrong > 0)
    recall, overkill = positive.sf(threshold - shift), negative.sf(threshold)
    called = prevalence * recall + (1 - prevalence) * overkill
    return {
        "average_precision": float(np.trapezoid(density * precision, x)),
        "auroc": float(np.trapezoid(density * negative.cdf(x), x)),
        "f1": 2 * prevalence * recall / (prevalence + called),
        "precision": prevalence * recall / called,
        "recall": float(recall),
        "overkill_rate": float(overkill),
    }


def draw_class(
    rng: np.random.Generator, scenario: Scenario, groups: npt.NDArray[np.int64], positives: int
) -> tuple[npt.NDArray[np.uint8], list[npt.NDArray[np.float64]]]:
    """Labels, and the noise of two networks that agree in most of it."""
    count = int(groups.max()) + 1
    labels = (rng.random(count) < positives / IMAGES)[groups].astype(np.uint8)
    if scenario.noise != "normal":
        return labels, [NOISE[scenario.noise].rvs(len(groups), random_state=rng) for _ in range(2)]
    of_group, of_image = rng.normal(size=count)[groups], rng.normal(size=(3, len(groups)))
    weight = 0.8 if scenario.grouped else 0.0
    shared = np.sqrt(weight) * of_group + np.sqrt(1 - weight) * of_image[0]
    return labels, [np.sqrt(0.7) * shared + np.sqrt(0.3) * of_image[k] for k in (1, 2)]


def simulate(scenario: Scenario, seeds: range, rounds: int) -> Counts:
    """Sets, hits of the intervals and hits of the quantiles, by figure and kind."""
    counts: Counts = defaultdict(lambda: np.zeros(3, np.int64))
    sizes = (20, 40, 60) if scenario.macro else (scenario.positives,)
    shifts = (scenario.shift, max(scenario.shift - 0.5, 0.5))
    threshold = SHIFTS[scenario.shift]
    truths = [
        [compute_truth(scenario.noise, n / IMAGES, shift, threshold) for n in sizes]
        for shift in shifts
    ]
    for seed in seeds:
        rng = np.random.default_rng(seed)
        groups = np.arange(IMAGES)
        if scenario.grouped:
            groups = np.repeat(np.arange(IMAGES // 2), rng.integers(1, 5, IMAGES // 2))
        drawn = [draw_class(rng, scenario, groups, n) for n in sizes]
        labels = np.stack([labels for labels, _ in drawn], axis=1)
        if labels.sum(axis=0).min() < 2:
            continue
        results = []
        for network in range(2 if scenario.macro else 1):
            scores = np.stack([noise[network] for _, noise in drawn], axis=1)
            scores = scores + shifts[network] * labels
            codes = np.where(scores >= threshold, 2, 0).astype(np.int8)
            results.append(
                bootstrap_figures(scores, codes, labels, groups, rounds=rounds, seed=seed)
            )
        for name in FIGURES:
            truth = [float(np.mean([row[name] for row in rows])) for rows in truths]
            count_hits(counts, scenario, name, truth, results)
    return dict(counts)


def count_hits(
    counts: Counts,
    scenario: Scenario,
    name: str,
    truth: list[float],
    results: list[BootstrapFigures],
) -> None:
    figures: list[Figure] = []
    for result in results:
        figure = result.macro[name]
        if figure is None:
            return
        figures.append(figure)
    low, high = np.quantile(figures[0].draws, [0.025, 0.975])
    add(
        counts,
        ("macro" if scenario.macro else "class", name),
        truth[0],
        figures[0].interval,
        low,
        high,
    )
    if scenario.macro:
        a, b = figures
        low, high = np.quantile(a.draws - b.draws, [0.025, 0.975])
        interval = subtract_figures(a, b).interval
        add(counts, ("difference", name), truth[0] - truth[1], interval, low, high)


def add(
    counts: Counts, key: tuple[str, str], truth: float, interval: Interval, low: Any, high: Any
) -> None:
    counts[key] += (1, interval.low <= truth <= interval.high, low <= truth <= high)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    scenarios = [
        Scenario(noise, positives, shift, grouped)
        for (noise, grouped), positives, shift in itertools.product(
            [("normal", False), ("normal", True), ("logistic", False), ("t5", False)],
            (20, 40, 60),
            SHIFTS,
        )
    ] + [
        Scenario("normal", 0, shift, grouped, macro=True)
        for grouped, shift in itertools.product((False, True), SHIFTS)
    ]
    print("| scores | positives | apart | of | " + " | ".join(FIGURES) + " |")
    print("| --- | --- | --- | --- |" + " --- |" * len(FIGURES))
    held: dict[tuple[str, str], list[npt.NDArray[np.float64]]] = defaultdict(list)
    with ProcessPoolExecutor(arguments.processes) as pool:
        found = pool.map(
            simulate,
            scenarios,
            itertools.repeat(range(arguments.sets)),
            itertools.repeat(arguments.rounds),
        )
        for scenario, counts in zip(scenarios, found, strict=True):
            scores = scenario.noise + (", grouped" if scenario.grouped else "")
            for kind in dict.fromkeys(kind for kind, _ in counts):
                shares = {name: counts[kind, name][1:] / counts[kind, name][0] for name in FIGURES}
                for name, share in shares.items():
                    held[kind, name].append(share)
                cells = " | ".join(f"{a:.1%} ({b:.0%})" for a, b in shares.values())
                positives = scenario.positives or "20, 40, 60"
                print(
                    f"| {scores} | {positives} | {scenario.shift} | {kind} | {cells} |", flush=True
                )
    print("\nover all scenarios, ours: lowest, mean, highest; quantiles: lowest, mean")
    for (kind, name), rows in held.items():
        ours, quantiles = np.array(rows).T
        print(
            f"| {kind} | {name} | {ours.min():.1%} | {ours.mean():.1%} | {ours.max():.1%}"
            f" | {quantiles.min():.1%} | {quantiles.mean():.1%} |"
        )


if __name__ == "__main__":
    main()
