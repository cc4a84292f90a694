"""Plugins of the whole test run."""

pytest_plugins = ["tests.nothing_skipped", "tests.sharing", "tests.stackfixtures"]
