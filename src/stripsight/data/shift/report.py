"""What a comparison of two sets says: as plain JSON and in sentences."""

from typing import Any

from stripsight.data.shift.comparison import Comparison, StatisticShift
from stripsight.data.shift.stability import CHANCE, LARGE, MODERATE
from stripsight.data.shift.two_sample import FEWEST_IMAGES
from stripsight.reporting.quantities import format_quantity

TITLES = {
    "brightness": "brightness, grey levels",
    "contrast": "contrast, grey levels",
    "border_left": "black border left, px",
    "border_right": "black border right, px",
    "sharpness": "sharpness, grey levels\u00b2",
    "jpeg_quality": "JPEG quality, IJG",
    "saturated": "saturation, share",
    "checker": "checker plate, 0 to 1",
}
"""Names with units, for people."""

LEGEND = (
    f"PSI: how far B lies from A; from {MODERATE} a moderate shift, from {LARGE} a large one.",
    f"by chance: what {CHANCE * 100:.0f} % of shuffles of the images between A and B stay below.",
    "p: share of those shuffles whose PSI is as high as this one.",
)
"""What the columns of the table mean, for a terminal."""

METHOD = (
    f"PSI: from {MODERATE} a moderate shift, from {LARGE} a large one; by chance: what"
    f" {CHANCE * 100:.0f} % of shuffles stay below. Bins by A's quantiles, values shared by many in"
    " a bin of their own, an empty bin counted as half an image."
)
"""How PSI was computed."""

_SIGNIFICANT = 0.05


def differs(comparison: Comparison) -> bool | None:
    """Whether the classifier tells the sets apart beyond chance; None where it was not asked."""
    if comparison.test is None:
        return None
    return comparison.test.p_value <= _SIGNIFICANT and comparison.test.low > 0.5


def conclude(comparison: Comparison) -> str:
    """One sentence: whether B differs from A, how plainly, and in what."""
    a, b, test = comparison.title_a, comparison.title_b, comparison.test
    moved = _list_moved(comparison)
    if test is None:
        verdict = (
            f"{b} may differ from {a}"
            if moved
            else f"nothing shows that {b} differs from {a}, but little could"
        )
        reason = f": a set has fewer than {FEWEST_IMAGES} images, too few for a classifier"
    else:
        verdict = f"{b} differs from {a}" if differs(comparison) else f"{b} cannot be told from {a}"
        reason = (
            f": a classifier reaches AUROC {test.auroc:.3f}"
            f" ({test.low:.3f} to {test.high:.3f}, p = {test.p_value:.3f})"
        )
    return (
        f"{verdict}{reason}; {f'moved: {moved}' if moved else 'no statistic moved beyond chance'}."
    )


def list_warnings(comparison: Comparison) -> list[str]:
    """What to mind when reading the figures; one line each."""
    lines = []
    if comparison.is_too_small:
        lines.append(
            f"{comparison.groups_a:,} and {comparison.groups_b:,} images, look-alikes counted once,"
            " are too few for the usual limits of PSI: chance alone reaches"
            f" {comparison.largest_chance:.2f}"
        )
    if comparison.shared:
        lines.append(
            f"{format_quantity(comparison.shared, 'file stands', 'files stand')} in both sets,"
            " which makes them look more alike"
        )
    for title, reasons in (
        (comparison.title_a, comparison.unreadable_a),
        (comparison.title_b, comparison.unreadable_b),
    ):
        if reasons:
            image, reason = next(iter(reasons.items()))
            lines.append(
                f"of {title}, {format_quantity(len(reasons), 'image')} cannot be read and"
                f" {'is' if len(reasons) == 1 else 'are'} left out ({image}: {reason})"
            )
    return lines


def describe_verdict(shift: StatisticShift) -> str:
    """The verdict on one statistic in a few words."""
    return {
        "none": "no shift",
        "within chance": "within chance",
        "moderate": "moderate shift",
        "large": "large shift",
    }[shift.stability.verdict]


def to_json(comparison: Comparison) -> dict[str, Any]:
    """Everything as plain JSON; figures that do not exist are null."""
    test = comparison.test
    return {
        "a": {
            "name": comparison.title_a,
            "images": comparison.images_a,
            "look_alikes_counted_once": comparison.groups_a,
            "unreadable": comparison.unreadable_a,
        },
        "b": {
            "name": comparison.title_b,
            "images": comparison.images_b,
            "look_alikes_counted_once": comparison.groups_b,
            "unreadable": comparison.unreadable_b,
        },
        "shared_files": comparison.shared,
        "statistics": {s.name: _describe_shift(s) for s in comparison.shifts},
        "classifier": None
        if test is None
        else {
            "auroc": test.auroc,
            "interval": [test.low, test.high],
            "p_value": test.p_value,
            "differs": differs(comparison),
        },
        "most_unlike": [
            {"image": image.image, "score": image.score} for image in comparison.most_unlike
        ],
        "too_few_images": comparison.is_too_small or test is None,
        "warnings": list_warnings(comparison),
        "conclusion": conclude(comparison),
        "method": METHOD,
    }


def _list_moved(comparison: Comparison) -> str:
    moved = [s for s in comparison.shifts if s.stability.verdict in ("moderate", "large")]
    moved.sort(key=lambda s: -s.stability.psi)
    return ", ".join(
        f"{TITLES[s.name].split(',')[0]} (PSI {s.stability.psi:.2f}, {s.stability.verdict})"
        for s in moved
    )


def _describe_shift(shift: StatisticShift) -> dict[str, Any]:
    median_a, median_b = shift.medians
    return {
        "median_a": median_a,
        "median_b": median_b,
        "psi": shift.stability.psi,
        "psi_by_chance_99": shift.stability.chance,
        "p_value": shift.stability.p_value,
        "bins": shift.stability.bins,
        "verdict": shift.stability.verdict,
    }
