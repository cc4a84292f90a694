"""The relay as Postfix's files: a password of any kind arrives whole, or is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailboxes.push.entries import Smarthost
from mailboxes.push.smarthost import relayhost, sasl_passwd, tls_policy, why_unusable
from tests.mailboxes.goldencases import snapshot_of
from tests.mailboxes.readers import postfix_table
from tests.mailboxes.trials import case

HOST = "smtp.relay.example"
RENDERERS = (relayhost, sasl_passwd, tls_policy)


def smarthost(**more: Any) -> Smarthost:
    return Smarthost(
        **{"host": HOST, "port": 587, "security": "starttls", "username": "node", "password": "pass", **more}
    )


def credentials(table: dict[str, str]) -> tuple[str, str]:
    """What Postfix logs in with: the value of the next hop, parted at its first colon."""
    username, _, password = table[f"[{HOST}]:587"].partition(":")
    return username, password


@pytest.mark.slow
@example("node", "a b  c:#d")
@example("node", " leading")
@example("node", '"quoted')
@example("node", "back\\slash\\")
@example("node", "grün€ $(x)`y` ==")
@given(st.text(max_size=20), st.text(max_size=20))
def test_username_and_password_arrive_whole_or_are_refused(username: str, password: str) -> None:
    relay = smarthost(username=username, password=password)
    if why_unusable(relay):
        for renderer in RENDERERS:
            with pytest.raises(ValueError, match=r"^(The|Postfix) .*\.$") as caught:
                renderer(snapshot_of(smarthost=relay))
            assert type(caught.value) is ValueError
        return
    data = sasl_passwd(snapshot_of(smarthost=relay))
    if username:
        assert data.count(b"\n") == 1
        assert credentials(postfix_table(data)) == (username, password)
    else:
        assert data == b""


def test_line_breaks_and_control_characters_are_refused() -> None:
    for text in ("a\nb", "a\rb", "a\0b", "\tb", "a\x7f", "a\x0b"):
        for relay in (smarthost(username=text), smarthost(password=text)):
            assert "control character" in why_unusable(relay), text


UNUSABLE: list[tuple[dict[str, Any], str]] = [
    ({"username": "a:b"}, "colon"),
    ({"username": " a"}, "space"),
    ({"password": "a "}, "space"),
    ({"password": "\ud800"}, "half a character"),
    *(({"host": host}, "host") for host in ("", "a b", "a]:25\nx", "x" * 254)),
    ({"host": "fe80::1%eth0", "security": "none"}, "host"),
    *(({"port": port}, "port") for port in (0, 65536, "25", True)),
    ({"security": "ssl"}, "security"),
    ({"host": "192.0.2.1"}, "certificate of an IP address"),
]


def test_why_postfix_cannot_use_a_relay_is_a_sentence_without_the_password() -> None:
    for more, words in UNUSABLE:
        with case(more):
            relay = smarthost(**{"password": "s3cret", **more})
            sentence = why_unusable(relay)
            assert words in sentence and sentence.endswith(".") and "s3cret" not in sentence
            with pytest.raises(ValueError, match=words):
                relayhost(snapshot_of(smarthost=relay))


def test_the_next_hop_is_a_host_in_brackets() -> None:
    for host in ("SMTP.Relay.Example", "192.0.2.1", "2001:db8::1", "localhost", "my_host.lan"):
        hop = f"[{host.lower()}]:25".encode()
        snapshot = snapshot_of(smarthost=smarthost(host=host, port=25, security="none"))
        assert relayhost(snapshot) == hop + b"\n"
        assert tls_policy(snapshot) == hop + b" none\n"
        assert sasl_passwd(snapshot).startswith(hop + b" ")


def test_without_a_smarthost_all_is_empty() -> None:
    assert [renderer(snapshot_of()) for renderer in RENDERERS] == [b"", b"", b""]


def test_with_tls_the_certificate_must_bear_the_name() -> None:
    for security in ("starttls", "tls"):
        table = postfix_table(tls_policy(snapshot_of(smarthost=smarthost(security=security))))
        assert table == {f"[{HOST}]:587": f"secure match={HOST}"}, security


@pytest.mark.real
def test_postfix_itself_reads_the_same(tmp_path: Path) -> None:
    postmap = shutil.which("postmap", path="/usr/sbin:/usr/bin")
    if postmap is None:
        pytest.skip("no Postfix on this machine")
    # postmap reads a main.cf: one of its own, since a Postfix that nobody has configured brings none.
    (tmp_path / "main.cf").touch()
    table = tmp_path / "sasl_passwd"
    argv = [postmap, "-c", str(tmp_path), "-q", f"[{HOST}]:587", f"texthash:{table}"]
    for password in ("a b  c: #d", '"q', "back\\slash\\", "grün€", " leading", "# all"):
        table.write_bytes(sasl_passwd(snapshot_of(smarthost=smarthost(password=password))))
        answer = subprocess.run(argv, capture_output=True, check=True, timeout=30).stdout
        assert answer.decode() == f"node:{password}\n"
