"""Two tasks as a newcomer does them, timed from `git clone`, with the packages in the cache of uv.

    python -m bench.newcomer             both
    python -m bench.newcomer mail        clone → a test mail that the provider delivered (Debian's Postfix)
    python -m bench.newcomer mailbox     clone → a mailbox that signs in by IMAP (a Docker Engine, stand-in images)

The newcomer reads what has to be read (the printed sign-in, the status line, the next step, the hints of the fields to
fill in, dialogs, the preflight) at 200 words a minute, takes 3 seconds for each field and one second to find what to
press, and knows only what the screens say. Clone, commands and waits take as long as they take on this machine.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.browser.chromium import Chromium
from tests.live.mailstack import free_offset
from tests.quazzar.nodes import ROOT, wait_until
from tests.rig import free_port
from tests.rig.daemon import Daemon
from tests.rig.images import Images
from tests.rig.mailclients import Login, Server, imap_login
from tests.rig.postfix import RealPostfix

WORDS_A_MINUTE, SECONDS_A_FIELD, SECONDS_A_PRESS = 200, 3.0, 1.0
_PASSWORD = re.compile(r"Password +(\S+)")
_LONG = 300_000


@dataclass
class Watch:
    """How the time is spent: step → seconds of the person and of the machine."""

    began: float = field(default_factory=time.monotonic)
    steps: list[tuple[str, float, float]] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)
    _person: float = 0.0

    def pause(self, seconds: float) -> None:
        """The person reads, types or looks for something."""
        time.sleep(seconds)
        self._person += seconds

    def step(self, name: str) -> None:
        """This step is done."""
        now = time.monotonic()
        self.steps.append((name, self._person, now - self._since - self._person))
        self._since, self._person = now, 0.0

    def print(self, title: str, goal: float) -> None:
        """Print seconds per step, and whether the total meets the goal in seconds."""
        print(f"{title}\n  {'step':34}{'person':>8}{'machine':>9}")
        for name, person, machine in self.steps:
            print(f"  {name:34}{person:7.1f}s{machine:8.1f}s")
        total = sum(person + machine for _, person, machine in self.steps)
        print(f"  → {total:.0f} s (goal ≤ {goal:.0f} s) {'met' if total <= goal else 'MISSED'}\n", flush=True)


@dataclass
class Person:
    """A newcomer in front of the console."""

    page: Page
    watch: Watch

    def read(self, what: Locator | str) -> None:
        """Read a text, once it is there."""
        text = what if isinstance(what, str) else what.first.inner_text()
        self.watch.pause(len(text.split()) / WORDS_A_MINUTE * 60)

    def fill(self, label: str, value: str, within: Locator | None = None) -> None:
        """Type into the field with this label; takes the seconds of one field."""
        self.watch.pause(SECONDS_A_FIELD)
        (within or self.page).get_by_label(label, exact=True).fill(value)

    def press(self, name: str, within: Locator | None = None) -> None:
        """Press a button or follow a link that says this."""
        self.watch.pause(SECONDS_A_PRESS)
        place = within or self.page
        place.get_by_role("button", name=name).or_(place.get_by_role("link", name=name)).first.click()


@contextmanager
def cloned(watch: Watch, **env: str) -> Iterator[tuple[str, str]]:
    """`git clone` and `make run`, as the README says; the console's address and the printed password."""
    with tempfile.TemporaryDirectory(prefix="quazzar-newcomer-") as directory:
        checkout, port = Path(directory) / "quazzar", free_port()
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        watch.step("git clone")
        own = {
            **os.environ,
            "PORT": str(port),
            "QUAZZAR_SECRETS_KEY_FILE": f"{directory}/secrets.key",
            "VIRTUAL_ENV": "",
            **env,
        }
        log = Path(directory) / "log"
        with log.open("w") as out:
            made = subprocess.Popen(
                ["make", "run"], cwd=checkout, env=own, stdout=out, stderr=out, start_new_session=True
            )
        try:
            wait_until(lambda: "console on http" in log.read_text(), "make run", 600)
            watch.step("make run")
            shown = log.read_text()
            told = [line for line in shown.splitlines() if re.match(r"  (Console|Name|Password) ", line)]
            watch.pause(len(" ".join(told).split()) / WORDS_A_MINUTE * 60)
            found = _PASSWORD.search(shown)
            assert found, shown
            watch.step("read what it printed")
            yield f"http://127.0.0.1:{port}", found[1]
        except Exception:
            print(log.read_text()[-3000:], file=sys.stderr)
            raise
        finally:
            os.killpg(made.pid, signal.SIGINT)
            made.wait(60)


def first_sign_in(person: Person, password: str, url: str) -> None:
    """Sign in with the printed password, then choose a new one."""
    page = person.page
    page.goto(url)
    person.fill("Sign-in name", "operator")
    person.fill("Password", password)
    person.press("Sign in")
    person.read(page.locator(".q-login"))
    person.fill("New password", "walnut-Harbour-52-kite")
    person.fill("Repeat it", "walnut-Harbour-52-kite")
    person.fill("Your email address", "ada@inbox.test")
    person.press("Save and continue")
    page.wait_for_url("**/admin/")
    person.watch.step("sign in, choose a password")


