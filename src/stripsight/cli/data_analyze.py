"""`stripsight data analyze`: a data set as a page that a quality engineer reads."""

from pathlib import Path
from typing import Annotated

import typer

from stripsight.cli.terminal import print_json


def analyze(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="What `prepare` made.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report; DATASET/analysis if not given.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Compare this split's parts; `holdout` or the first if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every number as JSON.")] = False,
) -> None:
    """Write analysis.html: classes, defects, images, look-alikes, and what to do about them.

    One self-contained file that opens offline, beside the figures as PNG and the numbers as JSON.
    """
    import json

    from stripsight import __version__
    from stripsight.atomic import check_writable
    from stripsight.cli.progress import Stages, show_progress
    from stripsight.data.analysis.findings import collect_findings
    from stripsight.data.analysis.report import NUMBERS, check_folder, write_report
    from stripsight.data.analysis.study import study_dataset
    from stripsight.data.prepared import load_prepared
    from stripsight.reporting.page import LEVEL_WORDS

    prepared = load_prepared(dataset)
    folder = out if out is not None else dataset / "analysis"
    check_folder(folder)
    check_writable(folder)
    with Stages() as stages:
        study = study_dataset(prepared, split=split, report_progress=stages.report)
    findings = collect_findings(study)
    with show_progress("drawing sections") as report:
        page = write_report(study, findings, folder, version=__version__, report_progress=report)
    if as_json:
        print_json(json.loads(page.with_name(NUMBERS).read_bytes()))
        return
    for finding in findings:
        typer.echo(
            f"{LEVEL_WORDS[finding.level]}: {finding.title} ({finding.number} {finding.unit})"
        )
    typer.echo(f"\nwritten to {page}")
