"""A benchmark as one picture, SVG written by hand: the line has no plotting library.

Above, where the requests of each contender lie in time, on a logarithmic axis; below, images a
second against batch size. Series are told apart by dash, marker and a label at their end, so that
the picture reads in grey, too.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from stripsight.scoring.bench.benchmark import Benchmark
from stripsight.scoring.bench.throughput import Throughput

_WIDTH = 840
_LEFT, _RIGHT = 180, 250  # room for the labels
_ROW = 44
_CURVES = 260
_INK, _FAINT, _OURS, _OTHERS = "#1a1a1a", "#d4d4d4", "#0b4f8a", "#6b6b6b"
_DASHES = ("", "7 4", "2 3", "10 3 2 3", "4 2")
_MOST_TICKS = 9
_LINE = 15  # between two labels, in pixels


@dataclass(frozen=True)
class _Series:
    label: str
    ours: bool
    points: tuple[Throughput, ...]


def draw_benchmark(benchmark: Benchmark) -> str:
    """The SVG document."""
    rows = len(benchmark.latencies)
    top = 64
    curves_top = top + rows * _ROW + 96
    height = curves_top + _CURVES + 84
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
        f' width="{_WIDTH}" height="{height}" role="img"'
        ' font-family="system-ui, Segoe UI, Helvetica, Arial, sans-serif" font-size="13">',
        f"<title>{escape(benchmark.bundle)}: latency and throughput</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
        *_draw_latencies(benchmark, top),
        *_draw_curves(_group(benchmark), curves_top),
        *_draw_foot(benchmark, height),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _draw_latencies(benchmark: Benchmark, top: int) -> Iterable[str]:
    yield _text(16, 26, "Latency of one image at a time, ms", weight=600, size=15)
    yield _text(
        16, 45, "thin: 1st to 99th percentile; thick: 10th to 90th; mark: median", fill=_OTHERS
    )
    spans = [
        [1000 * float(v) for v in np.percentile(latency.seconds, (1, 10, 50, 90, 99))]
        for latency in benchmark.latencies
    ]
    low, high = min(s[0] for s in spans) / 1.15, max(s[-1] for s in spans) * 1.15
    width = _WIDTH - _LEFT - _RIGHT

    def place(milliseconds: float) -> float:
        return _LEFT + width * float(np.log(milliseconds / low) / np.log(high / low))

    bottom = top + len(spans) * _ROW
    for tick in _choose_log_ticks(low, high):
        x = place(tick)
        yield _line(x, top, x, bottom, _FAINT)
        yield _text(x, bottom + 18, f"{tick:g}", anchor="middle")
    for number, (latency, ratio, span) in enumerate(
        zip(benchmark.latencies, benchmark.ratios, spans, strict=True)
    ):
        y = top + number * _ROW + _ROW / 2
        color = _OURS if number == 0 else _OTHERS
        first, ten, middle, ninety, last = map(place, span)
        yield _text(
            _LEFT - 14, y + 5, latency.name, anchor="end", weight=600 if not number else 400
        )
        yield _line(first, y, last, y, color, 2)
        yield _line(ten, y, max(ninety, ten + 1), y, color, 10)
        yield f'<rect x="{middle - 2:.1f}" y="{y - 10:.1f}" width="4" height="20" fill="{_INK}"/>'
        # Where rounds disagree, their median alone would say more than was measured.
        quotient = f"{ratio.lowest:.3g} to {ratio.highest:.3g}"
        quotient = f"{ratio.median:.3g}" if ratio.agrees else quotient
        times = "" if number == 0 else f", {quotient} times"
        middle_ms = f"{span[2]:.3g}" if span[2] < 1000 else f"{span[2]:,.0f}"
        yield _text(_WIDTH - _RIGHT + 14, y + 5, f"{middle_ms} ms{times}")
    yield _line(_LEFT, bottom, _WIDTH - _RIGHT, bottom, _INK)


def _draw_curves(series: Sequence[_Series], top: int) -> Iterable[str]:
    yield _text(16, top - 26, "Throughput, images a second", weight=600, size=15)
    batches = sorted({point.batch for each in series for point in each.points})
    highest = max(point.images_per_second for each in series for point in each.points)
    ticks = _choose_ticks(highest)
    bottom, left, right = top + _CURVES, 64, _WIDTH - 210
    for tick in ticks:
        y = bottom - _CURVES * tick / ticks[-1]
        yield _line(left, y, right, y, _INK if tick == 0 else _FAINT)
        yield _text(left - 10, y + 5, f"{tick:g}", anchor="end")
    step = (right - left) / max(1, len(batches))
    at = {batch: left + step * (number + 0.5) for number, batch in enumerate(batches)}
    for batch, x in at.items():
        yield _text(x, bottom + 20, str(batch), anchor="middle")
    yield _text((left + right) / 2, bottom + 40, "images in one request (batch)", anchor="middle")
    ends = []
    for number, each in enumerate(series):
        color = _OURS if each.ours else _OTHERS
        places = [
            (at[p.batch], bottom - _CURVES * p.images_per_second / ticks[-1]) for p in each.points
        ]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        dash = _DASHES[number % len(_DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        yield f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2.2"{dashed}/>'
        for x, y in places:
            yield _mark(x, y, number, color)
        ends.append(places[-1])
    for number, (each, (x, y), label_y) in enumerate(
        zip(series, ends, _spread([y for _, y in ends]), strict=True)
    ):
        color = _OURS if each.ours else _OTHERS
        yield _line(x + 8, y, right + 6, label_y, _FAINT)
        yield _mark(right + 14, label_y, number, color)
        yield _text(right + 26, label_y + 5, each.label, fill=_INK if each.ours else _OTHERS)


def _draw_foot(benchmark: Benchmark, height: int) -> Iterable[str]:
    engine, machine, steadiness = benchmark.engine, benchmark.machine, benchmark.steadiness
    steady = (
        "steady" if steadiness.steady else "NOT STEADY: believe at most ratios whose rounds agree"
    )
    yield _text(
        16,
        height - 14,
        f"{benchmark.bundle}, {benchmark.size[1]}x{benchmark.size[0]}; {machine.processor},"
        f" threads: {engine.threads}; machine {steady} (spread {steadiness.spread:.2f},"
        f" granted {steadiness.granted:.2f})",
        size=11,
        fill=_OTHERS if steadiness.steady else "#a00000",
    )


def _group(benchmark: Benchmark) -> list[_Series]:
    ours = benchmark.latencies[0].name
    keys = dict.fromkeys((point.name, point.streams) for point in benchmark.throughputs)
    series = []
    for name, streams in keys:
        count = f", {streams} stream{'s' if streams > 1 else ''}" if name == ours else ""
        points = tuple(
            point
            for point in benchmark.throughputs
            if (point.name, point.streams) == (name, streams)
        )
        series.append(_Series(name + count, name == ours, points))
    return series


def _spread(values: Sequence[float]) -> list[float]:
    """The same places, moved down as far as labels need to stand apart."""
    moved = [0.0] * len(values)
    above = -np.inf
    for index in np.argsort(values, kind="stable"):
        above = moved[index] = float(max(values[index], above + _LINE))
    return moved


def _choose_ticks(highest: float) -> list[float]:
    """Zero and round values up to the first that is not below the highest."""
    power = 10.0 ** np.floor(np.log10(highest / 4))
    step = next(power * m for m in (1, 2, 2.5, 5, 10, 20) if power * m * 5 >= highest)
    return [float(step * number) for number in range(int(np.ceil(highest / step)) + 1)]


def _choose_log_ticks(low: float, high: float) -> list[float]:
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1,)):
        ticks = [m * 10.0**power for power in powers for m in steps]
        inside = [float(f"{tick:.6g}") for tick in ticks if low <= tick <= high]
        if len(inside) <= _MOST_TICKS:
            break
    return inside or [float(f"{np.sqrt(low * high):.2g}")]


def _mark(x: float, y: float, number: int, color: str) -> str:
    kind, filled = number % 4, number < 4
    paint = f'fill="{color if filled else "white"}" stroke="{color}" stroke-width="1.5"'
    if kind == 0:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4.5" {paint}/>'
    if kind == 1:
        return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" {paint}/>'
    sides = {2: (-5, 4, 5, 4, 0, -5), 3: (0, -5.5, 5.5, 0, 0, 5.5, -5.5, 0)}[kind]
    points = " ".join(f"{x + sides[i]:.1f},{y + sides[i + 1]:.1f}" for i in range(0, len(sides), 2))
    return f'<polygon points="{points}" {paint}/>'


def _line(x1: float, y1: float, x2: float, y2: float, color: str, width: float = 1) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"'
        f' stroke-width="{width:g}"/>'
    )


def _text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    size: int = 13,
    weight: int = 400,
    fill: str = _INK,
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}"'
        f' font-weight="{weight}" fill="{fill}">{escape(words)}</text>'
    )
