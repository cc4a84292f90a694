"""The settings of django-unfold (look, sidebar, tabs), and the list to which apps add pages of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.templatetags.static import static
from django.urls import reverse_lazy

from quazzar import __version__, rights

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.urls import URLPattern

    from quazzar.rights import Right

#: Pages under /admin/ that are not a model's: an app's admin module adds its own here.
PAGES: list[URLPattern] = []


def _file(name: str) -> Callable[[HttpRequest], str]:
    return lambda request: static(f"quazzar/{name}")


def _may(right: Right) -> Callable[[HttpRequest], bool]:
    return lambda request: right(request.user)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


def _on(*names: str) -> Callable[[HttpRequest], bool]:
    """Whether one of these pages is shown. unfold compares the beginning of the address, which siblings share."""
    return lambda request: request.resolver_match is not None and request.resolver_match.url_name in names


def _within(prefix: str) -> Callable[[HttpRequest], bool]:
    """Whether a page is shown whose route's name begins like this."""
    return lambda request: bool(
        request.resolver_match and (request.resolver_match.url_name or "").startswith(prefix)
    )


def _link(title: str, icon: str, name: str, right: Right) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(name), "permission": _may(right)}


_MAILBOXES = rights.SEE_SERVER | rights.SEE_MAILBOXES


def _only_mailboxes(request: HttpRequest) -> bool:
    return _MAILBOXES(request.user) and not rights.SEE_RELAY(request.user)


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "Quazzar",
    "SITE_HEADER": "Quazzar",
    "SITE_SUBHEADER": f"Node console {__version__}",
    "SITE_URL": None,
    "SITE_ICON": _file("icon.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _file("icon.svg")}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "LOGIN": {"form": "quazzar.console.signin.SignInForm"},
    "ACCOUNT": {
        "navigation": [
            {"title": "Your account", "link": reverse_lazy("admin:account")},
            {"title": "Change password", "link": reverse_lazy("admin:password_change")},
            {"title": "API", "link": reverse_lazy("api")},
            {"title": "API documentation", "link": reverse_lazy("docs")},
        ],
    },
    "STYLES": [
        _file("console.css"),
        _file("account.css"),
        _file("home.css"),
        _file("doctor.css"),
        _file("relay.css"),
        _file("mailboxes.css"),
        _file("dns.css"),
        _file("reports.css"),
        _file("expected.css"),
        _file("proofs.css"),
        _file("help.css"),
    ],
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {**_link("Home", "home", "admin:index", rights.LOOK_AROUND), "active": _on("index")},
                    _link("Doctor", "health_and_safety", "admin:doctor", rights.LOOK_AROUND),
                ],
            },
            {
                "title": "Mail",
                "items": [
                    _link("Mail Relay", "forward_to_inbox", "admin:mail_relay", rights.SEE_RELAY),
                    # Who may not see the relay settings gets to the page's other tab here.
                    {
                        **_link("Mailboxes", "inbox", "admin:mail_boxes", _MAILBOXES),
                        "permission": _only_mailboxes,
                    },
                    {
                        **_link("Find mail", "manage_search", "admin:find_mail", rights.FIND_MAIL),
                        "active": _on("find_mail", "find_mail_journey"),
                    },
                    _link(
                        "Messages",
                        "stacked_email",
                        "admin:mailrelay_message_changelist",
                        rights.SEE_QUEUE,
                    ),
                    {
                        **_link("Delivery proofs", "verified", "admin:proofs", rights.SEE_RELAY),
                        "active": _on("proofs", "proof", "proofs_schedule"),
                    },
                    _link("Returned mail", "undo", "admin:returned_mail", rights.SEE_RELAY),
                    _link("Suppression list", "block", "admin:suppressions", rights.SEE_QUEUE),
                    _link(
                        "Expected reports", "event_available", "admin:expected_reports", rights.SEE_EXPECTED
                    ),
                ],
            },
            {
                "title": "Access",
                "separator": True,
                "items": [
                    _link("API keys", "key", "admin:quazzar_apikey_changelist", rights.SEE_KEYS),
                    _link("Operators", "group", "admin:auth_user_changelist", rights.MANAGE_OPERATORS),
                    _link(
                        "Audit log",
                        "history",
                        "admin:quazzar_auditentry_changelist",
                        rights.SEE_AUDIT_LOG,
                    ),
                    {
                        **_link("All tables", "table_rows", "admin:tables", rights.LOOK_AROUND),
                        "permission": _is_superuser,
                    },
                ],
            },
            {
                "separator": True,
                "items": [_link("Help", "help", "admin:help", rights.LOOK_AROUND)],
            },
        ],
    },
    "TABS": [
        {
            "page": "mail_relay",
            "items": [
                {
                    "title": "Relay settings",
                    "link": reverse_lazy("admin:mail_relay"),
                    "active": _on("mail_relay"),
                    "permission": _may(rights.SEE_RELAY),
                },
                {
                    "title": "Mailboxes",
                    "link": reverse_lazy("admin:mail_boxes"),
                    "active": _within("mail_boxes"),
                    "permission": _may(_MAILBOXES),
                },
                {
                    "title": "DNS records",
                    "link": reverse_lazy("admin:dns_overview"),
                    "active": _within("dns_"),
                    "permission": _may(rights.SEE_DOMAINS),
                },
            ],
        },
    ],
}
