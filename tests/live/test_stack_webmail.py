"""Roundcube, as Debian ships it, beside the running stack and behind nginx, both as docs/webmail.md has them."""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.live.mailworld import World
from tests.quazzar.nodes import ROOT
from tests.rig import Missing, ProcessGroup, free_port, listening, or_skip
from tests.rig.mailclients import raw_messages, wait_for_message
from tests.rig.nginx import Nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import Box, MailStack

pytestmark = [pytest.mark.real, pytest.mark.thorough]

PAGES = Path("/var/lib/roundcube/public_html")
PAGE = ROOT / "docs/webmail.md"
#: As in docs/webmail.md; the certificate is checked for the server's name.
SETTINGS = """\
<?php
$config['db_dsnw'] = 'sqlite:///{folder}/roundcube.db?mode=0600';
$config['log_dir'] = $config['temp_dir'] = '{folder}';
$config['des_key'] = 'only-for-this-test-24-by';
$config['plugins'] = [];
$config['imap_host'] = 'ssl://{host}:{imap}';
$config['smtp_host'] = 'ssl://{host}:{smtp}';
$config['use_https'] = true;
$config['smtp_user'] = '%u';
$config['smtp_pass'] = '%p';
$config['sent_mbox'] = 'Sent';
$config['imap_conn_options'] = $config['smtp_conn_options'] = ['ssl' => [
    'verify_peer' => true, 'peer_name' => 'mail.stack.test', 'cafile' => '{folder}/server.pem']];
"""
_TOKEN = re.compile(r'"request_token":"(\w+)"')


class Webmail:
    """Somebody's browser at a Roundcube."""

    def __init__(self, proxy: Nginx, box: Box) -> None:
        self.url, self.box, self.cookies = proxy.url, box, CookieJar()
        trusting = ssl.create_default_context(cafile=str(proxy.ca_file))
        self._browser = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trusting), urllib.request.HTTPCookieProcessor(self.cookies)
        )

    def get(self, **query: str) -> str:
        """A page."""
        return self._ask(f"{self.url}?{urllib.parse.urlencode(query)}")

    def post(self, query: dict[str, str], fields: dict[str, str]) -> str:
        """What a form leads to."""
        return self._ask(
            f"{self.url}?{urllib.parse.urlencode(query)}", urllib.parse.urlencode(fields).encode()
        )

    def sign_in(self, password: str = "") -> str:
        """The page that follows."""
        token = _first(_TOKEN, self.get(_task="login"))
        named = {"_user": self.box.address, "_pass": password or self.box.password}
        return self.post(
            {"_task": "login"}, {"_token": token, "_task": "login", "_action": "login", "_url": "", **named}
        )

    def send(self, to: str, subject: str, text: str) -> str:
        """Roundcube's answer."""
        page = self.get(_task="mail", _action="compose")
        fields = {
            "_token": _first(_TOKEN, page),
            "_task": "mail",
            "_action": "send",
            "_id": _first(r'name="_id" value="(\w+)"', page),
            "_from": _first(r'<select name="_from"[^>]*>\s*<option value="(\d+)"', page),
            "_to": to,
            "_subject": subject,
            "_message": text,
            "_is_html": "0",
            "_store_target": "Sent",
        }
        return self.post({"_task": "mail", "_framed": "1"}, fields)

    def read(self, number: int) -> str:
        """The page of a mail in the inbox."""
        return self.get(_task="mail", _action="show", _mbox="INBOX", _uid=str(number))

    def _ask(self, url: str, body: bytes | None = None) -> str:
        try:
            with self._browser.open(url, body, 60) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as refusal:
            return str(refusal.read().decode())


def _first(pattern: str | re.Pattern[str], page: str) -> str:
    found = re.search(pattern, page)
    assert found, page[-3000:]
    return found[1]


@pytest.fixture(scope="module")
def world(mailstack: MailStack) -> Iterator[World]:
    yield World(mailstack, "webmail.test")


@pytest.fixture(scope="module")
def roundcube(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """The proxy in front of it, which has another name, another port and a certificate of its own."""
    folder = tmp_path_factory.mktemp("roundcube")
    or_skip(_is_installed)
    server = world.server
    (folder / "server.pem").write_text(ssl.get_server_certificate((server.host, server.port(993))))
    settings = folder / "settings"
    settings.mkdir()
    for name in ("defaults.inc.php", "mimetypes.php"):
        (settings / name).symlink_to(Path("/etc/roundcube", name))
    (settings / "config.inc.php").write_text(
        SETTINGS.format(folder=folder, host=server.host, imap=server.port(993), smtp=server.port(465))
    )
    port = free_port()
    serve = ["php", "-S", f"127.0.0.1:{port}", "-t", str(PAGES)]
    argv = ["env", f"ROUNDCUBE_CONFIG_DIR={settings}", *serve]
    running = ProcessGroup(argv, folder / "php.log")
    try:
        running.wait_ready(lambda: listening(port))
        (documented,) = re.findall(r"```nginx\n(server .*?)```", PAGE.read_text(), re.DOTALL)
        with or_skip(lambda: Nginx(folder / "nginx", documented, upstream=port)) as proxy:
            yield proxy
    finally:
        running.stop()


def _is_installed() -> None:
    if not (PAGES / "index.php").exists():
        raise Missing("Roundcube", "roundcube-core", "roundcube-sqlite3", "php-cli")


def test_people_write_and_read_in_a_webmail(roundcube: Nginx, world: World) -> None:
    alice, bob = Webmail(roundcube, world.alice), Webmail(roundcube, world.bob)
    assert "Login failed" in alice.sign_in("not-the-password-41")
    assert alice.box.address in alice.sign_in()
    assert {cookie.secure for cookie in alice.cookies} == {True}
    sent = alice.send(bob.box.address, "Größe der Sendung", "Viele Grüße\n.\nAda")
    assert "successfully" in sent, sent[-2000:]
    assert wait_for_message(world.server, bob.box.login, "Größe der Sendung", within=60)
    assert bob.box.address in bob.sign_in()
    page = bob.read(1)
    assert "Größe der Sendung" in page and "Viele Grüße" in page and alice.box.address in page
    (copy,) = raw_messages(world.server, alice.box.login, "Sent")
    assert b"Subject:" in copy


def test_another_senders_address_is_refused_in_the_servers_words(roundcube: Nginx, world: World) -> None:
    alice = Webmail(roundcube, world.alice)
    alice.sign_in()
    identities = alice.get(_task="settings", _action="edit-identity", _iid="1", _framed="1")
    fields = {
        "_token": _first(_TOKEN, identities),
        "_task": "settings",
        "_action": "save-identity",
        "_iid": "1",
        "_name": "Alice",
        "_email": world.bob.address,
        "_standard": "1",
    }
    alice.post({"_task": "settings", "_framed": "1"}, fields)
    refused = alice.send(world.bob.address, "Not mine", "x")
    assert "SMTP Error" in refused and "successfully" not in refused, refused[-2000:]
