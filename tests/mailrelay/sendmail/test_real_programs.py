"""Mail that Debian's programs hand to sendmail arrives at a strict server, and reads as it was written."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from mailrelay.models import Message, RelaySettings
from mailrelay.queue import delivery
from mailrelay.sendmail import program
from tests.rig import Missing, or_skip
from tests.rig.exim import StrictExim
from tests.rig.faults import FaultServer

pytestmark = [pytest.mark.django_db, pytest.mark.real]
LONG = "x" * 1500
#: Stands for sendmail: writes down what it is called with.
SENDMAIL = """\
#!{python}
import json, sys
json.dump([sys.argv[1:], sys.stdin.buffer.read().decode("latin-1")], open("{file}", "w"))
"""

Program = Callable[[Path, Path], list[str | Path]]
#: Program → Debian's package, and its command line for a mail from standard input, with a file.
PROGRAMS: dict[str, tuple[str, Program]] = {
    "bsd-mailx": ("bsd-mailx", lambda sendmail, file: ["bsd-mailx", "-n", "-s", "Größe", "a@inbox.test"]),
    "s-nail": (
        "s-nail",
        lambda sendmail, file: [
            *("s-nail", "-n", "-S", f"mta={sendmail}", "-S", "sendwait", "-S", "ttycharset=utf-8"),
            *("-s", "Größe", "-a", file, "a@inbox.test"),
        ],
    ),
    "mutt": (
        "mutt",
        lambda sendmail, file: [
            *("mutt", "-n", "-F", "/dev/null", "-e", f"set sendmail={sendmail} copy=no", "-s", "Größe"),
            *("-a", file, "--", "a@inbox.test"),
        ],
    ),
    "php": (
        "php-cli",
        lambda sendmail, file: [
            *("php", "-d", f"sendmail_path={sendmail} -t -i", "-r"),
            'exit(mail("a@inbox.test", "Größe", stream_get_contents(STDIN),'
            ' "To: a@inbox.test\\r\\nFrom: Shöp <shop@example.com>") ? 0 : 1);',
        ],
    ),
}


@pytest.fixture(autouse=True)
def fresh_connections() -> Iterator[None]:
    delivery._stopping.clear()
    yield
    delivery.close_idle_connections(0)


@pytest.fixture(scope="module")
def exim() -> Iterator[StrictExim]:
    with or_skip(lambda: StrictExim(eight_bit=False, utf8=False)) as server:
        yield server


def called(name: str, tmp_path: Path) -> tuple[list[str], bytes]:
    """What the program calls sendmail with, and writes to it."""
    package, command = PROGRAMS[name]
    if shutil.which(name) is None:
        raise Missing(name, package)
    sendmail, record, file = tmp_path / "sendmail", tmp_path / "call.json", tmp_path / "größe.txt"
    sendmail.write_text(SENDMAIL.format(python=sys.executable, file=record))
    sendmail.chmod(0o755)
    (tmp_path / ".mailrc").write_text(f"set sendmail={sendmail}\n")
    file.write_text("Anhang\n")
    environment = {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8", "PATH": os.environ["PATH"]}
    environment["MAILRC"] = str(tmp_path / ".mailrc")
    subprocess.run(
        command(sendmail, file),
        input=f"Grüße\n{LONG}\n".encode(),
        env=environment,
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=30,
    )
    arguments, data = json.loads(record.read_text())
    return arguments, data.encode("latin-1")


def sent(relay: RelaySettings, port: int) -> None:
    relay.host, relay.port = "127.0.0.1", port
    relay.save()
    delivery.close_idle_connections(0)
    assert delivery.drain() == 1, Message.objects.get().last_error


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_mail_of_a_real_program_arrives(
    relay: RelaySettings, exim: StrictExim, tmp_path: Path, name: str
) -> None:
    arguments, data = or_skip(lambda: called(name, tmp_path))
    for is_exim in (True, False):
        Message.objects.all().delete()
        assert program.run(arguments, io.BytesIO(data), io.StringIO()) == 0
        if is_exim:
            sent(relay, exim.port)
            continue
        with FaultServer() as server:
            server.script.extensions = ()
            sent(relay, server.port)
            (mail,) = server.accepted
    message = message_from_bytes(mail.content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert (mail.recipients, message["Subject"], len(message.get_all("To", []))) == (
        ["a@inbox.test"],
        "Größe",
        1,
    )
    text, *files = (part for part in message.walk() if not part.is_multipart())
    assert text.get_content().splitlines()[:2] == ["Grüße", LONG]
    assert [file.get_filename() for file in files] == ["größe.txt"] * len(files)
