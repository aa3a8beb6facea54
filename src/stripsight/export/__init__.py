"""From a run, or several as an ensemble, to a bundle that was proven to give the same."""
