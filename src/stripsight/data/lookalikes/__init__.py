"""Look-alikes: images that show the same steel, found by fingerprint and judged by their pixels."""
