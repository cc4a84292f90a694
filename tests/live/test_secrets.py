"""Lives through a day with the whole product, then looks for every secret of that day in every place it could be."""

from __future__ import annotations

import base64
import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from quazzar.sealing import keyring
from tests.live.console import OPERATOR, OPERATOR_PASSWORD, Browser, Console
from tests.live.searching import ProcessWatch, Search, files, forms
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip
from tests.rig.faults import FaultServer
from tests.rig.postfix import RealPostfix
from tests.rig.script import Answer, Script, Session

pytestmark = pytest.mark.real

#: Shown in clear by contract; finding it proves that the search reaches the database.
SUBJECT = "subject-in-clear-7d1f"
#: These two belong in their own files.
KEY_FILES = ("django-secret.key", "evaluation.key")
BODIES = (
    "text",
    "html",
    "attachment",
    "sendmail",
    "alert details",
    "backup message",
    "dead letter",
    "retried",
)
MAILBOX_PASSWORDS = ("mailbox password", "changed password", "imported password", "wrongly imported password")
PAGES = (
    "/admin/", "/admin/mail-relay/", "/admin/mail-relay/figures/", "/admin/mailrelay/message/",
    "/admin/quazzar/apikey/", "/admin/quazzar/auditentry/", "/admin/auth/user/", "/api/docs", "/api/mail/relay",
    "/api/mail/messages", "/admin/mail-relay/mailboxes/", "/admin/mailboxes/mailbox/", "/admin/mailboxes/domain/",
    "/admin/mailboxes/alias/", "/admin/mailboxes/stack/",
)  # fmt: skip
#: Needs Docker, which this day does without; see test_stack_secrets.py for one with containers.
UNANSWERED = ("/api/mail/stack/logs", "/api/mail/stack/queue")


def marker(name: str) -> str:
    """A text that exists nowhere else, with signs that URLs and forms quote."""
    return f"{name.replace(' ', '-')}:{secrets.token_hex(8)}%&+"


class Echo(Script):
    """A provider that repeats, when it refuses them, the credentials it was given."""

    def on_auth(self, session: Session, username: str, password: str) -> Answer:
        if self.users.get(username) == password:
            return "235 2.7.0 Authentication successful"
        blob = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
        return f"535 5.7.8 Not accepted: {username} {password} {blob}"


