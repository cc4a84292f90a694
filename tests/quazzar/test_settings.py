"""Environment variables: every setting refuses an invalid value, by name, before anything starts."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from mailboxes.stack.blueprint.services import PORTS
from tests.mailboxes.trials import case

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ROOT / "quazzar" / "settings.py"
DIGEST = "a" * 64


def settings_with(**environment: str) -> dict[str, Any]:
    """The settings, as read from this environment."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        return runpy.run_path(str(SETTINGS))


#: Variable → values that are taken, with what they mean.
TAKEN: dict[str, list[tuple[str, Any]]] = {
    "QUAZZAR_TIME_ZONE": [("", ""), (" Europe/Berlin ", "Europe/Berlin"), ("UTC", "UTC")],
    "QUAZZAR_STACK_BIND": [
        ("", "0.0.0.0"),
        ("0.0.0.0", "0.0.0.0"),
        ("127.0.0.1", "127.0.0.1"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("10.0.0.255", "10.0.0.255"),
    ],
    "QUAZZAR_URL": [
        ("", ""),
        ("https://mail.example.com", "https://mail.example.com"),
        ("https://mail.example.com/", "https://mail.example.com"),
        ("http://nas:8000", "http://nas:8000"),
        ("http://192.0.2.7:8000", "http://192.0.2.7:8000"),
        ("http://[2001:db8::1]:8000", "http://[2001:db8::1]:8000"),
    ],
    "QUAZZAR_STACK_PORT_OFFSET": [("", 0), ("0", 0), ("20000", 20_000), ("54201", 54_201)],
    "QUAZZAR_STACK_PROJECT": [("", "quazzar-mail"), ("m", "m"), ("My_mail.2-x", "My_mail.2-x")],
    "QUAZZAR_OUTBOUND_PROBE": [
        ("", ("gmail-smtp-in.l.google.com", 25)),
        ("off", None),
        ("OFF", None),
        ("mx.example.org:25", ("mx.example.org", 25)),
        ("localhost:2525", ("localhost", 2525)),
        ("192.0.2.1:25", ("192.0.2.1", 25)),
        ("[2001:db8::1]:25", ("2001:db8::1", 25)),
    ],
    "QUAZZAR_IMAGE_POSTFIX": [
        (ref, ref)
        for ref in (
            "postfix",
            "boky/postfix:v5.1.0",
            "registry.example.org:5000/a/b__c/postfix:V5_x",
            "localhost/postfix",
            "Registry.example.org/postfix",
            "[2001:db8::1]:5000/postfix",
            f"boky/postfix@sha256:{DIGEST}",
            f"boky/postfix:v5.1.0@sha256:{DIGEST}",
        )
    ],
    "QUAZZAR_DNS_RESOLVERS": [
        ("", []),
        (text := "192.0.2.53,192.0.2.54:5353,2001:db8::1,[2001:db8::1]:53", text.split(",")),
        ("[2001:db8::1]", ["[2001:db8::1]"]),
    ],
    "QUAZZAR_PUBLIC_ADDRESSES": [("203.0.113.5, 2001:db8::5", ["203.0.113.5", "2001:db8::5"])],
    "QUAZZAR_RESTORE_DAYS": [("0", 0), ("36500", 36_500)],
    "QUAZZAR_MAIL_LOG_DAYS": [("0", 0), ("36500", 36_500)],
    "QUAZZAR_REPORT_RETENTION_DAYS": [("0", 0), ("3650", 3_650)],
    "QUAZZAR_REPORT_NETWORKS": [("yes", True), ("off", False)],
    "QUAZZAR_BLOCKLISTS": [("psbl, dbl", ["psbl", "dbl"]), ("off", [])],
    "QUAZZAR_HTTPS": [("yes", True), ("0", False), ("", False), ("On", True)],
    "QUAZZAR_LOG_FORMAT": [("", ""), ("JSON", "json"), ("text", "text")],
    "REDIS_URL": [
        (url, url)
        for url in ("", "redis://h:6379/0", "rediss://u:p@h", "unix:///run/v.sock", "redis://[::1]:1")
    ],
}

#: Variable → values that are refused, separated by " | ".
REFUSED: dict[str, str] = {
    "QUAZZAR_TIME_ZONE": f"Berlin | Europe/ | ../etc/passwd | /etc/localtime | +01:00 | Europe/Nowhere | {'x' * 300}",
    "QUAZZAR_URL": "mail.example.com | ftp://mail.example.com | https:// | https://mail.example.com/admin/"
    " | https://a b | https://u:p@mail.example.com | https://mail.example.com?x=1 | https://mail.example.com:0 | https://x:port"
    " | https://[2001:db8::1 | javascript:alert(1) | https://mail.example.com#x",
    "QUAZZAR_STACK_BIND": "localhost | 127.1 | 127.0.0.1/8 | lo | 0 | 2130706433 | 0x7f000001 | 127.0.0.01 | ٠.٠.٠.٠"
    " | 127.0.0.1:25 | 127.0.0.1,192.0.2.1 | 127.0.0.1 x | :: | ::1 | [::1] | ::ffff:127.0.0.1 | fe80::1%eth0 | *"
    " | none | 224.0.0.1 | 255.255.255.255",
    "QUAZZAR_STACK_PORT_OFFSET": f"-1 | 54202 | 65000 | 1e3 | 0x10 | 20_000 | ٢ | 2.0 | yes | {'9' * 5000}",
    "QUAZZAR_STACK_PROJECT": f"My Mail | -mail | .mail | _mail | mail/x | mäil | a\nb | $x | a:b | {'m' * 101}",
    "QUAZZAR_OUTBOUND_PROBE": "foo bar | mx.example.org | mx.example.org: | :25 | mx.example.org:smtp | -x:25 | a..b:25"
    " | mx.example.org:0 | mx.example.org:65536 | mx.example.org:٢٥ | 2001:db8::1:25 | [192.0.2.1]:25 | 127.1:25"
    " | 0x7f.1:25 | smtp://mx.example.org:25 | false | no | mx.example.org:25:25",
    "QUAZZAR_IMAGE_POSTFIX": "UPPER Case | Postfix | boky/Postfix:1 | boky/postfix: | boky/postfix:a b | boky//postfix"
    " | /postfix | https://boky/postfix | boky/postfix@sha256:abc | boky/postfix@ | boky/postfix:-x | a:b:c"
    f" | -x/postfix:1 | boky/postfix:{'x' * 129} | {'a' * 401}",
    "QUAZZAR_IMAGE_DOVECOT": "dove cot",
    "QUAZZAR_IMAGE_RSPAMD": "rspamd/Rspamd",
    "QUAZZAR_DNS_RESOLVERS": "dns.example.org | 192.0.2.53: | 192.0.2.53:0 | 192.0.2.53:dns | [2001:db8::1]53 | 192.0.2"
    " | [192.0.2.1]:53 | 2001:db8::1]:53 | [2001:db8::1]: | 192.0.2.53;192.0.2.54 | 192.0.2.53:٥٣",
    "QUAZZAR_DNS_PRIMARIES": "ns.example.org | 192.0.2.53:53 | 192.0.2.0/33 | [2001:db8::1] | *",
    "QUAZZAR_PUBLIC_ADDRESSES": "mail.example.org | 203.0.113.5:25 | 203.0.113.0/24 | 0.0.0.0 | 127.0.0.1 | ::1 | ::"
    " | 224.0.0.1 | fe80::1 | 169.254.1.1",
    "QUAZZAR_CERTIFICATE_DIRS": "etc/ssl | /etc/ssl,~/certs",
    "QUAZZAR_RESTORE_DAYS": "-1 | 36501 | thirty | 1 day",
    "QUAZZAR_MAIL_LOG_DAYS": "-1 | 36501 | thirty | 1 day",
    "QUAZZAR_REPORT_RETENTION_DAYS": "-1 | 3651 | thirty | 1 day",
    "QUAZZAR_OWN_MAILBOX_DAYS": "0 | 99999999999",
    "QUAZZAR_REPORT_NETWORKS": "maybe | 2",
    "QUAZZAR_BLOCKLISTS": "psbl,sorbs | psbl;dbl",
    "QUAZZAR_BODY_RETENTION_DAYS": "-1 | 99999999999",
    "QUAZZAR_MESSAGE_RETENTION_DAYS": "0 | 99999999999",
    "QUAZZAR_GIVE_UP_HOURS": "0 | 99999999999",
    "QUAZZAR_NODE_DIGEST_HOURS": "-1 | 99999999999 | daily",
    "QUAZZAR_RELAY_CONNECTIONS": "0 | 1001",
    "QUAZZAR_HTTPS": "maybe | 2 | wahr",
    "QUAZZAR_STACK_WORKER": "maybe",
    "QUAZZAR_TRUSTED_PROXIES": "proxy.example.org | 192.0.2.1:80 | 192.0.2.0/33 | *",
    "QUAZZAR_LOG_FORMAT": "xml",
    "QUAZZAR_API_RATE": "6000 | fast | 0/min | 6000/fortnight | -1/min | 6000/min/s | 1.5/s | 6000 per min",
    "QUAZZAR_DATA_DIR": f"{SETTINGS} | {SETTINGS}/below | ~nobody-of-this-name/x",
    "QUAZZAR_SECRETS_KEY_FILE": "~nobody-of-this-name/x",
    "QUAZZAR_LICENSE_FILE": "~nobody-of-this-name/x",
    "DEBUG": "maybe",
    "REDIS_URL": "localhost:6379 | http://h | redis:/h | redis://h:port | redis://h:0 | redis://u:p/w@h",
    "DATABASE_URL": "quazzar.sqlite3 | http://h/x | postgresql://u:geheim@h:port/x",
    "DATABASE_URL_FILE": "/nowhere/x | / | /dev/null",
}


def test_what_is_understood_is_taken() -> None:
    for name, values in TAKEN.items():
        for text, meaning in values:
            with case(f"{name}={text}"):
                assert settings_with(**{name: text})[name] == meaning
    assert (
        settings_with(QUAZZAR_API_RATE="10/s")["REST_FRAMEWORK"]["DEFAULT_THROTTLE_RATES"]["principal"]
        == "10/s"
    )


@pytest.mark.slow
def test_what_is_not_understood_is_refused_by_the_name_of_its_variable() -> None:
    for name, values in REFUSED.items():
        for text in values.split(" | "):
            with case(f"{name}={text[:60]}"), pytest.raises(ImproperlyConfigured) as caught:
                settings_with(**{name: text})
            assert str(caught.value).startswith(name) and "geheim" not in str(caught.value)


def test_every_variable_of_the_product_that_can_be_wrong_is_in_the_table() -> None:
    free = {"QUAZZAR_LICENSE_PUBLIC_KEY"}  # text, PEM or a path: the licence says what is wrong with it
    read = {name for name in settings_with() if name.startswith("QUAZZAR_")} - {"QUAZZAR_BROKER_SOCKET"}
    assert read - free <= REFUSED.keys()


def test_the_highest_offset_leaves_every_port_in_being() -> None:
    assert max(port for ports in PORTS.values() for port in ports) + 54_201 == 65_535


@pytest.mark.slow
def test_manage_py_ends_with_the_sentence() -> None:
    environment = {**os.environ, "QUAZZAR_STACK_BIND": "localhost"}
    command = [sys.executable, str(ROOT / "manage.py"), "check"]
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode and "QUAZZAR_STACK_BIND must be one IPv4 address" in done.stderr.splitlines()[-1]
