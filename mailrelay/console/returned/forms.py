"""The forms of an inbox and of a suppressed address."""

from __future__ import annotations

from typing import Any

from django import forms

from mailrelay.inbox import settings
from mailrelay.models import Inbox, Suppression
from mailrelay.suppression import listing
from quazzar.console.forms import INPUT, NumberField, SavingForm, switch, text_input
from quazzar.sealing.values import Sealed
from quazzar.sealing.widgets import SealedFormField, SealedInput


class InboxPassword(SealedInput):
    """The inbox's password; the page shows "saved", never the password."""

    saved_text = "Saved. Leave this empty to keep it."
    unreadable_text = (
        "Unreadable: the key that sealed it is no longer in the key file. Enter the password again."
    )
    remove_text = ""


class InboxForm(SavingForm):
    """Where bounces and reports come to, and what is done with them there."""

    host = forms.CharField(required=False, widget=text_input(placeholder="imap.example.com", inputmode="url"))
    port = NumberField(
        required=False,
        widget=forms.NumberInput(
            attrs={**INPUT, "min": 1, "max": 65535, "inputmode": "numeric", "placeholder": "993"}
        ),
    )
    security = forms.ChoiceField(choices=Inbox.Security.choices, widget=forms.Select(attrs=INPUT))
    username = forms.CharField(required=False, widget=text_input(placeholder="bounces@example.com"))
    password = SealedFormField(required=False, widget=InboxPassword(attrs=INPUT))
    folder = forms.CharField(required=False, initial="INBOX", widget=text_input())
    after = forms.ChoiceField(choices=Inbox.After.choices, widget=forms.Select(attrs=INPUT))
    processed_folder = forms.CharField(required=False, initial="Processed", widget=text_input())
    enabled = switch()

    def __init__(self, data: Any = None, *, row: Inbox | None = None) -> None:
        self.row = row
        password = {"password": row.password} if row is not None and row.password is not None else {}
        super().__init__(data, initial={**settings.values_of(row), **password} if row else {})

    def save(self) -> Inbox | None:
        """Save what was typed; None when something is not valid, with the sentences at the fields."""
        return self.attempt(self._save)

    def _save(self, values: dict[str, Any]) -> Inbox:
        password = values["password"]
        wanted = {**values, "password": "" if isinstance(password, Sealed) else password}
        return settings.add(wanted) if self.row is None else settings.change(self.row.pk, wanted)


class SuppressionForm(SavingForm):
    """An address to suppress by hand."""

    refused_at = "address"
    address = forms.CharField(
        widget=text_input(placeholder="anna@example.com", inputmode="email"),
        error_messages={"required": "Type an address."},
    )
    note = forms.CharField(required=False, max_length=500, widget=text_input(placeholder="asked for no mail"))

    def save(self) -> Suppression | None:
        """Suppress the address; None when that is not possible, with the sentence at the field."""
        return self.attempt(lambda values: listing.add(values["address"], values["note"]))
