"""`stripsight data duplicates`: find images that show the same steel, and store how they hang
together."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from stripsight.data.lookalikes.links import Conflict, Link
    from stripsight.data.prepared import PreparedDataset

_SHOWN = 20
_EXAMPLES = 5


def duplicates(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="What `prepare` made.")],
    as_json: Annotated[bool, typer.Option("--json", help="Every link as JSON.")] = False,
) -> None:
    """Find images that show the same: copies, re-encoded, behind a text box, overlapping frames.

    The links and the groups that follow from them are stored in the data set; splits keep groups on
    one side. Where an image cannot be read nothing is stored: the search would pass for whole.
    """
    from stripsight.cli.progress import show_progress
    from stripsight.cli.terminal import print_json, print_table
    from stripsight.data.lookalikes.duplicates import find_links
    from stripsight.data.lookalikes.links import (
        LINKS_FILE,
        check_all_read,
        check_storable,
        find_conflicts,
        save_links,
    )
    from stripsight.data.prepared import load_prepared
    from stripsight.data.statistics.scan import scan_dataset
    from stripsight.log import configure_logging
    from stripsight.reporting.quantities import format_quantity

    configure_logging()
    prepared = load_prepared(dataset)
    check_storable(dataset)
    with show_progress("scanning") as report:
        scan = scan_dataset(prepared, fingerprints=True, report_progress=report)
    check_all_read(prepared, scan.unreadable)
    with show_progress("comparing") as report:
        links = find_links(prepared, scan.fingerprints, report_progress=report)
    prepared = save_links(prepared, links)
    conflicts = find_conflicts(prepared, links)
    if as_json:
        print_json(_to_json(prepared, links, conflicts))
        return
    print_table(_build_table(prepared, links))
    for line in _list_examples(links):
        typer.echo(line)
    found = format_quantity(len(conflicts), "group")
    typer.echo(f"{found} with differing labels on images that show the same{':' * bool(conflicts)}")
    for conflict in conflicts[:_SHOWN]:
        named = zip(conflict.images, conflict.labels, strict=True)
        typer.echo("  " + "; ".join(f"{i}: {', '.join(names) or 'clean'}" for i, names in named))
    if len(conflicts) > _SHOWN:
        typer.echo(f"  ... and {len(conflicts) - _SHOWN:,} more (--json lists all)")
    typer.echo(f"written to {dataset / LINKS_FILE}")
    use = " (shows them as pictures); `data split` keeps them on one side" if links else ""
    typer.echo(f"next: stripsight data analyze {dataset}{use}")


def _build_table(prepared: "PreparedDataset", links: Sequence["Link"]) -> "Table":
    from rich import box
    from rich.table import Table

    from stripsight.data.lookalikes.links import LINK_KINDS
    from stripsight.reporting.quantities import format_quantity

    table = Table(
        title=f"{format_quantity(len(links), 'link')} among"
        f" {format_quantity(len(prepared.images), 'image')}",
        box=box.SIMPLE_HEAD,
        title_justify="left",
    )
    table.add_column("kind")
    for heading in ("links", "images", "groups"):
        table.add_column(heading, justify="right")
    for kind in LINK_KINDS:
        table.add_row(kind, *_count(prepared, [link for link in links if link.kind == kind]))
    table.add_section()
    table.add_row("all", *_count(prepared, links))
    return table


def _list_examples(links: Sequence["Link"]) -> list[str]:
    """The most alike pairs of each kind; of identical files there is nothing to measure."""
    from stripsight.data.lookalikes.links import IDENTICAL, LINK_KINDS, OVERLAP

    lines = []
    for kind in LINK_KINDS:
        of_kind = sorted(
            (link for link in links if link.kind == kind), key=lambda link: -link.similarity
        )
        if of_kind:
            lines.append(f"{kind}, e.g.:")
        for link in of_kind[:_EXAMPLES]:
            alike = "" if kind == IDENTICAL else f"  similarity {link.similarity:.3f}"
            apart = f", {link.shift_x:+d} {link.shift_y:+d} pixels apart" * (kind == OVERLAP)
            lines.append(f"  {link.first}  {link.second}{alike}{apart}")
    return lines


def _count(prepared: "PreparedDataset", links: Sequence["Link"]) -> tuple[str, str, str]:
    """Links, images they join, and groups that these images lie in."""
    group_of = dict(zip(prepared.images["id"], prepared.images["duplicate_group"], strict=True))
    images = {image_id for link in links for image_id in (link.first, link.second)}
    counts = len(links), len(images), len({group_of[image_id] for image_id in images})
    links_text, images_text, groups_text = (f"{count:,}" for count in counts)
    return links_text, images_text, groups_text


def _to_json(
    prepared: "PreparedDataset",
    links: Sequence["Link"],
    conflicts: Sequence["Conflict"],
) -> dict[str, Any]:
    from dataclasses import asdict

    joined = prepared.images[prepared.images.duplicated("duplicate_group", keep=False)]
    groups = [list(ids) for _, ids in joined.groupby("duplicate_group")["id"]]
    return {
        "images": len(prepared.images),
        "links": [asdict(link) for link in links],
        "groups": groups,
        "conflicts": [
            dict(zip(conflict.images, map(list, conflict.labels), strict=True))
            for conflict in conflicts
        ],
    }
