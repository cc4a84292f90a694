"""The stack as the API takes and shows it."""

from __future__ import annotations

from typing import Any

from django.core.validators import ProhibitNullCharactersValidator
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from mailboxes.api.serializers import ProblemSerializer
from mailboxes.certificates import state as certificatestate
from mailboxes.mailqueue import watch
from mailboxes.models import Stack
from mailboxes.stack import versions
from quazzar.api.fields import Text, YesNo
from quazzar.api.serializers import StrictSerializer

#: More than any certificate chain has.
_LONGEST_PEM = 256 * 1024
_HOSTNAME = OpenApiExample("A hostname of this node", {"hostname": "mail.example.com"}, request_only=True)


# --- what is shown -----------------------------------------------------------------------------------------
class ProgressSerializer(serializers.Serializer[Stack]):
    """Progress while the stack starts or stops."""

    step = serializers.IntegerField()
    of = serializers.IntegerField(source="steps")
    percent = serializers.IntegerField()
    message = serializers.CharField(source="progress_message", allow_blank=True)


class ServiceSerializer(serializers.Serializer[Any]):
    """One container, as last observed."""

    name = serializers.CharField()
    image = serializers.CharField()
    status = serializers.CharField(help_text="Docker's state of the container, or `absent`.")
    health = serializers.CharField(help_text="healthy, unhealthy, starting or none.")
    ports = serializers.ListField(child=serializers.IntegerField(), help_text="Ports published on the host.")


class GenerationSerializer(serializers.Serializer[Stack]):
    """The desired generation, and the one that the running stack last confirmed."""

    desired = serializers.IntegerField(source="desired_generation")
    applied = serializers.IntegerField(source="applied_generation")


class CertificateSummarySerializer(serializers.Serializer[Any]):
    """Whose certificate is served, until when, and what is wrong with it."""

    source = serializers.ChoiceField(choices=Stack.TlsSource.choices)  # type: ignore[assignment]  # a name of DRF too
    names = serializers.ListField(child=serializers.CharField())
    expires_at = serializers.DateTimeField(allow_null=True, help_text="Null if there is no certificate.")
    warnings = serializers.ListField(child=serializers.CharField())


class CertificateSerializer(CertificateSummarySerializer):
    """The certificate. You can set its key, but never read it."""

    certificate = serializers.CharField(
        allow_blank=True, help_text="The chain in PEM, starting with the server's own certificate."
    )
    certificate_path = serializers.CharField(allow_blank=True)
    key_path = serializers.CharField(allow_blank=True)


class VersionSerializer(serializers.Serializer[Any]):
    """Which version of a service runs."""

    service = serializers.CharField()
    running = serializers.CharField(
        allow_blank=True, help_text="The version that runs; empty while it is unknown."
    )
    tested = serializers.CharField(help_text="The version that this release was tested with.")
    compared = serializers.ChoiceField(choices=["tested", "newer", "older", "unknown"])


class ReasonSerializer(serializers.Serializer[Any]):
    """A reason why mail waits in Postfix, and for how many mails."""

    text = serializers.CharField(help_text="What the other server answered, or Postfix's own reason.")
    host = serializers.CharField(
        allow_blank=True, help_text="The server that gave this answer, or one of several."
    )
    count = serializers.IntegerField(help_text="Mails.")


class MailQueueSerializer(serializers.Serializer[Any]):
    """The mail that waits in Postfix, as of the last check."""

    count = serializers.IntegerField()
    oldest_at = serializers.DateTimeField(allow_null=True)
    reasons = ReasonSerializer(many=True, help_text="At most five reasons, most frequent first.")


class WaitingRecipientSerializer(serializers.Serializer[Any]):
    """A recipient who has not received the mail yet."""

    address = serializers.CharField()
    reason = serializers.CharField(allow_blank=True, help_text="Why it waits; empty if it was not tried yet.")


