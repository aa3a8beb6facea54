"""How fast a bundle is on this machine, beside what else could run it, in one run.

Three parts, with the steadiness of the machine sampled all along: single requests, images a second
against batch size and streams, and the streams that follow from these.
"""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stripsight.bundle.folder import Bundle
from stripsight.scoring.bench.choice import Choice, choose_streams
from stripsight.scoring.bench.contender import Opponent, enter_engine, open_engine
from stripsight.scoring.bench.latency import Latency, Ratio, compare_latencies, measure_latencies
from stripsight.scoring.bench.steadiness import Steadiness, SteadinessProbe
from stripsight.scoring.bench.throughput import Task, Throughput, list_streams, measure_throughputs
from stripsight.scoring.engine import EngineInfo, EngineSettings, UInt8Images, load_engine
from stripsight.scoring.golden import read_golden
from stripsight.scoring.threads import count_cores, settle_threads

BATCHES = (1, 2, 4, 8)

_MOST_IMAGES = 8

Report = Callable[[str, int, int], None]
"""Takes (what, done, in all)."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it ran.

    Attributes:
        processor: its name, as the engine says.
        cores: that this process may use.
        system: operating system and Python.
        load: mean number of running processes of the last minute as it began; None: not known.
    """

    processor: str
    cores: int
    system: str
    load: float | None


@dataclass(frozen=True)
class Benchmark:
    """All that was measured.

    Attributes:
        bundle: its name.
        bundle_id: which.
        size: (height, width) of the images, in pixels.
        images: `golden`, or `noise` where the bundle has no golden images.
        engine: what ran the bundle, in a single stream.
        machine: where.
        latencies: the bundle's variants in the order asked for, then the opponents.
        ratios: of each latency to the first; the first is 1.
        throughputs: the first variant over batches and streams, then the opponents over batches.
        choice: the streams that score most images a second.
        steadiness: of the machine.
    """

    bundle: str
    bundle_id: str
    size: tuple[int, int]
    images: str
    engine: EngineInfo
    machine: Machine
    latencies: tuple[Latency, ...]
    ratios: tuple[Ratio, ...]
    throughputs: tuple[Throughput, ...]
    choice: Choice
    steadiness: Steadiness


def run_benchmark(
    bundle: Bundle,
    settings: Sequence[EngineSettings],
    opponents: Sequence[Opponent] = (),
    *,
    seconds: float,
    report_progress: Report = lambda what, done, total: None,
) -> Benchmark:
    """Measure a bundle.

    Args:
        bundle: opened.
        settings: one or more variants, of batch 1; what others are divided by stands first. Pinned
            streams pin the throughput's, too; latency always has a single stream.
        opponents: to compare with.
        seconds: of measuring, about: half for latency, half for throughput. Slow opponents and the
            compilation of graphs come on top.
        report_progress: takes what is done.

    Raises:
        BundleError: see `load_engine`.
        EngineError: likewise.
    """
    images, kind = _take_images(bundle)
    threads, _ = settle_threads(settings[0].threads, settings[0].streams)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    singles = [replace(each, streams=1, batch=1) for each in settings]
    first = load_engine(bundle, singles[0])
    info = first.info
    ours = [enter_engine(first), *(open_engine(bundle, each) for each in singles[1:])]
    with SteadinessProbe(count_cores()) as probe:
        latencies = measure_latencies(
            [*ours, *(opponent.open(1) for opponent in opponents)],
            images,
            seconds=seconds / 2,
            between=probe.take,
            report_progress=lambda done, total: report_progress("latency", done, total),
        )
        throughputs = measure_throughputs(
            _list_tasks(bundle, replace(settings[0], threads=threads), ours[0].name, opponents),
            ours[0],
            images,
            seconds=seconds / 2,
            between=probe.take,
            report_progress=lambda done, total: report_progress("throughput", done, total),
        )
        steadiness = probe.judge()
    contract = bundle.manifest.input
    return Benchmark(
        bundle=bundle.manifest.name,
        bundle_id=bundle.manifest.bundle_id,
        size=(contract.height, contract.width),
        images=kind,
        engine=info,
        machine=Machine(
            processor=info.device,
            cores=count_cores(),
            system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
            load=load,
        ),
        latencies=latencies,
        ratios=tuple(compare_latencies(each, latencies[0]) for each in latencies),
        throughputs=throughputs,
        choice=choose_streams(throughputs, ours[0].name, threads),
        steadiness=steadiness,
    )


def _take_images(bundle: Bundle) -> tuple[UInt8Images, str]:
    contract = bundle.manifest.input
    size = (contract.height, contract.width)
    golden = bundle.manifest.golden[:_MOST_IMAGES]
    if not golden:
        noise = np.random.default_rng(0).integers(0, 256, (4, 1, *size), dtype=np.uint8)
        return noise, "noise"
    return read_golden(bundle, golden), "golden"


def _list_tasks(
    bundle: Bundle, settings: EngineSettings, name: str, opponents: Sequence[Opponent]
) -> list[Task]:
    if settings.streams is not None or name.startswith("onnxruntime"):
        choices: tuple[int, ...] = (settings.streams or 1,)
    else:
        choices = list_streams(settings.threads or 1)

    def open_point(batch: int, streams: int) -> Task:
        point = replace(settings, batch=batch, streams=streams)
        return Task(name, batch, streams, lambda: open_engine(bundle, point))

    def open_opponent(opponent: Opponent, batch: int) -> Task:
        return Task(opponent.name, batch, 1, lambda: opponent.open(batch))

    return [
        *(open_point(batch, streams) for streams in choices for batch in BATCHES),
        *(open_opponent(opponent, batch) for opponent in opponents for batch in BATCHES),
    ]
