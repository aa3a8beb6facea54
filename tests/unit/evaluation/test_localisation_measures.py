"""Measures of a map against a mask: scikit-learn, hand cases, properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score

from stripsight.evaluation.localisation.measures import (
    BINS,
    Scale,
    compute_dice_by_level,
    compute_energy,
    compute_pixel_ap,
    compute_pointing,
    count_steps,
)
from stripsight.evaluation.localisation.priors import build_centre_prior


def random_images(seed: int, images: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Smooth logits that know something of their masks."""
    rng = np.random.default_rng(seed)
    masks = np.zeros((images, 40, 60), np.uint8)
    for mask in masks:
        top, left = rng.integers(0, 30), rng.integers(0, 45)
        mask[top : top + 10, left : left + 15] = 1
    return rng.normal(0, 2, masks.shape).astype(np.float32) + 3 * masks, masks


def tally(logits: np.ndarray, masks: np.ndarray) -> tuple[Scale, np.ndarray, np.ndarray]:
    scale = Scale(float(logits.min()), float(logits.max()))
    steps = [scale.find_steps(image) for image in logits]
    counts = np.stack([count_steps(step) for step in steps])
    inside = np.stack([count_steps(step, mask) for step, mask in zip(steps, masks, strict=True)])
    return scale, counts, inside


@given(st.integers(0, 200))
def test_pixel_ap_is_scikit_learns_but_for_its_steps(seed: int) -> None:
    logits, masks = random_images(seed)
    _, counts, inside = tally(logits, masks)
    exact = average_precision_score(masks.ravel(), logits.ravel())
    assert float(compute_pixel_ap(counts.sum(0), inside.sum(0))) == pytest.approx(exact, abs=2e-3)


def test_pixel_ap_is_scikit_learns_where_steps_are_all_there_is() -> None:
    rng = np.random.default_rng(0)
    steps = rng.integers(0, BINS, (30, 40)).astype(np.int32)
    mask = (rng.random((30, 40)) < steps / BINS).astype(np.uint8)
    ap = compute_pixel_ap(count_steps(steps), count_steps(steps, mask))
    assert float(ap) == pytest.approx(average_precision_score(mask.ravel(), steps.ravel()))


def test_weighted_pixel_ap_counts_an_image_of_weight_two_twice() -> None:
    logits, masks = random_images(1, images=3)
    _, counts, inside = tally(logits, masks)
    weights = np.array([[2.0, 1.0, 0.0], [1.0, 1.0, 1.0]])
    twice = [0, 0, 1]
    expected = [
        compute_pixel_ap(counts[twice].sum(0), inside[twice].sum(0)),
        compute_pixel_ap(counts.sum(0), inside.sum(0)),
    ]
    np.testing.assert_allclose(compute_pixel_ap(weights @ counts, weights @ inside), expected)


def test_dice_at_every_level_is_scikit_learns_f1() -> None:
    logits, masks = random_images(2, images=2)
    scale, counts, inside = tally(logits, masks)
    dice = compute_dice_by_level(counts, inside)
    for step in (0, 100, 500, 700, 1000):
        for image in range(2):
            called = scale.find_steps(logits[image]) >= step
            assert dice[image, step] == pytest.approx(
                f1_score(masks[image].ravel(), called.ravel(), zero_division=0.0)
            )


@given(st.floats(-50, 50), st.floats(0, 50), st.integers(0, BINS - 1))
def test_a_step_holds_what_lies_from_its_level_on(low: float, span: float, step: int) -> None:
    scale = Scale(low, low + span)
    values = np.array([scale.level(step) + 1e-4 * span / BINS, low - 1, low + span + 1])
    found = scale.find_steps(values).tolist()
    if span > 1e-3:  # else rounding decides
        assert found == [step, 0, BINS - 1]
    assert all(0 <= number < BINS for number in found)


def test_pointing_and_energy_by_hand() -> None:
    heat = np.array([[0.1, 0.2, 0.0], [0.0, 0.6, 0.1]])
    mask = np.array([[0, 1, 0], [0, 1, 0]], np.uint8)
    assert compute_pointing(heat, mask) == 1
    assert compute_energy(heat, mask) == pytest.approx(0.8)
    assert compute_pointing(heat, 1 - mask) == 0
    assert compute_energy(np.zeros((2, 3)), mask) == 0


def test_pointing_among_equals_is_chance() -> None:
    mask = np.zeros((4, 5), np.uint8)
    mask[3, 3:] = 1
    assert compute_pointing(np.ones((4, 5)), mask) == pytest.approx(0.1)


@pytest.mark.parametrize("size", [(256, 1600), (5, 7), (1, 1)])
def test_the_centre_prior_is_a_gaussian(size: tuple[int, int]) -> None:
    prior = build_centre_prior(size)
    assert prior.shape == size
    np.testing.assert_allclose(prior, prior[::-1, ::-1], rtol=1e-6)
    assert prior[size[0] // 2, size[1] // 2] == prior.max() <= 1
    if size == (256, 1600):  # one standard deviation across is a quarter of the width
        assert prior[128, 1200] == pytest.approx(np.exp(-0.5), rel=0.01)
