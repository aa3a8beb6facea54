"""Where a run is worse than elsewhere: images cut into slices by what they are like."""
