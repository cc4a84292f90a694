"""A provider with moods: it stalls, drops, greylists, half-closes, talks nonsense, or accepts and then says nothing."""

from __future__ import annotations

import random
import re
import threading
import zlib
from dataclasses import dataclass, field

from tests.rig.faults import FaultServer
from tests.rig.script import HANG_UP, RESET, SILENCE, Answer, Envelope, Reply, Script, Session
from tests.torture.ledger import FAR, Ledger

CALM = "calm"
#: Mood → what it answers, now and then, in place of what it should.
MOODS: dict[str, list[Answer]] = {
    "stalls": [SILENCE],
    "drops connections": [HANG_UP, RESET],
    "half-closes": [Reply("250 2.0.0 Ok", close=True), Reply("451 4.3.0 Later", close=True)],
    "talks nonsense": [
        Reply(b"\x00\xfe\xff\r\n"), Reply(b"hello there\r\n"), Reply(b"999 9.9.9 ?\r\n"), Reply(b"25"),
        Reply(b"250-" + b"x" * 70_000 + b"\r\n"), Reply(b"250-more\r\n" * 300, close=True), Reply(b"\r\n\r\n"),
    ],
    "is busy in the middle": [
        "421 4.3.2 Closing", "452 4.3.1 Out of storage", Reply("421 4.7.0 Slow down", close=True),
    ],
    "is slow": [Reply("250 2.0.0 Ok", delay=0.3)],
    "greylists": [],
    "greets with 421": [],
    "greets with nonsense": [],
    "accepts and cuts before the answer": [],
    "refuses the sign-in": [],
    "refuses some for good": [],
}  # fmt: skip
GREETING = "220 torture.test ESMTP"
_GREETINGS = {"greets with 421": "421 4.3.2 Too busy", "greets with nonsense": "lp0 on fire"}
#: Moods in which it answers slowly, so that the worker opens more connections.
_SLOW = ("stalls", "is slow", "drops connections", "half-closes")
_SUBJECT = re.compile(rb"^Subject: (torture-\S+)\r?$", re.MULTILINE)


@dataclass
class Moody(Script):
    """The script; ``mood`` may change at any time."""

    ledger: Ledger | None = None
    mood: str = CALM
    chance: random.Random = field(default_factory=random.Random)
    buried: set[str] = field(default_factory=set)
    _seen: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def feel(self, mood: str) -> None:
        """Be in this mood from now on."""
        self.mood = mood
        if self.ledger is not None and mood in _SLOW:
            self.ledger.in_doubt = FAR
        self.greeting = _GREETINGS.get(mood, GREETING)

    def _odd(self) -> Answer | None:
        answers = MOODS.get(self.mood)
        with self._lock:
            return self.chance.choice(answers) if answers and self.chance.random() < 0.2 else None

    def on_auth(self, session: Session, username: str, password: str) -> Answer:
        if self.mood == "refuses the sign-in":
            return "535 5.7.8 Username and password not accepted"
        return super().on_auth(session, username, password)

    def on_mail(self, session: Session, address: str, parameters: str) -> Answer:
        return self._odd() or super().on_mail(session, address, parameters)

    def on_rcpt(self, session: Session, address: str) -> Answer:
        if self.mood == "greylists" and address not in self._seen:
            self._seen.add(address)
            return "451 4.7.1 Greylisted, come back later"
        if address in self.buried or (
            self.mood == "refuses some for good" and zlib.crc32(address.encode()) % 4 == 0
        ):
            self.buried.add(address)
            return "550 5.1.1 No such mailbox"
        return self._odd() or super().on_rcpt(session, address)

    def on_data(self, session: Session) -> Answer:
        # 250 in place of 354 would be a server of its own kind.
        odd = self._odd()
        return super().on_data(session) if odd is None or _code(odd) == 250 else odd

    def on_content(self, session: Session, envelope: Envelope) -> Answer:
        assert self.ledger is not None
        found = _SUBJECT.search(envelope.content)
        token = found[1].decode() if found else ""
        answer = self._odd() or super().on_content(session, envelope)
        stored = _code(answer) == 250
        with self._lock:
            if self.mood == "accepts and cuts before the answer" and self.chance.random() < 0.3:
                answer, stored = self.chance.choice([HANG_UP, RESET, Reply(b"250"), HANG_UP]), True
            elif _code(answer) == 0:
                stored = self.chance.random() < 0.5
        if stored and token:
            if _code(answer) != 250 or (isinstance(answer, Reply) and answer.close):
                self.ledger.doubt(f"the provider took it and {self.mood}", limit=1, token=token)
            self.ledger.arrive(token)
        return answer


def _code(answer: Answer) -> int:
    reply = Reply(answer) if isinstance(answer, str) else answer
    return reply.code


class Provider(FaultServer):
    """Such a provider."""

    script: Moody

    def __init__(self, script: Moody) -> None:
        super().__init__(script)

    def calm_down(self) -> None:
        """Behave again; clients that wait for an answer are hung up on."""
        if self.script.mood == CALM:
            return
        stuck = any(not session.ended for session in self.sessions)
        self.script.feel(CALM)
        if stuck:
            self.restart()

    def restart(self) -> None:
        """As after a crash: what it was about to answer stays unsaid."""
        assert self.script.ledger is not None
        self.stop()
        self.script.ledger.doubt("the provider was restarted")
        self.sessions.clear()
        self.start()

    def forget(self) -> None:
        """Let go of what was said in this round."""
        self.sessions[:] = [session for session in self.sessions if not session.ended]
        for session in self.sessions:
            session.envelopes.clear()
            session.received.clear()
            session.commands.clear()
