"""The parsers on real lines, on lines that upstream's sources print and the stand-ins did not, and on broken ones."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.maillog.daemons import dovecot, postfix, rspamd
from mailboxes.maillog.daemons.event import Event, Kind
from mailboxes.maillog.following import PARSERS
from tests.mailboxes.maillog import records

PID = "2026-11-30T07:05:14.048001+00:00 INFO postfix/"


def one(daemon: str, line: str) -> Event:
    (event,) = PARSERS[daemon](line)
    return event


# --- Postfix


@pytest.mark.parametrize(
    ("line", "queue_id", "client", "name", "login", "port"),
    [
        ("smtpd[1]: 0BB3317E1B5: client=unknown[172.18.0.1]", "0BB3317E1B5", "172.18.0.1", "", "", "25"),
        ("smtpd[1]: 4jdFR83JyhzCnR3: client=mx.example.org[2001:db8::25]", "4jdFR83JyhzCnR3", "2001:db8::25", "mx.example.org", "", "25"),
        ("submission/smtpd[9]: D4AC217E466: client=unknown[172.18.0.1], sasl_method=PLAIN, sasl_username=alice@rec.test",
         "D4AC217E466", "172.18.0.1", "", "alice@rec.test", "587"),
        ("submissions/smtpd[9]: D4AC217E466: client=a.b[fe80::1%eth0]:4711, sasl_method=LOGIN, sasl_username=a@b",
         "D4AC217E466", "fe80::1%eth0", "a.b", "a@b", "465"),
    ],
)  # fmt: skip
def test_who_hands_a_mail_in(line: str, queue_id: str, client: str, name: str, login: str, port: str) -> None:
    event = one("postfix", PID + line)
    assert (event.kind, event.queue_id, event.client, event.client_name) == (
        Kind.ACCEPTED,
        queue_id,
        client,
        name,
    )
    assert (event.login, event.data["port"]) == (login, port)


@pytest.mark.parametrize(
    ("line", "kind", "to", "remote", "code", "text"),
    [
        ("smtp[9]: A1B2C3D: to=<x@far.test>, relay=far.test[172.18.0.6]:25, delay=0.08, delays=0.02/0.05/0/0, dsn=2.0.0, "
         "status=sent (250 2.0.0 Ok: kept as 1)", Kind.DELIVERED, "x@far.test", "far.test[172.18.0.6]:25", "2.0.0", "250 2.0.0 Ok: kept as 1"),
        ('smtp[9]: A1B2C3D: to=<"two words"@far.test>, relay=far.test[2001:db8::1]:25, conn_use=3, delay=0.03, '
         "delays=0.01/0/0.01/0.01, dsn=2.0.0, status=sent (250 Ok)", Kind.DELIVERED, '"two words"@far.test',
         "far.test[2001:db8::1]:25", "2.0.0", "250 Ok"),
        ("smtp[9]: 4jdFR83p4czCnRM: to=<f@dead.test>, relay=none, delay=0.02, delays=0/0/0/0, dsn=4.4.1, status=deferred "
         "(connect to dead.test[172.18.0.5]:25: Connection refused)", Kind.DEFERRED, "f@dead.test", "", "4.4.1",
         "connect to dead.test[172.18.0.5]:25: Connection refused"),
        ("error[9]: A1B2C3D: to=<n@hard.test>, orig_to=<all@rec.test>, relay=none, delay=2, delays=2/0/0/0, dsn=5.1.1, "
         "status=bounced (5.1.1 No such mailbox)", Kind.BOUNCED, "n@hard.test", "", "5.1.1", "5.1.1 No such mailbox"),
    ],
)  # fmt: skip
def test_what_became_of_it(line: str, kind: str, to: str, remote: str, code: str, text: str) -> None:
    event = one("postfix", PID + line)
    assert (event.kind, event.recipients, event.remote, event.code) == (kind, (to,), remote, code)
    assert event.text == text


@pytest.mark.parametrize(
    ("line", "kind", "code", "sender", "to", "stage"),
    [
        ("smtpd[1]: NOQUEUE: reject: RCPT from unknown[172.18.0.1]: 550 5.1.1 <nobody@rec.test>: Recipient address rejected: "
         "User unknown in virtual mailbox table; from=<a@b.test> to=<nobody@rec.test> proto=ESMTP helo=<client.test>",
         Kind.REFUSED, "5.1.1", "a@b.test", "nobody@rec.test", "RCPT"),
        ("smtpd[1]: NOQUEUE: reject: MAIL from h[::1]: 552 5.3.4 Message size exceeds fixed limit; from=<a@b.test> proto=ESMTP "
         "helo=<client.test>", Kind.REFUSED, "5.3.4", "a@b.test", "", "MAIL"),
        ("smtpd[1]: NOQUEUE: reject: CONNECT from h[10.0.0.1]: 421 4.7.0 Too many; proto=SMTP", Kind.PUT_OFF, "4.7.0", None, "", "CONNECT"),
        ("cleanup[1]: 84C5517E547: milter-reject: END-OF-MESSAGE from u[172.18.0.1]: 5.7.1 Spam message rejected; from=<> "
         "to=<bob@rec.test> proto=ESMTP helo=<x>", Kind.REFUSED, "5.7.1", "", "bob@rec.test", "END-OF-MESSAGE"),
        ("cleanup[1]: 84C5517E547: milter-reject: END-OF-MESSAGE from u[172.18.0.1]: 4.7.1 Try again later; from=<a@b> "
         "to=<bob@rec.test> proto=ESMTP helo=<x>", Kind.PUT_OFF, "4.7.1", "a@b", "bob@rec.test", "END-OF-MESSAGE"),
        # postscreen_smtpd.c, psc_smtpd_reject
        ("postscreen[4]: NOQUEUE: reject: RCPT from [192.0.2.4]:2525: 550 5.7.1 Service unavailable; client [192.0.2.4] blocked "
         "using zen.example; from=<s@p.test>, to=<bob@rec.test>, proto=ESMTP, helo=<h>", Kind.REFUSED, "5.7.1", "s@p.test", "bob@rec.test", "RCPT"),
    ],
)  # fmt: skip
def test_refused_at_the_door(
    line: str, kind: str, code: str, sender: str | None, to: str, stage: str
) -> None:
    event = one("postfix", PID + line)
    assert (event.kind, event.code, event.sender, event.data["stage"]) == (kind, code, sender, stage)
    assert event.recipients == ((to,) if to else ())


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("smtpd[1]: NOQUEUE: lost connection after CONNECT from unknown[172.18.0.1]", Kind.LOST),
        ("smtpd[1]: lost connection after DATA (31 bytes) from mx.test[192.0.2.1]", Kind.LOST),
        ("smtpd[1]: timeout after END-OF-MESSAGE from mx.test[192.0.2.1]", Kind.LOST),
        ("smtpd[1]: too many errors after AUTH from mx.test[192.0.2.1]", Kind.LOST),
        ("smtpd[1]: improper command pipelining after EHLO from u[192.0.2.1]: AUTH PLAIN AGFsaWNlAHNlY3JldA==", Kind.MISUSED),
        ("smtpd[1]: warning: non-SMTP command from u[192.0.2.1]: GET / HTTP/1.1", Kind.MISUSED),
        ("submissions/smtpd[1]: SSL_accept error from u[192.0.2.1]: -1", Kind.NO_TLS),
        ("submission/smtpd[1]: warning: u[192.0.2.1]: SASL PLAIN authentication failed: c2VjcmV0, sasl_username=a@b", Kind.SIGN_IN_FAILED),
        ("smtpd[1]: warning: u[192.0.2.1]: SASL LOGIN authentication failed: UGFzc3dvcmQ6", Kind.SIGN_IN_FAILED),
        ("postscreen[1]: PREGREET 14 after 0.1 from [192.0.2.1]:4711: EHLO secret", Kind.MISUSED),
        ("postscreen[1]: DNSBL rank 3 for [192.0.2.1]:4711", Kind.MISUSED),
    ],
)  # fmt: skip
def test_connections_that_became_no_mail_keep_nothing_that_a_client_typed(line: str, kind: str) -> None:
    event = one("postfix", PID + line)
    assert event.kind == kind and event.client
    assert not any(secret in repr(event) for secret in ("AGFsaWNl", "c2VjcmV0", "UGFzc3", "secret", "GET /"))


@pytest.mark.parametrize("line", [
    "smtpd[1]: connect from unknown[172.18.0.1]",
    "smtpd[1]: NOQUEUE: lost connection after CONNECT from localhost[127.0.0.1]",
    "smtpd[1]: disconnect from unknown[172.18.0.1] ehlo=1 quit=1 commands=2",
    "anvil[1]: statistics: max connection rate 1/60s for (smtp:172.18.0.1) at Nov 30 07:05:14",
    "master[1]: daemon started -- version 3.10.13, configuration /etc/postfix",
    "smtpd[1]: NOQUEUE: reject_warning: RCPT from a[1.2.3.4]: 550 5.1.1 x; from=<a> to=<b> proto=SMTP helo=<c>",
])  # fmt: skip
def test_lines_that_say_nothing_about_a_mail(line: str) -> None:
    assert postfix.parse(PID + line) == ()


def test_what_postfix_and_its_commands_say_about_a_mail() -> None:
    said = {
        "qmgr[8]: A1B2C3D4: removed": Kind.REMOVED,
        "qmgr[8]: A1B2C3D4: from=<>, size=2984, nrcpt=1 (queue active)": Kind.QUEUED,
        "qmgr[8]: A1B2C3D4: from=<a@b>, status=expired, returned to sender": Kind.EXPIRED,
        "qmgr[8]: A1B2C3D4: from=<a@b>, status=force-expired, returned to sender": Kind.EXPIRED,
        "bounce[8]: A1B2C3D4: sender non-delivery notification: 24DAD17E5A4": Kind.REPORTED,
        "bounce[8]: A1B2C3D4: sender delay notification: 4jdFRB5xKlzCmqW": Kind.REPORTED,
        "pickup[8]: A1B2C3D4: uid=0 from=<root@rec.test>": Kind.ACCEPTED,
        "pickup[8]: 4jdFRB5xKlzCmqW: uid=100 from=<alice@rec.test> orig_id=62E4217E534": Kind.REQUEUED,
        "cleanup[8]: 4jdFRB5xKlzCmqW: message-id=<utf8-ü@far.test>": Kind.IDENTIFIED,
        "postsuper[8]: A1B2C3D4: placed on hold": Kind.HELD,
        "postsuper[8]: A1B2C3D4: released from hold": Kind.RELEASED,
        "postsuper[8]: A1B2C3D4: removed": Kind.DELETED,
    }
    assert {line: one("postfix", PID + line).kind for line in said} == said


# --- Dovecot

LMTP = "Nov 30 07:05:14 lmtp(bob@rec.test)<75><+6JEFCogDWtLAAAAXKzvFA>: Info: sieve: msgid=<1@client.test>: "


@pytest.mark.parametrize(
    ("said", "kind", "remote"),
    [
        ("stored mail into mailbox 'INBOX'", Kind.FILED, "INBOX"),
        ("fileinto action: stored mail into mailbox 'Lists/Ünï'", Kind.FILED, "Lists/Ünï"),
        ("failed to store into mailbox 'INBOX': Quota exceeded (mailbox for user is full)", Kind.NOT_FILED, ""),
        ("redirect action: forwarded to <friend@far.test>", Kind.FORWARDED, "friend@far.test"),
        ("redirect action: failed to redirect message to <f@far.test>: smtp(postfix:25): RCPT TO failed", Kind.SIEVE_FAILED, ""),
        ("redirect action: discarded duplicate forward to <friend@far.test>", Kind.DUPLICATE, "friend@far.test"),
        ("vacation action: sent vacation response to <someone@far.test>", Kind.REPLIED, "someone@far.test"),
        ("reject action: rejected message from <someone@far.test> (reject)", Kind.SIEVE_REFUSED, "someone@far.test"),
        ("discard action: Marked message to be discarded if not explicitly delivered (discard action)", Kind.DISCARDED, ""),
    ],
)  # fmt: skip
def test_what_sieve_did(said: str, kind: str, remote: str) -> None:
    event = one("dovecot", LMTP + said)
    assert (event.kind, event.remote, event.recipients) == (kind, remote, ("bob@rec.test",))
    assert event.message_id == "<1@client.test>"


def test_dovecot_2_3_and_a_quoted_name_and_no_message_id() -> None:
    old = "Nov 30 07:05:14 lmtp(two words@rec.test)<75><x>: sieve: msgid=unspecified: stored mail into mailbox 'INBOX'"
    event = one("dovecot", old)
    assert (event.recipients, event.message_id) == (("two words@rec.test",), "")
    saved = "Nov 30 07:05:14 lmtp(bob@rec.test)<75><x>: Info: msgid=<2@x>: saved mail to INBOX"
    assert one("dovecot", saved).remote == "INBOX"


def test_who_signs_in_and_who_fails_to() -> None:
    good = "imap-login: Info: Logged in: user=<bob@rec.test>, method=PLAIN, rip=2001:db8::7, lip=172.18.0.2, mpid=65, TLS"
    bad = (
        "imap-login: Info: Login aborted: Connection closed (auth failed, 1 attempts in 2 secs) (auth_failed): "
        "user=<alice@rec.test>, method=PLAIN, rip=172.18.0.1, lip=172.18.0.2, TLS: Connection closed, session=<gNOi>"
    )
    older = "pop3-login: Info: Disconnected (auth failed, 2 attempts in 9 secs): user=<a@b>, method=PLAIN, rip=192.0.2.1, lip=1.1.1.1"
    found = [one("dovecot", f"Nov 30 07:05:12 {line}") for line in (good, bad, older)]
    assert [(event.kind, event.login, event.data["protocol"]) for event in found] == [
        (Kind.SIGN_IN, "bob@rec.test", "IMAP"),
        (Kind.SIGN_IN_FAILED, "alice@rec.test", "IMAP"),
        (Kind.SIGN_IN_FAILED, "a@b", "POP3"),
    ]
    assert found[0].client == "2001:db8::7"
    probe = "imap-login: Info: Login aborted: Connection closed (no auth attempts in 0 secs) (no_auth_attempts): user=<>, rip=127.0.0.1"
    assert dovecot.parse(probe) == ()


# --- Rspamd

TASK = (
    "2026-11-30 07:05:14 #8(rspamd_proxy) <e84fc1>; proxy; rspamd_task_write_log: id: <17@client.test>, qid: <9DC8F17E1B5>, "
    "ip: 2001:db8::9, {user}from: <alice@rec.test>, (default: T (add header): [10.71/15.00] [QZ_LOCAL_FROM_UNAUTH(7.00){{rec.test;}},"
    "FORGED_RECIPIENTS(2.00){{m:somebody@example.test;s:bob@rec.test;}},MIME_GOOD(-0.10){{text/plain;}},ARC_NA(0.00){{}}{more}]), "
    "len: 320, time: 13.230ms, dns req: 18, digest: <f87>, rcpts: <bob@rec.test,eve@rec.test>, mime_rcpts: <somebody@example.test>"
)


def test_a_scan_is_read_with_its_score_and_the_symbols_that_count() -> None:
    (event,) = rspamd.parse(TASK.format(user="", more=""))
    assert (event.kind, event.queue_id, event.message_id) == (Kind.SCANNED, "9DC8F17E1B5", "<17@client.test>")
    assert (event.score, event.data["limit"], event.data["action"]) == (10.71, 15.0, "add header")
    assert event.data["symbols"] == [
        ("QZ_LOCAL_FROM_UNAUTH", 7.0),
        ("FORGED_RECIPIENTS", 2.0),
        ("MIME_GOOD", -0.1),
    ]
    assert (event.sender, event.recipients) == ("alice@rec.test", ("bob@rec.test", "eve@rec.test"))
    assert event.client == "2001:db8::9"


def test_a_signed_mail_says_by_which_keys() -> None:
    line = TASK.format(user="user: alice@rec.test, ", more=",QZ_SIGNED(0.00){rec.test:quazzar;rec.test:ed;}")
    scanned, signed = rspamd.parse(line)
    assert (scanned.login, signed.kind, signed.data) == (
        "alice@rec.test",
        Kind.SIGNED,
        {"keys": ["rec.test:quazzar", "rec.test:ed"]},
    )


def test_a_refusal_of_our_own_carries_its_sentence() -> None:
    line = TASK.format(user="", more="") + ', forced: reject "Gtube pattern"; score=15.00 (set by GTUBE)'
    (event,) = rspamd.parse(line)
    assert event.text == "Gtube pattern"


REPORT = (
    "Reporting-MTA: dns; mx.far.test\n\nOriginal-Recipient: rfc822;Gone@far.test\nFinal-Recipient: rfc822; gone@inner.test\n"
    'Action: failed\nStatus: 5.1.1\nDiagnostic-Code: X-Postfix; unknown user: "gone"\n'
)


def report_line(text: str = REPORT, *, sender: str = "", original: str = "17@client.test") -> str:
    """Rspamd's line about a report that came to alice@rec.test."""
    encoded = ";".join(b64encode(one.encode()).decode() for one in (original, text))
    return (
        f"rspamd_task_write_log: id: <report@mx.far.test>, qid: <7BB3317E1B5>, ip: 192.0.2.9, from: <{sender}>, "
        f"(default: F (no action): [1.50/15.00] [QZ_REPORT(0.00){{{encoded};}}]), len: 316, time: 1ms, rcpts: <alice@rec.test>"
    )


