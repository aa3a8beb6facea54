"""Threshold curves: values at the chosen threshold, and what was not chosen left out."""

from dataclasses import replace

import numpy as np

from stripsight.reporting.thresholds import ThresholdScan, draw_thresholds

GRID = np.linspace(0, 1, 11)
SCAN = ThresholdScan(
    GRID, 0.5 + GRID / 2, 1 - GRID, np.full(11, 0.6), clean_below=0.2, defect_from=0.45,
    data="validation, 134 images with it",
)  # fmt: skip


def test_it_says_the_values_at_the_chosen_threshold(read_words):
    draw_thresholds(SCAN)
    words = read_words()
    assert {"72.5 % at 0.45", "55.0 % at 0.45", "60.0 % at 0.45"} <= set(words)
    assert {"defect from 0.45", "review from 0.2"} <= set(words)
    assert "share, counted on validation, 134 images with it" in words


def test_without_a_choice_nothing_is_marked(read_words):
    draw_thresholds(replace(SCAN, clean_below=None, defect_from=None))
    assert not [word for word in read_words() if " at " in word or " from " in word]


def test_without_a_review_band_none_is_shaded(read_words):
    draw_thresholds(replace(SCAN, clean_below=0.45))
    assert not [word for word in read_words() if "review" in word]


def test_a_precision_that_is_not_there_is_not_said(read_words, find_clashes):
    precision = np.where(GRID > 0.3, np.nan, 0.5)
    draw_thresholds(replace(SCAN, precision=precision))
    assert len([word for word in read_words() if " at 0.45" in word]) == 2


def test_no_words_touch(find_clashes):
    draw_thresholds(SCAN)
    assert find_clashes() == []
