"""A failure on a running node is on Home and Doctor within a minute, in a true sentence, and gone once it is fixed.

The relay is a real Postfix, the disk a small one, the processes are stopped by signals. The mail server's failures are
in test_failures_mailserver.py.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from quazzar.sealing import keyring
from tests.browser.chromium import Chromium
from tests.browser.failures import Failure, Screens
from tests.live.console import OPERATOR, OPERATOR_PASSWORD, Console
from tests.rig import Missing, or_skip
from tests.rig.postfix import RealPostfix

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Playwright

pytestmark = [pytest.mark.real, pytest.mark.thorough]

#: MiB. With less than 1024 free, Doctor warns.
DISK, BALLAST = 1100, 110
BACKUP = "nightly-dump"
#: Prints a licence of this node that ends in three seconds.
SHORT_LICENCE = """
import time
import django
import jwt
django.setup()
from quazzar.plans import keys
claims = {"plan": "pro", "exp": int(time.time()) + 3, "sub": "somebody"}
print(jwt.encode(claims, keys.evaluation_key(), algorithm="EdDSA"))
"""
#: Makes the node mail its news now, as it would in three minutes: problems that end sooner are not mailed.
IN_THREE_MINUTES = """
from datetime import timedelta
import django
django.setup()
from django.utils import timezone
from mailrelay.notices import nodewatch
nodewatch.watch(timezone.now() + timedelta(minutes=3))
"""


class SmallDisk:
    """A separate file system in memory, which takes only the space that is written.

    Raises:
        Missing: this process may not mount one.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m,mode=700", "quazzar-test", str(place)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            raise Missing("the right to mount a file system")

    def fill(self) -> None:
        with (self.place / "ballast").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, BALLAST << 20)

    def make_room(self) -> None:
        (self.place / "ballast").unlink()

    def __enter__(self) -> SmallDisk:
        return self

    def __exit__(self, *_: object) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)


class Node:
    """A running node with a relay that works, and an operator who looks at Home and Doctor."""

    def __init__(self, console: Console, provider: RealPostfix, disk: SmallDisk, screens: Screens) -> None:
        self.console, self.provider, self.disk, self.screens = console, provider, disk, screens

    def use_relay(self, **changes: object) -> None:
        """Save the provider as the relay, correctly unless changed by arguments."""
        login = {"username": self.provider.username, "password": self.provider.password}
        self.console.use_relay(self.provider.submission_port, security="starttls", **{**login, **changes})

    def send(self) -> None:
        """A mail for the provider to take."""
        self.console.send("somebody@inbox.test")

    def expect_backup(self) -> None:
        """Watch a backup job that reports each minute."""
        status, answer = self.console.call(
            "POST",
            "/api/mail/expected",
            {
                "name": BACKUP,
                "kind": "backup",
                "schedule": {"kind": "every", "minutes": 1},
                "tolerance_minutes": 1,
            },
        )
        assert status == 201, answer

    def back_up(self) -> None:
        status, answer = self.console.call("POST", "/api/mail/backups", {"job": BACKUP, "status": "success"})
        assert status == 202, answer

    def let_the_licence_lapse(self) -> None:
        """Replace the licence with one that is about to end, and put the good one aside."""
        done = self.console.run("-c", SHORT_LICENCE)
        assert done.returncode == 0, done.stderr.decode()
        self.licence.rename(self.good_licence)
        self.licence.write_bytes(done.stdout)

    def mails_about_itself(self, words: str) -> int:
        """How many of the node's mails about itself have a line with these words, after two checks."""
        for _ in range(2):
            done = self.console.run("-c", IN_THREE_MINUTES)
            assert done.returncode == 0, done.stderr.decode()
        self.console.wait_empty()
        self.provider.wait_quiet()
        texts = [mail.get_content() for mail in self.provider.messages() if "[Node]" in mail["Subject"]]
        return sum(bool(re.search(words, text, re.MULTILINE)) for text in texts)

    @property
    def licence(self) -> Path:
        return self.console.data / "license.jwt"

    @property
    def good_licence(self) -> Path:
        return self.console.data / "good.jwt"


@pytest.fixture(scope="module")
def node(
    tmp_path_factory: pytest.TempPathFactory, provider: RealPostfix, driver: Playwright
) -> Iterator[Node]:
    directory = tmp_path_factory.mktemp("failures")
    with (
        or_skip(lambda: SmallDisk(directory / "data")) as disk,
        Console(directory, static=True, SSL_CERT_FILE=str(provider.ca_file)) as console,
        or_skip(lambda: Chromium(console.url(""), driver)) as chromium,
    ):
        chromium.sign_in(OPERATOR, OPERATOR_PASSWORD).close()
        found = Node(console, provider, disk, Screens(console, chromium))
        found.use_relay()
        found.expect_backup()
        found.send()
        console.wait_empty()
        yield found
        assert not chromium.problems


def test_a_password_that_the_provider_refuses(node: Node, subtests: pytest.Subtests) -> None:
    def give_another_password() -> None:
        node.use_relay(password="not-the-password")
        node.send()

    password = Failure(
        "password refused",
        check="Relay",
        area="relay",
        level="failed",
        says=r"Mail cannot be sent through .*sign-in fails.*535",
        advice="Send a test mail",
        step="Relay",
        line=r"Mail has been failing at sign-in since .*\d\d:\d\d\.\s+The password was refused\.",
        cause=give_another_password,
        mend=node.use_relay,
        well="Mail is sent through",
    )
    node.screens.break_and_mend(subtests, password)


