"""Every shape of report that real reporters send is read, and what is hostile or broken is refused."""

from __future__ import annotations

import gzip
import json
import zipfile
from io import BytesIO

import pytest

from dnsrecords.reports import reading, tlsjson, unpacking
from dnsrecords.reports.values import DmarcReport, TlsReport, Unfit, Why
from tests.dnsrecords.reports.shapes import (
    BEGIN,
    DMARC,
    END,
    PASS,
    TLS,
    Shape,
    document,
    mail,
    record,
    tls,
    zipped,
)


@pytest.mark.parametrize("shape", DMARC, ids=lambda shape: shape.name)
def test_a_dmarc_report_is_read(shape: Shape) -> None:
    (report,) = unpacking.reports(shape.data)
    assert isinstance(report, DmarcReport)
    assert (report.organisation, report.report_id) == (shape.organisation, shape.report_id)
    assert (report.domain, report.policy) == ("example.com", shape.policy)
    assert f"{report.period.day:%Y-%m-%d}" == "2026-11-20"
    counts: dict[str, list[int]] = {}
    for each in report.records:
        counts.setdefault(each.address, [0, 0])[not each.passed] += each.count
    assert {address: tuple(numbers) for address, numbers in counts.items()} == shape.mails
    assert {each.header_from for each in report.records} == {"example.com"}
    assert {each.signer for each in report.records} >= set(shape.signers)


@pytest.mark.parametrize("shape", TLS, ids=lambda shape: shape.name)
def test_a_tls_report_is_read(shape: Shape) -> None:
    (report,) = unpacking.reports(shape.data)
    assert isinstance(report, TlsReport)
    assert (report.organisation, report.report_id) == (shape.organisation, shape.report_id)
    counts: dict[str, int] = {}
    for each in report.results:
        counts[each.result] = counts.get(each.result, 0) + each.count
    assert counts == shape.sessions
    assert {each.domain for each in report.results} == {"example.com"}


def test_there_are_enough_shapes() -> None:
    assert len(DMARC) >= 20 and len({shape.data for shape in [*DMARC, *TLS]}) == len(DMARC) + len(TLS)


def test_several_reports_in_one_zip_and_one_mail_are_all_read() -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__MACOSX/a.xml", b"rubbish")
        archive.writestr("readme.txt", b"hello")
        for number in "12":
            archive.writestr(f"{number}.xml", document(PASS, number=number))
    found = unpacking.reports(mail(packed.getvalue(), "application/zip"))
    assert [report.report_id for report in found] == ["1", "2"]


# --- what is refused ---------------------------------------------------------------------------------------
def refused(data: bytes) -> Unfit:
    with pytest.raises(Unfit) as caught:
        unpacking.reports(data)
    assert caught.value.message.endswith(".") and caught.value.hint
    return caught.value


BOMB = b"<feedback>" + b" " * (unpacking.LARGEST + 1)
LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE feedback [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
    b"<feedback><report_metadata><org_name>&b;</org_name></report_metadata></feedback>"
)
OUTSIDE = b'<!DOCTYPE feedback [<!ENTITY a SYSTEM "file:///etc/passwd">]><feedback><org_name>&a;</org_name></feedback>'


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(BOMB),
        zipped(BOMB),
        mail(gzip.compress(BOMB), "application/gzip"),
        gzip.compress(gzip.compress(BOMB)),
        BOMB,
    ],
    ids=["gzip", "zip", "mail", "twice", "plain"],
)
def test_a_bomb_is_refused_before_it_is_unpacked(data: bytes) -> None:
    assert refused(data).why is Why.TOO_LARGE


def test_many_members_share_one_limit() -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"{number}.xml", b"<feedback>" + b" " * (unpacking.LARGEST - 100))
    assert refused(packed.getvalue()).why in (Why.TOO_LARGE, Why.UNREADABLE)


@pytest.mark.parametrize(
    "data", [LAUGHS, OUTSIDE, gzip.compress(LAUGHS)], ids=["laughs", "outside", "packed"]
)
def test_entities_are_refused(data: bytes) -> None:
    assert refused(data).why is Why.UNREADABLE


