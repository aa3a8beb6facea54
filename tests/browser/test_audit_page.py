"""The page of a label audit in a real browser: nothing missing, nothing over the edge."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stripsight.data.audit.confident_learning import Audit, ClassAudit, Suspect
from stripsight.data.audit.page import build_audit_page
from stripsight.data.demo import generate_demo
from stripsight.data.prepare import prepare_dataset
from stripsight.data.prepared import load_prepared


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    generate_demo(folder / "demo", images=12, seed=0, prevalence="even")
    prepare_dataset([folder / "demo"], folder / "set")
    dataset = load_prepared(folder / "set")
    labels = dataset.label_matrix()
    classes = tuple(
        ClassAudit(name, 12, int(labels[:, c].sum()), (0.9, 0.8), ((8, 1), (1, 2)), 1, 1, None)
        for c, name in enumerate(dataset.classes.names[:-1])
    )
    weak = ClassAudit(dataset.classes.names[-1], 12, 0, (0.9, None), ((12, 0), (0, 0)), *[None] * 2,
                      why_none="0 images with it: 10 are needed")  # fmt: skip
    suspects = tuple(
        Suspect(str(image), c, bool(labels[row, c]), 0.3, 0.3)
        for row, image in enumerate(dataset.labelled_images["id"])
        for c in range(3)
        if (row + c) % 3 == 0
    )
    (dataset.image_root / suspects[0].image).write_bytes(b"no image")
    twins = dataset.images["duplicate_group"].where(dataset.images.index > 3, 0)
    html = build_audit_page(
        replace(dataset, images=dataset.images.assign(duplicate_group=twins)),
        Audit((*classes, weak), suspects),
        images=12,
        notes=("<b>a note</b> " + "https://long.example/" + "x" * 200,),
    )
    path = folder / "audit.html"
    path.write_text(html)
    return path


@pytest.mark.parametrize("width", [390, 760, 1440])
def test_the_page_is_whole_at_any_width(browser, page: Path, width: int) -> None:
    browser.open(page.as_uri(), width=width)
    assert browser.list_requests() == []
    assert browser.list_complaints() == []
    assert browser.run("document.documentElement.scrollWidth") <= width
    sizes = np.array(browser.run("[...document.images].map(i => [i.naturalWidth, i.clientWidth])"))
    assert len(sizes) == 11
    assert (sizes > 0).all()
    assert width < 600 or (sizes >= 600).all()
    text = browser.run("document.body.innerText")
    assert "cannot be shown" in text
    assert "<b>a note</b>" in text
    assert "drop-image" in text
    names = browser.run("[...document.querySelectorAll('.name')].map(n => n.textContent)")
    assert [int(name.split(" ")[0]) for name in names] == list(range(2, 13))  # 1 cannot be shown
    assert "look-alike of number" in text
