"""How even the splits are, beside scikit-learn's StratifiedGroupKFold, and how long they take.

    python benchmarks/splits.py LABELS [--seeds 4] [--folds 5] [--coil 10]

LABELS is a table `ImageId,area_1,area_2,...` (a class is on an image where its area is above 0) or
a prepared data set. Groups are simulated, since neither tells the coil of a frame: every image for
itself; 44 random pairs; coils of about `--coil` images with labels as they fall; and coils whose
frames are alike, i.e. neighbours in an order by label set in which one image in four has been moved
at random. StratifiedGroupKFold takes the label set as its class. Printed for each is the worst over
the seeds, over the folds' test parts: how far a class's prevalence strays, relatively and in
images, how far a label set strays in images, the sizes of the parts, and seconds a split.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from stripsight.data.prepared import load_prepared
from stripsight.data.splits.balance import Balance, measure_balance
from stripsight.data.splits.stratify import make_fold_numbers

Labels = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Row:
    balance: Balance
    seconds: float


def read_labels(path: Path) -> Labels:
    if path.is_dir():
        return load_prepared(path).label_matrix()
    areas = pd.read_csv(path).filter(regex=r"^area_").to_numpy()
    return np.asarray(areas > 0, dtype=np.uint8)


def number_label_sets(labels: Labels) -> Numbers:
    return np.asarray(np.unique(labels, axis=0, return_inverse=True)[1], dtype=np.int64)


def draw_coil_of_position(count: int, mean: int, rng: np.random.Generator) -> Numbers:
    sizes = rng.geometric(1 / mean, size=count)
    return np.repeat(np.arange(count), sizes)[:count]


def make_groups(labels: Labels, mean: int, rng: np.random.Generator) -> dict[str, Numbers]:
    count = len(labels)
    pairs = np.arange(count)
    ends = rng.permutation(count)[: 2 * min(44, count // 4)]
    pairs[ends[::2]] = pairs[ends[1::2]]
    coil_of_position = draw_coil_of_position(count, mean, rng)
    mixed = np.empty(count, dtype=np.int64)
    mixed[rng.permutation(count)] = coil_of_position
    keys = number_label_sets(labels).astype(float)
    moved = rng.random(count) < 0.25
    keys[moved] = rng.uniform(keys.min(), keys.max() + 1, int(moved.sum()))
    alike = np.empty(count, dtype=np.int64)
    alike[np.lexsort((rng.random(count), keys))] = coil_of_position
    return {"each image": np.arange(count), "44 pairs": pairs, "coils": mixed, "alike coils": alike}


def split_with_scikit_learn(labels: Labels, groups: Numbers, folds: int, seed: int) -> Numbers:
    numbers = np.empty(len(labels), dtype=np.int64)
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # label sets on fewer images than there are folds
        for fold, (_, test) in enumerate(splitter.split(labels, number_label_sets(labels), groups)):
            numbers[test] = fold
    return numbers


def measure(split: Callable[[], Numbers], labels: Labels, folds: int) -> Row:
    start = time.perf_counter()
    numbers = split()
    seconds = time.perf_counter() - start
    names = [f"{fold}" for fold in range(folds)]
    classes = [f"{column + 1}" for column in range(labels.shape[1])]
    parts = np.array(names)[numbers]
    return Row(measure_balance(labels, parts, class_names=classes, part_names=names), seconds)


def format_row(groups: str, who: str, rows: list[Row]) -> str:
    relative = max(d.relative for row in rows for d in row.balance.classes)
    images = max(d.images for row in rows for d in row.balance.classes)
    label_set = max(row.balance.worst_label_set.images for row in rows)
    sizes = [part.images for row in rows for part in row.balance.parts.values()]
    seconds = sorted(row.seconds for row in rows)[len(rows) // 2]
    return (
        f"| {groups} | {who} | {relative:.2%} | {images:.1f} | {label_set:.1f} |"
        f" {min(sizes):,}-{max(sizes):,} | {seconds:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--coil", type=int, default=10, help="mean images a coil")
    arguments = parser.parse_args()
    labels = read_labels(arguments.labels)
    folds: int = arguments.folds
    print(f"{len(labels):,} images, {folds} folds, worst over {arguments.seeds} seeds")
    print("| groups | | class, relative | class, images | label set, images | sizes | s |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    ours: dict[str, list[Row]] = {}
    theirs: dict[str, list[Row]] = {}
    for seed in range(arguments.seeds):
        simulated = make_groups(labels, arguments.coil, np.random.default_rng(seed))
        for name, groups in simulated.items():

            def split_ourselves(groups: Numbers = groups, seed: int = seed) -> Numbers:
                return make_fold_numbers(labels, groups, folds=folds, seed=seed)

            def split_elsewhere(groups: Numbers = groups, seed: int = seed) -> Numbers:
                return split_with_scikit_learn(labels, groups, folds, seed)

            ours.setdefault(name, []).append(measure(split_ourselves, labels, folds))
            theirs.setdefault(name, []).append(measure(split_elsewhere, labels, folds))
    for name in ours:
        print(format_row(name, "ours", ours[name]))
        print(format_row(name, "StratifiedGroupKFold", theirs[name]))


if __name__ == "__main__":
    main()
