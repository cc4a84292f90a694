"""The form of the relay settings: what was typed, completed by the provider's preset, saved by the domain."""

from __future__ import annotations

from typing import Any

from django import forms
from django.forms.boundfield import BoundWidget

from mailrelay.models import RelaySettings
from mailrelay.relay import presets, settings
from mailrelay.relay.presets import Preset
from mailrelay.relay.rules import IMPLICIT_TLS_PORT
from quazzar.console.forms import (
    INPUT,
    AddressesField,
    NumberField,
    SavingForm,
    address_lines,
    switch,
    text_input,
)
from quazzar.sealing.values import Sealed
from quazzar.sealing.widgets import SealedFormField, SealedInput

_CONNECTION = ("host", "port", "security")


class RelayPassword(SealedInput):
    """The relay's password; the page shows "saved", never the password."""

    saved_text = "Saved. Leave this empty to keep it."
    unreadable_text = (
        "Unreadable: the key that sealed it is no longer in the key file. Enter the password again."
    )
    remove_text = "Remove the saved password"


class RelayForm(SavingForm):
    """One SMTP configuration, and who receives alerts and backup reports through it."""

    provider = forms.ChoiceField(choices=presets.CHOICES, widget=forms.RadioSelect)
    host = forms.CharField(required=False, widget=text_input(placeholder="smtp.example.com", inputmode="url"))
    port = NumberField(
        required=False,
        widget=forms.NumberInput(attrs={**INPUT, "min": 1, "max": 65535, "inputmode": "numeric"}),
    )
    security = forms.ChoiceField(choices=RelaySettings.Security.choices, widget=forms.Select(attrs=INPUT))
    username = forms.CharField(required=False, widget=text_input(autocomplete="off"))
    password = SealedFormField(required=False, widget=RelayPassword(attrs=INPUT))
    from_address = forms.CharField(
        required=False, widget=text_input(placeholder="alerts@example.com", inputmode="email")
    )
    from_name = forms.CharField(
        required=False, widget=text_input(placeholder="Node alerts", autocapitalize="words")
    )
    bounce_address = forms.CharField(
        required=False, widget=text_input(placeholder="bounces@example.com", inputmode="email")
    )
    alert_recipients = AddressesField(required=False, widget=address_lines("ops@example.com"))
    backup_recipients = AddressesField(required=False, widget=address_lines("backups@example.com"))
    notify_backup_success = switch(initial=False)
    #: Set by the page's script: host, port and security are what the operator saw and wants.
    filled = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, row: RelaySettings) -> None:
        self.row = row
        password = {"password": row.password} if row.password is not None else {}
        super().__init__(data, initial={**settings.values_of(row), **password})
        for preset in presets.PRESETS:
            if preset.regions:
                self.fields[f"region_{preset.id}"] = _region_field(preset, row)

    # --- for the page

    def cards(self) -> list[tuple[BoundWidget, Preset]]:
        """Each provider's radio button with its preset."""
        return [(radio, _preset(radio.data["value"])) for radio in self["provider"]]

    def regions(self) -> list[tuple[str, forms.BoundField]]:
        """Each provider with regions, and the field to choose one."""
        return [(preset.id, self[f"region_{preset.id}"]) for preset in presets.PRESETS if preset.regions]

    @property
    def preset(self) -> Preset:
        """The provider that is chosen in the form."""
        return _preset(str(self["provider"].value()))

    def hints(self) -> dict[str, str]:
        """What to type next to the chosen provider's fields."""
        return hints(self.preset)

    @property
    def password_was_typed(self) -> bool:
        """Whether a password was typed: a form that is shown again does not keep it."""
        return self.is_bound and bool(self.data.get("password"))

    # --- to the settings

    def save(self) -> RelaySettings | None:
        """Save what was typed; None when something is not valid, with the sentences at the fields."""
        return self.attempt(lambda _: settings.update(self._changes(), partial=True))

    def _changes(self) -> dict[str, Any]:
        values = {name: self.cleaned_data[name] for name in settings.PLAIN_FIELDS}
        values["password"] = self._password()
        if not self.cleaned_data["filled"]:
            self._follow_the_provider(values)
        preset = _preset(values["provider"])
        if not values["host"] and preset.host:
            values["host"] = preset.host
        if values["port"] is None:
            values["port"] = IMPLICIT_TLS_PORT if values["security"] == "tls" else preset.port
        return values

    def _password(self) -> str | None:
        """The password as typed, "" to keep the saved one, or None to remove it."""
        password: str | Sealed | None = self.cleaned_data["password"]
        if isinstance(password, Sealed) or (password is None and self.row.password is None):
            return ""
        return password

    def _follow_the_provider(self, values: dict[str, Any]) -> None:
        """Do what the script does in the browser: a new provider or region brings its own host."""
        preset = _preset(values["provider"])
        region = f"region_{preset.id}"
        if preset.host and preset.id != self.row.provider:
            for name in _CONNECTION:
                if name not in self.changed_data:
                    values[name] = getattr(preset, name)
        if region in self.changed_data and "host" not in self.changed_data:
            values["host"] = self.cleaned_data[region] or values["host"]


def _region_field(preset: Preset, row: RelaySettings) -> forms.ChoiceField:
    hosts = [(region.host, region.name) for region in preset.regions]
    elsewhere = row.provider == preset.id and row.host and not preset.region_of(row.host)
    return forms.ChoiceField(
        label=f"{preset.name} region",
        choices=[*hosts, ("", "Another host, entered below")] if elsewhere else hosts,
        required=False,
        initial="" if elsewhere else (row.host if preset.region_of(row.host) else preset.host),
        widget=forms.Select(attrs={**INPUT, "data-region-of": preset.id}),
    )


def hints(preset: Preset) -> dict[str, str]:
    """The preset's hints as sentences, by field."""
    return {"username": _sentence(preset.username_hint), "password": _sentence(preset.password_hint)}


def _sentence(hint: str) -> str:
    # A single word is what to type, verbatim.
    text = hint[:1].upper() + hint[1:] if " " in hint else f"Always the word {hint}" if hint else ""
    return f"{text.rstrip('.')}." if text else ""


def _preset(id_: str) -> Preset:
    return presets.by_id(id_) or presets.PRESETS[-1]
