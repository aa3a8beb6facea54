"""One reader for each annotation format in circulation."""
