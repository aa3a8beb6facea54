"""`stripsight bundle ...`: look at a bundle, check it, change its thresholds."""

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from stripsight.decision.document import Decisions
    from stripsight.decision.policy import ClassPolicy
    from stripsight.labels import ClassList

app = typer.Typer(help="Look at a bundle, check it, change its thresholds.", no_args_is_help=True)

_Bundle = Annotated[Path, typer.Argument(metavar="BUNDLE", help="Made by `stripsight export`.")]
_AsJson = Annotated[bool, typer.Option("--json", help="The same as JSON.")]


class _Backend(StrEnum):
    onnxruntime = "onnxruntime"
    openvino = "openvino"


@app.callback()
def bundle() -> None:
    """Look at a bundle, check it, change its thresholds."""


@app.command()
def show(bundle: _Bundle, as_json: _AsJson = False) -> None:
    """Say what a bundle holds: classes, thresholds and what they come to, variants, origin."""
    from stripsight.bundle.folder import open_bundle
    from stripsight.cli.bundle_tables import print_bundle
    from stripsight.cli.terminal import print_json

    opened = open_bundle(bundle)
    if as_json:
        print_json(opened.manifest.to_json())
    else:
        print_bundle(opened)


@app.command()
def verify(
    bundle: _Bundle,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Run only this one; repeatable. Default: every variant that this machine can"
            " run, and it must be able to run the chosen one.",
            show_default=False,
        ),
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Check files, graphs and golden images; exit 1 with the first fault."""
    from stripsight.bundle.collapse import list_collapse
    from stripsight.bundle.policy_change import is_as_exported
    from stripsight.cli.bundle_tables import describe_card, print_collapse
    from stripsight.cli.terminal import print_json
    from stripsight.scoring.verification import verify_bundle

    def say(line: str) -> None:
        if not as_json:
            typer.echo(line)

    verification = verify_bundle(bundle, tuple(variant or ()), say)
    manifest = verification.bundle.manifest
    if as_json:
        print_json(
            {
                "bundle_id": manifest.bundle_id,
                "files": len(manifest.files),
                "chosen": manifest.chosen,
                "card_is_of_these_thresholds": is_as_exported(manifest),
                "collapse": list(list_collapse(manifest)),
                "runs": [run.to_json() for run in verification.runs],
            }
        )
    else:
        typer.echo(describe_card(manifest))
        print_collapse(list_collapse(manifest))
        typer.echo(f"{bundle} is whole: id {manifest.bundle_id[:16]}, {manifest.chosen} is chosen")


@app.command("set-policy")
def set_policy(
    bundle: _Bundle,
    decisions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A decisions.json of the same network, by `stripsight decide`.",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=0.4",
            help="From this probability on a defect, below it clean. Repeatable.",
            show_default=False,
        ),
    ] = None,
    review: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CLASS=0.2:0.6",
            help="Clean below the first, a defect from the second on, between them for a person."
            " Repeatable.",
            show_default=False,
        ),
    ] = None,
    variant: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Choose it from now on; it must pass.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="NEW", help="Leave the bundle and write another.", show_default=False),
    ] = None,
    as_json: _AsJson = False,
) -> None:
    """Change thresholds, or the chosen variant, without exporting again: no graph is touched.

    The manifest is signed anew. Every variant goes through its quality gate again under the new
    thresholds; refused where the chosen one does not pass.
    """
    from stripsight.bundle.policy_change import change_policy
    from stripsight.cli.bundle_change import list_falls, print_change
    from stripsight.cli.terminal import print_json
    from stripsight.errors import UsageError

    by_hand = bool(threshold or review)
    if by_hand and decisions:
        raise UsageError("give either --decisions FILE, or --threshold and --review for classes")
    if decisions:
        change = _read_file(decisions)
    elif by_hand:
        change = _set_by_hand(bundle, threshold or [], review or [])
    elif variant:
        change = _keep
    else:
        raise UsageError(
            "nothing to change: give --decisions FILE, --threshold or --review for classes, or"
            " --variant"
        )
    done = change_policy(bundle, change, variant=variant, out=out)
    if as_json:
        print_json(
            {
                "folder": str(done.folder),
                "before": done.before.to_json(),
                "after": done.after.to_json(),
                "warnings": list_falls(done),
            }
        )
    else:
        print_change(done)


def _keep(old: "Decisions") -> "Decisions":
    return old


def _read_file(path: Path) -> Callable[["Decisions"], "Decisions"]:
    def change(old: "Decisions") -> "Decisions":
        from stripsight.bundle.policy_change import replace_decisions
        from stripsight.decision.document import load_decisions

        return replace_decisions(old, load_decisions(path, old.class_names))

    return change


def _set_by_hand(
    folder: Path, thresholds: list[str], reviews: list[str]
) -> Callable[["Decisions"], "Decisions"]:
    from stripsight.bundle.folder import open_manifest
    from stripsight.bundle.policy_change import set_thresholds

    policies = parse_thresholds(thresholds, reviews, open_manifest(folder).classes)
    return lambda old: set_thresholds(old, policies)


def parse_thresholds(
    thresholds: list[str], reviews: list[str], classes: "ClassList"
) -> dict[str, "ClassPolicy"]:
    """`CLASS=0.4` and `CLASS=0.2:0.6` as policies by class name.

    Raises:
        UsageError: another form, a class that is unknown or named twice, or no thresholds.
    """
    from stripsight.decision.policy import ClassPolicy
    from stripsight.errors import DecisionError, UnknownClassError, UsageError

    policies: dict[str, ClassPolicy] = {}
    for option, words, count in (("--threshold", thresholds, 1), ("--review", reviews, 2)):
        for word in words:
            # A class name may hold an equals sign, a number cannot.
            key, _, text = word.rpartition("=")
            example = "CLASS=0.4" if count == 1 else "CLASS=0.2:0.6"
            try:
                numbers = [float(number) for number in text.split(":")]
                if not key or len(numbers) != count:
                    raise ValueError
                name = classes.find(key).name
                if not all(0 <= number <= 1 for number in numbers):
                    raise UsageError(f"{option} {word!r}: a probability lies between 0 and 1")
                if numbers[0] > numbers[-1]:
                    raise UsageError(f"{option} {word!r}: the first must not be above the second")
                policy = ClassPolicy(numbers[0], numbers[-1])
            except ValueError as error:
                raise UsageError(f"{option} {word!r}: {example} is needed") from error
            except (DecisionError, UnknownClassError) as error:
                raise UsageError(f"{option} {word!r}: {error}") from error
            if name in policies:
                raise UsageError(f"thresholds of {name!r} are given twice")
            policies[name] = policy
    return policies


@app.command()
def triton(
    bundle: _Bundle,
    repository: Annotated[
        Path, typer.Argument(metavar="DIR", help="Triton's model repository; made if missing.")
    ],
    backend: Annotated[
        _Backend,
        typer.Option(help="onnxruntime: fp32, on GPUs too; openvino: the chosen variant, on CPUs."),
    ] = _Backend.onnxruntime,
    name: Annotated[
        str | None,
        typer.Option(help="Of the model; the bundle's if not given.", show_default=False),
    ] = None,
    kserve: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write an InferenceService for it, too.", show_default=False
        ),
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(
            metavar="URI",
            help="With --kserve: where it will find the repository. Default: pvc://models.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Add a bundle to a model repository of NVIDIA's Triton Inference Server.

    Triton answers with logits; calibration and thresholds stand in the manifest that goes along.
    """
    from stripsight.bundle.collapse import list_collapse
    from stripsight.bundle.folder import open_bundle
    from stripsight.cli.bundle_tables import print_collapse
    from stripsight.errors import UsageError
    from stripsight.export.kserve import (
        STORAGE,
        build_kserve_manifest,
        check_service_file,
        write_kserve_manifest,
    )
    from stripsight.export.triton import write_triton_repository

    opened = open_bundle(bundle)
    if storage is not None and kserve is None:
        raise UsageError(f"--storage {storage} stands in an InferenceService: give --kserve, too")
    storage = STORAGE if storage is None else storage
    build_kserve_manifest(opened, storage)  # a wrong --storage before anything is written
    if kserve is not None:
        check_service_file(kserve)
    model = write_triton_repository(opened, repository, backend=backend.value, name=name)
    typer.echo(f"{model.variant} for Triton's {model.backend} backend: {model.folder}")
    if kserve is not None:
        write_kserve_manifest(opened, kserve, storage, name=name)
        typer.echo(f"KServe: put {repository} at {storage}, then kubectl apply -f {kserve}")
    typer.echo("clients get logits: docs/onnx.md turns them into verdicts by manifest.json")
    print_collapse(list_collapse(opened.manifest))
