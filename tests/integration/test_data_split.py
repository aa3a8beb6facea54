"""`stripsight data split` through the command line, and what other commands make of it."""

import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stripsight.cli.app import run_command
from stripsight.data.lookalikes.links import OVERLAP, Link, save_links
from stripsight.data.prepared import load_prepared, save_prepared
from stripsight.data.splits.lock import lock_splits
from stripsight.data.splits.store import load_split, make_split, save_split
from stripsight.errors import SplitError

TINY_RUN = ["model.backbone=test_resnet", "model.pretrained=false", "training.num_epochs=1",
            "training.precision=32", "training.batch_size=8", "data.num_workers=0"]  # fmt: skip


@pytest.fixture
def root(make_dataset, tiny_labels):
    """60 images whose look-alikes were searched: 0 and 1, 2 and 3, ... 18 and 19 are neighbours."""
    root = make_dataset(tiny_labels)
    dataset = load_prepared(root)
    save_links(
        dataset,
        [Link(f"{i:04}.png", f"{i + 1:04}.png", OVERLAP, 20, 0, 0.99) for i in range(0, 20, 2)],
    )
    return root


@pytest.fixture
def split(root, capsys):
    def run(*words, code=0):
        assert run_command(["data", "split", str(root), *words]) == code
        captured = capsys.readouterr()
        return captured.out if code == 0 else captured.err

    return run


def splits_of(root):
    return sorted(path.name for path in (root / "splits").iterdir())


def test_a_holdout_is_written_counted_and_verified(root, split):
    report = json.loads(split("--name", "holdout", "--seed", "3", "--json"))
    (made,) = report["splits"]
    dataset = load_prepared(root)
    stored = load_split(dataset, "holdout")
    assert (stored.seed, stored.by, stored.fold) == (3, "group", None)
    assert made["hash"] == stored.hash
    assert made["images"] == {"train": 42, "validation": 9, "test": 9}
    assert report["groups_that_cross"] == 0
    assert (report["groups"], report["groups_of_several"]) == (50, 10)
    record = json.loads((root / "splits" / "holdout.json").read_text())
    assert record["schema_version"] == 1
    assert record["split_hash"] == stored.hash
    assert record["counts"]["test"]["images"] == 9
    # Against pandas: positives of each part.
    table = pd.read_csv(root / "splits" / "holdout.csv").set_index("id")["split"]
    carried = dataset.annotations.assign(part=dataset.annotations["image_id"].map(table))
    for part, counts in report["balance"]["parts"].items():
        of_part = carried[carried["part"] == part]["class_id"].value_counts()
        assert counts["classes"] == {"bar": of_part[1], "blob": of_part[2]}
    text = split("--name", "again", "--seed", "3")
    assert "verified: no group crosses it (10 groups of look-alikes, the largest of 2" in text
    assert "class prevalence strays by at most" in text
    assert load_split(dataset, "again").hash == stored.hash


def test_folds_test_every_image_once(root, split):
    text = split("--name", "cv", "--scheme", "kfold", "--folds", "4")
    assert "cv-1.csv ... cv-4.csv" in text
    dataset = load_prepared(root)
    folds = [load_split(dataset, f"cv-{i}") for i in range(1, 5)]
    assert sorted(name for fold in folds for name in fold.ids("test")) == sorted(
        dataset.images["id"]
    )
    assert folds[1].title == "cv-2 (fold 2 of 4, by group)"
    assert run_command(["data", "check", str(root)]) in (0, 1)


@pytest.mark.parametrize("fold", ["x", -1, [1], {}])
def test_a_damaged_fold_record_is_a_finding(root, split, capsys, fold):
    split("--name", "cv", "--scheme", "kfold", "--folds", "3")
    path = root / "splits" / "cv-1.json"
    record = json.loads(path.read_text())
    path.write_text(json.dumps(record | {"fold": fold}))
    capsys.readouterr()
    assert run_command(["data", "check", str(root)]) == 1
    assert "cv-2" in capsys.readouterr().out


