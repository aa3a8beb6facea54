"""`stripsight export`: a bundle from a run, or from several as an ensemble."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN... BUNDLE",
            help="A run folder that `stripsight evaluate` has judged, or several as an ensemble;"
            " last the folder to write.",
        ),
    ],
    variants: Annotated[
        str, typer.Option(help="Precisions to build; fp32 always is.")
    ] = "fp32,bf16,int8",
    calibration_images: Annotated[
        int, typer.Option(min=1, help="Training images that int8 is calibrated on.")
    ] = 128,
    name: Annotated[
        str | None, typer.Option(help="Of the bundle; its folder's if not given.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a bundle that stands there, at the end.")
    ] = False,
    allow_collapse: Annotated[
        bool,
        typer.Option(
            "--allow-collapse", help="Export though a class is never found; the bundle says so."
        ),
    ] = False,
    triton: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Add the bundle to this model repository of Triton, too.",
            show_default=False,
        ),
    ] = None,
    kserve: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write an InferenceService for the repository of --triton, too.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON.")] = False,
) -> None:
    """Pack a run for the line: graph, thresholds, golden images, and what each precision costs.

    Every precision predicts the whole validation part by the engine of the line and is held against
    PyTorch. The fastest that keeps 99 % of each class's recall and F1 becomes the default.
    """
    from stripsight.bundle.collapse import list_collapse
    from stripsight.cli.bundle_tables import print_collapse
    from stripsight.cli.progress import Stages
    from stripsight.cli.terminal import print_json, print_table, say_loading
    from stripsight.errors import UsageError

    *runs, folder = paths
    if not runs:
        raise UsageError("give a run, or several as an ensemble, and last the bundle's folder")
    if kserve is not None and triton is None:
        raise UsageError("--kserve serves a repository: give --triton DIR, too")
    # What is refused for its words is refused before PyTorch is loaded.
    from stripsight.export.destination import check_destination
    from stripsight.export.kserve import check_service_file, write_kserve_manifest
    from stripsight.export.settings import ExportSettings
    from stripsight.export.triton import (
        check_repository,
        make_model_name,
        write_triton_repository,
    )

    words = tuple(word.strip() for word in variants.split(",") if word.strip())
    settings = ExportSettings(words, calibration_images, name, force, allow_collapse)
    if triton is not None:
        check_repository(triton, make_model_name(settings.choose_name(folder)))
    if kserve is not None:
        check_service_file(kserve)
    check_destination(folder, force=force)
    say_loading()
    from stripsight.export.run import export_runs
    from stripsight.export.table import list_notes, tabulate_variants, to_json

    with Stages() as stages:
        bundle = export_runs(runs, folder, settings, report_progress=stages.report)
    if triton is not None:
        write_triton_repository(bundle, triton)
    if kserve is not None:
        write_kserve_manifest(bundle, kserve)
    manifest = bundle.manifest
    if as_json:
        print_json(to_json(manifest))
        return
    print_table(tabulate_variants(manifest))
    typer.echo(manifest.why_chosen)
    for note in list_notes(manifest):
        typer.echo(f"note: {note}")
    print_collapse(list_collapse(manifest))
    typer.echo(f"bundle {manifest.bundle_id}")
    typer.echo(f"written to {folder}")
    for path in (triton, kserve):
        if path is not None:
            typer.echo(f"written to {path}")
    typer.echo(f"next: stripsight bundle verify {folder}")
    typer.echo(f"      stripsight score {folder} IMAGES --out scores.parquet")
