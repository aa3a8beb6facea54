"""Who scores the inputs of a batch: this process, or the workers of a cluster."""

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from stripsight.errors import BundleError
from stripsight.scoring.engine import EngineInfo
from stripsight.scoring.golden import GoldenCheck
from stripsight.scoring.inputs import Item
from stripsight.scoring.intake import Intake
from stripsight.scoring.opening import ScoreOptions, open_scorer
from stripsight.scoring.overlays import Drawing
from stripsight.scoring.pipeline import score_images
from stripsight.scoring.summary import NodeShare
from stripsight.scoring.tuning import Tuning, is_long, tune_streams

Rows = list[tuple[str, str]]
"""Ids and lines."""

FindPending = Callable[[], Iterator[Item]]
"""Inputs without a row; rows that were given already are taken into account."""


class CrewReport(NamedTuple):
    """What ran, what the golden images came to, who did how much, and how streams were tuned."""

    info: EngineInfo
    golden: GoldenCheck
    nodes: tuple[NodeShare, ...] = ()
    tuning: Tuning | None = None


class Crew(Protocol):
    """Scores inputs.

    Attributes:
        identity: what rows depend on, as plain JSON.
        names: of the classes.
    """

    identity: dict[str, Any]
    names: tuple[str, ...]

    def score(self, find_pending: FindPending, count: int) -> Generator[Rows]:
        """Rows of all `count` inputs that have none, each once, in any order.

        The first group is empty and comes when work begins.

        Raises:
            ScoringError: a cluster cannot.
            EngineError: the engine failed.
            OSError: a picture cannot be written.
        """
        ...

    def report(self) -> CrewReport:
        """Once all have been scored."""
        ...


class LocalCrew:
    """This process; see `Crew`."""

    def __init__(self, bundle_folder: Path, options: ScoreOptions, drawing: Drawing | None) -> None:
        self._folder = bundle_folder
        self._options = options
        self._scorer = open_scorer(bundle_folder, options)
        self._overlays = drawing.open(self._scorer) if drawing else None
        self._tuning: Tuning | None = None
        self.identity = self._scorer.identity
        self.names = self._scorer.judge.names

    def score(self, find_pending: FindPending, count: int) -> Generator[Rows]:
        """See `Crew`; in the order of the inputs."""
        self._tune(count)
        scorer = self._scorer
        yield []
        with Intake(scorer.bundle.manifest.input) as intake:
            scored = score_images(scorer.engine, scorer.judge, intake, find_pending())
            with closing(scored):
                for one in scored:
                    if self._overlays is not None:
                        self._overlays.save(one)
                    yield [(one.row.id, one.row.to_line())]

    def report(self) -> CrewReport:
        """See `Crew`."""
        return CrewReport(self._scorer.engine.info, self._scorer.golden, tuning=self._tuning)

    def _tune(self, count: int) -> None:
        """Settle how many streams run, where nobody has said so and it is worth the seconds."""
        settings, bundle = self._options.settings, self._scorer.bundle
        if settings.streams is not None or not is_long(self._scorer.engine, bundle, count):
            return
        del self._scorer  # its graph makes room for those that are tried
        self._tuning = tune_streams(bundle, settings)
        tuned = replace(settings, streams=self._tuning.streams)
        self._scorer = open_scorer(self._folder, replace(self._options, settings=tuned))
        if self._scorer.identity != self.identity:
            raise BundleError(f"{self._folder} was changed just now: give the command again")
