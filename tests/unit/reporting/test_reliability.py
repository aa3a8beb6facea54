"""The reliability diagram: points at their places, histograms to scale, nothing in the way."""

import numpy as np
import pytest

from stripsight.reporting import reliability
from stripsight.reporting.reliability import ReliabilityPoint, ScoreCounts, draw_reliability

RED = "#ff0000"


def find_red(pixels: np.ndarray) -> np.ndarray:
    return (pixels[..., 0] > 200) & (pixels[..., 1] < 60) & (pixels[..., 2] < 60)


def test_points_stand_at_predicted_and_observed(read_plot):
    def find(predicted: float, observed: float) -> np.ndarray:
        point = ReliabilityPoint(predicted, observed, observed, observed)
        pixels = read_plot(draw_reliability([point], color=RED))[: 280 * 2]
        return np.argwhere(find_red(pixels)).mean(axis=0) / 2.2

    start, across, up = find(0.1, 0.2), find(0.9, 0.2), find(0.1, 0.8)
    assert across[0] == pytest.approx(start[0], abs=1)
    assert up[1] == pytest.approx(start[1], abs=1)
    assert start[0] - up[0] == pytest.approx(0.6 * 250, abs=1)


def test_a_bar_is_as_tall_as_its_count_and_one_image_is_seen(read_plot):
    counts = np.zeros(10, int)
    counts[1], counts[5], counts[9] = 1000, 500, 1
    pixels = read_plot(draw_reliability([], [ScoreCounts("with it", counts, RED)]))
    heights = find_red(pixels[600:]).sum(axis=0)
    bars = [int(heights[left:right].max()) for left, right in ((100, 300), (400, 600), (700, 880))]
    assert bars[1] == pytest.approx(bars[0] / 2, abs=3)
    assert bars[2] >= 1


def test_a_dot_of_few_images_is_small_and_every_dot_says_how_many(read_plot, monkeypatch):
    written = []
    write = reliability.write
    monkeypatch.setattr(
        reliability, "write", lambda sheet, x, y, text, **k: (written.append(text),
                                                              write(sheet, x, y, text, **k)),
    )  # fmt: skip

    def count_red(images: int) -> int:
        point = ReliabilityPoint(0.5, 0.5, 0.4, 0.6, images)
        return int(find_red(read_plot(draw_reliability([point], color=RED))[: 290 * 2]).sum())

    assert count_red(9) < count_red(10) / 2
    assert {"9", "10"} <= set(written)


@pytest.mark.parametrize("kinds", [0, 1, 2])
def test_no_words_touch(find_clashes, kinds):
    points = [
        ReliabilityPoint(p, p**2, max(0, p**2 - 0.1), p, 3 if p > 0.5 else 12568)
        for p in np.linspace(0, 1, 10)
    ]
    scores = [ScoreCounts("with a class of long name", np.arange(20) * 1000)] * kinds
    draw_reliability(points, scores, before=points[::2])
    assert find_clashes() == []


def test_no_images_draw(read_plot):
    read_plot(draw_reliability([], [ScoreCounts("with it", np.zeros(10, int))]))
