"""Template tags for the states of messages and recipients."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString

from mailrelay.console import states
from mailrelay.models import Message
from mailrelay.queue import standing

register = template.Library()


@register.simple_tag
def status_badge(message: Message) -> SafeString:
    """The status of a message as a badge."""
    return states.message_badge(message)


@register.filter
def stage_words(stage: str) -> str:
    """Where a delivery failed, as words."""
    return standing.STAGES.get(stage, stage)


@register.simple_tag
def recipient_badge(recipient: dict[str, Any]) -> SafeString:
    """The state of one of a message's ``recipients`` as a badge."""
    return states.recipient_badge(recipient)
