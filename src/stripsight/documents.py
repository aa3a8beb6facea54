"""The JSON documents that StripSight reads back: no JSON but JSON, and whose schema it is.

What a document must hold is for its own module to say.
"""

import json
from collections import Counter
from typing import Any, NoReturn


def parse_json(data: bytes) -> Any:
    """JSON without what Python would let pass: NaN and Infinity, and a key twice in one object.

    Raises:
        ValueError, RecursionError: it is none.
    """
    return json.loads(
        data.decode(), parse_constant=_refuse_constant, object_pairs_hook=_refuse_repeated_key
    )


def describe_other_schema(document: Any, known: int, remedy: str) -> str | None:
    """What to say of a document of another schema version; None where it is `known`, or none.

    Args:
        document: as parsed.
        known: version that is read.
        remedy: what to do with an older one; a newer one needs a newer StripSight.
    """
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or version == known:
        return None
    made, advice = ("a newer", "update StripSight") if version > known else ("an older", remedy)
    return f"has schema version {version}, of {made} StripSight; this one reads {known}: {advice}"


def _refuse_repeated_key(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        ((twice, _),) = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"it holds the key {twice[:40]!r} twice")
    return entries


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number")
