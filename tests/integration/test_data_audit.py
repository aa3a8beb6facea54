"""`data audit`, `data apply-review` and `data reviews` through the command line."""

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stripsight.cli.app import run_command
from stripsight.data.prepared import PreparedDataset, load_prepared
from stripsight.data.reviews.sheet import name_version
from stripsight.evaluation.predictions import Predictions, save_predictions

WRONG = {(4, 0), (9, 0), (13, 1), (18, 1)}
"""(image, class) pairs of the tiny data set that the predictions contradict."""


@pytest.fixture
def root(tmp_path: Path, tiny_dataset: Path) -> Path:
    """A copy of the tiny data set that a test may review."""
    return Path(shutil.copytree(tiny_dataset, tmp_path / "prepared"))


def write_predictions(dataset: PreparedDataset, path: Path, *, part: str = "test", **source: str):
    """Predictions that confirm every label but `WRONG`."""
    labels = dataset.label_matrix()
    truth = labels.copy()
    for row, column in WRONG:
        truth[row, column] ^= 1
    noise = np.random.default_rng(0).normal(0, 0.3, labels.shape)
    save_predictions(
        Predictions(
            ids=list(dataset.labelled_images["id"]),
            class_names=dataset.classes.names,
            labels=labels,
            logits=(np.where(truth, 4, -4) + noise).astype(np.float32),
            source={"part": part, "data_set": dataset.content_hash(), **source},
        ),
        path,
    )
    return path


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def fill_in(path: Path, decisions: dict[tuple[str, str], str]) -> Path:
    """Save the sheet with decisions as a German Excel does."""
    rows = read_csv(path)
    for row in rows:
        row["decision"] = decisions.get((row["image"], row["class"]), "")
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, list(rows[0]), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    filled = path.with_name("filled.csv")
    filled.write_bytes(table.getvalue().encode("cp1252"))
    return filled


def hash_tables(root: Path) -> dict[str, str]:
    names = ("dataset.json", "images.parquet", "annotations.parquet")
    return {name: hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names}


