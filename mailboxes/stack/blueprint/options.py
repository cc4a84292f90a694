"""The operator's choices for the stack, from the settings."""

from __future__ import annotations

from django.conf import settings

from mailboxes.engine.spec import Options


def from_settings(hostname: str) -> Options:
    """The options for a stack of that hostname."""
    return Options(
        project=settings.QUAZZAR_STACK_PROJECT,
        hostname=hostname,
        bind=settings.QUAZZAR_STACK_BIND,
        port_offset=settings.QUAZZAR_STACK_PORT_OFFSET,
        images={
            "postfix": settings.QUAZZAR_IMAGE_POSTFIX,
            "dovecot": settings.QUAZZAR_IMAGE_DOVECOT,
            "rspamd": settings.QUAZZAR_IMAGE_RSPAMD,
        },
    )
