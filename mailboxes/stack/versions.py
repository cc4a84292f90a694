"""Which versions of Postfix, Dovecot and Rspamd run, beside those that this release was tested with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.conf import settings

from mailboxes.models import Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailboxes.engine.client import Engine

#: Service → the version that the tests ran with. The images of the settings are named by exact versions; no registry
#: could be asked for their digests where this was made. To pin one, set QUAZZAR_IMAGE_… to
#: "name:tag@sha256:…", which the Engine checks.
TESTED: Mapping[str, str] = {"postfix": "3.10", "dovecot": "2.4.1", "rspamd": "3.12"}
#: Service → the oldest version that is safe, and why. Rspamd 4.1.5 is the first with allow_file_and_shm_inputs.
SAFE: Mapping[str, tuple[str, str]] = {
    "rspamd": (
        "4.1.5",
        "An older Rspamd lets anyone on the stack's network read its files by sending a header, and up to "
        "4.1.3 its web interface accepts any password if the stored hash is damaged",
    ),
}
_COMMANDS = {
    "postfix": ["postconf", "-h", "mail_version"],
    "dovecot": ["sh", "-c", "PATH=$PATH:/dovecot/sbin:/usr/sbin dovecot --version"],
    "rspamd": ["rspamd", "--version"],
}
#: Seconds for each command.
_TIMEOUT = 20.0
_NUMBER = re.compile(r"[0-9]{1,5}(?:\.[0-9]{1,5}){1,3}")


@dataclass(frozen=True, slots=True)
class Version:
    """What runs of a service.

    Attributes:
        running: empty if it is not known.
        compared: tested, newer, older, or unknown.
        danger: why it has to be replaced; empty if it does not.
    """

    service: str
    running: str
    tested: str
    compared: str
    danger: str

    @property
    def sentence(self) -> str:
        """``4.1.5, newer than the tested 3.12``."""
        if self.compared == "unknown":
            return "not known yet"
        return (
            f"{self.running}, tested"
            if self.compared == "tested"
            else f"{self.running}, {self.compared} than the tested {self.tested}"
        )


def refresh(engine: Engine) -> None:
    """Stores the versions that the containers report; one that cannot be read is left out.

    Raises:
        StackError: a container did not answer.
    """
    every = {name: ask(engine, f"{settings.QUAZZAR_STACK_PROJECT}-{name}", name) for name in _COMMANDS}
    Stack.objects.filter(pk=1).update(versions={name: number for name, number in every.items() if number})


def ask(engine: Engine, container: str, service: str) -> str:
    """The version of the service's program in a running container; empty if it does not say.

    Raises:
        StackError: the container did not answer.
    """
    result = engine.run(container, _COMMANDS[service], timeout=_TIMEOUT)
    number = _NUMBER.search(result.stdout.decode(errors="replace"))
    return number[0] if number else ""


def read(stack: Stack) -> list[Version]:
    """The versions of all three services at the last check."""
    return [_judged(service, stack.versions.get(service, "")) for service in TESTED]


def _judged(service: str, running: str) -> Version:
    tested = TESTED[service]
    if not running:
        return Version(service, "", tested, "unknown", "")
    # 3.10.4 is the tested 3.10.
    ours, theirs = _parts(tested), _parts(running)[: len(_parts(tested))]
    compared = "tested" if ours == theirs else "newer" if theirs > ours else "older"
    least, why = SAFE.get(service, ("0", ""))
    danger = f"{why}: use {least} or newer." if _parts(running) < _parts(least) else ""
    return Version(service, running, tested, compared, danger)


def _parts(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
