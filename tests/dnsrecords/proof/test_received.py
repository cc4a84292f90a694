"""Received fields as servers write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dnsrecords.proof.judging import chain, received

TEN = datetime(2026, 11, 30, 10, 0, tzinfo=UTC)

#: field → by, name, ip, TLS version, encrypted
FORMS = {
    "Postfix": (
        "from mail.a.example (mail.a.example [192.0.2.1])"
        " (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)"
        " key-exchange X25519 server-signature RSA-PSS (2048 bits)) (No client certificate requested)"
        " by mx.b.example (Postfix) with ESMTPS id 4F2 for <x@b.example>; Mon, 30 Nov 2026 11:00:00 +0100 (CET)",
        ("mx.b.example", "mail.a.example", "192.0.2.1", "1.3", True),
    ),
    "Postfix, unencrypted": (
        "from mail.a.example (unknown [IPv6:2001:db8::1]) by mx.b.example (Postfix) with ESMTP id 4F2;"
        " Mon, 30 Nov 2026 10:00:00 +0000 (UTC)",
        ("mx.b.example", "", "2001:db8::1", "", False),
    ),
    "Exim": (
        "from mail.a.example ([192.0.2.1] helo=greets.example) by mx.b.example with esmtps  (TLS1.3)"
        " tls TLS_AES_256_GCM_SHA384 (Exim 4.96) (envelope-from <a@a.example>) id 1abc-000;"
        " Mon, 30 Nov 2026 10:00:00 +0000",
        ("mx.b.example", "mail.a.example", "192.0.2.1", "1.3", True),
    ),
    "Exim, without a name": (
        "from [192.0.2.1] (helo=greets.example) by mx.b.example with esmtp (Exim 4.96) id 1;"
        " Mon, 30 Nov 2026 10:00:00 +0000",
        ("mx.b.example", "", "192.0.2.1", "", False),
    ),
    "Gmail": (
        "from mail.a.example (mail.a.example. [192.0.2.1]) by mx.google.com with ESMTPS id z4si1 for <a@gmail.com>"
        " (version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384 bits=256/256); Mon, 30 Nov 2026 02:00:00 -0800 (PST)",
        ("mx.google.com", "mail.a.example", "192.0.2.1", "1.3", True),
    ),
    "Gmail, inside": (
        "by 2002:a05:6402:50d4:b0:66d with SMTP id h20csp; Mon, 30 Nov 2026 02:00:00 -0800 (PST)",
        ("2002:a05:6402:50d4:b0:66d", "", "", "", False),
    ),
    "Outlook": (
        "from mail.a.example (192.0.2.1) by AM6EUR05FT048.mail.protection.outlook.com (10.233.240.1)"
        " with Microsoft SMTP Server (version=TLS1_2, cipher=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384) id 15.20.1"
        " via Frontend Transport; Mon, 30 Nov 2026 10:00:00 +0000",
        ("am6eur05ft048.mail.protection.outlook.com", "", "192.0.2.1", "1.2", True),
    ),
    "Exchange, unencrypted": (
        "from EX1.a.example (192.0.2.1) by EX2.b.example (10.0.0.2) with Microsoft SMTP Server id 15.1.2;"
        " Mon, 30 Nov 2026 10:00:00 +0000",
        ("ex2.b.example", "", "192.0.2.1", "", False),
    ),
    "Sendmail": (
        "from mail.a.example (mail.a.example [192.0.2.1]) by mx.b.example (8.15.2/8.15.2) with ESMTPS id x1"
        " (version=TLSv1.2 cipher=ECDHE-RSA-AES256-GCM-SHA384 bits=256 verify=NO) for <x@b.example>;"
        " Mon, 30 Nov 2026 10:00:00 GMT",
        ("mx.b.example", "mail.a.example", "192.0.2.1", "1.2", True),
    ),
    "qmail": (
        "from unknown (HELO mail.a.example) (192.0.2.1) by 0 with SMTP; 30 Nov 2026 10:00:00 -0000",
        ("0", "", "192.0.2.1", "", False),
    ),
    "qmail with TLS": (
        "from mail.a.example (192.0.2.1) by mx.b.example with (TLS_AES_256_GCM_SHA384 encrypted) ESMTPS;"
        " 30 Nov 2026 10:00:00 -0000",
        ("mx.b.example", "", "192.0.2.1", "", True),
    ),
    "qmail, inside": (
        "(qmail 1234 invoked from network); 30 Nov 2026 10:00:00 -0000",
        ("", "", "", "", None),
    ),
    "Yahoo": (
        "from 127.0.0.1  (EHLO mail.a.example) (192.0.2.1) by atlas1.mail.bf1.yahoo.com with SMTPs"
        " (version=TLS1_2 cipher=X_Y); Mon, 30 Nov 2026 10:00:00 +0000",
        ("atlas1.mail.bf1.yahoo.com", "", "192.0.2.1", "1.2", True),
    ),
    "Amazon SES": (
        "from mail.a.example (mail.a.example [192.0.2.1]) by inbound-smtp.us-east-1.amazonaws.com with SMTP id abc"
        " for x@b.example; Mon, 30 Nov 2026 10:00:00 +0000 (UTC)",
        ("inbound-smtp.us-east-1.amazonaws.com", "mail.a.example", "192.0.2.1", "", False),
    ),
    "SendGrid": (
        "by filter0123p1las1.sendgrid.net with SMTP id filter0123; 2026-11-30 10:00:00.123456789 +0000 UTC m=+1234.5",
        ("filter0123p1las1.sendgrid.net", "", "", "", False),
    ),
    "Dovecot": (
        "from mail.b.example ([172.18.0.3]) by 4c2f with LMTP id abc (envelope-from <a@a.example>) for <x@b.example>;"
        " Mon, 30 Nov 2026 10:00:00 +0000",
        ("4c2f", "", "172.18.0.3", "", False),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_server_s_own_way_of_writing_is_read(form: str) -> None:
    field, expected = FORMS[form]
    hop = received.read(field)
    assert (hop.by, hop.name, hop.ip, hop.tls, hop.encrypted) == expected
    assert hop.at is not None and hop.at.replace(microsecond=0) == TEN


@pytest.mark.parametrize(
    "text", ["", ";", "from", "(((", ")" * 99, "from (helo= [", "by x with; y; z", "\0" * 5_000]
)
def test_what_is_no_field_is_read_as_little(text: str) -> None:
    assert received.read(text).at is None


# --- where the mail crossed over ---------------------------------------------------------------------------
def hops(*fields: str) -> list[received.Hop]:
    """Hops from (name, ip, by), the first one first."""
    read = []
    for field in fields:
        name, ip, by = field.split(" ")
        read.append(
            received.read(
                f"from {name} ({name} [{ip}]) by {by} with ESMTPS id 1; Mon, 30 Nov 2026 10:00:00 +0000"
            )
        )
    return read


WAY = (
    "node.a.example 203.0.113.9 smtp.relay.example",
    "in.relay.example 10.1.1.1 out.relay.example",
    "out.relay.example 198.51.100.7 mx1.b.example",
    "mx1.b.example 192.0.2.7 store.b.example",
)


def test_the_recipient_s_mail_server_is_the_door() -> None:
    cut = chain.cut(hops(*WAY), exchangers=["mx2.b.example"])
    assert cut.door is not None and cut.door.ip == "198.51.100.7"
    assert [hop.by for hop in cut.before] == ["smtp.relay.example", "out.relay.example"]
    assert [hop.by for hop in cut.after] == ["store.b.example"]


def test_the_address_that_the_receiving_side_names_counts_most() -> None:
    cut = chain.cut(hops(*WAY), client="198.51.100.7", exchangers=["spamfilter.example"])
    assert cut.door is not None and cut.door.by == "mx1.b.example"


def test_without_either_it_is_the_last_server_that_got_it_from_somebody_else() -> None:
    cut = chain.cut(hops(*WAY))
    assert cut.door is not None and cut.door.by == "mx1.b.example"
    assert chain.cut(hops("in.relay.example 10.1.1.1 out.relay.example")).door is None


@pytest.mark.parametrize(
    ("one", "other", "related"),
    [
        ("mx1.b.example", "store.b.example", True),
        ("mx.google.com", "gmail-smtp-in.l.google.com", True),
        ("b.example", "b.example", True),
        ("a.co.uk", "b.co.uk", False),
        ("mail.a.co.uk", "mx.a.co.uk", True),
        ("mail.a.co.uk", "mx.b.co.uk", False),
        ("a.example", "b.example", False),
        ("", "b.example", False),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
def test_hosts_of_one_operator_are_told_by_their_names(one: str, other: str, related: bool) -> None:
    assert chain.are_related(one, other) is related
