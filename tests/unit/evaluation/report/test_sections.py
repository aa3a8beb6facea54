"""Sections of a report: what they show, and what they leave out with words."""

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from stripsight.decision.policy import ClassPolicy
from stripsight.evaluation.evaluation import Evaluation
from stripsight.evaluation.intervals.interval import Interval
from stripsight.evaluation.localisation.places import ClassPlaces, Found, Places
from stripsight.evaluation.report import figures, robustness
from stripsight.evaluation.report.doubts import show_calibration, show_slices
from stripsight.evaluation.report.learning_curves import draw_training
from stripsight.evaluation.report.performance import show_decisions, show_figures
from stripsight.evaluation.report.places import show_places
from stripsight.evaluation.slices.fault_rates import FaultRate
from stripsight.evaluation.slices.slice import Slice
from stripsight.evaluation.stress.stress_test import Measured, StressCurve, StressLevel, StressTest
from stripsight.evaluation.stress_table import tabulate_stress
from stripsight.reporting.canvas import Plot
from stripsight.reporting.curves import Curve
from stripsight.reporting.page import Block, FigureGrid, Note, Table
from stripsight.reporting.thresholds import ThresholdScan

Evaluate = Callable[..., Evaluation]

CLASS = np.repeat([[0], [1]], 40, axis=0)
NO_PLOT = Plot(b"", 1, 1)


def read_table(blocks: Sequence[Block]) -> Table:
    return next(block for block in blocks if isinstance(block, Table))


def read_notes(blocks: Sequence[Block]) -> str:
    return " ".join(block.text for block in blocks if isinstance(block, Note))