def test_an_existing_name_is_refused_without_force(root, split):
    split("--name", "mine")
    before = (root / "splits" / "mine.csv").read_bytes()
    error = split("--name", "mine", "--seed", "1", code=2)
    assert error.count("\n") == 1
    assert "exists" in error
    assert "--force" in error
    assert (root / "splits" / "mine.csv").read_bytes() == before
    split("--name", "mine", "--seed", "1", "--force")
    assert (root / "splits" / "mine.csv").read_bytes() != before


def test_two_at_once_the_second_is_refused(root, split):
    with lock_splits(root):
        error = split("--name", "mine", code=1)
    assert error.endswith(
        f"another `stripsight data split` is at work in {root}: wait until it is done\n"
    )
    assert not (root / "splits").exists()
    split("--name", "mine")


def test_fewer_folds_replace_all_of_the_older_set(root, split):
    split("--name", "cv", "--scheme", "kfold", "--folds", "5")
    assert "exists" in split("--name", "cv", "--scheme", "kfold", "--folds", "3", code=2)
    error = split("--name", "cv-4", "--force", code=2)
    assert "is a fold of the set 'cv'" in error
    split("--name", "cv", "--scheme", "kfold", "--folds", "3", "--force")
    assert splits_of(root) == sorted(f"cv-{i}.{end}" for i in (1, 2, 3) for end in ("csv", "json"))


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--scheme", "kfold", "--folds", "1"], 2, "1 folds: at least 3"),
        (["--scheme", "kfold", "--folds", "2"], 2, "2 folds: at least 3"),
        (
            ["--scheme", "kfold", "--folds", "51"],
            2,
            "--folds 51: there are 50 groups of look-alike",
        ),
        (["--scheme", "kfold", "--folds", "61"], 2, "--folds 61: there are 60 labelled images"),
        (["--scheme", "kfold", "--folds", "61", "--by", "random"], 2, "ask for 60 at most"),
        (["--folds", "5"], 2, "--folds is for --scheme kfold"),
        (["--scheme", "kfold", "--fractions", "0.5,0.3,0.2"], 2, "--fractions is for"),
        (["--fractions", "0.5,0.3,0.3"], 2, "sum to 1.1"),
        (["--fractions", "0.5,0.5"], 2, "2 fractions"),
        (["--fractions", "1,0,0"], 2, "each must be above 0"),
        (["--fractions", "a,b,c"], 2, "three numbers"),
        (["--fractions", ""], 2, "three numbers"),
        (["--seed", "-1"], 2, "--seed"),
        (["--by", "luck"], 2, "--by"),
    ],
)
def test_wrong_words_are_one_line_and_write_nothing(root, split, words, code, message):
    error = split("--name", "s", *words, code=code)
    assert error.count("\n") == 1
    assert message in error
    assert not (root / "splits").exists()


@pytest.mark.parametrize(
    "words", [[], ["--scheme", "kfold"], ["--scheme", "kfold", "--folds", "9"]]
)
def test_where_no_number_of_folds_would_do_the_job_has_failed(make_dataset, capsys, words):
    """Exit code 2 says that another word would help."""
    root = make_dataset([[1, 0], [0, 1]])
    assert run_command(["data", "split", str(root), "--name", "s", *words]) == 1
    assert "2 labelled images cannot fill" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a b", ".x"])
def test_unusable_names_are_wrong_usage(split, name):
    assert "split name" in split("--name", name, code=2)


def test_by_random_says_so_wherever_it_is_named(root, split, tmp_path, capsys):
    text = split("--name", "r", "--by", "random", "--seed", "1")
    assert text.startswith("split r (BY RANDOM")
    assert "not stratified" in text
    assert "of 10 groups of look-alikes. For comparison" in text
    assert json.loads((root / "splits" / "r.json").read_text())["by"] == "random"
    assert run_command(["data", "check", str(root)]) == 1
    (line,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("error: splits")]
    assert line.startswith("error: splits/r.csv: split r (BY RANDOM")
    assert "groups of look-alikes on two sides, the first: '" in line
    assert "comparison only: once that is done, delete splits/r.csv and splits/r.json" in line
    run = tmp_path / "run"
    words = [f"data.root={root}", "data.split=r", *TINY_RUN, "--run", str(run)]
    assert run_command(["train", *words]) == 0
    error = capsys.readouterr().err
    assert "split r (BY RANDOM, look-alikes not kept together): 42 train" in error
    assert sum("look better than they are" in line for line in error.splitlines()) == 1
    assert json.loads((run / "provenance.json").read_text())["split"]["by"] == "random"
    assert run_command(["evaluate", str(run)]) == 0
    assert "BY RANDOM" in capsys.readouterr().out
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["source"]["split_by"] == "random"
    assert "BY RANDOM" in metrics["split"]
    assert any("look-alikes on two sides" in note for note in metrics["notes"])


