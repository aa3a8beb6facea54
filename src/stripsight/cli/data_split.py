"""`stripsight data split`: parts of a data set that are even and do not leak."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stripsight.errors import SplitError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from stripsight.data.prepared import PreparedDataset
    from stripsight.data.splits.balance import Deviation
    from stripsight.data.splits.partition import Split
    from stripsight.data.splits.report import SplitReport


class _Scheme(StrEnum):
    holdout = "holdout"
    kfold = "kfold"


class _By(StrEnum):
    group = "group"
    random = "random"


def split(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="What `prepare` made.")],
    name: Annotated[str, typer.Option(help="Of the split; folds are NAME-1, NAME-2, ...")],
    scheme: Annotated[
        _Scheme, typer.Option(help="Three parts, or folds for cross-validation.")
    ] = _Scheme.holdout,
    folds: Annotated[
        int | None, typer.Option(help="How many, for kfold: 5 if not given.", show_default=False)
    ] = None,
    fractions: Annotated[
        str | None,
        typer.Option(
            help="Of train,validation,test, for holdout: 0.7,0.15,0.15 if not given.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Same seed, same split.")] = 0,
    by: Annotated[
        _By,
        typer.Option(
            help="group keeps look-alikes on one side; random is a plain shuffle, for comparison"
            " with others' numbers only."
        ),
    ] = _By.group,
    force: Annotated[bool, typer.Option("--force", help="Replace a split of that name.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
) -> None:
    """Divide a data set into train, validation and test, or into folds.

    Classes and label sets are spread evenly, and look-alike images stay on one side. In fold i of a
    kfold, part i is test, the next part validation, the rest train.
    """
    if scheme is _Scheme.holdout and folds is not None:
        raise UsageError("--folds is for --scheme kfold only")
    if scheme is _Scheme.kfold and fractions is not None:
        raise UsageError("--fractions is for --scheme holdout only: folds are of equal size")
    from stripsight.cli.terminal import print_json, print_table
    from stripsight.data.lookalikes.links import load_links
    from stripsight.data.prepared import load_prepared
    from stripsight.data.splits.lock import lock_splits
    from stripsight.data.splits.report import report_splits
    from stripsight.data.splits.store import check_unused, load_split, save_splits
    from stripsight.data.splits.stratify import check_fractions, share_equally
    from stripsight.log import configure_logging

    configure_logging()
    count = 5 if folds is None else folds
    names, of = [name], None
    try:
        if scheme is _Scheme.kfold:
            share_equally(count)
            names, of = [f"{name}-{number}" for number in range(1, count + 1)], name
        shares = check_fractions(
            _parse_fractions("0.7,0.15,0.15" if fractions is None else fractions)
        ).tolist()
        prepared = load_prepared(dataset)
    except SplitError as error:
        raise UsageError(str(error)) from error
    with lock_splits(dataset):
        try:
            check_unused(prepared, names, of=of, force=force)
        except SplitError as error:
            raise UsageError(str(error)) from error
        made = _make(prepared, name, scheme, by, seed=seed, folds=count, shares=shares)
        # As read back, with the look-alikes just found: what later commands will use.
        prepared = load_prepared(dataset)
        paths = save_splits(prepared, made)
    leaks: Literal["refuse", "ignore"] = "refuse" if by is _By.group else "ignore"
    stored = [load_split(prepared, one.name, leaks=leaks) for one in made]
    report = report_splits(prepared, stored, searched=load_links(prepared) is not None)
    if as_json:
        print_json(report.to_json() | {"files": [str(path) for path in paths]})
    else:
        typer.echo(f"split {report.title}, seed {seed}")
        print_table(_build_table(report))
        for line in report.format_lines():
            typer.echo(line)
        typer.echo(f"written to {paths[0]}" + (f" ... {paths[-1].name}" if paths[1:] else ""))
        typer.echo(f"next: stripsight train data.root={dataset} data.split={made[0].name}")
        if made[1:]:
            typer.echo(
                f"      and so on to {made[-1].name}; `stripsight evaluate` each run, then judge"
                " all by `stripsight folds RUN RUN...`"
            )


def _make(
    prepared: "PreparedDataset",
    name: str,
    scheme: _Scheme,
    by: _By,
    *,
    seed: int,
    folds: int,
    shares: list[float],
) -> "tuple[Split, ...]":
    from stripsight.data.lookalikes.links import check_storable, load_links
    from stripsight.data.splits.store import make_folds, make_split

    if scheme is _Scheme.kfold:
        _check_folds(folds, len(prepared.labelled_images), "labelled images")
    if by is _By.group and load_links(prepared) is None:
        check_storable(prepared.root)
        prepared = _search_look_alikes(prepared)
    if scheme is _Scheme.holdout:
        return (make_split(prepared, name, fractions=shares, seed=seed, by=by.value),)
    if by is _By.group:
        groups = prepared.labelled_images["duplicate_group"]
        found = groups[groups >= 0].nunique() + int((groups < 0).sum())
        _check_folds(folds, found, "groups of look-alikes and single images")
    return make_folds(prepared, name, folds=folds, seed=seed, by=by.value)


def _check_folds(folds: int, count: int, what: str) -> None:
    """Refuse a number of folds in whose place another would do; no such number is no usage."""
    from stripsight.data.splits.stratify import MIN_FOLDS

    if folds > count >= MIN_FOLDS:
        raise UsageError(f"--folds {folds}: there are {count:,} {what}; ask for {count:,} at most")


def _parse_fractions(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError as error:
        message = f"--fractions {text!r}: three numbers such as 0.7,0.15,0.15 are needed"
        raise UsageError(message) from error


def _search_look_alikes(prepared: "PreparedDataset") -> "PreparedDataset":
    from stripsight.cli.progress import show_progress
    from stripsight.data.lookalikes.duplicates import find_links
    from stripsight.data.lookalikes.links import check_all_read, save_links
    from stripsight.data.statistics.scan import scan_dataset
    from stripsight.reporting.quantities import format_quantity

    typer.echo("look-alikes of this data set were not searched yet: searching", err=True)
    with show_progress("scanning") as report:
        scan = scan_dataset(prepared, fingerprints=True, report_progress=report)
    check_all_read(prepared, scan.unreadable)
    with show_progress("comparing") as report:
        links = find_links(prepared, scan.fingerprints, report_progress=report)
    prepared = save_links(prepared, links)
    found = format_quantity(len(links), "link")
    typer.echo(f"{found} between look-alikes found and stored", err=True)
    return prepared


def _format_stray(deviation: "Deviation") -> str:
    """Per cents, or images where these would be above 100 %, i.e. where few were expected."""
    if deviation.relative > 1:
        return f"{deviation.images:.1f} images"
    return f"{deviation.relative:.2%}"


def _build_table(report: "SplitReport") -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    balance = report.balance
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("images", no_wrap=True)
    for part in (*balance.parts, "all", "strays by"):
        table.add_column(part, justify="right", no_wrap=True)
    columns = [*balance.parts.values(), balance.total]
    table.add_row("in all", *(f"{part.images:,}" for part in columns), "")
    table.add_row("clean", *(f"{part.clean:,}" for part in columns), "")
    strays = {deviation.name: _format_stray(deviation) for deviation in balance.classes}
    for name in balance.total.classes:
        counts = (f"{part.classes[name]:,}" for part in columns)
        table.add_row(Text(name), *counts, strays.get(name, "-"))
    return table
