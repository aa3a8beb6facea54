"""How many of the labels that `data audit` proposes are wrong, where that is known.

    python benchmarks/audit_trial.py PREDICTIONS...

PREDICTIONS are the `predictions_test.parquet` of the folds of one data set. The labels in them are
taken for right; of each class a share of its positives' number is made wrong, half by leaving
positives out, half by adding the class to others, and the audit is run on that. Counted are the
proposed labels that were made wrong. The networks did not train on the wrong labels, and real gaps
in the labels count against the audit.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from stripsight.data.audit.confident_learning import audit_labels
from stripsight.data.audit.sureness import compute_doubt, expect_wrong

RATES = (0.02, 0.05, 0.1)
SEEDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("files", type=Path, nargs="+")
    table = pd.concat([pd.read_parquet(path) for path in parser.parse_args().files])
    ids = [str(name) for name in table["id"]]
    number_of = {name: number for number, name in enumerate(ids)}  # each image counts
    columns = [str(column) for column in table]
    names = [column.removeprefix("label_") for column in columns if column.startswith("label_")]
    bands: dict[int, list[tuple[int, int, int]]] = {}
    print("| class | made wrong | proposed | of these made wrong | found | doubt |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in names:
        labels = table[f"label_{name}"].to_numpy().astype(np.uint8)
        scores = table[f"probability_{name}"].to_numpy(dtype=np.float64)[:, None]
        for rate in RATES:
            trials = []
            for seed in range(SEEDS):
                wrong = pick_wrong(labels, rate, seed)
                given = np.where(wrong, 1 - labels, labels).astype(np.uint8)[:, None]
                suspects = audit_labels(ids, given, scores, [name]).suspects
                made = set(np.array(ids)[wrong].tolist())
                right = sum(1 for suspect in suspects if suspect.image in made)
                doubt = compute_doubt(suspects, 0, number_of)
                if doubt is not None:
                    trials.append((len(made), len(suspects), right, doubt))
                    bands.setdefault(expect_wrong(doubt), []).append(trials[-1][:3])
            if trials:
                made_wrong, proposed, right, doubt = np.mean(trials, axis=0)
                print(
                    f"| {name} | {made_wrong:.0f} | {proposed:.1f} | {right / proposed:.2f}"
                    f" | {right / made_wrong:.2f} | {doubt:.2f} |"
                )
    for expected, found in sorted(bands.items()):
        _, proposed, right = np.sum(found, axis=0)
        print(f"expected {expected} in 10: {right / proposed:.3f} of {proposed:,} in {len(found)}")


def pick_wrong(labels: np.ndarray, rate: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    count = max(2, round(rate * int(labels.sum())))
    wrong = np.zeros(len(labels), np.bool_)
    wrong[rng.choice(np.flatnonzero(labels), count // 2, replace=False)] = True
    wrong[rng.choice(np.flatnonzero(labels == 0), count - count // 2, replace=False)] = True
    return wrong


if __name__ == "__main__":
    main()
