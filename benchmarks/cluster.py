"""`stripsight score --cluster local` with two workers against two processes of the same command.

Both sides score the same inputs on the same machine with one thread a worker or process, in turns:
the cluster all of them, each of the two processes one half. Two figures each: the whole time, and
the time from the first row to the last, which leaves the start out (Ray needs some seconds for
its own, whatever the number of images).

python benchmarks/cluster.py BUNDLE ../shared/data/severstal_sample/test_images --n 1200
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

WATCHED = """
import sys, time
import stripsight.scoring.batch as batch
keep = batch._Keeper.keep
def tell(self, rows):
    if rows:
        print("ROWS", len(rows), time.monotonic(), file=sys.stderr)
    keep(self, rows)
batch._Keeper.keep = tell
from stripsight.cli.app import main
main()
"""


def link_images(folder: Path, images: Sequence[Path], numbers: range) -> Path:
    folder.mkdir()
    for number in numbers:
        source = images[number % len(images)]
        (folder / f"{number:06d}{source.suffix}").symlink_to(source)
    return folder


def run_together(commands: Sequence[Sequence[object]]) -> tuple[float, float]:
    """Images a second of commands run at the same time: in all, and between rows."""
    begun = time.monotonic()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", WATCHED, "score", *map(str, words)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            # Ray gives it to its workers; without, numpy's idle threads take half of a core.
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            # Where others work too, Linux shares time out by sessions, and Ray's are its own.
            start_new_session=True,
        )
        for words in commands
    ]
    said = [process.communicate()[1] for process in running]
    seconds = time.monotonic() - begun
    if any(process.returncode for process in running):
        raise SystemExit("\n".join(said))
    arrived = [
        (float(line.split()[2]), int(line.split()[1]))
        for text in said
        for line in text.splitlines()
        if line.startswith("ROWS ")
    ]
    arrived.sort()
    # From when everybody works: the rows that came with the first of the last to begin are not in.
    firsts = [next(line for line in text.splitlines() if line.startswith("ROWS ")) for text in said]
    start = max(float(line.split()[2]) for line in firsts)
    steady = sum(count for when, count in arrived if when > start)
    return sum(count for _, count in arrived) / seconds, steady / (arrived[-1][0] - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("--n", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    images = sorted(path.resolve() for path in args.images.iterdir())
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {args.n} images a turn")
    ratios = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        whole = link_images(work / "all", images, range(args.n))
        halves = [
            link_images(work / f"half{k}", images, range(k * args.n // 2, (k + 1) * args.n // 2))
            for k in range(2)
        ]
        cluster = [args.bundle, whole, "--out", work / "all.parquet", "--cluster", "local"]
        apart = [
            [args.bundle, half, "--out", half.with_suffix(".parquet"), "--threads", 1]
            for half in halves
        ]
        for turn in range(args.rounds + 1):
            with_start, steady = run_together([[*cluster, "--workers", 2]])
            apart_with_start, apart_steady = run_together(apart)
            ratio = (steady / apart_steady, with_start / apart_with_start)
            print(
                f"  cluster {steady:.1f} images/s ({with_start:.1f} with its start), two processes"
                f" {apart_steady:.1f} ({apart_with_start:.1f}): {ratio[0]:.3f} ({ratio[1]:.3f})"
                + ("" if turn else ", not counted"),
                flush=True,
            )
            if turn:  # the first warms up
                ratios.append(ratio)
    steady_ratios, whole_ratios = zip(*ratios, strict=True)
    print(
        f"ratio without the start: median {statistics.median(steady_ratios):.3f}"
        f" ({min(steady_ratios):.3f} to {max(steady_ratios):.3f}), goal 0.85;"
        f" with it: {statistics.median(whole_ratios):.3f}"
    )


if __name__ == "__main__":
    main()