class Day:
    """What happened, the secrets in it, and the places as they were at each evening."""

    def __init__(self, directory: Path, provider: RealPostfix) -> None:
        self.provider = provider
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        self.console = Console(
            directory, SSL_CERT_FILE=str(provider.ca_file), TMPDIR=str(self.temporary), QUAZZAR_LOG_FORMAT=""
        )
        self.browser = Browser(self.console)
        self.bodies = {name: marker(name) for name in BODIES}
        self.passwords = {
            name: marker(name)
            for name in ("form password", "echoed password", "misspelt password", *MAILBOX_PASSWORDS)
        }
        self.keys: dict[str, str | bytes] = {}
        self.places: dict[str, bytes] = {}
        self.processes: dict[str, bytes] = {}
        self.arrived: list[bytes] = []
        self.failed = 0
        self.sealed_failed = b""

    @property
    def search(self) -> Search:
        """For all secrets of the day."""
        stored = {name: (self.console.data / name).read_bytes().strip() for name in KEY_FILES}
        more = {"relay password": self.provider.password, "API key": self.console.key,
                "console password": OPERATOR_PASSWORD, "session": self.browser.cookie("quazzar_session")}  # fmt: skip
        return Search({**self.bodies, **self.passwords, **self.keys, **stored, **more})

    def live(self) -> None:
        """From the first sign-in to the last mail."""
        with ProcessWatch() as watch, self.console:
            self.sign_in()
            self.use_provider()
            self.mail_everybody()
            self.fail_for_good()
            self.use_a_wrong_password()
            self.use_the_form()
            self.rotate()
            self.blunder()
            self.use_mailboxes()
            self.use_provider()
            self.console.wait_empty(300)
            self.provider.wait_quiet()
            self.arrived += self.provider.raw_messages()
            self.look_around()
            self.delete_what_failed()
            self.console.stop()
        self.processes = watch.seen
        self.places |= {f"after the end: {name}": data for name, data in self.on_disk().items()}
        self.places["output of up"] = self.console.node.text.encode()

    # --- what people do ------------------------------------------------------------------------------------
    def sign_in(self) -> None:
        assert not self.browser.sign_in(OPERATOR, self.passwords["misspelt password"])
        assert self.browser.sign_in(OPERATOR, OPERATOR_PASSWORD)

    def use_provider(self) -> None:
        self.console.use_relay(self.provider.submission_port, security="starttls", username=self.provider.username,
                               password=self.provider.password)  # fmt: skip
        _, answer = self.console.call("POST", "/api/mail/relay/test", {"to": "test@inbox.test"},
                                      **{"Idempotency-Key": secrets.token_hex(4)})  # fmt: skip
        assert answer["ok"], answer
        self.places[f"relay test {len(self.places)}"] = json.dumps(answer).encode()

    def mail_everybody(self) -> None:
        attachment = {"filename": "a.bin",
                      "content_base64": base64.b64encode(self.bodies["attachment"].encode()).decode()}  # fmt: skip
        mail = {"to": ["box@inbox.test"], "subject": SUBJECT, "text": self.bodies["text"],
                "html": f"<p>{self.bodies['html']}</p>", "attachments": [attachment]}  # fmt: skip
        for _ in range(2):
            answer = self.console.call("POST", "/api/mail/messages", mail, **{"Idempotency-Key": "once"})
            assert answer[0] == 202, answer
        letter = f"To: root\nSubject: Cron\n\n{self.bodies['sendmail']}\n".encode()
        done = self.console.run("-m", "mailrelay.sendmail.program", "-t", "-i", "-v", stdin=letter)
        assert done.returncode == 0, done.stderr
        self.places["output of sendmail"] = done.stdout + done.stderr
        self._notify("alerts", rule="Disk", severity="critical", state="firing", summary="full",
                     details=self.bodies["alert details"])  # fmt: skip
        start, end = "2026-11-22T01:00:00Z", "2026-11-22T02:00:00Z"
        self._notify("backups", job="nightly", status="failure", started_at=start, finished_at=end, size_bytes=1,
                     message=self.bodies["backup message"])  # fmt: skip

    def _notify(self, kind: str, **body: object) -> None:
        status, answer = self.console.call("POST", f"/api/mail/{kind}", body)
        assert (status, answer["delivery"]) == (202, "queued"), answer

    def fail_for_good(self) -> None:
        self.failed = self.console.send(
            "nobody@refused.test", text=self.bodies["dead letter"], subject="deleted-4e0c"
        )
        wait_until(lambda: self.console.message(self.failed)["status"] == "failed", "it is refused", 120)
        with closing(sqlite3.connect(self.console.data / "quazzar.sqlite3")) as database:
            row = database.execute(
                "SELECT body FROM mailrelay_message WHERE id = ?", [self.failed]
            ).fetchone()
        self.sealed_failed = bytes(row[0])

    def use_a_wrong_password(self) -> None:
        with self._echo({}) as server:
            self.console.use_relay(server.port, security="starttls", username="me@provider.test",
                                   password=self.passwords["echoed password"])  # fmt: skip
            status, answer = self.console.call("POST", "/api/mail/relay/test", {"to": "test@inbox.test"})
            assert (status, answer["ok"], answer["stage"]) == (200, False, "auth"), answer
            assert any("********" in line for line in answer["transcript"][-1:]), answer
            self.places["refused relay test"] = json.dumps(answer).encode()
            number = self.console.send("later@inbox.test", text=self.bodies["retried"])
            wait_until(lambda: self.console.message(number)["last_error"], "it is refused", 120)

    def use_the_form(self) -> None:
        with self._echo({"me@provider.test": self.passwords["form password"]}) as server:
            status, page = self.browser.post(
                "/admin/mail-relay/", provider="custom", host="localhost", port=str(server.port),
                security="starttls", username="me@provider.test", password=self.passwords["form password"],
                from_address="node@provider.test", alert_recipients="ops@inbox.test", filled="1",
            )  # fmt: skip
            assert status == 200
            assert b"Saved. Mail goes through" in page, page
            self.places["page after saving"] = page
            self.places["page after testing"] = self.browser.post(
                "/admin/mail-relay/test/", to="ops@inbox.test"
            )[1]
            assert any(session.user for session in server.sessions)
            self.console.wait_empty(300)
            self.arrived += [envelope.content for envelope in server.accepted]

    @contextmanager
    def _echo(self, users: dict[str, str]) -> Iterator[FaultServer]:
        script = Echo(users=users or {"nobody": "x"}, certificate=self.provider.ca.issue())
        with FaultServer(script) as server:
            yield server

    def rotate(self) -> None:
        self.keys["first key"] = keyring.read(self.console.key_file).keys[0]
        self.places["output of rotate_key"] = self.console.manage("rotate_key", "-v", "2").encode()
        self.keys["second key"] = keyring.read(self.console.key_file).keys[0]
        assert len(set(self.keys.values())) == 2

    def blunder(self) -> None:
        """Input that a hurried operator or a broken script sends; all of it is refused, and none of it may be kept."""
        password, call = self.passwords["form password"], self.console.call
        for wrong in ({"password": {"a": password}}, {"port": "x", "password": password}, {"passwort": password},
                      {"host": f"smtp://me:{password}@mail.example.test"}):  # fmt: skip
            assert call("PATCH", "/api/mail/relay", wrong)[0] == 400
        broken = b'{"password": "' + password.encode() + b'", }'
        assert self.console.exchange("PUT", "/api/mail/relay", broken)[0] == 400
        call("GET", f"/api/mail/relay?password={password}".replace("%", "%25"))
        basic = base64.b64encode(f"{OPERATOR}:{OPERATOR_PASSWORD}".encode()).decode()
        assert call("GET", "/api/mail/relay", Authorization=f"Basic {basic}")[0] == 401
        assert call("GET", "/api/mail/relay", Authorization=f"Bearer {self.console.key}x")[0] == 401
        mail = {"to": ["no address"], "text": self.bodies["text"]}
        assert call("POST", "/api/mail/messages", mail)[0] == 400
        letter = f"Subject: nobody\n\n{self.bodies['sendmail']}\n".encode()
        done = self.console.run("-m", "mailrelay.sendmail.program", "-t", "-i", stdin=letter)
        assert done.returncode != 0
        self.places["output of a refused sendmail"] = done.stdout + done.stderr

    def use_mailboxes(self) -> None:
        """Made, changed and imported; the import is the only one whose passwords wait for the worker."""
        call, passwords = self.console.call, self.passwords
        status, domain = call("POST", "/api/mail/domains", {"name": "day.test"})
        assert status == 201, domain
        box = {"domain": domain["id"], "local_part": "box", "password": passwords["mailbox password"]}
        status, made = call("POST", "/api/mail/mailboxes", box)
        assert status == 201, made
        path = f"/api/mail/mailboxes/{made['id']}"
        assert call("PATCH", path, {"password": passwords["changed password"]})[0] == 200
        assert call("PATCH", path, {"password": passwords["changed password"], "quota_mb": "x"})[0] == 400
        alias = {"domain": domain["id"], "local_part": "sales", "destinations": ["box@day.test"]}
        assert call("POST", "/api/mail/aliases", alias)[0] == 201
        wrong = f"address,password\nno address,{passwords['wrongly imported password']}\n"
        assert self._import(wrong)[0] == 400
        status, job = self._import(f"address,password\nimported@day.test,{passwords['imported password']}\n")
        assert status == 202, job
        path = f"/api/mail/mailboxes/import/{job['id']}"
        wait_until(lambda: self.console.get(path)[1]["state"] == "done", "the import is done", 60)
        self.places["the import"] = self.console.exchange("GET", path)[1]

    def _import(self, csv: str) -> tuple[int, Any]:
        path, kind = "/api/mail/mailboxes/import", {"Content-Type": "text/csv"}
        status, answer = self.console.exchange("POST", path, csv.encode(), **kind)
        self.places[f"answer {status} to an import"] = answer
        return status, json.loads(answer)

    def delete_what_failed(self) -> None:
        _, page = self.browser.post(f"/admin/mailrelay/message/{self.failed}/delete/", post="yes")
        assert self.console.get(f"/api/mail/messages/{self.failed}")[0] == 404, page

    # --- where to look -------------------------------------------------------------------------------------
    def look_around(self) -> None:
        """Search every place while the product runs."""
        console = self.console
        self.places |= {f"running: {name}": data for name, data in self.on_disk().items()}
        for args in (
            ["dumpdata"],
            ["dumpdata", "--format=xml"],
            ["doctor"],
            ["check_seals"],
            ["license", "show"],
        ):
            done = console.run("manage.py", *args)
            self.places[f"manage.py {' '.join(args)}"] = done.stdout + done.stderr
        for path in [*console.get_paths(), "/metrics", "/healthz", "/readyz"]:
            status, self.places[f"GET {path}"] = console.exchange("GET", path)
            assert status == 200 or path in UNANSWERED, path
        failed = f"/admin/mailrelay/message/{self.failed}/change/"
        for path in (*PAGES, failed):
            status, self.places[f"page {path}"] = self.browser.get(path)
            assert status == 200, path

    def on_disk(self) -> dict[str, bytes]:
        """Every file of the product; not the key files in themselves, and not what everybody can download."""
        folders = [self.console.data, self.temporary, self.console.key_file.parent]
        return files(*folders, without=("static", "secrets.key", *KEY_FILES))

    def database(self, moment: str) -> dict[str, bytes]:
        """The database file, and its write-ahead log if there is one."""
        start = f"{moment}: {self.console.data / 'quazzar.sqlite3'}"
        return {name: data for name, data in self.places.items() if name.startswith(start)}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    with or_skip(RealPostfix) as provider:
        day = Day(tmp_path_factory.mktemp("day"), provider)
        day.live()
        yield day


