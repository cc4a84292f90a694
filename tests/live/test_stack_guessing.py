"""Guessing at a mailbox's password: soon the guesses have to wait, but its owner and all others do not."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.live.mailworld import World, outside
from tests.rig.mailclients import Login, imap_login, smtp_login
from tests.rig.standins import said

if TYPE_CHECKING:
    from tests.live.mailstack import MailStack
    from tests.rig.images import Images
    from tests.rig.mailclients import Answer

pytestmark = [pytest.mark.real, pytest.mark.thorough]

MANY = "many mailboxes, from "
LIMITED = "Too many wrong passwords"


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> World:
    found = World(mailstack, "guessing.test")
    found.alice.wait_login()
    return found


def guess(world: World, address: str, *passwords: str) -> list[Answer]:
    """All at once, half of them by each submission port."""
    with ThreadPoolExecutor(16) as pool:
        tries = [
            (Login(address, password), (587, 465)[index % 2]) for index, password in enumerate(passwords)
        ]
        return list(pool.map(lambda each: smtp_login(world.server, *each), tries))


def test_after_ten_wrong_passwords_guesses_wait_and_the_owner_does_not(world: World) -> None:
    answers = guess(world, world.alice.address, *(f"wrong-{number}" for number in range(24)))
    assert {answer.code for answer in answers} == {535}
    limited = [answer for answer in answers if LIMITED in answer.text]
    # The pauses after the tenth are 1, 2, 4, … seconds: within the few that this takes, most are refused unchecked.
    assert len(limited) >= 10, [answer.text for answer in answers]
    # By IMAP it is the same count, also for the name in capitals.
    assert not imap_login(world.server, Login(world.alice.address.upper(), "wrong-by-imap"))
    for login in (world.alice.login, world.bob.login):
        assert imap_login(world.server, login)
        assert smtp_login(world.server, login).code == 235


def test_one_wrong_password_again_and_again_is_no_guessing(world: World) -> None:
    """As a program does whose owner has changed the password."""
    answers = guess(world, world.bob.address, *["the one of before"] * 14)
    assert not [answer for answer in answers if LIMITED in answer.text]
    assert imap_login(world.server, world.bob.login)


#: Signs in at the submission port with one password, as each of the names, many at once; prints each answer.
_SPRAY = """
import smtplib, ssl, sys
from concurrent.futures import ThreadPoolExecutor
trusting = ssl._create_unverified_context()
def sign_in(name):
    with smtplib.SMTP("postfix", 587, timeout=60) as client:
        client.starttls(context=trusting)
        try:
            return client.login(name, sys.argv[1])
        except smtplib.SMTPAuthenticationError as exc:
            return exc.smtp_code, exc.smtp_error
for code, text in ThreadPoolExecutor(16).map(sign_in, sys.argv[2:]):
    print(code, text.decode())
"""


@pytest.mark.thorough
def test_one_password_at_many_names_is_limited_by_address_and_those_who_are_known_are_not(
    world: World, stack_images: Images
) -> None:
    with outside(world.stack, stack_images, ["spray.test"]) as client:

        def spray(password: str, *names: str) -> list[str]:
            code, text = said(client.container, "python3", "-c", _SPRAY, password, *names)
            assert code == 0, text
            return text.splitlines()

        answers = spray("Summer-2026!", *(f"person{number}@{world.name}" for number in range(60)))
        limited = [answer for answer in answers if LIMITED in answer]
        # Thirty are free; then the pauses are 1, 2, 4, … seconds, and these come quicker than that.
        assert 15 <= len(limited) <= 30, answers
        assert spray(world.bob.password, world.bob.address)[0].startswith("235")
        # Behind the gateway there may be everybody.
        assert smtp_login(world.server, world.alice.login).code == 235
        assert len([name for name in guessed(world) if name.startswith(MANY)]) == 1


def test_the_page_and_doctor_name_the_mailbox(world: World) -> None:
    found = guessed(world)
    assert [name for name in found if not name.startswith(MANY)] == [world.alice.address]
    assert found[world.alice.address]["count"] >= 10


def guessed(world: World) -> dict[str, dict[str, Any]]:
    """The guessed mailboxes, as the database has them after a check."""
    script = (
        "import json; from mailboxes.models import Stack; from mailboxes.upkeep import refresh_usage; "
        "refresh_usage(); print(json.dumps(Stack.load().guessed))"
    )
    return dict(json.loads(world.stack.manage("shell", "-v", "0", "-c", script)))
