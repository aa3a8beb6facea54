"""Packaged YAML groups; Hydra finds them through this package."""
