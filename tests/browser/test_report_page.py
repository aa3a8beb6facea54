"""A run's report as a browser shows it: on a phone, on a desk, of odd data, broken on purpose."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from stripsight.cli.app import run_command

PHONE, TABLET, DESK = 390, 760, 1440
QUICK = (
    "model.backbone=test_resnet",
    "model.pretrained=false",
    "training.batch_size=8",
    "training.precision=32",
    "data.num_workers=0",
)


def judge(prepared: Path, run: Path, *words: str, options: Sequence[str] = ()) -> Path:
    assert run_command(["train", f"data.root={prepared}", *QUICK, *words, "--run", str(run)]) == 0
    assert run_command(["evaluate", str(run), "--allow-collapse"]) == 0
    assert run_command(["decide", str(run), "--policy", "review", "--share", "0.3"]) == 0
    assert run_command(["evaluate", str(run), "--allow-collapse", *options]) == 0
    return run / "report.html"


@pytest.fixture(scope="session")
def usual_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on strips with masks of four classes, look-alikes searched, stress too."""
    root = tmp_path_factory.mktemp("usual")
    strips, prepared = root / "strips", root / "prepared"
    assert run_command(["data", "demo", str(strips), "--images", "60"]) == 0
    assert run_command(["data", "prepare", str(strips), str(prepared)]) == 0
    assert run_command(["data", "split", str(prepared), "--name", "holdout"]) == 0
    words = ["data.image_size=[64,400]", "training.num_epochs=2"]
    return judge(prepared, root / "run", *words, options=["--stress", "--stress-limit", "3"])


@pytest.fixture(scope="session")
def odd_report(tmp_path_factory: pytest.TempPathFactory, make_odd_dataset, odd_image) -> Path:
    """Twelve classes of odd names, masks, boxes and presence only, one of them not in test."""
    names = [
        "<script>alert(1)</script><img src=x onerror=alert(2)>",
        "crack \u2764\ufe0f \U0001f525 \u88c2\u7eb9",
        "unbroken" * 8,
        "a name of sixty characters which goes on until it has them al",
        *(f"kind_{number}" for number in range(8)),
    ]
    kinds = ("mask", "box", "presence")
    part = [odd_image({c: kinds[c % 3], c % 12 + 1: "mask"}) for c in range(1, 13)]
    images = [*part, *part, *part[:10], odd_image({})]
    root = make_odd_dataset(tmp_path_factory.mktemp("odd") / "set", images, names)
    (root / "splits").mkdir()
    given = ["train"] * 12 + ["validation"] * 12 + ["test"] * 11
    lines = ["id,split", *(f"{n:04d}.jpg,{name}" for n, name in enumerate(given))]
    (root / "splits" / "holdout.csv").write_text("\n".join(lines) + "\n")
    return judge(root, root / "run", "training.num_epochs=1")


@pytest.mark.parametrize("width", [PHONE, TABLET, DESK])
def test_the_usual_report_stands(find_faults, usual_report, width):
    assert find_faults(usual_report, width) == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_odd_report_stands(browser, find_faults, odd_report, width):
    assert find_faults(odd_report, width) == []
    assert browser.run("document.querySelectorAll('script, main [onerror]').length") == 0


def test_every_section_is_there_and_reached(browser, usual_report):
    browser.open(usual_report.as_uri(), width=DESK)
    sections = browser.run("[...document.querySelectorAll('main section')].map(s => s.id)")
    links = browser.run(
        "[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href').slice(1))"
    )
    assert links == sections
    assert sections == [
        "verdict", "findings", "figures", "decisions", "examples", "calibration", "slices",
        "places", "stress", "training", "provenance", "limits",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sound", "broken", "fault"),
    [
        ("--muted: #4d5b69;", "--muted: #a5adb5;", "contrast"),
        ("data:image/png;base64,iVBOR", "data:image/png;base64,AAAA", "not loaded"),
        ('<section id="places"', "<section", "link to nowhere"),
    ],
    ids=["contrast", "picture", "link"],
)
def test_a_broken_report_does_not_pass(find_faults, usual_report, tmp_path, sound, broken, fault):
    source = usual_report.read_text("utf-8")
    assert sound in source
    page = tmp_path / "broken.html"
    page.write_text(source.replace(sound, broken), "utf-8")
    faults = find_faults(page, PHONE)
    assert any(fault in found for found in faults), faults