class WaitingMailSerializer(serializers.Serializer[Any]):
    """A mail in Postfix's queue."""

    id = serializers.CharField(help_text="Postfix's queue id, as in its log.")
    queue = serializers.CharField(help_text="incoming, active, deferred, hold or corrupt.")
    arrived_at = serializers.DateTimeField()
    size_bytes = serializers.IntegerField(source="size")
    sender = serializers.CharField(allow_blank=True, help_text="The envelope sender; empty for a bounce.")
    recipients = WaitingRecipientSerializer(many=True)


class WaitingMailsSerializer(serializers.Serializer[Any]):
    """Postfix's queue, as it is now."""

    count = serializers.IntegerField()
    messages = WaitingMailSerializer(many=True, help_text="At most 500 mails, oldest first.")


class RetryMailsSerializer(serializers.Serializer[Any]):
    """Which mail in Postfix's queue to try now."""

    id = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=32, help_text="A queue id; empty: all mail."
    )


class RetriedMailsSerializer(serializers.Serializer[Any]):
    """What Postfix was told to try."""

    count = serializers.IntegerField(help_text="Mails that are tried now.")


class HandleMailsSerializer(serializers.Serializer[Any]):
    """Which mails in Postfix's queue to hold, release or delete."""

    ids = serializers.ListField(
        child=serializers.RegexField(r"^[0-9A-Za-z]{6,32}\Z"),
        min_length=1,
        max_length=500,
        help_text="Queue ids.",
    )


class HandledMailsSerializer(serializers.Serializer[Any]):
    """What was done."""

    count = serializers.IntegerField(help_text="Mails that it was done with; others had left.")


class OthersAddressSerializer(serializers.Serializer[Any]):
    """An address for reports or bounces that is an operator's."""

    address = serializers.CharField()
    kind = serializers.ChoiceField(choices=("mailbox", "alias"))


class OwnMailboxSerializer(serializers.Serializer[Any]):
    """The mailbox that Quazzar itself owns."""

    enabled = serializers.BooleanField(help_text="As own_mailbox of the stack.")
    address = serializers.CharField(allow_blank=True, help_text="Empty while there is none.")
    addresses = serializers.ListField(
        child=serializers.CharField(),
        help_text="Their mail goes there: bounces, dmarc and tlsrpt of each domain.",
    )
    not_ours = OthersAddressSerializer(
        many=True, help_text="Addresses of that kind that are a mailbox or an alias of yours, and stay it."
    )


class StackSerializer(serializers.Serializer[Any]):
    """The stack: its desired state, and what was last observed."""

    enabled = serializers.BooleanField()
    phase = serializers.ChoiceField(choices=Stack.Phase.choices)
    progress = ProgressSerializer(source="*")
    hostname = serializers.CharField(allow_blank=True)
    services = ServiceSerializer(many=True)
    generation = GenerationSerializer(source="*")
    last_error = ProblemSerializer(allow_null=True)
    send_through_relay = serializers.BooleanField()
    warn_mailbox_owners = serializers.BooleanField()
    own_mailbox = serializers.BooleanField(
        help_text="Whether Quazzar has a mailbox of its own, for bounces and reports."
    )
    own_address = serializers.CharField(
        source="own", allow_blank=True, help_text="Its address; empty while there is none."
    )
    certificate = serializers.SerializerMethodField()
    pending = serializers.ListField(
        child=serializers.CharField(),
        help_text="Repairs that wait for approval, because they would interrupt mail.",
    )
    versions = serializers.SerializerMethodField()
    mail_queue = serializers.SerializerMethodField()
    observed_at = serializers.DateTimeField(
        allow_null=True, help_text="When the stack was last checked; null if never."
    )

    @extend_schema_field(VersionSerializer(many=True))
    def get_versions(self, row: Stack) -> Any:
        """Return which versions run, beside those that were tested."""
        return VersionSerializer(versions.read(row), many=True).data

    @extend_schema_field(MailQueueSerializer(allow_null=True))
    def get_mail_queue(self, row: Stack) -> Any:
        """Return what waits in Postfix; null before the first check."""
        summary = watch.read(row)
        return None if summary is None else MailQueueSerializer(summary).data

    @extend_schema_field(CertificateSummarySerializer)
    def get_certificate(self, row: Stack) -> Any:
        """Return whose certificate is served, and until when."""
        return CertificateSummarySerializer(certificatestate.read(row)).data


