"""Several processes share the tests (``pytest -n``): which tests stay together, and the Engine that all of them use.

Tests of real parts mostly wait, so that two cores carry more processes than two.
"""

from __future__ import annotations

import gc
import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.rig.daemon import Daemon

#: Files that one process runs, because what they share exists only once: the session's fixture `mailstack`, the
#: browser and its console, the directory and network of the Engine that is stopped.
TOGETHER = {
    "mailstack": {
        "test_stack_addresses.py", "test_stack_certificate.py", "test_stack_changes.py", "test_stack_complete.py",
        "test_stack_dns.py", "test_stack_doctor.py", "test_stack_ed25519.py", "test_stack_guessing.py",
        "test_stack_ingress.py", "test_stack_life.py", "test_stack_localusers.py", "test_stack_names.py",
        "test_stack_programs.py", "test_stack_secrets.py", "test_stack_signing.py", "test_stack_smarthost.py",
        "test_stack_submission.py", "test_stack_webmail.py",
    },
    "browser": {
        "test_api_pages.py", "test_dns_tab.py", "test_doctor_tab.py", "test_keyboard.py", "test_mailboxes_tab.py",
        "test_home_walk.py", "test_page_walk.py", "test_relay_tab.py", "test_upgrade.py", "test_api_keys.py",
        "test_account.py", "test_deaf.py", "test_help_page.py", "test_messages.py",
    },
    "private engine": {"test_images.py", "test_stack_engine_stop.py", "test_two_proofs.py", "test_two_stacks.py"},
}  # fmt: skip
#: Files that take longest, with their seconds: they are begun first, so that none is left for the end.
SECONDS = {
    "test_stack_changes.py": 450,  # and all the others of the shared stack
    "test_mailboxes_tab.py": 320,  # and all the others of the browser
    "test_stack_faults.py": 400,
    "test_failures.py": 300,
    "test_failures_mailserver.py": 300,
    "test_stack_kills.py": 200,
    "test_stack_engine_stop.py": 190,
    "test_stack_walk.py": 165,
    "test_stack_upgrade.py": 300,
    "test_machines.py": 240,
    "test_two_stacks.py": 270,
    "test_two_proofs.py": 170,
    "test_stack_own.py": 150,
    "test_stack_proof.py": 150,
    "test_compose.py": 150,
    "test_survival.py": 120,
    "test_proofs.py": 95,
    "test_stack_journeys.py": 90,
    "test_up.py": 65,
    "test_two_followers.py": 60,
    "test_queue_page.py": 60,
    "test_returned.py": 50,
    "test_torture.py": 60,
    "test_commands.py": 60,
    "test_secrets.py": 55,
    "test_recipe.py": 50,
    "test_contract.py": 50,
    "test_images.py": 40,
    "test_postgresql.py": 40,
    "test_on_postgresql.py": 40,
    "test_routes.py": 25,
    "test_dovecot.py": 25,
    "test_every_right.py": 25,
    "test_making.py": 25,
}
_daemon: Daemon | None = None


def unit(nodeid: str) -> str:
    """What one process runs as a whole: a file, or those that share something."""
    file = nodeid.partition("::")[0]
    name = PurePosixPath(file).name
    return next((together for together, files in TOGETHER.items() if name in files), file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Hands out whole units, in the order of the collection."""
    from xdist.scheduler.loadscope import LoadScopeScheduling

    class Units(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            return unit(nodeid)

    config.option.loadscopereorder = False
    return Units(config, log)


def pytest_collection_finish() -> None:
    """Thousands of tests stay in memory to the end: the garbage collector need not look at them each time."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """The longest unit first, once all others have put the tests into their order."""
    yield
    if hasattr(config, "workerinput"):
        weight: dict[str, int] = {}
        for whole, file in {(unit(item.nodeid), item.path.name) for item in items}:
            weight[whole] = weight.get(whole, 0) + SECONDS.get(file, 0)
        items.sort(key=lambda item: -weight[unit(item.nodeid)])


def pytest_configure(config: pytest.Config) -> None:
    """Starts the Docker Engine for all processes: one that a process had started would end with it."""
    global _daemon
    is_alone = hasattr(config, "workerinput") or not config.getoption("numprocesses", None)
    if is_alone:
        gc.disable()  # what the collection makes stays: looking for garbage in it takes a tenth of the time
    if is_alone or config.getoption("markexpr").startswith("not real"):
        return
    from tests.rig import Missing
    from tests.rig.daemon import Daemon

    try:
        daemon = Daemon()
        daemon.__enter__()
    except Missing:
        return  # the tests that need it say so
    os.environ["DOCKER_HOST"] = daemon.url
    _daemon = daemon


def pytest_unconfigure() -> None:
    """Stops it, if it is ours."""
    global _daemon
    if _daemon is not None:
        os.environ.pop("DOCKER_HOST", None)
        _daemon.__exit__()
        _daemon = None
