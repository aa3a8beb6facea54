"""The configuration: packaged YAML groups, composed and checked into dataclasses."""
