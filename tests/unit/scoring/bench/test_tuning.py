"""Tuning never asks for more threads than cores, keeps what is pinned, and chooses by the rates."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import DataObject

from stripsight.bundle.folder import open_bundle
from stripsight.errors import EngineError
from stripsight.scoring import threads as threads_module
from stripsight.scoring.bench import tuning
from stripsight.scoring.engine import EngineSettings
from stripsight.scoring.threads import count_cores


@given(cores=st.integers(1, 256), data=st.data())
def test_no_pair_has_more_threads_than_cores(cores: int, data: DataObject) -> None:
    pinned_threads = data.draw(st.none() | st.integers(1, cores))
    pinned_streams = data.draw(st.none() | st.integers(1, pinned_threads or cores))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads_module, "count_cores", lambda: cores)
        pairs = tuning.list_pairs(EngineSettings(threads=pinned_threads, streams=pinned_streams))
    assert len(set(pairs)) == len(pairs) > 0
    for total, streams in pairs:
        assert 1 <= streams <= total <= cores
        assert total == (pinned_threads or cores)
        assert pinned_streams in (None, streams)
    assert pairs[0][1] == (pinned_streams or 1)


def test_more_threads_than_cores_are_refused() -> None:
    with pytest.raises(EngineError, match=r"--threads .* choose 1 to"):
        tuning.list_pairs(EngineSettings(threads=count_cores() + 1))


def make_engine(streams: int) -> SimpleNamespace:
    return SimpleNamespace(info=SimpleNamespace(threads=4, streams=streams))


@pytest.mark.parametrize(
    ("rates", "streams"),
    [
        # The machine halved its speed in the second round: 4 streams won each round all the same.
        ([[10.0, 5.0], [11.0, 5.5], [12.0, 6.0]], 4),
        ([[10.0, 10.0], [10.2, 10.1], [9.0, 9.0]], 1),  # within the noise: as it was
    ],
)
def test_the_best_of_each_round_is_chosen(rates: list[list[float]], streams: int) -> None:
    engines = [make_engine(count) for count in (1, 2, 4)]
    chosen = tuning._choose(engines, rates)  # type: ignore[arg-type]
    assert chosen.engine.info.streams == streams
    assert [trial.streams for trial in chosen.trials] == [1, 2, 4]


def test_a_real_bundle_is_tuned_and_the_engine_is_ready(
    make_bundle: Callable[..., Path], tmp_path: Path
) -> None:
    bundle = open_bundle(make_bundle(tmp_path / "bundle"))
    tuned = tuning.tune(bundle, EngineSettings(), budget_s=60.0)
    assert tuned.engine.info.threads == count_cores()
    assert len(tuned.trials) == (
        0 if count_cores() == 1 else len(tuning.list_pairs(EngineSettings()))
    )
    assert all(trial.images_per_second > 0 for trial in tuned.trials)
    in_no_time = tuning.tune(bundle, EngineSettings(), budget_s=0.0)
    assert (in_no_time.engine.info.streams, in_no_time.trials) == (1, ())
    pinned = tuning.tune(bundle, EngineSettings(threads=1, streams=1), budget_s=60.0)
    assert (pinned.engine.info.threads, pinned.trials) == (1, ())
    elsewhere = tuning.tune(bundle, EngineSettings(engine="onnxruntime"), budget_s=60.0)
    assert (elsewhere.engine.info.engine, elsewhere.trials) == ("onnxruntime", ())
