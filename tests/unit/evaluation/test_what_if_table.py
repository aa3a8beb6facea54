"""Scenarios for the terminal: the images a person must look at, and reviews that nobody gets."""

import io

import numpy as np
from rich.console import Console

from stripsight.decision.outcomes import count_outcomes
from stripsight.decision.policy import CLEAN, DEFECT, REVIEW
from stripsight.evaluation.policies.what_if import Scenario
from stripsight.evaluation.what_if_table import describe_cells, tabulate_scenarios


def show(codes: list[list[int]]) -> tuple[dict[str, list[str]], str]:
    """The rows of the table by their first cell, and the words below it."""
    outcomes = count_outcomes(np.array(codes, np.int8), np.zeros((len(codes), 2), np.uint8))
    scenarios = (Scenario("share 0.1", True, outcomes),)
    console = Console(width=80, file=io.StringIO())
    console.print(tabulate_scenarios(scenarios, ("bar", "blob")))
    assert isinstance(console.file, io.StringIO)
    lines = [line.split("  ") for line in console.file.getvalue().splitlines()]
    cells = [[part.strip() for part in line if part.strip()] for line in lines]
    return {line[0]: line[1:] for line in cells if line}, describe_cells(scenarios)


def test_overruled_reviews_are_counted_apart() -> None:
    rows, words = show([[REVIEW, DEFECT], [REVIEW, DEFECT], [REVIEW, REVIEW], [CLEAN, CLEAN]])
    assert rows["bar"] == ["0", "0 / 0 / 1"]
    assert rows["whole images"] == ["0", "0 / 2 / 1"]
    assert rows["images to a person"] == ["1 (25.0 %)"]
    assert rows["overruled reviews"] == ["2"]
    assert "no person gets it" in words


def test_without_reviews_there_is_no_row_of_them() -> None:
    rows, words = show([[CLEAN, DEFECT], [CLEAN, CLEAN]])
    assert "images to a person" not in rows
    assert "overruled reviews" not in rows
    assert "overruled" not in words
