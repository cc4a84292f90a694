"""Proofs between two stacks that see each other's public address: green, and red at its station for what is wrong.

The mail server of alpha.test delivers to beta.test, whose mailbox our node reads as it would one at another provider.
Wrong are records in DNS, or the configuration of a mail server: nothing is made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import docker
import pytest

from dnsrecords.blocklists.lists import LISTS
from tests.live.internet import Abroad, Internet, reverse, stack
from tests.live.mailstack import MailStack
from tests.live.mailworld import public_key
from tests.quazzar.nodes import wait_until
from tests.rig import or_skip
from tests.rig.ca import CertificateAuthority
from tests.rig.images import Images
from tests.rig.standins import put

pytestmark = [pytest.mark.real, pytest.mark.thorough]

PROOFS = "/api/mail/proofs"
OURS, THEIRS, RELAY = "mail.alpha.test", "mail.beta.test", "mx.late.test"
INBOX = "anna@beta.test"
#: Domains of our mail server. Each but the first one has its own fault.
DOMAINS = (
    "alpha.test", "spf.test", "nokey.test", "otherkey.test", "nodmarc.test", "banned.test", "align.test",
    "refused.test",
)  # fmt: skip
#: Nobody reaches its mail server.
SHUT = "shut.test"
#: Seconds for one proof. The machine is shared.
SOON = 240
#: From, and what is red: station, check, a part of the sentence and of the remedy. Wrong from the beginning.
FAULTS: Mapping[str, tuple[str, str, str, str]] = {
    "spf.test": ("identity", "spf", "SPF does not let 198.51.100.2 send for spf.test",
                 "Add 198.51.100.2, or the provider that sends from it, to the SPF record of spf.test"),
    "nokey.test": ("identity", "dkim", "quazzar._domainkey.nokey.test does not exist in DNS",
                   "Publish the public key that belongs to selector quazzar"),
    "otherkey.test": ("identity", "dkim", "The DKIM signature of otherkey.test is not valid",
                      "Publish the public key that belongs to selector quazzar"),
    "nodmarc.test": ("identity", "dmarc", "nodmarc.test has no DMARC policy",
                     "Publish a TXT record at _dmarc.nodmarc.test"),
    "banned.test": ("door", "sender", "mail.beta.test refused the mail", "Send from another address"),
}  # fmt: skip


@dataclass
class World:
    """Our node with its stack, and the others.

    Attributes:
        ours: the stack whose console sends proofs.
        theirs: another stack of ours; its console has ended.
        relay: somebody else's Postfix, which takes mail from our mail server for everybody.
        inbox: the id of the inbox with beta's mailbox.
        begun: From → the proof that was sent at the beginning.
    """

    internet: Internet
    ours: MailStack
    theirs: MailStack
    relay: Abroad
    inbox: int
    begun: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """The address of our mail server, as others see it."""
        return self.internet.addresses[OURS]

    def start(self, domain: str = "alpha.test", **to: object) -> dict[str, Any]:
        """A proof through our mail server, from this domain."""
        body = {"way": "server", "from_address": f"bounces@{domain}", **(to or {"inbox": self.inbox})}
        return dict(self.ours.expect(201, "POST", PROOFS, body))

    def ended(self, proof: dict[str, Any]) -> dict[str, Any]:
        """The proof when it has ended."""
        found: dict[str, Any] = {}

        def over() -> bool:
            found.update(self.ours.expect(200, "GET", f"{PROOFS}/{proof['id']}"))
            taken = checks(found).get(("sender", "accepted"), {})
            if found["state"] == "underway" and taken.get("mark") == "ok":
                # The other server has it: nobody waits for the inbox's next turn.
                self.ours.expect(200, "POST", f"/api/mail/inboxes/{self.inbox}/look")
            return found["state"] not in ("sending", "underway", "arrived")

        try:
            wait_until(over, f"the proof from {proof['from_address']} ends", SOON)
        except AssertionError as exc:
            raise AssertionError(f"{exc}\n{found}\n{self.ours.node.text[-3000:]}") from exc
        return found

    @contextmanager
    def configured(self, setting: str, value: str, usual: str) -> Iterator[None]:
        """The other stack's Postfix has another value for this setting."""
        self.configure(setting, value)
        try:
            yield
        finally:
            self.configure(setting, usual)

    def configure(self, setting: str, value: str) -> None:
        """Change a setting of the other stack's Postfix, and have it read it."""
        self.theirs.inside("postfix", "postconf", "-e", f"{setting}={value}")
        self.theirs.inside("postfix", "postfix", "reload")


