"""The Docker Engine stops for up to a minute while mailboxes are added all the time."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.console import OPERATOR, OPERATOR_PASSWORD, Browser
from tests.live.mailstack import Box, MailStack
from tests.quazzar.nodes import wait_until
from tests.rig.daemon import remove_project
from tests.rig.mailclients import deliver, imap_login, mail, wait_for_message

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.rig.daemon import PrivateEngine
    from tests.rig.images import Images

pytestmark = [pytest.mark.real, pytest.mark.thorough]

PROJECT = "qz-stopping"
STOPPED = 60.0


@pytest.fixture(scope="module")
def stack(
    private_engine: PrivateEngine,
    docker_client: docker.DockerClient,
    stack_images: Images,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[MailStack]:
    for image in (stack_images.postfix, stack_images.dovecot, stack_images.rspamd):
        private_engine.copy_image(docker_client, image)
    with contextlib.closing(private_engine.client()) as client:
        remove_project(client, PROJECT)
        env: dict[str, Any] = {"DOCKER_HOST": private_engine.url, "QUAZZAR_STACK_BIND": ""}
        made = MailStack(
            tmp_path_factory.mktemp("stopping"),
            client,
            stack_images,
            PROJECT,
            address=private_engine.address,
            **env,
        )
        with made as stack:
            stack.enable()
            yield stack
        private_engine.start()
        remove_project(client, PROJECT)


class Operators:
    """Two operators; use as a context: inside, they add mailboxes and change their passwords without a pause.

    Attributes:
        boxes: what was answered with 201.
        refused: what was answered otherwise.
    """

    def __init__(self, stack: MailStack, domain: dict[str, Any]) -> None:
        self.boxes: list[Box] = []
        self.refused: list[AssertionError | OSError] = []
        self._stack, self._domain = stack, domain
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(2)]

    def __enter__(self) -> Operators:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _work(self, operator: int) -> None:
        number = 0
        while not self._over.wait(1.2):
            number += 1
            try:
                box = self._stack.add_mailbox(self._domain, f"operator{operator}-{number}")
                self.boxes.append(box)
                if number % 3 == 0:
                    box.change(password=f"changed-{time.time_ns():x}")
            except (AssertionError, OSError) as exc:
                self.refused.append(exc)


def test_changes_survive_an_engine_that_is_stopped(stack: MailStack, private_engine: PrivateEngine) -> None:
    domain = stack.add_domain("stopping.test")
    early, leaving = stack.add_mailbox(domain, "early"), stack.add_mailbox(domain, "leaving")
    early.wait_login()
    letter = mail("Before", sender=early.address, to=early.address)
    sent = deliver(stack.server, letter, early.address, sender=early.address, port=587, login=early.login)
    assert sent.accepted, sent
    wait_for_message(stack.server, early.login, "Before")
    with Operators(stack, domain) as operators:
        wait_until(lambda: len(operators.boxes) > 5, "mailboxes are added", 60)
        private_engine.stop()
        wait_until(lambda: told(stack) == ("degraded", "docker_unreachable"), "the API says so", 60)
        leaving.delete()
        page = Browser(stack)
        assert page.sign_in(OPERATOR, OPERATOR_PASSWORD)
        assert b"Docker Engine" in page.get("/admin/mail-relay/mailboxes/head/")[1]
        before, until = len(operators.boxes), time.monotonic() + STOPPED
        while time.monotonic() < until:
            assert told(stack) == ("degraded", "docker_unreachable")
            time.sleep(0.5)
        during = len(operators.boxes) - before
        private_engine.start()
        stack.wait_phase("healthy")
    print(f"{len(operators.boxes)} mailboxes were added, {during} of them while the Engine was stopped")
    assert not operators.refused
    assert during > 5
    stack.wait_synced()
    assert told(stack) == ("healthy", None)
    everybody = {
        row.split(":")[0] for row in stack.inside("dovecot", "cat", "/etc/dovecot/users").splitlines()[1:]
    }
    own = stack.state()["own_address"]
    assert everybody == {own, *(box.address for box in [early, *operators.boxes])}
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Box.wait_login, [early, *operators.boxes]))
    assert not imap_login(stack.server, leaving.login)
    assert wait_for_message(stack.server, early.login, "Before")
    assert stack.manage("reconcile", "--dry-run") == "No differences.\n"


def told(stack: MailStack) -> tuple[str, str | None]:
    """Phase and error code."""
    state = stack.state()
    return state["phase"], (state["last_error"] or {}).get("code")


def test_the_logs_are_followed_again_after_dockerd_was_killed(
    stack: MailStack, private_engine: PrivateEngine
) -> None:
    """What was known stays, what comes afterwards is told, and nothing is told twice."""
    domain = stack.add_domain("killed.test")
    reader = stack.add_mailbox(domain, "reader")
    stack.wait_synced()
    before = [f"before-{number}@killed.example" for number in range(5)]
    after = [f"after-{number}@killed.example" for number in range(5)]
    for sender in before:
        assert deliver(
            stack.server, mail("killed", to=reader.address), reader.address, sender=sender
        ).accepted
    for sender in before:
        wait_until(partial(is_filed, stack, sender), f"the journey from {sender}", 60)
    private_engine.kill()
    wait_until(lambda: told(stack) == ("degraded", "docker_unreachable"), "the API says so", 60)
    private_engine.start()
    stack.wait_phase("healthy")
    for sender in after:
        wait_until(partial(accepts, stack, reader, sender), f"the mail from {sender} is accepted", 120)
    for sender in after:
        wait_until(partial(is_filed, stack, sender), f"the journey from {sender}", 90)
    for sender in [*before, *after]:
        kinds = steps(stack, sender)
        assert sorted(kinds) == ["accepted", "delivered", "filed", "queued", "scanned"], kinds


def accepts(stack: MailStack, reader: Box, sender: str) -> bool:
    """Whether the mail is accepted now; sent until it is."""
    try:
        return deliver(
            stack.server, mail("killed", to=reader.address), reader.address, sender=sender
        ).accepted
    except OSError:
        return False


def steps(stack: MailStack, sender: str) -> list[str]:
    """The kinds of all steps of all mail from this sender that was accepted."""
    rows = stack.expect(200, "GET", f"/api/mail/journeys?q={sender}&tab=delivered")["results"]
    found = [stack.expect(200, "GET", f"/api/mail/journeys/{row['id']}")["steps"] for row in rows]
    return [step["kind"] for one in found for step in one]


def is_filed(stack: MailStack, sender: str) -> bool:
    """Whether the journey is told to its end."""
    return "filed" in steps(stack, sender)
