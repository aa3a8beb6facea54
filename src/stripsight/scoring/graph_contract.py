"""What every graph of a bundle must take and give, whichever engine reads it.

Held when the graph is compiled, so that a graph of another form ends the command before the first
image and not at it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stripsight.bundle.manifest import InputContract
from stripsight.errors import BundleError

Kind = Literal["uint8", "float32", "other"]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a graph; None in `shape` where a length is not fixed."""

    name: str
    kind: Kind
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        lengths = ", ".join("?" if length is None else str(length) for length in self.shape)
        return f"{self.name} {self.kind} [{lengths}]"


def check_graph(
    file: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    contract: InputContract,
    num_classes: int,
    batch: int,
) -> None:
    """Hold a graph against the manifest.

    Args:
        file: for the message.
        inputs: in the order of the graph.
        outputs: likewise.
        contract: of the bundle.
        num_classes: C.
        batch: images of one request; a graph for any number is right too.

    Raises:
        BundleError: other names, dtypes or shapes than `images` uint8 `[N, 1, H, W]` in and
            `logits` float32 `[N, C]` and `class_maps` float32 `[N, C, h, w]` out.
    """
    expected_inputs = (Port("images", "uint8", (batch, 1, contract.height, contract.width)),)
    expected_outputs = (
        Port("logits", "float32", (batch, num_classes)),
        Port("class_maps", "float32", (batch, num_classes, None, None)),
    )
    for what, given, expected in (
        ("takes", inputs, expected_inputs),
        ("gives", outputs, expected_outputs),
    ):
        if len(given) != len(expected) or not all(map(_fits, given, expected)):
            raise BundleError(
                f"{file} {what} {'; '.join(map(str, given)) or 'nothing'}, and its manifest says"
                f" {'; '.join(map(str, expected))}: export the bundle again"
            )


def _fits(given: Port, expected: Port) -> bool:
    return (
        (given.name, given.kind, len(given.shape))
        == (expected.name, expected.kind, len(expected.shape))
    ) and all(
        a is None or b is None or a == b for a, b in zip(given.shape, expected.shape, strict=True)
    )
