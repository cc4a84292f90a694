"""/api/mail/journeys: where a mail is, by the relay's messages and the mail server's logs."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mailboxes.maillog import finding, story
from mailboxes.maillog.finding import TABS, Found
from mailboxes.models import Journey
from mailrelay.models import Message
from quazzar.api.viewsets import ApiViewSet
from quazzar.rights import FIND_MAIL, SEE_QUEUE


class FindSerializer(serializers.Serializer[Any]):
    """What to look for."""

    q = serializers.CharField(
        required=False,
        max_length=finding.LONGEST,
        default="",
        help_text="An address, a Message-ID, a queue id of Postfix, a client's address, or words of a subject.",
    )
    tab = serializers.ChoiceField(
        required=False,
        default="all",
        choices=[(name, tab.label) for name, tab in TABS.items()],
        help_text="connections are sign-ins and clients that were turned away.",
    )
    before = serializers.RegexField(
        r"^\d{1,18}(-\d{1,18})?\Z", required=False, default="", help_text="Where to go on, as in next."
    )


class FoundSerializer(serializers.Serializer[Any]):
    """A mail that was found: a journey through the mail server, a message of the relay, or both."""

    id = serializers.IntegerField(
        allow_null=True, help_text="Of the journey; null if the mail server never had it."
    )
    message = serializers.IntegerField(
        allow_null=True,
        help_text="Id of the relay's message; null if it is none, or you may not see messages.",
    )
    at = serializers.DateTimeField(help_text="When it began.")
    state = serializers.CharField(
        help_text="Of the journey: arriving, waiting, held, delivered, bounced, refused, put_off, discarded, deleted, "
        "broken or connection. Of a message without one: its status."
    )
    subject = serializers.CharField(help_text="Empty if the relay did not send it.")
    sender = serializers.CharField(help_text="The envelope sender.")
    to = serializers.ListField(child=serializers.CharField(), help_text="The first 20 recipients.")
    message_id = serializers.CharField()
    spam = serializers.BooleanField(help_text="It was filed in Junk.")
    reason = serializers.CharField(help_text="The last words of a server that did not take it.")


@extend_schema_serializer(many=False)
class FoundPageSerializer(serializers.Serializer[Any]):
    """Some mails, newest first."""

    next = serializers.URLField(allow_null=True, help_text="URL of the older ones; null at the end.")
    results = FoundSerializer(many=True)


class JourneyStepSerializer(serializers.Serializer[Any]):
    """Something that happened to the mail."""

    at = serializers.DateTimeField()
    kind = serializers.CharField(help_text="In a word, such as scanned, deferred or filed.")
    title = serializers.CharField(help_text="In a sentence.")
    said = serializers.CharField(help_text="The server's words.")
    details = serializers.CharField()
    hint = serializers.CharField(help_text="What to do.")


class JourneySerializer(FoundSerializer):
    """One mail's way through the mail server."""

    client = serializers.CharField(help_text="Address of the machine that handed it in.")
    login = serializers.CharField(help_text="Who had signed in there.")
    size_bytes = serializers.IntegerField()
    score = serializers.FloatField(allow_null=True, help_text="Rspamd's.")
    queue_ids = serializers.ListField(child=serializers.CharField())
    outcomes = serializers.DictField(
        child=serializers.CharField(), help_text="Recipient: delivered, deferred, …"
    )
    steps = JourneyStepSerializer(many=True, help_text="Oldest first.")


class JourneyViewSet(ApiViewSet):
    """Where mail is: each mail's way through the relay and the mail server."""

    rights: ClassVar = {"list": FIND_MAIL, "retrieve": FIND_MAIL}
    query_names: ClassVar = {"list": [*FindSerializer().fields]}
    queryset = Journey.objects.all()
    serializer_class = JourneySerializer
    pagination_class = None
    filter_backends = ()
    page_queries = (("Not delivered", "tab=failed"), ("Waiting", "tab=waiting"))

    @extend_schema(parameters=[FindSerializer], responses=FoundPageSerializer, filters=False)
    def list(self, request: Request) -> Response:
        """Mail of the relay and of the mail server that has to do with ``q``, newest first; without ``q``, all.

        A page without results may have a ``next``: a search for words looks at messages for a fraction of a second.
        """
        query = FindSerializer(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        asked = query.validated_data
        page = finding.find(
            asked["q"], asked["tab"], before=asked["before"], messages=SEE_QUEUE(request.user)
        )
        results = [_found(one) for one in page.rows]
        return Response({"next": _next(request, page.older), "results": results})

    def retrieve(self, request: Request, pk: int) -> Response:
        """One journey, with everything that the logs say about it."""
        row = self.get_object()
        message = finding.message_of(row) if SEE_QUEUE(request.user) else None
        steps = story.steps(row, row.events.all())
        more = {
            "client": row.client,
            "login": row.login,
            "size_bytes": row.size,
            "score": row.score,
            "queue_ids": row.facts.get("ids", []),
            "outcomes": row.facts.get("outcomes", {}),
            "steps": steps,
        }
        return self.answer({**_found(Found(row.began_at, row, message)), **more})


def _found(one: Found) -> dict[str, Any]:
    journey, message = one.journey, one.message
    shared = {
        "message": message.pk if message else None,
        "at": one.at,
        "subject": message.subject if message else "",
        "reason": one.reason,
    }
    if journey is None:
        assert message is not None
        return {"id": None, **shared, **_of_message(message)}
    return {
        "id": journey.pk,
        **shared,
        "state": journey.state,
        "sender": journey.sender,
        "to": journey.recipients,
        "message_id": journey.message_id,
        "spam": journey.spam,
    }


def _of_message(message: Message) -> dict[str, Any]:
    return {
        "state": message.status,
        "sender": message.envelope_sender,
        "to": message.to[:20],
        "message_id": message.message_id,
        "spam": False,
        "reason": str((message.last_error or {}).get("message", "")),
    }


def _next(request: Request, older: str) -> str | None:
    if not older:
        return None
    query = request.query_params.copy()
    query["before"] = older
    return request.build_absolute_uri(f"{request.path}?{query.urlencode()}")
