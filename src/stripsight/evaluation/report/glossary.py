"""The words of a report for somebody who sees one for the first time.

docs/judgement.md begins with the same ones, and a test holds the two together.
"""

from stripsight.reporting.page import Details, Fact

GLOSSARY = (
    ("label", "One class on one image. An image that shows two classes has two labels."),
    (
        "escape",
        "A label called clean. An image escapes only where it shows a defect and is called clean"
        " as a whole: then the steel goes out.",
    ),
    (
        "overkill",
        "A class called on an image that does not show it. An image is overkilled where it is"
        " clean and called defective.",
    ),
    ("review", "Neither clean nor defective: the image goes to a person."),
    (
        "overruled",
        "A review of a class on an image that another class makes defective: no person gets it.",
    ),
    ("threshold", "The probability from which on a class is called on an image."),
    (
        "policy",
        "The rule that chose the thresholds: largest F1, lowest cost, a promised recall, or a share"
        " of reviews.",
    ),
    (
        "promise",
        "Of the policy recall: at most a stated share of what shows a class escapes, with a stated"
        " confidence.",
    ),
    (
        "recall, precision",
        "Share of the labels that are called; share of the calls that are right.",
    ),
    ("F1", "Recall and precision in one figure, their harmonic mean: 1 is perfect."),
    (
        "AP",
        "Average precision: how well images that show a class are ranked above the others, at any"
        " threshold. 1 is perfect; chance gives the class's share of the images.",
    ),
    (
        "AUROC",
        "How often an image that shows a class is ranked above one that does not. 0.5 is a coin.",
    ),
    ("macro", "The mean over the classes, each counting the same, however rare."),
    (
        "interval",
        "At 95 %: as far as the figure may move with other images of the same kind. Wide means"
        " that there are few.",
    ),
    (
        "look-alikes",
        "Images that show the same steel. A group of them counts as one, and stands on one side of"
        " the split.",
    ),
    ("slice", "The images that are alike in one respect, such as dark ones, beside all others."),
    (
        "calibration",
        "What makes a probability a frequency: of images said to show a class with 30 %, 30 % do."
        " ECE says by how much it is missed.",
    ),
    (
        "lead",
        "By how much a heatmap points better than a guess that looks at no image; below 0 it points"
        " worse.",
    ),
)
"""Terms and what they mean, in the order a reader meets them."""


def show_glossary() -> Details:
    """The words, folded."""
    return Details(
        [Fact(text, term) for term, text in GLOSSARY], "What the words mean", folded=True
    )
