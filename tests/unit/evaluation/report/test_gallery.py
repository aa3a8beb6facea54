"""What stands below a picture tells a probability from the threshold it was compared with."""

import pytest

from stripsight.evaluation.report.gallery import _write_beside


@pytest.mark.parametrize(
    ("probability", "threshold", "said"),
    [
        (0.09, 0.31, "probability 9.0 %, called clean below 31.0 %"),
        (0.09871, 0.09874, "probability 9.871 %, called clean below 9.874 %"),
        (0.0001, 0.0002, "probability 0.01 %, called clean below 0.02 %"),
        (0.25, 0.25, "probability 25.0 %, called clean below 25.0 %"),
    ],
)
def test_as_many_digits_as_tell_them_apart(probability: float, threshold: float, said: str) -> None:
    assert _write_beside(probability, "called clean below", threshold) == said
