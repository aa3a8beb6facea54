"""The analysis page as a browser shows it: on a phone, on a desk, with odd data, broken on purpose.

Contrast follows WCAG 2.2, success criterion 1.4.3: 4.5 to 1 for text.
"""

from pathlib import Path

import pytest

from stripsight.cli.app import run_command

PHONE, DESK = 390, 1440
FAULTS = """
(() => {
  const faults = [];
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) faults.push(`overflow: ${root.scrollWidth} > ${innerWidth}`);
  for (const element of document.body.querySelectorAll("*")) {
    const box = element.getBoundingClientRect();
    if (box.width && box.right > innerWidth + 1 && !element.closest(".skip, thead"))
      faults.push(`beyond the edge: ${element.tagName} ${element.textContent.slice(0, 40)}`);
  }
  for (const image of document.images) {
    if (!image.complete || !image.naturalWidth) faults.push(`not loaded: ${image.alt}`);
    if (!image.alt.trim()) faults.push("no alternative text");
    const wanted = image.naturalWidth / image.naturalHeight;
    const shown = image.clientWidth / image.clientHeight;
    if (Math.abs(shown / wanted - 1) > 0.05) faults.push(`distorted: ${image.alt}`);
  }
  const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const background = element => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || element.closest(".skip, style")) continue;
    texts++;
    const style = getComputedStyle(element);
    const pair = [luminance(parse(style.color)), luminance(background(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    const start = element.textContent.slice(0, 40);
    if (ratio < 4.5) faults.push(`contrast ${ratio.toFixed(2)}: ${start}`);
    if (parseFloat(style.fontSize) < 12.8) faults.push(`type too small: ${start}`);
  }
  if (texts < 50) faults.push(`only ${texts} pieces of text`);
  for (const cell of document.querySelectorAll("tbody th"))
    if (cell.clientWidth < 100) faults.push(`squeezed: ${cell.textContent.trim().slice(0, 40)}`);
  const levels = [...document.querySelectorAll("h1,h2,h3,h4")].map(h => Number(h.tagName[1]));
  if (levels.filter(level => level === 1).length !== 1) faults.push("not exactly one h1");
  levels.forEach((level, i) => {
    if (i && level > levels[i - 1] + 1) faults.push(`h${level} after h${levels[i - 1]}`);
  });
  for (const link of document.querySelectorAll("a[href^='#']"))
    if (!document.getElementById(link.getAttribute("href").slice(1)))
      faults.push(`link to nowhere: ${link.textContent}`);
  const ids = [...document.querySelectorAll("[id]")].map(e => e.id);
  if (new Set(ids).size < ids.length) faults.push("an id twice");
  return faults.slice(0, 20);
})()
"""


def find_faults(browser, page: Path, width: int) -> list[str]:
    browser.open(page.as_uri(), width=width)
    found = browser.run(FAULTS)
    found += [f"asked for {url[:80]}" for url in browser.list_requests()]
    return found + browser.list_complaints()


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
def test_the_usual_page_stands(browser, usual_page, width):
    assert find_faults(browser, usual_page, width) == []


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_odd_page_stands(browser, odd_page, width):
    assert find_faults(browser, odd_page, width) == []
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
def test_a_broken_page_does_not_pass(browser, usual_page, tmp_path, sound, broken, fault):
    html = usual_page.read_text("utf-8")
    assert sound in html
    page = tmp_path / "broken.html"
    html = html.replace(sound, broken)
    if broken.startswith("http"):
        html = html.replace("img-src data:", "img-src data: http:")
    page.write_text(html, "utf-8")
    faults = find_faults(browser, page, PHONE)
    assert any(fault in found for found in faults), faults