def mail() -> None:
    """Clone → a delivered test mail."""
    with RealPostfix() as provider, sync_playwright() as driver:
        watch = Watch()
        clone = cloned(watch, SSL_CERT_FILE=str(provider.ca_file))
        with clone as (url, password), Chromium(url, driver) as chromium:
            person = Person(chromium.page("/"), watch)
            first_sign_in(person, password, url)
            relay_settings(person, provider)
            person.read(person.page.locator("#test-form .q-help"))
            person.press("Send test mail")
            sent = person.page.locator("#test-result [data-ok=true]")
            expect(sent).to_be_visible(timeout=60_000)
            provider.wait_for(1)
            watch.step("test mail, delivered")
        watch.print("Clone → delivered test mail", 120)


def relay_settings(person: Person, provider: RealPostfix) -> None:
    """From Home to saved relay settings."""
    page, watch = person.page, person.watch
    person.read(page.locator("#line"))
    person.read(page.locator(".h-step.h-current"))
    person.press("Set up a relay")
    watch.step("Home: what to do next")
    page.get_by_text("Custom SMTP", exact=True).wait_for()
    watch.pause(SECONDS_A_PRESS)
    page.get_by_text("Custom SMTP", exact=True).click()
    for label, value in (
        ("Host", "localhost"),
        ("Port", str(provider.submission_port)),
        ("Username", provider.username),
        ("Password", provider.password),
        ("From address", "alerts@provider.test"),
        ("Alert recipients", "ada@inbox.test"),
    ):
        person.fill(label, value)
    person.read(page.locator("#provider-docs"))
    for name in ("username", "password", "from_address", "alert_recipients"):
        person.read(page.locator(f".q-field:has(#id_{name}) .q-help"))
    person.press("Save settings")
    expect(page.get_by_role("status").get_by_text("Saved.")).to_be_visible()
    watch.step("relay settings")


def mailbox() -> None:
    """Clone → a mailbox that signs in by IMAP."""
    with Daemon() as daemon, sync_playwright() as driver:
        client, images = docker.DockerClient(base_url=daemon.url), Images()
        project, offset = f"newcomer-{os.getpid()}", free_offset()
        watch = Watch()
        env = {
            "DOCKER_HOST": daemon.url,
            "QUAZZAR_STACK_PROJECT": project,
            "QUAZZAR_STACK_BIND": "127.0.0.1",
            "QUAZZAR_STACK_PORT_OFFSET": str(offset),
            "QUAZZAR_IMAGE_POSTFIX": images.postfix,
            "QUAZZAR_IMAGE_DOVECOT": images.dovecot,
            "QUAZZAR_IMAGE_RSPAMD": images.rspamd,
            "QUAZZAR_OUTBOUND_PROBE": "off",
        }
        try:
            with cloned(watch, **env) as (url, password), Chromium(url, driver) as chromium:
                person = Person(chromium.page("/"), watch)
                first_sign_in(person, password, url)
                set_up_server(person)
                login = add_mailbox(person)
                wait_until(lambda: imap_login(Server(offset), login), "the sign-in by IMAP", 60)
                watch.step("sign in by IMAP")
        finally:
            clear(client, project)
        watch.print("Clone → a mailbox that signs in by IMAP", 300)


def set_up_server(person: Person) -> None:
    """From Home to a running mail server."""
    page, watch = person.page, person.watch
    person.read(page.locator("#line"))
    person.read(page.locator(".h-step.h-current"))
    person.press("Set up a mail server")
    watch.step("Home: what to do next")
    page.get_by_label("Hostname").wait_for()
    person.read(page.locator(".m-wizard .m-lead"))
    person.fill("Hostname", "mail.newcomer.test")
    person.press("Check this machine")
    report = page.get_by_role("region", name="Preflight of mail.newcomer.test")
    expect(report).to_be_visible(timeout=60_000)
    person.read(report)
    watch.step("hostname, preflight")
    person.press("Enable the mail server")
    page.wait_for_url("**/list/", timeout=_LONG)
    watch.step("the mail server starts")


def add_mailbox(person: Person) -> Login:
    """Add a domain and a mailbox, with the password that the page generates."""
    page, watch = person.page, person.watch
    dialog = page.get_by_role("dialog")
    person.read(page.locator(".m-empty"))
    person.press("Add domain")
    person.fill("Domain", "newcomer.test", dialog)
    person.press("Add domain", dialog)
    expect(page.get_by_text("newcomer.test is added.")).to_be_visible()
    watch.step("domain")
    person.press("Add mailbox")
    dialog.get_by_label("Address").wait_for()
    person.fill("Address", "ada", dialog)
    person.press("Generate", dialog)
    person.press("Add mailbox", dialog)
    password = dialog.locator("#new-password").inner_text()
    expect(dialog.get_by_text("It can sign in now.")).to_be_visible()
    person.read(dialog)
    watch.step("mailbox")
    return Login("ada@newcomer.test", password)


def clear(client: docker.DockerClient, project: str) -> None:
    """Remove what the stack left on the Docker Engine."""
    for container in client.containers.list(all=True, filters={"name": project}):
        container.remove(force=True, v=True)
    for network in client.networks.list(names=[project]):
        network.remove()
    for volume in client.volumes.list():
        if volume.name.startswith(project):
            volume.remove(force=True)


if __name__ == "__main__":
    for task in sys.argv[1:] or ("mail", "mailbox"):
        {"mail": mail, "mailbox": mailbox}[task]()
