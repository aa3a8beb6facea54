"""Thresholds change, promises do not outlive them, and a manifest is never half of two."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stripsight.atomic import name_own_temporary
from stripsight.bundle.folder import open_bundle, write_manifest
from stripsight.bundle.manifest import FILE_NAME
from stripsight.bundle.policy_change import change_policy, replace_decisions, set_thresholds
from stripsight.decision.document import Decisions, apply_decisions
from stripsight.decision.policy import CLEAN, DEFECT, REVIEW, ClassPolicy
from stripsight.errors import BundleError


@pytest.fixture(scope="module")
def whole(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("policy") / "bundle", golden=1, chosen="int8")


@pytest.fixture
def bundle(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "bundle")


def set_spot(low: float, high: float | None = None) -> Callable[[Decisions], Decisions]:
    policy = ClassPolicy(low, low if high is None else high)
    return lambda decisions: set_thresholds(decisions, {"spot": policy})


def test_new_thresholds_decide_and_nothing_else_moves(bundle: Path) -> None:
    before = {p: p.read_bytes() for p in bundle.rglob("*") if p.is_file() and p.name != FILE_NAME}
    done = change_policy(bundle, set_spot(0.2, 0.6))
    assert {p: p.read_bytes() for p in before} == before
    opened = open_bundle(bundle)
    assert opened.manifest == done.after
    assert opened.manifest.bundle_id != done.before.bundle_id
    # Temperature 1.5: probabilities of 0.1, 0.4 and 0.7 in each class.
    wanted = np.array([0.1, 0.4, 0.7])
    logits = 1.5 * np.log(wanted / (1 - wanted))[:, None].repeat(3, axis=1)
    codes = apply_decisions(opened.manifest.decisions, logits)
    assert codes[:, 1].tolist() == [CLEAN, REVIEW, DEFECT]
    assert codes[:, 0].tolist() == codes[:, 2].tolist() == [CLEAN, CLEAN, DEFECT]


def test_a_promise_does_not_outlive_its_thresholds(bundle: Path) -> None:
    manifest = open_bundle(bundle).manifest
    promise = {"words": "at most 5 % of rust escape", "met": True}
    write_manifest(
        replace(manifest, decisions=replace(manifest.decisions, promises=(promise,))), bundle
    )
    done = change_policy(bundle, set_spot(0.4))
    assert done.before.decisions.promises == (promise,)
    assert done.after.decisions.promises == ()
    assert b'promises": []' in (bundle / FILE_NAME).read_bytes()


def test_what_was_set_by_hand_is_kept_in_mind(bundle: Path) -> None:
    change_policy(bundle, set_spot(0.4))
    policy = ClassPolicy.at(0.3)
    done = change_policy(bundle, lambda old: set_thresholds(old, {"rust": policy}))
    assert done.after.decisions.policy.name == "by_hand"
    assert done.after.decisions.policy.settings == {"before": "max_f1", "set": ["rust", "spot"]}
    assert done.after.decisions.policy.classes[1] == ClassPolicy.at(0.4)


def test_refused_where_the_chosen_variant_no_longer_passes(bundle: Path) -> None:
    before = (bundle / FILE_NAME).read_bytes()
    message = (
        r"int8 does not pass its gate under these thresholds \(recall of spot falls from 1.000 to"
        r" 0.950.*choose --variant fp32 or bf16"
    )
    with pytest.raises(BundleError, match=message):
        change_policy(bundle, set_spot(0.785))
    assert (bundle / FILE_NAME).read_bytes() == before
    done = change_policy(bundle, set_spot(0.785), variant="fp32")
    assert done.after.chosen == "fp32"
    assert [v.passed for v in done.after.variants] == [True, True, False]
    assert "fp32 was asked for" in done.after.why_chosen


def test_the_chosen_variant_stays_where_it_passes(bundle: Path) -> None:
    assert change_policy(bundle, set_spot(0.785), variant="bf16").after.chosen == "bf16"
    done = change_policy(bundle, set_spot(0.5))
    assert done.after.chosen == "bf16"
    assert "int8 is the fastest variant that passes" in done.after.why_chosen


def test_an_unknown_variant_is_named(bundle: Path) -> None:
    with pytest.raises(BundleError, match="no variant 'int4'"):
        change_policy(bundle, set_spot(0.5), variant="int4")


def test_decisions_of_another_network_are_refused(bundle: Path) -> None:
    decisions = open_bundle(bundle).manifest.decisions
    other = replace(decisions, fitted_on=replace(decisions.fitted_on, checkpoint="f" * 64))
    with pytest.raises(BundleError, match="fitted on another network"):
        change_policy(bundle, lambda old: replace_decisions(old, other))


def test_decisions_of_the_same_network_keep_their_promises(bundle: Path) -> None:
    other = replace(
        open_bundle(bundle).manifest.decisions, promises=({"words": "all", "met": True},)
    )
    done = change_policy(bundle, lambda old: replace_decisions(old, other))
    assert done.after.decisions == other


def test_another_folder_leaves_the_bundle_as_it_is(bundle: Path, tmp_path: Path) -> None:
    before = (bundle / FILE_NAME).read_bytes()
    (bundle / "stray").write_bytes(b"x")
    done = change_policy(bundle, set_spot(0.4), out=tmp_path / "deep" / "new")
    assert (bundle / FILE_NAME).read_bytes() == before
    assert open_bundle(tmp_path / "deep" / "new").manifest == done.after
    assert not (tmp_path / "deep" / "new" / "stray").exists()
    with pytest.raises(BundleError, match="exists: name a new folder"):
        change_policy(bundle, set_spot(0.4), out=tmp_path / "deep" / "new")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["new"]


def test_a_bundle_whose_stored_logits_changed_is_refused(bundle: Path) -> None:
    data = bytearray((bundle / "validation.npz").read_bytes())
    data[-40] ^= 1
    (bundle / "validation.npz").write_bytes(data)
    with pytest.raises(BundleError, match=r"validation\.npz is not the file"):
        change_policy(bundle, set_spot(0.4))


def test_a_full_disk_leaves_the_old_manifest(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (bundle / FILE_NAME).read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        change_policy(bundle, set_spot(0.4))
    assert (bundle / FILE_NAME).read_bytes() == before
    assert not list(bundle.glob(".*"))


def test_a_full_disk_names_the_new_bundle_and_leaves_nothing(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left") as error:
        change_policy(bundle, set_spot(0.4), out=tmp_path / "deep" / "new")
    assert error.value.filename == str(tmp_path / "deep" / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_the_copy_that_a_kill_left_is_removed(bundle: Path, tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1)
    left = name_own_temporary(tmp_path / "new", int(ended.stdout))
    left.mkdir()
    (left / "fp32.xml").write_text("half")
    change_policy(bundle, set_spot(0.4), out=tmp_path / "new")
    assert not left.exists()


def _change_class(folder: Path, name: str, ready: Any) -> None:
    ready.wait()
    for step in range(5):
        policy = ClassPolicy.at(0.2 + step / 100)
        change_policy(folder, lambda old, policy=policy: set_thresholds(old, {name: policy}))


def test_changes_at_the_same_time_all_count(bundle: Path) -> None:
    context = multiprocessing.get_context("fork")
    ready = context.Barrier(3)
    names = ("scratch", "spot", "rust")
    workers = [context.Process(target=_change_class, args=(bundle, n, ready)) for n in names]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        open_bundle(bundle)  # never half
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    decisions = open_bundle(bundle).manifest.decisions
    assert [c.defect_from for c in decisions.policy.classes] == [0.2 + 4 / 100] * 3
    assert not list(bundle.glob(".*"))


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_kill_leaves_the_old_manifest_or_the_new(bundle: Path, step: str) -> None:
    """Killed right before the new file is safe, and right before it takes the old one's place."""
    code = f"""
import os, signal, pathlib, sys
def die(*_, **__): os.kill(os.getpid(), signal.SIGKILL)
{"os.fsync" if step == "fsync" else "pathlib.Path.replace"} = die
from stripsight.cli.app import run_command
run_command(["bundle", "set-policy", sys.argv[1], "--threshold", "spot=0.4"])
"""
    before = open_bundle(bundle).manifest
    done = subprocess.run([sys.executable, "-c", code, str(bundle)], capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert open_bundle(bundle).manifest == before
    assert list(bundle.glob(".*.partial"))
    after = change_policy(bundle, set_spot(0.4)).after
    assert open_bundle(bundle).manifest == after
    assert not list(bundle.glob(".*.partial"))


def test_a_signed_manifest_says_what_it_was_signed_for(bundle: Path) -> None:
    change_policy(bundle, set_spot(0.4))
    document = json.loads((bundle / FILE_NAME).read_bytes())
    assert document["decisions"]["policy"]["classes"][1] == {
        "clean_below": 0.4,
        "defect_from": 0.4,
    }
