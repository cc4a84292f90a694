"""POST and GET /api/mail/messages, and GET /api/mail/messages/{id}."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from mailrelay import doorbell, outbox, payload
from mailrelay.emails import MAX_BYTES, Email
from mailrelay.models import Message, RelaySettings
from tests.contract.answers import MESSAGES, error, is_time, ok, wrong

Keyed = Callable[..., Any]
KEYS = {
    "id", "status", "attempts", "next_attempt_at", "to", "subject", "source", "message_id", "last_error",
    "created_at", "sent_at",
}  # fmt: skip
MAIL: dict[str, Any] = {"to": ["ops@example.com"], "subject": "Disk", "text": "92 %"}
FULL: dict[str, Any] = {
    "to": ["Ops <ops@example.com>", "b@example.com"], "cc": ["c@example.com"], "bcc": ["hidden@example.com"],
    "subject": "Größe", "text": "92 %", "html": "<b>92 %</b>", "from_address": "Node <nas@example.net>",
    "reply_to": "desk@example.com", "headers": {"X-Node": "nas", "X-Empty": ""},
    "attachments": [
        {"filename": "dä f.txt", "content_type": "text/plain", "content_base64": "OTIg\r\nJQo="},
        {"filename": "empty.bin", "content_base64": ""},
    ],
}  # fmt: skip


def mail_of(pk: int) -> Email:
    """What the queue holds."""
    body = Message.objects.get(pk=pk).body
    assert body is not None
    email = payload.load(body.reveal())
    assert isinstance(email, Email)
    return email


# --- queueing ----------------------------------------------------------------------------------------------
def test_a_mail_is_queued(api: APIClient, relay: RelaySettings, rings: list[str]) -> None:
    answer = ok(api.post(MESSAGES, MAIL), 202)
    row = Message.objects.get()
    assert answer == {"id": row.pk, "status": "queued", "message_id": row.message_id}
    assert (row.source, row.to, row.subject, row.attempts) == ("api", ["ops@example.com"], "Disk", 0)
    assert row.message_id.startswith("<") and row.message_id.endswith("@example.org>")


def test_every_field_reaches_the_queue(api: APIClient, relay: RelaySettings) -> None:
    email = mail_of(ok(api.post(MESSAGES, FULL), 202)["id"])
    for name in FULL.keys() - {"attachments"}:
        assert getattr(email, name) == FULL[name], name
    assert [(one.filename, one.content_type, one.content) for one in email.attachments] == [
        ("dä f.txt", "text/plain", b"92 %\n"),
        ("empty.bin", "application/octet-stream", b""),
    ]
    row = Message.objects.get()
    assert row.envelope_sender == "nas@example.net"
    assert [one["address"] for one in row.recipients] == [
        "ops@example.com", "b@example.com", "c@example.com", "hidden@example.com",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["to", "cc", "bcc"])
def test_one_recipient_of_any_kind_is_enough(api: APIClient, relay: RelaySettings, name: str) -> None:
    ok(api.post(MESSAGES, {name: ["ops@example.com"]}), 202)


@pytest.mark.parametrize(
    "part",
    [
        {"subject": ""}, {"subject": "x" * 2000}, {"subject": "wörter " * 400}, {"subject": " kept "}, {"subject": "%s{}"},
        {"subject": "tab\there"}, {"text": "", "html": ""}, {"text": "\r\n.\r\n"}, {"text": "x" * 100_000},
        {"text": "🔑"}, {"from_address": "", "reply_to": ""}, {"cc": [], "bcc": [], "attachments": [], "headers": {}},
        {"to": ["ops@example.com"] * 3}, {"to": ["jörg@müller.example"]}, {"to": ['"Doe, J." <j@example.com>']},
        {"headers": {"X-Long": "word " * 300}}, {"headers": {"List-Unsubscribe": "<mailto:x@example.com>"}},
    ],
    ids=lambda part: repr(part)[:50],
)  # fmt: skip
def test_what_a_mail_may_hold_is_taken(api: APIClient, relay: RelaySettings, part: dict[str, Any]) -> None:
    email = mail_of(ok(api.post(MESSAGES, MAIL | part), 202)["id"])
    for name in part.keys() - {"attachments"}:
        assert getattr(email, name) == part[name]


# --- refusing ----------------------------------------------------------------------------------------------
ADDRESSES: list[Any] = [
    "ops@example.com", None, 5, {}, [5], [None], [""], ["  "], ["nobody"], ["a@b@c"], ["@example.com"], ["a@"],
    ["a@example.com, b@example.com"], ["a@exa mple.com"], ["a@example.com\n"], ["a@example.com\r\nBcc: b@example.com"],
    ["a@example.com\x00"], ["a" * 65 + "@example.com"], ["a@" + "x" * 300 + ".com"], ["x" * 1_000_000], [["a@example.com"]],
    ["A\u2028 <a@example.com>"], ["<a@example.com"], ["a..b@example.com"],
]  # fmt: skip
SINGLE = [
    "nobody", 5, None, [], ["a@example.com"], {}, "a@example.com\n", "a@example.com\r\nX: y", "a@b, c@d", " ",
    "x" * 10_000,
]  # fmt: skip
HEADER = [
    {"Subject": "x"}, {"to": "x@example.com"}, {"BCC": "x@example.com"}, {"From": "x@example.com"}, {"Content-Type": "x"},
    {"Message-ID": "<x@y>"}, {"DKIM-Signature": "x"}, {"Received": "x"}, {"MIME-Version": "1.0"}, {"X-A": "b\r\nBcc: c"},
    {"X-A": "b\n"}, {"X-A": "b\x00"}, {"X-A": "b\u2028"}, {"X A": "b"}, {"X:A": "b"}, {"": "b"}, {"": 5}, {"X-A\r\nB": "c"},
    {"Ü": "b"}, {"X" * 100: "b"}, {"X-A": 5}, {"X-A": None}, {"X-A": ["b"]}, {"X-A": {"b": "c"}}, {"X-A": True},
    [], "X-A: b", 5, None, [["X-A", "b"]], {f"X-{n}": "v" for n in range(101)},
]  # fmt: skip


def refused(api: APIClient, part: dict[str, Any]) -> list[str]:
    found = list(wrong(api.post(MESSAGES, MAIL | part)))
    assert not Message.objects.exists()
    return found


@pytest.mark.parametrize("name", ["to", "cc", "bcc"])
@pytest.mark.parametrize("value", ADDRESSES, ids=[repr(value)[:40] for value in ADDRESSES])
def test_recipients_that_cannot_be_are_refused(
    api: APIClient, relay: RelaySettings, name: str, value: Any
) -> None:
    assert refused(api, {name: value}) == [name]


@pytest.mark.parametrize("name", ["from_address", "reply_to"])
@pytest.mark.parametrize("value", SINGLE, ids=[repr(value)[:40] for value in SINGLE])
def test_an_address_that_cannot_be_is_refused(
    api: APIClient, relay: RelaySettings, name: str, value: Any
) -> None:
    assert refused(api, {name: value}) == [name]


@pytest.mark.parametrize("value", HEADER, ids=[repr(value)[:40] for value in HEADER])
def test_headers_that_cannot_be_are_refused(api: APIClient, relay: RelaySettings, value: Any) -> None:
    assert refused(api, {"headers": value}) == ["headers"]


@pytest.mark.parametrize(
    "value", [5, None, [], {}, True, "a\r\nBcc: b", "a\n", "a\x00", "a\u2029b", "x" * 10_001, "x" * 10**6]
)
def test_a_subject_that_cannot_be_is_refused(api: APIClient, relay: RelaySettings, value: Any) -> None:
    assert refused(api, {"subject": value}) == ["subject"]


@pytest.mark.parametrize("name", ["text", "html"])
@pytest.mark.parametrize("value", [5, None, [], {}, "a\x00b"])
def test_a_text_that_cannot_be_is_refused(
    api: APIClient, relay: RelaySettings, name: str, value: Any
) -> None:
    assert refused(api, {name: value}) == [name]


@pytest.mark.parametrize(
    "part",
    [
        {"filename": "a\r\nb"}, {"filename": "a\n"}, {"filename": "a\x00"}, {"filename": ""}, {"filename": " "},
        {"filename": None}, {"filename": 5}, {"filename": "x" * 256}, {"content_type": "text"}, {"content_type": ""},
        {"content_type": "text/plain\r\nX: y"}, {"content_type": None}, {"content_type": 5},
        {"content_type": "multipart/mixed"}, {"content_base64": "???"}, {"content_base64": "YQ"},
        {"content_base64": "é"}, {"content_base64": None}, {"content_base64": 5}, {"content_base64": ["YQ=="]},
        {"content_base64": "YQ==YQ=="}, {"content_base64": "_-8="}, {"content": "x"},
    ],
    ids=repr,
)  # fmt: skip
def test_an_attachment_that_cannot_be_is_refused(
    api: APIClient, relay: RelaySettings, part: dict[str, Any]
) -> None:
    good = {"filename": "a.txt", "content_type": "text/plain", "content_base64": "YQ=="}
    assert refused(api, {"attachments": [good, good | part]}) == ["attachments"]


@pytest.mark.parametrize(
    "value", ["x", 5, None, {}, [5], [None], ["x"], [[]], [{}], [{"filename": "a"}], [{}] * 101]
)
def test_attachments_of_another_shape_are_refused(api: APIClient, relay: RelaySettings, value: Any) -> None:
    assert refused(api, {"attachments": value}) == ["attachments"]


def test_a_mail_to_nobody_is_refused(api: APIClient, relay: RelaySettings) -> None:
    assert list(wrong(api.post(MESSAGES, {}))) == ["to"]
    assert list(wrong(api.post(MESSAGES, {"to": [], "cc": [], "subject": "x"}))) == ["to"]


def test_five_hundred_recipients_are_taken_and_one_more_is_not(api: APIClient, relay: RelaySettings) -> None:
    many = [f"u{number}@example.com" for number in range(501)]
    assert list(wrong(api.post(MESSAGES, {"to": many}))) == ["to"]
    assert list(wrong(api.post(MESSAGES, {"to": many[:250], "bcc": many[250:]}))) == ["to"]
    ok(api.post(MESSAGES, {"to": many[:250], "bcc": many[250:500]}), 202)


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


@pytest.mark.parametrize(
    "name", ["body", "status", "id", "source", "idempotency_key", "message_id", "From", "to "]
)
def test_an_unknown_field_is_refused(api: APIClient, relay: RelaySettings, name: str) -> None:
    assert refused(api, {name: "x"}) == [name]


@pytest.mark.parametrize(
    "raw", [b"[]", b'"x"', b"null", b"{", b'{"to": ["a@example.com"], "subject": "\\ud800"}']
)
def test_what_is_no_mail_is_400(api: APIClient, relay: RelaySettings, raw: bytes) -> None:
    response = api.generic("POST", MESSAGES, raw, content_type="application/json")
    error(response, 400, response.json()["error"])
    assert not Message.objects.exists()


def test_without_a_relay_it_is_409_but_a_wrong_mail_is_told_first(api: APIClient, rings: list[str]) -> None:
    error(api.post(MESSAGES, MAIL), 409, "relay_not_configured")
    wrong(api.post(MESSAGES, MAIL | {"headers": {"Bcc": "x"}}))
    RelaySettings.objects.create(pk=1, host="")
    error(api.post(MESSAGES, MAIL), 409, "relay_not_configured")
    assert not Message.objects.exists()
    assert not rings


def test_the_longest_from_address_is_taken(api: APIClient, relay: RelaySettings) -> None:
    longest = "a@" + ".".join(["x" * 62] * 4)
    ok(api.post(MESSAGES, MAIL | {"from_address": longest}), 202)
    limit = Message._meta.get_field("message_id").max_length  # PostgreSQL would refuse the row
    assert limit is not None and len(Message.objects.get().message_id) <= limit


def test_a_lost_key_does_not_keep_new_mail_out(
    api: APIClient, relay: RelaySettings, settings: Any, tmp_path: Any
) -> None:
    ok(api.post(MESSAGES, MAIL), 202)
    settings.QUAZZAR_SECRETS_KEY_FILE = tmp_path / "other.key"
    ok(api.post(MESSAGES, MAIL), 202)
    assert ok(api.get(MESSAGES))["count"] == 2


# --- durable -----------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_the_doorbell_rings_after_the_commit(
    api: APIClient,
    relay: RelaySettings,
    monkeypatch: pytest.MonkeyPatch,
    at_once: Any,
    headers: dict[str, str],
) -> None:
    seen: list[tuple[bool, int]] = []

    def ring() -> None:
        (elsewhere,) = at_once(1, Message.objects.count)
        seen.append((connection.in_atomic_block, elsewhere))

    monkeypatch.setattr(doorbell, "ring", ring)
    ok(api.post(MESSAGES, MAIL, headers=headers), 202)
    assert seen == [(False, 1)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
def test_a_mail_that_was_answered_is_in_the_database(
    api: APIClient, relay: RelaySettings, headers: dict[str, str]
) -> None:
    answer = ok(api.post(MESSAGES, MAIL, headers=headers), 202)
    connections.close_all()  # as a killed process does
    assert Message.objects.get(pk=answer["id"]).status == "queued"


@pytest.mark.django_db(transaction=True)
def test_a_mail_that_could_not_be_stored_rings_nobody(
    api: APIClient, relay: RelaySettings, rings: list[str], keyed: Keyed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr("quazzar.api.idempotency._finish", fail)
    api.raise_request_exception = False
    error(keyed(MESSAGES, MAIL), 500, "internal_error")
    assert not Message.objects.exists()
    assert rings == []


# --- once --------------------------------------------------------------------------------------------------
@pytest.mark.django_db(transaction=True)
def test_the_same_key_and_body_is_one_mail(keyed: Keyed, relay: RelaySettings, rings: list[str]) -> None:
    first, again = keyed(MESSAGES, MAIL), keyed(MESSAGES, dict(reversed(MAIL.items())))
    assert ok(first, 202) == ok(again, 202)
    assert Message.objects.count() == len(rings) == 1


def test_the_same_key_with_another_body_is_a_conflict(keyed: Keyed, relay: RelaySettings) -> None:
    keyed(MESSAGES, MAIL)
    error(keyed(MESSAGES, MAIL | {"text": "93 %"}), 409, "idempotency_conflict")
    assert Message.objects.count() == 1


def test_what_was_refused_may_be_mended_under_the_same_key(keyed: Keyed, relay: RelaySettings) -> None:
    wrong(keyed(MESSAGES, MAIL | {"to": ["nobody"]}))
    ok(keyed(MESSAGES, MAIL), 202)


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_with_one_key_are_one_mail(
    keyed: Keyed, relay: RelaySettings, rings: list[str], at_once: Any
) -> None:
    answers = at_once(8, lambda: keyed(MESSAGES, MAIL))
    assert len({ok(answer, 202)["id"] for answer in answers}) == 1
    assert Message.objects.count() == len(rings) == 1


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_without_a_key_are_eight(api: APIClient, relay: RelaySettings, at_once: Any) -> None:
    answers = at_once(8, lambda: api.post(MESSAGES, MAIL))
    assert len({ok(answer, 202)["message_id"] for answer in answers}) == 8


# --- reading -----------------------------------------------------------------------------------------------
def failed() -> Message:
    """A message that was refused for one of its recipients."""
    told = [
        {"address": "ops@example.com", "status": "sent"},
        {"address": "bad@example.com", "status": "failed", "code": 550, "message": "No such user"},
    ]
    return Message.objects.create(
        status="failed", source="alert", attempts=3, next_attempt_at=None, message_id="<1@example.com>", subject="Disk",
        to=["ops@example.com"], recipients=told, last_error={"stage": "recipient", "code": 550, "message": "No"},
    )  # fmt: skip


def test_a_queued_message_is_shown_with_these_keys(api: APIClient, relay: RelaySettings) -> None:
    queued = ok(api.post(MESSAGES, FULL), 202)
    shown = ok(api.get(f"{MESSAGES}/{queued['id']}"))
    assert shown.keys() == KEYS | {"recipients"}
    assert {name: shown[name] for name in queued} == queued
    assert (shown["attempts"], shown["source"], shown["last_error"], shown["sent_at"]) == (
        0,
        "api",
        None,
        None,
    )
    assert (shown["to"], shown["subject"]) == (FULL["to"], FULL["subject"])
    assert is_time(shown["created_at"]) and is_time(shown["next_attempt_at"])


def test_the_list_shows_the_same_without_recipients(api: APIClient, relay: RelaySettings) -> None:
    queued = ok(api.post(MESSAGES, MAIL), 202)
    (row,) = ok(api.get(MESSAGES))["results"]
    assert row.keys() == KEYS
    shown = ok(api.get(f"{MESSAGES}/{queued['id']}"))
    assert row == {name: shown[name] for name in KEYS}


def test_a_failed_message_says_why(api: APIClient) -> None:
    shown = ok(api.get(f"{MESSAGES}/{failed().pk}"))
    assert shown["last_error"] == {"stage": "recipient", "code": 550, "message": "No"}
    assert shown["next_attempt_at"] is None
    assert shown["recipients"] == [
        {"address": "ops@example.com", "status": "sent", "code": None, "message": ""},
        {"address": "bad@example.com", "status": "failed", "code": 550, "message": "No such user"},
    ]


def test_a_sent_message_has_reached_everybody(api: APIClient, queued: Any) -> None:
    row = queued()
    outbox.claim("me", 1)
    outbox.record_sent("me", [row.pk])
    shown = ok(api.get(f"{MESSAGES}/{row.pk}"))
    assert shown["status"] == "sent"
    assert is_time(shown["sent_at"])
    assert [one["status"] for one in shown["recipients"]] == ["sent"]


@pytest.mark.parametrize("path", [MESSAGES, f"{MESSAGES}/{{}}"])
def test_no_answer_shows_a_body(api: APIClient, relay: RelaySettings, path: str) -> None:
    secret = {"text": "s3cret text", "html": "<p>s3cret html</p>", "headers": {"X-A": "s3cret header"}}
    content = base64.b64encode(b"s3cret file").decode()
    files = [{"filename": "s3cret.txt", "content_base64": content}]
    pk = ok(api.post(MESSAGES, MAIL | secret | {"attachments": files}), 202)["id"]
    shown = api.get(path.format(pk)).content.decode()
    assert "Disk" in shown
    assert "s3cret" not in shown and content not in shown


@pytest.mark.parametrize(
    "name",
    [
        "abc",
        "0",
        "-1",
        "1.5",
        "99999999999999999999",
        "9" * 5000,
        "9223372036854775807",
        "9223372036854775808",
        "%00",
        "1/",
        "٣",
        "1e3",
        " 1",
    ],
)
@pytest.mark.parametrize("method", ["get", "head", "patch", "delete", "post"])
def test_a_message_that_is_not_there_is_404_or_405(api: APIClient, name: str, method: str) -> None:
    response = getattr(api, method)(f"{MESSAGES}/{name}")
    assert response.status_code in ({404} if method in ("get", "head") else {404, 405})
    if method != "head":
        error(
            response,
            response.status_code,
            "not_found" if response.status_code == 404 else "method_not_allowed",
        )


@pytest.mark.parametrize("method", ["put", "patch", "delete", "post"])
def test_a_message_is_only_read(api: APIClient, method: str) -> None:
    error(getattr(api, method)(f"{MESSAGES}/{failed().pk}"), 405, "method_not_allowed")


def test_head_and_options_are_answered(api: APIClient) -> None:
    path = f"{MESSAGES}/{failed().pk}"
    assert [api.head(one).status_code for one in (MESSAGES, path)] == [200, 200]
    assert set(api.options(MESSAGES)["Allow"].split(", ")) == {"GET", "POST", "HEAD", "OPTIONS"}
    assert set(api.options(path)["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
