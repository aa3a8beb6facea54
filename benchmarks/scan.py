"""What measuring every image costs beside decoding it.

    python benchmarks/scan.py IMAGES [--images 2000] [--rounds 4]

IMAGES is a folder of JPEGs; they are copied to the wanted number into a temporary folder, each with
other bytes behind its end, so that no two files are identical. In every round, one after the other
and in as many processes as there are cores: decode only (`read_grey`), scan for statistics, scan
for statistics and fingerprints. Printed are the ratios of the clock, the scan over decoding; the
goal is 3. Processes are started for each run and their start is in its time, as it is in use.

`--memory` scans once in this process's tree and prints the highest sum of the proportional set
sizes (PSS) of all its processes.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from stripsight.data.prepare import prepare_dataset
from stripsight.data.prepared import PreparedDataset, load_prepared
from stripsight.data.statistics.scan import scan_dataset
from stripsight.data.statistics.table import FILE_NAME

DECODE = "import sys\nfrom pathlib import Path\nfrom stripsight.imaging import read_grey\n" + (
    "for path in sys.stdin.read().split(chr(10)):\n    read_grey(Path(path))\n"
)


def copy_images(folder: Path, count: int, destination: Path) -> None:
    (destination / "train_images").mkdir(parents=True)
    originals = [path.read_bytes() for path in sorted(folder.glob("*.jpg"))]
    for number, data in enumerate(itertools.islice(itertools.cycle(originals), count)):
        (destination / "train_images" / f"{number:06}.jpg").write_bytes(data + f"{number}".encode())
    (destination / "train.csv").write_text("ImageId,ClassId,EncodedPixels\n000000.jpg,1,1 5\n")


def decode_only(paths: Sequence[Path], processes: int) -> None:
    running = []
    for number in range(processes):
        process = subprocess.Popen([sys.executable, "-c", DECODE], stdin=subprocess.PIPE, text=True)
        assert process.stdin is not None
        process.stdin.write("\n".join(map(str, paths[number::processes])))
        process.stdin.close()
        running.append(process)
    assert not any(process.wait() for process in running)


def scan(dataset: PreparedDataset, processes: int, *, fingerprints: bool) -> None:
    (dataset.root / FILE_NAME).unlink(missing_ok=True)
    found = scan_dataset(dataset, fingerprints=fingerprints, workers=processes)
    assert len(found.statistics) == len(dataset.images)


def read_tree_memory(root: int) -> int:
    """Proportional set size of a process and all its descendants, in bytes."""
    total, waiting = 0, [root]
    while waiting:
        process = Path(f"/proc/{waiting.pop()}")
        try:
            rollup = (process / "smaps_rollup").read_text()
            waiting += [
                int(child)
                for task in (process / "task").iterdir()
                for child in (task / "children").read_text().split()
            ]
        except OSError:
            continue  # it has ended
        total += 1024 * sum(int(x.split()[1]) for x in rollup.splitlines() if x.startswith("Pss:"))
    return total


def measure_memory(dataset: PreparedDataset, processes: int) -> tuple[int, int]:
    """Highest and starting memory of the tree, in bytes."""
    peak = before = read_tree_memory(os.getpid())
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, read_tree_memory(os.getpid()))

    watcher = threading.Thread(target=watch)
    watcher.start()
    scan(dataset, processes, fingerprints=True)
    done.set()
    watcher.join()
    return peak, before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="JPEG images")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--memory", action="store_true", help="the memory instead of the clock")
    arguments = parser.parse_args()
    processes = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as name:
        source, root = Path(name, "source"), Path(name, "dataset")
        copy_images(arguments.folder, arguments.images, source)
        prepare_dataset([source], root)
        dataset = load_prepared(root)
        paths = [dataset.image_root / file for file in dataset.images["file"]]
        if arguments.memory:
            peak, before = measure_memory(dataset, processes)
            print(
                f"{arguments.images} images, {processes} processes: {peak / 1e6:.0f} MB at the"
                f" highest, {before / 1e6:.0f} MB before"
            )
            return
        ratios: dict[str, list[float]] = {"statistics": [], "statistics and fingerprints": []}
        for number in range(1, arguments.rounds + 1):
            clock = [time.perf_counter()]
            decode_only(paths, processes)
            clock.append(time.perf_counter())
            for fingerprints in (False, True):
                scan(dataset, processes, fingerprints=fingerprints)
                clock.append(time.perf_counter())
            seconds = [end - start for start, end in itertools.pairwise(clock)]
            for what, value in zip(ratios, seconds[1:], strict=True):
                ratios[what].append(value / seconds[0])
            print(
                f"round {number}: decode {len(paths) / seconds[0]:.0f} images/s, statistics"
                f" {len(paths) / seconds[1]:.0f}, with fingerprints {len(paths) / seconds[2]:.0f}"
            )
    for what, values in ratios.items():
        print(f"{what} / decode: best {min(values):.2f}, median {median(values):.2f}; goal 3")


if __name__ == "__main__":
    main()
