"""The forms of an inbox and of a suppressed address."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms

from mailrelay.inbox import settings
from mailrelay.models import Inbox, Suppression
from mailrelay.suppression import listing
from quazzar.console.forms import INPUT, NumberField, SavingForm, switch, text_input


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
    #: No sealed field: it cannot be removed, only replaced; and it is never shown again.
    password = forms.CharField(
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={**INPUT, "autocomplete": "new-password", "spellcheck": "false"}),
    )
    folder = forms.CharField(required=False, initial="INBOX", widget=text_input())
    after = forms.ChoiceField(choices=Inbox.After.choices, widget=forms.Select(attrs=INPUT))
    processed_folder = forms.CharField(required=False, initial="Processed", widget=text_input())
    enabled = switch()

    def __init__(self, data: Any = None, *, row: Inbox | None = None) -> None:
        self.row = row
        super().__init__(data, initial=settings.values_of(row) if row else {})

    def save(self) -> Inbox | None:
        """Save what was typed; None when something is not valid, with the sentences at the fields."""
        return self.attempt(self._save)

    def _save(self, values: dict[str, Any]) -> Inbox:
        return settings.add(values) if self.row is None else settings.change(self.row.pk, values)


class SuppressionForm(SavingForm):
    """An address to suppress by hand."""

    refused_at = "address"
    renamed: ClassVar = {"said": "note"}
    address = forms.CharField(
        widget=text_input(placeholder="anna@example.com", inputmode="email"),
        error_messages={"required": "Enter an address."},
    )
    note = forms.CharField(required=False, max_length=500, widget=text_input(placeholder="Asked for no mail"))

    def save(self) -> Suppression | None:
        """Suppress the address; None when that is not possible, with the sentence at the field."""
        return self.attempt(lambda values: listing.add(values["address"], values["note"]))
