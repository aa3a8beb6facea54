"""A bundle opened for scoring, on this machine or on each of many."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from stripsight.bundle.folder import Bundle, open_bundle
from stripsight.scoring.engine import Engine, EngineSettings, load_engine
from stripsight.scoring.golden import GoldenCheck, check_golden
from stripsight.scoring.judging import Judge
from stripsight.scoring.threads import keep_numpy_to_one_thread


@dataclass(frozen=True)
class ScoreOptions:
    """What rows depend on beside bundle and image; plain data, for it travels to other machines.

    Attributes:
        settings: of the engine.
        level: heat from which on a piece gets a box, for every class; None: the bundle's levels.
    """

    settings: EngineSettings = field(default_factory=EngineSettings)
    level: float | None = None


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Which machines score; each worker takes `EngineSettings.threads` cores, 1 where it is None.

    Attributes:
        address: `local`, for workers on this machine alone, or `HOST:PORT` of a Ray cluster.
        workers: None: as many as there are cores for.
    """

    address: str
    workers: int | None = None


@dataclass(frozen=True)
class Scorer:
    """All that scores; the engine is for one thread."""

    bundle: Bundle
    engine: Engine
    judge: Judge
    golden: GoldenCheck
    options: ScoreOptions

    @property
    def identity(self) -> dict[str, Any]:
        """What rows depend on, as plain JSON."""
        return {**asdict(self.judge.origin), "box level": self.options.level}


def open_scorer(folder: Path, options: ScoreOptions = ScoreOptions()) -> Scorer:
    """Open a bundle, compile its variant, and see that it says here what it said where it was made.

    numpy keeps to one thread from then on, in the whole process.

    Raises:
        BundleError: damaged or changed, or golden images that come out otherwise.
        EngineError: what this machine does not have.
    """
    bundle = open_bundle(folder)
    keep_numpy_to_one_thread()
    engine = load_engine(bundle, options.settings)
    golden = check_golden(bundle, engine, quick=True)
    judge = Judge.of(bundle.manifest, engine.info, options.level)
    return Scorer(bundle, engine, judge, golden, options)