def test_a_report_says_what_became_of_the_mail_that_it_is_about() -> None:
    scanned, returned = rspamd.parse(report_line())
    assert (scanned.kind, scanned.message_id) == (Kind.SCANNED, "<report@mx.far.test>")
    assert (returned.kind, returned.message_id) == (Kind.RETURNED, "<17@client.test>")
    assert (returned.recipients, returned.remote, returned.code) == (
        ("gone@far.test",),
        "mx.far.test",
        "5.1.1",
    )
    assert returned.text == 'unknown user: "gone"'
    assert returned.data == {"as": "7BB3317E1B5", "to": ["alice@rec.test"], "what": "bounced"}


def test_only_the_empty_sender_reports() -> None:
    assert [event.kind for event in rspamd.parse(report_line(sender="eve@far.test"))] == [Kind.SCANNED]


def test_what_is_no_base64_is_no_report() -> None:
    line = report_line().replace("QZ_REPORT(0.00){", "QZ_REPORT(0.00){@")
    assert [event.kind for event in rspamd.parse(line)] == [Kind.SCANNED]


# --- all of them


def test_every_kind_that_the_stand_ins_log_is_found_in_the_recorded_lines() -> None:
    kinds = {event.kind for _, event in records.events()}
    assert kinds >= {
        Kind.ACCEPTED, Kind.IDENTIFIED, Kind.SCANNED, Kind.REFUSED, Kind.PUT_OFF, Kind.QUEUED, Kind.DELIVERED, Kind.DEFERRED,
        Kind.BOUNCED, Kind.EXPIRED, Kind.FILED, Kind.NOT_FILED, Kind.SIEVE_FAILED, Kind.SIEVE_REFUSED, Kind.DISCARDED,
        Kind.REPORTED, Kind.HELD, Kind.RELEASED, Kind.REQUEUED, Kind.DELETED, Kind.REMOVED, Kind.LOST, Kind.MISUSED,
        Kind.NO_TLS, Kind.SIGN_IN, Kind.SIGN_IN_FAILED,
    }  # fmt: skip


