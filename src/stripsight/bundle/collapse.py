"""Classes that a bundle does not find: whoever puts it on a line is told, wherever it is used.

`export` refuses such a run unless it is asked for, and then writes into the provenance what
`evaluate` found; thresholds that were set since may lose another class, which the gate's figures
show. Both stand in the manifest.
"""

from stripsight.bundle.manifest import Manifest

KEY = "collapse"
"""Of the provenance: a list of sentences, one a class and part; absent where there is none."""


def list_collapse(manifest: Manifest) -> tuple[str, ...]:
    """A sentence for each class that is never found or called: of export, then of now."""
    noted = manifest.provenance.get(KEY)
    at_export = [f"at export: {line}" for line in noted] if isinstance(noted, list) else []
    return (*map(_print_safely, at_export), *_list_lost(manifest))


def _list_lost(manifest: Manifest) -> list[str]:
    lines = []
    gate = manifest.find_variant(manifest.chosen).gate
    limits = dict(zip(manifest.classes.names, manifest.decisions.policy.classes, strict=True))
    for row in gate.get("classes", ()):
        at = limits[row["name"]]
        # With a review band the class may be found by a person: recall alone does not say.
        if row.get("recall") == 0 and at.clean_below == at.defect_from:
            lines.append(
                f"{row['name']} is never found on validation at these thresholds: all"
                f" {row['positives']:,} images with it are called clean"
            )
    return lines


def _print_safely(text: str) -> str:
    """Provenance is text of strangers: no line breaks, no escape sequences."""
    return text if text.isprintable() else ascii(text)[1:-1]
