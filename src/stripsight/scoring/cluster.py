"""The same scoring on many machines: Ray Data hands blocks of inputs to workers.

The journal stays with the process that was called, so a restart and one row for each input are
those of any scoring; only the call of the scoring function moves. Replies come in any order, as
soon as they are there.

A worker that dies is started again by Ray, on another node if its own is gone, and its block is
tried again. A block that outlives no worker is left aside, and when all else is done what is left
goes out once more in smaller blocks, until an image that brings every worker down stands alone.
"""

import logging
import math
import os
import warnings
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

from stripsight.bundle.folder import open_bundle
from stripsight.errors import ScoringError, UsageError
from stripsight.scoring.crew import CrewReport, FindPending, Rows
from stripsight.scoring.inputs import Item
from stripsight.scoring.opening import ClusterOptions, ScoreOptions
from stripsight.scoring.overlays import Drawing
from stripsight.scoring.ray_session import Session, check_address, open_session
from stripsight.scoring.rows import Origin
from stripsight.scoring.shard import Answer, Job, Reply, ShardWorker, build_block
from stripsight.scoring.summary import NodeShare

_logger = logging.getLogger(__name__)

_SMALLEST_BLOCK, _LARGEST_BLOCK = 8, 256
_BLOCKS_OF_A_WORKER = 16
_SMALLER = 16
_RETRIES = 1
_RESTARTS = 20
_SECONDS_WITHOUT_A_REPLY = 15 * 60


@contextmanager
def open_cluster(
    bundle_folder: Path,
    options: ScoreOptions,
    drawing: Drawing | None,
    cluster: ClusterOptions,
) -> Iterator["ClusterCrew"]:
    """Join a cluster, or start one here, for the time of the block.

    Raises:
        UsageError: an address that is none, or a fallback that not all nodes might take.
        BundleError: the bundle, as it lies here.
        ScoringError: see `ray_session.open_session`.
        OSError: the folder for pictures cannot be made.
    """
    if options.settings.allow_fallback:
        raise UsageError(
            "--allow-fallback with --cluster: nodes would run different things; choose a --variant"
            " that all of them have"
        )
    threads = options.settings.threads or 1
    settings = replace(options.settings, threads=threads, allow_fallback=None)
    check_address(cluster.address)
    folder = bundle_folder.absolute()
    manifest = open_bundle(folder).manifest
    variant = manifest.find_variant(settings.variant or manifest.chosen)
    origin = Origin(
        manifest.bundle_id, variant.name, variant.precision, settings.engine or variant.engine
    )
    if drawing is not None:
        drawing.folder.mkdir(parents=True, exist_ok=True)
        drawing = replace(drawing, folder=drawing.folder.absolute())
    job = Job(folder, replace(options, settings=settings), drawing, origin)
    with open_session(cluster, threads) as session:
        yield ClusterCrew(session, job, manifest.classes.names)


