"""An interval for every figure, from weighting whole groups of look-alikes at random.

Images of one group are not independent, so a group is weighted as one. The weights are exponential
(the Bayesian bootstrap, Rubin 1981): no class ever loses all its positives in a round, and a figure
that exists has a value in every round. How draws become limits is `intervals.py`'s business.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from stripsight.decision.policy import Codes, judge_images
from stripsight.errors import EvaluationError
from stripsight.evaluation.intervals.interval import (
    Figure,
    FloatArray,
    average_figures,
    build_rank_figure,
    build_share,
)
from stripsight.evaluation.intervals.weighted_figures import (
    CALL_FIGURES,
    OVERALL_FIGURES,
    RANK_FIGURES,
    compute_rank_figures,
    count_calls,
    count_images,
    rank_class,
)
from stripsight.evaluation.metrics import Labels, Scores

CLASS_FIGURES = (*RANK_FIGURES, *CALL_FIGURES)
"""Of each class, and as their mean over the classes that have one."""

_JOHNSON = {"average_precision": 0.25, "auroc": 0.5}  # by simulation: EXPERIMENTS.md
_WEIGHTS_AT_ONCE = 4_000_000
_THREADS = 2  # numpy and scipy let go of the interpreter; each thread holds a block of weights


@dataclass(frozen=True)
class BootstrapFigures:
    """Every figure of one set of predictions, with draws and interval; None where there is none.

    Attributes:
        images: how many.
        groups: how many groups of look-alikes they are.
        rounds: R, the length of every `draws`.
        classes: `CLASS_FIGURES` of each class, in column order.
        macro: their means over the classes that have one.
        overall: `OVERALL_FIGURES`.
    """

    images: int
    groups: int
    rounds: int
    classes: tuple[Mapping[str, Figure | None], ...]
    macro: Mapping[str, Figure | None]
    overall: Mapping[str, Figure | None]


def bootstrap_figures(
    logits: Scores,
    codes: Codes,
    labels: Labels,
    groups: npt.NDArray[np.integer],
    *,
    rounds: int = 1000,
    seed: int = 0,
) -> BootstrapFigures:
    """Every figure with its draws and interval.

    With the same groups, rounds and seed the weights are the same: draws of two sets of predictions
    of the same images, in the same order, are pairs.

    Args:
        logits: `[N, C]`; average precision and AUROC are theirs.
        codes: `[N, C]`; all other figures are theirs.
        labels: `[N, C]`.
        groups: `[N]`; images of one duplicate group share a number.
        rounds: at least 2.
        seed: of the weights.

    Raises:
        EvaluationError: no image, shapes that do not fit, or logits that are not finite.
    """
    _check(logits, codes, labels, groups)
    _, numbers = np.unique(groups, return_inverse=True)
    numbers = numbers.astype(np.int64)
    columns = range(labels.shape[1])
    rankings = [rank_class(logits[:, c], labels[:, c], numbers) for c in columns]
    ratios = {
        (c, name): ratio
        for c in columns
        for name, ratio in count_calls(codes[:, c], labels[:, c], numbers).items()
    } | {
        (-1, name): ratio
        for name, ratio in count_images(codes, labels, judge_images(codes), numbers).items()
    }

    above = np.stack([ratio.above for ratio in ratios.values()])
    below = np.stack([ratio.below for ratio in ratios.values()])

    def compute_all(weights: FloatArray) -> dict[tuple[int, str], FloatArray]:
        values = dict(zip(ratios, (above @ weights) / (below @ weights), strict=True))
        for column, ranking in enumerate(rankings):
            for name, figure in compute_rank_figures(ranking, weights).items():
                values[column, name] = figure
        return values

    count = int(numbers.max()) + 1
    observed = compute_all(np.ones((count, 1)))
    draws = {key: np.empty(rounds) for key in observed}

    def draw(block: int, source: np.random.SeedSequence) -> None:
        rows = slice(block * at_once, min((block + 1) * at_once, rounds))
        weights = np.random.default_rng(source).standard_exponential(
            (count, rows.stop - rows.start)
        )
        for key, values in compute_all(weights).items():
            draws[key][rows] = values

    at_once = max(1, _WEIGHTS_AT_ONCE // count)
    blocks = -(-rounds // at_once)
    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(draw, range(blocks), np.random.SeedSequence(seed).spawn(blocks)))

    def find(column: int, name: str) -> Figure | None:
        key = (column, name)
        if key not in observed:
            return None
        value = min(1.0, float(observed[key][0]))
        if name not in RANK_FIGURES:
            ratio = ratios[key]
            return build_share(value, draws[key], units=ratio.units, groups=ratio.groups)
        return build_rank_figure(
            value,
            draws[key],
            groups=rankings[column].groups_with_positives,
            johnson=_JOHNSON[name],
        )

    classes = tuple({name: find(c, name) for name in CLASS_FIGURES} for c in columns)
    return BootstrapFigures(
        images=len(labels),
        groups=count,
        rounds=rounds,
        classes=classes,
        macro={name: _average([figures[name] for figures in classes]) for name in CLASS_FIGURES},
        overall={name: find(-1, name) for name in OVERALL_FIGURES},
    )


def _average(figures: list[Figure | None]) -> Figure | None:
    known = [figure for figure in figures if figure is not None]
    return average_figures(known) if known else None


def _check(logits: Scores, codes: Codes, labels: Labels, groups: npt.NDArray[np.integer]) -> None:
    if not len(labels):
        raise EvaluationError("there is no image to judge")
    if logits.shape != labels.shape or codes.shape != labels.shape:
        raise EvaluationError(
            f"logits {logits.shape}, codes {codes.shape} and labels {labels.shape} are not of the"
            " same images and classes"
        )
    if groups.shape != labels.shape[:1]:
        raise EvaluationError(f"{groups.shape} group numbers for {len(labels)} images")
    if not np.isfinite(logits).all():
        raise EvaluationError("a logit is not finite: run `stripsight evaluate` again")
