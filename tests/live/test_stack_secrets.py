"""No secret of a stack can be seen in containers, process lists, logs, rows and files."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mailboxes.certificates import pem as certificates
from mailboxes.provisioning import passwords
from tests.live.mailworld import World, outside, undisturbed
from tests.live.searching import ProcessWatch, Search, files
from tests.quazzar.nodes import wait_until
from tests.rig.mailclients import Login, imap_login, smtp_login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.mailstack import Box, MailStack
    from tests.rig.images import Images

pytestmark = [pytest.mark.real, pytest.mark.thorough]

OURS, RELAY, USER = "secrets.test", "smtp.secrets.test", "node"
SERVICES = ("postfix", "dovecot", "rspamd")
#: Where each secret must be, and nobody but the daemon that needs it can read it.
HOMES = {
    "relay password": {"/mail-config/postfix/sasl_passwd", "/mail-config/postfix/sasl_passwd.lmdb"},
    "TLS key": {"/mail-config/tls/tls.key"},
    "DKIM key": {f"/mail-dkim/keys/{OURS}.quazzar"},
}


class EveryProcess(ProcessWatch):
    """All of the machine's: those in containers are among them, if the Engine is here."""

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            for entry in Path("/proc").iterdir():
                if entry.name.isdecimal():
                    self._look(int(entry.name))


class Life:
    """What operators and mailbox owners do with their secrets, and every place where one could appear."""

    def __init__(self, world: World, images: Images) -> None:
        self.world, self.stack = world, world.stack
        self.images = images
        names = (
            "first password",
            "second password",
            "imported password",
            "misspelt password",
            "relay password",
        )
        self.secrets: dict[str, str | bytes] = {
            name: f"{name[:3]}-{secrets.token_hex(8)}&+" for name in names
        }
        self.secrets |= {"API key": self.stack.key, "password of all": world.alice.password}
        self.places: dict[str, bytes] = {}
        self.processes: dict[str, bytes] = {}

    @property
    def search(self) -> Search:
        """For all of them."""
        return Search(self.secrets)

    def text(self, name: str) -> str:
        """A secret that is text."""
        return str(self.secrets[name])

    def live(self) -> None:
        """From the first password to the final search."""
        with EveryProcess() as watch:
            self.use_passwords()
            self.import_one()
            self.use_certificate()
            self.use_relay()
            self.use_controller()
            self.stack.manage("reconcile", "--dry-run")
        # The provider knows its password from its environment: that is not our doing.
        self.processes = {name: data for name, data in watch.seen.items() if b"SINK_LOGIN" not in data}
        self.secrets["DKIM key"] = self.inside("postfix", "cat", *HOMES["DKIM key"])
        self.look_around()

    # --- what people do ------------------------------------------------------------------------------------
    def use_passwords(self) -> None:
        box = self.stack.add_mailbox(self.world.domain, "carol", self.text("first password"))
        self.stack.wait_synced()
        box.wait_login()
        self.log_in(box)
        box.change(password=self.text("second password"))
        self.stack.wait_synced()
        box.wait_login()
        self.log_in(box)
        misspelt = Login(box.address, self.text("misspelt password"))
        assert not imap_login(self.stack.server, misspelt)
        assert smtp_login(self.stack.server, misspelt).code == 535
        for body in (
            {"password": {"a": self.text("second password")}},
            {"passwort": self.text("second password")},
        ):
            self.stack.expect(400, "PATCH", box.path, body)

    def log_in(self, box: Box) -> None:
        for port in (587, 465):
            assert smtp_login(self.stack.server, box.login, port).code == 235

    def import_one(self) -> None:
        rows = (
            f"address,password,quota_mb,display_name\ndave@{OURS},{self.text('imported password')},0,Dave\n"
        )
        answer = self.stack.exchange(
            "POST", "/api/mail/mailboxes/import", rows.encode(), **{"Content-Type": "text/csv"}
        )
        assert answer[0] == 202, answer
        login = Login(f"dave@{OURS}", self.text("imported password"))
        wait_until(lambda: imap_login(self.stack.server, login), "the imported one logs in", 30)

    def use_certificate(self) -> None:
        certificate, key = certificates.self_signed("mail.stack.test")
        self.secrets["TLS key"] = inner(key)
        self.stack.expect(200, "PUT", "/api/mail/stack/certificate", {"certificate": certificate, "key": key})
        self.stack.wait_synced()

    def use_relay(self) -> None:
        password = self.text("relay password")
        with outside(self.stack, self.images, [RELAY], login=f"{USER}:{password}",
                     certificate=self.stack.authority.issue([RELAY])) as provider:  # fmt: skip
            self.stack.expect(200, "PUT", "/api/mail/relay", {
                "provider": "custom", "host": RELAY, "port": 587, "security": "starttls", "username": USER,
                "password": password, "from_address": "node@secrets.test"})  # fmt: skip
            self.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": True})
            self.stack.wait_synced()
            assert self.world.submit("through the relay", "friend@far.test").accepted
            assert provider.wait_for(1)[0].user == USER

    def use_controller(self) -> None:
        path = "/api/mail/stack/controller-password"
        self.secrets["controller password"] = self.stack.expect(200, "POST", path, {})["password"]

    # --- where to look -------------------------------------------------------------------------------------
    def look_around(self) -> None:
        """Every place where one could show."""
        self.inspect()
        for path in (*self.stack.get_paths(), "/metrics", "/readyz"):
            self.places[f"GET {path}"] = self.stack.exchange("GET", path)[1]
        for service in SERVICES:
            path = f"/api/mail/stack/logs?service={service}&tail=2000"
            self.places[f"GET {path}"] = self.stack.exchange("GET", path)[1]
        for args in (["dumpdata"], ["doctor"], ["reconcile", "--dry-run"]):
            done = self.stack.run("manage.py", *args)
            self.places[f"manage.py {' '.join(args)}"] = done.stdout + done.stderr
        self.places |= files(self.stack.data, without=("static", "secret-key", "secrets.key"))
        self.places["output of up"] = self.stack.node.text.encode()

    def inspect(self) -> None:
        """What Docker reports about the stack."""
        api = self.stack.client.api
        for service in SERVICES:
            container = self.stack.container(service)
            self.places[f"inspect {service}"] = json.dumps(container.attrs).encode()
            self.places[f"image of {service}"] = json.dumps(
                api.inspect_image(container.attrs["Image"])  # type: ignore[no-untyped-call]
            ).encode()
            self.places[f"logs of {service}"] = container.logs()
        for volume in ("config", "data", "dkim"):
            name = f"{self.stack.project}-mail-{volume}"
            self.places[f"inspect {name}"] = json.dumps(api.inspect_volume(name)).encode()
        self.places["inspect network"] = json.dumps(api.inspect_network(self.stack.project)).encode()

    def inside(self, service: str, *argv: str) -> str:
        return self.stack.inside(service, *argv)

    def tidy(self) -> None:
        """Put everything back."""
        self.stack.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": False})
        self.stack.expect(204, "DELETE", "/api/mail/relay")
        self.stack.expect(200, "PUT", "/api/mail/stack/certificate", {"self_signed": True})
        self.stack.wait_synced()


