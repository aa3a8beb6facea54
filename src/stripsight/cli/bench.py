"""`stripsight bench`: how fast a bundle is on this machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stripsight.bundle.folder import Bundle
    from stripsight.scoring.bench.contender import Opponent

_KNOWN = ("pytorch", "onnxruntime")


def bench(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Made by `stripsight export`.")],
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of the bundle; may be given several times, the first is what others are divided"
            " by. Default: the one that the bundle chose.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="pytorch,onnxruntime",
            help="Opponents, or none. Default: those that are installed.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Of measuring, about.", min=0.1)] = 60.0,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Write bench.json and bench.svg here.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
    threads: Annotated[
        int | None,
        typer.Option(help="Of all streams together. Default: all cores.", show_default=False),
    ] = None,
    streams: Annotated[
        int | None,
        typer.Option(
            help="Pin the streams of the throughput. Default: one up to a thread a stream.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Measure latency and throughput of a bundle, beside PyTorch and ONNX Runtime in fp32.

    All take turns in one process, and a probe says whether the machine was steady meanwhile.
    """
    import json

    from stripsight.atomic import check_writable, make_folder, write_atomically
    from stripsight.bundle.folder import open_bundle
    from stripsight.cli.progress import Stages
    from stripsight.cli.terminal import print_json, print_table, say_loading
    from stripsight.scoring.bench.benchmark import run_benchmark
    from stripsight.scoring.bench.record import build_tables, list_notes, to_json
    from stripsight.scoring.engine import EngineSettings
    from stripsight.scoring.threads import settle_threads

    say_loading()
    wanted = _parse_opponents(against)
    opened = open_bundle(bundle)
    if out is not None:
        check_writable(out)
    total, _ = settle_threads(threads, streams)
    names = list(dict.fromkeys(variant or [opened.manifest.chosen]))
    settings = [EngineSettings(variant=name, threads=total, streams=streams) for name in names]
    opponents, missing = _find_opponents(opened, wanted, total, asked=against is not None)
    with Stages() as stages:
        measured = run_benchmark(
            opened, settings, opponents, seconds=seconds, report_progress=stages.report
        )
    content = to_json(measured)
    if out is not None:
        from stripsight.scoring.bench.plot import draw_benchmark

        picture, text = draw_benchmark(measured), json.dumps(content, indent=2) + "\n"
        with make_folder(out):
            write_atomically(out / "bench.svg", picture.encode())
            write_atomically(out / "bench.json", text.encode())
    loud = not measured.steadiness.steady
    if as_json:
        if loud:
            typer.echo(f"stripsight: {measured.steadiness.describe()}", err=True)
        print_json(content)
        return
    for table in build_tables(measured):
        print_table(table)
    typer.secho(measured.steadiness.describe(), bold=loud, fg="red" if loud else None)
    for note in (*list_notes(measured), *missing):
        typer.echo(f"note: {note}")
    if out is not None:
        typer.echo(f"written to {out / 'bench.json'} and {out / 'bench.svg'}")


def _parse_opponents(against: str | None) -> tuple[str, ...]:
    from stripsight.errors import UsageError

    if against is None:
        return _KNOWN
    names = tuple(dict.fromkeys(name.strip() for name in against.split(",")))
    if names == ("none",):
        return ()
    for name in names:
        if name not in _KNOWN:
            raise UsageError(
                f"--against {name!r} is not known: give {', '.join(_KNOWN)}, or none, comma between"
            )
    return names


def _find_opponents(
    bundle: "Bundle", wanted: Sequence[str], threads: int, *, asked: bool
) -> tuple[list["Opponent"], list[str]]:
    """Opponents, and why others are not among them where they were not asked for by name."""
    from stripsight.errors import StripSightError

    builders = {"pytorch": _oppose_pytorch, "onnxruntime": _oppose_onnx_runtime}
    opponents, missing = [], []
    for name in wanted:
        try:
            opponents.append(builders[name](bundle, threads))
        except StripSightError as error:
            if asked:
                raise
            missing.append(f"not compared with {name}: {error}")
    return opponents, missing


def _oppose_pytorch(bundle: "Bundle", threads: int) -> "Opponent":
    from importlib.util import find_spec

    from stripsight.errors import BundleError, EngineError

    if find_spec("torch") is None or find_spec("timm") is None:
        raise EngineError("PyTorch is not installed: pip install 'stripsight[train]'")
    runs = bundle.manifest.provenance.get("runs")
    rows = runs if isinstance(runs, list) else []
    names = [row.get("backbone") for row in rows if isinstance(row, dict)]
    backbones = [name for name in names if isinstance(name, str)]
    if not backbones or len(backbones) < len(rows):
        raise BundleError("the bundle does not say which backbones it holds: export it again")
    # The lab's: imported only where it is installed.
    from stripsight.models.eager import oppose_eager

    return oppose_eager(backbones, len(bundle.manifest.classes), threads)


def _oppose_onnx_runtime(bundle: "Bundle", threads: int) -> "Opponent":
    from importlib.util import find_spec

    from stripsight.errors import EngineError
    from stripsight.scoring.bench.contender import oppose_onnx_runtime

    if find_spec("onnxruntime") is None:
        raise EngineError("ONNX Runtime is not installed: pip install onnxruntime")
    return oppose_onnx_runtime(bundle, threads)
