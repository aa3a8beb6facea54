"""The analysis page as a browser shows it: on a phone, a desk, with odd data, broken on purpose."""

from pathlib import Path

import pytest

from stripsight.cli.app import run_command

PHONE, DESK = 390, 1440


@pytest.fixture(scope="session")
def usual_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set like Severstal's: 1600x256 strips, masks of four classes, a split."""
    root = tmp_path_factory.mktemp("usual")
    strips, prepared = root / "strips", root / "prepared"
    assert run_command(["data", "demo", str(strips), "--images", "24"]) == 0
    assert run_command(["data", "prepare", str(strips), str(prepared)]) == 0
    assert run_command(["data", "split", str(prepared), "--name", "holdout"]) == 0
    assert run_command(["data", "analyze", str(prepared)]) == 0
    return prepared / "analysis" / "analysis.html"


@pytest.fixture(scope="session")
def odd_page(tmp_path_factory: pytest.TempPathFactory, make_odd_dataset, odd_image) -> Path:
    """Everything odd at once: 30 classes of odd names, sizes, faults, conflicts, leaks."""
    names = [
        "<script>alert(1)</script><img src=x onerror=alert(2)>",
        "crack \u2764\ufe0f \U0001f525 \u88c2\u7eb9",
        "unbroken" * 8,
        "a name of sixty characters which goes on until it has them al",
        *(f"kind_{number}" for number in range(26)),
    ]
    images = [odd_image({c: "mask", c % 30 + 1: "presence"}, seed=c) for c in range(1, 31)]
    images += [odd_image({c: "box"}, seed=c) for c in range(1, 31)]
    images += [odd_image({1: "empty"}, size=(200, 200)), odd_image({}, size=(300, 20))]
    images += [odd_image({}, look=look) for look in ("broken", "black", "white")]
    images += [odd_image(None)]
    root = make_odd_dataset(tmp_path_factory.mktemp("odd") / "set", images, names)
    split = ["data", "split", str(root), "--name", "chance", "--by", "random"]
    assert run_command(split) == 0
    assert run_command(["data", "analyze", str(root), "--split", "chance"]) == 0
    return root / "analysis" / "analysis.html"


@pytest.mark.parametrize("width", [PHONE, DESK, 700])
def test_the_usual_page_stands(find_faults, usual_page, width):
    assert find_faults(usual_page, width) == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_odd_page_stands(browser, find_faults, odd_page, width):
    assert find_faults(odd_page, width) == []
    assert browser.run("document.querySelectorAll('script, main [onerror]').length") == 0


def test_it_prints_in_full(browser, usual_page):
    browser.open(usual_page.as_uri(), width=DESK)
    browser.call("Emulation.setEmulatedMedia", media="print")
    hidden = browser.run("getComputedStyle(document.querySelector('nav')).display")
    shown = browser.run("[...document.images].every(i => i.getBoundingClientRect().width > 100)")
    browser.call("Emulation.setEmulatedMedia", media="")
    assert hidden == "none"
    assert shown


@pytest.mark.parametrize(
    ("sound", "broken", "fault"),
    [
        ("max-width: 84rem;", "min-width: 2000px;", "overflow"),
        ("--muted: #4d5b69;", "--muted: #a5adb5;", "contrast"),
        ("data:image/png;base64,iVBOR", "data:image/png;base64,AAAA", "not loaded"),
        ("data:image/jpeg;base64,", "http://127.0.0.1:1/", "asked for"),
        (' alt="', ' title="', "alternative text"),
        ("height: auto;", "", "distorted"),
        ("<h2 ", "<h5 ", "h3 after h1"),
        ('<section id="images"', "<section", "link to nowhere"),
    ],
    ids=lambda value: str(value)[:12],
)
def test_a_broken_page_does_not_pass(find_faults, usual_page, tmp_path, sound, broken, fault):
    html = usual_page.read_text("utf-8")
    assert sound in html
    page = tmp_path / "broken.html"
    html = html.replace(sound, broken)
    if broken.startswith("http"):
        html = html.replace("img-src data:", "img-src data: http:")
    page.write_text(html, "utf-8")
    faults = find_faults(page, PHONE)
    assert any(fault in found for found in faults), faults
