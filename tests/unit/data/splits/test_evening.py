import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from stripsight.data.splits.evening import even_out


def weigh(part_of, strata, weights, shares):
    """The sum that the swaps are to bring down, straight from its definition."""
    total = 0.0
    for part, share in enumerate(shares):
        stray = strata[part_of == part].sum(axis=0) - share * strata.sum(axis=0)
        total += float(weights @ stray**2)
    return total


@st.composite
def assignments(draw):
    parts = draw(st.integers(2, 4))
    groups = draw(st.integers(parts, 25))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    sizes = rng.integers(1, 4, groups)
    classes = np.stack([rng.binomial(sizes, share) for share in (0.2, 0.5)], axis=1)
    strata = np.column_stack([classes, rng.binomial(sizes, 0.3), rng.binomial(sizes, 0.1)])
    part_of = np.concatenate([np.arange(parts), rng.integers(0, parts, groups - parts)])
    return part_of, strata, sizes, np.full(parts, 1 / parts)


@settings(max_examples=80)
@given(assignments())
def test_swaps_even_out_and_break_no_bound(data):
    part_of, strata, sizes, shares = data
    weights = np.array([8.0, 8.0, 1.0, 1.0]) / strata.sum(axis=0).clip(1)
    after = even_out(part_of, strata, sizes, class_count=2, weights=weights, shares=shares)
    assert weigh(after, strata, weights, shares) <= weigh(part_of, strata, weights, shares) + 1e-9
    # Groups change places one for one.
    assert (np.bincount(after) == np.bincount(part_of)).all()
    for part, share in enumerate(shares):
        before_off = abs(sizes[part_of == part].sum() - share * sizes.sum())
        assert abs(sizes[after == part].sum() - share * sizes.sum()) <= max(before_off, 1) + 1e-9
        had = strata[part_of == part, :2].any(axis=0)
        assert (strata[after == part, :2].any(axis=0) | ~had).all()
    again = even_out(part_of, strata, sizes, class_count=2, weights=weights, shares=shares)
    assert (after == again).all()
    settled = even_out(after, strata, sizes, class_count=2, weights=weights, shares=shares)
    assert (settled == after).all()


def test_no_single_swap_is_left_that_would_gain():
    rng = np.random.default_rng(4)
    strata = rng.binomial(1, [0.3, 0.1, 0.5], (30, 3))
    sizes = np.ones(30, dtype=int)
    shares = np.full(3, 1 / 3)
    weights = np.array([4.0, 1.0, 1.0])
    part_of = np.repeat(np.arange(3), 10)
    after = even_out(part_of, strata, sizes, class_count=1, weights=weights, shares=shares)
    reached = weigh(after, strata, weights, shares)
    assert reached < weigh(part_of, strata, weights, shares)
    for one in range(30):
        for two in range(one):
            swapped = after.copy()
            swapped[[one, two]] = after[[two, one]]
            assert weigh(swapped, strata, weights, shares) >= reached - 1e-9


def test_an_even_assignment_stays_as_it_is():
    strata = np.tile([[1, 0], [0, 1]], (6, 1))
    part_of = np.repeat(np.arange(3), 4)
    after = even_out(
        part_of, strata, np.ones(12, int), class_count=1, weights=np.ones(2),
        shares=np.full(3, 1 / 3),
    )  # fmt: skip
    assert (after == part_of).all()
