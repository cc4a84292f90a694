"""Domains, mailboxes and aliases as the API takes and shows them. Shape only: what may be is the domain's to say."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from mailboxes.models import Alias, Domain, ImportJob, Mailbox
from mailboxes.provisioning import retention
from mailboxes.provisioning.rules import LARGEST_QUOTA_MB, LONGEST_DISPLAY_NAME, MOST_DESTINATIONS
from mailrelay.api.serializers import PASSWORD_STATES
from quazzar.api.fields import Line, Text
from quazzar.api.serializers import StrictSerializer

DKIM_STATES = ("none", "ready", "unreadable")
#: The largest id that a row can have; a larger one is no row, and SQLite refuses to look for it.
LARGEST_ID = 2**63 - 1
_IMPORT_STATES = ImportJob.State.choices
_KEEPS = "Absent or empty keeps the saved one, null removes it."


class Whole(serializers.IntegerField):
    """A JSON integer; neither a text of digits nor a yes is taken for one."""

    def to_internal_value(self, data: Any) -> int:
        """The number."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class YesNo(serializers.BooleanField):
    """``true`` or ``false``; no other word or number is taken for one."""

    def to_internal_value(self, data: Any) -> bool:
        """The truth value."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class _Id(Whole):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **kwargs)


class _Quota(Whole):
    def __init__(self) -> None:
        super().__init__(min_value=0, max_value=LARGEST_QUOTA_MB, default=0, help_text="MiB; 0 is no limit.")


class _LocalPart(Line):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=64, help_text="Cannot be changed later.", **kwargs)


class _DomainId(_Id):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(help_text="The domain's id. Cannot be changed later.", **kwargs)


# --- domains -----------------------------------------------------------------------------------------------
class DkimSerializer(serializers.Serializer[Any]):
    """The key that signs a domain's mail."""

    selector = serializers.CharField()
    state = serializers.ChoiceField(
        choices=DKIM_STATES, help_text="Unreadable: sealed under a key that is no longer in the key file."
    )


class DomainSerializer(serializers.ModelSerializer[Domain]):
    """A domain as it is shown."""

    catch_all = serializers.SerializerMethodField()
    mailbox_count = serializers.IntegerField(read_only=True)
    alias_count = serializers.IntegerField(read_only=True)
    dkim = serializers.SerializerMethodField()
    synced = serializers.BooleanField(read_only=True)

    class Meta:
        model = Domain
        fields = ("id", "name", "catch_all", "mailbox_count", "alias_count", "dkim", "synced", "created_at")
        read_only_fields = fields

    def get_catch_all(self, row: Domain) -> str | None:
        """The address, or null where such mail is refused."""
        return row.catch_all or None

    @extend_schema_field(DkimSerializer)
    def get_dkim(self, row: Domain) -> dict[str, str]:
        """Selector and state of the key, never the key."""
        return {"selector": row.dkim_selector, "state": row.dkim_state}


class DomainChangeSerializer(StrictSerializer):
    """A domain as it is written; what is only shown may be sent back, and changes nothing."""

    name = Line(max_length=255, required=False, help_text="Cannot be changed later.")
    catch_all = Line(
        max_length=320, allow_null=True, allow_blank=True, default=None,
        help_text="Gets what no mailbox and no alias takes; null refuses such mail.",
    )  # fmt: skip
    id = serializers.IntegerField(read_only=True)
    mailbox_count = serializers.IntegerField(read_only=True)
    alias_count = serializers.IntegerField(read_only=True)
    dkim = DkimSerializer(read_only=True)
    synced = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)

    def validate_catch_all(self, value: str | None) -> str:
        """Null is kept as the empty text."""
        return value or ""


@extend_schema_serializer(
    examples=[OpenApiExample("A domain", {"name": "example.com", "catch_all": None}, request_only=True)]
)
class DomainCreateSerializer(DomainChangeSerializer):
    """A new domain."""

    name = Line(max_length=255, help_text="Unicode is taken, and kept as A-labels.")


# --- mailboxes ---------------------------------------------------------------------------------------------
_TIME = serializers.DateTimeField()


