"""`evaluate` and what it writes: tables, JSON, report and card tell the same; odd data are said."""

import base64
import html
import io
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from scipy.stats import spearmanr

from stripsight.cli.app import run_command
from stripsight.data.prepared import load_prepared
from stripsight.decision.places import upsample_map
from stripsight.evaluation.earlier import keep_earlier
from stripsight.evaluation.gradcam import compute_gradcam
from stripsight.evaluation.opened_run import open_run
from stripsight.evaluation.predictions import predict
from stripsight.evaluation.run import evaluate_run

QUICK = (
    "model.backbone=test_resnet",
    "model.pretrained=false",
    "training.batch_size=8",
    "training.num_epochs=1",
    "training.precision=32",
    "data.num_workers=0",
)


@pytest.fixture
def run(judged_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(judged_run, tmp_path / "run"))


def read_metrics(run: Path, name: str = "metrics.json") -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in {name}")

    record = json.loads((run / name).read_text(), parse_constant=refuse)
    assert isinstance(record, dict)
    return record


def read_text(page: Path) -> str:
    """What the page shows, in one line, blanks made single."""
    source = page.read_text("utf-8")
    source = source[source.index("<body") :]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", source)).split())


def check_page(page: Path) -> str:
    """Every picture decodes and shows something; nothing undefined is written. Returns its text."""
    source = page.read_text("utf-8")
    pictures = re.findall(r'src="data:image/(?:png|jpeg);base64,([^"]*)"', source)
    assert len(pictures) == source.count("<img ") > 0
    for data in pictures:
        with Image.open(io.BytesIO(base64.b64decode(data, validate=True))) as image:
            assert image.size > (10, 10)
            assert image.getcolors(maxcolors=1) is None, "an empty picture"
    text = read_text(page)
    assert not re.search(r"\b(nan|None|inf|undefined)\b", text)
    return text


def write(value: dict[str, float] | None) -> str:
    if value is None:
        return "\u2013"
    return f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"


def test_table_json_report_and_card_tell_the_same(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["evaluate", str(run)]) == 0
    printed = capsys.readouterr().out
    metrics = read_metrics(run)
    assert metrics["schema_version"] == 2
    page, card = check_page(run / "report.html"), (run / "MODEL_CARD.md").read_text("utf-8")
    for row in metrics["classes"]:
        for name in ("average_precision", "auroc", "f1"):
            figure = row[name]
            short = f"{figure['value']:.3f} ({figure['low']:.2f}-{figure['high']:.2f})"
            assert short in printed
            assert write(figure) in page
            assert write(figure) in card
        counts = row["counts"]
        assert f"{counts['escapes']} of {counts['positives']}" in printed
        cells = [f"{row['clean_below']:.3f}", f"{row['defect_from']:.3f}"]
        outcome = [f"{counts['escapes']} of {counts['positives']}",
                   f"{counts['overkills']} of {counts['negatives']}",
                   f"{counts['reviews']}"]  # fmt: skip
        (kind,) = [c["kind"] for c in metrics["calibration"] if c["name"] == row["name"]]
        assert f"| {' | '.join([row['name'], kind, *cells, *outcome])} |" in card
        shown = " ".join([*cells, f"{row['precision']['value']:.3f}", write(row["recall"])])
        assert f"{shown} {' '.join(outcome)}" in page
    assert write(metrics["macro"]["average_precision"]) in page
    assert write(metrics["macro"]["average_precision"]) in card
    exact = metrics["overall"]["exact_match"]
    assert f"{100 * exact['value']:.1f}".removesuffix(".0") in page
    assert f"{metrics['counts']['overkills']} of {metrics['counts']['negatives']} clean" in page
    assert metrics["source"]["checkpoint"] in card
    assert metrics["source"]["checkpoint"][:16] in page
    assert f"{run / 'report.html'}" in printed
    verdict = metrics["verdict"]
    (line,) = [line for line in printed.splitlines() if line.startswith("verdict: ")]
    assert line.startswith(f"verdict: {verdict['word']}: {verdict['findings'][0]['title']}")
    assert verdict["word"] in page
    assert all(finding["title"] in page for finding in verdict["findings"])


