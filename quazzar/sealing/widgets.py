"""A write-only input for a sealed field: left blank it keeps the secret, a box removes it. No page holds the secret."""

from collections.abc import Mapping
from typing import Any, Final

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.forms.boundfield import BoundField
from django.utils.html import format_html
from django.utils.safestring import SafeString

from quazzar.sealing.values import Sealed

#: What the widget hands to its form field when the box is ticked.
REMOVE: Final = object()
_CONTRADICTION: Final = object()
_NOTHING = ("", None)


class SealedInput(forms.PasswordInput):
    """A password input that shows whether a password is saved, with a box to remove it."""

    saved_text = "A password is saved. Leave this blank to keep it."
    unreadable_text = (
        "The saved password is unreadable: its key is no longer in the key file. Enter it again."
    )
    remove_text = "Remove the saved password"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__({"autocomplete": "new-password", "spellcheck": "false", **(attrs or {})})

    def render(
        self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None
    ) -> SafeString:
        """The input, always empty, and below it the state and the box if a secret is saved."""
        attrs = dict(attrs or {})
        if not isinstance(value, Sealed):
            return super().render(name, None, attrs, renderer)
        base = attrs.get("id") or f"id_{name}"
        attrs["aria-describedby"] = f"{attrs.get('aria-describedby', '')} {base}_state".strip()
        return format_html(
            '<div class="sealed-input" data-state="{state}">{input}'
            '<p class="sealed-input-state" id="{base}_state">{text}</p>'
            '<label class="sealed-input-remove" for="{base}_remove">'
            '<input type="checkbox" name="{box}" id="{base}_remove"> {remove}</label></div>',
            state="saved" if value.readable else "unreadable",
            input=super().render(name, None, attrs, renderer),
            base=base,
            text=self.saved_text if value.readable else self.unreadable_text,
            box=self.box_name(name),
            remove=self.remove_text,
        )

    def box_name(self, name: str) -> str:
        """The checkbox's name in the form's data."""
        return f"{name}-remove"

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        """The text that was typed, or ``REMOVE`` if the box is ticked."""
        typed = data.get(name)
        if not forms.CheckboxInput().value_from_datadict(data, files, self.box_name(name)):
            return typed
        return REMOVE if typed in _NOTHING else _CONTRADICTION

    def value_omitted_from_data(self, data: Mapping[str, Any], files: Any, name: str) -> bool:
        """Whether the form has neither the input nor the box."""
        return name not in data and self.box_name(name) not in data

    def use_required_attribute(self, initial: Any) -> bool:
        """Never if a secret is saved, because leaving the input blank keeps it."""
        return initial is None and super().use_required_attribute(initial)


class SealedFormField(forms.Field):
    """Cleans to the typed text, to None if removed, or to the saved value, unopened, if left blank.

    Raises:
        ValidationError: a secret is required and there is none, or it was typed and removed at once.
    """

    widget = SealedInput
    default_error_messages = {"contradiction": "Either type a new one or tick the box, not both."}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.validators.append(ProhibitNullCharactersValidator())

    def _clean_bound_field(self, bf: BoundField) -> Any:
        # Like forms.FileField: a blank input means the initial value.
        return bf.initial if self.disabled or (bf.data in _NOTHING and bf.initial) else self.clean(bf.data)

    def clean(self, value: Any) -> Any:
        """The typed text, or None if it was removed or left blank.

        Raises:
            ValidationError: it was typed and removed at once, or does not pass a validator.
        """
        if value is _CONTRADICTION:
            raise ValidationError(self.error_messages["contradiction"], code="contradiction")
        return super().clean(None if value is REMOVE or value in _NOTHING else value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        """What a form with errors shows again: the saved state, never the typed text."""
        return initial

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether a secret was typed, or a saved one removed."""
        if self.disabled or data in _NOTHING:
            return False
        return data is not REMOVE or initial is not None
