import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from stripsight.data.inspection import ImageFacts, UnreadableImage, inspect_images
from stripsight.errors import ArchiveError


def make_files(count):
    files = {}
    for i in range(count):
        stream = io.BytesIO()
        Image.fromarray(np.full((4 + i, 6), 40 + i, np.uint8)).save(stream, "PNG")
        files[f"{i:03}.png"] = stream.getvalue()
    return files


@pytest.mark.parametrize("workers", [1, 3, None])
@pytest.mark.parametrize("count", [0, 1, 8, 61])
def test_facts_come_in_the_order_given(workers, count):
    files = make_files(count)
    facts = list(inspect_images(list(files), lambda f, _: files[f], workers=workers))
    assert facts == [
        ImageFacts(name, 4 + i, 6, hashlib.sha256(data).hexdigest(), None)
        for i, (name, data) in enumerate(files.items())
    ]


def test_damaged_image_is_one_row_and_a_broken_archive_ends_it():
    files = make_files(20) | {"007.png": b"text"}

    def read(name, limit):
        if name == "008.png":
            raise FileNotFoundError(2, "No such file or directory")
        return files[name]

    facts = list(inspect_images(list(files), read, workers=2))
    assert [f.file for f in facts if isinstance(f, UnreadableImage)] == ["007.png", "008.png"]
    assert facts[7].sha256 == hashlib.sha256(b"text").hexdigest()
    assert facts[8].reason == "cannot be read (No such file or directory)"

    def break_off(name, limit):
        raise ArchiveError("damaged")

    with pytest.raises(ArchiveError):
        list(inspect_images(list(files), break_off, workers=2))
