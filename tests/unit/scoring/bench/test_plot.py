"""The picture is well-formed, shows every contender, and survives what a name may hold."""

from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.scoring.bench import plot
from stripsight.scoring.bench.benchmark import Benchmark, Machine
from stripsight.scoring.bench.choice import Choice
from stripsight.scoring.bench.latency import Latency, Ratio
from stripsight.scoring.bench.plot import draw_benchmark
from stripsight.scoring.bench.steadiness import Steadiness
from stripsight.scoring.bench.throughput import Throughput
from stripsight.scoring.engine import EngineInfo

RATIO = Ratio(15.0, 14.0, 16.0)
SVG = "{http://www.w3.org/2000/svg}"


def make_benchmark(
    name: str = "a mill's bundle", slow: float = 0.3, ratio: Ratio = RATIO
) -> Benchmark:
    info = EngineInfo("openvino", "1", "bf16", "bf16", "a processor", 2, 1, 1)
    latencies = (
        Latency("openvino bf16", (np.array([0.02, 0.021]), np.array([0.022])), 0.04),
        Latency("pytorch eager fp32", (np.array([slow]), np.array([slow])), 0.6),
    )
    one = Ratio(1.0, 1.0, 1.0)
    return Benchmark(
        bundle=name,
        bundle_id="0",
        size=(256, 1600),
        images="golden",
        engine=info,
        machine=Machine("a processor", 2, "Linux", 0.1),
        latencies=latencies,
        ratios=(one, ratio),
        throughputs=tuple(
            Throughput(latency.name, batch, streams, 1 / slow, one)
            for latency, streams in zip(latencies, (2, 1), strict=True)
            for batch in (1, 8)
        ),
        choice=Choice(2, 2, ()),
        steadiness=Steadiness(20, 0.02, 0.99, 0.01, 0.011),
    )


def read_texts(svg: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_no_label_leaves_the_picture() -> None:
    """A letter of 13 px is at most 7.2 px wide on average in the fonts that are asked for."""
    for ratio in (RATIO, Ratio(15.0, 12.83, 338.4), Ratio(5.0, 3.921, 14.93)):
        root = ElementTree.fromstring(draw_benchmark(make_benchmark(slow=1.234, ratio=ratio)))
        for text in root.iter(f"{SVG}text"):
            if text.get("text-anchor") == "start" and text.get("font-size") == "13":
                end = float(text.get("x", "")) + 7.2 * len(text.text or "")
                assert end <= float(root.get("width", "")), text.text


def test_every_contender_and_its_figures_are_named() -> None:
    texts = read_texts(draw_benchmark(make_benchmark()))
    for wanted in (
        *("openvino bf16", "pytorch eager fp32", "21 ms", "300 ms, 15 times"),
        *("openvino bf16, 2 streams", "1", "8"),
    ):
        assert wanted in texts
    assert "machine steady (spread 0.02, granted 0.99)" in texts[-1]


def test_a_ratio_whose_rounds_disagree_is_a_range() -> None:
    ratio = Ratio(19.86, 6.84, 235.1)
    texts = read_texts(draw_benchmark(make_benchmark(ratio=ratio)))
    assert "300 ms, 6.84 to 235 times" in texts
    assert not any("19.9" in text for text in texts)


def test_names_are_text_and_never_markup() -> None:
    name = '<script>alert("1")</script> & more'
    svg = draw_benchmark(make_benchmark(name))
    assert "<script" not in svg
    assert any(name in text for text in read_texts(svg))


@given(st.floats(1e-5, 1e3))
def test_everything_stays_inside_the_picture(slow: float) -> None:
    root = ElementTree.fromstring(draw_benchmark(make_benchmark(slow=slow)))
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for line in root.iter(f"{SVG}line"):
        for key, limit in (("x1", width), ("x2", width), ("y1", height), ("y2", height)):
            assert 0 <= float(line.attrib[key]) <= limit


@given(st.floats(1e-3, 1e6))
def test_ticks_begin_at_zero_and_reach_the_highest(highest: float) -> None:
    ticks = plot._choose_ticks(highest)
    assert ticks[0] == 0
    assert ticks[-1] >= highest * 0.999999
    assert len(ticks) <= 7
    assert np.allclose(np.diff(ticks), ticks[1])


def test_labels_that_would_collide_move_apart() -> None:
    assert plot._spread([10.0, 11.0, 100.0]) == [10.0, 25.0, 100.0]
    assert plot._spread([11.0, 10.0]) == [25.0, 10.0]
    assert plot._spread([]) == pytest.approx([])
