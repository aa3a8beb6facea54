"""The decision rule as a line applies it: logits to probabilities to verdicts, in numpy."""
