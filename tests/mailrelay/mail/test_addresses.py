"""Addresses, taken apart where they enter."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailrelay.mail import addresses
from mailrelay.smtp import wire

LONG_LABEL = "d" * 63
SURROGATES = ["\ud800", "\udfff"]
CONTROLS = [*map(chr, range(32)), "\x7f", "\x80", "\x85", "\x9f", "\u2028", "\u2029", *SURROGATES]


def test_an_address_is_normalised(subtests: pytest.Subtests) -> None:
    for text, expected in [
        ("ops@example.com", "ops@example.com"),
        ("  ops@example.com ", "ops@example.com"),
        ("Ops@EXAMPLE.Com", "Ops@example.com"),
        ("ops@example.com.", "ops@example.com"),
        ("root@node", "root@node"),
        ("o'neil+disk=/x{1}@example.com", "o'neil+disk=/x{1}@example.com"),
        ("ops@my_host.local", "ops@my_host.local"),
        ("jörg@example.com", "jörg@example.com"),
        ("ops@MÜNCHEN.de", "ops@xn--mnchen-3ya.de"),
        ("ops@straße.de", "ops@xn--strae-oqa.de"),
        ("ops@例え。テスト", "ops@xn--r8jz45g.xn--zckzah"),
        ('"john doe"@example.com', '"john doe"@example.com'),
        ('"a@b,c\\""@example.com', '"a@b,c\\""@example.com'),
        ("ops@[192.0.2.1]", "ops@[192.0.2.1]"),
        ("ops@[IPv6:2001:db8::1]", "ops@[IPv6:2001:db8::1]"),
        ("l" * 64 + "@example.com", "l" * 64 + "@example.com"),
    ]:
        with subtests.test(text=text, expected=expected):
            assert addresses.normalise(text) == expected
            assert addresses.split(text) == ("", expected)
            assert wire.safe_path(expected)


def test_what_is_no_address_is_refused_with_a_sentence(subtests: pytest.Subtests) -> None:
    for text in [
        "",
        " ",
        "@",
        "ops",
        "@example.com",
        "ops@",
        "ops@.",
        "ops@@example.com",
        "a@b@example.com",
        "o ps@example.com",
        "ops@exam ple.com",
        "ops @example.com",
        ".ops@example.com",
        "ops.@example.com",
        "o..ps@example.com",
        "ops@example..com",
        "ops@.example.com",
        "ops@-example.com",
        "ops@example-.com",
        "ops(comment)@example.com",
        "ops@example.com (Ops)",
        "ops@(comment)example.com",
        "o<ps@example.com",
        "ops>@example.com",
        '"a"b@example.com',
        '"a@example.com',
        '"a>b"@example.com',
        '"a\\>b"@example.com',
        "l" * 65 + "@example.com",
        "ö" * 33 + "@example.com",
        f"ops@{LONG_LABEL}d.com",
        "ops@" + ".".join([LONG_LABEL] * 4),
        "l" * 64 + "@" + ".".join([LONG_LABEL] * 3) + ".de",
        "ops@[192.0.2.256]",
        "ops@[1.2.3]",
        "ops@[IPv6:::1::]",
        "ops@[example.com]",
        "ops@💩\u202e.com",
        "ops@xn--\u00fc.de",
        "a@b.c, d@e.f",
        "a@b.c;d@e.f",
        "a@b.c d@e.f",
    ]:
        with subtests.test(text=text):
            with pytest.raises(ValueError, match=r"[.…]$") as caught:
                addresses.normalise(text)
            assert type(caught.value) is ValueError
            with pytest.raises(ValueError, match=r"[.…]$"):
                addresses.split(text)


def test_an_invisible_character_before_the_at_is_refused_and_a_joiner_is_not(
    subtests: pytest.Subtests,
) -> None:
    for hidden in ["\u202e", "\u200b", "\ufeff", "\u00a0", "\u3000", "\u00ad", "\u2066"]:
        with subtests.test(hidden=hidden):
            with pytest.raises(ValueError, match="invisible"):
                addresses.normalise(f"o{hidden}ps@example.com")
            assert addresses.normalise("می\u200cخواهم@example.com") == "می\u200cخواهم@example.com"


def test_no_control_character_is_accepted_anywhere(subtests: pytest.Subtests) -> None:
    for char in [
        *map(chr, range(32)),
        "\x7f",
        "\x80",
        "\x85",
        "\x9f",
        "\u2028",
        "\u2029",
        "\ud800",
        "\udfff",
    ]:
        for form in [
            "ops{}@example.com",
            "ops@example.com{}",
            "{}ops@example.com",
            "A{}b <a@b.c>",
            '"{}"@b.c',
            "A <a@b{}c>",
        ]:
            with subtests.test(char=char, form=form):
                for read in (addresses.split, addresses.normalise):
                    with pytest.raises(ValueError, match=r"^An address cannot contain") as caught:
                        read(form.replace("{}", char))
                    assert type(caught.value) is ValueError  # a UnicodeError would carry the text about


def test_a_name_and_its_address_are_split(subtests: pytest.Subtests) -> None:
    for text, name, address in [
        ("Ops <ops@example.com>", "Ops", "ops@example.com"),
        ("<ops@example.com>", "", "ops@example.com"),
        ("Ops<ops@Example.com>", "Ops", "ops@example.com"),
        ("  Night   shift  <ops@example.com>  ", "Night shift", "ops@example.com"),
        ('"Doe, John" <j@example.com>', "Doe, John", "j@example.com"),
        ('"a \\"b\\" \\\\ <c>" <j@example.com>', 'a "b" \\ <c>', "j@example.com"),
        ("John (nights) O'Neil. <j@example.com>", "John (nights) O'Neil.", "j@example.com"),
        ('Joe "Ace" Smith <j@example.com>', 'Joe "Ace" Smith', "j@example.com"),
        ("Jürgen 🚀 <j@例え.テスト>", "Jürgen 🚀", "j@xn--r8jz45g.xn--zckzah"),
        ('Ops <"a, b"@example.com>', "Ops", '"a, b"@example.com'),
        ("me@home <ops@example.com>", "me@home", "ops@example.com"),
    ]:
        with subtests.test(text=text, name=name, address=address):
            assert addresses.split(text) == (name, address)


def test_lists_and_broken_forms_are_refused(subtests: pytest.Subtests) -> None:
    for text in [
        "a@b.c, Ops <d@e.f>",
        "Ops <d@e.f>, a@b.c",
        "A <a@b.c>, D <d@e.f>",
        '"A" <a@b.c>, "D" <d@e.f>',
        '"A, " <a@b.c>, " D" <d@e.f>',
        "Doe, John <j@example.com>",
        "A <a@b.c> D <d@e.f>",
        "A <<a@b.c>>",
        "A <>",
        "A <a@b.c",
        "A a@b.c>",
        "A <a@b.c> x",
        "Group: a@b.c;",
        "a@b.c; D <d@e.f>",
        "A < a@b.c>d@e.f>",
        "Ops <ops>",
    ]:
        with subtests.test(text=text), pytest.raises(ValueError, match=r"[.…]$"):
            addresses.split(text)


def test_an_endless_text_is_refused_in_a_short_sentence() -> None:
    for text in ("a" * 5000 + "@b.c", "N" * 5000 + " <a@b.c>", "a@" + "ü" * 5000, "a@" + "ü" * 300):
        with pytest.raises(ValueError) as caught:
            addresses.split(text)
        assert len(str(caught.value)) < 200


def test_only_a_local_part_beyond_ascii_needs_smtputf8() -> None:
    assert addresses.needs_utf8(addresses.normalise("jörg@example.com"))
    assert not addresses.needs_utf8(addresses.normalise("ops@münchen.de"))


@given(st.text(max_size=80) | st.text(alphabet='ab@.<>," \\\r\n\x00\u2028ü[]:', max_size=20))
def test_whatever_is_accepted_is_safe_in_a_command_and_stays_as_it_is(text: str) -> None:
    try:
        name, address = addresses.split(text)
    except ValueError:
        return
    assert wire.safe_path(address)
    assert addresses.split(address) == ("", address)
    assert name.splitlines() in ([], [name])


def test_a_domain_that_idna_refuses_is_refused_in_our_words() -> None:
    for address in ("anna@\U0001f600.example", "anna@exa\u202emple.com"):
        with pytest.raises(ValueError, match=r"is not a domain name\.$"):
            addresses.normalise(address)
