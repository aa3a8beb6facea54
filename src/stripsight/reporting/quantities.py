"""Numbers as people read them: few digits, thousands apart, and a unit that is never left out."""

import math


def format_count(value: float) -> str:
    """A whole number with its thousands apart: `12,568`."""
    return f"{round(value):,}"


def format_number(value: float, digits: int = 3) -> str:
    """A number with at most `digits` significant digits and no exponent: `0.0412`, `1,250`."""
    if not math.isfinite(value):
        return "none"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_share(share: float) -> str:
    """A share as per cent; what is not none or all never reads as 0 or 100: `<0.1 %`."""
    if not math.isfinite(share):
        return "none"
    if 0 < share < 0.001:
        return "<0.1 %"
    if 0.999 < share < 1:
        return ">99.9 %"
    return f"{share * 100:.0f} %" if share in (0, 1) else f"{share * 100:.1f} %"


def format_quantity(count: int, singular: str, plural: str | None = None) -> str:
    """A count with its noun: `1 image`, `12 images`."""
    noun = singular if count == 1 else (plural or f"{singular}s")
    return f"{format_count(count)} {noun}"
