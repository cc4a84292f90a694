"""Names that people choose show what they are: one with unseen characters is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from mailboxes.models import Mailbox
from mailboxes.provisioning.mailboxes import change_mailbox
from mailrelay.expected import changes
from mailrelay.inbox import settings as inboxes
from mailrelay.models import ExpectedReport, RelaySettings
from mailrelay.queue import savedfilters
from mailrelay.queue.savedfilters import SavedFilter
from mailrelay.relay.settings import update
from mailrelay.suppression import listing
from quazzar.console.account.passkeys import PasskeyForm
from quazzar.console.account.profile import ProfileForm
from quazzar.console.apikeys import KeyForm
from quazzar.errors import InvalidFields
from quazzar.models import ApiKey, Passkey
from quazzar.names import NameField
from tests.mailboxes import factories

pytestmark = pytest.mark.django_db
#: Pages show it as "exe.ada".
BAD = "ada\u202eexe."
SENTENCE = (
    "contains an invisible character (right-to-left override, U+202E). Delete it, or type the name by hand."
)


def test_the_models_refuse_it() -> None:
    for model, name in (
        (ApiKey, "name"),
        (Passkey, "name"),
        (Mailbox, "display_name"),
        (RelaySettings, "from_name"),
        (ExpectedReport, "name"),
    ):
        field = model._meta.get_field(name)
        assert isinstance(field, NameField)
        with pytest.raises(ValidationError, match="right-to-left override"):
            field.run_validators(BAD)
        field.run_validators("مريم عبد الرحمن")


@pytest.mark.parametrize(
    "save",
    [
        lambda: change_mailbox(factories.mailbox().pk, {"display_name": BAD}),
        lambda: update({"from_name": BAD}, partial=True),
        lambda: changes.declare({"name": BAD, "schedule": {"kind": "daily", "at": "02:00"}}),
        lambda: inboxes.add({"host": "imap.example.com", "username": BAD, "password": "x"}),
        lambda: savedfilters.save(User.objects.create(username="ada"), SavedFilter(BAD, "all", "")),
        lambda: listing.add("ada@example.com", BAD),
    ],
    ids=["mailbox", "relay", "expected", "inbox", "filter", "suppression"],
)
def test_it_is_refused_in_a_sentence_at_its_field(save: Callable[[], object]) -> None:
    with pytest.raises(InvalidFields) as refused:
        save()
    (sentences,) = refused.value.fields.values()
    assert [sentence for sentence in sentences if SENTENCE in sentence] == sentences


@pytest.mark.parametrize(
    ("form", "name"), [(KeyForm, "name"), (PasskeyForm, "name"), (ProfileForm, "first_name")]
)
def test_forms_refuse_it(form: Any, name: str, operator: User) -> None:
    made = type("OfSomebody", (form,), {"user": operator})({name: BAD})
    assert f"The name {SENTENCE}" in made.errors[name]


def test_the_command_refuses_it(operator: User) -> None:
    with pytest.raises(CommandError, match="right-to-left override"):
        call_command("createapikey", BAD)


def test_an_older_one_is_shown_without_and_keeps_its_row_editable(admin_client: Client) -> None:
    row = factories.mailbox(display_name="Ada")
    Mailbox.objects.update(display_name=BAD)  # as an older version saved it
    row.refresh_from_db()
    assert row.display_name == "adaexe."
    assert change_mailbox(row.pk, {"quota_mb": 7}).quota_mb == 7
    assert "\u202e" not in admin_client.get(f"/admin/mail-relay/mailboxes/{row.pk}/").content.decode()
