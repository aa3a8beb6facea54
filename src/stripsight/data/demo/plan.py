"""Which image carries which defects, and what it is called.

Counts are exact to rounding for any number of images, so that a small demo still holds every class;
which image gets which set is a shuffle by the seed. Classes 1 and 4 never meet, as in Severstal's
data.
"""

import hashlib
from typing import Literal

from stripsight.data.demo.fields import make_generator

Prevalence = Literal["even", "real"]
LabelSet = frozenset[int]

_PLAN_STREAM = 0
_NAME_BITS = 36

_REAL = {
    (): 5902,
    (3,): 4759,
    (1,): 769,
    (4,): 516,
    (3, 4): 284,
    (2,): 195,
    (1, 3): 91,
    (1, 2): 35,
    (2, 3): 14,
    (1, 2, 3): 2,
    (2, 4): 1,
}
"""Images per label set in Severstal's 12,568 train images."""

_EVEN = {
    (): 27,
    (1,): 16,
    (2,): 16,
    (3,): 13,
    (4,): 15,
    (3, 4): 5,
    (1, 3): 3,
    (1, 2): 2,
    (2, 3): 2,
    (2, 4): 1,
}
"""Per cent; each class on 21 to 23 % of the images."""

_SHARES: dict[Prevalence, dict[tuple[int, ...], int]] = {"even": _EVEN, "real": _REAL}


def plan_labels(images: int, *, seed: int, prevalence: Prevalence) -> list[LabelSet]:
    """The label set of each image; counts by largest remainder, order by the seed."""
    shares = _SHARES[prevalence]
    total = sum(shares.values())
    counts = {labels: images * share // total for labels, share in shares.items()}
    remainders = {labels: images * share % total for labels, share in shares.items()}
    left = images - sum(counts.values())
    for labels in sorted(remainders, key=remainders.__getitem__, reverse=True)[:left]:
        counts[labels] += 1
    plan = [frozenset(labels) for labels, count in counts.items() for _ in range(count)]
    order = make_generator(seed, _PLAN_STREAM, images).permutation(images)
    return [plan[place] for place in order]


def name_image(index: int, *, seed: int) -> str:
    """Kaggle's kind of file name, `0002cc93b.jpg`; distinct for distinct indices of one seed.

    Every step is a bijection of 36-bit numbers, so no two indices below 2^36 meet.
    """
    top = (1 << _NAME_BITS) - 1
    offset = int.from_bytes(hashlib.sha256(str(seed).encode()).digest()[:5], "big")
    number = (index + offset) & top
    for factor in (0x9E3779B97, 0x5851F42D5):
        number = (number * factor) & top
        number ^= number >> 17
    return f"{number:09x}.jpg"