# --- that the search works ---------------------------------------------------------------------------------
@pytest.mark.parametrize("before", [b"", b"1", b"12"])
def test_a_secret_is_found_in_base64_at_every_offset_and_across_folded_lines(before: bytes) -> None:
    secret = marker("needle")
    folded = base64.encodebytes(b"user\0" * 40 + before + secret.encode() + b" and more")
    assert any("base64" in name for name in Search({"needle": secret}).find(folded))
    assert not Search({"needle": marker("needle")}).find(folded)


@pytest.mark.parametrize("form", forms("x" * 12))
def test_a_secret_is_found_in_every_form(form: str) -> None:
    secret = marker("needle")
    assert f"needle ({form})" in Search({"needle": secret}).find(b"before" + forms(secret)[form] + b"after")


def test_the_search_finds_every_body_in_the_mail_that_arrived(day: Day) -> None:
    found = {name.partition(" (")[0] for name in Search(day.bodies).find(b"\n".join(day.arrived))}
    assert found == set(BODIES) - {"dead letter"}


def test_the_search_reaches_the_database_its_log_and_the_broker(day: Day) -> None:
    while_it_ran = day.database("running")
    assert len(while_it_ran) >= 2, list(while_it_ran)
    assert any(SUBJECT.encode() in data for data in while_it_ran.values())
    assert any(b"deliver_outbox" in data for name, data in day.places.items() if "broker" in name)
    assert SUBJECT.encode() in day.places["manage.py dumpdata"]
    assert any(SUBJECT.encode() in data for name, data in day.places.items() if name.startswith("GET"))
    assert b"/api/mail/messages" in day.places["output of up"]


