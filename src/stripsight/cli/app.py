"""The command line's root: groups, exit codes, and errors as one line on stderr.

Commands live in one module per group and import their work when they run, so that
`stripsight --help` stays quick. Exit codes: 0 done, 1 the job failed or a check found errors,
2 wrong usage, 130 interrupted.
"""

import importlib.util
import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from stripsight import __version__
from stripsight.cli import (
    bench,
    bundle,
    compare,
    data,
    decide,
    demo,
    evaluate,
    export,
    folds,
    score,
    train,
)
from stripsight.errors import StripSightError

# A line computer has the command line but not the lab (pyproject.toml says what brings what).
_EXTRA_OF = {
    **dict.fromkeys(("torch", "torchvision", "timm", "lightning", "torchmetrics"), "train"),
    **dict.fromkeys(("hydra", "omegaconf", "sklearn", "scipy", "pandas", "yaml"), "train"),
    **dict.fromkeys(("matplotlib", "jinja2", "defusedxml"), "train"),
    **dict.fromkeys(("onnxscript", "nncf"), "train,export"),
    **dict.fromkeys(
        ("openvino", "onnxruntime", "onnx", "pyarrow", "rich", "threadpoolctl"), "serve"
    ),
    "ray": "cluster",
}

app = typer.Typer(
    name="stripsight",
    help="Surface defects on flat steel: prepare, train, judge.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.add_typer(data.app, name="data")
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.command("decide")(decide.decide)
app.command("compare")(compare.compare)
app.command("folds")(folds.folds)
app.command("export")(export.export)
app.add_typer(bundle.app, name="bundle")
app.command("bench")(bench.bench)
app.command("score")(score.score)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stripsight {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Surface defects on flat steel: prepare, train, judge."""


def run_command(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code; errors go to stderr as one line."""
    try:
        code = typer.main.get_command(app).main(
            args=None if arguments is None else list(arguments),
            prog_name="stripsight",
            standalone_mode=False,
        )
    except StripSightError as error:
        return _fail(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except OSError as error:
        return _fail(_describe_os_error(error), 1)
    except ModuleNotFoundError as error:
        extra = _find_extra(error.name or "")
        if extra is None:
            raise
        return _fail(
            f"{error.name} is not installed, and this command needs it:"
            f" pip install 'stripsight[{extra}]'",
            1,
        )
    except Exception as error:
        # Typer's own usage errors share no public base class; they all carry these two.
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):
            message = error.format_message().replace("\n", " ")
            return _fail(f"{message} (see --help)" if message else "", 2)
        raise
    if code == 130:
        return _fail("interrupted", 130)
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the `stripsight` command."""
    # Any class or file name may be printed; a terminal that lacks a letter gets its number.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run_command())


def _fail(message: str, code: int) -> int:
    if message:
        typer.echo(f"stripsight: {message}", err=True)
    return code


def _find_extra(module: str) -> str | None:
    """What brings a package that is not there; None where it is there and broken, or not ours."""
    package = module.partition(".")[0]
    extra = _EXTRA_OF.get(package)
    return extra if extra is None or importlib.util.find_spec(package) is None else None


def _describe_os_error(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
