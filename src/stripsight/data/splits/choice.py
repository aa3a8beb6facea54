"""The split that a training takes: the stored one, or a holdout made on the spot."""

import logging
from collections.abc import Sequence
from typing import Literal

from stripsight.data.lookalikes.links import load_links
from stripsight.data.prepared import PreparedDataset
from stripsight.data.splits.listing import describe_absence
from stripsight.data.splits.partition import Split, make_split
from stripsight.data.splits.store import is_stored, load_split, save_split
from stripsight.errors import SplitError

DEFAULT_SPLIT = "holdout"
"""The one name under which a split is made on the spot: any other may be a slip of the finger."""

logger = logging.getLogger(__name__)


def take_split(
    dataset: PreparedDataset,
    name: str,
    *,
    fractions: Sequence[float],
    seed: int,
    leaks: Literal["refuse", "warn"] = "refuse",
) -> Split:
    """The stored split of that name; where `holdout` is not, a new one by group, stored.

    Stored ones are taken as they are, whatever `fractions` and `seed`. Where the folder is
    read-only, a new one is only kept in memory (one log line).

    Args:
        dataset: to split.
        name: of the split.
        fractions: of train, validation and test for a split that is made.
        seed: likewise.
        leaks: of a stored split, see `load_split`.

    Raises:
        SplitError: the split is damaged, leaks or cannot be made; another name than `holdout` is
            not stored.
    """
    if is_stored(dataset, name):
        split = load_split(dataset, name, leaks=leaks)
        asked = (seed, tuple(fractions))
        if split.seed is not None and not split.fold and (split.seed, split.fractions) != asked:
            logger.info(
                "split %r is stored (seed %d, fractions %s) and taken as it is",
                split.name,
                split.seed,
                split.fractions,
            )
        return split
    if name != DEFAULT_SPLIT:
        raise SplitError(describe_absence(dataset.root, name, also=[DEFAULT_SPLIT]))
    split = make_split(dataset, name, fractions=fractions, seed=seed)
    if load_links(dataset) is None:
        logger.warning(
            "split %r keeps only identical files on one side: look-alikes of this data set were"
            " not searched; `stripsight data split %s --name NAME` searches them and makes a split",
            name,
            dataset.root,
        )
    try:
        save_split(dataset, split)
    except OSError as error:
        logger.warning("split %r is not stored (%s); kept in memory", split.name, error)
    return split