@pytest.fixture(scope="module")
def world(
    docker_client: docker.DockerClient, stack_images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("proofs")
    with or_skip(Internet) as internet, ExitStack() as until_end:
        for name in ("postfix", "dovecot", "rspamd", "abroad_postfix"):
            internet.copy_image(docker_client, getattr(stack_images, name))
        client = until_end.enter_context(closing(internet.client()))
        abroad = Abroad(internet, client, stack_images.abroad_postfix, 2502, RELAY, "late.test")
        until_end.enter_context(abroad)
        authority = CertificateAuthority(directory / "authority")
        trust: dict[str, Any] = {"SSL_CERT_FILE": str(authority.ca_file)}
        ours = until_end.enter_context(stack(internet, directory / "ours", stack_images, "alpha", **trust))
        theirs = until_end.enter_context(
            stack(internet, directory / "theirs", stack_images, "beta", beside=ours)
        )
        pair = authority.issue([THEIRS, internet.address])
        theirs.expect(200, "PUT", "/api/mail/stack/certificate",
                      {"certificate": pair.cert_file.read_text(), "key": pair.key_file.read_text()})  # fmt: skip
        for name in DOMAINS:
            ours.add_domain(name)
        anna = theirs.add_mailbox(theirs.add_domain("beta.test"), "anna")
        for one in (ours, theirs):
            one.wait_synced()
        anna.wait_login()
        # From now on it is only a mail server somewhere.
        theirs.stop()
        for host, container in (
            (OURS, ours.container("postfix")),
            (THEIRS, theirs.container("postfix")),
            (RELAY, abroad.container),
        ):
            internet.show(host, container)
        pair = authority.issue([RELAY])
        files = {"cert.pem": pair.cert_file.read_bytes(), "key.pem": pair.key_file.read_bytes()}
        put(abroad.container, "/", {f"tls/{name}": data for name, data in files.items()})
        inbox = ours.expect(
            201, "POST", "/api/mail/inboxes",
            {"host": internet.address, "port": theirs.server.port(993), "username": anna.address,
             "password": anna.password},
        )  # fmt: skip
        made = World(internet, ours, theirs, abroad, inbox["id"])
        made.configure(
            "smtpd_sender_restrictions",
            "reject_non_fqdn_sender,check_sender_access inline:{banned.test=REJECT}",
        )
        publish(made)
        internet.place_shut(f"mx.{SHUT}", SHUT)
        made.begun = {name: made.start(name) for name in ("alpha.test", *FAULTS)}
        made.begun[SHUT] = made.start(to=f"anna@{SHUT}")
        yield made


def publish(world: World) -> None:
    """What is right in DNS for each domain, but for its fault; and blocklists that have nobody."""
    records: dict[str, Sequence[str]] = {}
    for name in DOMAINS:
        records |= {
            f"{name} MX": [f"10 {OURS}."],
            f"{name} TXT": [f'"v=spf1 a:{OURS} a:{RELAY} -all"'],
            f"quazzar._domainkey.{name} TXT": [key_record(world.ours, name)],
            f"_dmarc.{name} TXT": ['"v=DMARC1; p=quarantine"'],
        }
    records |= {
        "spf.test TXT": ['"v=spf1 ip4:203.0.113.9 -all"'],
        "quazzar._domainkey.nokey.test TXT": (),
        "quazzar._domainkey.align.test TXT": (),
        "quazzar._domainkey.otherkey.test TXT": [key_record(world.ours, "alpha.test")],
        "_dmarc.nodmarc.test TXT": (),
    }
    records |= {f"{each.question(each.listed)} A": ["127.0.0.2"] for each in LISTS}
    world.internet.publish(records)


def key_record(stack: MailStack, domain: str) -> str:
    """Strings of at most 255 characters, as DNS wants them."""
    key = public_key(stack, domain)
    return f'"v=DKIM1; k=rsa; p={key[:200]}" "{key[200:]}"'


def checks(found: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (station["key"], each["key"]): each for station in found["stations"] for each in station["checks"]
    }


def red(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [at for at, each in checks(found).items() if each["mark"] == "bad"]


def expect_red(found: dict[str, Any], station: str, key: str, sentence: str, remedy: str) -> None:
    """This is red and nothing else is, and it is what the proof says."""
    assert (found["state"], red(found)) == ("failed", [(station, key)]), found
    assert sentence in found["sentence"]
    each = checks(found)[station, key]
    assert sentence in each["sentence"] and remedy in each["remedy"], each


def expect_green(found: dict[str, Any]) -> None:
    assert (found["state"], found["found"]) == ("proven", "inbox"), found
    assert {each["mark"] for each in checks(found).values()} == {"ok"}, checks(found)


def test_everything_is_green_on_a_right_setup(world: World) -> None:
    found = world.ended(world.begun["alpha.test"])
    expect_green(found)
    assert [station["key"] for station in found["stations"]] == [
        "node",
        "sender",
        "door",
        "identity",
        "mailbox",
    ]
    door = found["stations"][2]
    assert (door["host"], door["ip"], door["tls"]) == (THEIRS, world.address, "TLS")
    keys = {key for _, key in checks(found)}
    assert {
        "clock",
        "accepted",
        "tls",
        "ptr",
        "blocklists",
        "spf",
        "dkim",
        "alignment",
        "dmarc",
        "arrived",
    } <= keys


@pytest.mark.parametrize("domain", FAULTS)
def test_one_wrong_thing_is_red_at_its_station(world: World, domain: str) -> None:
    expect_red(world.ended(world.begun[domain]), *FAULTS[domain])


def test_a_port_25_that_is_shut_is_red_at_the_mail_server(world: World) -> None:
    sentence = f"The mail server cannot reach port 25 of mx.{SHUT}: connection refused."
    expect_red(
        world.ended(world.begun[SHUT]), "sender", "port25", sentence, "Most hosting providers shut port 25"
    )


@pytest.mark.parametrize("name", [None, "mail.nowhere.test"])
def test_an_address_without_a_name_that_leads_back_is_red(world: World, name: str | None) -> None:
    record = f"{reverse(world.address)}.in-addr.arpa PTR"
    with world.internet.changed({record: [f"{name}."] if name else ()}):
        found = world.ended(world.start())
    said = f"{world.address}, your server's address, has no reverse name (PTR)."
    if name:
        said = f"{world.address} has the reverse name {name}, but that name does not lead back to {world.address}."
    expect_red(
        found, "door", "ptr", said, "Set the reverse name (PTR) of the address where you rent the server"
    )


def test_an_address_on_a_blocklist_is_red_although_the_mail_arrived(world: World) -> None:
    with world.internet.changed({f"{reverse(world.address)}.psbl.surriel.com A": ["127.0.0.2"]}):
        found = world.ended(world.start())
    said = f"{world.address} is on the blocklist PSBL: sent mail to a spam trap."
    expect_red(found, "door", "blocklists", said, "https://psbl.org/remove")


def test_a_server_that_asks_a_blocklist_refuses_the_mail(world: World) -> None:
    asks = "reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]"
    with (
        world.internet.changed({f"{reverse(world.address)}.zen.spamhaus.org A": ["127.0.0.3"]}),
        world.configured("smtpd_client_restrictions", asks, ""),
    ):
        found = world.ended(world.start())
    said = f"{THEIRS} refused the mail"
    expect_red(found, "door", "blocklists", said, "ask the list named in the answer for removal")
    assert "blocked using zen.spamhaus.org" in found["sentence"]


def test_a_receiving_server_without_encryption_is_red(world: World) -> None:
    with world.configured("smtpd_tls_security_level", "none", "may"):
        found = world.ended(world.start())
    said = f"The mail went from your mail server to {THEIRS} without encryption."
    expect_red(found, "door", "tls", said, "the receiving server may not offer TLS")


# --- through a relay, which gives the mail of one domain its own envelope sender, and refuses that of another
@pytest.fixture(scope="module")
def relayed(world: World) -> Iterator[dict[str, dict[str, Any]]]:
    """Domain → its proof."""
    relay = {
        "provider": "custom",
        "host": RELAY,
        "port": 25,
        "security": "starttls",
        "from_address": "node@alpha.test",
    }
    world.relay.configure(
        f"mynetworks=127.0.0.0/8,{world.address}",
        "smtpd_recipient_restrictions=permit_mynetworks,reject_unauth_destination",
        "smtpd_sender_restrictions=check_sender_access inline:{refused.test=REJECT}",
        "sender_canonical_classes=envelope_sender",
        "sender_canonical_maps=inline:{@align.test=bounces@late.test}",
        "smtpd_tls_chain_files=/tls/key.pem,/tls/cert.pem",
        "smtpd_tls_security_level=may",
        "smtp_tls_security_level=may",
    )
    world.ours.expect(200, "PUT", "/api/mail/relay", relay)
    world.ours.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": True})
    world.ours.wait_synced()
    begun = {name: world.start(name) for name in ("alpha.test", "align.test", "refused.test")}
    yield {name: world.ended(proof) for name, proof in begun.items()}
    world.ours.expect(200, "PATCH", "/api/mail/stack", {"send_through_relay": False})
    world.ours.wait_synced()


def test_the_way_through_a_relay_is_green_on_a_right_setup(relayed: dict[str, dict[str, Any]]) -> None:
    assert relayed["alpha.test"]["through_relay"]
    expect_green(relayed["alpha.test"])
    hosts = [station["host"] for station in relayed["alpha.test"]["stations"]]
    assert RELAY in hosts and THEIRS in hosts


def test_a_relay_that_proves_itself_alone_is_not_the_sender(relayed: dict[str, dict[str, Any]]) -> None:
    found = relayed["align.test"]
    assert (found["state"], red(found)) == ("failed", [("identity", "dkim"), ("identity", "alignment")]), (
        found
    )
    each = checks(found)["identity", "alignment"]
    assert each["sentence"] == "What was proven is late.test, but the mail says it is from align.test."
    assert each["remedy"].startswith("Have the mail signed by align.test")


def test_a_relay_that_refuses_the_sender_is_red(relayed: dict[str, dict[str, Any]]) -> None:
    said = "The relay refused the sender"
    expect_red(
        relayed["refused.test"], "sender", "sender", said, "Verify the domain at the provider of the relay."
    )
