"""The one scoring function: order, bounds, and an engine that is free afterwards."""

import itertools
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stripsight.bundle.manifest import InputContract
from stripsight.decision.calibration import make_identity
from stripsight.decision.policy import ClassPolicy, Policy
from stripsight.scoring.engine import Engine, EngineInfo, Output
from stripsight.scoring.inputs import Item
from stripsight.scoring.intake import Intake, Refused, Taken
from stripsight.scoring.judging import Judge
from stripsight.scoring.pipeline import score_images
from stripsight.scoring.rows import Origin

CONTRACT = InputContract(8, 16, ((8, 16),))
JUDGE = Judge(
    ("spot",),
    make_identity(1),
    Policy("max_f1", {}, (ClassPolicy.at(0.5),)),
    Origin("b" * 64, "fp32", "fp32", "openvino"),
    (0.5,),
)


class CountingBackend:
    """Says each image's first pixel; holds requests to the contract."""

    def __init__(self, streams: int) -> None:
        self.info = EngineInfo("openvino", "1", "fp32", "fp32", "CPU", streams, streams, 1)
        self.running = 0
        self.most = 0

    def start(self, images: np.ndarray) -> object:
        self.running += 1
        self.most = max(self.most, self.running)
        return images[0, 0, 0, 0]

    def finish(self, request: object) -> Output:
        self.running -= 1
        logits = np.full((1, 1), float(request), np.float32)  # type: ignore[arg-type]
        return Output(logits, np.zeros((1, 1, 2, 4), np.float32))


class FakeIntake(Intake):
    """Images whose first pixel is their number; those in `refused` cannot be read."""

    def __init__(self, refused: frozenset[int] = frozenset()) -> None:
        super().__init__(CONTRACT)
        self.refused = refused
        self.taken = 0
        self.threads: set[str] = set()

    def take(self, item: Item) -> Taken | Refused:
        self.taken += 1
        self.threads.add(threading.current_thread().name)
        number = int(item.id)
        if number in self.refused:
            return Refused("unreadable: not a readable JPEG or PNG")
        image = np.full((8, 16), number % 256, np.uint8)
        return Taken(image, image, None)


def build_engine(streams: int = 1) -> tuple[Engine, CountingBackend]:
    backend = CountingBackend(streams)
    return Engine(backend, CONTRACT, 1), backend


def count_up(limit: int | None = None) -> Iterator[Item]:
    numbers = itertools.count() if limit is None else range(limit)
    return (Item(str(n), f"/coil/{n}.jpg") for n in numbers)


@given(
    number=st.integers(0, 30),
    refused=st.frozensets(st.integers(0, 29)),
    streams=st.integers(1, 4),
)
def test_a_row_for_each_item_in_order_with_its_own_score(
    number: int, refused: frozenset[int], streams: int
) -> None:
    engine, backend = build_engine(streams)
    scored = list(score_images(engine, JUDGE, FakeIntake(refused), count_up(number)))
    assert [one.row.id for one in scored] == [str(n) for n in range(number)]
    for one in scored:
        n = int(one.row.id)
        if n in refused:
            assert one.row.reason == "unreadable: not a readable JPEG or PNG"
            assert one.taken is None
        else:
            assert one.output is not None
            assert one.output.logits[0, 0] == n
    assert backend.most <= streams + 1
    assert backend.running == 0


def test_no_more_images_are_under_way_however_many_there_are() -> None:
    engine, _ = build_engine()
    intake = FakeIntake()
    scored = score_images(engine, JUDGE, intake, count_up())
    most = 0
    for done, _ in enumerate(itertools.islice(scored, 200)):
        most = max(most, intake.taken - done)
    scored.close()
    assert most <= 10
    assert all(name.startswith("intake") for name in intake.threads)


def test_unreadable_images_come_out_at_once() -> None:
    engine, _ = build_engine()
    intake = FakeIntake(frozenset(range(100_000)))
    scored = score_images(engine, JUDGE, intake, count_up())
    for done, _ in enumerate(itertools.islice(scored, 50)):
        assert intake.taken - done <= 10
    scored.close()


def test_a_scoring_that_is_broken_off_leaves_the_engine_free() -> None:
    engine, backend = build_engine(3)
    scored = score_images(engine, JUDGE, FakeIntake(), count_up())
    next(scored)
    assert backend.running > 0
    scored.close()
    assert backend.running == 0


def test_a_fault_in_our_own_code_is_not_hidden() -> None:
    class BrokenIntake(FakeIntake):
        def take(self, item: Item) -> Taken | Refused:
            raise AssertionError("a bug")

    engine, _ = build_engine()
    with pytest.raises(AssertionError, match="a bug"):
        list(score_images(engine, JUDGE, BrokenIntake(), count_up(3)))
