"""SealedTextField and SealedBinaryField: sealed before they reach the database, never shown by accident.

What the database can be asked of such a column is what the framework has a hook for: look-ups but ``isnull`` are
refused (``get_lookup``), and so is an expression that would store something unsealed in it (``get_db_prep_save``).
Reading it in other ways (``F()``, ``order_by``) is useless and harmless: the database has only sealed bytes, which open
nowhere but in their own column.
"""

from __future__ import annotations

import base64
import binascii
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from django.apps import apps
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.db import models
from django.db.models.expressions import Case, Value, When
from django.db.models.functions import Cast
from django.db.models.query_utils import DeferredAttribute
from fernet_fields.fields import EncryptedField

from quazzar.errors import SealError, Unreadable
from quazzar.sealing import keyring
from quazzar.sealing.cipher import seal, unseal
from quazzar.sealing.values import Sealed, Unsealable, as_bytes, as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django import forms
    from django.db.models.expressions import Combinable

#: What a sealed value starts with in a dump.
DUMP_PREFIX = "sealed:"


class SealedAttribute(DeferredAttribute):
    """The model's attribute: what is assigned becomes a ``Sealed`` at once."""

    field: SealedField[Any, Any]

    def __set__(self, instance: models.Model, value: object) -> None:
        instance.__dict__[self.field.attname] = self.field.wrap(value)


class Cipher:
    """Replaces the library's Fernet: AES-256-GCM under the key file's ring, for one column."""

    def __init__(self, context: str, former_contexts: Sequence[str] = ()) -> None:
        self._context = context
        self._former_contexts = former_contexts

    def encrypt(self, plaintext: bytes) -> bytes:
        """The plaintext, sealed under the first key.

        Raises:
            KeyFileError: there is no usable key, or other machines use another one.
        """
        return seal(plaintext, self._context, keyring.to_seal_with())

    def decrypt(self, blob: bytes) -> bytes:
        """The plaintext of a stored blob.

        Raises:
            SealError: it does not open, or there is no usable key.
        """
        ring = keyring.existing()
        if ring is None:
            raise Unreadable(f"The key file {keyring.path()} is missing, so this secret cannot be decrypted.")
        return unseal(blob, self._context, ring, self._former_contexts)


_Set_contra = TypeVar("_Set_contra", contravariant=True)
_Get_co = TypeVar("_Get_co", covariant=True)

# The base class has no type hints, so mypy sees a plain Field in its place.
if TYPE_CHECKING:

    class _Base(models.Field[_Set_contra, _Get_co]): ...

else:

    class _Base(EncryptedField, Generic[_Set_contra, _Get_co]): ...


