"""Blocklists with their codes on a real name server: listed, refused, broken, silent, and clear again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from dnsrecords.blocklists import check, standing
from dnsrecords.blocklists.lists import LISTS, is_address
from dnsrecords.models import BlocklistChange, BlocklistEntry, BlocklistRound
from mailrelay.models import Message, RelaySettings
from quazzar.monitoring.doctor import Level
from tests.contract.answers import error, ok
from tests.mailboxes import factories
from tests.rig.nameserver import Nameserver

pytestmark = [pytest.mark.django_db, pytest.mark.real, pytest.mark.slow]

OURS, V6 = "192.0.2.25", "2001:db8::25"
API = "/api/mail/dns/blocklists"
PAGE = "/admin/mail-relay/dns/blocklists/"


class Lists:
    """All lists, which work and list nothing until told otherwise."""

    def __init__(self, name_server: Nameserver) -> None:
        self.name_server = name_server
        self.zones: dict[str, list[str]] = {
            each.zone: [f"{self._label(each.listed)} A 127.0.0.2"] for each in LISTS
        }
        self.publish()

    @staticmethod
    def _label(subject: str) -> str:
        return ".".join(reversed(subject.split("."))) if is_address(subject) else subject

    def publish(self) -> None:
        self.name_server.publish_all(self.zones)

    def put(self, zone: str, *lines: str) -> None:
        self.zones[zone] = [*self.zones[zone], *lines]
        self.publish()


@pytest.fixture
def lists(nameserver: Nameserver, settings: Any) -> Lists:
    settings.QUAZZAR_PUBLIC_ADDRESSES = [OURS, V6]
    factories.stack(enabled=True, hostname="mail.example.com")
    factories.domain("example.com")
    return Lists(nameserver)


@pytest.fixture
def _mailed() -> None:
    RelaySettings.objects.update_or_create(
        pk=1, defaults={"host": "relay.example.net", "port": 25, "alert_recipients": ["ada@example.net"]}
    )


def states() -> dict[tuple[str, str], bool | None]:
    return {(row.subject, row.blocklist): row.listed for row in BlocklistEntry.objects.all()}


def test_what_no_list_has_is_clear(lists: Lists) -> None:
    assert check.check() == []
    assert states() == {
        **{(OURS, key): False for key in ("spamhaus", "barracuda", "spamcop", "psbl")},
        (V6, "spamhaus"): False,
        **{("example.com", key): False for key in ("dbl", "surbl", "uribl")},
    }
    found = standing.examine()
    assert found.level is Level.OK
    assert found.sentence == "7 blocklists asked about 3 addresses and domains: none is listed."
    assert not BlocklistChange.objects.exists()


@pytest.mark.usefixtures("_mailed")
def test_a_listing_is_told_once_and_once_more_when_it_is_over(lists: Lists) -> None:
    check.check()
    before = dict(lists.zones)
    lists.put("zen.spamhaus.org", "25.2.0.192 A 127.0.0.3", "25.2.0.192 A 127.0.0.10")
    lists.put("multi.surbl.org", "example.com A 127.0.0.80")
    assert {(item.subject, item.blocklist.key, item.listed) for item in check.check()} == {
        (OURS, "spamhaus", True), ("example.com", "surbl", True),
    }  # fmt: skip
    assert check.check() == []
    (mail,) = Message.objects.all()
    assert mail.subject == f"[Blocklist] {OURS} is on the blocklist Spamhaus ZEN (and 1 more)"
    found = standing.examine()
    assert (
        found.level is Level.FAILED and "CSS: seen sending spam" in found.sentence and "PBL" in found.sentence
    )
    assert found.sentence.endswith("Also: 1 more entry.") and "https://check.spamhaus.org/" in found.advice
    lists.zones = before
    lists.publish()
    assert {item.listed for item in check.check()} == {False}
    assert Message.objects.count() == 2
    assert standing.examine().level is Level.OK
    assert [row.listed for row in BlocklistChange.objects.all()] == [False, False, True, True]


def test_what_could_not_be_mailed_is_news_again(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that ends in between has told nobody."""
    check.check()
    lists.put("psbl.surriel.com", "25.2.0.192 A 127.0.0.2")

    def end(*_: str) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(check, "notify_operator", end)
        check.check()
    assert [item.subject for item in check.check()] == [OURS]


def test_the_nodes_own_address_does_not_matter_while_mail_leaves_through_the_relay(lists: Lists) -> None:
    factories.stack(enabled=True, hostname="mail.example.com", send_through_relay=True)
    lists.put("psbl.surriel.com", "25.2.0.192 A 127.0.0.2")
    check.check()
    found = standing.examine()
    assert found.level is Level.WARNING and "No mail leaves from this address" in found.sentence


