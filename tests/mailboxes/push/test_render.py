"""What the running stack reads: golden files, and values that try to become lines."""

from __future__ import annotations

import base64
import dataclasses
import re
from collections.abc import Callable
from operator import attrgetter

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from hypothesis import given
from hypothesis import strategies as st

from mailboxes.dkim import keys
from mailboxes.provisioning import addresses
from mailboxes.push import render
from mailboxes.push.entries import AliasEntry, DomainEntry, MailboxEntry, Smarthost, Snapshot
from mailboxes.stack.blueprint.configuration import ConfigFile
from tests.mailboxes import goldencases
from tests.mailboxes.goldencases import ADA, BOB, EVE, HASH, box, snapshot_of
from tests.mailboxes.readers import User, passwd_file, postfix_table
from tests.mailboxes.trials import case

Render = Callable[[Snapshot], bytes]
#: What begins a line, a column, a comment or a field in one of the formats, or looks like it.
SPECIAL = [
    *("\n", "\r", "\0", " ", "\t", ":", "#", ",", "@", "%", '"', "\\", "|", "/", ".."),
    *("\x85", "\u2028", "\ud800", "İ"),
]
HOSTILE = st.lists(
    st.sampled_from([*SPECIAL, "a", "ada@example.com", "b", ".", "-", "{PLAIN}", "1"]), max_size=8
).map("".join)
TABLES = [name for name in goldencases.FILES if name.endswith("_table")]


def files(snapshot: Snapshot) -> dict[str, bytes | None]:
    """Every file; None for one that is refused."""
    return {name: _file(goldencases.renderer(name), snapshot) for name in goldencases.FILES}


def _file(renderer: Render, snapshot: Snapshot) -> bytes | None:
    try:
        return renderer(snapshot)
    except ValueError as exc:
        assert type(exc) is ValueError
        return None


# --- golden files ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", goldencases.CASES)
def test_the_files_are_as_they_were_in_whatever_order_the_rows_come(name: str) -> None:
    snapshot = goldencases.CASES[name]
    reversed_rows = dataclasses.replace(
        snapshot,
        domains=snapshot.domains[::-1],
        mailboxes=snapshot.mailboxes[::-1],
        aliases=snapshot.aliases[::-1],
    )
    golden = (goldencases.FOLDER / f"{name}.txt").read_text()
    assert goldencases.rendered(snapshot) == golden
    assert goldencases.rendered(reversed_rows) == golden


def test_no_golden_file_is_left_over() -> None:
    assert {path.stem for path in goldencases.FOLDER.iterdir()} == set(goldencases.CASES)


# --- the users file ----------------------------------------------------------------------------------------
LOCAL_PARTS = st.from_regex(r"[a-z0-9_][a-z0-9_'&~-]{0,20}(\.[a-z0-9]{1,9})?", fullmatch=True)
BOXES = st.builds(
    box,
    st.builds(
        "{}@{}".format, LOCAL_PARTS, st.sampled_from(["example.com", "b.example", "xn--mnchen-3ya.example"])
    ),
    password_hash=st.sampled_from(["", HASH]),
    quota_mb=st.integers(0, 10**9),
    enabled=st.booleans(),
    can_receive=st.booleans(),
)


def expected(entry: MailboxEntry) -> User:
    extra = {"userdb_quota_storage_size": f"{entry.quota_mb}M"} if entry.quota_mb else {}
    password = entry.password_hash if entry.enabled and entry.password_hash else "{CRYPT}*"
    return User(password, "", "", f"/srv/vmail/{entry.home}", extra)


@pytest.mark.slow
@given(st.lists(BOXES, max_size=12, unique_by=attrgetter("address")), st.integers(0, 2**63))
def test_dovecot_reads_back_what_was_meant(boxes: list[MailboxEntry], generation: int) -> None:
    data = render.users(snapshot_of(*boxes, generation=generation))
    found = passwd_file(data)
    typed = {address: user for address, user in found.items() if "user" in user.extra}
    assert {address: user for address, user in found.items() if address not in typed} == {
        entry.address: expected(entry) for entry in boxes
    }
    # Who types the domain in its own script is the same mailbox.
    assert {address: user.extra["user"] for address, user in typed.items()} == {
        addresses.shown(entry.address): entry.address for entry in boxes if "xn--" in entry.address
    }
    assert render.generation_of(data) == generation
    names = [line.split(":")[0] for line in data.decode().splitlines()[1:]]
    names = [name for name in names if name.isascii()]
    assert [render.address_of(name) for name in names] == sorted(entry.address for entry in boxes)


