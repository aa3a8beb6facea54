"""How long `stripsight --help` takes, beside a Python that does nothing; the goal is 0.6 s.

python benchmarks/startup.py
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 15


def seconds(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - started


def main() -> None:
    ours = [str(Path(sys.executable).with_name("stripsight")), "--help"]
    bare = [sys.executable, "-c", "pass"]
    pairs = [(seconds(ours), seconds(bare)) for _ in range(ROUNDS)]
    for name, column in (("stripsight --help", 0), ("python -c pass", 1)):
        times = [pair[column] for pair in pairs]
        print(f"{name}: median {statistics.median(times):.3f} s, worst {max(times):.3f} s")


if __name__ == "__main__":
    main()