def test_classes_rarer_than_folds_are_said_to_be_absent(make_dataset, capsys):
    labels = np.zeros((40, 2), int)
    labels[::2, 0] = 1
    labels[[3, 7, 9], 1] = 1
    root = make_dataset(labels)
    save_links(load_prepared(root), [])
    words = ["data", "split", str(root), "--name", "cv", "--scheme", "kfold"]
    assert run_command([*words, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    absent = report["absent"]["blob"]
    dataset = load_prepared(root)
    for i in range(1, 6):
        ids = set(load_split(dataset, f"cv-{i}").ids("test"))
        gone = {"split": f"cv-{i}", "part": "test"} in absent
        assert gone == ids.isdisjoint({"0003.png", "0007.png", "0009.png"})
    assert run_command([*words, "--force"]) == 0
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "no image shows blob" in x]
    assert "test of cv-" in line


def test_classes_too_rare_in_folds_are_one_line(make_dataset, capsys):
    labels = np.zeros((40, 2), int)
    labels[:20, 0] = 1
    labels[30:37, 1] = 1
    root = make_dataset(labels)
    save_links(load_prepared(root), [])
    assert run_command(["data", "split", str(root), "--name", "cv", "--scheme", "kfold"]) == 0
    lines = [x for x in capsys.readouterr().out.splitlines() if x.startswith("warning: ")]
    parts = "bar (4 in validation of every fold, 4 in test of every fold)"
    assert lines == [
        f"warning: on fewer than 5 images of a part, and not to be judged there: {parts};"
        " blob (3 to 4 in train of 3 of 5 folds, 1 to 2 in validation of every fold,"
        " 1 to 2 in test of every fold): judge the folds together with `stripsight folds`"
    ]


@pytest.mark.parametrize("by", ["group", "random"])
def test_all_clean_and_one_class(make_dataset, capsys, by):
    root = make_dataset(np.zeros((30, 2), int))
    save_links(load_prepared(root), [])
    for words in (["--name", "h"], ["--name", "k", "--scheme", "kfold"]):
        assert run_command(["data", "split", str(root), *words, "--by", by]) == 0
        text = capsys.readouterr().out
        assert "note: no image shows bar\n" in text
        assert "nan" not in text
        assert "prevalence strays" not in text


def test_unlabelled_images_are_left_out_and_counted(root, split):
    dataset = load_prepared(root)
    images = dataset.images.copy()
    images.loc[images["id"].isin(["0000.png", "0004.png"]), "labelled"] = False
    save_prepared(replace(dataset, images=images))
    report = json.loads(split("--name", "s", "--json"))
    assert report["unlabelled"] == 2
    assert sum(report["splits"][0]["images"].values()) == 58
    assert "0000.png" not in (root / "splits" / "s.csv").read_text()


def link_across(root, name="holdout"):
    """Find, after a split was made, that an image of train and one of test overlap."""
    dataset = load_prepared(root)
    stored = load_split(dataset, name)
    first, second = stored.ids("train")[0], stored.ids("test")[0]
    first, second = sorted((first, second))
    save_links(dataset, [Link(first, second, OVERLAP, 30, 0, 0.9)])
    return first, second


def test_a_leak_found_later_stops_training_but_not_the_judging_of_an_older_run(
    make_dataset, tiny_labels, tmp_path, capsys
):
    root, run = make_dataset(tiny_labels), tmp_path / "run"
    words = [f"data.root={root}", *TINY_RUN]
    assert run_command(["train", *words, "--run", str(run)]) == 0
    error = capsys.readouterr().err
    (line,) = [x for x in error.splitlines() if "were not searched" in x]
    assert f"stripsight data split {root} --name" in line
    first, second = link_across(root)

    assert run_command(["train", *words, "--run", str(tmp_path / "next")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"'{first}' in " in line
    assert f"'{second}' in " in line
    assert "look-alikes (overlap)" in line
    assert not (tmp_path / "next").exists()
    command = line.split("`")[1]
    assert command == f"stripsight data split {root} --name holdout-regrouped"

    assert run_command(["evaluate", str(run)]) == 0
    captured = capsys.readouterr()
    assert "note: 1 group of look-alikes on two sides" in captured.out
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["source"]["split_leaks"] == 1
    assert first in metrics["notes"][0]

    assert run_command(["data", "check", str(root), "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    leaks = [f for f in findings if f["kind"] == "leak"]
    assert [f["severity"] for f in leaks] == ["error"]
    assert first in leaks[0]["message"]

    assert run_command(command.split()[1:]) == 0
    name = line.split("data.split=")[1]
    assert run_command(["train", *words, f"data.split={name}", "--run", str(tmp_path / "b")]) == 0


def test_check_says_once_that_splits_are_older_than_the_labels(root, split, caplog):
    split("--name", "cv", "--scheme", "kfold", "--folds", "4")
    dataset = load_prepared(root)
    save_prepared(replace(dataset, annotations=dataset.annotations.iloc[1:]))
    split("--name", "new")
    logger = logging.getLogger("stripsight")
    logger.propagate = True
    with caplog.at_level(logging.WARNING, logger="stripsight"):
        run_command(["data", "check", str(root)])
    assert [r.getMessage() for r in caplog.records if "last changed" in r.getMessage()] == [
        "4 of 5 splits were made before the data set last changed; their ids still fit"
    ]


def test_evaluating_on_a_split_that_leaks_warns_in_one_line(root, split, tmp_path, capsys, caplog):
    split("--name", "holdout")
    run = tmp_path / "run"
    assert run_command(["train", f"data.root={root}", *TINY_RUN, "--run", str(run)]) == 0
    link_across(root)
    logger = logging.getLogger("stripsight")
    logger.propagate = True  # the command line's own handler took it over in `train`
    with caplog.at_level(logging.WARNING, logger="stripsight"):
        assert run_command(["evaluate", str(run), "--split", "validation"]) == 0
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "split 'holdout' leaks" in caplog.text


def test_a_leaking_fold_names_the_command_that_makes_new_folds(root, split):
    split("--name", "cv", "--scheme", "kfold", "--folds", "4")
    link_across(root, "cv-2")
    with pytest.raises(SplitError, match=r"--name cv-regrouped --scheme kfold --folds 4` .*"
                                         r"data\.split=cv-regrouped-2"):  # fmt: skip
        load_split(load_prepared(root), "cv-2")


KILLED = """
import os, sys
from pathlib import Path
import stripsight.data.splits.store
from stripsight.cli.app import run_command
real, left = Path.replace, int(sys.argv[1])
def replace(self, target):
    global left
    if Path(target).parent.name == "splits":
        if not left:
            os.kill(os.getpid(), 9)
        left -= 1
    return real(self, target)
Path.replace = replace
run_command(sys.argv[2:])
"""


@pytest.mark.parametrize("renames", [0, 1, 3, 5])
@pytest.mark.parametrize("older", [False, True])
def test_a_killed_kfold_leaves_no_set_that_is_taken_for_a_whole_one(root, split, renames, older):
    words = ["data", "split", str(root), "--name", "cv", "--scheme", "kfold", "--folds", "3"]
    if older:
        split("--name", "cv", "--scheme", "kfold", "--folds", "4", "--seed", "9")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(renames), *words, "--force"], check=False
    )
    assert done.returncode == -signal.SIGKILL
    dataset = load_prepared(root)
    for i in range(1, 5):
        with pytest.raises(SplitError):
            load_split(dataset, f"cv-{i}")
    if renames or older:
        # Training must not put a holdout of its own in the place of a fold.
        words = ["data.split=cv-1", *TINY_RUN, "--run", str(root.parent / "run")]
        assert run_command(["train", f"data.root={root}", *words]) == 1
    split("--name", "cv", "--scheme", "kfold", "--folds", "3", "--force")
    dataset = load_prepared(root)
    assert [load_split(dataset, f"cv-{i}").fold.count for i in (1, 2, 3)] == [3, 3, 3]
    assert {n for n in splits_of(root) if not n.startswith(".")} == {
        f"cv-{i}.{end}" for i in (1, 2, 3) for end in ("csv", "json")
    }


def test_a_full_disk_leaves_the_older_folds_whole(root, split, monkeypatch, capsys):
    split("--name", "cv", "--scheme", "kfold", "--folds", "3")
    before = {name: (root / "splits" / name).read_bytes() for name in splits_of(root)}
    real, calls = os.fsync, []

    def fail(descriptor):
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr("stripsight.data.splits.store.os.fsync", fail)
    words = ["--name", "cv", "--scheme", "kfold", "--folds", "4", "--seed", "5", "--force"]
    error = split(*words, code=1)
    assert re.fullmatch(
        r"stripsight: .*/splits/cv-\d\.(csv|json): No space left on device\n", error
    )
    assert {name: (root / "splits" / name).read_bytes() for name in splits_of(root)} == before


def test_a_fold_whose_sibling_went_is_refused(root, split):
    split("--name", "cv", "--scheme", "kfold", "--folds", "3")
    (root / "splits" / "cv-3.csv").unlink()
    with pytest.raises(SplitError, match=r"3 folds 'cv' are not whole \(fold 3"):
        load_split(load_prepared(root), "cv-1")
    with pytest.raises(SplitError, match="not written to its end"):
        load_split(load_prepared(root), "cv-3")


def test_a_newer_record_is_refused(root, split):
    split("--name", "s")
    path = root / "splits" / "s.json"
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(SplitError, match="schema version 2"):
        load_split(load_prepared(root), "s")


def test_a_record_of_before_there_were_versions_is_read(root):
    dataset = load_prepared(root)
    made = make_split(dataset, "old", fractions=(0.6, 0.2, 0.2), seed=4)
    save_split(dataset, made)
    path = root / "splits" / "old.json"
    record = json.loads(path.read_text())
    for key in ("schema_version", "by", "fold"):
        del record[key]
    path.write_text(json.dumps(record))
    assert load_split(dataset, "old") == made


def test_a_split_by_hand_is_taken_and_may_not_leak(root, split, capsys):
    split("--name", "s")
    (root / "splits" / "s.json").rename(root / "gone.json")
    assert load_split(load_prepared(root), "s").title == "s (written by hand)"
    capsys.readouterr()
    path = root / "splits" / "s.csv"
    part = load_split(load_prepared(root), "s").assignment["0000.png"]
    other = "test" if part != "test" else "train"
    path.write_text(path.read_text().replace(f"0000.png,{part}", f"0000.png,{other}"))
    with pytest.raises(SplitError, match=r"'0000\.png' in .* '0001\.png' .*\(overlap\)"):
        load_split(load_prepared(root), "s")


@pytest.mark.real_data
def test_real_strips_are_searched_once_and_split(real_prepared: Path, tmp_path, capsys):
    root = tmp_path / "prepared"
    shutil.copytree(real_prepared, root)
    (root / "links.parquet").unlink(missing_ok=True)
    words = ["data", "split", str(root), "--scheme", "kfold"]
    assert run_command([*words, "--name", "cv", "--json"]) == 0
    captured = capsys.readouterr()
    assert "were not searched yet" in captured.err
    report = json.loads(captured.out)
    assert report["look_alikes_searched"]
    assert report["groups_that_cross"] == 0
    assert run_command([*words, "--name", "cv2"]) == 0
    assert "searched yet" not in capsys.readouterr().err


def test_classes_too_rare_to_be_judged_are_named_with_their_counts(make_dataset, tmp_path, capsys):
    labels = np.zeros((40, 2), np.uint8)
    labels[:20, 0] = labels[38:, 1] = 1
    root = make_dataset(labels)
    assert run_command(["data", "split", str(root), "--name", "s"]) == 0
    text = capsys.readouterr().out
    (line,) = [x for x in text.splitlines() if x.startswith("warning: ")]
    assert (
        "fewer than 5 images of a part, and not to be judged there: blob (1 in train, 1 in" in line
    )
    assert "use --scheme kfold" in line
    # One image where 0.3 were even is 233 % too many, which says nothing.
    assert not re.search(r"[1-9][0-9][0-9]\.[0-9]+%", text)
    assert re.search(r"blob .* 0\.[0-9] images", text)