def test_who_may_not_log_in_has_a_password_that_nothing_matches() -> None:
    for entry in (box(enabled=False), box(password_hash=""), box(password_hash="{CRYPT}*")):
        assert passwd_file(render.users(snapshot_of(entry)))["ada@example.com"].password == "{CRYPT}*"


NO_HASHES = [
    *("secret", "{PLAIN}secret", "{PLAIN}", "{CRYPT}", "{ARGON2ID}"),
    *(HASH + ":0:0", HASH + "\n", f"{HASH}\nx:y", HASH + " x"),
    *(HASH.replace("$argon2id", "$argon2i"), HASH.removeprefix("{ARGON2ID}")),
]


def test_a_hash_of_another_form_is_refused_and_not_repeated() -> None:
    for text in NO_HASHES:
        with case(text), pytest.raises(ValueError, match="password hash of ada") as caught:
            render.users(snapshot_of(box(password_hash=text)))
        assert text not in str(caught.value)


def test_a_home_lies_below_the_mail_and_nowhere_else() -> None:
    for home in ("example.com/ada", "example.com/ada..2", "gone.example/eve..31"):
        assert f":/srv/vmail/{home}:".encode() in render.users(snapshot_of(box(home=home)))
    outside = ("", "/etc", "ada", "example.com/../../etc", "example.com/ada/../bob", "example.com/..2")
    odd = (
        "example.com/ada..",
        "example.com/ada..x",
        "example.com/ada:0",
        "example.com/%u",
        "example.com/ada\n",
    )
    for home in outside + odd:
        with case(home), pytest.raises(ValueError, match="not the home"):
            render.users(snapshot_of(box(home=home)))


def test_a_quota_is_a_whole_number() -> None:
    assert b"quota" not in render.users(snapshot_of(box(quota_mb=0)))
    for quota in (-1, 1.5, "5", "1M\nx", True):
        assert _file(render.users, snapshot_of(box(quota_mb=quota))) is None, quota


def test_the_generation_is_read_from_the_first_line() -> None:
    assert render.generation_of(b"# quazzar generation 0\n") == 0
    assert render.generation_of(b"# quazzar generation 12") == 12
    assert render.generation_of(b"# quazzar generation 12\nada:x\n") == 12
    for line in (
        *(b"", b"\xff\n", b"a@b.example:x\n", b" # quazzar generation 1\n"),
        *(b"# quazzar generation \n", b"# quazzar generation -1\n", b"# quazzar generation 1x\n"),
    ):
        assert render.generation_of(line) is None, line


# --- the tables --------------------------------------------------------------------------------------------
def test_a_catch_all_does_not_swallow_a_mailbox() -> None:
    table = postfix_table(render.aliases_table(goldencases.CASES["catch-all"]))
    assert table["@example.com"] == table["ada@example.com"] == "ada@example.com"
    assert table["bob@example.com"] == "bob@example.com"


def test_an_alias_that_leads_nowhere_is_refused_instead_of_bounced() -> None:
    for name in ("alias-to-nobody", "alias-to-alias-to-nobody", "aliases-that-only-circle"):
        table = postfix_table(render.aliases_table(goldencases.CASES[name]))
        assert table.keys() == {"ada@example.com"}, name


def test_what_leads_somewhere_after_all_is_kept() -> None:
    domain = DomainEntry("example.com", catch_all="x@example.com")
    snapshot = snapshot_of(
        aliases={"x@example.com": ("y@b.example",), "z@example.com": ("any@example.com",)}, domains=(domain,)
    )
    assert postfix_table(render.aliases_table(snapshot)) == {
        "@example.com": "x@example.com",
        "x@example.com": "y@b.example",
        "z@example.com": "any@example.com",
    }