class CheckSerializer(serializers.Serializer[Any]):
    """One check of the preflight."""

    id = serializers.CharField()
    ok = serializers.BooleanField()
    severity = serializers.ChoiceField(
        choices=["error", "warning"], help_text="An error prevents the start; a warning does not."
    )
    message = serializers.CharField()
    hint = serializers.CharField(allow_blank=True)


class ReportSerializer(serializers.Serializer[Any]):
    """The result of the preflight: its checks, and whether the stack can start."""

    ok = serializers.BooleanField()
    checks = CheckSerializer(many=True)


class ControllerPasswordSerializer(serializers.Serializer[Any]):
    """The password of Rspamd's web interface."""

    password = serializers.CharField()


# --- what is taken -----------------------------------------------------------------------------------------
@extend_schema_serializer(examples=[_HOSTNAME])
class HostnameSerializer(StrictSerializer):
    """The public hostname of the stack."""

    hostname = Text(max_length=255)


class DisableSerializer(StrictSerializer):
    """How to stop the stack."""

    purge = YesNo(default=False, help_text="Also delete the volumes, with all mail.")
    confirm = Text(
        default="",
        allow_blank=True,
        max_length=255,
        help_text="To confirm a purge, repeat the hostname here.",
    )


class StackChangeSerializer(StrictSerializer):
    """Settings that can be changed while the stack runs."""

    send_through_relay = YesNo(
        required=False, help_text="Whether mail to other servers is sent through the relay."
    )
    warn_mailbox_owners = YesNo(
        required=False, help_text="Whether owners of nearly full mailboxes get a warning as well."
    )
    own_mailbox = YesNo(
        required=False,
        help_text="Whether Quazzar has a mailbox of its own, for bounces and reports. false removes it with its mail.",
    )


class PemText(Text):
    """A file's text, even if it is not PEM, so that the domain can say how to convert it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=_LONGEST_PEM, trim_whitespace=False, **kwargs)
        self.validators = [
            validator
            for validator in self.validators
            if not isinstance(validator, ProhibitNullCharactersValidator)
        ]


@extend_schema_serializer(
    examples=[
        OpenApiExample("Our own", {"self_signed": True}, request_only=True),
        OpenApiExample(
            "Files that an ACME client renews",
            {
                "certificate_path": "/etc/letsencrypt/live/mail.example.com/fullchain.pem",
                "key_path": "/etc/letsencrypt/live/mail.example.com/privkey.pem",
            },
            request_only=True,
        ),
    ]
)
class CertificateWriteSerializer(StrictSerializer):
    """A certificate and key in PEM, the paths of both, or ``self_signed``: one of the three."""

    certificate = PemText(required=False)
    key = PemText(required=False, write_only=True)
    certificate_path = Text(required=False, max_length=1024)
    key_path = Text(required=False, max_length=1024)
    self_signed = YesNo(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """One of the three, and whole."""
        ways = [{"certificate", "key"}, {"certificate_path", "key_path"}, {"self_signed"}]
        begun = [way for way in ways if way & attrs.keys()]
        if len(begun) != 1 or attrs.get("self_signed") is False:
            raise serializers.ValidationError(
                "Send certificate and key, or certificate_path and key_path, or self_signed: true."
            )
        if missing := begun[0] - attrs.keys():
            raise serializers.ValidationError(
                {name: ["This field is required together with the other one."] for name in missing}
            )
        return attrs


class ControllerPasswordAskSerializer(StrictSerializer):
    """Whether to return the current password or create a new one."""

    new = YesNo(default=False, help_text="Create a new password. The old one stops working.")
