"""`data analyze` through the command line, on data sets of every odd shape."""

import base64
import io
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from stripsight.cli.app import run_command

ODD_NAMES = [
    "<script>alert(1)</script>",
    "crack \u2764\ufe0f \U0001f525 \u88c2\u7eb9",
    "a name of sixty characters which goes on until it has them al",
    "$x^2$ `code` & 'quotes' \"twice\"",
]


class _Page(HTMLParser):
    """Pictures with their alternative texts, tags by name, and all text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.pictures: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            known = dict(attributes)
            self.pictures.append((known["src"], known["alt"]))

    def handle_data(self, data):
        self.text += data


def analyze(dataset: Path, *options: str) -> tuple[_Page, dict, Path]:
    folder = dataset / "analysis"
    assert run_command(["data", "analyze", str(dataset), *options]) == 0
    page = _Page((folder / "analysis.html").read_text("utf-8"))
    return page, json.loads((folder / "analysis.json").read_text()), folder


def check_whole(page: _Page, numbers: dict, folder: Path) -> None:
    """No picture is empty or broken, no script, no figure that was not written."""
    for uri, alt in page.pictures:
        picture = Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1])))
        picture.load()
        lowest, highest = picture.convert("L").getextrema()
        assert highest > lowest or "Image" in alt, alt  # a plot of one colour shows nothing
        assert alt.strip()
    assert "script" not in page.tags
    assert sorted(p.name for p in (folder / "figures").iterdir()) == numbers["figures"]
    for name in numbers["figures"]:
        Image.open(folder / "figures" / name).load()
    assert "NaN" not in (folder / "analysis.json").read_text()
    assert "\u2014" not in page.text
    assert not re.search(r"\bnan\b", page.text)


def test_a_usual_set_has_every_section(tmp_path, make_odd_dataset, odd_image, capsys):
    images = [odd_image({}) for _ in range(8)]
    images += [odd_image({1: "mask"}) for _ in range(8)] + [odd_image({1: "mask", 2: "box"})] * 4
    root = make_odd_dataset(tmp_path / "set", images, ["pit", "scar"])
    page, numbers, folder = analyze(root)
    check_whole(page, numbers, folder)
    assert "No image has any: saturation; black border, left; black border, right." in page.text
    for heading in ("Findings", "Classes and labels", "Defects", "Images", "Split", "Examples"):
        assert heading in page.text
    # Of the four images with a scar three are the smallest, so one is left.
    assert (page.text.count("smallest: "), page.text.count("largest: ")) == (6, 4)
    assert {"classes.png", "cooccurrence.png", "where_1.png", "brightness.png"} <= set(
        numbers["figures"]
    )
    classes = {c["name"]: c for c in numbers["labels"]["classes"]}
    assert (classes["pit"]["images"], classes["scar"]["images"]) == (12, 4)
    assert classes["pit"]["prevalence"] == pytest.approx(0.6)
    output = capsys.readouterr().out
    assert "Act on this" in output
    assert str(folder / "analysis.html") in output
    stored = pd.read_parquet(root / "statistics.parquet")
    assert len(stored) == 20
    assert (root / "links.parquet").exists()


def test_json_is_what_the_file_holds(tmp_path, make_odd_dataset, odd_image, capsys):
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"})] * 3, ["pit"])
    assert run_command(["data", "analyze", str(root), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((root / "analysis" / "analysis.json").read_text())


SHAPE = """
dataset.content_hash dataset.name dataset.source_format defects.classes[].area[]
defects.classes[].defects defects.classes[].height[] defects.classes[].id defects.classes[].images
defects.classes[].tiny defects.classes[].width[] defects.damaged_masks defects.empty_masks[].class
defects.empty_masks[].image defects.where.*[][] figures[] findings[].action findings[].details[]
findings[].images findings[].images[] findings[].kind findings[].level findings[].number
findings[].text findings[].title findings[].unit findings[].weight images.measures[].group
images.measures[].images images.measures[].measure images.measures[].quantiles[]
images.suspects[].distance images.suspects[].image_id images.suspects[].reason
images.suspects[].strange images.unreadable.* labels.classes[].drawn.box
labels.classes[].drawn.mask labels.classes[].drawn.presence labels.classes[].id
labels.classes[].images labels.classes[].name labels.classes[].pos_weight
labels.classes[].prevalence labels.classes[].title labels.clean labels.images
labels.images_by_labels[] labels.label_sets[].classes labels.label_sets[].classes[]
labels.label_sets[].images labels.labelled labels.pairs[].expected labels.pairs[].first
labels.pairs[].images labels.pairs[].lift labels.pairs[].second labels.sizes[].height
labels.sizes[].images labels.sizes[].width look_alikes.conflicts[].images[]
look_alikes.conflicts[].labels[][] look_alikes.links[].first look_alikes.links[].kind
look_alikes.links[].second look_alikes.links[].shift_x look_alikes.links[].shift_y
look_alikes.links[].similarity schema_version split.balance.absent.validation[]
split.balance.classes[].expected split.balance.classes[].found split.balance.classes[].images
split.balance.classes[].name split.balance.classes[].part split.balance.classes[].relative
split.balance.label_sets split.balance.largest_label_set.expected
split.balance.largest_label_set.found split.balance.largest_label_set.images
split.balance.largest_label_set.name split.balance.largest_label_set.part
split.balance.largest_label_set.relative split.balance.parts.*.classes.*
split.balance.parts.*.clean split.balance.parts.*.images split.balance.total.classes.*
split.balance.total.clean split.balance.total.images split.by split.hash split.leaks split.name
split.shifts split.title split_fault stripsight
"""


def list_paths(value, at=""):
    """Every key of nested JSON with those above it; `[]` for an item of a list."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from list_paths(item, f"{at}.{key}" if at else key)
    elif isinstance(value, list) and value:
        for item in value:
            yield from list_paths(item, f"{at}[]")
    else:
        yield at


