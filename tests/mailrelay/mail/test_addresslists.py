"""Address lists as programs write them."""

from __future__ import annotations

import pytest

from mailrelay.mail import addresslists, encodedwords

NODES = {"localhost", "node7"}


def test_lists_are_parsed(subtests: pytest.Subtests) -> None:
    for text, expected in [
        ("root", [("", "root")]),
        ("root (Cron Daemon)", [("Cron Daemon", "root")]),
        ("Cron Daemon <root>", [("Cron Daemon", "root")]),
        ("a@example.com, b@example.com", [("", "a@example.com"), ("", "b@example.com")]),
        ('"Doe, Jane" <jane@example.com>,', [("Doe, Jane", "jane@example.com")]),
        ('"say \\"hi\\"" <a@example.com>', [('say "hi"', "a@example.com")]),
        ('"a b"@example.com', [("", '"a b"@example.com')]),
        ("ops: a@example.com, b@example.com; c@example.com", [("", f"{x}@example.com") for x in "abc"]),
        ("undisclosed-recipients:;", []),
        ("a@[IPv6:2001:db8::1]", [("", "a@[IPv6:2001:db8::1]")]),
        (
            "a@example.com (nested (it's \"one), comment)",
            [("nested (it's \"one), comment", "a@example.com")],
        ),
        ("<@old.example,@route.example:a@example.com>", [("", "a@example.com")]),
        ("=?utf-8?q?J=C3=BCrgen?= <j@example.com>", [("Jürgen", "j@example.com")]),
        ("Jürgen <j@example.com>", [("Jürgen", "j@example.com")]),
        ("", []),
        (" , ,", []),
    ]:
        with subtests.test(text=text, expected=expected):
            assert [(mailbox.name, mailbox.address) for mailbox in addresslists.parse(text)] == expected


def test_what_could_be_read_in_two_ways_is_no_address(subtests: pytest.Subtests) -> None:
    for text in ["<a@example.com> <b@example.com>", "<a@example.com", "John Doe", "<>", "a@@b"]:
        with subtests.test(text=text):
            (mailbox,) = addresslists.parse(text)
            with pytest.raises(ValueError, match="not a mail address"):
                addresslists.checked(mailbox.address)


def test_an_unclosed_comment_hides_the_rest() -> None:
    assert [str(mailbox) for mailbox in addresslists.parse("a@example.com (b, c@example.com")] == [
        "b, c@example.com <a@example.com>"
    ]


def test_people_of_the_node_are_local(subtests: pytest.Subtests) -> None:
    for address in ["root", "root@localhost", "root@LOCALHOST.", "root@node7"]:
        with subtests.test(address=address):
            assert addresslists.is_local(address, NODES)


@pytest.mark.parametrize("address", ["root@example.com", "root@node7.example.com", "root@intranet"])
def test_people_elsewhere_are_not_local(address: str) -> None:
    assert not addresslists.is_local(address, NODES)


def test_a_name_without_a_domain_passes_and_an_address_is_normalised() -> None:
    assert addresslists.checked("root") == "root"
    assert addresslists.checked("Ops@EXAMPLE.com") == "Ops@example.com"


def test_what_is_no_name_and_no_address_is_refused(subtests: pytest.Subtests) -> None:
    for address in ["", "root\nBcc: x", "ro ot", "a@b@", "root\x00"]:
        with subtests.test(address=address), pytest.raises(ValueError, match="address"):
            addresslists.checked(address)


def test_header_text_is_decoded_for_display(subtests: pytest.Subtests) -> None:
    for raw, shown in [
        ("=?utf-8?b?TcO8bGw=?= x", "Müll x"),
        ("=?nonsense?q?a?=", "=?nonsense?q?a?="),
        ("=?utf-8?b?///?=", "=?utf-8?b?///?="),
        ("=?ütf-8?q?a?=", "=?ütf-8?q?a?="),
        ("=?utf-8?q?a=0AX-Evil:_1?=", "a X-Evil: 1"),
        ("plain", "plain"),
    ]:
        with subtests.test(raw=raw, shown=shown):
            assert addresslists.decoded(raw) == shown


def test_names_are_written_so_that_they_can_be_read_again() -> None:
    for name in ("Ops", "Doe, Jane", 'say "hi"', "Jürgen", ""):
        (mailbox,) = addresslists.parse(encodedwords.mailbox(name, "a@example.com"))
        assert (mailbox.name, mailbox.address) == (name, "a@example.com")
