"""A mail server from nothing to a green domain, and what breaks on it: seen on Home and on Doctor within a minute.

One node with one stack for all; the tests follow one another.
"""

from __future__ import annotations

import contextlib
import datetime
import re
import socket
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from mailboxes.certificates import pem
from tests.browser.chromium import Chromium, go
from tests.browser.failures import HOME, SOON, Failure, Screens
from tests.dnsrecords.mistakes import line, text
from tests.live.console import OPERATOR, OPERATOR_PASSWORD
from tests.live.mailstack import MailStack
from tests.live.mailworld import outside
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip
from tests.rig.ca import CertificateAuthority
from tests.rig.mailclients import deliver, mail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker
    from playwright.sync_api import Playwright

    from tests.rig.images import Images
    from tests.rig.nameserver import Nameserver
    from tests.rig.standins import Sink

pytestmark = [pytest.mark.real, pytest.mark.thorough]

DOMAIN = "failing.test"
HOSTNAME, NODE = f"mail.{DOMAIN}", "203.0.113.9"
FAR = "far.failing-elsewhere.test"
CERTIFICATE = "/api/mail/stack/certificate"


class Server:
    """A node with a mail server, an operator who watches, and ways to break it."""

    def __init__(self, stack: MailStack, chromium: Chromium, nameserver: Nameserver, directory: Path) -> None:
        self.stack, self.chromium, self.nameserver = stack, chromium, nameserver
        self.authority = CertificateAuthority(directory / "authority")
        self.screens: Screens

    # --- DNS
    def lines(self) -> list[str]:
        """What an operator pastes who copies name and value of each required record."""
        domain = self.stack.expect(200, "GET", "/api/mail/domains")["results"][0]
        records = self.stack.expect(200, "GET", f"/api/mail/domains/{domain['id']}/dns")["records"]
        return [_line(row) for row in records if row["required"]]

    def publish(self, lines: list[str]) -> None:
        self.nameserver.publish(DOMAIN, [line(HOSTNAME, "A", NODE), *lines])

    # --- certificate
    def serve(self, certificate: str, key: str) -> None:
        self.stack.expect(200, "PUT", CERTIFICATE, {"certificate": certificate, "key": key})

    def serve_for(self, seconds: int) -> None:
        """Serve a correct certificate that is valid for this long."""
        end = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        pair = self.authority.issue([HOSTNAME], end)
        self.serve(pair.cert_file.read_text(), pair.key_file.read_text())

    def serve_our_own(self) -> None:
        self.stack.expect(200, "PUT", CERTIFICATE, {"self_signed": True})


def _line(row: dict[str, Any]) -> str:
    return (
        text(row["name"], row["value"])
        if row["type"] == "TXT"
        else line(row["name"], row["type"], row["value"])
    )


@pytest.fixture(scope="module")
def server(
    shared_stack_project: str,
    docker_client: docker.DockerClient,
    stack_images: Images,
    nameserver: Nameserver,
    driver: Playwright,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Server]:
    """A mail server on a new node."""
    directory = tmp_path_factory.mktemp("failures")
    stack = MailStack(
        directory,
        docker_client,
        stack_images,
        shared_stack_project,
        static=True,
        QUAZZAR_DNS_RESOLVERS=nameserver.address,
    )
    with stack, or_skip(lambda: Chromium(stack.url(""), driver)) as chromium:
        chromium.sign_in(OPERATOR, OPERATOR_PASSWORD).close()
        yield Server(stack, chromium, nameserver, directory)
        assert not chromium.problems


@pytest.fixture(scope="module")
def world(server: Server, stack_images: Images) -> Iterator[Sink]:
    """Somebody else's mail server."""
    with outside(server.stack, stack_images, [FAR]) as sink:
        yield sink


def home(page: Page) -> None:
    go(page, page.url.partition("/admin/")[0] + HOME)


def test_home_leads_from_nothing_to_a_mail_server_and_a_green_domain(server: Server) -> None:
    server.nameserver.publish(DOMAIN, ["@ A 192.0.2.9"])
    page = server.chromium.page(HOME)
    page.locator("#tile-server").click()
    page.get_by_label("Hostname").fill(HOSTNAME)
    page.get_by_role("button", name="Check this machine").click()
    page.get_by_role("button", name="Enable the mail server").click(timeout=SOON)
    page.wait_for_url("**/list/", timeout=2 * SOON)

    home(page)
    expect(page.locator("[data-area=server]")).to_have_attribute("data-state", "works", timeout=SOON)
    page.locator("[data-step=domain]").get_by_role("link", name="Add a domain").click()
    page.get_by_role("link", name="Add domain").or_(
        page.get_by_role("button", name="Add domain")
    ).first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Domain").fill(DOMAIN)
    dialog.get_by_role("button", name="Add domain").click()
    expect(page.get_by_text(f"{DOMAIN} is added.")).to_be_visible()

    home(page)
    page.locator("[data-step=dns]").get_by_role("link", name="Show the records").click()
    page.get_by_role("link", name=DOMAIN).first.click()
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("img", name="0 of 4 required records are correct")).to_be_visible(timeout=SOON)
    server.publish(server.lines())
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_role("img", name="4 of 4 required records are correct")).to_be_visible(timeout=SOON)

    home(page)
    dns = page.locator("[data-area=dns]")
    expect(dns).to_have_attribute("data-state", "works", timeout=SOON)
    expect(dns).to_contain_text("1 of 1 correct")
    expect(page.locator("#line")).to_contain_text("The mail server works.")
    page.close()


