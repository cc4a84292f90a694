"""A first day with the mailbox stack: all that an operator does, in Chromium, with the product and real containers."""

from __future__ import annotations

import contextlib
import itertools
import re
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.chromium import PHONE, WIDE, Chromium, go, picture
from tests.live.console import OPERATOR, OPERATOR_PASSWORD
from tests.live.mailstack import MailStack
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip
from tests.rig.mailclients import Login, Server, deliver, imap_login, mail, wait_for_message
from tests.rig.standins import Sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker
    from playwright.sync_api import Playwright, ViewportSize

    from tests.rig.images import Images

pytestmark = pytest.mark.real

TAB = "/admin/mail-relay/mailboxes/"
HOSTNAME, DOMAIN = "mail.walk.test", "walk.test"
ANNA, BEN = f"anna@{DOMAIN}", f"ben@{DOMAIN}"
BENS_PASSWORD = "plum-Tundra-77-kettle"
OUTSIDE, SMARTHOST = "someone@outside.test", "relay.outside.test"
#: Containers and volumes come and go during the test, on a machine that may be busy.
PATIENCE_MS = 120_000
#: Notes what the progress page shows, ten times a second; it survives the page that follows.
WATCH = """setInterval(() => {
    const bar = document.querySelector("#progress [aria-valuenow]");
    if (bar) {
        const seen = JSON.parse(sessionStorage.getItem("seen") ?? "[]");
        seen.push([Number(bar.ariaValueNow), document.querySelector("#progress .m-lead").textContent.trim()]);
        sessionStorage.setItem("seen", JSON.stringify(seen));
    }
}, 100)"""


@dataclass(frozen=True)
class Settings:
    """What the panel of a mailbox shows, and nothing else; its host is this machine."""

    user: str
    host: str
    imap: int
    submission: int

    @property
    def incoming(self) -> Server:
        return Server(self.imap - 993)

    @property
    def outgoing(self) -> Server:
        return Server(self.submission - 587)


class Walk:
    """The operator's browser, on one page, and the pictures taken on the way."""

    def __init__(self, stack: MailStack, chromium: Chromium, outside: str, pictures: Path) -> None:
        self.stack, self.outside, self.pictures = stack, outside, pictures
        self.taken = itertools.count(1)
        self.page = chromium.sign_in(OPERATOR, OPERATOR_PASSWORD)
        self.page.add_init_script(WATCH)

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    def go(self, part: str = "") -> Page:
        """Another page of the tab."""
        go(self.page, self.stack.url(f"{TAB}{part}"))
        return self.page

    def press(self, name: str, *, within: Page | Locator | None = None) -> None:
        """A button or a link that looks like one."""
        place = within or self.page
        place.get_by_role("button", name=name).or_(place.get_by_role("link", name=name)).first.click()

    def row(self, address: str) -> Locator:
        return self.page.locator(".m-row", has_text=address)

    def shoot(self, name: str, size: ViewportSize = WIDE) -> None:
        self.page.set_viewport_size(size)
        picture(self.page, self.pictures / f"{next(self.taken):02d}-{name}.png", full_page=True)
        self.page.set_viewport_size(WIDE)


@pytest.fixture
def walk(
    stack_project: str,
    docker_client: docker.DockerClient,
    stack_images: Images,
    driver: Playwright,
    tmp_path: Path,
) -> Iterator[Walk]:
    """A walk on a new node. At the end: no script failed, and nothing was loaded from elsewhere."""
    stack = MailStack(tmp_path, docker_client, stack_images, stack_project, static=True)
    with stack, or_skip(lambda: Chromium(stack.url(""), driver, whole=True)) as chromium:
        yield Walk(stack, chromium, stack_images.sink, tmp_path / "pictures")
        assert not chromium.outside
        assert not chromium.problems


@pytest.mark.thorough
def test_from_nothing_to_a_mail_server_and_back(walk: Walk) -> None:
    enable(walk)
    add_domain(walk)
    settings, anna = add_mailbox(walk)
    ben = import_mailbox(walk)
    get_mail(settings, anna)
    send_mail(walk, settings, anna, ben)
    disable_login(walk, settings, ben)
    delete_and_restore(walk, settings, anna)
    look_at_the_server(walk)
    disable_and_keep(walk)
    enable(walk)
    assert wait_for_message(settings.incoming, anna, "From outside")
    disable_and_purge(walk)


