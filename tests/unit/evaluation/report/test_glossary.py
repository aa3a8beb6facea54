"""The words of the page and those of the documentation are the same."""

from collections.abc import Callable
from pathlib import Path

from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report.glossary import GLOSSARY
from stripsight.evaluation.report.page import build_report
from stripsight.evaluation.report.performance import show_decisions
from stripsight.reporting.page import Table

DOCUMENT = Path(__file__).parents[4] / "docs" / "judgement.md"


def test_the_documentation_begins_with_the_same_words() -> None:
    text = DOCUMENT.read_text("utf-8")
    head = text.split("## ")[1]
    rows = [line for line in head.splitlines() if line.startswith("| ")][2:]
    assert rows == [f"| {term} | {meaning} |" for term, meaning in GLOSSARY]
    assert head.startswith("The words")


def test_the_page_holds_them_folded(good: Callable[..., Evaluation]) -> None:
    page = build_report(good(), version="1.2.3")
    assert page.index("What the words mean") < page.index("Findings</h2>")
    for term, _ in GLOSSARY:
        assert f"<dt>{term}</dt>" in page


def test_headings_use_words_that_are_explained(good: Callable[..., Evaluation]) -> None:
    terms = " ".join(term for term, _ in GLOSSARY)
    (table,) = [b for b in show_decisions(good()).blocks if isinstance(b, Table)]
    titles = {column.title for column in table.columns}
    assert {"labels that escape", "images overkilled", "images to a person"} <= titles
    assert all(word in terms for word in ("label", "escape", "overkill", "review"))
