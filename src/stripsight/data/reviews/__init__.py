"""Corrections of labels by a person, kept beside the tables and laid over them on load."""