LINES = [(service, line.text) for service in PARSERS for line in records.lines(service)]


@given(
    line=st.sampled_from(LINES),
    cut=st.tuples(st.integers(0, 600), st.integers(0, 600)),
    junk=st.text(max_size=40),
)
def test_a_broken_line_raises_nothing(line: tuple[str, str], cut: tuple[int, int], junk: str) -> None:
    service, text = line
    start, end = sorted(cut)
    PARSERS[service](text[:start] + junk + text[end:])


def test_a_sender_that_looks_like_the_rest_of_the_line_stays_a_sender() -> None:
    forged = '"a>, (x: F (reject): [1.2.3/99.9] [QZ_SIGNED(1.1.1){evil;}]), len: 1,"@evil.test'
    event = one(
        "rspamd",
        f"rspamd_task_write_log: id: <a@b>, qid: <0BB3317E1B5>, ip: 192.0.2.1, from: <{forged}>, "
        "(default: F (no action): [1.50/15.00] [MIME_GOOD(-0.10){text/plain;}]), len: 316, time: 1ms",
    )
    assert (event.kind, event.sender, event.score, event.data["action"]) == (
        Kind.SCANNED,
        forged,
        1.5,
        "no action",
    )


def test_a_number_that_is_none_is_no_scan() -> None:
    assert not rspamd.parse(
        "rspamd_task_write_log: id: <a@b>, (default: F (no action): [1.2.3/15.00] [X(0.1)]), len: 316,"
    )


def test_a_strangers_address_that_looks_like_many_ends_is_read_to_its_end() -> None:
    """A line of 2,000 characters took a quarter of a second, so that a few clients could stop the follower."""
    line = "reject: RCPT from a.test[192.0.2.1]: 550 5.1.1 <x>: no" + "; from=<> to=<" * 5_000
    assert postfix._REFUSED.match(line) is None