def test_the_shape_of_the_json_goes_with_its_version(tmp_path, make_odd_dataset, odd_image):
    """Programs read it: where this fails, raise SCHEMA_VERSION and write the new shape here."""
    images = [odd_image({1: "mask"}, seed=n % 6) for n in range(11)]
    images += [odd_image({1: "mask", 2: "box"}, seed=0), odd_image({2: "empty"})]
    images += [odd_image({}, look="black"), odd_image({}, look="broken"), odd_image(None)]
    root = make_odd_dataset(tmp_path / "set", images, ["pit", "scar"])
    words = ["data", "split", str(root), "--name", "holdout", "--by", "random"]
    assert run_command(words) == 0
    _, numbers, _ = analyze(root)
    numbers["defects"]["where"] = {"*": numbers["defects"]["where"].pop("1")}
    numbers["images"]["unreadable"] = {"*": numbers["images"]["unreadable"].popitem()[1]}
    balance = numbers["split"]["balance"]
    for part in [*balance["parts"].values(), balance["total"]]:
        part["classes"] = {"*": part["classes"].popitem()[1]}
    balance["parts"] = {"*": balance["parts"]["train"]}
    assert numbers["schema_version"] == 2
    assert sorted(set(list_paths(numbers))) == SHAPE.split()


@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_images_of_one_class(tmp_path, make_odd_dataset, odd_image, count):
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"})] * count, ["pit"])
    page, numbers, folder = analyze(root)
    check_whole(page, numbers, folder)
    assert "cooccurrence.png" not in numbers["figures"]


def test_no_image_at_all(tmp_path, make_odd_dataset):
    root = make_odd_dataset(tmp_path / "set", [], ["pit"])
    page, numbers, folder = analyze(root)
    check_whole(page, numbers, folder)
    assert numbers["figures"] == []
    assert "The data set has no image" in page.text


def test_presence_only_says_that_nothing_is_drawn(tmp_path, make_odd_dataset, odd_image):
    images = [odd_image({1: "presence"}), odd_image({2: "presence"}), odd_image({})] * 3
    page, numbers, folder = analyze(make_odd_dataset(tmp_path / "set", images, ["pit", "scar"]))
    check_whole(page, numbers, folder)
    assert "No annotation says where a defect lies" in page.text
    assert "No defect is drawn" in page.text
    assert "No image carries two classes" in page.text
    assert not [name for name in numbers["figures"] if name.startswith(("where", "defect"))]


def test_no_labelled_image(tmp_path, make_odd_dataset, odd_image):
    page, numbers, folder = analyze(
        make_odd_dataset(tmp_path / "set", [odd_image(None)] * 4, ["pit"])
    )
    check_whole(page, numbers, folder)
    assert numbers["findings"][0]["kind"] == "no labels"
    assert "brightness.png" in numbers["figures"]


def test_a_class_never_seen_and_an_empty_mask(tmp_path, make_odd_dataset, odd_image):
    images = [odd_image({1: "mask"}), odd_image({1: "empty"}), odd_image({})] * 2
    page, numbers, folder = analyze(make_odd_dataset(tmp_path / "set", images, ["pit", "ghost"]))
    check_whole(page, numbers, folder)
    kinds = {finding["kind"] for finding in numbers["findings"]}
    assert {"class never seen", "empty mask"} <= kinds
    assert "where_2.png" not in numbers["figures"]


