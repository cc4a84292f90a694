"""What the doctor reports about a running stack: failures are shown within a minute, and gone once they are fixed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from mailboxes.certificates import pem
from tests.live.mailworld import World, outside
from tests.quazzar.nodes import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import MailStack
    from tests.rig.images import Images

pytestmark = [pytest.mark.real, pytest.mark.long]
CERTIFICATE = "/api/mail/stack/certificate"


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    yield World(mailstack, "doctor.test")
    mailstack.expect(200, "PUT", CERTIFICATE, {"self_signed": True})


def reading(world: World, name: str) -> dict[str, Any]:
    checks = world.stack.expect(200, "GET", "/api/mail/health")["checks"]
    return dict(next(check for check in checks if check["name"] == name))


def wait_for(world: World, name: str, level: str, words: str = "") -> None:
    def is_seen() -> bool:
        found = reading(world, name)
        return found["level"] == level and words in found["sentence"]

    wait_until(is_seen, f"{name} is {level}: {words} {reading(world, name)}", 90)


@pytest.mark.thorough
def test_a_certificate_for_another_name_is_a_failure_until_it_is_replaced(world: World) -> None:
    certificate, key = pem.self_signed("mail.another.test")
    world.stack.expect(200, "PUT", CERTIFICATE, {"certificate": certificate, "key": key})
    wait_for(world, "certificate", "failed", "not valid for")
    world.stack.expect(200, "PUT", CERTIFICATE, {"self_signed": True})
    wait_for(world, "certificate", "ok")


@pytest.mark.thorough
def test_mail_that_cannot_leave_is_seen_with_the_reason_until_it_has_left(
    world: World, stack_images: Images
) -> None:
    with outside(world.stack, stack_images, ["doctor-far.test"]) as sink:
        sink.answer("RCPT", "451 4.3.0 Try later, says the doctor")
        world.submit("stuck", "somebody@doctor-far.test")
        wait_for(world, "mail queue", "warning", "says the doctor")
        sink.answer("RCPT", None)
        world.stack.inside("postfix", "postqueue", "-f")
        wait_for(world, "mail queue", "ok")


@pytest.mark.thorough
def test_a_container_that_dies_is_in_the_history_and_the_stack_is_well_again(world: World) -> None:
    history = "/api/mail/health/history?name=stack"

    def is_told() -> bool:
        rows = world.stack.expect(200, "GET", history)["results"]
        return any(row["level"] == "failed" and "rspamd is not running" in row["sentence"] for row in rows)

    # On a machine that is busy with other stacks it may run again before anybody has looked.
    for seconds in (60, 120):
        world.stack.client.containers.get(f"{world.stack.project}-rspamd").kill()
        with suppress(AssertionError):
            wait_until(is_told, "the death of Rspamd is in the history", seconds)
            break
    assert is_told()
    wait_for(world, "stack", "ok")