# --- the stations, in their order --------------------------------------------------------------------------
def enable(walk: Walk) -> None:
    """The hostname is typed, the preflight seen, the button pressed, the progress watched."""
    page = walk.go()
    page.get_by_label("Hostname").fill(HOSTNAME)
    walk.shoot("wizard")
    walk.press("Check this machine")
    report = page.get_by_role("region", name=f"Preflight of {HOSTNAME}")
    expect(report).to_have_attribute("data-ok", "true")
    walk.shoot("preflight")
    walk.press("Enable the mail server")
    expect(page.get_by_role("heading", name=f"Starting {HOSTNAME}")).to_be_visible()
    expect(page.locator("[data-state=running]")).to_contain_text("Start them", timeout=PATIENCE_MS)
    walk.shoot("progress")
    page.wait_for_url("**/list/", timeout=PATIENCE_MS)
    watched = page.evaluate("JSON.parse(sessionStorage.getItem('seen'))")
    page.evaluate("sessionStorage.clear()")
    percents, words = [each[0] for each in watched], {each[1] for each in watched}
    assert percents == sorted(percents) and percents[-1] > percents[0]
    assert len(words) > 2 and all(re.fullmatch(r"[A-Z][^{}_]+…", each) for each in words), words
    expect(page.locator(".m-service", has_text="Healthy")).to_have_count(3)
    walk.shoot("enabled")


def add_domain(walk: Walk) -> None:
    walk.press("Add domain")
    walk.dialog.get_by_label("Domain").fill(DOMAIN)
    walk.press("Add domain", within=walk.dialog)
    expect(walk.page.get_by_text(f"{DOMAIN} is added.")).to_be_visible()


def add_mailbox(walk: Walk) -> tuple[Settings, Login]:
    """Add a mailbox with the password that the page generates; it works a moment later."""
    walk.press("Add mailbox")
    walk.dialog.get_by_label("Address").fill("anna")
    walk.dialog.get_by_label("Display name").fill("Anna Example")
    walk.press("Generate", within=walk.dialog)
    expect(walk.dialog.get_by_label("Password", exact=True)).to_have_value(re.compile(r".{15,}"))
    walk.shoot("add-mailbox")
    walk.press("Add mailbox", within=walk.dialog)
    password = walk.dialog.locator("#new-password").inner_text()
    expect(walk.dialog.get_by_text("It can sign in now.")).to_be_visible()
    walk.shoot("added")
    walk.press("Done", within=walk.dialog)
    expect(walk.row(ANNA).locator(".q-badge")).to_have_text("Live")
    walk.page.get_by_role("link", name=f"Connection settings of {ANNA}").click()
    settings = shown(walk)
    walk.press("Done", within=walk.dialog)
    assert (settings.user, settings.host) == (ANNA, HOSTNAME)
    return settings, Login(settings.user, password)


def shown(walk: Walk) -> Settings:
    """The connection settings of the open dialog."""
    expect(walk.dialog.locator(".m-settings")).to_be_visible()
    user, host, imap, *_ = walk.dialog.locator(".m-settings code").all_inner_texts()
    starttls = walk.dialog.get_by_text("With STARTTLS:").inner_text()
    found = re.search(r"SMTP on port (\d+)", starttls)
    assert found, starttls
    return Settings(user, host, int(imap), int(found[1]))


def import_mailbox(walk: Walk) -> Login:
    """A second mailbox, by a file."""
    page = walk.go("import/")
    lines = f"address,password,quota_mb,display_name\n{BEN},{BENS_PASSWORD},100,Ben\n"
    file = {"name": "mailboxes.csv", "mimeType": "text/csv", "buffer": lines.encode()}
    page.get_by_label("CSV file").set_input_files(file)  # type: ignore[arg-type]
    page.get_by_role("button", name="Import", exact=True).click()
    expect(page.get_by_text("Import of 1 mailbox started.")).to_be_visible()
    expect(page.locator(".m-job .q-badge")).to_have_text("Done")
    walk.shoot("imported")
    return Login(BEN, BENS_PASSWORD)


def get_mail(settings: Settings, anna: Login) -> None:
    """From outside, by port 25."""
    sent = deliver(settings.outgoing, mail("From outside", to=anna.address), anna.address, sender=OUTSIDE)
    assert sent.accepted, sent
    assert wait_for_message(settings.incoming, anna, "From outside")


def send_mail(walk: Walk, settings: Settings, anna: Login, ben: Login) -> None:
    """By 587, to a neighbour and through the relay to the outside."""
    walk.stack.use_relay(25, host=SMARTHOST)
    page = walk.go("server/")
    page.get_by_role("switch", name="Send through the relay").click()
    expect(page.get_by_text("now leaves through the relay")).to_be_visible()
    expect(page.get_by_text("All changes are live")).to_be_visible(timeout=30_000)
    with outside(walk) as sink:
        for recipient in (ben.address, OUTSIDE):
            message = mail(f"To {recipient}", sender=anna.address, to=recipient)
            sent = deliver(settings.outgoing, message, recipient, sender=anna.address, port=587, login=anna)
            assert sent.accepted, sent
        assert wait_for_message(settings.incoming, ben, f"To {ben.address}")
        (arrived,) = sink.wait_for(1)
    assert (arrived.sender, arrived.recipients) == (anna.address, [OUTSIDE])
    assert arrived.message["DKIM-Signature"]


