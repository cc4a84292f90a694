"""Template tags for messages and recipients: states, who gets a mail, why it is not delivered yet."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString

from mailrelay.console import states
from mailrelay.models import Message
from quazzar.console import shown

register = template.Library()


@register.simple_tag
def status_badge(message: Message, returned: dict[int, str] | None = None) -> SafeString:
    """The status of a message as a badge; ``returned`` holds what bounced or was complained about."""
    return states.message_badge(message, (returned or {}).get(message.pk, ""))


@register.simple_tag
def recipient_badge(recipient: dict[str, Any]) -> SafeString:
    """The state of one of a message's ``recipients`` as a badge."""
    return states.recipient_badge(recipient)


@register.simple_tag
def receivers(message: Message) -> str:
    """Who gets it: the first recipient, and the number of the others."""
    return states.receivers(message)


@register.filter
def reason(message: Message) -> str:
    """Why a message is not delivered, and when it is tried again; empty if all is well."""
    return states.reason(message)


@register.simple_tag
def answer(recipient: dict[str, Any]) -> str:
    """The server's words about a recipient, with its code once, or ours about one who was left out."""
    said = states.answer(recipient)
    return shown.timed(said) if recipient.get("status") == "suppressed" else said
