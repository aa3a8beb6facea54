"""What holds for every test: no clock in hypothesis, few threads, and where the real data lie."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import settings

# Tiny networks run faster on one thread, and the processes that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("no-clock", deadline=None)
settings.load_profile("no-clock")

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with `severstal_sample` and `neu_det`; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return SHARED_DATA


@pytest.fixture(scope="session")
def real_prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared data set of real strips: `STRIPSIGHT_DATA`, or the sample in ../shared/data."""
    copy = tmp_path_factory.mktemp("real") / "prepared"
    named = os.environ.get("STRIPSIGHT_DATA")
    if named:
        from stripsight.data.prepared import load_prepared, save_prepared

        # The tables only, so that tests store no split in somebody's data set.
        dataset = load_prepared(named)
        save_prepared(replace(dataset, root=copy, image_root=dataset.image_root.resolve()))
        return copy
    sample = SHARED_DATA / "severstal_sample"
    if not sample.is_dir():
        pytest.skip("no ../shared/data beside the checkout, and STRIPSIGHT_DATA is not set")
    from stripsight.cli.app import run_command

    assert run_command(["data", "prepare", str(sample), str(copy)]) == 0
    return copy
