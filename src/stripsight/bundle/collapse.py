"""What must not be believed of a bundle: whoever puts it on a line is told, wherever it is used.

Classes that it does not find, and a variant that does not pass its gate and runs all the same.

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


def list_failed_gate(manifest: Manifest, variant: str) -> tuple[str, ...]:
    """A sentence where a variant that somebody asked for does not pass its gate, else ()."""
    gated = manifest.find_variant(variant)
    if gated.passed:
        return ()
    reasons = "; ".join(map(str, gated.gate.get("reasons", ()))) or "no reason is noted"
    return (f"{variant} does not pass its gate: {_print_safely(reasons)}",)


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
