"""Self-contained HTML pages from figures, tables and pictures: one template, one style.

It knows nothing of data sets or runs: whoever has something to show hands over numbers, words and
pixels.
"""
