"""A benchmark as plain JSON and as tables for a terminal.

Times are milliseconds. Percentiles stand beside their n: of fewer than a hundred requests, the 99th
is little more than the slowest.
"""

from dataclasses import asdict
from typing import Any

import numpy as np

from stripsight.scoring.bench.benchmark import Benchmark
from stripsight.scoring.bench.latency import Latency, Ratio
from stripsight.scoring.bench.throughput import Throughput

SCHEMA_VERSION = 2
PERCENTILES = (50, 90, 99)


def to_json(benchmark: Benchmark) -> dict[str, Any]:
    """Everything but the single requests: of those, every hundredth part of the distribution."""
    return {
        "schema_version": SCHEMA_VERSION,
        "bundle": benchmark.bundle,
        "bundle_id": benchmark.bundle_id,
        "input": {"height": benchmark.size[0], "width": benchmark.size[1]},
        "images": benchmark.images,
        "engine": asdict(benchmark.engine),
        "machine": asdict(benchmark.machine),
        "steadiness": {
            "steady": benchmark.steadiness.steady,
            **asdict(benchmark.steadiness),
        },
        "latency": [
            _describe_latency(latency, ratio)
            for latency, ratio in zip(benchmark.latencies, benchmark.ratios, strict=True)
        ],
        "throughput": [asdict(point) for point in benchmark.throughputs],
        "for_score": {"threads": benchmark.choice.threads, "streams": benchmark.choice.streams},
    }


def _describe_latency(latency: Latency, ratio: Ratio) -> dict[str, Any]:
    seconds = latency.seconds
    return {
        "name": latency.name,
        "n": len(seconds),
        **{f"p{p}_ms": 1000 * latency.compute_percentile(p) for p in PERCENTILES},
        "mean_ms": 1000 * float(seconds.mean()),
        "processor_ms": 1000 * latency.processor_seconds,
        "ratio_to_first": asdict(ratio),
        "percentiles_ms": [
            round(1000 * float(value), 4) for value in np.percentile(seconds, range(101))
        ],
    }


def build_tables(benchmark: Benchmark) -> tuple[Any, Any]:
    """Rich tables of latency and of throughput."""
    from rich import box
    from rich.table import Table

    title = f"one image at a time, threads: {benchmark.engine.threads}, ms"
    latency = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    latency.add_column("")
    for column in ("p50", "p90", "p99", "n", "processor", "times as long (rounds)"):
        latency.add_column(column, justify="right")
    for each, ratio in zip(benchmark.latencies, benchmark.ratios, strict=True):
        values = [f"{1000 * each.compute_percentile(p):.2f}" for p in PERCENTILES]
        latency.add_row(
            each.name,
            *values,
            str(len(each.seconds)),
            f"{1000 * each.processor_seconds:.2f}",
            "1" if each is benchmark.latencies[0] else ratio.describe(),
        )
    throughput = Table(
        title="images a second",
        box=box.SIMPLE_HEAD,
        title_justify="left",
        caption=f"last column: how many times as many as {benchmark.latencies[0].name} takes with"
        " one image a request and one stream, in turns with each row; against itself it shows how"
        " far two measurements of one thing lie apart",
        caption_justify="left",
    )
    throughput.add_column("")
    for column in ("streams", "batch", "images/s", "times as many (rounds)"):
        throughput.add_column(column, justify="right")
    for point in benchmark.throughputs:
        throughput.add_row(
            point.name,
            str(point.streams),
            str(point.batch),
            f"{point.images_per_second:.1f}",
            point.ratio.describe() + (" itself" if _is_reference(benchmark, point) else ""),
        )
    return latency, throughput


def _is_reference(benchmark: Benchmark, point: Throughput) -> bool:
    return (point.name, point.batch, point.streams) == (benchmark.latencies[0].name, 1, 1)


def list_notes(benchmark: Benchmark) -> list[str]:
    """What a reader must know beside the tables, in sentences."""
    first = benchmark.latencies[0]
    notes = [benchmark.choice.describe()]
    apart = [
        f"{latency.name} ({ratio.lowest:.3g} to {ratio.highest:.3g} times)"
        for latency, ratio in zip(benchmark.latencies, benchmark.ratios, strict=True)
        if not ratio.agrees
    ]
    if apart:
        notes.append(
            f"the rounds disagree on {', '.join(apart)}: believe no ratio of it, and measure again"
            " on a machine that does nothing else"
        )
    timed = {point.name for point in benchmark.throughputs}
    alone = [latency.name for latency in benchmark.latencies if latency.name not in timed]
    if alone:
        notes.append(
            f"no throughput of {', '.join(alone)}: of the bundle's, only the first's is measured"
        )
    if len(first.seconds) < 100:
        notes.append(
            f"p99 of {len(first.seconds)} requests is little more than the slowest: --seconds"
        )
    if any(latency.name.startswith("pytorch") for latency in benchmark.latencies):
        notes.append(
            "PyTorch ran the same networks with random weights: a bundle holds none for it, and the"
            " time does not depend on them"
        )
    return notes
