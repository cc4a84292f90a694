"""The week of the demo's mail server: lines as its three daemons log them, read by the product's own parsers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import transaction

from demo.loopback import RELAY
from demo.seed import texts
from demo.seed.domains import ADA, BROKEN, RIGHT
from demo.seed.people import HOME, OFFICE, STRANGER
from mailboxes.maillog.filing import Filer
from mailboxes.maillog.following import PARSERS

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_MAYA, _SHOP = f"maya@{RIGHT}", f"shop@{BROKEN}"
#: When, whose log, and the line.
Line = tuple[datetime, str, str]
_GOOD = "R_SPF_ALLOW(-0.20){+ip4;},R_DKIM_ALLOW(-0.20){;},DMARC_POLICY_ALLOW(-0.50){;},MIME_GOOD(-0.10){;}"
_OURS = "QZ_AUTHED(0.00){;},MIME_GOOD(-0.10){;}"
_BAD = "R_SPF_FAIL(1.00){;},RBL_SPAMHAUS_XBL(4.00){;},RDNS_NONE(1.00){;},URIBL_BLACK(7.50){;}"
#: Symbols of mail that is filed in Junk, and its score.
_JUNK = "DMARC_POLICY_SOFTFAIL(0.10){;},FORGED_SENDER(0.30){;},RBL_SENDERSCORE(2.00){;},SURBL_ABUSE(5.50){;}"


def keep(now: datetime) -> None:
    """Store what the logs of the last week say."""
    lines = sorted(_Logs(now).lines(), key=lambda line: line[0])
    found = [(at, event) for at, service, text in lines for event in PARSERS[service](text)]
    filer = Filer()
    for start in range(0, len(found), 500):
        with transaction.atomic():
            filer.file(found[start : start + 500])


class _Mail:
    """The lines about one mail, each some time after the one before."""

    def __init__(self, dice: random.Random, at: datetime, sender: str, recipients: tuple[str, ...]) -> None:
        self.at, self.sender, self.recipients = at, sender, recipients
        self._dice = dice
        self.queue_id = f"{dice.randrange(16**5):05X}{dice.randrange(16**6):06X}"
        where = sender.rpartition("@")[2] or f"mail.{RIGHT}"
        self.message_id = f"<{dice.randrange(16**12):012x}@{where}>"
        self.size = dice.randint(2_100, 88_000)

    def _later(self, seconds: float) -> datetime:
        self.at += timedelta(seconds=seconds)
        return self.at

    def postfix(self, process: str, text: str, *, after: float = 0.04) -> Line:
        """A line of Postfix about this mail."""
        return (
            self._later(after),
            "postfix",
            f"postfix/{process}[{self._dice.randint(700, 990)}]: {self.queue_id}: {text}",
        )

    def scanned(
        self, ip: str, score: float, symbols: str, *, login: str = "", action: str = "no action"
    ) -> Line:
        """Rspamd's line; of a mail that somebody signed in to send, with our signature."""
        user = f"user: {login}, " if login else ""
        if login:
            symbols += f",QZ_SIGNED(0.00){{{login.rpartition('@')[2]}:quazzar;}}"
        text = (
            f"rspamd_task_write_log: id: {self.message_id}, qid: <{self.queue_id}>, ip: {ip}, {user}from: "
            f"<{self.sender}>, (default: F ({action}): [{score:.2f}/15.00] [{symbols}]), len: {self.size}, "
            f"time: 21.4ms, dns req: 19, digest: <0>, rcpts: <{','.join(self.recipients)}>"
        )
        return self._later(0.09), "rspamd", f"#7(rspamd_proxy) <a1b2c3>; proxy; {text}"

    def begins(self, port: str, client: str, login: str = "") -> Iterator[Line]:
        """Accepted by the server that listens there."""
        signed_in = f", sasl_method=PLAIN, sasl_username={login}" if login else ""
        yield self.postfix(f"{port}smtpd", f"client={client}{signed_in}")
        yield self.postfix("cleanup", f"message-id={self.message_id}")

    def queued(self) -> Line:
        """The line with which Postfix's queue manager takes the mail up."""
        count = len(self.recipients)
        return self.postfix("qmgr", f"from=<{self.sender}>, size={self.size}, nrcpt={count} (queue active)")

    def filed(self, mailbox: str, *, junk: bool = False, of: str = "") -> Iterator[Line]:
        """In a folder of the mailbox, by Dovecot."""
        where = (
            "fileinto action: stored mail into mailbox 'Junk'" if junk else "stored mail into mailbox 'INBOX'"
        )
        text = f"lmtp({mailbox})<77><b7Q>: Info: sieve: msgid={self.message_id}: {where}"
        yield self._later(0.05), "dovecot", text
        alias = f" orig_to=<{of}>," if of else ""
        yield self.postfix(
            "lmtp", f"to=<{mailbox}>,{alias} {_answer('2.0.0', f'250 2.0.0 <{mailbox}> Saved')}"
        )

    def leaves(self, recipient: str, after: float = 0.8) -> Line:
        """Taken by the relay."""
        said = "250 2.0.0 Ok: captured by the demo"
        return self.postfix("smtp", f"to=<{recipient}>, {_answer('2.0.0', said, relay=_RELAY)}", after=after)

    def waits(self, recipient: str, said: str, after: float) -> Line:
        """Refused for now by the relay."""
        reason = f"host {_RELAY} said: {said} (in reply to RCPT TO command)"
        answer = _answer("4.2.0", reason, relay=_RELAY, status="deferred", delay=after)
        return self.postfix("smtp", f"to=<{recipient}>, {answer}", after=after)


