"""`analysis.html`, `analysis.json` and `figures/*.png` in one folder.

The page comes last and is taken away first: while a new analysis is being written, or after it was
killed, there is no page, so that none goes with figures of another time. Other files in the folder
are left alone.
"""

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stripsight.atomic import write_atomically
from stripsight.data.analysis.figures import (
    NamedPlot,
    draw_defect_sizes,
    draw_labels,
    draw_measures,
    draw_places,
)
from stripsight.data.analysis.finding import Finding
from stripsight.data.analysis.page import build_page, show_pictures
from stripsight.data.analysis.study import Study
from stripsight.reporting.folder import check_report_folder
from stripsight.reporting.page import render_page

SCHEMA_VERSION = 2
PAGE, NUMBERS, FIGURES = "analysis.html", "analysis.json", "figures"


def check_folder(folder: Path) -> None:
    """Refuse a folder of other things.

    Raises:
        UsageError: a file, or a folder that is not empty and holds no analysis.
    """
    check_report_folder(folder, numbers=NUMBERS, keys=("stripsight",), others=(PAGE, FIGURES))


def write_report(
    study: Study,
    findings: Sequence[Finding],
    folder: Path,
    *,
    version: str,
    report_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Draw, write, and return the page's path.

    Args:
        study: what was found.
        findings: the most serious first.
        folder: made if it is not there.
        version: of StripSight, for the page.
        report_progress: called with the steps done and all steps.

    Raises:
        OSError: the disk is full or read-only; there is no page then.
    """
    steps = 6
    plots: dict[str, list[NamedPlot]] = {}
    makers = (
        ("labels", draw_labels),
        ("defects", draw_defect_sizes),
        ("places", draw_places),
        ("measures", draw_measures),
    )
    # Pillow's work needs no interpreter's lock, so it goes beside the plots.
    with ThreadPoolExecutor(1) as pool:
        pictures = pool.submit(show_pictures, study)
        for done, (name, draw) in enumerate(makers, start=1):
            plots[name] = list(draw(study))
            report_progress(done, steps)
        page = render_page(build_page(study, findings, plots, pictures.result(), version=version))
    report_progress(5, steps)
    _write(folder, page, collect_numbers(study, findings, version=version), plots)
    report_progress(steps, steps)
    return folder / PAGE


def collect_numbers(study: Study, findings: Sequence[Finding], *, version: str) -> dict[str, Any]:
    """Everything as plain JSON; null where there is no number."""
    dataset, parts = study.dataset, study.parts
    numbers = {
        "schema_version": SCHEMA_VERSION,
        "stripsight": version,
        "dataset": {
            "name": dataset.name,
            "source_format": dataset.source_format,
            "content_hash": dataset.content_hash(),
        },
        "findings": [asdict(f) for f in findings],
        "labels": asdict(study.counts)
        | {"pairs": [asdict(p) | {"lift": p.lift} for p in study.counts.pairs]},
        "defects": {
            "classes": [asdict(d) for d in study.defect_counts],
            "empty_masks": [{"image": i, "class": c} for i, c in study.defects.empty],
            "damaged_masks": [asdict(d) for d in study.defects.damaged],
            "where": {
                str(i): plane.round(6).tolist() for i, plane in study.defects.coverage.items()
            },
        },
        "images": {
            "unreadable": study.unreadable,
            "measures": [asdict(m) for m in study.measures],
            "suspects": [asdict(s) for s in study.suspects],
        },
        "look_alikes": {
            "links": [asdict(link) for link in study.links],
            "conflicts": [asdict(conflict) for conflict in study.conflicts],
        },
        "split": None
        if parts is None
        else {
            "name": parts.split.name,
            "by": parts.split.by,
            "title": parts.split.title,
            "hash": parts.split.hash,
            "balance": None if parts.balance is None else parts.balance.to_json(),
            "leaks": [asdict(leak) for leak in parts.leaks],
            "shifts": [asdict(shift) for shift in parts.shifts],
        },
        "split_fault": study.split_fault,
    }
    return _without_nan(numbers)  # type: ignore[no-any-return]


def _write(
    folder: Path, page: str, numbers: dict[str, Any], plots: dict[str, list[NamedPlot]]
) -> None:
    figures = folder / FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    (folder / PAGE).unlink(missing_ok=True)
    drawn = {f"{plot.name}.png": plot.plot.png for group in plots.values() for plot in group}
    for name in _list_old_figures(folder) - drawn.keys():
        (figures / name).unlink(missing_ok=True)
    for name, png in drawn.items():
        write_atomically(figures / name, png)
    numbers = numbers | {"figures": sorted(drawn)}
    write_atomically(folder / NUMBERS, (json.dumps(numbers, indent=1) + "\n").encode())
    write_atomically(folder / PAGE, page.encode())


def _list_old_figures(folder: Path) -> set[str]:
    """Figures that an earlier analysis wrote here, and no other files."""
    try:
        names = json.loads((folder / NUMBERS).read_bytes())["figures"]
        return {name for name in names if Path(name).name == name and name.endswith(".png")}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return set()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value
