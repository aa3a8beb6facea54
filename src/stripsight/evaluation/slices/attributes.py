"""What is known of every image besides its labels: light, border, plate, defects, look-alikes.

They are what a part is cut into slices by. Light and borders are those of `statistics.parquet`;
images that it lacks are measured here, and nothing is written into the data set.

What is not known is NaN, and its image is in no slice of that attribute: an image that cannot be
read has no light, one without a defect no smallest one, and where a class is known only by its
presence, nobody knows how many defects there are or how large.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from stripsight.data.analysis.appearance import CHECKER
from stripsight.data.analysis.defects import find_defects
from stripsight.data.prepared import PreparedDataset
from stripsight.data.statistics.processes import measure_in_processes
from stripsight.data.statistics.table import load_statistics, make_statistics_table
from stripsight.data.statistics.worker import ImageFile, UnmeasuredImage, Wanted
from stripsight.errors import EvaluationError
from stripsight.evaluation.slices.cuts import Attribute
from stripsight.reporting.quantities import format_quantity

logger = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

ATTRIBUTES = (
    Attribute("smallest_defect", "smallest defect", "px"),
    Attribute("defect_area", "defect area in all", "px"),
    Attribute("defects", "", "defects", counts=True),
    Attribute("brightness", "brightness", "grey levels"),
    Attribute("contrast", "contrast", "grey levels"),
    Attribute("border", "black border", "px", slices=2, apart=(0, "no black border")),
    Attribute(
        "checker", "checker plate", "", levels=((CHECKER,), ("no checker plate", "checker plate"))
    ),
    Attribute(
        "group_size", "group of", "look-alikes", 2, counts=True, apart=(1, "no look-alike image")
    ),
)
"""Columns of `build_attributes`, in order.

    smallest_defect  area of the smallest connected piece of a mask or box, pixels
    defect_area      area of all of them, pixels; where classes overlap, counted for each
    defects          how many pieces; touching ones of a class count as one
    brightness       mean grey level of the steel, 0-255
    contrast         standard deviation of its grey levels
    border           black columns at the left and the right edge together, pixels
    checker          strength of a raised pattern, 0-1
    group_size       images of the whole data set in its duplicate group, itself included
"""

_OF_STATISTICS = ("brightness", "contrast", "border", "checker")


def build_attributes(
    dataset: PreparedDataset,
    ids: Sequence[str],
    *,
    workers: int | None = None,
    report_progress: Callable[[int, int], None] = lambda done, total: None,
) -> pd.DataFrame:
    """The attributes of some images.

    Args:
        dataset: that has them.
        ids: N images, in any order, each once.
        workers: processes that measure what was not measured yet; one a core if None.
        report_progress: called with images measured here, and how many must be.

    Returns:
        float64 `[N, 8]` with the columns of `ATTRIBUTES`, indexed by `ids` in their order; NaN
        where something is not known.

    Raises:
        EvaluationError: an id that the data set has not, or twice the same.
        DataError: a process that measures died.
    """
    images = dataset.images.set_index("id", drop=False)
    unknown = [image_id for image_id in ids if image_id not in images.index]
    if unknown or len(set(ids)) != len(ids):
        what = f"{unknown[0]!r} is not in {dataset.root}" if unknown else "an image is given twice"
        raise EvaluationError(f"no attributes for these images: {what}; evaluate the run again")
    images = images.loc[list(ids)]
    part = replace(
        dataset,
        images=images.reset_index(drop=True),
        annotations=dataset.annotations[dataset.annotations["image_id"].isin(ids)],
    )
    sizes = dataset.images["duplicate_group"].value_counts()
    table = pd.concat(
        [
            _describe_defects(part),
            _describe_light(part, workers, report_progress),
            images["duplicate_group"].map(sizes).astype("float64").rename("group_size"),
        ],
        axis=1,
    )
    return table[[a.column for a in ATTRIBUTES]].rename_axis("id")


def _describe_defects(part: PreparedDataset) -> pd.DataFrame:
    defects = find_defects(part)
    area = defects.table.groupby("image_id")["area"]
    table = pd.DataFrame(
        {"smallest_defect": area.min(), "defect_area": area.sum(), "defects": area.size()}
    ).reindex(part.images["id"])
    undrawn = {
        *part.annotations.loc[part.annotations["kind"] == "presence", "image_id"],
        *(image_id for image_id, _ in defects.empty),
        *(damaged.image_id for damaged in defects.damaged),
    }
    table.loc[table.index.isin(list(undrawn))] = np.nan
    return table.astype("float64")


def _describe_light(
    part: PreparedDataset, workers: int | None, report_progress: Callable[[int, int], None]
) -> pd.DataFrame:
    known = load_statistics(part)
    measured = make_statistics_table([]) if known is None else known
    missing = part.images[~part.images["id"].isin(measured["id"])]
    if len(missing):
        fresh = _measure(part, missing, workers, report_progress)
        measured = pd.concat([measured, fresh], ignore_index=True) if len(measured) else fresh
    measured = measured.set_index("id")
    table = measured[["brightness", "contrast", "checker"]].astype("float64")
    table["border"] = (measured["border_left"] + measured["border_right"]).astype("float64")
    return table[list(_OF_STATISTICS)].reindex(part.images["id"])


def _measure(
    part: PreparedDataset,
    missing: pd.DataFrame,
    workers: int | None,
    report_progress: Callable[[int, int], None],
) -> pd.DataFrame:
    cells = zip(missing["id"], missing["file"], missing["sha256"], strict=True)
    files = [ImageFile(str(i), part.image_root / str(f), str(s)) for i, f, s in cells]
    rows, unread = [], []
    for done, result in enumerate(measure_in_processes(files, Wanted(), workers=workers), 1):
        if isinstance(result, UnmeasuredImage):
            unread.append(result)
        else:
            rows.append((result.key, result.sha256, result.statistics))
        report_progress(done, len(files))
    if unread:
        logger.warning(
            "%s could not be measured and %s in no slice of brightness, contrast, border or"
            " checker plate; the first is %s: %s",
            format_quantity(len(unread), "image"),
            "is" if len(unread) == 1 else "are",
            unread[0].key,
            unread[0].reason,
        )
    return make_statistics_table(rows)
