"""The tab's forms. They gather what was typed; whether it may be is decided where the API asks too."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django import forms

from mailboxes.models import Alias, Domain, Mailbox, Stack
from mailboxes.provisioning import facade as provisioning
from mailboxes.stack import settings as stacksettings
from quazzar import words
from quazzar.errors import AlreadyExists, InvalidFields, QuazzarError

_T = TypeVar("_T")
_SEPARATORS = re.compile(r"[\s,;]+")
_MIB_PER_GIB = 1024
_LARGEST_UPLOAD = 64 * 1024
_INPUT = {"class": "q-input"}
_TYPED = {**_INPUT, "spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}


def _text(**attrs: Any) -> forms.TextInput:
    return forms.TextInput(attrs={**_TYPED, **attrs})


def _switch() -> forms.CheckboxInput:
    return forms.CheckboxInput(attrs={"class": "q-switch", "role": "switch"})


def _switched(label: str, *, initial: bool = True) -> forms.BooleanField:
    return forms.BooleanField(label=label, required=False, initial=initial, widget=_switch())


class ActingForm(forms.Form):
    """A form whose save is one domain function; what that refuses is said beside the fields."""

    use_required_attribute = False
    #: The domain function's name of a value → the form's, where they differ.
    renamed: ClassVar[dict[str, str]] = {}
    #: The field beside which a refusal stands that names none; empty: above the form.
    refused_at: ClassVar[str] = ""

    def attempt(self, act: Callable[[dict[str, Any]], _T]) -> _T | None:
        """What the domain function returns; None when something does not fit."""
        if not self.is_valid():
            return None
        try:
            return act(self.cleaned_data)
        except InvalidFields as exc:
            for name, sentences in exc.fields.items():
                field = self.renamed.get(name, name)
                self.add_error(field if field in self.fields else None, sentences)
        except QuazzarError as exc:
            at = self.refused_at if isinstance(exc, AlreadyExists) else ""
            self.add_error(at or None, f"{exc.message} {exc.hint}".strip())
        return None


class HostnameForm(ActingForm):
    """The name of the mail server."""

    hostname = forms.CharField(
        max_length=253,
        widget=_text(placeholder="mail.example.com", inputmode="url", autofocus=True),
        error_messages={"required": "Type the name of your mail server, such as mail.example.com."},
    )

    def save(self) -> Stack | None:
        """Enables the stack under this name."""
        return self.attempt(lambda values: stacksettings.enable(values["hostname"]))


class DisableForm(ActingForm):
    """Off, with the data kept, or purged when the hostname is repeated."""

    purge = forms.BooleanField(required=False)
    confirm = forms.CharField(required=False, widget=_text())

    def save(self) -> Stack | None:
        """Disables the stack."""
        return self.attempt(
            lambda values: stacksettings.disable(purge=values["purge"], confirm=values["confirm"].strip())
        )


class DomainForm(ActingForm):
    """A domain, and where mail goes that no address takes."""

    refused_at = "name"

    name = forms.CharField(
        label="Domain", widget=_text(placeholder="example.com", inputmode="url"),
        error_messages={"required": "Type a domain, such as example.com."},
    )  # fmt: skip
    catch_all = forms.CharField(
        label="Catch-all", required=False, widget=_text(placeholder="Nobody", inputmode="email")
    )

    def __init__(self, data: Any = None, *, row: Domain | None = None) -> None:
        self.row = row
        super().__init__(data, initial={"catch_all": row.catch_all} if row else None)
        if row:
            del self.fields["name"]

    def save(self) -> Domain | None:
        """Adds or changes it."""
        row = self.row
        if row is None:
            return self.attempt(lambda values: provisioning.add_domain(**values))

        def change(values: dict[str, Any]) -> Domain:
            provisioning.change_domain(row.pk, values)
            return row

        return self.attempt(change)


class MailboxForm(ActingForm):
    """One mailbox: a new one, or what can be changed of one."""

    renamed: ClassVar[dict[str, str]] = {"quota_mb": "quota", "domain_id": "domain"}
    refused_at = "local_part"

    domain = forms.ChoiceField(label="Domain", widget=forms.Select(attrs=_INPUT))
    local_part = forms.CharField(
        label="Address", widget=_text(placeholder="anna"),
        error_messages={"required": "Type what stands before the @."},
    )  # fmt: skip
    display_name = forms.CharField(
        label="Display name", required=False, max_length=200,
        widget=forms.TextInput(attrs={**_INPUT, "placeholder": "Anna Example", "autocomplete": "off"}),
    )  # fmt: skip
    password = forms.CharField(
        label="Password", required=False, strip=False,
        widget=forms.PasswordInput(attrs={**_TYPED, "autocomplete": "new-password"}),
    )  # fmt: skip
    quota = forms.IntegerField(
        label="Quota", required=False, min_value=0,
        widget=forms.NumberInput(attrs={**_INPUT, "min": 0, "inputmode": "numeric", "placeholder": "No limit"}),
        error_messages={"invalid": "The quota is a whole number; leave it empty for no limit."},
    )  # fmt: skip
    quota_unit = forms.ChoiceField(
        label="Unit of the quota", choices=[("gb", "GiB"), ("mb", "MiB")], required=False, initial="gb",
        widget=forms.Select(attrs=_INPUT),
    )  # fmt: skip
    enabled = _switched("May sign in")
    can_receive = _switched("Receives mail")
    can_send = _switched("Sends mail")

    def __init__(
        self, data: Any = None, *, row: Mailbox | None = None, domains: list[tuple[str, str]] | None = None,
        domain: str = "",
    ) -> None:  # fmt: skip
        self.row = row
        super().__init__(data, initial=_values(row) if row else {"domain": domain})
        if row:
            del self.fields["domain"], self.fields["local_part"]
        else:
            self.fields["domain"] = forms.ChoiceField(
                label="Domain", choices=domains or [], widget=forms.Select(attrs=_INPUT),
                error_messages={"invalid_choice": "That domain is not there any more; choose another."},
            )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """A new mailbox needs a password: without one nobody could log in."""
        values = super().clean() or {}
        if self.row is None and not values.get("password"):
            self.add_error("password", "Type a password, or let one be generated.")
        return values

    def save(self) -> Mailbox | None:
        """Adds or changes it."""
        return self.attempt(self._change if self.row else self._add)

    def _add(self, values: dict[str, Any]) -> Mailbox:
        return provisioning.add_mailbox(
            int(values["domain"]),
            values["local_part"],
            password=values["password"] or None,
            quota_mb=_quota_mb(values),
            **{name: values[name] for name in ("display_name", "enabled", "can_send", "can_receive")},
        )

    def _change(self, values: dict[str, Any]) -> Mailbox:
        assert self.row is not None
        changes = {name: values[name] for name in ("display_name", "enabled", "can_send", "can_receive")}
        if values["password"]:
            changes["password"] = values["password"]
        provisioning.change_mailbox(self.row.pk, {**changes, "quota_mb": _quota_mb(values)})
        return self.row


class AliasForm(ActingForm):
    """An address that forwards."""

    renamed: ClassVar[dict[str, str]] = {"domain_id": "domain"}
    refused_at = "local_part"

    domain = forms.ChoiceField(label="Domain", widget=forms.Select(attrs=_INPUT))
    local_part = forms.CharField(
        label="Address", widget=_text(placeholder="sales"),
        error_messages={"required": "Type what stands before the @."},
    )  # fmt: skip
    destinations = forms.CharField(
        label="Destinations",
        widget=forms.Textarea(
            attrs={**_TYPED, "rows": 3, "placeholder": "anna@example.com\nben@elsewhere.net"}
        ),
        error_messages={"required": "Type at least one address that gets the mail."},
    )
    enabled = _switched("Forwards mail")

    def __init__(
        self, data: Any = None, *, row: Alias | None = None, domains: list[tuple[str, str]] | None = None,
        domain: str = "",
    ) -> None:  # fmt: skip
        self.row = row
        lines = "\n".join(row.destinations) if row else ""
        super().__init__(
            data,
            initial={"destinations": lines, "enabled": row.enabled} if row else {"domain": domain},
        )
        if row:
            del self.fields["domain"], self.fields["local_part"]
        else:
            self.fields["domain"] = forms.ChoiceField(
                label="Domain", choices=domains or [], widget=forms.Select(attrs=_INPUT),
                error_messages={"invalid_choice": "That domain is not there any more; choose another."},
            )  # fmt: skip

    def clean_destinations(self) -> list[str]:
        """One address a line, or with commas between them."""
        return [one for one in _SEPARATORS.split(self.cleaned_data["destinations"]) if one]

    def save(self) -> Alias | None:
        """Adds or changes it."""
        return self.attempt(self._change if self.row else self._add)

    def _add(self, values: dict[str, Any]) -> Alias:
        return provisioning.add_alias(
            int(values["domain"]), values["local_part"], values["destinations"], enabled=values["enabled"]
        )

    def _change(self, values: dict[str, Any]) -> Alias:
        assert self.row is not None
        provisioning.change_alias(
            self.row.pk, {"destinations": values["destinations"], "enabled": values["enabled"]}
        )
        return self.row


class CertificateForm(ActingForm):
    """Where the server's certificate comes from."""

    source = forms.ChoiceField(choices=Stack.TlsSource.choices, widget=forms.RadioSelect)
    certificate = forms.FileField(label="Certificate", required=False, allow_empty_file=True)
    key = forms.FileField(label="Private key", required=False, allow_empty_file=True)
    certificate_path = forms.CharField(
        label="Certificate file", required=False,
        widget=_text(placeholder="/etc/letsencrypt/live/mail.example.com/fullchain.pem"),
    )  # fmt: skip
    key_path = forms.CharField(
        label="Private key file", required=False,
        widget=_text(placeholder="/etc/letsencrypt/live/mail.example.com/privkey.pem"),
    )  # fmt: skip

    def clean(self) -> dict[str, Any]:
        """What the chosen source needs is there."""
        values = super().clean() or {}
        needed = {
            Stack.TlsSource.UPLOADED: ("certificate", "key"),
            Stack.TlsSource.FILES: ("certificate_path", "key_path"),
        }.get(values.get("source", ""), ())
        for name in needed:
            if not values.get(name) and name not in self.errors:
                self.add_error(
                    name, "Choose a PEM file." if "path" not in name else "Type its absolute path."
                )
        return values

    def clean_certificate(self) -> str:
        """The PEM text."""
        return self._pem("certificate")

    def clean_key(self) -> str:
        """The PEM text."""
        return self._pem("key")

    def _pem(self, name: str) -> str:
        upload = self.cleaned_data.get(name)
        if not upload:
            return ""
        if upload.size > _LARGEST_UPLOAD:
            raise forms.ValidationError(
                f"This file is too large for a PEM file ({words.size(_LARGEST_UPLOAD)} at most)."
            )
        try:
            return str(upload.read().decode("ascii"))
        except UnicodeDecodeError as exc:
            raise forms.ValidationError("This is not a PEM file: it is not plain text.") from exc

    def save(self) -> tuple[str, ...] | None:
        """Puts it in place; the answer is what to beware of."""
        return self.attempt(self._put)

    def _put(self, values: dict[str, Any]) -> tuple[str, ...]:
        match values["source"]:
            case Stack.TlsSource.UPLOADED:
                return stacksettings.upload_certificate(values["certificate"], values["key"]).warnings
            case Stack.TlsSource.FILES:
                paths = values["certificate_path"], values["key_path"]
                return stacksettings.use_certificate_files(*paths).warnings
        stacksettings.use_self_signed()
        return ()


def _values(row: Mailbox) -> dict[str, Any]:
    whole = row.quota_mb % _MIB_PER_GIB == 0
    return {
        "display_name": row.display_name,
        "quota": (row.quota_mb // _MIB_PER_GIB if whole else row.quota_mb) or None,
        "quota_unit": "gb" if whole else "mb",
        "enabled": row.enabled,
        "can_receive": row.can_receive,
        "can_send": row.can_send,
    }


def _quota_mb(values: dict[str, Any]) -> int:
    return int(values["quota"] or 0) * (1 if values["quota_unit"] == "mb" else _MIB_PER_GIB)
