"""What may stand where a class is named: a class, a word for "no defect", or neither.

One rule for folders and tables. A placeholder such as `nan` says nothing and labels no image.
"""

from dataclasses import replace

from stripsight.data.readers.annotation import RefusedRow, SourceRow, SourceTable
from stripsight.labels import find_fault_of_class_name

_CLEAN = frozenset({"clean", "ok", "good", "no_defect"})
_PLACEHOLDERS = frozenset({"nan", "null", "none", "n/a", "<na>", "-", "unknown", "?"})


def means_clean(name: str) -> bool:
    """Whether the word says "no defect": clean, ok, good, no_defect, in any case."""
    return name.casefold().replace(" ", "_").replace("-", "_") in _CLEAN


def is_placeholder(name: str) -> bool:
    """Whether the word stands for a label that is not there."""
    return name.casefold() in _PLACEHOLDERS


def refuse_faulty_names(table: SourceTable) -> SourceTable:
    """Move rows with a class name that no class may have to the refused ones."""
    keys = {mark.class_key for row in table.rows for mark in row.marks}
    faults = {key: fault for key in keys if (fault := find_fault_of_class_name(key))}
    if not faults:
        return table
    rows: list[SourceRow] = []
    refused = list(table.refused)
    for row in table.rows:
        why = next((faults[m.class_key] for m in row.marks if m.class_key in faults), None)
        if why is None:
            rows.append(row)
        else:
            refused.append(RefusedRow(row.file, row.place, row.image, "unknown class", why))
    return replace(table, rows=tuple(rows), refused=tuple(refused))
