"""Which values the audit log keeps before and after a change. What is not named here is never stored. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quazzar import words

if TYPE_CHECKING:
    from collections.abc import Mapping

#: First word of an action → fields whose values hold no secret. A relay's username is not among them: with some
#: providers it is the token.
HARMLESS: dict[str, frozenset[str]] = {
    "relay": frozenset(
        {
            "provider",
            "host",
            "port",
            "security",
            "from_address",
            "from_name",
            "alert_recipients",
            "backup_recipients",
            "notify_backup_success",
            "bounce_address",
        }
    ),
    "stack": frozenset(
        {
            "enabled",
            "hostname",
            "send_through_relay",
            "warn_mailbox_owners",
            "own_mailbox",
            "tls_source",
            "tls_expires_at",
        }
    ),
    "domain": frozenset(
        {"catch_all", "contact", "mta_sts", "dmarc", "server", "port", "zone", "key_name", "algorithm"}
    ),
    "mailbox": frozenset(
        {
            "quota_mb",
            "display_name",
            "enabled",
            "forward_to",
            "keep_copy",
            "can_receive",
            "can_send",
        }
    ),
    "alias": frozenset({"destinations", "enabled"}),
    "operator": frozenset(
        {
            "username",
            "first_name",
            "last_name",
            "email",
            "is_active",
            "is_staff",
            "is_superuser",
            "groups",
            "user_permissions",
        }
    ),
    "apikey": frozenset({"scopes", "expires_at"}),
    "sign_in_policy": frozenset({"second_factor_required"}),
    "expected_report": frozenset({"name", "tolerance", "muted_until", "schedule"}),
    "inbox": frozenset({"host", "port", "security", "folder", "after", "processed_folder", "enabled"}),
    "license": frozenset({"plan"}),
}
_LONGEST = 200
_MOST = 20


def kept(action: str, changes: Mapping[str, tuple[Any, Any]]) -> dict[str, list[Any]]:
    """Before and after of the harmless fields, as JSON can hold them; long ones are cut."""
    harmless = HARMLESS.get(action.partition(".")[0], frozenset())
    return {
        name: [_plain(before), _plain(after)]
        for name, (before, after) in sorted(changes.items())
        if name in harmless
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else list(value)
        shown = [_plain(item) for item in items[:_MOST]]
        return [*shown, f"and {len(items) - _MOST} more"] if len(items) > _MOST else shown
    return words.one_line(str(value), _LONGEST)