def test_unreadable_and_strange_images_are_named(tmp_path, make_odd_dataset, odd_image):
    images = [odd_image({1: "mask"}, look=look) for look in ("broken", "black", "white", "steel")]
    page, numbers, folder = analyze(make_odd_dataset(tmp_path / "set", images, ["pit"]))
    check_whole(page, numbers, folder)
    assert list(numbers["images"]["unreadable"]) == ["0000.jpg"]
    suspects = {s["image_id"]: s["reason"] for s in numbers["images"]["suspects"]}
    assert suspects["0001.jpg"].startswith("no steel")
    assert suspects["0002.jpg"].startswith("saturated")
    assert "0003.jpg" not in suspects
    assert "0000.jpg" in page.text


def test_nothing_can_be_read(tmp_path, make_odd_dataset, odd_image):
    images = [odd_image({1: "mask"}, look="broken")] * 3
    page, numbers, folder = analyze(make_odd_dataset(tmp_path / "set", images, ["pit"]))
    check_whole(page, numbers, folder)
    assert "No image could be read" in page.text
    assert len(numbers["images"]["unreadable"]) == 3


def test_images_gone_since_they_were_prepared(tmp_path, make_odd_dataset, odd_image):
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"})] * 4, ["pit"])
    analyze(root)
    (root / "images" / "0001.jpg").unlink()
    page, numbers, folder = analyze(root)
    check_whole(page, numbers, folder)


def test_several_sizes(tmp_path, make_odd_dataset, odd_image):
    images = [odd_image({1: "mask"}, size=s) for s in ((64, 256), (40, 40), (9, 13), (300, 50))] * 2
    page, numbers, folder = analyze(make_odd_dataset(tmp_path / "set", images, ["pit"]))
    check_whole(page, numbers, folder)
    assert len(numbers["labels"]["sizes"]) == 4
    assert "The images have several sizes" in page.text
    assert "stretched onto one" in page.text


def test_thirty_classes_of_odd_names(tmp_path, make_odd_dataset, odd_image):
    names = ODD_NAMES + [f"kind_{number}" for number in range(26)]
    images = [odd_image({c: "mask", c % 30 + 1: "box"}) for c in range(1, 31)] * 2
    page, numbers, folder = analyze(make_odd_dataset(tmp_path / "set", images, names))
    check_whole(page, numbers, folder)
    for name in ODD_NAMES[:3]:
        assert name in page.text  # shown as text, and whole
    assert len([n for n in numbers["figures"] if n.startswith("where_")]) == 30
    assert (folder / "analysis.html").stat().st_size < 6e6


def test_conflicts_are_shown_side_by_side(tmp_path, make_odd_dataset, odd_image):
    images = [odd_image({1: "mask"}, seed=7), odd_image({}, seed=7)]
    images += [odd_image({}) for _ in range(4)]
    page, numbers, folder = analyze(make_odd_dataset(tmp_path / "set", images, ["pit"]))
    check_whole(page, numbers, folder)
    assert numbers["findings"][0]["kind"] in {"conflicting labels", "rare class"}
    assert "conflicting labels" in {f["kind"] for f in numbers["findings"]}
    assert "Conflicting labels, group 1" in page.text


def test_a_random_split_that_leaks_is_the_first_finding(tmp_path, make_odd_dataset, odd_image):
    images = [odd_image({1: "mask"} if pair % 2 else {}, seed=pair) for pair in range(40)] * 2
    root = make_odd_dataset(tmp_path / "set", images, ["pit"])
    split = ["data", "split", str(root), "--name", "chance", "--by", "random"]
    assert run_command(split) == 0
    page, numbers, folder = analyze(root, "--split", "chance")
    check_whole(page, numbers, folder)
    assert numbers["findings"][0]["kind"] == "leak"
    assert numbers["split"]["by"] == "random"
    assert "BY RANDOM" in page.text


def test_an_unknown_split_ends_at_once(tmp_path, make_odd_dataset, odd_image, capsys):
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"})] * 3, ["pit"])
    assert run_command(["data", "analyze", str(root), "--split", "nothing"]) == 1
    error = capsys.readouterr().err.strip()
    assert error.count("\n") == 0
    assert "nothing" in error
    assert not (root / "analysis").exists()


def test_a_damaged_split_is_a_finding(tmp_path, make_odd_dataset, odd_image):
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"})] * 3, ["pit"])
    (root / "splits").mkdir()
    (root / "splits" / "holdout.csv").write_text("id,split\nghost.jpg,train\n")
    page, numbers, folder = analyze(root)
    check_whole(page, numbers, folder)
    assert "ghost.jpg" in numbers["split_fault"]
    assert "split refused" in {finding["kind"] for finding in numbers["findings"]}


