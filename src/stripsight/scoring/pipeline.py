"""The one scoring function: images in, rows out, whoever calls it.

Threads read and decode ahead of the engine, which runs without Python's lock, while the caller
writes what has been scored. A fixed number of images is under way, so memory does not grow with
the number of inputs. Rows come in the order of the items, those of unreadable images too.
"""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from stripsight.scoring.engine import Engine, Output
from stripsight.scoring.inputs import Item
from stripsight.scoring.intake import Intake, Refused, Taken
from stripsight.scoring.judging import Judge
from stripsight.scoring.rows import Row
from stripsight.scoring.threads import count_cores


@dataclass(frozen=True, slots=True)
class Scored:
    """A row with what it was made from; None where the image could not be read.

    Attributes:
        away: see `Refused`.
    """

    item: Item
    row: Row
    taken: Taken | None = None
    output: Output | None = None
    away: bool = False


def score_images(
    engine: Engine, judge: Judge, intake: Intake, items: Iterable[Item]
) -> Generator[Scored]:
    """Score images as they come.

    Args:
        engine: of batch 1, in nobody else's use until the last row has come.
        judge: of the same bundle.
        intake: of the same bundle.
        items: taken a few ahead of the row that comes next.
    """
    waiting: deque[tuple[Item, Taken | Refused, object]] = deque()
    running = 0
    pool = ThreadPoolExecutor(_count_readers(), "intake")
    try:
        for item, image in _take_ahead(pool, intake, items, ahead=2 * engine.info.streams + 2):
            if isinstance(image, Taken):
                waiting.append((item, image, engine.start(image.scored[None, None])))
                running += 1
            else:
                waiting.append((item, image, None))
            # One more than there are streams, so that one that is done goes on at once.
            while waiting and (running > engine.info.streams or waiting[0][2] is None):
                running -= waiting[0][2] is not None
                yield _finish(engine, judge, *waiting.popleft())
        while waiting:
            yield _finish(engine, judge, *waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)
        for _, _, request in waiting:  # broken off: the engine must be free for others
            if request is not None:
                engine.finish(request)


def _finish(
    engine: Engine, judge: Judge, item: Item, image: Taken | Refused, request: object
) -> Scored:
    if isinstance(image, Refused):
        return Scored(item, judge.refuse(item.id, image), away=image.away)
    output = engine.finish(request)
    return Scored(item, judge.judge(item.id, image, output), image, output)


def _take_ahead(
    pool: ThreadPoolExecutor, intake: Intake, items: Iterable[Item], *, ahead: int
) -> Iterator[tuple[Item, Taken | Refused]]:
    futures: deque[tuple[Item, Future[Taken | Refused]]] = deque()
    for item in items:
        futures.append((item, pool.submit(intake.take, item)))
        if len(futures) > ahead:
            first, future = futures.popleft()
            yield first, future.result()
    while futures:
        first, future = futures.popleft()
        yield first, future.result()


def _count_readers() -> int:
    # Decoding takes a tenth of a core; more threads than one wait for slow disks together.
    return max(2, min(8, count_cores() // 2))