class ClusterCrew:
    """The workers of a cluster; see `Crew`."""

    def __init__(self, session: Session, job: Job, names: tuple[str, ...]) -> None:
        self.identity = {**asdict(job.origin), "box level": job.options.level}
        self.names = names
        self._session = session
        self._job = job
        self._answers: dict[tuple[str, int], Answer] = {}
        self._images: Counter[str] = Counter()

    def score(self, find_pending: FindPending, count: int) -> Generator[Rows]:
        """See `Crew`."""
        size = _choose_size(count, self._session.workers)
        while True:
            for rows in self._run(find_pending(), size):
                count -= len(rows)
                yield rows
            if count <= 0:
                return
            if size == 1:
                break
            _logger.warning("workers died over %d images: trying again, fewer at a time", count)
            size = max(1, min(size, count) // _SMALLER)
        self._session.keep_logs = True
        first = next(find_pending())
        raise ScoringError(
            f"workers died {_RETRIES + 1} times over each of {count} images, the first of them"
            f" {first.id}; all others have their rows, and {self._session.logs} says more"
        )

    def report(self) -> CrewReport:
        """See `Crew`; the worst of the golden checks."""
        answers = list(self._answers.values())
        devices = {answer.node: answer.info.device for answer in answers}
        workers = Counter(answer.node for answer in answers)
        golden = max((a.golden for a in answers), key=lambda check: check.largest_difference)
        info = replace(answers[0].info, device=", ".join(sorted(set(devices.values()))))
        shares = (
            NodeShare(node, workers[node], self._images[node], devices[node])
            for node in sorted(devices)
        )
        return CrewReport(info, golden, tuple(shares))

    def _run(self, items: Iterator[Item], size: int) -> Iterator[Rows]:
        """Rows of items, of each at most one; those of blocks that killed their workers lack."""
        ray = self._session.ray
        _configure_data(ray)
        # An empty block where nothing is left to score: somebody must say what runs.
        blocks = [ray.put(build_block(some)) for some in _cut(items, size)]
        blocks = blocks or [ray.put(build_block([]))]
        with warnings.catch_warnings():
            # Up to 2.63 the last two have no other way in; pyproject.toml says so.
            warnings.simplefilter("ignore", DeprecationWarning)
            replies = ray.data.from_arrow_refs(blocks).map_batches(
                ShardWorker,
                fn_constructor_args=(self._job,),
                batch_size=None,
                batch_format="pyarrow",
                compute=ray.data.ActorPoolStrategy(
                    size=min(self._session.workers, len(blocks)),
                    # Alone at last: what waits behind a deadly image dies with it.
                    max_tasks_in_flight_per_actor=2 if size > 1 else 1,
                ),
                num_cpus=self._job.options.settings.threads,
                max_restarts=_RESTARTS,
                max_task_retries=_RETRIES,
            )
        try:
            for table in replies.iter_batches(
                batch_size=None, batch_format="pyarrow", prefetch_batches=0
            ):
                for reply in Reply.read_all(table):
                    self._check(reply)
                    yield reply.rows
                    if reply.fault is not None:
                        raise ScoringError(reply.fault)
        except (ray.exceptions.RayError, ray.data.exceptions.ExecutionTimeoutError) as error:
            self._session.keep_logs = True
            late = isinstance(error, ray.data.exceptions.ExecutionTimeoutError)
            reason = str(error).strip().splitlines()[-1][:200]
            what = f"no reply for {_SECONDS_WITHOUT_A_REPLY:,} seconds" if late else reason
            raise ScoringError(
                f"workers cannot go on ({what}), {self._session.logs} says more; what is done is"
                " kept, and the same command goes on from there"
            ) from error

    def _check(self, reply: Reply) -> None:
        """Take the answer of a worker down, or stop before rows that must not be believed."""
        answer = reply.answer
        if answer is None:
            return
        for path in reply.unread:
            if os.access(path, os.R_OK):
                raise ScoringError(
                    f"node {answer.node} cannot read {path}, and this one can: images must lie on"
                    " storage that all nodes see under one path"
                )
        first = next(iter(self._answers.values()), answer)
        if answer.info.version != first.info.version:
            raise ScoringError(
                f"node {answer.node} runs {answer.info.engine} {answer.info.version}, and"
                f" {first.node} {first.info.version}: install the same on all nodes"
            )
        self._answers[answer.node, answer.process] = answer
        self._images[answer.node] += len(reply.rows)


def _choose_size(count: int, workers: int) -> int:
    """Images of a block: few enough that workers end together, many enough to cost nothing."""
    even = math.ceil(count / (workers * _BLOCKS_OF_A_WORKER))
    return min(_LARGEST_BLOCK, max(_SMALLEST_BLOCK, even))


def _cut(items: Iterator[Item], size: int) -> Iterator[list[Item]]:
    """Blocks, with paths that hold wherever a worker runs."""
    while some := list(islice(items, size)):
        yield [replace(item, path=str(Path(item.path).absolute())) for item in some]


def _configure_data(ray: Any) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_errored_blocks = -1
    context.target_max_block_size = 1  # a reply leaves as soon as it is there
    context.execution_no_progress_timeout_s = _SECONDS_WITHOUT_A_REPLY
