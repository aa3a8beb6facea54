"""How sure an F1 can be, against simulation; and words."""

import numpy as np
import pytest

from stripsight.data.analysis.finding import compute_f1_half_width, cut_list, name_folder


@pytest.mark.parametrize(("positives", "f1"), [(30, 0.8), (43, 0.8), (100, 0.8), (100, 0.9)])
def test_half_width_is_that_of_simulated_tests(positives, f1):
    rng = np.random.default_rng(0)
    hits = rng.poisson(positives * f1, 200_000)
    errors = rng.poisson(2 * positives * (1 - f1), 200_000)  # escapes and overkills
    low, high = np.quantile(2 * hits / (2 * hits + errors), [0.025, 0.975])
    assert compute_f1_half_width(positives, f1) == pytest.approx((high - low) / 2, rel=0.05)


def test_the_known_example_and_the_ends():
    assert compute_f1_half_width(43) == pytest.approx(0.09, abs=0.005)
    assert compute_f1_half_width(0) == 0.5
    assert compute_f1_half_width(1) == 0.5


def test_a_long_list_says_what_it_leaves_out():
    assert cut_list(["a", "b"], 2) == ("a", "b")
    assert cut_list(["a", "b", "c"], 1) == ("a", "and 2 more, see analysis.json")


def test_a_folder_is_one_word_of_a_command(tmp_path):
    assert name_folder(tmp_path / "my data").endswith("my data'")
