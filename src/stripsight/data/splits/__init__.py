"""Splits: which labelled image is in train, validation or test, and how that is stored."""
