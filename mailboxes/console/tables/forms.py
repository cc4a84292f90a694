"""The forms of the models' pages. What may be is the domain's to say; a password goes in and never comes out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from unfold.widgets import (
    UnfoldAdminPasswordWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from mailboxes.models import Alias, Domain, Mailbox

if TYPE_CHECKING:
    _Form = forms.ModelForm[Any]
else:
    _Form = forms.ModelForm

_SEPARATORS = re.compile(r"[\s,;]+")
_LOCAL_PART = {"autocapitalize": "none", "spellcheck": "false", "autocomplete": "off"}


class DomainBackedForm(_Form):
    """Checks shape alone; the domain function's objections come in as ``refused`` on the second try."""

    refused: ClassVar[dict[str, list[str]]] = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.fields.pop("local_part", None)  # the address is fixed

    def clean(self) -> dict[str, Any]:
        """Puts the objections beside their fields."""
        for name, sentences in self.refused.items():
            self.add_error(
                name if name in self.fields else None, [forms.ValidationError(each) for each in sentences]
            )
        return super().clean() or self.cleaned_data

    def _post_clean(self) -> None:
        # Django would check uniqueness with sentences of its own, before the domain can.
        self._validate_unique = False
        self._validate_constraints = False
        super()._post_clean()  # type: ignore[misc]  # part of Django's machinery, not of its stubs

    def changes(self, *names: str) -> dict[str, Any]:
        """What the domain function gets."""
        return {name: self.cleaned_data[name] for name in names if name in self.cleaned_data}


class DomainModelForm(DomainBackedForm):
    """A domain."""

    class Meta:
        model = Domain
        fields = ("name", "catch_all")


class MailboxModelForm(DomainBackedForm):
    """A mailbox."""

    local_part = forms.CharField(
        label="Local part", max_length=64, widget=UnfoldAdminTextInputWidget(attrs=_LOCAL_PART),
        help_text="What stands before the @.",
    )  # fmt: skip
    password = forms.CharField(
        label="Password", required=False, strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="Empty: it stays as it is; a new mailbox without one lets nobody in.",
    )  # fmt: skip

    class Meta:
        model = Mailbox
        fields = ("domain", "local_part", "display_name", "quota_mb", "enabled", "can_receive", "can_send")
        labels: ClassVar[dict[str, str]] = {
            "quota_mb": "Quota",
            "enabled": "May sign in",
            "can_receive": "Receives mail",
            "can_send": "Sends mail",
        }
        help_texts: ClassVar[dict[str, str]] = {"quota_mb": "MiB; 0 is no limit."}


class LinesField(forms.CharField):
    """Addresses, one a line; cleans to a list."""

    widget = UnfoldAdminTextareaWidget

    def prepare_value(self, value: Any) -> Any:
        """A list as lines; what was typed as it was typed."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """The addresses, in order."""
        return [one for one in _SEPARATORS.split(value or "") if one]


class AliasModelForm(DomainBackedForm):
    """An alias."""

    local_part = forms.CharField(
        label="Local part", max_length=64, widget=UnfoldAdminTextInputWidget(attrs=_LOCAL_PART)
    )
    destinations = LinesField(help_text="One address a line.")

    class Meta:
        model = Alias
        fields = ("domain", "local_part", "destinations", "enabled")
