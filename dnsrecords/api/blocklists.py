"""/api/mail/dns/blocklists: what blocklists say about what mail leaves from."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from dnsrecords.blocklists import check, standing
from dnsrecords.blocklists.lists import BY_KEY
from dnsrecords.blocklists.verdicts import State
from dnsrecords.models import BlocklistEntry
from quazzar.api.serializers import NoBody
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import CHANGE_DNS, SEE_DNS


class BlocklistEntrySerializer(serializers.Serializer[Any]):
    """What one list says about one address or domain."""

    subject = serializers.CharField(help_text="An address that mail leaves from, or a domain of this node.")
    blocklist = serializers.CharField(help_text="The key of the list, as in QUAZZAR_BLOCKLISTS.")
    name = serializers.CharField()
    state = serializers.ChoiceField(
        choices=[*State, "unknown"],
        help_text=(
            "refused: the list does not answer this node's resolver. broken: it fails its own test entries. silent: "
            "no answer. In these three, `listed` is what it said last."
        ),
    )
    listed = serializers.BooleanField(allow_null=True, help_text="null: the list has never said.")
    reason = serializers.CharField(
        allow_blank=True, help_text="Why it is listed, or why the list says nothing."
    )
    since = serializers.DateTimeField()
    checked_at = serializers.DateTimeField(allow_null=True, help_text="When the list last answered.")
    page = serializers.CharField(help_text="Where to look it up and ask for removal.")


class BlocklistsSerializer(serializers.Serializer[Any]):
    """All of them."""

    sentence = serializers.CharField()
    advice = serializers.CharField(allow_blank=True)
    entries = BlocklistEntrySerializer(many=True)


class BlocklistsViewSet(ApiViewSet):
    """What blocklists say about the addresses that mail leaves from, and about the domains."""

    rights: ClassVar = {"retrieve": SEE_DNS, "check": CHANGE_DNS}
    serializer_class = NoBody
    answer_class = BlocklistsSerializer

    @extend_schema(operation_id="blocklists", responses={200: BlocklistsSerializer})
    def retrieve(self, request: Request) -> Response:
        """What each list said last. Does not query DNS."""
        return self.answer(_shown())

    @action(detail=False, methods=["post"])
    def check(self, request: Request) -> Response:
        """Asks the lists now. Takes at most 15 seconds."""
        if check.enabled():
            check.check()
        return self.answer(_shown())


def _shown() -> dict[str, Any]:
    finding = standing.examine()
    rows = BlocklistEntry.objects.filter(blocklist__in=BY_KEY)
    return {"sentence": finding.sentence, "advice": finding.advice, "entries": [_entry(row) for row in rows]}


def _entry(row: BlocklistEntry) -> dict[str, Any]:
    blocklist = BY_KEY[row.blocklist]
    known = {None: "unknown", True: State.LISTED, False: State.CLEAR}[row.listed]
    return {
        "subject": row.subject,
        "blocklist": row.blocklist,
        "name": blocklist.name,
        "state": row.trouble or str(known),
        "listed": row.listed,
        "reason": row.trouble_reason or row.reason,
        "since": row.since,
        "checked_at": row.checked_at,
        "page": blocklist.page,
    }
