"""The deployable artefact: what `export` writes and the line opens, with numpy and no torch."""
