"""Plugins of the whole test run."""

import pytest

from tests import covered

pytest_plugins = [
    "tests.nothing_skipped",
    "tests.sharing",
    "tests.tiers",
    "tests.slowest",
    "tests.stackfixtures",
]


def pytest_configure(config: pytest.Config) -> None:
    """Adds the plugin that is loaded already, by the settings, and so cannot be one of those above."""
    config.pluginmanager.register(covered)