class MailboxSerializer(serializers.ModelSerializer[Mailbox]):
    """A mailbox as it is shown; the password goes in and never comes out."""

    domain = serializers.IntegerField(source="domain_id", read_only=True, help_text="The domain's id.")
    password = serializers.SerializerMethodField(help_text="Always empty.")
    has_password = serializers.SerializerMethodField()
    password_state = serializers.ChoiceField(choices=PASSWORD_STATES, read_only=True)
    synced = serializers.BooleanField(read_only=True, help_text="Whether the running stack has it.")

    class Meta:
        model = Mailbox
        fields = (
            "id", "domain", "local_part", "address", "display_name", "quota_mb", "usage_bytes", "password",
            "has_password", "password_state", "enabled", "can_send", "can_receive", "synced", "created_at",
        )  # fmt: skip
        read_only_fields = fields

    def to_representation(self, row: Mailbox) -> dict[str, Any]:
        """The declared fields, which the schema is made of, by hand: field by field a page takes half as long again."""
        return {
            "id": row.pk,
            "domain": row.domain_id,
            "local_part": row.local_part,
            "address": row.address,
            "display_name": row.display_name,
            "quota_mb": row.quota_mb,
            "usage_bytes": row.usage_bytes,
            "password": "",
            "has_password": row.password_hash is not None,
            "password_state": row.password_state,
            "enabled": row.enabled,
            "can_send": row.can_send,
            "can_receive": row.can_receive,
            "synced": row.synced,
            "created_at": _TIME.to_representation(row.created_at),
        }

    def get_password(self, row: Mailbox) -> str:
        """Never the password; for the schema."""
        return ""

    def get_has_password(self, row: Mailbox) -> bool:
        """Whether one is stored, readable or not; for the schema."""
        return row.password_hash is not None


class MailboxChangeSerializer(StrictSerializer):
    """A mailbox as it is written; what is only shown may be sent back, and changes nothing."""

    domain = _DomainId(required=False)
    local_part = _LocalPart(required=False)
    password = Text(
        required=False, allow_blank=True, allow_null=True, trim_whitespace=False, max_length=1024,
        style={"input_type": "password"}, help_text=_KEEPS,
    )  # fmt: skip
    quota_mb = _Quota()
    display_name = Line(max_length=LONGEST_DISPLAY_NAME, allow_blank=True, default="")
    enabled = YesNo(default=True)
    can_send = YesNo(default=True, help_text="Off: it receives only.")
    can_receive = YesNo(default=True, help_text="Off: it sends only.")
    id = serializers.IntegerField(read_only=True)
    address = serializers.CharField(read_only=True)
    has_password = serializers.BooleanField(read_only=True)
    password_state = serializers.ChoiceField(choices=PASSWORD_STATES, read_only=True)
    usage_bytes = serializers.IntegerField(read_only=True)
    synced = serializers.BooleanField(read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "A mailbox of 1 GiB",
            {"domain": 1, "local_part": "ada", "password": "correct horse battery", "quota_mb": 1024},
            request_only=True,
        )
    ]
)
class MailboxCreateSerializer(MailboxChangeSerializer):
    """A new mailbox."""

    domain = _DomainId()
    local_part = _LocalPart()


class _RestorableUntil(serializers.DateTimeField):
    def to_representation(self, value: Any) -> Any:
        until = retention.restorable_until(value)
        return None if until is None else super().to_representation(until)


class DeletedMailboxSerializer(serializers.Serializer[Mailbox]):
    """A deleted mailbox that can still be restored, with its mail."""

    id = serializers.IntegerField()
    address = serializers.CharField()
    deleted_at = serializers.DateTimeField()
    restorable_until = _RestorableUntil(source="*", read_only=True)


# --- aliases -----------------------------------------------------------------------------------------------
class AliasSerializer(serializers.ModelSerializer[Alias]):
    """An alias as it is shown."""

    domain = serializers.IntegerField(source="domain_id", read_only=True, help_text="The domain's id.")
    destinations = serializers.ListField(child=serializers.CharField(), read_only=True)
    synced = serializers.BooleanField(read_only=True, help_text="Whether the running stack has it.")

    class Meta:
        model = Alias
        fields = ("id", "domain", "local_part", "address", "destinations", "enabled", "synced")
        read_only_fields = fields


class AliasChangeSerializer(StrictSerializer):
    """An alias as it is written; what is only shown may be sent back, and changes nothing."""

    domain = _DomainId(required=False)
    local_part = _LocalPart(required=False)
    destinations = serializers.ListField(
        child=Line(max_length=320), allow_empty=False, max_length=MOST_DESTINATIONS
    )
    enabled = YesNo(default=True)
    id = serializers.IntegerField(read_only=True)
    address = serializers.CharField(read_only=True)
    synced = serializers.BooleanField(read_only=True)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Two people, one of them elsewhere",
            {"domain": 1, "local_part": "info", "destinations": ["ada@example.com", "bob@example.net"]},
            request_only=True,
        )
    ]
)
class AliasCreateSerializer(AliasChangeSerializer):
    """A new alias."""

    domain = _DomainId()
    local_part = _LocalPart()


# --- import ------------------------------------------------------------------------------------------------
class ImportCheckedSerializer(serializers.Serializer[Any]):
    """The answer to a dry run."""

    ok = serializers.BooleanField()
    rows = serializers.IntegerField()


class ImportStartedSerializer(serializers.Serializer[Any]):
    """The answer to an import."""

    id = serializers.IntegerField(help_text="Of the job.")


class StackErrorSerializer(serializers.Serializer[Any]):
    """What stands in the way."""

    code = serializers.CharField()
    message = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)


class ImportJobSerializer(serializers.Serializer[ImportJob]):
    """How far an import is."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=_IMPORT_STATES)
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    last_error = StackErrorSerializer(allow_null=True)
