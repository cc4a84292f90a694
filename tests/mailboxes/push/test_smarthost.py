"""The relay as Postfix's files: a password of any kind arrives whole, or is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.push.entries import Smarthost
from mailboxes.push.smarthost import relayhost, sasl_passwd, tls_policy, why_unusable
from tests.mailboxes.goldencases import of
from tests.mailboxes.readers import postfix_table

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


@pytest.mark.parametrize(
    "password", ["p", "a b  c", "a:b:c", "#1", " leading", "a\\", '"quoted"', "'", "grün€", "$(x)`y`", "=="]
)
def test_a_password_arrives_whole(password: str) -> None:
    snapshot = of(smarthost=smarthost(password=password))
    assert credentials(postfix_table(sasl_passwd(snapshot))) == ("node", password)


@given(st.text(max_size=20), st.text(max_size=20))
def test_username_and_password_arrive_whole_or_are_refused(username: str, password: str) -> None:
    relay = smarthost(username=username, password=password)
    if why_unusable(relay):
        for renderer in RENDERERS:
            with pytest.raises(ValueError, match=r"^(The|Postfix) .*\.$") as caught:
                renderer(of(smarthost=relay))
            assert type(caught.value) is ValueError
        return
    data = sasl_passwd(of(smarthost=relay))
    if username:
        assert data.count(b"\n") == 1
        assert credentials(postfix_table(data)) == (username, password)
    else:
        assert data == b""


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\0b", "\tb", "a\x7f", "a\x0b"])
@pytest.mark.parametrize("name", ["username", "password"])
def test_line_breaks_and_control_characters_are_refused(name: str, text: str) -> None:
    assert "control character" in why_unusable(smarthost(**{name: text}))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"username": "a:b"}, "colon"), ({"username": " a"}, "space"), ({"password": "a "}, "space"),
        ({"password": "\ud800"}, "half a character"), ({"host": ""}, "host"), ({"host": "a b"}, "host"),
        ({"host": "a]:25\nx"}, "host"), ({"host": "fe80::1%eth0", "security": "none"}, "host"),
        ({"host": "x" * 254}, "host"),
        ({"port": 0}, "port"), ({"port": 65536}, "port"), ({"port": "25"}, "port"), ({"port": True}, "port"),
        ({"security": "ssl"}, "security"), ({"host": "192.0.2.1"}, "certificate of an IP address"),
    ],
)  # fmt: skip
def test_what_postfix_cannot_use_is_told_in_a_sentence_without_the_password(
    more: dict[str, Any], words: str
) -> None:
    relay = smarthost(**{"password": "s3cret", **more})
    sentence = why_unusable(relay)
    assert words in sentence and sentence.endswith(".") and "s3cret" not in sentence
    with pytest.raises(ValueError, match=words):
        relayhost(of(smarthost=relay))


@pytest.mark.parametrize(
    ("host", "hop"),
    [
        ("SMTP.Relay.Example", b"[smtp.relay.example]:25\n"), ("192.0.2.1", b"[192.0.2.1]:25\n"),
        ("2001:db8::1", b"[2001:db8::1]:25\n"), ("localhost", b"[localhost]:25\n"),
        ("my_host.lan", b"[my_host.lan]:25\n"),
    ],
)  # fmt: skip
def test_the_next_hop_is_a_host_in_brackets(host: str, hop: bytes) -> None:
    snapshot = of(smarthost=smarthost(host=host, port=25, security="none"))
    assert relayhost(snapshot) == hop
    assert tls_policy(snapshot) == hop[:-1] + b" none\n"
    assert sasl_passwd(snapshot).startswith(hop[:-1] + b" ")


def test_without_a_smarthost_all_is_empty() -> None:
    assert [renderer(of()) for renderer in RENDERERS] == [b"", b"", b""]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_with_tls_the_certificate_must_bear_the_name(security: str) -> None:
    data = tls_policy(of(smarthost=smarthost(security=security)))
    assert postfix_table(data) == {f"[{HOST}]:587": f"secure match={HOST}"}


@pytest.mark.real
@pytest.mark.parametrize("password", ["a b  c: #d", '"q', "back\\slash\\", "grün€", " leading", "# all"])
def test_postfix_itself_reads_the_same(password: str, tmp_path: Path) -> None:
    postmap = shutil.which("postmap", path="/usr/sbin:/usr/bin")
    if postmap is None:
        pytest.skip("no Postfix on this machine")
    table = tmp_path / "sasl_passwd"
    table.write_bytes(sasl_passwd(of(smarthost=smarthost(password=password))))
    # postmap reads a main.cf: one of its own, since a Postfix that nobody has configured brings none.
    (tmp_path / "main.cf").touch()
    argv = [postmap, "-c", str(tmp_path), "-q", f"[{HOST}]:587", f"texthash:{table}"]
    answer = subprocess.run(argv, capture_output=True, check=True, timeout=30).stdout
    assert answer.decode() == f"node:{password}\n"
