"""What the console's own forms share: saving through a domain function, inputs, and fields of addresses."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django import forms

from quazzar.console import pages
from quazzar.errors import AlreadyExists, InvalidFields, QuazzarError

T = TypeVar("T")

#: What stands between separators; those within quotes, as in "Doe, John" <john@example.com>, separate nothing.
_ITEM = re.compile(r'(?:"[^"\r\n]*"|[^\r\n,;])+')
INPUT = {"class": "q-input"}
#: For addresses, names and the like: no spell check, no capital letter, no completion.
VERBATIM = {**INPUT, "spellcheck": "false", "autocapitalize": "none", "autocomplete": "off"}


class SavingForm(forms.Form):
    """A form that is saved by one domain function, which alone decides what is valid.

    The form gathers what was typed. What the domain refuses is shown beside the fields.
    """

    use_required_attribute = False
    #: The domain's name of a value → the form's, where they differ.
    renamed: ClassVar[dict[str, str]] = {}
    #: The field that shows an ``AlreadyExists``; empty: it is shown above the form.
    refused_at: ClassVar[str] = ""

    def attempt(self, save: Callable[[dict[str, Any]], T]) -> T | None:
        """Call ``save`` with the cleaned values; None when something is not valid, with the sentences in place."""
        if not self.is_valid():
            return None
        try:
            return save(self.cleaned_data)
        except InvalidFields as exc:
            for name, sentences in exc.fields.items():
                field = self.renamed.get(name, name)
                self.add_error(field if field in self.fields else None, sentences)
        except QuazzarError as exc:
            at = self.refused_at if isinstance(exc, AlreadyExists) else ""
            self.add_error(at or None, pages.sentence(exc))
        return None


#: In place of Django's sentence, whose apostrophe is another one.
MISMATCH = {"password_mismatch": "The two passwords don't match."}


#: Field → what it says when it is empty, in place of Django's sentence, which names nothing.
_REQUIRED = {
    "username": "Enter a sign-in name.",
    "password": "Enter your password.",
    "old_password": "Enter your current password.",
    "new_password1": "Enter a new password.",
    "new_password2": "Repeat the new password.",
    "password1": "Enter a password.",
    "password2": "Repeat the password.",
    "email": "Enter your email address.",
}


def ask(form: forms.BaseForm) -> None:
    """Let the empty fields of a form say what to enter."""
    for name, sentence in _REQUIRED.items():
        if name in form.fields:
            form.fields[name].error_messages["required"] = sentence


def wear(form: forms.BaseForm) -> None:
    """Give the inputs of a form from Django or Unfold the console's look and words."""
    ask(form)
    for field in form.fields.values():
        if isinstance(field.widget, forms.TextInput | forms.PasswordInput | forms.EmailInput):
            field.widget.attrs["class"] = INPUT["class"]


class AddressesField(forms.CharField):
    """Mail addresses, one a line, or separated by commas or spaces; cleans to a list."""

    widget = forms.Textarea

    def prepare_value(self, value: Any) -> Any:
        """A list as lines; what was typed as it was typed."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the addresses in the order in which they were typed.

        Words that are not all addresses stay together, so that a line with a mistake is one mistake.
        """
        return [address for line in _ITEM.findall(value or "") for address in _addresses(line.strip())]


def _addresses(line: str) -> list[str]:
    words = line.split()
    return words if all("@" in word for word in words) else [line]


class NumberField(forms.Field):
    """A whole number; the domain says what is wrong with anything else."""

    widget = forms.NumberInput

    def to_python(self, value: Any) -> int | str | None:
        """The number; None for nothing; the text itself if it is not a number."""
        return number(value or "")


def number(text: str) -> int | str | None:
    """The typed text as a whole number; None if it is empty, and the text itself if it is not a number."""
    text = text.strip()
    try:
        return int(text) if text else None
    except ValueError:
        return text


def text_input(**attrs: Any) -> forms.TextInput:
    """An input for an address, a host name or the like."""
    return forms.TextInput(attrs={**VERBATIM, **attrs})


def address_lines(placeholder: str, rows: int = 2) -> forms.Textarea:
    """An input for several addresses."""
    return forms.Textarea(attrs={**VERBATIM, "rows": rows, "placeholder": placeholder})


def switch(label: str = "", *, initial: bool = True) -> forms.BooleanField:
    """A field that is shown as a switch."""
    widget = forms.CheckboxInput(attrs={"class": "q-switch", "role": "switch"})
    return forms.BooleanField(label=label, required=False, initial=initial, widget=widget)
