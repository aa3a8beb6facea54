"""A generated data set that looks like the real one: for demos and for tests of the whole way.

Strips of rolled steel in Kaggle's layout, with four kinds of defect after Severstal's and exact
masks. Needs no download, and gives the same bytes for the same seed. It does not replace real data:
figures measured on it say nothing about a mill.
"""

from stripsight.data.demo.plan import Prevalence
from stripsight.data.demo.writer import DemoSummary, generate_demo

__all__ = ["DemoSummary", "Prevalence", "generate_demo"]
