"""Another decision rule for a bundle: its manifest is signed anew, and no graph is touched.

Every variant goes through its gate again, for the stored logits say what the new thresholds do to
each. Changes of one bundle wait for each other; whoever opens it meanwhile, or after a kill, has
the old manifest or the new one.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from stripsight.atomic import (
    make_folder,
    name_in_errors,
    name_own_temporary,
    remove_dead_folders,
    remove_unfinished,
)
from stripsight.bundle.folder import Bundle, open_bundle, write_manifest
from stripsight.bundle.gate import regate
from stripsight.bundle.manifest import Manifest, hash_content
from stripsight.decision.document import Decisions, to_record
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.errors import BundleError

BY_HAND = "by_hand"
"""Name of a policy whose thresholds a person has set."""

AT_EXPORT = "thresholds_at_export"
"""Of the provenance, from the first change on: their hash, for the model card is of them."""


@dataclass(frozen=True)
class PolicyChange:
    """What was changed.

    Attributes:
        before: the manifest as it was.
        after: as it is now.
        folder: where the bundle under the new rule lies.
    """

    before: Manifest
    after: Manifest
    folder: Path


def set_thresholds(decisions: Decisions, thresholds: Mapping[str, ClassPolicy]) -> Decisions:
    """The rule with thresholds that a person has set for some classes.

    What the old rule promised, a guaranteed recall, was a property of the thresholds that it
    fitted. None of it is kept, of the other classes neither: promises are made together.

    Raises:
        BundleError: a class that the rule does not know.
    """
    for name in thresholds.keys() - set(decisions.class_names):
        raise BundleError(f"the bundle knows no class {name!r}")
    policy = decisions.policy
    classes = tuple(
        thresholds.get(name, old)
        for name, old in zip(decisions.class_names, policy.classes, strict=True)
    )
    earlier = policy.settings if policy.name == BY_HAND else {"before": policy.name, "set": []}
    settings = {**earlier, "set": sorted({*earlier.get("set", []), *thresholds})}
    return replace(decisions, policy=Policy(BY_HAND, settings, classes), promises=())


def replace_decisions(decisions: Decisions, other: Decisions) -> Decisions:
    """Another fitted rule of the same network.

    Raises:
        BundleError: fitted on another network.
    """
    if other.fitted_on.checkpoint != decisions.fitted_on.checkpoint:
        raise BundleError(
            "these decisions were fitted on another network (checkpoint"
            f" {other.fitted_on.checkpoint[:12]}, the bundle's is"
            f" {decisions.fitted_on.checkpoint[:12]}): export that run instead"
        )
    return other


def change_policy(
    folder: Path,
    change: Callable[[Decisions], Decisions],
    *,
    variant: str | None = None,
    out: Path | None = None,
) -> PolicyChange:
    """Put a bundle under another decision rule.

    Args:
        folder: of the bundle.
        change: from its decisions to the new ones.
        variant: to be chosen from now on; None: the one that was.
        out: a new folder for the bundle under the new rule; None: the bundle itself is changed.

    Raises:
        BundleError: a damaged bundle, or the variant does not pass its gate under the new rule.
        OSError: it cannot be written; the bundle is as it was.
    """
    if out is not None and out.exists():
        raise BundleError(f"{out} exists: name a new folder")
    with _lock(folder):
        bundle = open_bundle(folder)
        if out is None:
            remove_unfinished(folder)
        gated = regate(bundle, change(bundle.manifest.decisions))
        after = _remember_export(_choose(gated, bundle.manifest, variant), bundle.manifest)
        if out is None:
            write_manifest(after, folder)
        else:
            _copy(bundle, after, out)
    return PolicyChange(bundle.manifest, after, out or folder)


def is_as_exported(manifest: Manifest) -> bool:
    """Whether the thresholds are those of the export, which MODEL_CARD.md is of."""
    if AT_EXPORT in manifest.provenance:
        return bool(manifest.provenance[AT_EXPORT] == _hash_thresholds(manifest.decisions))
    return manifest.decisions.policy.name != BY_HAND


def _remember_export(after: Manifest, before: Manifest) -> Manifest:
    known = {AT_EXPORT: _hash_thresholds(before.decisions), **before.provenance}
    return replace(after, provenance=known)


def _hash_thresholds(decisions: Decisions) -> str:
    """Of all that turns logits into decisions, whoever set it."""
    record = to_record(decisions)
    return hash_content(
        {"calibration": record["calibration"], "classes": record["policy"]["classes"]}
    )


def _choose(gated: Manifest, before: Manifest, variant: str | None) -> Manifest:
    """A change of thresholds does not change what computes, unless somebody says so."""
    name = variant or before.chosen
    if not gated.find_variant(name).passed:
        reasons = "; ".join(map(str, gated.find_variant(name).gate.get("reasons", ())))
        passing = [other.name for other in gated.variants if other.passed]
        raise BundleError(
            f"{name} does not pass its gate under these thresholds ({reasons}): choose --variant"
            f" {' or '.join(passing)}, or other thresholds"
        )
    if name == gated.chosen:
        return gated
    why = f"{name} was asked for" if variant else f"{name} was chosen before the thresholds changed"
    return replace(gated, chosen=name, why_chosen=f"{why}; by speed, {gated.why_chosen}")


def _copy(bundle: Bundle, manifest: Manifest, out: Path) -> None:
    temporary = name_own_temporary(out)
    with make_folder(out.parent), name_in_errors(out, temporary):
        remove_dead_folders(out.parent, out)
        try:
            temporary.mkdir()
            for file in bundle.manifest.files:
                (temporary / file).parent.mkdir(parents=True, exist_ok=True)
                (temporary / file).write_bytes(bundle.read(file))
            write_manifest(manifest, temporary)
            temporary.rename(out)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Held on the folder itself, so that no file is left in it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield  # no folder: opening it as a bundle says so
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
