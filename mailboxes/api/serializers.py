"""Domains, mailboxes and aliases as the API takes and shows them. The domain code decides which values are allowed.

Each resource has a serializer, and a second one for PUT and PATCH: what identifies a row must be given to add it, and
may only be sent back as it is later. Fields that can only be read may be sent back too, and change nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from mailboxes.models import ImportJob, Mailbox
from mailboxes.provisioning import addresses, deadends, retention, rules
from mailrelay.api.serializers import PASSWORD_STATES
from quazzar.api.fields import Id, Line, Secret, Whole, YesNo, judged_by, utc
from quazzar.api.serializers import StrictSerializer

DKIM_STATES = ("none", "ready", "unreadable")
_FIXED = "Cannot be changed later."
_LONGEST_NAME = 255
_LONGEST_ADDRESS = 320
_SWITCHES = tuple(Mailbox.switches())


class DomainId(Id):
    """The id of the domain that a mailbox or an alias belongs to."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(help_text=f"The domain's id. {_FIXED}", **kwargs)

    def get_attribute(self, instance: Any) -> Any:
        """Return the id, without reading the domain."""
        return instance.domain_id


class LocalPart(Line):
    """The local part of an address."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=addresses.LOCAL_LIMIT, help_text=_FIXED, **kwargs)


class OneAddress(Line):
    """An address, or null where there is none; the rows have "" for that."""

    def __init__(self, help_text: str) -> None:
        super().__init__(
            max_length=_LONGEST_ADDRESS, allow_null=True, allow_blank=True, default=None, help_text=help_text
        )

    def to_representation(self, value: str) -> str | None:  # type: ignore[override]
        """Return the address, or null."""
        return value or None


class WarnedList(serializers.ListSerializer[Any]):
    """A list of rows whose warnings are found with the same few queries for all of them."""

    def to_representation(self, data: Any) -> list[Any]:
        """Return the rows of the page."""
        rows = list(data)
        # The declared field, because the child copies all of its fields before it gives one away.
        field: Warnings = type(self.child)._declared_fields["warnings"]  # type: ignore[union-attr]
        found = field.find(rows)
        for row in rows:
            row.__dict__[Warnings.KEPT] = found[row.pk]
        return super().to_representation(rows)


class Warnings(serializers.ListField):
    """Sentences about problems with a row's destinations. They do not prevent the row from being saved."""

    #: Where a list leaves the sentences of a row.
    KEPT = "found_warnings"

    def __init__(self, find: Callable[[list[Any]], dict[int, list[str]]]) -> None:
        self.find = find
        super().__init__(
            child=serializers.CharField(),
            read_only=True,
            help_text=(
                "Sentences about mail to this address that nobody receives; empty if there is nothing to "
                "report."
            ),
        )

    def get_attribute(self, instance: Any) -> list[str]:
        """Return the warnings about the row, one sentence each."""
        return self.of(instance, self.find)

    @classmethod
    def of(cls, row: Any, find: Callable[[list[Any]], dict[int, list[str]]]) -> list[str]:
        """Return the sentences about the row, found now unless its list has found them."""
        kept: list[str] | None = row.__dict__.get(cls.KEPT)
        return find([row])[row.pk] if kept is None else kept


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": rules.LARGEST_QUOTA_MB})
class Quota(Whole):
    """The quota of a mailbox."""

    def __init__(self) -> None:
        super().__init__(
            default=0, help_text="Limit in MiB; 0 means no limit.", validators=[judged_by(rules.quota)]
        )


@extend_schema_field({"type": "string", "maxLength": rules.LONGEST_DISPLAY_NAME})
class DisplayName(Line):
    """The display name of a mailbox."""

    def __init__(self) -> None:
        super().__init__(allow_blank=True, default="", validators=[judged_by(rules.display_name)])


# --- domains -----------------------------------------------------------------------------------------------
class DkimSerializer(serializers.Serializer[Any]):
    """The key that signs a domain's mail."""

    selector = serializers.CharField(source="dkim_selector")
    state = serializers.ChoiceField(
        choices=DKIM_STATES,
        source="dkim_state",
        help_text="unreadable: sealed with a key that is no longer in the key file.",
    )


@extend_schema_serializer(
    examples=[OpenApiExample("A domain", {"name": "example.com", "catch_all": None}, request_only=True)]
)
class DomainSerializer(StrictSerializer):
    """A mail domain."""

    class Meta:
        list_serializer_class = WarnedList

    id = serializers.IntegerField(read_only=True)
    name = Line(
        max_length=_LONGEST_NAME,
        help_text=f"The domain name. Unicode is accepted and stored as A-labels. {_FIXED}",
    )
    catch_all = OneAddress("The address that receives mail for unknown addresses; null refuses such mail.")
    contact = OneAddress(
        "The address that receives mail for postmaster and abuse, unless a mailbox or alias has that "
        "address. null: the catch-all receives it, or else the operators of this server."
    )
    mailbox_count = serializers.IntegerField(read_only=True)
    alias_count = serializers.IntegerField(read_only=True)
    dkim = DkimSerializer(source="*", read_only=True)
    warnings = Warnings(deadends.of_domains)
    synced = serializers.BooleanField(
        read_only=True, help_text="Whether the running stack has applied the latest change."
    )
    created_at = serializers.DateTimeField(read_only=True)

    def validate_catch_all(self, value: str | None) -> str:
        """Return "" for null: the rows have no null there."""
        return value or ""

    def validate_contact(self, value: str | None) -> str:
        """Return "" for null: the rows have no null there."""
        return value or ""


