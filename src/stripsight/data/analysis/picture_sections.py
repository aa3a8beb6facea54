"""The sections of pictures: look-alikes, examples, extremes, suspects."""

from collections.abc import Iterator

from stripsight.data.analysis.galleries import (
    MOST_CONFLICTS,
    show_conflicts,
    show_examples,
    show_extremes,
    show_links,
    show_multiple,
    show_suspects,
)
from stripsight.data.analysis.picture_book import PictureBook
from stripsight.data.analysis.study import Study
from stripsight.reporting.page import Block, Column, Note, Section, Table
from stripsight.reporting.quantities import format_count, format_quantity


def show_look_alikes(study: Study, book: PictureBook) -> Section:
    """Kinds of links, then conflicts and a few links with pictures side by side."""
    if not study.links:
        return Section("look-alikes", "Look-alikes", [Note("No two images show the same steel.")])
    kinds: dict[str, set[str]] = {}
    links: dict[str, int] = {}
    for link in study.links:
        kinds.setdefault(link.kind, set()).update((link.first, link.second))
        links[link.kind] = links.get(link.kind, 0) + 1
    table = Table(
        "Links between images that show the same steel",
        [Column("Kind"), Column("Links", numeric=True), Column("Images", numeric=True)],
        [(kind, format_count(n), format_count(len(kinds[kind]))) for kind, n in links.items()],
    )
    shown = [*show_conflicts(book), *show_links(book)]
    more = len(study.conflicts) - MOST_CONFLICTS
    note = [Note(f"{format_quantity(more, 'more group')} in analysis.json.")] if more > 0 else []
    return Section("look-alikes", "Look-alikes", [table, *shown, *note])


def show_galleries(book: PictureBook) -> Iterator[Section]:
    """Examples of each class, extremes where defects are drawn, suspects."""
    examples: list[Block] = list(show_examples(book))
    if (multiple := show_multiple(book)) is not None:
        examples.append(multiple)
    why = "No image that can be read is labelled."
    yield Section("examples", "Examples", examples or [Note(why)])
    extremes = list(show_extremes(book))
    if extremes:
        yield Section(
            "extremes",
            "Smallest and largest defects",
            extremes,
            "Each from another image, enlarged or reduced to one size; its own size is below.",
        )
    suspects = show_suspects(book)
    yield Section(
        "suspects",
        "Suspects",
        [suspects] if suspects else [Note("No image is black, saturated or far from all others.")],
    )
