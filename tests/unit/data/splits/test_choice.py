"""Only the default name makes a split; what is not stored is refused with what is near."""

import pytest

from stripsight.config.compose import compose_config
from stripsight.data.splits.choice import DEFAULT_SPLIT, take_split
from stripsight.data.splits.store import is_stored, make_folds, make_split, save_split, save_splits
from stripsight.errors import SplitError

FRACTIONS = (0.6, 0.2, 0.2)


@pytest.fixture
def prepared(make_prepared):
    return make_prepared([{1: "presence"} if i % 2 else {2: "presence"} for i in range(20)])


def take(prepared, name):
    return take_split(prepared, name, fractions=FRACTIONS, seed=0)


def test_the_configured_default_is_the_one_that_is_made(prepared):
    assert compose_config(["data.root=x"]).data.split == DEFAULT_SPLIT
    assert take(prepared, DEFAULT_SPLIT) == take(prepared, DEFAULT_SPLIT)
    assert is_stored(prepared, DEFAULT_SPLIT)


def test_a_slip_names_the_nearest_and_the_command_and_makes_nothing(prepared):
    save_split(prepared, make_split(prepared, "night-shift", fractions=FRACTIONS, seed=0))
    with pytest.raises(SplitError) as error:
        take(prepared, "hodlout")
    assert "did you mean holdout?" in str(error.value)
    assert f"`stripsight data split {prepared.root} --name hodlout`" in str(error.value)
    with pytest.raises(SplitError, match=r"did you mean night-shift\?"):
        take(prepared, "nightshift")
    with pytest.raises(SplitError, match=r"'zzz' is not stored \(stored: night-shift\)"):
        take(prepared, "zzz")
    assert not is_stored(prepared, "hodlout")


def test_the_name_of_a_set_of_folds_says_so(prepared):
    save_splits(prepared, make_folds(prepared, "cv", folds=4, seed=0))
    with pytest.raises(SplitError, match=r"'cv' is a set of 4 folds: name one of cv-1, "):
        take(prepared, "cv")