def test_curves_go_through_the_decisions(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    scores = 1 / (1 + np.exp(-rng.normal(2 * CLASS - 1.0)))
    evaluation = evaluate(CLASS, scores, [0.4])
    drawn: list[Curve] = []

    def draw(curves: Sequence[Curve], *_: object, **__: object) -> Plot:
        drawn.extend(curves)
        return NO_PLOT

    monkeypatch.setattr(figures, "draw_curves", draw)
    figures.draw_precision_recall(evaluation)
    figures.draw_roc(evaluation)
    (row,) = evaluation.judgement.classes
    ranked, roc = drawn
    recall, precision, overkill = (
        figure.value
        for name in ("recall", "precision", "overkill_rate")
        if (figure := row.figures[name]) is not None
    )
    assert ranked.point == pytest.approx((recall, precision))
    assert roc.point == pytest.approx((overkill, recall))
    assert (ranked.x[0], ranked.x[-1]) == (0, 1)
    assert (ranked.x < 1).sum() == len(ranked.x) - 1  # ends where all are found
    assert row.figures["average_precision"] is not None
    area = np.diff(ranked.x) @ ranked.y[1:]
    assert area == pytest.approx(row.figures["average_precision"].value)


def test_the_scan_is_exact_at_the_chosen_threshold(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = np.linspace(0.0998, 0.0999, 80)[:, None]  # all within a step of the grid
    evaluation = evaluate(CLASS, scores, [ClassPolicy(0.05, float(scores[40, 0]))])
    drawn: list[ThresholdScan] = []

    def draw(scan: ThresholdScan) -> Plot:
        drawn.append(scan)
        return NO_PLOT

    monkeypatch.setattr(figures, "draw_thresholds", draw)
    figures.draw_threshold_scan(evaluation, 0)
    (scan,) = drawn
    at = list(scan.thresholds).index(scan.defect_from)
    counts = evaluation.judgement.classes[0]
    assert counts.figures["recall"] is not None
    assert scan.recall[at] == pytest.approx(counts.figures["recall"].value)
    assert (np.diff(scan.thresholds) > 0).all()


def test_nothing_wrong_is_said_not_drawn(good: Evaluate) -> None:
    blocks = show_decisions(good()).blocks
    drawn = [f.title for block in blocks if isinstance(block, FigureGrid) for f in block.figures]
    assert drawn == ["What became of the images", "kind_0"]
    assert "no such verdict" in read_notes(blocks)


def test_nothing_decided_is_said_not_drawn(evaluate: Evaluate) -> None:
    labels = np.zeros_like(CLASS)
    blocks = show_decisions(evaluate(labels, np.where(CLASS, 0.9, 0.1), [None])).blocks
    assert not [block for block in blocks if isinstance(block, FigureGrid)]
    assert "nothing is decided" in read_notes(blocks)
    assert read_table(blocks).rows[0][1:] == ("\u2013",) * 7


def read_rows(blocks: Sequence[Block], caption: str) -> list[tuple[str, ...]]:
    """The rows of the table of this caption, less their first cells."""
    tables = [b for b in blocks if isinstance(b, Table) and b.caption.startswith(caption)]
    return [tuple(str(cell) for cell in row[1:]) for table in tables for row in table.rows]


def test_what_was_called_instead_of_an_escape(evaluate: Evaluate) -> None:
    labels = np.hstack([CLASS, 1 - CLASS])
    scores = np.where(labels, 0.995, 0.005)
    scores[75:, 0] = 0.005  # five of kind_0: three called kind_1, two nothing
    scores[75:78, 1] = 0.995
    blocks = show_decisions(evaluate(labels, scores, [0.5, 0.5])).blocks
    assert read_rows(blocks, "What was called") == [("5", "kind_1 3", "\u2013", "0", "2")]
    assert read_rows(blocks, "Decisions")[-1][-3:] == ("2 of 80", "0 of 0", "0")


def test_without_an_escape_nothing_was_called_instead(good: Evaluate) -> None:
    assert read_rows(show_decisions(good()).blocks, "What was called") == []


def test_overruled_reviews_have_a_column_of_their_own(evaluate: Evaluate) -> None:
    labels = np.hstack([CLASS, CLASS])
    scores = np.where(labels, 0.995, 0.005)
    scores[:10, 1] = 0.5  # clean images: for a person
    scores[60:, 1] = 0.5  # called kind_0 anyway: for nobody
    evaluation = evaluate(labels, scores, [0.5, ClassPolicy(0.4, 0.6)])
    section = show_decisions(evaluation)
    rows = read_rows(section.blocks, "Decisions")
    assert [column.title for column in read_table(section.blocks).columns][-1] == "overruled"
    assert [row[-2:] for row in rows] == [("0", "0"), ("10", "20"), ("10", "")]
    assert "no person gets it" in read_notes(section.blocks)
    (outcomes,) = [
        figure.caption
        for block in section.blocks
        if isinstance(block, FigureGrid)
        for figure in block.figures
        if figure.title == "What became of the images"
    ]
    assert "20 are overruled" in outcomes


def test_figures_that_cannot_be_had_are_dashes(evaluate: Evaluate) -> None:
    labels = np.hstack([CLASS, np.zeros_like(CLASS)])
    evaluation = evaluate(labels, np.where(labels, 0.9, 0.1), [0.5, None])
    rows = read_table(show_figures(evaluation).blocks).rows
    assert rows[1][1:] == ("0", "\u2013", "\u2013", "\u2013")
    assert rows[2][0] == "macro"
    assert rows[2][2].startswith("1.000")  # type: ignore[union-attr]
    for row in read_table(show_calibration(evaluation).blocks).rows:
        assert "nan" not in str(row)


def test_no_slice_and_no_mask_are_said(good: Evaluate) -> None:
    evaluation = good()
    assert "no slice" in read_notes(show_slices(evaluation).blocks)
    places = replace(evaluation.places, notes=("kind_0, x: no mask", "no test image says where"))
    said = [b.text for b in show_places(good(places=places)).blocks if isinstance(b, Note)]
    assert said == ["kind_0, x: no mask.", "No test image says where."]


def test_a_slice_says_what_is_counted_and_where(good: Evaluate) -> None:
    rate = FaultRate(10, 38, 1, 106, 0.263, 0.14, 0.42, 0.009, 0.254, 0.076)
    chance = replace(rate, least_gap=-0.01)
    found = Slice("area", "smallest defect under 1,900 px", None, 1900, 38, 38, (9,), rate, None,
                  0.9, 0.99, "escape")  # fmt: skip
    other = replace(found, escape=None, overkill=chance, worst="overkill", auroc=None)
    table = read_table(show_slices(good(slices=(found, other))).blocks)
    assert "Shares count look-alikes once" in table.caption  # 10 of 38 are not 26.32 %
    plain = replace(found, escape=replace(rate, rate=10 / 38))
    shown = read_table(show_slices(good(slices=(plain,))).blocks)
    assert "look-alikes" not in shown.caption
    assert [column.title for column in table.columns] == [
        "images that have", "what is counted", "in the slice", "share in the slice",
        "share elsewhere", "surely worse by", "AUROC in the slice", "AUROC elsewhere",
    ]  # fmt: skip
    assert table.rows[0][1:] == (
        "images with an escape", "10 of 38", "26.3 %", "0.9 %", "7.6 points", "0.9000", "0.9900",
    )  # fmt: skip
    assert table.rows[1][1] == "images with an overkill"
    assert table.rows[1][5:7] == ("not shown", "\u2013")


def test_maps_stand_beside_the_better_guess(good: Evaluate) -> None:
    found = Found(0.5, Interval(0.3, 0.7), 0.25, 0.375, 0.125, Interval(0.01, 0.3))
    row = ClassPlaces("kind_0", 40, 40, 40, 0, None, {"energy": found})
    places = Places("test", "validation", (64, 256), (2, 8), (row,), {"energy": found}, ())
    rows = read_table(show_places(good(places=places)).blocks).rows
    dash = "\u2013"
    assert rows[0][1:] == ("40", "masks", dash, "0.500 (0.375)", dash, dash)
    assert rows[1] == ("macro", "", "", dash, "0.500 (0.375)", dash, dash)


def make_stress(high: float, positives: int = 20) -> StressTest:
    def level(number: int, change: Measured) -> StressLevel:
        figure = Measured(0.5, 0.4, 0.6)
        names = ("macro_average_precision", "macro_recall")
        return StressLevel(
            number,
            2.0 * number if number else None,
            dict.fromkeys(names, figure),
            dict.fromkeys(names, change),
            dict.fromkeys(names, change.high),
            (figure,),
        )

    none, fall = Measured(0, 0, 0), Measured(-0.1, -0.2, high)
    levels = (level(0, none), *(level(n, fall if n >= 3 else none) for n in range(1, 6)))
    curve = StressCurve("blur", "blur", "px", "as out of focus", levels)
    return StressTest("test", 40, 80, ("kind_0",), (positives,), 0, 1000, (curve,))


def test_a_fall_within_chance_is_not_shown() -> None:
    shown = read_table(robustness.show_stress(make_stress(-0.01)).blocks).rows
    assert shown[0][:2] == ("Blur", "6 px")
    hidden = robustness.show_stress(make_stress(0.01)).blocks
    assert read_table(hidden).rows[0][:2] == ("Blur", "not shown")
    assert "Only 40 of 80 images" in read_notes(hidden)


def test_the_first_corruption_to_fail_is_a_finding() -> None:
    (notice,) = robustness.find_worst_corruption(make_stress(-0.01))
    assert (notice.title, notice.number, notice.level) == (
        "Blur makes it worse first", "6", "note",
    )  # fmt: skip
    assert notice.unit == "px: strength 3 of 5"
    assert "0.5000 without corruption" in notice.text
    assert "40 of 80 images" in notice.text
    assert not list(robustness.find_worst_corruption(make_stress(0.01)))
    assert not list(robustness.find_worst_corruption(None))


@pytest.mark.parametrize(("positives", "count"), [(9, 0), (10, 1)])
def test_no_finding_rises_from_a_class_that_few_images_show(positives: int, count: int) -> None:
    stress = make_stress(-0.01, positives)
    assert len(list(robustness.find_worst_corruption(stress))) == count
    said = read_notes(robustness.show_stress(stress).blocks)
    assert ("Too few images show kind_0 (9): no finding" in said) == (count == 0)


def test_a_fall_at_a_mild_strength_is_looked_at_and_the_mildest_comes_first() -> None:
    stress = make_stress(-0.01)
    (late,) = stress.curves
    fall = late.levels[3].bounds
    early = replace(
        late,
        title="shift",
        levels=(late.levels[0], *(replace(level, bounds=fall) for level in late.levels[1:])),
    )
    (notice,) = robustness.find_worst_corruption(replace(stress, curves=(late, early)))
    assert (notice.title, notice.number, notice.level) == (
        "Shift makes it worse first", "2", "look",
    )  # fmt: skip
    assert "falls under blur" in notice.text


def test_the_terminal_says_from_where_on_it_falls() -> None:
    console = Console(width=80, file=io.StringIO())
    console.print(tabulate_stress(make_stress(-0.01)))
    console.print(tabulate_stress(make_stress(0.01)))
    assert isinstance(console.file, io.StringIO)
    rows = [line.split() for line in console.file.getvalue().splitlines() if "blur" in line]
    assert rows == [
        ["blur", "6", "6", "0.500,", "0.500", "px"],
        ["blur", "not", "shown", "not", "shown", "0.500,", "0.500", "px"],
    ]
    assert "40 of 80 test images" in console.file.getvalue()


LOG = "epoch,train/loss,val/loss,val/macro_ap\n"


@pytest.mark.parametrize(
    "text",
    [None, "", "no,table\n1,2\n", LOG, LOG + "1,0.5,0.5,0.5\n", LOG + "1,1,1,\n2,1,1,\n"],
    ids=["absent", "empty", "other", "bare", "one epoch", "no AP"],
)
def test_a_log_without_a_curve(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "metrics.csv").write_text(text)
    assert draw_training(tmp_path / "metrics.csv") is None


def test_a_log_with_a_gap_is_drawn(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text(LOG + "1,1,1,\n2,0.5,0.6,0.7\n3,0.4,,0.6\n")
    plots = draw_training(tmp_path / "metrics.csv")
    assert plots is not None
    assert all(plot.png.startswith(b"\x89PNG") for plot in plots)
