"""Logits to probabilities that can be believed: which curve a class takes, and its worth."""
