"""The project package: composition, and what every app of the node needs."""

#: The same as in pyproject.toml and CHANGELOG.md.
__version__ = "0.3.0"