@pytest.mark.parametrize(
    "data",
    [
        document(*(record("192.0.2.1") for _ in range(20_001))),
        b"<feedback>" + b"<a>" * 1000,
        tls("x", "1", *({"summary": {"total-successful-session-count": 1}} for _ in range(20_001))),
    ],
    ids=["records", "depth", "results"],
)
def test_too_many_parts_are_refused(data: bytes) -> None:
    assert refused(data).why is Why.TOO_LARGE


@pytest.mark.parametrize(
    ("begin", "end"),
    [(END, BEGIN), ("", ""), ("soon", "later"), (0, END), ("9" * 16, "9" * 16), ("nan", "inf"), ("-5", "5")],
)
def test_impossible_times_are_refused(begin: object, end: object) -> None:
    assert refused(document(PASS, begin=begin, end=end)).why is Why.DATES


@pytest.mark.parametrize(
    "data",
    [
        b"", b"hello", b"<html><body>feedback</body></html>", b"<feedback>", b"<feedback/>", b"PK\x03\x04", b"\x1f\x8b",
        gzip.compress(b"hello"), gzip.compress(document(PASS))[:60], zipped(b"hello"), zipped(document(PASS))[:80],
        document(PASS, domain="not a domain"), document(PASS)[:300], b"{}", b'{"policies": 1}', b"{" * 100_000,
        b'{"policies": [' * 50_000, b'{"organization-name": NaN, "policies": []}', json.dumps(["policies"]).encode(),
        mail(b"%PDF-1.4", "application/pdf"), gzip.compress(gzip.compress(gzip.compress(gzip.compress(document(PASS))))),
    ],
    ids=map(str, range(21)),
)  # fmt: skip
def test_what_is_no_report_is_refused_with_a_sentence(data: bytes) -> None:
    assert refused(data).why in (Why.UNREADABLE, Why.DATES)


def test_a_zip_may_have_a_member_without_a_name() -> None:
    # Python's zipfile writes none: the name is cut out of both headers.
    data = zipped(document(PASS), "x")
    local, directory = data.index(b"PK\x03\x04"), data.rindex(b"PK\x01\x02")
    nameless = bytearray(data)
    nameless[directory + 28 : directory + 30] = nameless[local + 26 : local + 28] = b"\0\0"
    nameless[directory + 30 : directory + 32] = nameless[local + 28 : local + 30] = (
        b"\1\0"  # now an extra field
    )
    assert zipfile.ZipFile(BytesIO(bytes(nameless))).infolist()[0].filename == ""
    assert len(unpacking.reports(bytes(nameless))) == 1


def test_an_encrypted_zip_is_refused_with_its_reason() -> None:
    data = bytearray(zipped(document(PASS)))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert "encrypted" in refused(bytes(data)).message


def test_a_long_name_is_cut_and_unprintable_characters_are_left_out() -> None:
    (report,) = unpacking.reports(tls("a\u202eb\x00c" + "x" * 10_000, "1", {"policy": {}, "summary": {}}))
    assert len(report.organisation) <= 255 and "\x00" not in report.organisation


# --- what would stop the worker ------------------------------------------------------------------------------
NESTED = b"".join(
    b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (level, level) for level in range(20_000)
)


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(b"") * 400_000,
        b"<feedback>" + b"<xs:schema" * 400_000,
        b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n\n" * 400_000,
        NESTED,
        b"From: "
        + b"=?utf-8?q?a?= (" * 10_000
        + b"\nContent-Type: multipart/mixed; boundary=a\n\n--a\n\n<feedback>",
        b'{"policies":[' + b"{}," * (tlsjson.LARGEST // 3) + b"{}]}",
    ],
    ids=["members of a gzip", "schemas", "parts of a mail", "mails in mails", "sender", "JSON"],
)
def test_what_takes_long_or_much_memory_to_read_is_refused(data: bytes, db: None) -> None:
    refused(data)
    assert not reading.read(data)


def test_a_zip_that_is_packed_in_an_unusual_way_is_refused() -> None:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("report.xml", document(PASS))
    assert "deflate" in refused(packed.getvalue()).message


def test_a_report_in_a_mail_that_was_forwarded_as_an_attachment_is_read() -> None:
    (report,) = unpacking.reports(mail(mail(zipped(document(PASS)), "application/zip"), "message/rfc822"))
    assert report.organisation
