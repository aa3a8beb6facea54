"""Whether heatmaps point at the defects: maps against true masks, beside guesses without a map."""