def inner(pem: str) -> str:
    """A key's base64 without its end, which is the same however its lines are broken."""
    return "".join(re.findall(r"^[A-Za-z0-9+/]{64}$", pem, re.MULTILINE))


@pytest.fixture(scope="module")
def life(mailstack: MailStack, stack_images: Images) -> Iterator[Life]:
    found = Life(World(mailstack, OURS), stack_images)
    with undisturbed(mailstack, found.world.bob):
        found.live()
        yield found
        found.tidy()


# --- that the search works ---------------------------------------------------------------------------------
@pytest.mark.parametrize("name", HOMES)
def test_a_secret_is_found_where_it_must_be(life: Life, name: str) -> None:
    for path in HOMES[name]:
        content = life.stack.container("postfix").exec_run(["cat", path]).output
        assert isinstance(content, bytes)
        assert any(found.startswith(name) for found in life.search.find(content)), path


def test_the_search_reaches_every_place(life: Life) -> None:
    assert b"carol@secrets.test" in life.places["logs of dovecot"]
    assert b"POSTFIX_myhostname" in life.places["inspect postfix"]
    assert b"carol@secrets.test" in life.places["manage.py dumpdata"]
    assert any(b"push_changes" in data for name, data in life.places.items() if "broker" in name)
    assert any(b"carol@secrets.test" in data for name, data in life.places.items() if "sqlite3" in name)
    assert b"/api/mail/stack/logs" in life.places["output of up"]


def test_every_process_was_watched(life: Life) -> None:
    everything = b"\n".join(life.processes.values())
    parts = (
        b"quazzar.processes.worker",
        b"reconcile",
        b"dovecot/auth",
        b"write_users.pl",
        b"write_bundle.sh",
        b"POSTFIX_myhostname",
    )
    assert [part for part in parts if part not in everything] == []


# --- that it finds nothing ---------------------------------------------------------------------------------
def test_no_secret_is_in_what_docker_tells_in_logs_rows_files_or_answers(life: Life) -> None:
    print(f"{len(life.places)} places, {sum(map(len, life.places.values())) >> 10} KiB")
    assert not (found := life.search.everywhere(life.places)), found


