"""Times, states and headings in templates, as ``quazzar.console.shown`` shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django import template
from django.conf import settings
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.db.models.options import Options
from django.forms import Media
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.text import capfirst

from quazzar.console import shown
from quazzar.console.help import entries, page

register = template.Library()
_LABEL = re.compile(r'data-label="[^"]*"')
register.filter(shown.moment)
register.filter(shown.day)
register.filter(shown.timed)
register.filter(shown.distance)
register.filter(shown.number)
register.filter(shown.heading)
register.filter(shown.address)
register.simple_tag(shown.key_badge)
register.simple_tag(shown.licence_ends)
register.filter(entries.inline)


@register.simple_tag
def token_cookie() -> str:
    """The name of the cookie that holds the token of forms."""
    return str(settings.CSRF_COOKIE_NAME)


@register.simple_tag(takes_context=True)
def help_link(context: template.Context) -> str:
    """The address of this page's chapter of the help; empty where there is none."""
    request = context.get("request")
    return page.link(request) if request is not None else ""


@register.filter
def admin_list(opts: Options[Any]) -> str:
    """The route of a model's list."""
    return f"admin:{opts.app_label}_{opts.model_name}_changelist"


@register.filter
def permitted(groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The navigation's groups with the items that the operator may open; groups without any are left out."""
    kept = (
        {**group, "items": [item for item in group["items"] if item["has_permission"]]} for group in groups
    )
    return [group for group in kept if group["items"]]


@register.filter
def described(text: str) -> SafeString:
    """A docstring of the API as HTML: what stands in double backquotes is code."""
    parts = text.split("``")
    return format_html_join(
        "",
        "{}",
        ([format_html("<code>{}</code>", part) if number % 2 else part] for number, part in enumerate(parts)),
    )


@register.filter
def own_scripts(media: Media) -> SafeString:
    """The scripts of a form that are ours. Django's own bring jQuery and widgets that no form of ours has."""
    return format_html_join("\n", "{}", ([tag] for tag in media.render_js() if "quazzar/" in tag))


@register.simple_tag
def cells(headers: Sequence[dict[str, Any]], row: Sequence[SafeString]) -> list[SafeString]:
    """The cells of a row of a list, which on narrow windows have their column's heading beside them.

    Unfold takes a first cell for a box to tick, and headings as they are in the code.
    """
    return [_labelled(cell, headers[position]["text"]) for position, cell in enumerate(row)]


def _labelled(cell: SafeString, column: str) -> SafeString:
    if "action-select" in cell:
        return cell
    label = format_html('data-label="{}"', capfirst(column))
    return mark_safe(_LABEL.sub(lambda match: label, cell, count=1))  # noqa: S308  # both are escaped


@register.filter
def page_address(listed: ChangeList, number: int) -> str:
    """The address of another page of a list, with its search and filters."""
    return listed.get_query_string({PAGE_VAR: number})
