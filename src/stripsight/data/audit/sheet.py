"""The suspects as a sheet to fill in; what came back is read in `data/reviews/sheet.py`.

    number               of the suspect, on the page too
    image, class, given label, suggested label
    probability          predicted, of the class
    usual probability    mean of the images with the same given label
    look-alikes          other suspects whose images show the same steel, by number
    decision             empty; the reviewer writes keep, remove, add or drop-image
    labels version       which labels are reviewed; in a column because it then survives a
                         spreadsheet

The score, by which the rows are sorted, is left to `audit.json`: it is the probability of the given
label, which the sheet holds already.
"""

import csv
import io

import pandas as pd

from stripsight.data.audit.confident_learning import Audit, compute_usual_probability
from stripsight.data.audit.look_alikes import describe_look_alikes, find_look_alikes
from stripsight.data.reviews.sheet import name_version, neutralise_cell

COLUMNS = (
    "number",
    "image",
    "class",
    "given label",
    "suggested label",
    "probability",
    "usual probability",
    "look-alikes",
    "decision",
    "labels version",
)


def format_sheet(audit: Audit, images: pd.DataFrame, content_hash: str) -> bytes:
    """The sheet of an audit: UTF-8 with a byte order mark (Excel needs it), CRLF, commas.

    Args:
        audit: its suspects in the order of the rows.
        images: of the data set, with `id` and `duplicate_group`.
        content_hash: of the data set as it was audited.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table)
    writer.writerow(COLUMNS)
    look_alikes = find_look_alikes(audit.suspects, images)
    for number, (suspect, others) in enumerate(
        zip(audit.suspects, look_alikes, strict=True), start=1
    ):
        judged = audit.classes[suspect.column]
        given, suggested = ("present", "absent") if suspect.given else ("absent", "present")
        usual = compute_usual_probability(suspect, judged)
        cells = (
            str(number),
            suspect.image,
            judged.name,
            given,
            suggested,
            f"{suspect.probability:.4f}",
            "" if usual is None else f"{usual:.4f}",
            describe_look_alikes(others),
            "",
            name_version(content_hash),
        )
        writer.writerow([neutralise_cell(cell) for cell in cells])
    return table.getvalue().encode("utf-8-sig")
