"""The label audit: which labels are most likely wrong, by out-of-fold predictions."""
