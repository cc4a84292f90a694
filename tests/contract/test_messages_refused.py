"""POST /api/mail/messages: what is refused, and by which field."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from rest_framework.test import APIClient

from mailrelay.mail.emails import MAX_BYTES
from mailrelay.models import Message, RelaySettings
from tests.contract.answers import MESSAGES, error, ok, wrong

MAIL: dict[str, Any] = {"to": ["ops@example.com"], "subject": "Disk", "text": "92 %"}
# --- refusing ----------------------------------------------------------------------------------------------
ADDRESSES: list[Any] = [
    "ops@example.com", None, 5, {}, [5], [None], [""], ["  "], ["nobody"], ["a@b@c"], ["@example.com"],
    ["a@"],
    ["a@example.com, b@example.com"], ["a@exa mple.com"], ["a@example.com\n"],
    ["a@example.com\r\nBcc: b@example.com"],
    ["a@example.com\x00"], ["a" * 65 + "@example.com"], ["a@" + "x" * 300 + ".com"], ["x" * 1_000_000],
    [["a@example.com"]],
    ["A\u2028 <a@example.com>"], ["<a@example.com"], ["a..b@example.com"],
]  # fmt: skip
SINGLE = [
    "nobody", 5, None, [], ["a@example.com"], {}, "a@example.com\n", "a@example.com\r\nX: y", "a@b, c@d", " ",
    "x" * 10_000,
]  # fmt: skip
HEADER = [
    {"Subject": "x"}, {"to": "x@example.com"}, {"BCC": "x@example.com"}, {"From": "x@example.com"},
    {"Content-Type": "x"},
    {"Message-ID": "<x@y>"}, {"DKIM-Signature": "x"}, {"Received": "x"}, {"MIME-Version": "1.0"},
    {"X-A": "b\r\nBcc: c"},
    {"X-A": "b\n"}, {"X-A": "b\x00"}, {"X-A": "b\u2028"}, {"X A": "b"}, {"X:A": "b"}, {"": "b"}, {"": 5},
    {"X-A\r\nB": "c"},
    {"Ü": "b"}, {"X" * 100: "b"}, {"X-A": 5}, {"X-A": None}, {"X-A": ["b"]}, {"X-A": {"b": "c"}},
    {"X-A": True},
    {"List-Unsubscribe": "<https://example.com/" + "x" * 1500 + ">"}, {"References": "<" + "x" * 1000 + ">"},
    {"Errors-To": "a b@example.com"},
    [], "X-A: b", 5, None, [["X-A", "b"]], {f"X-{n}": "v" for n in range(101)},
]  # fmt: skip


def refused(api: APIClient, part: dict[str, Any]) -> list[str]:
    found = list(wrong(api.post(MESSAGES, MAIL | part)))
    assert not Message.objects.exists()
    return found


@pytest.mark.slow
def test_recipients_that_cannot_be_are_refused(
    api: APIClient, relay: RelaySettings, subtests: pytest.Subtests
) -> None:
    for value in ADDRESSES:
        for name in ["to", "cc", "bcc"]:
            with subtests.test(ascii((value, name))[:80]):
                assert refused(api, {name: value}) == [name]


def test_an_address_that_cannot_be_is_refused(
    api: APIClient, relay: RelaySettings, subtests: pytest.Subtests
) -> None:
    for value in SINGLE:
        for name in ["from_address", "reply_to"]:
            with subtests.test(ascii((value, name))[:80]):
                assert refused(api, {name: value}) == [name]


@pytest.mark.slow
def test_headers_that_cannot_be_are_refused(
    api: APIClient, relay: RelaySettings, subtests: pytest.Subtests
) -> None:
    for value in HEADER:
        with subtests.test(ascii(value)[:80]):
            assert refused(api, {"headers": value}) == ["headers"]


def test_a_subject_that_cannot_be_is_refused(
    api: APIClient, relay: RelaySettings, subtests: pytest.Subtests
) -> None:
    values: list[Any] = [
        5,
        None,
        [],
        {},
        True,
        "a\r\nBcc: b",
        "a\n",
        "a\x00",
        "a\u2029b",
        "x" * 10_001,
        "x" * 10**6,
    ]
    for value in values:
        with subtests.test(ascii(value)[:80]):
            assert refused(api, {"subject": value}) == ["subject"]


def test_a_text_that_cannot_be_is_refused(
    api: APIClient, relay: RelaySettings, subtests: pytest.Subtests
) -> None:
    values: list[Any] = [5, None, [], {}, "a\x00b"]
    for value in values:
        for name in ["text", "html"]:
            with subtests.test(ascii((value, name))[:80]):
                assert refused(api, {name: value}) == [name]


@pytest.mark.slow
def test_an_attachment_that_cannot_be_is_refused(
    api: APIClient, relay: RelaySettings, subtests: pytest.Subtests
) -> None:
    values: list[Any] = [
        {"filename": "a\r\nb"},
        {"filename": "a\n"},
        {"filename": "a\x00"},
        {"filename": ""},
        {"filename": " "},
        {"filename": None},
        {"filename": 5},
        {"filename": "x" * 256},
        {"content_type": "text"},
        {"content_type": ""},
        {"content_type": "text/plain\r\nX: y"},
        {"content_type": None},
        {"content_type": 5},
        {"content_type": "multipart/mixed"},
        {"content_type": "text/calendar; method"},
        {"content_type": "text/calendar; method=a\rb"},
        {"content_base64": "???"},
        {"content_base64": "YQ"},
        {"content_base64": "é"},
        {"content_base64": None},
        {"content_base64": 5},
        {"content_base64": ["YQ=="]},
        {"content_base64": "YQ==YQ=="},
        {"content_base64": "_-8="},
        {"content": "x"},
    ]
    for part in values:
        with subtests.test(ascii(part)[:80]):
            good = {"filename": "a.txt", "content_type": "text/plain", "content_base64": "YQ=="}
            assert refused(api, {"attachments": [good, good | part]}) == ["attachments"]


def test_attachments_of_another_shape_are_refused(
    api: APIClient, relay: RelaySettings, subtests: pytest.Subtests
) -> None:
    for value in ["x", 5, None, {}, [5], [None], ["x"], [[]], [{}], [{"filename": "a"}], [{}] * 101]:
        with subtests.test(ascii(value)[:80]):
            assert refused(api, {"attachments": value}) == ["attachments"]


def test_a_mail_to_nobody_is_refused(api: APIClient, relay: RelaySettings) -> None:
    assert list(wrong(api.post(MESSAGES, {}))) == ["to"]
    assert list(wrong(api.post(MESSAGES, {"to": [], "cc": [], "subject": "x"}))) == ["to"]


def test_five_hundred_recipients_are_taken_and_one_more_is_not(api: APIClient, relay: RelaySettings) -> None:
    many = [f"u{number}@example.com" for number in range(501)]
    assert list(wrong(api.post(MESSAGES, {"to": many}))) == ["to"]
    assert list(wrong(api.post(MESSAGES, {"to": many[:250], "bcc": many[250:]}))) == ["to"]
    ok(api.post(MESSAGES, {"to": many[:250], "bcc": many[250:500]}), 202)


@pytest.mark.slow
def test_twenty_five_mib_are_taken_and_more_is_not(api: APIClient, relay: RelaySettings) -> None:
    def sized(size: int) -> Any:
        content = base64.b64encode(bytes(size)).decode()
        return api.post(
            MESSAGES,
            {"to": ["ops@example.com"], "attachments": [{"filename": "a", "content_base64": content}]},
        )

    assert list(wrong(sized(MAX_BYTES + 1))) == ["attachments"]
    ok(sized(MAX_BYTES), 202)


def test_which_item_is_wrong_is_said(api: APIClient, relay: RelaySettings) -> None:
    found = wrong(api.post(MESSAGES, {"to": ["a@example.com", "nobody"], "cc": [5], "subject": 5, "nope": 1}))
    assert found.keys() == {"to", "cc", "subject", "nope"}
    assert found["to"][0].startswith("Item 2: 'nobody' is not a mail address")


def test_an_unknown_field_is_refused(api: APIClient, relay: RelaySettings, subtests: pytest.Subtests) -> None:
    for name in ["body", "status", "id", "source", "idempotency_key", "message_id", "From", "to "]:
        with subtests.test(ascii(name)[:80]):
            assert refused(api, {name: "x"}) == [name]


def test_without_a_relay_it_is_409_but_a_wrong_mail_is_told_first(api: APIClient, rings: list[str]) -> None:
    error(api.post(MESSAGES, MAIL), 409, "relay_not_configured")
    wrong(api.post(MESSAGES, MAIL | {"headers": {"Bcc": "x"}}))
    RelaySettings.objects.create(pk=1, host="")
    error(api.post(MESSAGES, MAIL), 409, "relay_not_configured")
    assert not Message.objects.exists()
    assert not rings


def test_very_many_wrong_addresses_are_one_sentence(api: APIClient) -> None:
    told = api.post("/api/mail/messages", {"to": ["x"] * 20_000, "subject": "Hello", "text": "x"})
    assert told.status_code == 400
    assert told.json()["fields"] == {"to": ["Ensure this field has no more than 500 elements."]}
