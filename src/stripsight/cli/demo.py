"""`stripsight demo`: the whole way on a generated data set, with the steps a user would type."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from stripsight.errors import UsageError

# Small enough for two cores and a few minutes, from scratch: it shows the way, not a record.
# Log-sum-exp pooling: averaged over the whole strip, a small defect teaches a fresh network little.
OVERRIDES = (
    "model.backbone=resnet10t",
    "model.pretrained=false",
    "model.pooling=lse",
    "model.dropout=0.0",
    "data.image_size=[64,400]",
    "training.batch_size=8",
    "training.learning_rate=0.003",
    "training.ema_decay=0.98",
    "training.early_stopping_patience=0",
)


def demo(
    destination: Annotated[Path, typer.Argument(metavar="DEST", help="A new or empty folder.")],
    images: Annotated[int, typer.Option(min=40, help="How many images.")] = 400,
    epochs: Annotated[int, typer.Option(min=1, help="How long to train.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Of images, split and training.")] = 0,
) -> None:
    """Generate strips, prepare them, train on them and judge the result."""
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise UsageError(f"{destination} exists and is not empty: name another folder")
    if find_spec("torch") is None:  # said before the strips are painted, not after
        raise ModuleNotFoundError("no torch", name="torch")
    source, prepared, run = (destination / name for name in ("kaggle", "prepared", "run"))
    overrides = [
        f"data.root={prepared}",
        f"data.split_seed={seed}",
        f"training.seed={seed}",
        f"training.num_epochs={epochs}",
        *OVERRIDES,
    ]
    from stripsight.cli.app import run_command

    for step in (
        ["data", "demo", source, "--images", images, "--seed", seed],
        ["data", "prepare", source, prepared],
        ["data", "split", prepared, "--name", "holdout", "--seed", seed],  # searches look-alikes
        ["train", *overrides, "--run", run],
        ["evaluate", run, "--allow-collapse"],  # after a short training the way still ends
    ):
        words = [str(word) for word in step]
        typer.secho(f"\n$ stripsight {' '.join(words)}", bold=True)
        code = run_command(words)
        if code != 0:
            raise typer.Exit(code)
