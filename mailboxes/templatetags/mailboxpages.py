"""Small parts that the tab's templates repeat."""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from mailboxes.provisioning import addresses
from quazzar import words

register = template.Library()


@register.filter
def spelled(name: str) -> str:
    """The domain in its own script, where it is stored as A-labels; else empty."""
    own = addresses.shown(name)
    return own if own != name else ""


@register.simple_tag
def opens(name: str, *args: object, query: str = "") -> SafeString:
    """The attributes of a link that opens a dialog; without scripts it leads to a page with the same content."""
    url = f"{reverse(f'admin:mail_boxes_{name}', args=args)}{query}"
    return format_html(
        'href="{}" hx-get="{}" hx-target="#modal-body" hx-swap="innerHTML" aria-haspopup="dialog"', url, url
    )


@register.filter(name="words")
def counted(number: int, nouns: str) -> str:
    """``3|words:"mailbox,mailboxes"`` is "3 mailboxes"."""
    noun, plural = nouns.split(",")
    return words.count(number, noun, plural)


@register.simple_tag
def plural(nouns: str) -> str:
    """The plural of ``"mailbox,mailboxes"``."""
    return nouns.partition(",")[2]


@register.simple_tag
def queue_url(act: str) -> str:
    """Where a form posts to that does something with mail in Postfix's queue."""
    return reverse(f"admin:mail_boxes_queue_{act}")