def test_json_is_what_is_stored(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["evaluate", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == read_metrics(run)


def test_a_second_time_gives_the_same(run: Path) -> None:
    names = ("report.html", "MODEL_CARD.md", "metrics.json", "decisions.json")
    before = {name: (run / name).read_bytes() for name in names}
    assert run_command(["evaluate", str(run)]) == 0
    assert {name: (run / name).read_bytes() for name in names} == before


def test_validation_has_files_of_its_own(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("report.html", "MODEL_CARD.md", "metrics.json"):
        (run / name).unlink()
    assert run_command(["evaluate", str(run), "--split", "validation"]) == 0
    assert "report_validation.html" in capsys.readouterr().out
    page = check_page(run / "report_validation.html")
    assert "These are the images that everything was fitted on" in page
    assert read_metrics(run, "metrics_validation.json")["part"] == "validation"
    assert not {"report.html", "MODEL_CARD.md", "metrics.json"} & {p.name for p in run.iterdir()}


def test_reviews_are_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["decide", str(run), "--policy", "review", "--share", "0.5"]) == 0
    assert run_command(["evaluate", str(run)]) == 0
    metrics = read_metrics(run)
    assert metrics["policy"] == "review"
    assert metrics["settings"] == {"share": 0.5}
    said = "asked for: at most 50.0 % of the images to a person, on validation"
    assert said in capsys.readouterr().out
    reviews = metrics["counts"]["reviews"]
    assert reviews > 0
    for text in (check_page(run / "report.html"), (run / "MODEL_CARD.md").read_text("utf-8")):
        assert f"{reviews} image{'s go' if reviews > 1 else ' goes'} to a person" in text
    below = [row["clean_below"] < row["defect_from"] for row in metrics["classes"]]
    assert any(below)


def test_files_of_another_rule_are_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decide = ["decide", str(run), "--json", "--policy"]
    few = ["--stress", "--stress-limit", "2"]
    for words in ([*few, "--split", "validation"], few):
        assert run_command(["evaluate", str(run), "--allow-collapse", *words]) == 0
    assert "another decision rule" not in capsys.readouterr().out
    of_test = ["MODEL_CARD.md", "metrics.json", "report.html"]
    of_validation = ["metrics_validation.json", "report_validation.html", "stress_validation.json"]
    # The same rule again makes nothing old, another all of it.
    assert run_command([*decide, "max_f1"]) == 0
    assert json.loads(capsys.readouterr().out)["stale"] == []
    assert run_command([*decide, "review", "--share", "0.3"]) == 0
    old = sorted([*of_test, *of_validation, "stress.json"])
    assert json.loads(capsys.readouterr().out)["stale"] == old
    # Judged anew on one part; the rest says so, with --json on stderr.
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    old = sorted([*of_validation, "stress.json"])
    warning = f"warning: still of another decision rule: {', '.join(old)};"
    assert warning in capsys.readouterr().out
    assert run_command(["evaluate", str(run), "--allow-collapse", "--json"]) == 0
    captured = capsys.readouterr()
    json.loads(captured.out)
    assert warning in captured.err
    # What no version with a rule has written is of none that is known.
    metrics = read_metrics(run)
    del metrics["rule"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    assert run_command([*decide, "review", "--share", "0.3"]) == 0
    assert "metrics.json" in json.loads(capsys.readouterr().out)["stale"]


def test_stress_of_a_few_images(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["evaluate", str(run), "--stress", "--stress-limit", "4"]) == 0
    stress = read_metrics(run, "stress.json")
    assert (stress["images"], stress["part_images"]) == (4, 9)
    page = check_page(run / "report.html")
    assert "Only 4 of 9 images were corrupted" in page
    assert all(curve["title"].lower() in page.lower() for curve in stress["curves"])
    printed = capsys.readouterr().out
    assert "stress: 4 of 9 test images" in printed
    assert all(curve["title"] in printed for curve in stress["curves"])

    # A plain one keeps what is still true, byte for byte, in page and terminal.
    section = page[page.index("What it bears") :]
    stored = (run / "stress.json").read_bytes()
    evaluation = evaluate_run(run)
    kept = read_text(run / "report.html")
    assert kept[kept.index("What it bears") :] == section
    assert (run / "stress.json").read_bytes() == stored

    # What is no longer true, or damaged, is left out and said.
    for change, said in (
        ({"rule": "0" * 16}, "is of another decision rule"),
        ({"source": {}}, "is of another checkpoint or of other images"),
        ({"part_groups": 3}, "is of another checkpoint or of other images"),
        ({"schema_version": 1}, "another version wrote"),
        ({"curves": [{"name": "blur"}]}, "is damaged"),
    ):
        (run / "stress.json").write_text(json.dumps(stress | change))
        left = keep_earlier(evaluation, stress=True, gradcam=False)
        assert left.stress is None
        (sentence,) = left.left_out
        assert f"leaves out stress.json, which {said}: --stress" in sentence
    assert run_command(["evaluate", str(run), "--json"]) == 0
    assert f"note: {sentence}" in capsys.readouterr().err
    shown = read_text(run / "report.html")
    assert "What it bears" not in shown
    assert f"{sentence[0].upper()}{sentence[1:]}." in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--stress-limit", "4"], "give --stress too"),
        (["--stress", "--stress-limit", "0"], "--stress-limit"),
        (["--split", "train"], "'train' cannot be judged"),
    ],
)
def test_wrong_usage_is_one_line(
    run: Path, words: Sequence[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / "report.html").read_bytes()
    assert run_command(["evaluate", str(run), *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert said in error[-1]
    assert (run / "report.html").read_bytes() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["policy"]["classes"][0].update(clean_below=0.9, defect_from=0.1),
        lambda record: record.update(classes=["bar", "other"]),
        lambda record: record.update(schema_version=9),
        lambda record: record["policy"].update(name="best"),
    ],
    ids=["thresholds", "classes", "newer", "policy"],
)
def test_a_damaged_rule_is_refused_in_one_line(
    run: Path, change: Callable[[dict[str, Any]], None], capsys: pytest.CaptureFixture[str]
) -> None:
    record = read_metrics(run, "decisions.json")
    change(record)
    (run / "decisions.json").write_text(json.dumps(record))
    before = (run / "report.html").read_bytes()
    assert run_command(["evaluate", str(run)]) == 1
    error = capsys.readouterr().err.strip().splitlines()
    assert error[-1].startswith("stripsight: ")
    assert "decisions.json" in error[-1]
    assert (run / "report.html").read_bytes() == before


Labels = dict[int, str]
A, B, BOTH, CLEAN = {1: "mask"}, {2: "mask"}, {1: "mask", 2: "mask"}, {}
TRAIN = [A, B, BOTH, CLEAN] * 3


def train_on(
    folder: Path,
    make_dataset: Callable[..., Path],
    make_image: Callable[[Labels], Any],
    names: Sequence[str],
    parts: dict[str, Sequence[Labels]],
) -> Path:
    """A run of one epoch on images with these labels, split as given."""
    images = [make_image(labels) for part in parts.values() for labels in part]
    root = make_dataset(folder / "data", images, names)
    (root / "splits").mkdir()
    given = [part for part, rows in parts.items() for _ in rows]
    lines = ["id,split", *(f"{n:04d}.jpg,{part}" for n, part in enumerate(given))]
    (root / "splits" / "holdout.csv").write_text("\n".join(lines) + "\n")
    run = folder / "run"
    assert run_command(["train", f"data.root={root}", *QUICK, "--run", str(run)]) == 0
    return run


def test_a_class_that_is_never_found_ends_with_one_line(
    tmp_path: Path,
    make_odd_dataset: Callable[..., Path],
    odd_image: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Images of the same pixels: all are called alike, and at this price that is clean.
    parts = {"train": [A, B] * 6, "validation": [A, B] * 3, "test": [A, B] * 3}
    run = train_on(
        tmp_path, make_odd_dataset, lambda labels: odd_image(labels, seed=0), ["a", "b"], parts
    )
    words = ["decide", str(run), "--policy", "cost", "--price", "1:1000000"]
    assert run_command(["evaluate", str(run)]) == 0
    assert run_command(words) == 0
    (run / "report.html").unlink()
    capsys.readouterr()
    assert run_command(["evaluate", str(run)]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("stripsight: never found on test: a, b;")
    assert read_metrics(run)["collapsed"] == ["a", "b"]
    page = check_page(run / "report.html")
    assert "Do not use as it is" in page
    assert "a is never found" in page
    assert "a is never found" in (run / "MODEL_CARD.md").read_text("utf-8")
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0


@pytest.mark.parametrize(("test", "code"), [([A, B, CLEAN] * 2, 1), ([A, CLEAN] * 3, 0)])
def test_a_class_that_nothing_can_call_ends_with_one_line(
    tmp_path: Path,
    make_odd_dataset: Callable[..., Path],
    odd_image: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    test: Sequence[Labels],
    code: int,
) -> None:
    parts = {"train": TRAIN, "validation": [A, CLEAN] * 3, "test": test}
    run = train_on(tmp_path, make_odd_dataset, odd_image, ["a", "b"], parts)
    # Whatever the network learnt, a is called: only b is in question.
    words = ["decide", str(run), "--policy", "cost", "--price", "1000000:1"]
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    assert run_command(words) == 0
    capsys.readouterr()
    assert run_command(["evaluate", str(run)]) == code
    captured = capsys.readouterr()
    uncalled = ["b"] if code else []
    assert read_metrics(run)["uncalled"] == uncalled
    assert ("never called, though 2 of test show it" in captured.out) == bool(code)
    said = "stripsight: never called on test: b (2 images); validation shows none"
    assert [line for line in captured.err.splitlines() if line.startswith(said)] == (
        captured.err.splitlines()[-1:] if code else []
    )
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0


@pytest.mark.parametrize(
    ("names", "train", "validation", "test", "said"),
    [
        (["<b>only</b>"], [A, CLEAN] * 6, [A, CLEAN] * 3, [A, CLEAN] * 3, ["<b>only</b>"]),
        (["a", "b"], [A, B] * 6, [A, B] * 3, [A, B] * 3, ["No clean image to judge on"]),
        (
            ["a", "b"],
            [{1: "presence"}, {2: "presence"}, {}] * 4,
            [{1: "presence"}, {2: "presence"}, {}] * 2,
            [{1: "presence"}, {2: "presence"}, {}] * 2,
            ["No test image says where its defects are", "there are no masks"],
        ),
        (["a", "b"], TRAIN, [A, B, CLEAN] * 2, [BOTH], ["a: no negative", "On 1 image of test"]),
        (["a", "b"], TRAIN, [A, B, CLEAN] * 2, [CLEAN], ["no defect that could escape"]),
        (["a", "b"], TRAIN, [A, B, CLEAN] * 2, [A, CLEAN] * 3, ["b was not judged"]),
        (["a", "b"], TRAIN, [A, CLEAN] * 3, [A, B, CLEAN] * 2, ["b has no threshold"]),
        (["a", "b"], TRAIN, [A, B] * 3, [{1: "box"}, {2: "mask"}, {}] * 2, ["against boxes"]),
    ],
    ids=["one class", "no clean image", "no place", "one image", "one clean image",
         "not in test", "not in validation", "boxes"],
)  # fmt: skip
def test_odd_data_are_judged_and_said(
    tmp_path: Path,
    make_odd_dataset: Callable[..., Path],
    odd_image: Callable[..., Any],
    names: Sequence[str],
    train: Sequence[Labels],
    validation: Sequence[Labels],
    test: Sequence[Labels],
    said: Sequence[str],
) -> None:
    parts = {"train": train, "validation": validation, "test": test}
    run = train_on(tmp_path, make_odd_dataset, odd_image, names, parts)
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    page = check_page(run / "report.html")
    for words in said:
        assert words in page
    read_metrics(run)
    card = (run / "MODEL_CARD.md").read_text("utf-8")
    assert not re.search(r"\b(nan|None)\b", card)
    assert "What to mind" in card
    assert "<b>" not in card.replace("\\<b", "")


def test_a_config_that_was_not_trained_with_is_refused(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace("test_resnet", "densenet121"))
    before = (run / "metrics.json").read_bytes()
    assert run_command(["evaluate", str(run)]) == 1
    error = capsys.readouterr().err
    assert "says model.backbone=densenet121, but the run was trained with test_resnet" in error
    assert error.count("\n") == 1
    assert (run / "metrics.json").read_bytes() == before


@pytest.mark.parametrize("missing", ["hardware", "seed", "packages"])
def test_a_damaged_record_is_refused_before_any_work(
    run: Path, missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((run / "provenance.json").read_text())
    del record[missing]
    (run / "provenance.json").write_text(json.dumps(record))
    assert run_command(["evaluate", str(run)]) == 1
    assert "provenance.json is damaged" in capsys.readouterr().err


def test_images_that_changed_since_they_were_prepared_are_refused(
    tmp_path: Path,
    make_odd_dataset: Callable[..., Path],
    odd_image: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    parts = {"train": TRAIN, "validation": [A, B] * 3, "test": [A, B] * 3}
    run = train_on(tmp_path, make_odd_dataset, odd_image, ["a", "b"], parts)
    dataset = load_prepared(tmp_path / "data")
    path = dataset.image_root / str(dataset.images["file"].iloc[-1])
    with Image.open(path) as image:
        size = image.size
    Image.new("L", size).save(path)
    capsys.readouterr()
    assert run_command(["evaluate", str(run)]) == 1
    error = capsys.readouterr().err
    assert f"{path} has changed since it was prepared" in error
    assert not (run / "metrics.json").exists()


def test_grad_cam_is_asked_where_wanted_and_stands_in_table_page_and_metrics(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_metrics(run)["gradcam"] is None
    assert "Grad-CAM" not in read_text(run / "report.html")
    capsys.readouterr()
    assert run_command(["evaluate", str(run), "--grad-cam"]) == 0
    said, found = capsys.readouterr().out, read_metrics(run)["gradcam"]

    opened = open_run(run)
    loader, names = opened.data.loader_for("test"), opened.data.classes.names
    predictions = predict(
        opened.network, loader, class_names=names, source={}, device=opened.device
    )
    maps = predictions.class_maps
    cams = [compute_gradcam(opened.network, batch["image"]) for batch in loader]
    assert maps is not None
    ranks: list[list[float]] = [[] for _ in names]
    for row, cam in enumerate(cam for batch in cams for cam in batch):
        for column in opened.data.datasets["test"].labels[row].nonzero()[0]:
            upsampled = upsample_map(maps[row, column], cam[column].shape)
            ranks[column].append(spearmanr(upsampled.ravel(), cam[column].ravel()).statistic)
    page = read_text(run / "report.html")
    for entry, name, expected in zip(found, names, ranks, strict=True):
        assert (entry["name"], entry["images"]) == (name, len(expected))
        mean = sum(expected) / len(expected)
        assert entry["correlation"] == pytest.approx(mean, abs=1e-5)
        line = f"{name} {len(expected)} {mean:.2f}"
        assert line in page
        assert line in " ".join(said.split())

    # A plain one, by another rule too, keeps it: no rule is in it.
    assert run_command(["decide", str(run), "--policy", "review", "--share", "0.3"]) == 0
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    assert read_metrics(run)["gradcam"] == found
    assert "Heatmaps against Grad-CAM" in read_text(run / "report.html")
    metrics = read_metrics(run)
    metrics["source"]["checkpoint"] = "0" * 64
    (run / "metrics.json").write_text(json.dumps(metrics))
    capsys.readouterr()
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    assert "note: the report leaves out what Grad-CAM said" in capsys.readouterr().out
    assert read_metrics(run)["gradcam"] is None