def test_an_alias_may_be_used_as_sender_by_whom_it_leads_to() -> None:
    aliases = {"a@example.com": ("b@example.com",), "b@example.com": ("Ada+x@example.com", "eve@example.com")}
    table = postfix_table(
        render.senders_table(snapshot_of(ADA, BOB, box("eve@example.com", can_send=False), aliases=aliases))
    )
    assert table == {
        "a@example.com": "ada@example.com",
        "ada@example.com": "ada@example.com",
        "b@example.com": "ada@example.com",
        "bob@example.com": "bob@example.com",
    }


@pytest.mark.parametrize(
    ("bounce_address", "login", "may"),
    [
        ("bounces@example.com", "ada@example.com", "ada@example.com,quazzar@mx.test"),
        ("bounces@example.com", "eve@example.com", "quazzar@mx.test"),  # she may not send
        ("bounces@example.com", "", "quazzar@mx.test"),
        ("ada@example.com", "bob@example.com", "quazzar@mx.test"),
        ("", "", "quazzar@mx.test"),
    ],
)
def test_from_the_address_for_bounces_send_quazzar_and_the_relays_own_login(
    bounce_address: str, login: str, may: str
) -> None:
    roles = ("bounces@example.com", "dmarc@example.com")
    snapshot = dataclasses.replace(
        snapshot_of(ADA, BOB, box("eve@example.com", can_send=False)),
        own="quazzar@mx.test",
        own_roles=roles,
        bounce_address=bounce_address,
        relay_login=login,
    )
    table = postfix_table(render.senders_table(snapshot))
    assert table["bounces@example.com"] == may
    assert (table["dmarc@example.com"], table["ada@example.com"]) == ("quazzar@mx.test", "ada@example.com")


def test_who_is_disabled_may_send_again_at_once_when_enabled() -> None:
    off, on = snapshot_of(box(enabled=False)), snapshot_of(ADA)
    assert render.senders_table(off) == render.senders_table(on)
    assert render.mailboxes_table(off) == render.mailboxes_table(on)


def test_an_address_that_occurs_twice_is_refused() -> None:
    for snapshot in (snapshot_of(ADA, ADA), snapshot_of(ADA, box(quota_mb=5)), snapshot_of(EVE, BOB, EVE)):
        for renderer in (render.users, render.mailboxes_table):
            with pytest.raises(ValueError, match="twice"):
                renderer(snapshot)


def test_an_alias_that_occurs_twice_is_refused() -> None:
    twice = snapshot_of(ADA, aliases=None)
    rows = (AliasEntry("x@example.com", ("ada@example.com",)),) * 2
    for renderer in (render.aliases_table, render.senders_table):
        with pytest.raises(ValueError, match="twice"):
            renderer(dataclasses.replace(twice, aliases=rows))


def test_a_selector_is_one_label() -> None:
    for selector in ("", "a.b", "a b", "a\nb", "a:b", "../x", "A", "-a", "x" * 64):
        for domain in (
            DomainEntry("example.com", selector=selector, private_key="k"),
            DomainEntry("example.com", ed25519_selector=selector, ed25519_private_key="k"),
        ):
            for renderer in (render.selectors, render.key_files):
                with pytest.raises(ValueError, match="selector"):
                    renderer(domain)


def test_a_key_is_one_line_in_the_form_that_rspamd_reads() -> None:
    """rspamd_dkim_sign_key_load in src/libserver/dkim.c: base64 of PKCS#8, or of the 32 bytes of an Ed25519 seed."""
    rsa, ed25519 = keys.generate(), keys.generate_ed25519()
    domain = DomainEntry("a.test", "", "s", rsa.private_pem, "ed", ed25519.private_pem)
    found = {name: base64.b64decode(key, validate=True) for name, key in render.key_files(domain).items()}
    assert load_der_private_key(found["a.test.s"], None)
    seed = Ed25519PrivateKey.from_private_bytes(found["a.test.ed"])
    assert base64.b64encode(seed.public_key().public_bytes_raw()).decode() == ed25519.public_base64
    copied = DomainEntry("a.test", "", "s", *(render.key_files(domain)["a.test.s"].decode(),))
    assert render.key_files(copied)["a.test.s"] == render.key_files(domain)["a.test.s"]


def test_a_key_that_is_none_is_refused_without_showing_it() -> None:
    for text in ("s3cret key", "s3cret:", "s3cr\xe9t"):
        with pytest.raises(ValueError, match="expected form") as caught:
            render.key_files(DomainEntry("example.com", private_key=text))
        assert text not in str(caught.value)


