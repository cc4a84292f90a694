"""The sealed form of a queued mail."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrelay.mail import payload
from mailrelay.mail.emails import Attachment, Email

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.slow
@given(TEXT, TEXT, st.dictionaries(TEXT, TEXT), st.lists(st.tuples(TEXT, st.binary(), TEXT)))
def test_an_email_comes_out_as_it_went_in(
    subject: str, text: str, headers: dict[str, str], files: list[tuple[str, bytes, str]]
) -> None:
    attachments = [
        Attachment(filename=name, content=content, content_type=kind) for name, content, kind in files
    ]
    email = Email(
        to=["a@b.c"],
        bcc=["ö@b.c"],
        subject=subject,
        text=text,
        html=text,
        from_address="N <n@b.c>",
        reply_to="r@b.c",
        headers=headers,
        attachments=attachments,
    )
    assert payload.load(payload.from_email(email)) == replace(email, cc=[])


def test_a_single_string_stays_one_recipient() -> None:
    loaded = payload.load(payload.from_email(Email(to="ops@example.com")))
    assert isinstance(loaded, Email) and loaded.to == ["ops@example.com"]


@given(st.binary())
def test_raw_bytes_come_out_as_they_went_in(data: bytes) -> None:
    assert payload.load(payload.from_raw(data)) == data


def test_what_is_no_payload_is_a_value_error(subtests: pytest.Subtests) -> None:
    for data in [
        b"",
        b"X",
        b"E",
        b"E{}",
        b"E[]",
        b"Enull",
        b'E{"attachments":[[1]]}',
        b'E{"attachments":[],"shape":1}',
        b'E{"attachments":[["a","b","!"]]}',
        b"E\xff",
        b'E{"attachments":7}',
    ]:
        with subtests.test(data=data), pytest.raises(ValueError):
            payload.load(data)


@given(st.binary())
def test_any_bytes_load_or_are_a_value_error(data: bytes) -> None:
    try:
        payload.load(b"E" + data)
    except ValueError:
        pass