def test_no_secret_is_in_the_command_line_or_environment_of_any_process(life: Life) -> None:
    print(f"{len(life.processes)} command lines and environments")
    assert not (found := life.search.everywhere(life.processes)), found


_FIND = """
for place in /mail-config /mail-dkim /etc/dovecot /srv/vmail /etc/postfix /run /tmp /var/log; do
  grep -raFl -e "$1" $place 2>/dev/null
done
true
"""


@pytest.mark.parametrize("service", SERVICES)
def test_in_the_containers_a_secret_is_in_its_own_file_alone(life: Life, service: str) -> None:
    """Asked as root: nobody in there can read more."""
    container = life.stack.container(service)
    for name in life.secrets.keys() - {"TLS key", "DKIM key"}:
        argv = ["bash", "-c", _FIND, "find", life.text(name)]
        output = container.exec_run(argv, user="root").output
        assert isinstance(output, bytes)
        found = output.decode().replace("/etc/dovecot/", "/mail-config/")
        assert set(found.split()) == (HOMES.get(name) or set()), name


def test_users_have_hashes_and_no_passwords(life: Life) -> None:
    rows = life.inside("dovecot", "tail", "-n", "+2", "/etc/dovecot/users").splitlines()
    assert len(rows) >= 4
    hashes = [row.split(":")[1] for row in rows]
    assert all(each == "{CRYPT}*" or passwords.is_hash(each) for each in hashes), hashes
    carol = next(row for row in rows if row.startswith(f"carol@{OURS}:"))
    assert passwords.verify(carol.split(":")[1], life.text("second password"))


def test_in_the_database_they_are_sealed(life: Life) -> None:
    questions = ("SELECT password_hash FROM mailboxes_mailbox WHERE password_hash IS NOT NULL",
                 "SELECT private_key FROM mailboxes_dkimkey",
                 "SELECT controller_password FROM mailboxes_stack", "SELECT tls_key FROM mailboxes_stack")  # fmt: skip
    with closing(sqlite3.connect(life.stack.data / "quazzar.sqlite3")) as database:
        cells = [row[0] for question in questions for row in database.execute(question)]
    assert len(cells) >= 6
    assert not [cell for cell in map(as_bytes, cells) if b"argon2" in cell or b"PRIVATE" in cell]


def as_bytes(cell: Any) -> bytes:
    return cell if isinstance(cell, bytes) else str(cell).encode()


# --- who may read, and who is reached ----------------------------------------------------------------------
@pytest.mark.parametrize(
    "path", ["users", "tls/tls.key", "postfix/sasl_passwd", "postfix/sasl_passwd.lmdb", "postfix/aliases"]
)
def test_rspamd_cannot_read_what_is_not_for_it(life: Life, path: str) -> None:
    result = life.stack.container("rspamd").exec_run(["cat", f"/mail-config/{path}"])
    assert result.exit_code
    assert b"ermission denied" in result.output


_MODES = """
cd /mail-config
stat -c '%a %U:%G' users postfix
stat -c '%a %U' tls/tls.key postfix/sasl_passwd postfix/sasl_passwd.lmdb /mail-dkim/keys/* | sort -u
"""


def test_files_with_secrets_are_open_to_their_owners_only(life: Life) -> None:
    assert (
        life.inside("dovecot", "stat", "-c", "%a %U:%G", "/etc/dovecot/users").strip() == "640 root:dovecot"
    )
    users, tables, *others = life.inside("postfix", "bash", "-c", _MODES).splitlines()
    assert users.startswith("640 root:")
    assert tables == "750 root:root"
    assert set(others) == {"600 root", "640 root"}, others
    owners = life.inside("postfix", "bash", "-c", "stat -c %u:%g /mail-dkim/keys/*").split()
    # Rspamd signs: its group is the only one that may read the keys.
    assert set(owners) == {"0:11333"}


def test_only_what_has_a_login_is_published_and_rspamd_to_this_machine_only(life: Life) -> None:
    published: dict[int, str] = {}
    for service in SERVICES:
        bindings = life.stack.container(service).attrs["HostConfig"]["PortBindings"]
        published |= {int(port.partition("/")[0]): hosts[0]["HostIp"] for port, hosts in bindings.items()}
    assert set(published) == {25, 587, 465, 143, 993, 11334}
    assert published[11334] == "127.0.0.1"


@pytest.mark.parametrize("password", ["", "q1", "wrong"])
def test_rspamds_pages_want_our_password(life: Life, password: str) -> None:
    assert controller(life, password) in {401, 403}
    assert controller(life, life.text("controller password")) == 200


def controller(life: Life, password: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", life.stack.server.port(11334), timeout=20)
    with closing(connection), suppress(ConnectionError):
        connection.request("GET", "/stat", headers={"Password": password} if password else {})
        return connection.getresponse().status
    return 0
