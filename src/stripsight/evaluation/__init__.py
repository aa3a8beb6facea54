"""Judging a run: predictions, metrics, thresholds."""