@extend_schema_serializer(
    examples=[OpenApiExample("A catch-all", {"catch_all": "ops@example.com"}, request_only=True)]
)
class DomainChangeSerializer(DomainSerializer):
    """A change of a domain."""

    name = Line(max_length=_LONGEST_NAME, required=False, help_text=_FIXED)


# --- mailboxes ---------------------------------------------------------------------------------------------
@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A mailbox of 1 GiB",
            {"domain": 1, "local_part": "ada", "password": "correct horse battery", "quota_mb": 1024},
            request_only=True,
        )
    ]
)
class MailboxSerializer(StrictSerializer):
    """A mailbox. You can set its password, but never read it."""

    class Meta:
        list_serializer_class = WarnedList

    id = serializers.IntegerField(read_only=True)
    domain = DomainId()
    local_part = LocalPart()
    address = serializers.CharField(read_only=True)
    display_name = DisplayName()
    quota_mb = Quota()
    forward_to = serializers.ListField(
        child=Line(max_length=_LONGEST_ADDRESS),
        default=list,
        max_length=rules.MOST_DESTINATIONS,
        help_text="Addresses that also receive its mail, or with `keep_copy: false` receive it instead.",
    )
    usage_bytes = serializers.IntegerField(read_only=True)
    password = Secret(
        max_length=1024,
        help_text=(
            "Always reads as an empty string. Leave it out or empty to keep the saved password; null "
            "removes it."
        ),
    )
    has_password = serializers.BooleanField(read_only=True)
    password_state = serializers.ChoiceField(choices=PASSWORD_STATES, read_only=True)
    warnings = Warnings(deadends.of_mailboxes)
    synced = serializers.BooleanField(
        read_only=True, help_text="Whether the running stack has applied the latest change."
    )
    created_at = serializers.DateTimeField(read_only=True)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the fields above, with the row's switches after the password."""
        fields = super().get_fields()
        last = {name: fields.pop(name) for name in ("warnings", "synced", "created_at")}
        switches = {
            name: YesNo(default=field.default, help_text=field.help_text or None)
            for name, field in Mailbox.switches().items()
        }
        return {**fields, **switches, **last}

    def to_representation(self, row: Mailbox) -> dict[str, Any]:
        """Return the fields above without DRF's generic code, with which a page takes 50 % longer."""
        return {
            "id": row.pk,
            "domain": row.domain_id,
            "local_part": row.local_part,
            "address": row.address,
            "display_name": row.display_name,
            "quota_mb": row.quota_mb,
            "forward_to": row.forward_to,
            "usage_bytes": row.usage_bytes,
            "password": "",
            "has_password": row.password_hash is not None,
            "password_state": row.password_state,
            **{name: getattr(row, name) for name in _SWITCHES},
            "warnings": Warnings.of(row, deadends.of_mailboxes) if row.forward_to else [],
            "synced": row.synced,
            "created_at": utc(row.created_at),
        }


@extend_schema_serializer(
    examples=[OpenApiExample("2 GiB", {"quota_mb": 2048, "display_name": "Ada"}, request_only=True)]
)
class MailboxChangeSerializer(MailboxSerializer):
    """A change of a mailbox."""

    domain = DomainId(required=False)
    local_part = LocalPart(required=False)


class RestorableUntil(serializers.DateTimeField):
    """When the restore period of a deleted mailbox ends."""

    def to_representation(self, value: Any) -> Any:
        """Return the time; null for a mailbox that is not deleted."""
        until = retention.restorable_until(value)
        return None if until is None else super().to_representation(until)


class DeletedMailboxSerializer(serializers.Serializer[Mailbox]):
    """A deleted mailbox that can still be restored, with its mail."""

    id = serializers.IntegerField()
    address = serializers.CharField()
    deleted_at = serializers.DateTimeField()
    restorable_until = RestorableUntil(source="*", read_only=True)


# --- aliases -----------------------------------------------------------------------------------------------
@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two recipients, one of them at another provider",
            {"domain": 1, "local_part": "info", "destinations": ["ada@example.com", "bob@example.net"]},
            request_only=True,
        )
    ]
)
class AliasSerializer(StrictSerializer):
    """An address that forwards."""

    class Meta:
        list_serializer_class = WarnedList

    id = serializers.IntegerField(read_only=True)
    domain = DomainId()
    local_part = LocalPart()
    address = serializers.CharField(read_only=True)
    destinations = serializers.ListField(
        child=Line(max_length=_LONGEST_ADDRESS), allow_empty=False, max_length=rules.MOST_DESTINATIONS
    )
    enabled = YesNo(default=True)
    warnings = Warnings(deadends.of_aliases)
    synced = serializers.BooleanField(
        read_only=True, help_text="Whether the running stack has applied the latest change."
    )


@extend_schema_serializer(
    examples=[OpenApiExample("Other people", {"destinations": ["eve@example.com"]}, request_only=True)]
)
class AliasChangeSerializer(AliasSerializer):
    """A change of an alias."""

    domain = DomainId(required=False)
    local_part = LocalPart(required=False)


# --- import ------------------------------------------------------------------------------------------------
class ImportCheckedSerializer(serializers.Serializer[Any]):
    """The answer to a dry run."""

    ok = serializers.BooleanField()
    rows = serializers.IntegerField()


class ImportStartedSerializer(serializers.Serializer[Any]):
    """The answer to an import."""

    id = serializers.IntegerField(help_text="Of the job.")


class ProblemSerializer(serializers.Serializer[Any]):
    """What went wrong, and what to do."""

    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)


class ImportJobSerializer(serializers.Serializer[ImportJob]):
    """The progress of an import."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=ImportJob.State.choices)
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    last_error = ProblemSerializer(allow_null=True)