def test_old_figures_go_and_other_files_stay(tmp_path, make_odd_dataset, odd_image):
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"})] * 3, ["pit"])
    _, numbers, folder = analyze(root)
    (folder / "figures" / "mine.png").write_bytes(b"mine")
    (folder / "notes.txt").write_text("mine")
    record = numbers | {"figures": [*numbers["figures"], "old.png", "../../mine.png"]}
    (folder / "analysis.json").write_text(json.dumps(record))
    (folder / "figures" / "old.png").write_bytes(b"old")
    (root / "mine.png").write_bytes(b"mine")
    analyze(root)
    assert not (folder / "figures" / "old.png").exists()
    assert (folder / "figures" / "mine.png").exists()
    assert (folder / "notes.txt").exists()
    assert (root / "mine.png").exists()


def test_the_same_data_give_the_same_bytes(tmp_path, make_odd_dataset, odd_image):
    images = [odd_image({1: "mask"}), odd_image({})] * 3
    root = make_odd_dataset(tmp_path / "set", images, ["pit"])
    _, _, folder = analyze(root)
    first = (folder / "analysis.html").read_bytes()
    analyze(root)
    assert (folder / "analysis.html").read_bytes() == first


def test_killed_while_writing_leaves_no_page(tmp_path, make_odd_dataset, odd_image):
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"})] * 3, ["pit"])
    _, _, folder = analyze(root)
    # The third file after the start is a figure: the old page must be gone by then.
    code = """
import os, signal, sys
from stripsight import atomic
from stripsight.data.analysis import report
count, write = 0, atomic.write_atomically
def write_or_die(path, data):
    global count
    count += 1
    if count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, data)
report.write_atomically = write_or_die
from stripsight.cli.app import run_command
sys.exit(run_command(["data", "analyze", sys.argv[1]]))
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code, str(root)], env=environment, check=False)
    assert done.returncode == -9
    assert not (folder / "analysis.html").exists()
    analyze(root)
    assert (folder / "analysis.html").exists()


def test_a_read_only_data_set_is_analysed_elsewhere(
    tmp_path, make_odd_dataset, odd_image, monkeypatch, caplog
):
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"})] * 3, ["pit"])
    out = tmp_path / "out"

    def refuse(*_):
        raise PermissionError(30, "Read-only file system")

    # Root may write anywhere, so permissions alone would not stop it.
    monkeypatch.setattr("stripsight.data.lookalikes.links.write_atomically", refuse)
    monkeypatch.setattr("stripsight.data.statistics.table.write_atomically", refuse)
    assert run_command(["data", "analyze", str(root), "--out", str(out)]) == 0
    assert (out / "analysis.html").exists()
    assert not (root / "links.parquet").exists()
    assert "not stored" in caplog.text


def test_out_of_other_things_is_one_line(tmp_path, make_odd_dataset, odd_image, capsys):
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"})] * 3, ["pit"])
    out = tmp_path / "file"
    out.write_text("")
    assert run_command(["data", "analyze", str(root), "--out", str(out)]) == 2
    assert "is a file" in capsys.readouterr().err
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    assert run_command(["data", "analyze", str(root), "--out", str(tmp_path / "mine")]) == 2
    error = capsys.readouterr().err.strip()
    assert "letter.txt" in error
    assert "\n" not in error
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_each_stage_has_its_own_progress(
    tmp_path, make_odd_dataset, odd_image, monkeypatch, capsys
):
    monkeypatch.setattr("stripsight.cli.progress._SECONDS_BETWEEN_LINES", 0.0)
    root = make_odd_dataset(tmp_path / "set", [odd_image({1: "mask"}, seed=3)] * 3, ["pit"])
    analyze(root)
    lines = [line.split(":")[0] for line in capsys.readouterr().err.splitlines()]
    stages = ["scanning images", "comparing look-alikes, pairs", "drawing sections"]
    assert list(dict.fromkeys(lines)) == stages


@pytest.mark.real_data
def test_the_real_sample(real_prepared, tmp_path):
    out = tmp_path / "out"
    assert run_command(["data", "analyze", str(real_prepared), "--out", str(out)]) == 0
    numbers = json.loads((out / "analysis.json").read_text())
    check_whole(_Page((out / "analysis.html").read_text("utf-8")), numbers, out)
    assert sum(d["defects"] for d in numbers["defects"]["classes"]) > 0