@pytest.fixture
def screens(server: Server) -> Screens:
    """Both pages, open from the first failure on."""
    if not hasattr(server, "screens"):
        server.screens = Screens(server.stack, server.chromium)
    return server.screens


def test_a_certificate_for_another_name_a_missing_record_and_mail_that_is_stuck(
    server: Server, screens: Screens, world: Sink, subtests: pytest.Subtests
) -> None:
    box = server.stack.add_mailbox(server.stack.expect(200, "GET", "/api/mail/domains")["results"][0], "anna")
    box.wait_login(60)

    def get_stuck() -> None:
        world.answer("RCPT", "451 4.3.0 Not now, says the other side")
        to = f"ben@{FAR}"
        message = mail("Stuck", sender=box.address, to=to)
        sent = deliver(server.stack.server, message, to, sender=box.address, port=587, login=box.login)
        assert sent.accepted, sent

    def leave() -> None:
        world.answer("RCPT", None)
        server.stack.inside("postfix", "postqueue", "-f")

    another_name = Failure(
        "certificate for another name",
        check="Certificate",
        area="certificate",
        level="failed",
        says=rf"not valid for {HOSTNAME}, but for mail\.another\.test",
        advice="Upload another certificate",
        step="Certificate",
        cause=lambda: server.serve(*pem.self_signed("mail.another.test")),
        mend=server.serve_our_own,
    )
    no_record = Failure(
        "DNS record missing",
        check="DNS records",
        area="dns",
        level="failed",
        says=rf"MX of {DOMAIN}: ",
        advice="The DNS records page shows each record",
        step="DNS records",
        cause=lambda: server.publish([each for each in server.lines() if " MX " not in each]),
        mend=lambda: server.publish(server.lines()),
    )
    stuck = Failure(
        "mail stuck in Postfix",
        check="Postfix's queue",
        area="queue",
        level="warning",
        says=r"1 mail waits in Postfix, the oldest for .*Not now, says the other side",
        advice="lists the waiting mail",
        step="Postfix",
        cause=get_stuck,
        mend=leave,
    )
    screens.break_and_mend(subtests, another_name, no_record, stuck)


def test_a_container_that_is_dead_and_a_certificate_that_expires(
    server: Server, screens: Screens, subtests: pytest.Subtests
) -> None:
    port = server.stack.server.port(11334)
    with contextlib.ExitStack() as held:

        def kill_for_good() -> None:
            """Another program takes its port in between, so that it cannot be started again."""
            server.stack.container("rspamd").kill()
            squatter = held.enter_context(socket.socket())
            squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            wait_until(lambda: _takes(squatter, port), "its port is free")
            squatter.listen()

        dead = Failure(
            "container dead",
            check="Mail server",
            area="server",
            level="failed",
            says=rf"-rspamd is not running|{port}",
            advice="",
            step="Mail server",
            line=rf"The mail server has been failing since .*\d\d:\d\d\.\s+.*(-rspamd is not running|{port})",
            cause=kill_for_good,
            mend=held.close,
            well="works again|is healthy",
        )
        expired = Failure(
            "certificate expired",
            check="Certificate",
            area="certificate",
            level="failed",
            says=r"The certificate expired on (\d{4}-\d\d-\d\d|\d{1,2} \w{3} \d{4}), so mail programs refuse it",
            advice="Upload another certificate",
            step="Certificate",
            cause=lambda: server.serve_for(10),
            mend=server.serve_our_own,
        )
        screens.break_and_mend(subtests, expired, dead)


def test_a_container_that_is_started_again_at_once_is_told_all_the_same(
    server: Server, screens: Screens
) -> None:
    server.stack.container("dovecot").kill()
    says = re.compile("-dovecot is not running")
    expect(screens.tile("server")).to_contain_text(says, timeout=SOON)
    expect(screens.check("Mail server")).to_contain_text(says, timeout=SOON)
    expect(screens.check("Mail server")).to_contain_text("is healthy", timeout=SOON)
    expect(screens.tile("server")).not_to_contain_text(says, timeout=SOON)


def _takes(squatter: socket.socket, port: int) -> bool:
    try:
        squatter.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
