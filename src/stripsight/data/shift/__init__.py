"""Whether two sets of images differ: between parts of a split, of training and this month."""
