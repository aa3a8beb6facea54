"""Whether one run is better than another, or it is chance."""
