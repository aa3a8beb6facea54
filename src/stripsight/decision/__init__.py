"""The decision rule as a line computer applies it: logits to probabilities to verdicts, in numpy."""
