"""How few positives a form of calibration may be fitted on, by simulation.

    python benchmarks/calibration.py fits|limits [--rounds 200]

The true log odds of a defect are known: scores of defective and clean images are normal, `distance`
standard deviations apart, one image in ten is defective. The network's logits are a distortion of
them. Printed is what a calibration costs: expected log loss on fresh images above that of the true
probabilities, in thousandths of a nat; mean over rounds, and in brackets the 95th of a hundred.

`fits` compares ways to fit a line: the plain likelihood, Platt's targets, and the prior around the
network's own probabilities that StripSight uses. `limits` compares the forms, each taken always,
and chosen by cross-validation from all of them or from those that `find_forms` allows.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from stripsight.decision.calibration import KINDS, ClassCalibration, Kind
from stripsight.evaluation.calibration.choice import choose_form, compare_forms, find_forms
from stripsight.evaluation.calibration.curves import fit_curve, make_targets

Numbers = npt.NDArray[np.float64]
Labels = npt.NDArray[np.uint8]

PREVALENCE = 0.1
DISTORTIONS: dict[str, Callable[[Numbers], Numbers]] = {
    "none": lambda z: z,
    "twice as sure": lambda z: 2 * z,
    "half as sure": lambda z: z / 2,
    "shifted by 2": lambda z: z + 2,
    "bent": lambda z: np.where(z < 0, 2 * z, z / 4),
}


@dataclass(frozen=True)
class World:
    """Scores `distance` apart, seen through a distortion."""

    distance: float
    distort: Callable[[Numbers], Numbers]

    def draw(self, positives: int, rng: np.random.Generator) -> tuple[Numbers, Labels]:
        """True log odds and labels of that many positives and nine times as many negatives."""
        negatives = round(positives / PREVALENCE) - positives
        labels = np.repeat(np.array([1, 0], np.uint8), [positives, negatives])
        scores = rng.normal(size=len(labels)) + self.distance * labels
        odds = np.log(PREVALENCE / (1 - PREVALENCE))
        return self.distance * scores - self.distance**2 / 2 + odds, labels


@dataclass(frozen=True)
class Fresh:
    """20,000 images to judge on, by their true probabilities rather than by drawn labels."""

    truth: Numbers

    def measure(self, logits: Numbers) -> float:
        """Expected log loss above the lowest possible, in thousandths of a nat."""
        return float(1000 * (self._loss(logits) - self._loss(self.truth)))

    def measure_curve(self, curve: ClassCalibration, logits: Numbers) -> float:
        probabilities = curve.apply(logits).clip(1e-16, 1 - 1e-16)
        return self.measure(np.log(probabilities / (1 - probabilities)))

    def _loss(self, logits: Numbers) -> float:
        return float((np.logaddexp(0, logits) - expit(self.truth) * logits).mean())


def fit_line(logits: Numbers, targets: Numbers, *, intercept: bool) -> tuple[float, float]:
    """Slope within 1/20 to 20 and intercept of largest likelihood, without a prior."""

    def compute(line: Numbers) -> tuple[float, Numbers]:
        scores = np.exp(line[0]) * logits + line[1]
        excess = expit(scores) - targets
        gradient = np.array([(excess * logits).sum() * np.exp(line[0]), excess.sum() * intercept])
        return float((np.logaddexp(0, scores) - targets * scores).sum()), gradient

    bounds = [(-np.log(20), np.log(20)), (-50, 50) if intercept else (0, 0)]
    found = minimize(compute, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds)
    return float(np.exp(found.x[0])), float(found.x[1])


def compare_fits(rounds: int) -> None:
    print("| distance | distortion | positives | untouched | form | plain | targets | prior |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for distance in (2.0, 3.0, 5.0):
        for name in ("none", "twice as sure", "shifted by 2"):
            world = World(distance, DISTORTIONS[name])
            fresh = Fresh(world.draw(2000, np.random.default_rng(99))[0])
            seen = world.distort(fresh.truth)
            for positives in (10, 20, 50, 200):
                for form in ("temperature", "platt"):
                    costs: dict[str, list[float]] = {"plain": [], "targets": [], "prior": []}
                    for number in range(rounds):
                        truth, labels = world.draw(
                            positives, np.random.default_rng([number, positives])
                        )
                        logits = world.distort(truth)
                        for way, aims in (
                            ("plain", labels.astype(np.float64)),
                            ("targets", make_targets(labels)),
                        ):
                            slope, offset = fit_line(logits, aims, intercept=form == "platt")
                            costs[way].append(fresh.measure(slope * seen + offset))
                        curve = fit_curve(form, logits, labels)
                        costs["prior"].append(fresh.measure_curve(curve, seen))
                    print(
                        f"| {distance:g} | {name} | {positives} | {fresh.measure(seen):.1f}"
                        f" | {form} | {' | '.join(describe(c) for c in costs.values())} |",
                        flush=True,
                    )


def compare_limits(rounds: int) -> None:
    columns = [*KINDS, "chosen, no limits", "chosen", "how often chosen, no limits"]
    print(f"| distance | distortion | positives | {' | '.join(columns)} |")
    print("|" + " --- |" * (len(columns) + 3))
    for distance in (2.0, 3.0, 4.0):
        for name, distort in DISTORTIONS.items():
            world = World(distance, distort)
            fresh = Fresh(world.draw(2000, np.random.default_rng(99))[0])
            seen = world.distort(fresh.truth)
            for positives in (5, 10, 20, 50, 100, 200):
                costs: dict[str, list[float]] = {c: [] for c in columns[:-1]}
                taken: list[Kind] = []
                for number in range(rounds):
                    rng = np.random.default_rng([number, positives])
                    truth, labels = world.draw(positives, rng)
                    logits = distort(truth)
                    cost_of = {
                        kind: fresh.measure_curve(fit_curve(kind, logits, labels), seen)
                        for kind in KINDS
                    }
                    for kind in KINDS:
                        costs[kind].append(cost_of[kind])
                    images = np.arange(len(labels))
                    allowed, _ = find_forms(logits, labels, images)
                    for way, tried in (("chosen, no limits", KINDS), ("chosen", allowed)):
                        folds = np.random.default_rng(number)
                        kind = choose_form(compare_forms(tried, logits, labels, images, folds))
                        costs[way].append(cost_of[kind])
                        if way != "chosen":
                            taken.append(kind)
                shares = ", ".join(f"{k} {taken.count(k) / rounds:.0%}" for k in KINDS)
                print(
                    f"| {distance:g} | {name} | {positives} |"
                    f" {' | '.join(describe(c) for c in costs.values())} | {shares} |",
                    flush=True,
                )


def describe(costs: list[float]) -> str:
    return f"{np.mean(costs):.1f} ({np.quantile(costs, 0.95):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("fits", "limits"))
    parser.add_argument("--rounds", type=int, default=200)
    arguments = parser.parse_args()
    {"fits": compare_fits, "limits": compare_limits}[arguments.what](arguments.rounds)


if __name__ == "__main__":
    main()