# --- values that try to become lines -----------------------------------------------------------------------
GOOD = snapshot_of(ADA, BOB, aliases={"info@example.com": ("ada@example.com", "x@gmail.example")})


def with_one(text: str) -> list[Snapshot]:
    """The good snapshot with one more of each thing, made of this text."""
    boxes = [
        box("x@example.com", home=text),
        box("x@example.com", password_hash=text or "x"),
        MailboxEntry(text, text, HASH),
    ]
    aliases = [AliasEntry(text, ("ada@example.com",)), AliasEntry("x@example.com", ("bob@example.com", text))]
    domains = [
        DomainEntry(text, private_key="k"),
        DomainEntry("b.example", catch_all=text, private_key="k"),
        DomainEntry("b.example", selector=text, private_key="k"),
        DomainEntry("b.example", ed25519_selector=text, ed25519_private_key="k"),
    ]
    return [
        *(dataclasses.replace(GOOD, mailboxes=(*GOOD.mailboxes, entry)) for entry in boxes),
        *(dataclasses.replace(GOOD, aliases=(*GOOD.aliases, entry)) for entry in aliases),
        *(dataclasses.replace(GOOD, domains=(*GOOD.domains, entry)) for entry in domains),
    ]


@given(HOSTILE | st.text(max_size=12))
def test_one_value_never_adds_more_than_its_own_line_and_no_column(text: str) -> None:
    before = {name: data.split(b"\n") for name, data in files(GOOD).items() if data is not None}
    for snapshot in with_one(text):
        for name, data in files(snapshot).items():
            lines = before[name] if data is None else data.split(b"\n")
            assert set(before[name]) <= set(lines)
            assert len(lines) <= len(before[name]) + 1
            columns = {
                line.count(b":") if name == "users" else len(line.split())
                for line in lines[:-1]
                if line[:1] != b"#"
            }
            assert columns <= {7 if name == "users" else 2 if name in TABLES else 1}


@given(HOSTILE)
def test_what_is_written_is_read_back_as_the_same_value(text: str) -> None:
    snapshot = with_one(f"{text}@example.com")[2]
    data = _file(render.mailboxes_table, snapshot)
    if data is not None:
        assert f"{text}@example.com" in postfix_table(data)


# --- secrets -----------------------------------------------------------------------------------------------
def test_no_repr_shows_a_secret() -> None:
    for value in (
        box(password_hash="s3cret"),
        DomainEntry("example.com", private_key="s3cret"),
        Smarthost("smtp.example.com", 587, "starttls", "node", "s3cret"),
        ConfigFile("config", "users", b"s3cret"),
        snapshot_of(box(password_hash="s3cret"), smarthost=Smarthost("h", 1, "none", "u", "s3cret")),
    ):
        assert "s3cret" not in repr(value)


def test_a_domain_in_another_script_becomes_what_dns_has_however_it_is_spelt() -> None:
    domains = (
        DomainEntry("xn--gre-names-h1a6w.test"),
        DomainEntry("example.com"),
        DomainEntry("xn--strae-oqa.test"),
    )
    for render_, rest in ((render.submission_commands, " SIZE=9"), (render.port25_commands, " NOTIFY=NEVER")):
        table = [line.rpartition("/ ") for line in render_(Snapshot(domains=domains)).decode().splitlines()]
        rows = [
            (re.compile(pattern[1:].replace("[[:space:]]", r"\s"), re.IGNORECASE | re.ASCII), result)
            for pattern, _, result in table
        ]

        def filtered(command: str, rows: list[tuple[re.Pattern[str], str]] = rows) -> str:
            for pattern, result in rows:
                if match := pattern.search(command):
                    return re.sub(r"\$\{?([0-9]+)\}?", lambda number: match[int(number[1])] or "", result)
            return command

        for spelt in ("straße.test", "STRASSE.test", "Straße.TEST"):
            assert filtered(f"RCPT TO:<ida@{spelt}> SIZE=9") == f"RCPT TO:<ida@xn--strae-oqa.test>{rest}"
        for other in ("strase.test", "x.straße.test", "straße.test.example"):
            assert filtered(f"MAIL FROM:<ida@{other}> SIZE=9") == f"MAIL FROM:<ida@{other}> SIZE=9"
