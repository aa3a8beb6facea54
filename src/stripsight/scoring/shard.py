"""One worker of a cluster: it opens the bundle once and scores the blocks that it is handed.

Plain data comes in and goes out: a block is an Arrow table of items, a reply is a line of JSON. So
Ray is not needed here, and what Ray carries between machines is this module's to say.

A worker never raises what a person must read: through a cluster an error would come as the
traceback of another machine, or as a worker that is started again. It stands in the reply instead.
"""

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from stripsight.errors import ScoringError, StripSightError
from stripsight.scoring.engine import EngineInfo
from stripsight.scoring.golden import GoldenCheck
from stripsight.scoring.inputs import Item
from stripsight.scoring.intake import Intake
from stripsight.scoring.opening import ScoreOptions, open_scorer
from stripsight.scoring.overlays import Drawing
from stripsight.scoring.pipeline import score_images
from stripsight.scoring.rows import Origin

_SECONDS_BETWEEN_REPLIES = 1.0
_ROWS_OF_A_REPLY = 64
_COLUMN = "reply"

_BLOCK = pa.schema([("id", pa.string()), ("path", pa.binary()), ("member", pa.string())])


@dataclass(frozen=True)
class Job:
    """What all workers do alike.

    Attributes:
        bundle: its folder, absolute.
        options: how.
        drawing: pictures.
        origin: what every row must be made by.
        version: of StripSight.
    """

    bundle: Path
    options: ScoreOptions
    drawing: Drawing | None
    origin: Origin
    version: str = field(default_factory=lambda: version("stripsight"))


@dataclass(frozen=True)
class Answer:
    """What a worker is and runs.

    Attributes:
        node: the machine's name.
        process: tells it from others of that machine.
        info: of its engine.
        golden: what the bundle's own images came to.
    """

    node: str
    process: int
    info: EngineInfo
    golden: GoldenCheck


@dataclass
class Reply:
    """Some rows of a block.

    Attributes:
        answer: None where the worker cannot work.
        fault: why not, for a person.
        rows: ids with lines.
        unread: paths that this machine may not read, of images that have a row saying so.
    """

    answer: Answer | None = None
    fault: str | None = None
    rows: list[tuple[str, str]] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def to_table(self) -> pa.Table:
        """One row, so that it travels as soon as it is there."""
        text = json.dumps([self.answer and asdict(self.answer), self.fault, self.rows, self.unread])
        return pa.table({_COLUMN: [text]})

    @classmethod
    def read_all(cls, table: pa.Table) -> Iterator["Reply"]:
        """The replies in what Ray brings."""
        for text in table.column(_COLUMN).to_pylist():
            answer, fault, rows, unread = json.loads(text)
            yield cls(_read_answer(answer), fault, [(id_, line) for id_, line in rows], unread)


def build_block(items: Iterable[Item]) -> pa.Table:
    """The table that hands items to a worker."""
    entries = [
        {"id": item.id, "path": os.fsencode(item.path), "member": item.member} for item in items
    ]
    return pa.Table.from_pylist(entries, schema=_BLOCK)


class ShardWorker:
    """What Ray makes once in each worker process and calls with one block after the other."""

    def __init__(self, job: Job) -> None:
        self._fault: str | None = None
        self._node = socket.gethostname()
        try:
            self._open(job)
        except (StripSightError, OSError) as error:
            self._fault = self._tell(error)

    def __call__(self, block: pa.Table) -> Iterator[pa.Table]:
        """Replies to a block; the first says without rows that work begins."""
        if self._fault is not None:
            yield Reply(fault=self._fault).to_table()
            return
        yield Reply(self._answer).to_table()
        reply, last = Reply(self._answer), time.monotonic()
        items = [Item(e["id"], os.fsdecode(e["path"]), e["member"]) for e in block.to_pylist()]
        try:
            scored = score_images(self._scorer.engine, self._scorer.judge, self._intake, items)
            with closing(scored):
                for one in scored:
                    if self._overlays is not None:
                        self._overlays.save(one)
                    if one.taken is None and not os.access(one.item.path, os.R_OK):
                        reply.unread.append(one.item.path)
                    reply.rows.append((one.row.id, one.row.to_line()))
                    waited = time.monotonic() - last >= _SECONDS_BETWEEN_REPLIES
                    if waited or len(reply.rows) >= _ROWS_OF_A_REPLY:
                        yield reply.to_table()
                        reply, last = Reply(self._answer), time.monotonic()
        except (StripSightError, OSError) as error:
            reply.fault = self._tell(error)
        if reply.rows or reply.fault:
            yield reply.to_table()

    def _open(self, job: Job) -> None:
        if job.version != version("stripsight"):
            raise ScoringError(
                f"StripSight {version('stripsight')} is installed there, and {job.version} here:"
                " install the same everywhere"
            )
        if not job.bundle.is_dir():
            raise ScoringError(
                f"no bundle in {job.bundle}: it must lie on storage that all nodes see under one"
                " path"
            )
        self._scorer = open_scorer(job.bundle, job.options)
        found, wanted = self._scorer.judge.origin, job.origin
        if found != wanted:
            raise ScoringError(
                f"{job.bundle} gives rows by {_describe(found)} there, and by {_describe(wanted)}"
                " here: give every node the same bundle"
            )
        if job.drawing is not None and not job.drawing.folder.is_dir():
            raise ScoringError(
                f"no folder {job.drawing.folder} for pictures: it must lie on storage that all"
                " nodes see under one path"
            )
        self._overlays = job.drawing.open(self._scorer) if job.drawing else None
        self._intake = Intake(self._scorer.bundle.manifest.input)
        self._answer = Answer(
            self._node, os.getpid(), self._scorer.engine.info, self._scorer.golden
        )

    def _tell(self, error: StripSightError | OSError) -> str:
        if isinstance(error, OSError):
            where = f"{error.filename}: " if error.filename else ""
            return f"node {self._node}: {where}{error.strerror or error}"
        return f"node {self._node}: {error}"


def _describe(origin: Origin) -> str:
    return f"{origin.variant} ({origin.precision}, {origin.engine}) of {origin.bundle_id[:12]}"


def _read_answer(found: dict[str, Any] | None) -> Answer | None:
    if found is None:
        return None
    info, golden = EngineInfo(**found["info"]), GoldenCheck(**found["golden"])
    return Answer(found["node"], found["process"], info, golden)
