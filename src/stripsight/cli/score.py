"""`stripsight score`: verdicts on images, from one to millions."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stripsight.scoring.opening import ClusterOptions, ScoreOptions
    from stripsight.scoring.overlays import Drawing

_SETTLE = 1.0
_LONGEST_SETTLE = 3600  # seconds; whoever waits longer for a camera has slipped


class _Engine(StrEnum):
    openvino = "openvino"
    onnxruntime = "onnxruntime"


def score(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Made by `stripsight export`.")],
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT...",
            help="Files, folders, 'patterns in quotes', zips, or @list.txt with a path a line.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="A .parquet, .csv or .jsonl table.")
    ] = ...,  # type: ignore[assignment]
    lists: Annotated[
        list[Path] | None,
        typer.Option("--list", metavar="FILE", help="The same as @FILE.", show_default=False),
    ] = None,
    max_failed: Annotated[
        int,
        typer.Option(
            min=0, help="Exit 1 where more images than that could not be scored; all have a row."
        ),
    ] = 0,
    restart: Annotated[
        bool, typer.Option("--restart", help="Throw away what a broken-off scoring left.")
    ] = False,
    box_level: Annotated[
        float | None,
        typer.Option(
            help="Pieces of a heatmap at least so hot get a box. Default: each class's own level,"
            " fitted when the bundle was made.",
            min=0,
            max=1,
            show_default=False,
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Not the one the bundle chose.", show_default=False),
    ] = None,
    engine: Annotated[
        _Engine | None, typer.Option(help="Not the variant's own.", show_default=False)
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Of all streams together. Default: all cores; with --cluster, 1 a worker.",
            show_default=False,
        ),
    ] = None,
    streams: Annotated[
        int | None, typer.Option(help="Images worked on at a time.", show_default=False)
    ] = None,
    allow_fallback: Annotated[
        bool, typer.Option("--allow-fallback", help="Run fp32 where the variant cannot run here.")
    ] = False,
    overlays: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Pictures of what was found, except clean.", show_default=False
        ),
    ] = None,
    overlays_all: Annotated[
        bool, typer.Option("--overlays-all", help="Pictures of clean images, too.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Follow the folder INPUT and append to FILE.jsonl.")
    ] = False,
    settle: Annotated[
        float | None,
        typer.Option(
            help="With --watch: seconds that a file must stand still to be whole. Default: 1.",
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="local|HOST:PORT",
            help="Score on many machines by Ray, or by several processes here: docs/cluster.md.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --cluster. Default: as there are cores.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The summary as JSON.")] = False,
) -> None:
    """Score images by a bundle: a row for each, with verdict, probabilities, boxes.

    An image that cannot be read is a row for review, with the reason. Broken off at any moment, the
    same command goes on where it was.
    """
    from stripsight.errors import UsageError
    from stripsight.scoring.engine import EngineSettings
    from stripsight.scoring.opening import ClusterOptions, ScoreOptions

    if box_level is not None and not 0 < box_level < 1:
        raise UsageError(f"--box-level {box_level}: choose above 0 and below 1")
    if overlays_all and overlays is None:
        raise UsageError("--overlays-all says which pictures --overlays DIR gets: give it too")
    if workers is not None and cluster is None:
        raise UsageError(f"--workers {workers} are of a cluster: give --cluster, too")
    if threads is not None and threads < 1 and cluster is not None:
        raise UsageError(f"--threads {threads}: each worker needs at least 1")
    if settle is not None and not watch:
        raise UsageError(f"--settle {settle:g} is of a watch: give --watch, too")
    if settle is not None and not 0 <= settle <= _LONGEST_SETTLE:
        raise UsageError(f"--settle {settle:g}: choose 0 to {_LONGEST_SETTLE} seconds")
    settings = EngineSettings(
        variant=variant,
        engine=None if engine is None else engine.value,
        threads=threads,
        streams=streams,
        allow_fallback=allow_fallback,
    )
    options = ScoreOptions(settings, box_level)
    draw = None
    if overlays is not None:
        from stripsight.atomic import check_writable
        from stripsight.scoring.overlays import Drawing

        check_writable(overlays)
        draw = Drawing(overlays, overlays_all)
    if watch:
        if cluster is not None:
            raise UsageError("--watch follows one camera on this machine: without --cluster")
        if len(inputs or []) != 1 or lists or restart:
            raise UsageError("--watch takes one INPUT, a folder, and neither --list nor --restart")
        seconds = _SETTLE if settle is None else settle
        _watch(bundle, Path((inputs or [])[0]), out, options, seconds, draw, as_json=as_json)
        return
    _score(
        bundle,
        inputs or [],
        out,
        options,
        lists=lists or [],
        restart=restart,
        draw=draw,
        cluster=None if cluster is None else ClusterOptions(cluster, workers),
        max_failed=max_failed,
        as_json=as_json,
    )


def _score(
    bundle: Path,
    inputs: list[str],
    out: Path,
    options: "ScoreOptions",
    *,
    lists: list[Path],
    restart: bool,
    draw: "Drawing | None",
    cluster: "ClusterOptions | None",
    max_failed: int,
    as_json: bool,
) -> None:
    from stripsight.cli.progress import show_rate
    from stripsight.cli.score_summary import print_summary
    from stripsight.errors import ScoringError
    from stripsight.scoring.batch import score_inputs

    with _say_how_to_go_on(), show_rate("scoring", "images") as report:
        summary = score_inputs(
            bundle,
            inputs,
            out,
            options,
            lists=lists,
            restart=restart,
            drawing=draw,
            cluster=cluster,
            report_progress=report,
        )
    print_summary(summary, as_json=as_json, drawing=draw)
    failed = summary.tally.failed
    if failed > max_failed:
        raise ScoringError(
            f"{failed:,} of {summary.tally.images:,} images could not be scored, --max-failed is"
            f" {max_failed:,}; {out} has a row for each"
        )


def _watch(
    bundle: Path,
    root: Path,
    out: Path,
    options: "ScoreOptions",
    settle: float,
    draw: "Drawing | None",
    *,
    as_json: bool,
) -> None:
    from threading import Event

    from stripsight.cli.progress import print_count
    from stripsight.cli.score_summary import print_summary
    from stripsight.log import configure_logging
    from stripsight.scoring.watch import watch_folder

    configure_logging()
    stop = Event()
    before = [signal.signal(s, lambda *_: stop.set()) for s in (signal.SIGTERM, signal.SIGINT)]
    try:
        summary = watch_folder(
            bundle,
            root,
            out,
            options,
            settle=settle,
            stop=stop,
            drawing=draw,
            report_count=print_count("scored", "images"),
        )
    finally:
        for number, handler in zip((signal.SIGTERM, signal.SIGINT), before, strict=True):
            signal.signal(number, handler)
    print_summary(summary, as_json=as_json, drawing=draw)


class _Terminated(BaseException):
    """SIGTERM, as KeyboardInterrupt is SIGINT."""


@contextmanager
def _say_how_to_go_on() -> Iterator[None]:
    from stripsight.errors import ScoringError

    def stop(number: int, frame: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except (KeyboardInterrupt, _Terminated) as stopped:
        interrupted = isinstance(stopped, KeyboardInterrupt)
        what = "interrupted" if interrupted else "terminated"
        error = ScoringError(f"{what}; nothing is lost: the same command goes on from here")
        error.exit_code = 130 if interrupted else 143
        raise error from None
    finally:
        signal.signal(signal.SIGTERM, before)
