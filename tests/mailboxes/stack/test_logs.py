"""The containers' logs as an operator reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mailboxes.stack import logs
from quazzar.errors import InvalidFields, NotThere

NOW = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)
POSTFIX = "2026-11-22T20:13:48.541110+00:00 INFO postfix connect from mx.example.com[192.0.2.7]"
DOVECOT = "Nov 22 20:13:47 imap-login: Info: Logged in: user=<ada@example.org>, method=PLAIN, rip=192.0.2.7"
RSPAMD = "2026-11-22 20:13:49 #26(normal) <z84ycf>; task; rspamd_message_parse: loaded message"


class Containers:
    """Logs of containers, and which were asked for."""

    def __init__(self, **logs: str) -> None:
        self._logs = logs
        self.names: list[str] = []

    def logs(self, name: str, tail: int) -> str:
        self.names.append(name)
        service = name.rpartition("-")[2]
        if service not in self._logs:
            raise NotThere(f"There is no container {name}.")
        return self._logs[service]


def read(service: str = "", tail: int = 200, **logs_of: str) -> str:
    engine: Any = Containers(**logs_of)
    return logs.read(service, tail, engine)


# --- which lines -------------------------------------------------------------------------------------------
def test_one_service_is_shown_as_it_wrote() -> None:
    assert read("dovecot", dovecot=DOVECOT, postfix=POSTFIX) == f"{DOVECOT}\n"


def test_all_three_are_shown_in_the_order_of_time() -> None:
    lines = read(postfix=POSTFIX, dovecot=DOVECOT, rspamd=RSPAMD).splitlines()
    assert lines == [f"dovecot | {DOVECOT}", f"postfix | {POSTFIX}", f"rspamd  | {RSPAMD}"]


def test_a_line_without_a_time_stays_below_the_one_before() -> None:
    merged = logs.merge({"postfix": [POSTFIX, "  and more"], "rspamd": [RSPAMD]}, NOW)
    assert [line.split(" | ")[1] for line in merged] == [POSTFIX, "  and more", RSPAMD]


def test_lines_before_the_first_time_stay_before_it() -> None:
    merged = logs.merge({"postfix": ["starting", POSTFIX], "dovecot": [DOVECOT]}, NOW)
    assert [line.split(" | ")[1] for line in merged] == [DOVECOT, "starting", POSTFIX]


def test_only_the_last_lines_are_shown() -> None:
    assert read("rspamd", 2, rspamd="1\n2\n3\n4\n") == "3\n4\n"
    assert len(read("", 2, postfix=POSTFIX, dovecot=DOVECOT, rspamd=RSPAMD).splitlines()) == 2


def test_lines_that_are_left_out_do_not_count() -> None:
    probe = "2026-11-22T20:13:48.541110+00:00 INFO postfix connect from localhost[127.0.0.1]\n"
    assert read("postfix", 1, postfix=f"{POSTFIX}\n{probe * 3}") == f"{POSTFIX}\n"


def test_the_number_of_lines_has_limits() -> None:
    for tail in (0, -1, 5001):
        with pytest.raises(InvalidFields) as caught:
            read("postfix", tail, postfix=POSTFIX)
        assert list(caught.value.fields) == ["tail"]
    for tail in (1, 5000):
        assert read("postfix", tail, postfix=POSTFIX) == f"{POSTFIX}\n"


def test_an_unknown_service_is_refused() -> None:
    for service in ("mysql", "Postfix", "postfix ", "../postfix"):
        with pytest.raises(InvalidFields) as caught:
            read(service, postfix=POSTFIX)
        assert list(caught.value.fields) == ["service"]


def test_without_containers_there_is_no_log_and_it_says_so() -> None:
    with pytest.raises(NotThere) as caught:
        read()
    assert "no log" in caught.value.message and caught.value.hint


def test_one_missing_container_does_not_hide_the_others() -> None:
    assert read(dovecot=DOVECOT) == f"dovecot | {DOVECOT}\n"
    with pytest.raises(NotThere):
        read("postfix", dovecot=DOVECOT)


def test_the_containers_of_this_project_are_asked(settings: Any) -> None:
    settings.QUAZZAR_STACK_PROJECT = "other-mail"
    engine: Any = Containers(postfix=POSTFIX)
    logs.read("postfix", 10, engine)
    assert engine.names == ["other-mail-postfix"]


# --- noise -------------------------------------------------------------------------------------------------
PROBES = [
    "2026-11-22T20:13:48.541110+00:00 INFO postfix connect from localhost[127.0.0.1]",
    "2026-11-22T20:13:50.509839+00:00 INFO postfix disconnect from localhost[127.0.0.1] ehlo=1 quit=1 commands=2",
    "INFO postfix/smtpd[9]: lost connection after CONNECT from localhost[127.0.0.1]",
    "Nov 22 20:15:27 lmtp(62): Info: Connect from 127.0.0.1",
    "Nov 22 20:15:27 lmtp(62): Info: Disconnect from 127.0.0.1: Connection closed (state=GREETING)",
    "Nov 22 20:15:27 imap-login: Info: Login aborted: Connection closed (no auth attempts in 1 secs) "
    "(no_auth_attempts): user=<>, rip=127.0.0.1, lip=127.0.0.1, secured, session=<lodWI+Ng8MN/AAAB>",
    "2026-11-22 20:15:44 #26(controller) <3yeuax>; http; GET /ping HTTP/1.0",
]
TELLING = [
    POSTFIX,
    DOVECOT,
    RSPAMD,
    "INFO postfix disconnect from mx.example.com[192.0.2.7] ehlo=1 quit=1 commands=2",
    "INFO postfix disconnect from localhost[127.0.0.1] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4",
    "Nov 22 20:15:27 lmtp(62): Info: Connect from 172.18.0.4",
    "Nov 22 20:15:27 imap-login: Info: Login aborted: Connection closed (no auth attempts in 1 secs): rip=192.0.2.7",
    "Nov 22 20:15:30 imap-login: Info: Login aborted: (auth failed, 1 attempts in 2 secs): rip=127.0.0.1",
]


def test_what_the_health_checks_leave_is_not_shown() -> None:
    assert [line for line in PROBES if logs.readable(line) != []] == []


def test_what_others_do_is_shown() -> None:
    assert [line for line in TELLING if logs.readable(line) != [line]] == []


def test_colours_and_control_characters_are_gone() -> None:
    assert logs.readable("\x1b[31mred\x1b[0m and\x07 more\n\n") == ["red and more"]


def test_a_hostile_line_takes_no_quadratic_time() -> None:
    (line,) = logs.readable("connect from " * 20_000 + "auth " * 20_000)
    assert len(line) <= 4000


# --- secrets -----------------------------------------------------------------------------------------------
SECRETS = [
    "postfix/smtpd[9]: warning: AUTH PLAIN AGFkYQBodW50ZXIyLXNlY3JldA==",
    "auth login aHVudGVyMi1zZWNyZXQ=",
    "AUTHENTICATE PLAIN AGFkYQBodW50ZXIyLXNlY3JldA==",
    "AUTH PLIAN AGFkYQBodW50ZXIyLXNlY3JldA==",
    "improper command pipelining after AUTH from unknown[192.0.2.7]: YWRh\\r\\naHVudGVyMi1zZWNyZXQ=\\r\\n",
    "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: aHVudGVyMi1zZWNyZXQ=",
    "password=aHVudGVyMi1zZWNyZXQ",
    "-----BEGIN PRIVATE KEY-----\naHVudGVyMi1zZWNyZXQ=\n-----END PRIVATE KEY-----",
]


def test_what_may_be_a_secret_is_masked() -> None:
    for line in SECRETS:
        shown = "\n".join(logs.readable(line))
        assert "aHVudGVyMi1zZWNyZXQ" not in shown and "AGFkYQBodW50ZXIy" not in shown
        assert "[redacted]" in shown, line


def test_what_tells_of_signing_in_without_a_secret_is_shown() -> None:
    for line in (
        "warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=ada",
        "disconnect from unknown[192.0.2.7] ehlo=1 auth=0/1 quit=1 commands=2/3",
        "Nov 22 20:13:54 auth: Info: passwd-file(ada@example.org,192.0.2.7): Password mismatch",
        "Nov 22 20:13:54 auth: Error: auth server connection closed",
    ):
        assert logs.readable(line) == [line]


# --- times -------------------------------------------------------------------------------------------------
def test_a_line_says_when_it_was_written() -> None:
    for line, expected in (
        (POSTFIX, datetime(2026, 11, 22, 20, 13, 48, 541110, UTC)),
        ("2026-11-22T22:13:48+02:00 x", datetime(2026, 11, 22, 20, 13, 48, 0, UTC)),
        ("2026-11-22 20:13:43,725 INFO Set uid", datetime(2026, 11, 22, 20, 13, 43, 725000, UTC)),
        (RSPAMD, datetime(2026, 11, 22, 20, 13, 49, 0, UTC)),
        (DOVECOT, datetime(2026, 11, 22, 20, 13, 47, 0, UTC)),
        ("Dec 31 23:59:59 x", datetime(2025, 12, 31, 23, 59, 59, 0, UTC)),
        ("2026-99-99 20:13:49 x", None),
        ("Nov 99 20:13:47 x", None),
        ("rsyslogd: no time at all", None),
    ):
        assert logs.moment(line, NOW) == expected, line