@pytest.mark.usefixtures("_mailed")
def test_refused_because_of_the_resolver_is_said_with_the_remedy_and_is_no_listing(lists: Lists) -> None:
    lists.put("psbl.surriel.com", "25.2.0.192 A 127.0.0.2")
    check.check()
    for zone in ("zen.spamhaus.org", "dbl.spamhaus.org", "psbl.surriel.com"):
        lists.zones[zone] = ["* A 127.255.255.254"]
    lists.zones["psbl.surriel.com"] = ["* A 203.0.113.80"]
    lists.publish()
    assert check.check() == []
    # What a list said last still counts while it says nothing.
    assert states()[OURS, "psbl"] is True and states()[OURS, "spamhaus"] is False
    BlocklistEntry.objects.filter(blocklist="psbl").delete()
    found = standing.examine()
    assert found.level is Level.WARNING and "does not answer public resolvers" in found.sentence
    assert found.sentence.startswith("Spamhaus ZEN and Spamhaus DBL did not say")
    assert "Run a resolver of your own" in found.advice and "Data Query Service" in found.advice


def test_a_list_that_lists_everything_or_nothing_is_not_believed(lists: Lists) -> None:
    lists.zones["bl.spamcop.net"] = ["* A 127.0.0.2"]
    lists.zones["b.barracudacentral.org"] = []
    lists.publish()
    check.check()
    assert {row.blocklist: row.trouble for row in BlocklistEntry.objects.exclude(trouble="")} == {
        "spamcop": "broken", "barracuda": "broken",
    }  # fmt: skip
    found = standing.examine()
    assert found.level is Level.WARNING and "cannot be used" in found.sentence


def test_lists_that_do_not_answer_are_no_alarm(lists: Lists) -> None:
    for zone in [*lists.zones]:
        lists.name_server.withdraw(zone)
    check.check()
    assert {row.trouble for row in BlocklistEntry.objects.all()} == {"silent"}
    assert standing.examine().level is Level.OK and "No blocklist answers" in standing.examine().sentence


def test_it_asks_when_it_is_time_and_when_something_new_is_to_be_asked(lists: Lists, settings: Any) -> None:
    assert check.check_due() and not check.check_due()
    factories.domain("example.net")
    assert check.check_due() and ("example.net", "dbl") in states()
    assert not check.check_due()
    BlocklistRound.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    assert check.check_due() and not check.check_due()
    settings.QUAZZAR_BLOCKLISTS = ["psbl"]
    assert check.check_due() and set(states()) == {(OURS, "psbl")}
    settings.QUAZZAR_BLOCKLISTS = []
    assert not check.check_due() and not states()
    assert "QUAZZAR_BLOCKLISTS is off" in standing.examine().sentence


def test_addresses_that_others_cannot_see_are_not_asked_about(lists: Lists, settings: Any) -> None:
    settings.QUAZZAR_PUBLIC_ADDRESSES = ["10.0.0.5", "fd00::1", OURS]
    assert check.subjects() == [OURS, "example.com"]


# --- surfaces ----------------------------------------------------------------------------------------------
def test_the_page_and_the_api_show_it(lists: Lists, admin_client: Client, api: APIClient) -> None:
    assert "nothing to look up" in admin_client.get(PAGE).content.decode()
    lists.put("dbl.spamhaus.org", "example.com A 127.0.1.2")
    shown = admin_client.post(f"{PAGE}check/", follow=True).content.decode()
    assert "example.com is on the blocklist Spamhaus DBL (a domain in spam)" in shown
    assert (
        'data-listed="yes"' in shown and 'href="https://check.spamhaus.org/"' in shown and "History" in shown
    )
    answer = ok(api.get(API))
    assert answer.keys() == {"sentence", "advice", "entries"} and len(answer["entries"]) == 8
    (entry,) = [each for each in answer["entries"] if each["listed"]]
    assert (entry["subject"], entry["blocklist"], entry["state"]) == ("example.com", "dbl", "listed")
    assert entry["reason"] == "a domain in spam" and entry["page"].startswith("https://")
    lists.zones["dbl.spamhaus.org"].pop()
    lists.publish()
    assert not [each for each in ok(api.post(f"{API}/check"))["entries"] if each["listed"]]


def test_who_may_only_see_does_not_ask(operator: Any, client_with: Any) -> None:
    reader = client_with(operator, "mail:read")
    assert ok(reader.get(API))["entries"] == []
    error(reader.post(f"{API}/check"), 403, "permission_denied")
    assert Client().post(f"{PAGE}check/").status_code == 302


def test_the_settings_know_every_list() -> None:
    assert {*django_settings.QUAZZAR_BLOCKLISTS} == {each.key for each in LISTS}
