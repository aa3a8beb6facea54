"""How many loader processes a run gets when nobody says."""

import os

import pytest

from stripsight.training.hardware import choose_workers


@pytest.mark.parametrize(
    ("cores", "on_gpu", "expected"),
    [(1, True, 0), (2, True, 2), (64, True, 8), (2, False, 0), (8, False, 2), (64, False, 8)],
)
def test_loaders_leave_the_cores_to_a_network_on_the_cpu(
    monkeypatch: pytest.MonkeyPatch, cores: int, on_gpu: bool, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    assert choose_workers(None, on_gpu=on_gpu) == expected
    assert choose_workers(3, on_gpu=on_gpu) == 3
