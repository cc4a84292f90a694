"""States of messages and recipients in templates."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString

from mailrelay.console import states
from mailrelay.models import Message

register = template.Library()


@register.simple_tag
def status_badge(message: Message) -> SafeString:
    """A message's status."""
    return states.of_message(message)


@register.simple_tag
def recipient_badge(recipient: dict[str, Any]) -> SafeString:
    """A recipient's state."""
    return states.of_recipient(recipient)
