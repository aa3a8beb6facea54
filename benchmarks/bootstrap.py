"""What an interval for every figure costs.

    python benchmarks/bootstrap.py [--images 200000] [--classes 4] [--rounds 1000] [--repeats 3]

Predictions with Severstal's prevalences, all figures with their intervals, every image a group of
its own (the dearest case). Beside it, how long the same rounds would take with scikit-learn's
average precision and AUROC in the loop, from a few of them; printed is the ratio, too.
"""

import argparse
import resource
import time
from statistics import median

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from stripsight.evaluation.intervals.bootstrap import bootstrap_figures

PREVALENCES = (0.071, 0.020, 0.410, 0.064)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    images, classes, rounds = arguments.images, arguments.classes, arguments.rounds
    rng = np.random.default_rng(0)
    prevalences = np.resize(PREVALENCES, classes)
    labels = (rng.random((images, classes)) < prevalences).astype(np.uint8)
    logits = (rng.normal(size=(images, classes)) + 4.0 * labels - 2).astype(np.float32)
    codes = np.where(logits > 0, 2, 0).astype(np.int8)
    groups = np.arange(images)
    seconds, processor = [], []
    for _ in range(arguments.repeats):
        start, start_processor = time.perf_counter(), time.process_time()
        bootstrap_figures(logits, codes, labels, groups, rounds=rounds)
        seconds.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_processor)
    start = time.perf_counter()
    some = 2
    for _ in range(some):
        weights = rng.standard_exponential(images)
        for c in range(classes):
            average_precision_score(labels[:, c], logits[:, c], sample_weight=weights)
            roc_auc_score(labels[:, c], logits[:, c], sample_weight=weights)
    reference = (time.perf_counter() - start) / some * rounds
    print(f"{images:,} x {classes}, {rounds:,} rounds: best {min(seconds):.2f} s,", end=" ")
    print(f"median {median(seconds):.2f} s, processor time {min(processor):.2f} s")
    print(f"scikit-learn in the loop (AP and AUROC alone): {reference:.0f} s,", end=" ")
    print(f"{reference / min(seconds):.0f} times as long")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the process: {peak:.0f} MiB")


if __name__ == "__main__":
    main()
