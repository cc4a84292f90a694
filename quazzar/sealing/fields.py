"""SealedTextField and SealedBinaryField: sealed before they reach the database, never shown by accident."""

from __future__ import annotations

import base64
import binascii
import sys
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from django.apps import apps
from django.core.exceptions import FieldError, ImproperlyConfigured, ValidationError
from django.db import models
from django.db.models.expressions import Case, Col, Value, When
from django.db.models.functions import Cast
from django.db.models.query_utils import DeferredAttribute
from django.db.models.sql.compiler import SQLCompiler
from django.db.models.sql.query import Query
from fernet_fields.fields import EncryptedField

from quazzar.errors import SealError, Unreadable
from quazzar.sealing import cipher as sealing
from quazzar.sealing import keyring
from quazzar.sealing.values import Sealed, Unsealable, as_bytes, as_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

    from django import forms
    from django.db.models.expressions import Combinable

__all__ = ["Sealed", "SealedBinaryField", "SealedField", "SealedTextField", "Unsealable", "sealed_fields"]

#: What a sealed value starts with in a dump.
DUMP_PREFIX = "sealed:"


class SealedAttribute(DeferredAttribute):
    """The model's attribute: what is assigned becomes a ``Sealed`` at once."""

    field: SealedField[Any, Any]

    def __set__(self, instance: models.Model, value: object) -> None:
        instance.__dict__[self.field.attname] = self.field.wrap(value)


class Cipher:
    """What django-fernet-fields calls a fernet: here AES-256-GCM under the key file's ring."""

    def __init__(self, context: str, former_contexts: Sequence[str] = ()) -> None:
        self._context = context
        self._former_contexts = former_contexts

    def encrypt(self, plaintext: bytes) -> bytes:
        """The plaintext, sealed.

        Raises:
            KeyFileError: there is no usable key.
        """
        return sealing.seal(plaintext, self._context, keyring.current())

    def decrypt(self, blob: bytes) -> bytes:
        """The plaintext of a stored blob.

        Raises:
            SealError: it does not open, or there is no usable key.
        """
        ring = keyring.existing()
        if ring is None:
            raise Unreadable(f"The key file {keyring.path()} is gone, and with it the key of this secret.")
        return sealing.unseal(blob, self._context, ring, self._former_contexts)


_Set_contra = TypeVar("_Set_contra", contravariant=True)
_Get_co = TypeVar("_Get_co", covariant=True)

# The base class has no type hints, so mypy sees a plain Field in its place.
if TYPE_CHECKING:

    class _Base(models.Field[_Set_contra, _Get_co]): ...

else:

    class _Base(EncryptedField, Generic[_Set_contra, _Get_co]): ...


