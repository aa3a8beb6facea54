"""Colours that carry meaning, and the ink that can be read on them.

Formula of contrast: WCAG 2.2, relative luminance and contrast ratio.
"""

INK = "#17222d"
"""Text."""
MUTED = "#4d5b69"
"""Axis labels and captions; 7:1 on white."""
RULE = "#d5dce3"
"""Lines that part one thing from another."""
STEEL = "#41627f"
"""What is no class: all images, clean images, a single series."""


def compute_luminance(color: str) -> float:
    """Relative luminance of `#RRGGBB`, 0 (black) to 1 (white)."""
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def compute_contrast(first: str, second: str) -> float:
    """Contrast ratio of two colours, 1 to 21."""
    lighter, darker = sorted((compute_luminance(first), compute_luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def choose_ink(background: str) -> str:
    """Black or white, whichever reads better on `background`."""
    return max(("#000000", "#ffffff"), key=lambda ink: compute_contrast(ink, background))


def deepen(color: str, contrast: float = 3.0) -> str:
    """`color`, darkened as far as a thin line of it needs to be seen on white.

    WCAG 2.2, success criterion 1.4.11, asks 3:1 of what carries meaning and is no text.
    """
    channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
    for step in range(100, -1, -1):
        darker = "#" + "".join(f"{channel * step // 100:02x}" for channel in channels)
        if compute_contrast(darker, "#ffffff") >= contrast:
            return darker
    return "#000000"
