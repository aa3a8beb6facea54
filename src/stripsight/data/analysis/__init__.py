"""Know a data set before training on it: counts, shapes, light, look-alikes, findings, one page."""
