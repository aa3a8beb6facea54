"""Whether an ONNX graph holds all its weights itself.

A tensor of the format may name a file instead (`data_location` EXTERNAL, ONNX's ExternalData.md),
relative to the folder the process happens to stand in. Such a file is under no hash, and a path may
lead anywhere, so the graph is refused before ONNX Runtime sees it.
"""

from typing import Any

from stripsight.errors import BundleError, EngineError


def check_self_contained(file: str, graph: bytes) -> None:
    """Refuse a graph that names files.

    Args:
        file: for the message.
        graph: a serialised ModelProto.

    Raises:
        BundleError: it names a file, or is no ONNX.
        EngineError: the package `onnx` is missing.
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError, Message
    except ImportError as error:
        raise EngineError("onnx is not installed: pip install 'stripsight[serve]'") from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(graph)
    except DecodeError as error:
        raise BundleError(f"{file} is no ONNX graph: export the bundle again") from error
    if not model.HasField("graph"):
        raise BundleError(f"{file} is no ONNX graph: export the bundle again")
    external = onnx.TensorProto.EXTERNAL
    # All messages, wherever they stand: initialisers, attributes, subgraphs, functions, and what
    # later versions of the format add. Protobuf lets none be nested deeper than a hundred.
    waiting: list[Any] = [model]
    while waiting:
        message = waiting.pop()
        if isinstance(message, onnx.TensorProto):
            if message.data_location == external or message.external_data:
                places = [entry.value for entry in message.external_data if entry.key == "location"]
                raise BundleError(
                    f"{file} keeps the tensor {message.name[:80]!r} in a file outside"
                    f" ({', '.join(places)[:80]!r}): a bundle's graph must hold its weights itself"
                )
            continue
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if isinstance(value, Message) else value)