def test_a_provider_that_is_away_and_a_licence_that_lapses(node: Node, subtests: pytest.Subtests) -> None:
    def stop_the_provider() -> None:
        node.provider.stop()
        node.send()

    away = Failure(
        "provider unreachable",
        check="Relay",
        area="relay",
        level="failed",
        says=r"Mail cannot be sent through .*connecting fails",
        advice="Send a test mail",
        step="",
        line=r"Mail has been failing at connecting since .*\d\d:\d\d\.\s+\S",
        cause=stop_the_provider,
        mend=node.provider.start,
        well="Mail is sent through",
    )
    lapsed = Failure(
        "licence lapsed",
        check="Licence",
        area="licence",
        level="failed",
        says=r"The licence for Orbit Pro expired on .*refuses .* with 402",
        advice="license install",
        step="Compare plans",
        cause=node.let_the_licence_lapse,
        mend=lambda: node.good_licence.replace(node.licence),
    )
    node.screens.break_and_mend(subtests, away, lapsed)


def test_a_certificate_of_the_provider_that_is_for_another_name_or_expired(
    node: Node, subtests: pytest.Subtests
) -> None:
    certificates = {
        "another name": (node.provider.ca.wrong_name(), "name|localhost"),
        "expired": (node.provider.ca.expired(), "expired"),
    }

    def failure(name: str) -> Failure:
        certificate, words = certificates[name]

        def serve() -> None:
            node.provider.use_certificate(certificate)
            node.send()

        return Failure(
            f"provider's certificate {name}",
            check="Relay",
            area="relay",
            level="failed",
            says=rf"Mail cannot be sent through .*TLS fails.*({words})",
            advice="Send a test mail",
            step="Relay",
            line=rf"Mail has been failing at TLS since .*\s+.*({words})",
            cause=serve,
            mend=lambda: node.provider.use_certificate(node.provider.ca.issue()),
            well="Mail is sent through",
        )

    # One after the other, without a good one between them.
    first = failure("another name")
    node.screens.cause(first)
    with subtests.test(f"{first.name}: seen"):
        node.screens.show(first)
    node.screens.break_and_mend(subtests, failure("expired"))


def test_a_key_file_that_was_replaced(node: Node, subtests: pytest.Subtests) -> None:
    key, away = node.console.key_file, node.console.key_file.with_name("away.key")

    def put_another() -> None:
        # Nothing is mailed during this: it would be sealed with the key that is taken away again.
        node.use_relay(alert_recipients=[])
        key.rename(away)
        keyring.create(key)

    replaced = Failure(
        "key file replaced",
        check="Sealed secrets",
        area="node",
        level="failed",
        says=r"The key file does not open \d+ of \d+ stored secrets?: ",
        advice="Put the old key file back",
        step="Open Doctor",
        line=r"No mail is being sent\.\s+This key file cannot decrypt the relay password\.",
        cause=put_another,
        mend=lambda: away.replace(key),
    )
    node.screens.break_and_mend(subtests, replaced)
    node.use_relay()


def test_a_worker_that_is_dead(node: Node, subtests: pytest.Subtests) -> None:
    dead = Failure(
        "worker dead",
        check="Worker",
        area="node",
        level="failed",
        says=r"The worker last reported \d+ \w+ ago",
        advice="manage.py up",
        step="Open Doctor",
        line=r"worker has not reported since .*\d\d:\d\d",
        cause=lambda: os.kill(node.console.worker(), signal.SIGSTOP),
        mend=lambda: os.kill(node.console.worker(), signal.SIGCONT),
        well="The worker is alive",
    )
    node.screens.break_and_mend(subtests, dead)


def test_a_backup_that_did_not_come(node: Node, subtests: pytest.Subtests) -> None:
    late = Failure(
        "backup late",
        check="Expected reports",
        area="reports",
        level="failed",
        says=rf"{BACKUP} has been late since",
        advice="whether the job ran",
        step="Expected reports",
        cause=lambda: None,  # nothing came since the node was started
        mend=node.back_up,
    )
    node.screens.break_and_mend(subtests, late)


def test_a_disk_that_is_nearly_full_is_mailed_once_and_once_when_there_is_room_again(
    node: Node, subtests: pytest.Subtests
) -> None:
    disk = Failure(
        "disk nearly full",
        check="Disk",
        area="node",
        level="warning",
        says=r"9\d\d\.?\d* MiB free for /",
        advice="Free some space",
        step="Open Doctor",
        cause=node.disk.fill,
        mend=node.disk.make_room,
    )
    node.provider.clear()
    node.screens.cause(disk)
    with subtests.test("seen"):
        node.screens.show(disk)
    assert node.mails_about_itself(r"^disk: 9.* MiB free for") == 1
    disk.mend()
    with subtests.test("gone"):
        node.screens.show_gone(disk)
    assert node.mails_about_itself(r"^disk is fixed: ") == 1