def test_from_predictions_to_corrected_labels_and_back(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, tables = load_prepared(root), hash_tables(root)
    run = tmp_path / "run"
    run.mkdir()
    write_predictions(before, run / "predictions_test.parquet")
    assert run_command(["data", "audit", str(root), "--predictions", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "4 labels to review, 60 images audited" in printed
    rows = read_csv(root / "audit" / "review.csv")
    names = before.classes.names
    assert {(row["image"], row["class"]) for row in rows} == {
        (f"{image:04d}.png", names[column]) for image, column in WRONG
    }
    page = (root / "audit" / "audit.html").read_text()
    assert page.count("<img ") == 4
    shown = re.findall(r'<span class="name">(\d+) · ([^<]+)</span>', page)
    assert shown == [(row["number"], row["image"]) for row in rows]
    assert "0.0 %" not in page
    assert "\u00a0%" in page

    decisions = {
        (row["image"], row["class"]): "remove" if row["given label"] == "present" else "add"
        for row in rows
    }
    decisions["0018.png", "blob"] = "drop-image"
    sheet = fill_in(root / "audit" / "review.csv", decisions)
    words = ["data", "apply-review", str(root), str(sheet)]
    assert run_command([*words, "--reviewer", "Anna Öz"]) == 0
    printed = capsys.readouterr().out
    assert "applied: reviews/0001.json" in printed
    assert "1 image left out" in printed

    after = load_prepared(root)
    assert hash_tables(root) == tables
    assert after.content_hash() != before.content_hash()
    expected = before.label_matrix()
    for image, column in WRONG:
        expected[image, column] ^= 1
    assert after.label_matrix().tolist() == np.delete(expected, 18, axis=0).tolist()

    assert run_command(["data", "reviews", str(root), "--json"]) == 0
    (review,) = json.loads(capsys.readouterr().out)
    assert review["reviewer"] == "Anna Öz"
    assert review["sheet_sha256"] == hashlib.sha256(sheet.read_bytes()).hexdigest()
    assert len(review["changes"]) == 4
    assert run_command(["data", "reviews", str(root)]) == 0
    printed = capsys.readouterr().out
    assert "  0018.png  left out of the data set\n" in printed
    assert len(re.findall(": label (?:added, without a mask|removed.*)$", printed, re.M)) == 3
    assert "1 review of" in printed
    assert "in force, 0 undone" in printed
    assert run_command(["data", "check", str(root)]) == 0
    assert ", 1 review; 0 errors" in capsys.readouterr().out

    assert run_command(["data", "apply-review", str(root), "--undo", "--reviewer", "Ben"]) == 0
    assert re.search("undone by Ben, .*: reviews/0001.json: .*Anna", capsys.readouterr().out)
    assert run_command(["data", "reviews", str(root)]) == 0
    printed = capsys.readouterr().out
    assert re.search("^undone by Ben, .*: reviews/0001.json: .*by Anna", printed)
    assert "0 reviews of" in printed
    assert "in force, 1 undone" in printed
    assert run_command(["data", "reviews", str(root), "--json"]) == 0
    (undone,) = json.loads(capsys.readouterr().out)
    assert undone.pop("undone_by") == "Ben"
    assert undone.pop("undone")
    assert undone.items() <= review.items()
    assert load_prepared(root).content_hash() == before.content_hash()
    assert run_command(["data", "apply-review", str(root), "--undo"]) == 1
    assert "no review to undo" in capsys.readouterr().err


def test_damage_among_reviews_is_one_line_and_a_finding(root: Path, tmp_path: Path, capsys):
    """A hand-edited NaN came out of `data reviews --json`, which then was no JSON."""
    version = name_version(load_prepared(root).content_hash())
    sheet = tmp_path / "sheet.csv"
    sheet.write_text(f"image,class,decision,labels version\n0000.png,bar,add,{version}\n")
    for words in ([str(sheet)], ["--undo"], [str(sheet)]):
        assert run_command(["data", "apply-review", str(root), *words]) == 0
    paths = [root / "reviews" / "0001.json", *(root / "reviews" / "undone").iterdir()]
    assert run_command(["data", "check", str(root)]) == 0
    for path in paths:
        intact = path.read_text()
        path.write_text(re.sub('"row": 2', '"row": NaN', intact))
        capsys.readouterr()
        assert run_command(["data", "reviews", str(root), "--json"]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert re.fullmatch(
            f"stripsight: {path} is damaged .*holds NaN, which is no number.*\n", captured.err
        )
        assert run_command(["data", "check", str(root)]) == 1
        assert path.name in capsys.readouterr().out
        path.write_text(intact)


def test_what_a_reviewer_kept_is_not_asked_again(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_predictions(load_prepared(root), tmp_path / "predictions.parquet")
    words = ["data", "audit", str(root), "--predictions", str(file)]
    assert run_command(words) == 0
    rows = read_csv(root / "audit" / "review.csv")
    kept = (rows[0]["image"], rows[0]["class"])
    sheet = fill_in(root / "audit" / "review.csv", {kept: "keep"})
    assert run_command(["data", "apply-review", str(root), str(sheet)]) == 0
    capsys.readouterr()
    assert run_command([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert kept not in {(s["image"], s["class"]) for s in found["suspects"]}
    assert len(found["suspects"]) == 3
    assert "1 suspect left out: a review decided on them" in found["notes"]


def test_a_filled_in_sheet_is_not_written_over(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_predictions(load_prepared(root), tmp_path / "predictions.parquet")
    out = tmp_path / "out"
    words = ["data", "audit", str(root), "--predictions", str(file), "--out", str(out)]
    assert run_command(words) == 0
    assert run_command(words) == 0  # nothing is lost by writing an empty one again
    row = read_csv(out / "review.csv")[0]
    filled = fill_in(out / "review.csv", {(row["image"], row["class"]): "keep"})
    filled.replace(out / "review.csv")
    assert run_command(words) == 1
    assert "holds 1 decision: apply them with" in capsys.readouterr().err
    assert run_command(["data", "apply-review", str(root), str(out / "review.csv")]) == 0
    assert run_command(words) == 0
    (out / "review.csv").write_text("my own notes")
    assert run_command(words) == 1
    assert "is in the way" in capsys.readouterr().err
    assert (out / "review.csv").read_text() == "my own notes"


def test_an_audit_is_not_written_among_other_things(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_predictions(load_prepared(root), tmp_path / "predictions.parquet")
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    words = ["data", "audit", str(root), "--predictions", str(file), "--out", str(other)]
    assert run_command(words) == 2
    assert "holds other things (thesis.txt)" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["thesis.txt"]


def test_a_real_runs_predictions_are_taken_and_a_review_ends_them(
    tiny_run: Path, tiny_dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Path(shutil.copytree(tiny_run, tmp_path / "run"))
    assert run_command(["evaluate", str(run), "--split", "validation"]) == 0
    file = run / "predictions_validation.parquet"
    # The very tables, so the same content hash; the run's own data set stays as it is.
    root = Path(shutil.copytree(tiny_dataset, tmp_path / "prepared"))
    words = ["data", "audit", str(root), "--predictions", str(file)]
    capsys.readouterr()
    assert run_command(words) == 0
    printed = capsys.readouterr().out
    assert "of 60 labelled images are audited" in printed
    assert "all predictions come from validation" in printed
    assert "nothing proposed" in printed  # nine images are too few to judge a label
    assert "nothing to review: no class can be judged" in printed
    page = (root / "audit" / "audit.html").read_text()
    assert "nothing to review: no class can be judged" in page
    assert "How to answer" not in page
    assert "fill in" not in printed
    version = json.loads((root / "audit" / "audit.json").read_text())["labels_version"]
    sheet = tmp_path / "own.csv"
    lines = ["image,class,decision,labels version", f"0000.png,bar,add,{version}"]
    sheet.write_text("\n".join([*lines, "0003.png,,drop-image,"]) + "\n")
    assert run_command(["data", "apply-review", str(root), str(sheet)]) == 0
    assert run_command(words) == 1
    assert "made before reviews/0001.json changed the labels" in capsys.readouterr().err

    # What was trained on the other labels is refused; a split stays, without the dropped image.
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(str(tiny_dataset), str(root)))
    assert run_command(["evaluate", str(run)]) == 1
    error = capsys.readouterr().err
    assert "were reviewed after the run was started (reviews/0001.json)" in error
    assert f"`stripsight data apply-review {root} --undo`" in error
    from stripsight.data.datamodule import StripDataModule

    data = StripDataModule(root, batch_size=64)
    data.setup()
    assert sum(map(len, data.datasets.values())) == 59
    assert not any("0003.png" in dataset.ids for dataset in data.datasets.values())


def test_a_wrong_sheet_changes_nothing_and_names_its_rows(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = load_prepared(root).content_hash()
    sheet = tmp_path / "review.csv"
    version = f"labels-{before[:16]}"
    sheet.write_text(
        "image,class,decision,labels version\n"
        f"0000.png,bar,add,{version}\n0001.png,bar,add,{version}\n9.png,bar,add,{version}\n"
    )
    assert run_command(["data", "apply-review", str(root), str(sheet)]) == 1
    error = capsys.readouterr().err.splitlines()
    assert error[0] == "refused: row 3: image '0001.png' carries 'bar' already: nothing to add"
    assert error[1] == "refused: row 4: image '9.png' is not in the data set"
    assert error[2].endswith("2 rows refused (listed above); nothing was changed")
    assert load_prepared(root).content_hash() == before
    assert not (root / "reviews").exists()


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["audit", "{root}"], 2, "name evaluated runs with --predictions RUN"),
        (
            ["audit", "{root}", "--predictions", "{root}/nothing.parquet"],
            1,
            "does not exist: give run folders",
        ),
        (["audit", "{tmp}/nothing", "--predictions", "x"], 1, "is no prepared data set"),
        (["apply-review", "{root}"], 2, "give either REVIEW.csv or --undo"),
        (["apply-review", "{root}", "x.csv", "--undo"], 2, "give either REVIEW.csv or --undo"),
        (
            ["apply-review", "{root}", "{tmp}/x.csv"],
            1,
            "x.csv does not exist: `stripsight data audit ",
        ),
        (["apply-review", "{root}", "{root}/dataset.json"], 1, "lacks the column 'image'"),
        (["apply-review", "{root}", "{root}/dataset.json", "--reviewer", " "], 2, "is no name"),
        (["apply-review", "{tmp}", "{root}/dataset.json"], 1, "is no prepared data set"),
        (["reviews", "{tmp}"], 1, "is no prepared data set"),
    ],
)
def test_wrong_words_end_in_one_line(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    reason: str,
) -> None:
    filled = [word.format(root=root, tmp=tmp_path) for word in words]
    assert run_command(["data", *filled]) == code
    error = capsys.readouterr().err
    assert reason in error
    assert error.count("\n") == 1
    assert not (tmp_path / "reviews").exists()


def test_prepare_removes_reviews_only_by_force_and_names_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    from stripsight.data.demo import generate_demo

    source, root = tmp_path / "source", tmp_path / "set"
    generate_demo(source, images=6, seed=0, prevalence="even")
    assert run_command(["data", "prepare", str(source), str(root)]) == 0
    dataset = load_prepared(root)
    image = dataset.images["id"][0]
    sheet = tmp_path / "review.csv"
    sheet.write_text(
        "image,class,decision,labels version\n"
        f"{image},,drop-image,labels-{dataset.content_hash()[:16]}\n"
    )
    words = ["data", "apply-review", str(root), str(sheet), "--reviewer", "Anna"]
    assert run_command(words) == 0
    assert run_command(["data", "check", str(root)]) == 0
    assert run_command(["data", "prepare", str(source), str(root)]) == 1
    assert "--force replaces it, splits and reviews included" in capsys.readouterr().err
    assert len(load_prepared(root).reviews) == 1
    assert run_command(["data", "apply-review", str(root), "--undo"]) == 0
    assert run_command(words) == 0
    assert run_command(["data", "prepare", str(source), str(root), "--force"]) == 0
    assert "removed reviews/undone/0001-" in caplog.messages[-2]
    warning = caplog.messages[-1]
    assert "removed reviews/0001.json" in warning
    assert "1 image left out" in warning
    assert "by Anna" in warning
    assert load_prepared(root).reviews == ()
    assert not list((root / "reviews").glob("**/*.json"))
    assert load_prepared(root).content_hash() == dataset.content_hash()


def test_check_reports_a_review_that_does_not_fit(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "review.csv"
    version = f"labels-{load_prepared(root).content_hash()[:16]}"
    sheet.write_text(f"image,class,decision,labels version\n0000.png,bar,add,{version}\n")
    assert run_command(["data", "apply-review", str(root), str(sheet)]) == 0
    path = root / "reviews" / "0001.json"
    path.write_text(path.read_text().replace("0000.png", "0002.png"))
    capsys.readouterr()
    assert run_command(["data", "check", str(root)]) == 1
    assert re.search("error: reviews: .*of other labels or were changed", capsys.readouterr().out)
    assert run_command(["train", f"data.root={root}"]) == 1


def test_killed_at_any_step_of_a_review_the_data_set_is_whole(root: Path, tmp_path: Path) -> None:
    """Processes die without cleaning up at each call that writes, in turn."""
    code = """
import os, sys
from pathlib import Path
import stripsight.data.reviews.applying
from stripsight.cli.app import run_command
from stripsight.data.prepared import load_prepared

root, sheet = sys.argv[1:]

def run_apart(work):
    process = os.fork()  # before anything has started a thread
    if process == 0:
        os._exit(work())
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])

def apply(step):
    taken = 0
    def die_at(function):
        def call(*arguments, **options):
            nonlocal taken
            taken += 1
            if taken == step:
                os._exit(9)
            return function(*arguments, **options)
        return call
    for owner, name in ((Path, "mkdir"), (Path, "replace"), (os, "fsync"), (Path, "open")):
        setattr(owner, name, die_at(getattr(owner, name)))
    return run_command(["data", "apply-review", root, sheet, "--reviewer", "x"])

for step in range(1, 40):
    code = run_apart(lambda: apply(step))
    reviews = run_apart(lambda: len(load_prepared(root).reviews))
    print("died" if code == 9 else code, reviews, flush=True)
    if code == 0:
        break
"""
    version = f"labels-{load_prepared(root).content_hash()[:16]}"
    sheet = tmp_path / "review.csv"
    sheet.write_text(f"image,class,decision,labels version\n0000.png,bar,add,{version}\n")
    words = [sys.executable, "-c", code, str(root), str(sheet)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    states = re.findall(r"^(died|\d+) (\d+)$", done.stdout, re.MULTILINE)
    assert states[-1] == ("0", "1"), done.stderr
    assert set(states[:-1]) == {("died", "0")}
    assert len(states) > 3
