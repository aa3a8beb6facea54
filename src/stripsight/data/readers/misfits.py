"""Why the files of a source that may have been meant as annotations are none.

Asked only once no form has been found, to give the person a file to look at.
"""

import re
from pathlib import PurePosixPath

from stripsight.data.readers.table import find_columns, read_table
from stripsight.data.source import SourceTree, is_image
from stripsight.errors import ReaderError, StripSightError

_LIKELY = (".csv", ".json", ".xml", ".tsv", ".txt", ".xlsx")
_SHOWN = 3
_START = 2**16


def explain_misfits(tree: SourceTree, never: str) -> str:
    """The first likely files and what each lacks, to end a message.

    Args:
        tree: the source.
        never: the file name that is never an annotation.
    """
    likely = [
        name
        for name in tree.files
        if name.lower().endswith(_LIKELY) and PurePosixPath(name).name != never
    ]
    likely.sort(key=lambda name: _LIKELY.index(PurePosixPath(name).suffix.lower()))
    if not likely:
        return "; no file ends in .csv, .json or .xml"
    reasons = [f"{name}: {_find_reason(tree, name)}" for name in likely[:_SHOWN]]
    more = f"; and {len(likely) - _SHOWN:,} more" if len(likely) > _SHOWN else ""
    return f"; looked at {'; '.join(reasons)}{more}"


def _find_reason(tree: SourceTree, name: str) -> str:
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in {".csv", ".json", ".xml"}:
        return f"a {suffix} is not read, save it as .csv"
    try:
        start = tree.read(name, _START)
    except (OSError, StripSightError) as error:
        return f"cannot be read ({error})"
    if start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in start[:64]:
        return "UTF-16, save it as UTF-8"
    if suffix == ".csv":
        return _find_reason_of_table(start)
    if suffix == ".json":
        named = is_image(name.removesuffix(".json"))
        return "one of another form" if named else "not named as its image, such as a.jpg.json"
    return "one of another form" if b"<annotation" in start else "no <annotation> in it"


def _find_reason_of_table(start: bytes) -> str:
    line = re.split(rb"[\r\n]", start, maxsplit=1)[0]
    try:
        header = read_table(line, "it").header
    except ReaderError as error:
        return str(error)
    for separator, name in ((";", "semicolons"), ("\t", "tabs")):
        if len(header) == 1 and separator in header[0]:
            return f"separated by {name}, not commas"
    if find_columns(header) or "EncodedPixels" in header:
        return "one of another form"
    columns = ", ".join(header)
    return f"its columns are {columns[:60]!r}; `image` and `labels` are needed"