_RELAY = f"{RELAY}[192.0.2.80]:587"
_LMTP = f"mail.{RIGHT}[/mail-sockets/dovecot/lmtp]"


def _answer(dsn: str, said: str, *, relay: str = _LMTP, status: str = "sent", delay: float = 0.31) -> str:
    return f"relay={relay}, delay={delay:g}, delays=0.1/0/0.1/0.1, dsn={dsn}, status={status} ({said})"


class _Logs:
    """A week of lines, the same each time but for the moment at which it ends."""

    def __init__(self, now: datetime) -> None:
        self.now, self._dice = now, random.Random(11)  # noqa: S311  (no secret)

    def lines(self) -> Iterator[Line]:
        """All of them, in no order."""
        for day in range(7):
            yield from self._sign_ins(day)
            for _ in range(9):
                yield from self._letter(self._moment(day))
            for _ in range(2):
                yield from self._spam(self._moment(day))
            yield from self._sent(self._moment(day))
        yield from self._strangers()
        yield from self._to_the_team(self.now - 3.4 * _HOUR)
        yield from self._returned(self.now - 28 * _HOUR)
        yield from self._slow(self.now - 51 * _HOUR)
        yield from self._waiting(self.now - timedelta(minutes=52))
        yield from self._letter(self.now - timedelta(minutes=4))

    def _moment(self, day: int) -> datetime:
        """Some time of that day, at least half an hour ago."""
        return self.now - timedelta(minutes=30) - day * _DAY - self._dice.random() * 23 * _HOUR

    def _mail(self, at: datetime, sender: str, *recipients: str) -> _Mail:
        return _Mail(self._dice, at, sender, recipients)

    def _sign_ins(self, day: int) -> Iterator[Line]:
        for who, ip in ((ADA, HOME), (_MAYA, OFFICE), (_SHOP, OFFICE)):
            text = f"imap-login: Info: Logged in: user=<{who}>, method=PLAIN, rip={ip}, lip=172.18.0.2, mpid=65, TLS"
            yield self._moment(day), "dovecot", text

    def _letter(self, at: datetime) -> Iterator[Line]:
        """From a customer to one of the mailboxes, or to an alias of them."""
        sender = self._dice.choice(texts.CUSTOMERS).partition("<")[2].strip(">")
        box, alias = self._dice.choice(((ADA, ""), (_MAYA, f"billing@{RIGHT}"), (_SHOP, ""), (_SHOP, "")))
        mail, ip = self._mail(at, sender, alias or box), f"192.0.2.{self._dice.randint(100, 190)}"
        yield from mail.begins("", f"mx.{sender.rpartition('@')[2]}[{ip}]")
        yield mail.scanned(ip, round(self._dice.uniform(-1.2, -0.4), 1), _GOOD)
        yield mail.queued()
        yield from mail.filed(box, of=alias)
        yield mail.postfix("qmgr", "removed")

    def _spam(self, at: datetime) -> Iterator[Line]:
        """Filed in Junk, or refused if it is all too clear."""
        ip, box = f"203.0.113.{self._dice.randint(20, 60)}", self._dice.choice((ADA, _SHOP, f"jonas@{RIGHT}"))
        mail = self._mail(at, f"offer{self._dice.randint(10, 99)}@win.example", box)
        yield from mail.begins("", f"unknown[{ip}]")
        if self._dice.random() < 0.4:
            yield mail.scanned(ip, 17.4, _BAD, action="reject")
            reject = f"milter-reject: END-OF-MESSAGE from unknown[{ip}]: 5.7.1 Spam message rejected; "
            yield mail.postfix(
                "cleanup", f"{reject}from=<{mail.sender}> to=<{box}> proto=ESMTP helo=<win.example>"
            )
            return
        yield mail.scanned(ip, 8.9, _JUNK, action="add header")
        yield mail.queued()
        yield from mail.filed(box, junk=True)
        yield mail.postfix("qmgr", "removed")

    def _hand_in(self, mail: _Mail, client: str = HOME) -> Iterator[Line]:
        """By somebody who signed in."""
        yield from mail.begins("submission/", f"unknown[{client}]", login=mail.sender)
        yield mail.scanned(client, -0.1, _OURS, login=mail.sender)
        yield mail.queued()

    def _sent(self, at: datetime) -> Iterator[Line]:
        sender = self._dice.choice((ADA, _MAYA, _SHOP))
        to = self._dice.choice(texts.CUSTOMERS).partition("<")[2].strip(">")
        mail = self._mail(at, sender, to)
        yield from self._hand_in(mail, OFFICE)
        yield mail.leaves(to)
        yield mail.postfix("qmgr", "removed")

    def _to_the_team(self, at: datetime) -> Iterator[Line]:
        """One mail to an alias with two mailboxes, and to a customer."""
        mail = self._mail(at, f"jonas@{RIGHT}", f"info@{RIGHT}", "noah@brandt.example")
        yield from self._hand_in(mail)
        for box in (ADA, _MAYA):
            yield from mail.filed(box, of=f"info@{RIGHT}")
        yield mail.leaves("noah@brandt.example")
        yield mail.postfix("qmgr", "removed")

    def _returned(self, at: datetime) -> Iterator[Line]:
        """Refused by the next server; the report goes to the sender."""
        to = "orders@closed.example"
        mail = self._mail(at, ADA, to)
        yield from self._hand_in(mail)
        refusal = f"550 5.1.1 <{to}>: Recipient address rejected: User unknown"
        said = f"host {_RELAY} said: {refusal} (in reply to RCPT TO command)"
        yield mail.postfix("smtp", f"to=<{to}>, {_answer('5.1.1', said, relay=_RELAY, status='bounced')}")
        report = self._mail(mail.at, "", ADA)
        yield mail.postfix("bounce", f"sender non-delivery notification: {report.queue_id}")
        yield mail.postfix("qmgr", "removed")
        yield report.postfix("cleanup", f"message-id={report.message_id}")
        yield report.queued()
        yield from report.filed(ADA)
        yield report.postfix("qmgr", "removed")

    def _slow(self, at: datetime) -> Iterator[Line]:
        """Refused twice for now, then taken."""
        to = "ines@slow.example"
        mail = self._mail(at, _MAYA, to)
        yield from self._hand_in(mail, OFFICE)
        for after in (1, 310):
            yield mail.waits(to, f"450 4.2.0 <{to}>: Greylisted, please try again later", after)
        yield mail.leaves(to, after=640)
        yield mail.postfix("qmgr", "removed")

    def _waiting(self, at: datetime) -> Iterator[Line]:
        """Still in Postfix's queue."""
        to = "office@busy.example"
        mail = self._mail(at, _SHOP, to)
        yield from self._hand_in(mail, OFFICE)
        for after in (1, 300, 600, 1_200):
            yield mail.waits(to, f"451 4.7.1 <{to}>: Mailbox is busy, please try again later", after)

    def _strangers(self) -> Iterator[Line]:
        """Clients that guess passwords, addresses, and whether this is an open relay."""
        peer = f"unknown[{STRANGER}]"
        for number in range(14):
            at = self.now - 9 * _HOUR - number * timedelta(seconds=40)
            text = f"SASL LOGIN authentication failed: (reason unavailable), sasl_username=admin@{RIGHT}"
            yield at, "postfix", f"postfix/submission/smtpd[801]: warning: {peer}: {text}"
        for hours, to, reply in (
            (
                20.5,
                f"sales@{RIGHT}",
                "550 5.1.1 <{}>: Recipient address rejected: User unknown in virtual mailbox table",
            ),
            (
                66,
                f"anna@{BROKEN}",
                "550 5.1.1 <{}>: Recipient address rejected: User unknown in virtual mailbox table",
            ),
            (33.2, "someone@elsewhere.example", "554 5.7.1 <{}>: Relay access denied"),
        ):
            text = f"NOQUEUE: reject: RCPT from {peer}: {reply.format(to)}; from=<info@win.example> to=<{to}>"
            line = f"postfix/smtpd[802]: {text} proto=ESMTP helo=<win.example>"
            yield self.now - hours * _HOUR, "postfix", line
