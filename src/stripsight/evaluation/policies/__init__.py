"""Fitting decision policies on validation predictions; applying them is `decision.policy`'s."""