def test_every_process_of_the_product_was_watched(day: Day) -> None:
    everything = b"\n".join(day.processes.values())
    programs = [b"redis-server", b"mailrelay.sendmail.program", b"rotate_key"]
    programs += [b"quazzar.processes." + name for name in (b"supervisor", b"web", b"worker")]
    for part in programs:
        assert part in everything or (part == b"redis-server" and b"valkey-server" in everything), part
    assert b"QUAZZAR_DATA_DIR=" in everything


# --- that it finds nothing ---------------------------------------------------------------------------------
def test_no_secret_is_in_any_file_output_or_answer(day: Day) -> None:
    print(f"{len(day.places)} places, {sum(map(len, day.places.values())) >> 10} KiB")
    assert not (found := day.search.everywhere(day.places)), found


def test_no_secret_is_in_the_command_line_or_environment_of_any_process(day: Day) -> None:
    print(f"{len(day.processes)} command lines and environments")
    assert not (found := day.search.everywhere(day.processes)), found


def test_no_file_of_the_product_can_be_read_by_others(day: Day) -> None:
    open_folders = [
        path for path in (day.console.data, day.console.data / "broker") if path.stat().st_mode & 0o077
    ]
    assert not open_folders


def test_a_deleted_message_leaves_nothing_in_the_database_file(day: Day) -> None:
    assert any(day.sealed_failed in data for data in day.database("running").values())
    file = day.console.data / "quazzar.sqlite3"
    with closing(sqlite3.connect(file)) as database:
        # What was learned about when reports come has the subject for some days more (docs/threat-model.md).
        database.execute("PRAGMA secure_delete = ON")
        database.execute("DELETE FROM mailrelay_expectedreport WHERE name = 'deleted-4e0c'")
        database.commit()
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = file.read_bytes()
    assert SUBJECT.encode() in content
    assert b"deleted-4e0c" not in content
    assert day.sealed_failed[:64] not in content