class SealedField(_Base[_Set_contra, _Get_co]):
    """A column whose content only this node can read. Use one of its two subclasses.

    The context names the place that the secret belongs to. It is authenticated with the blob, so it must never change,
    even if the model or the field is renamed.

    When secrets move here from another column, their blobs are copied unchanged and that column's context is listed in
    ``former_contexts``. Such a move needs no key file, and a secret whose key is missing opens again once the key file
    is back. New secrets are sealed for ``context``.

    Raises:
        ImproperlyConfigured: there is no context, or a default would put the secret into the code.
    """

    descriptor_class = SealedAttribute
    empty_strings_allowed = False
    kind: type[str] | type[bytes]

    def __init__(
        self, *args: Any, context: str = "", former_contexts: Sequence[str] = (), **kwargs: Any
    ) -> None:
        if not context:
            raise ImproperlyConfigured(f'{type(self).__name__} needs context="app.model.field".')
        default = kwargs.get("default")
        if (default is not None and not callable(default)) or "db_default" in kwargs:
            raise ImproperlyConfigured(f"{context}: a default would put the secret into the code.")
        self.context = context
        self.former_contexts = tuple(former_contexts)
        super().__init__(*args, **kwargs)

    @cached_property
    def fernet(self) -> Cipher:
        """The library's hook for encryption: every blob of this field is made and opened through it."""
        return Cipher(self.context, self.former_contexts)

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """For migrations: the contexts as well."""
        name, path, args, kwargs = super().deconstruct()
        kwargs["context"] = self.context
        if self.former_contexts:
            kwargs["former_contexts"] = self.former_contexts
        return name, path, list(args), kwargs

    # --- values

    def wrap(self, value: object) -> object:
        """What the model's attribute holds after this was assigned: None, a ``Sealed``, or an SQL expression.

        Raises:
            TypeError: it is neither text nor bytes.
            ValueError: a text field got bytes that are not UTF-8.
        """
        if value is None or isinstance(value, Sealed) or hasattr(value, "resolve_expression"):
            return value
        if isinstance(value, str | bytes | bytearray | memoryview):
            return self._sealed(value if isinstance(value, str) else bytes(value))
        raise TypeError(f"{self.name} takes text or bytes, not {type(value).__name__}.")

    def opened(self, blob: bytes) -> Sealed[str] | Sealed[bytes]:
        """A stored blob as a value: ``Unsealable`` when it does not open."""
        try:
            return self._sealed(self.fernet.decrypt(blob), blob)
        except SealError as exc:
            return Unsealable(blob, context=self.context, reason=exc)
        except ValueError:
            return Unsealable(blob, context=self.context, reason=Unreadable("This secret is not text."))

    def _sealed(self, secret: str | bytes, blob: bytes | None = None) -> Sealed[str] | Sealed[bytes]:
        if self.kind is bytes:
            return Sealed(as_bytes(secret), self.context, blob)
        return Sealed(as_text(secret), self.context, blob)

    def _blob(self, value: Sealed[Any]) -> bytes:
        """What to store of a value.

        Raises:
            Unreadable: it cannot be opened, and its bytes belong to another context.
            KeyFileError: there is no usable key.
        """
        return value.reusable_blob(self.context) or self.fernet.encrypt(as_bytes(value.reveal()))

    # --- to and from the database

    def from_db_value(self, value: Any, expression: object, connection: object) -> Sealed[Any] | None:
        """A column's content as a value; never raises, so that one lost key cannot hide a whole list."""
        return None if value is None else self.opened(as_bytes(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """The blob to store for a value.

        Raises:
            TypeError, ValueError: as ``wrap``.
            Unreadable: the value does not open, and its bytes belong to another context.
            KeyFileError: there is no usable key.
        """
        if not isinstance(value, Sealed):
            value = self.wrap(value)
        return None if value is None else connection.Database.Binary(self._blob(value))

    def get_db_prep_save(self, value: Any, connection: Any) -> Any:
        """The blob to store; an SQL expression passes only if each of its values is sealed by this field.

        Raises:
            FieldError: the expression reads a column, or would store something that is not sealed.
        """
        if not hasattr(value, "as_sql"):
            return self.get_db_prep_value(value, connection)
        if not self._only_seals(value):
            raise FieldError(f"{self.name} is sealed: the database cannot compute it, so assign a value.")
        return value

    def _only_seals(self, expression: Any) -> bool:
        """Whether it is what ``bulk_update`` builds: CASE … THEN a value of this very field."""
        match expression:
            case Value(value=None):
                return True
            case Value():
                target = cast("Any", expression)._output_field_or_none
                return isinstance(target, SealedField) and target.context == self.context
            case When():
                return self._only_seals(expression.result)
            case Case():
                return all(map(self._only_seals, [*expression.cases, expression.default]))
            case Cast():
                return all(map(self._only_seals, expression.get_source_expressions()))
        return False

    def get_lookup(self, lookup_name: str) -> Any:
        """Only ``isnull``: two seals of one secret differ, so nothing else has a meaning.

        Raises:
            FieldError: it is another lookup.
        """
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise FieldError(f"{self.name} is sealed: a query can only ask for {self.name}__isnull.")

    # --- dumps and forms

    def value_to_string(self, obj: models.Model) -> str:
        """The sealed form, for ``dumpdata``; never the secret."""
        blob = self._blob(cast("Sealed[Any]", self.value_from_object(obj)))
        return DUMP_PREFIX + base64.b64encode(blob).decode()

    def to_python(self, value: Any) -> Any:
        """A value, from a dump's sealed form or from plain text.

        Raises:
            ValidationError: it starts like a sealed form but is not base64.
        """
        if not isinstance(value, str) or not value.startswith(DUMP_PREFIX):
            return self.wrap(value)
        try:
            return self.opened(base64.b64decode(value.removeprefix(DUMP_PREFIX), validate=True))
        except binascii.Error as exc:
            raise ValidationError("This is not a sealed value.", code="invalid") from exc

    def run_validators(self, value: Any) -> None:
        """Run the validators on the opened secret; one that does not open was validated when it was entered."""
        if isinstance(value, Sealed):
            if not value.readable:
                return
            value = value.reveal()
        super().run_validators(value)

    def formfield(self, *args: Any, **kwargs: Any) -> forms.Field | None:
        """A write-only input: left blank it keeps the secret, a box removes it."""
        from quazzar.sealing.widgets import SealedFormField

        return super().formfield(**{"form_class": SealedFormField, **kwargs})


class SealedTextField(SealedField[_Set_contra, _Get_co]):
    """A sealed text; ``reveal`` gives ``str``."""

    description = "Sealed text"
    kind = str
    if TYPE_CHECKING:
        _pyi_private_set_type: Sealed[str] | str | bytes | Combinable
        _pyi_private_get_type: Sealed[str]
        _pyi_lookup_exact_type: None


class SealedBinaryField(SealedField[_Set_contra, _Get_co]):
    """Sealed bytes; ``reveal`` gives ``bytes``."""

    description = "Sealed bytes"
    kind = bytes
    if TYPE_CHECKING:
        _pyi_private_set_type: Sealed[bytes] | str | bytes | Combinable
        _pyi_private_get_type: Sealed[bytes]
        _pyi_lookup_exact_type: None


def sealed_fields() -> list[tuple[type[models.Model], SealedField[Any, Any]]]:
    """Each sealed column of the project, once: the model whose table it is in, and the field."""
    return [
        (model, field)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
        for field in model._meta.local_concrete_fields
        if isinstance(field, SealedField)
    ]
