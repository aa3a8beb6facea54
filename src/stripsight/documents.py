"""The JSON documents that StripSight reads back: no JSON but JSON, and whose schema it is.

What a document must hold is for its own module to say.
"""

import json
from typing import Any, NoReturn


def parse_json(data: bytes) -> Any:
    """JSON without the NaN and Infinity that Python would let pass, and that no JSON knows.

    Raises:
        ValueError, RecursionError: it is none.
    """
    return json.loads(data.decode(), parse_constant=_refuse_constant)


def describe_other_schema(document: Any, known: int) -> str | None:
    """What to say of a document of another schema version; None where it is `known`, or none."""
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or version == known:
        return None
    made = "a newer" if version > known else "an older"
    return f"has schema version {version}, of {made} StripSight; this one reads {known}"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it holds {name}, which is no number")
