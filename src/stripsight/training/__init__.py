"""The training loop: module, callbacks, checkpoints, run folder."""
