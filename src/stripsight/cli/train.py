"""`stripsight train`: from a prepared data set to a run folder."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stripsight.errors import UsageError


def train(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...",
            help="e.g. data.root=PATH model.backbone=resnet50 loss=focal training.num_epochs=50",
            show_default=False,
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            "--run", help="Folder to write; default runs/<time>-<backbone>.", show_default=False
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option("--resume", help="Go on with this run folder.", show_default=False),
    ] = None,
    show_config: Annotated[
        bool, typer.Option("--show-config", help="Print the composed configuration and stop.")
    ] = False,
) -> None:
    """Train a classifier. --show-config prints every key."""
    if resume is not None and (overrides or run or show_config):
        raise UsageError("--resume takes everything from the run: give it alone")
    from stripsight.config.compose import compose_config, format_config

    if resume is None:
        config = compose_config(overrides or [])
        if show_config:
            typer.echo(format_config(config), nl=False)
            return

    from stripsight.cli.terminal import say_loading
    from stripsight.log import configure_logging

    say_loading()
    from stripsight.training.run import name_run, resume_run, start_run

    configure_logging()
    folder = resume or run or name_run(config)
    try:
        if resume is not None:
            summary = resume_run(folder, show_bar=sys.stderr.isatty())
        else:
            summary = start_run(config, folder, show_bar=sys.stderr.isatty())
    except (KeyboardInterrupt, OSError) as error:
        if (folder / "provenance.json").exists():
            typer.echo(f"go on with: stripsight train --resume {folder}", err=True)
        if isinstance(error, OSError):
            raise
        raise typer.Exit(130) from error
    typer.echo(
        f"best epoch {summary.best_epoch}, macro AP {summary.best_macro_ap:.4f} on the validation"
        f" split\nrun folder {summary.run}\nnext: stripsight evaluate {summary.run}"
    )
