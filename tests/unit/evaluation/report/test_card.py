"""The card says the judgement's numbers, and names of a data set stay names."""

from collections.abc import Callable

import numpy as np

from stripsight.decision.policy import ClassPolicy
from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.report.card import build_card
from stripsight.evaluation.report.verdict import write_sentence

Evaluate = Callable[..., Evaluation]

CLASS = np.repeat([[0], [1]], 40, axis=0)


def build(evaluation: Evaluation) -> str:
    return build_card(evaluation, version="1.2.3")


def read_rows(card: str, head: str) -> list[list[str]]:
    """The rows of the table whose first line begins with `head`, cut at bars not escaped."""
    lines = card.split("\n")
    start = next(i for i, line in enumerate(lines) if line.startswith(head))
    rows: list[list[str]] = []
    for line in lines[start + 2 :]:
        if not line.startswith("| "):
            return rows
        cells = line.replace("\\|", "\0").strip("| ").split(" | ")
        rows.append([cell.replace("\0", "\\|") for cell in cells])
    return rows


def test_it_says_the_judgements_numbers(good: Evaluate) -> None:
    evaluation = good()
    card = build(evaluation)
    assert write_sentence(evaluation) in card
    (row, macro) = read_rows(card, "| class | positives")
    figure = evaluation.judgement.classes[0].figures["recall"]
    assert figure is not None
    assert row[:2] == ["kind\\_0", "40"]
    assert row[-1] == f"1.000 ({figure.interval.low:.3f} to 1.000)"
    assert macro[0] == "macro"
    ((name, kind, below, start, *counts), whole) = read_rows(card, "| class | calibration")
    assert whole == ["whole images", "", "", "", "0 of 40", "0 of 40", "0"]
    assert (name, kind, below, start) == ("kind\\_0", "none", "0.500", "0.500")
    assert counts == ["0 of 40", "0 of 40", "0"]
    assert "f" * 64 in card
    assert "StripSight 1.2.3" in card


def test_names_stay_text(evaluate: Evaluate) -> None:
    names = ["<img src=x>", "a|b", "**bold** [l](http://x)", "# head", "`code` ~~x~~ &lt;"]
    labels = np.hstack([CLASS] * 5)
    scores = np.where(labels, 0.995, 0.005)
    scores[:, 0] = 0.005  # never found, so its name stands in a finding too
    card = build(evaluate(labels, scores, [0.5] * 5, names=names))
    assert "<img" not in card.replace("\\<img", "")
    for raw in ("**bold**", "[l](", "`code`", "~~x~~", " &lt;"):
        assert raw not in card, raw
    rows = read_rows(card, "| class | positives")
    assert [len(row) for row in rows] == [7] * 6
    assert rows[1][0] == "a\\|b"
    assert "\\<img src=x\\> is never found" in card


def test_what_cannot_be_had_is_a_dash(evaluate: Evaluate) -> None:
    labels = np.hstack([CLASS, np.zeros_like(CLASS)])
    card = build(evaluate(labels, np.where(labels, 0.995, 0.005), [0.5, None]))
    assert read_rows(card, "| class | positives")[1][2:] == ["\u2013"] * 5
    assert read_rows(card, "| class | calibration")[1][2:] == ["\u2013"] * 5
    assert "nan" not in card.lower()
    assert "None" not in card


def test_intended_use_says_who_must_look(evaluate: Evaluate) -> None:
    scores = np.where(CLASS, 0.995, 0.005)
    nobody = build(evaluate(CLASS, scores, [0.5])).split("## Intended use")[1].split("##")[0]
    assert "handed no image to a person here" in nobody
    assert "steel surfaces like those of strips" in nobody
    assert "Not shown to work on other steel" in nobody
    scores[:7] = 0.5
    somebody = build(evaluate(CLASS, scores, [ClassPolicy(0.4, 0.6)]))
    assert "7 images of the 80 judged went to a person" in somebody
