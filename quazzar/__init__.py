"""The project package: puts the apps together, and holds what all of them need."""

#: The same as in pyproject.toml and CHANGELOG.md.
__version__ = "0.3.0"