@contextlib.contextmanager
def outside(walk: Walk) -> Iterator[Sink]:
    """The provider behind the relay settings; the network of the stack is its own again afterwards."""
    client, project = walk.stack.client, walk.stack.project
    with Sink(client, walk.outside, project=project, network=project, names=[SMARTHOST]) as sink:
        yield sink


def disable_login(walk: Walk, settings: Settings, ben: Login) -> None:
    page = walk.go("list/")
    expect(walk.row(ben.address).get_by_role("meter")).to_be_visible()
    walk.shoot("list")
    walk.shoot("list-phone", PHONE)
    assert imap_login(settings.incoming, ben)
    page.get_by_role("switch", name=f"{ben.address} may sign in").click()
    expect(walk.row(ben.address).locator(".q-badge")).to_have_text("Disabled")
    wait_until(lambda: not imap_login(settings.incoming, ben), "the login is refused", 5)
    walk.shoot("disabled")


def delete_and_restore(walk: Walk, settings: Settings, anna: Login) -> None:
    page = walk.page
    page.get_by_role("link", name=f"Delete {anna.address}").click()
    walk.shoot("delete")
    walk.press("Delete mailbox", within=walk.dialog)
    expect(walk.row(anna.address)).to_have_count(0)
    wait_until(lambda: not imap_login(settings.incoming, anna), "the login is refused", 5)
    page.get_by_role("link", name="Deleted 1").click()
    walk.shoot("deleted")
    walk.press(f"Restore {anna.address}")
    expect(page.get_by_text("Nothing deleted")).to_be_visible()
    wait_until(lambda: imap_login(settings.incoming, anna), "the login works again", 5)
    assert wait_for_message(settings.incoming, anna, "From outside")


def look_at_the_server(walk: Walk) -> None:
    """The three containers, Rspamd's password (which works), and the logs."""
    page = walk.go("server/")
    expect(page.locator(".m-container", has_text="Healthy")).to_have_count(3)
    walk.press("Show password")
    password = walk.dialog.locator("#controller-password").inner_text()
    walk.shoot("rspamd")
    walk.press("Done", within=walk.dialog)
    port = walk.stack.server.port(11334)
    assert rspamd_answers(port, password) == 200
    assert rspamd_answers(port, "another") in {401, 403}
    page.get_by_text("Postfix", exact=True).last.click()
    expect(page.get_by_label("Log of postfix")).to_contain_text(OUTSIDE)
    walk.shoot("server")
    walk.shoot("server-phone", PHONE)


def rspamd_answers(port: int, password: str) -> int:
    """The status of its web interface to this password."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/stat", headers={"Password": password})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code


def disable_and_keep(walk: Walk) -> None:
    walk.press("Disable…")
    walk.shoot("disable")
    walk.press("Disable", within=walk.dialog)
    expect(walk.page.get_by_role("heading", name=f"Stopping {HOSTNAME}")).to_be_visible()
    walk.shoot("stopping")
    gone(walk)
    assert len(volumes(walk)) == 4
    walk.shoot("off")


def disable_and_purge(walk: Walk) -> None:
    """Disable and purge, which requires typing the hostname."""
    walk.go("server/")
    walk.press("Disable…")
    walk.dialog.get_by_text("Remove everything").click()
    confirm = walk.dialog.get_by_label("To confirm, type")
    confirm.fill("mail.other.test")
    walk.press("Remove the server and all mail", within=walk.dialog)
    expect(walk.dialog).to_contain_text("repeat its hostname")
    walk.shoot("purge-refused")
    assert walk.stack.state()["phase"] == "healthy" and len(volumes(walk)) == 4
    confirm.fill(HOSTNAME)
    walk.press("Remove the server and all mail", within=walk.dialog)
    gone(walk)
    assert not volumes(walk)
    walk.shoot("purged")


def gone(walk: Walk) -> None:
    """The page says that there is no server any more, and there is none."""
    expect(walk.page.get_by_role("button", name="Check this machine")).to_be_visible(timeout=PATIENCE_MS)
    assert walk.stack.state()["phase"] == "disabled"
    label = f"quazzar.project={walk.stack.project}"
    assert not walk.stack.client.containers.list(all=True, filters={"label": label})
    assert not walk.stack.client.networks.list(filters={"label": label})


def volumes(walk: Walk) -> set[str]:
    """The names of the stack's volumes."""
    label = {"label": f"quazzar.project={walk.stack.project}"}
    return {str(each.name) for each in walk.stack.client.volumes.list(filters=label)}