class SealedField(_Base[_Set_contra, _Get_co]):
    """A column whose content only this node can read. Use one of its two subclasses.

    The context says which place the secret belongs to. It is authenticated with the blob, so it must never
    change, whatever becomes of the names of model and field. When secrets move here from another column, their
    blobs are copied as they are and that column's context is named in ``former_contexts``: the move then needs no
    key file, and a secret whose key is missing opens again once the key file is back. What is sealed from then on
    is sealed for ``context``.

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
        self._cipher = Cipher(context, self.former_contexts)
        super().__init__(*args, **kwargs)

    @property
    def fernet(self) -> Cipher:
        """The hook through which the base class encrypts: all cryptography is ours."""
        return self._cipher

    def deconstruct(self) -> tuple[str, str, list[Any], dict[str, Any]]:
        """For migrations: the contexts as well."""
        name, path, args, kwargs = super().deconstruct()
        kwargs["context"] = self.context
        if self.former_contexts:
            kwargs["former_contexts"] = self.former_contexts
        return name, path, list(args), kwargs

    # --- values

    def wrap(self, value: object) -> object:
        """What the model's attribute holds when this is assigned: None, a ``Sealed``, or an SQL expression.

        Raises:
            TypeError: it is neither text nor bytes.
            ValueError: it is bytes that are no UTF-8, for a text.
        """
        if value is None or isinstance(value, Sealed) or hasattr(value, "resolve_expression"):
            return value
        if isinstance(value, str | bytes | bytearray | memoryview):
            return self._sealed(value if isinstance(value, str) else bytes(value))
        raise TypeError(f"{self.name} takes text or bytes, not {type(value).__name__}.")

    def opened(self, blob: bytes) -> Sealed[str] | Sealed[bytes]:
        """A stored blob as a value: ``Unsealable`` when it does not open."""
        try:
            return self._sealed(self._cipher.decrypt(blob), blob)
        except SealError as exc:
            return Unsealable(blob, context=self.context, reason=exc)
        except ValueError:
            return Unsealable(blob, context=self.context, reason=Unreadable("This secret is no text."))

    def _sealed(self, secret: str | bytes, blob: bytes | None = None) -> Sealed[str] | Sealed[bytes]:
        if self.kind is bytes:
            return Sealed(as_bytes(secret), self.context, blob)
        return Sealed(as_text(secret), self.context, blob)

    # --- to and from the database

    def from_db_value(self, value: Any, expression: object, connection: object) -> Sealed[Any] | None:
        """A column's content as a value; never raises, so that one lost key cannot hide a whole list."""
        return None if value is None else self.opened(as_bytes(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """The blob to store."""
        if not isinstance(value, Sealed):
            value = self.wrap(value)
        return None if value is None else connection.Database.Binary(value.blob(self.context))

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

    # --- what a query may ask

    def get_lookup(self, lookup_name: str) -> Any:
        """Only ``isnull``: two seals of one secret differ, so nothing else has a meaning.

        Raises:
            FieldError: it is another lookup.
        """
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        raise FieldError(f"{self.name} is sealed: a query can only ask for {self.name}__isnull.")

    def get_col(self, alias: str, output_field: models.Field[Any, Any] | None = None) -> Col:
        """The column in a query.

        Raises:
            FieldError: it was named by ``F()``, ``order_by`` or ``distinct``.
        """
        if _asked_for_by(_FORBIDDEN):
            raise FieldError(f"{self.name} is sealed: it cannot be used in F(), order_by() or distinct().")
        return super().get_col(alias, output_field)

    # --- dumps and forms

    def value_to_string(self, obj: models.Model) -> str:
        """The sealed form, for ``dumpdata``; never the secret."""
        blob = cast("Sealed[Any]", self.value_from_object(obj)).blob(self.context)
        return DUMP_PREFIX + base64.b64encode(blob).decode()

    def to_python(self, value: Any) -> Any:
        """A value, from a dump's sealed form or from plain text.

        Raises:
            ValidationError: it looks like a sealed form, and is none.
        """
        if not isinstance(value, str) or not value.startswith(DUMP_PREFIX):
            return self.wrap(value)
        try:
            return self.opened(base64.b64decode(value.removeprefix(DUMP_PREFIX), validate=True))
        except binascii.Error as exc:
            raise ValidationError("This is not a sealed value.", code="invalid") from exc

    def run_validators(self, value: Any) -> None:
        """Validators see the secret; one that does not open has been validated before."""
        if isinstance(value, Sealed):
            if not value.readable:
                return
            value = value.reveal()
        super().run_validators(value)

    def formfield(self, *args: Any, **kwargs: Any) -> forms.Field | None:
        """A write-only input: blank keeps, a box removes."""
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


# Django resolves a SELECT column and an F() through the same call, get_col; only the caller tells them apart.
_FORBIDDEN: frozenset[CodeType] = frozenset(
    cast("Any", method).__code__
    for method in (Query.resolve_ref, SQLCompiler.find_ordering_name, SQLCompiler.get_distinct)
)


def _asked_for_by(callers: frozenset[CodeType]) -> bool:
    frame = sys._getframe(2).f_back  # skips get_col and its caller, a local function of setup_joins
    for _ in range(2):
        if frame is None:
            return False
        if frame.f_code in callers:
            return True
        frame = frame.f_back  # Python 3.11 runs a comprehension in a frame of its own
    return False
