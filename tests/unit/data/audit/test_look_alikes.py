"""Which suspects name each other."""

import pandas as pd

from stripsight.data.audit.confident_learning import Suspect
from stripsight.data.audit.look_alikes import describe_look_alikes, find_look_alikes


def test_suspects_of_one_group_name_each_other_but_not_themselves():
    images = pd.DataFrame({"id": list("abcd"), "duplicate_group": [7, 2, 7, 7]})
    suspects = [Suspect(image, column, True, 0.1, 0.1) for image, column in
                (("c", 0), ("b", 0), ("a", 0), ("c", 1))]  # fmt: skip
    assert find_look_alikes(suspects, images) == ((3,), (), (1, 4), (3,))


def test_they_are_described_in_words_and_not_without_end():
    assert describe_look_alikes(()) == ""
    assert describe_look_alikes((4,)) == "look-alike of number 4"
    assert describe_look_alikes(range(1, 13)) == (
        "look-alike of number 1, 2, 3, 4, 5, 6, 7, 8 and 4 more"
    )
