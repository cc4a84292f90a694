"""Times, states and headings in templates, as ``quazzar.console.shown`` shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.db.models.options import Options
from django.forms import Media
from django.utils.html import format_html_join
from django.utils.safestring import SafeString, mark_safe

from quazzar.console import shown
from quazzar.console.help import entries, page

register = template.Library()
register.filter(shown.moment)
register.filter(shown.distance)
register.filter(shown.heading)
register.simple_tag(shown.key_badge)
register.simple_tag(shown.licence_ends)
register.filter(entries.inline)


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
def own_scripts(media: Media) -> SafeString:
    """The scripts of a form that are ours. Django's own bring jQuery and widgets that no form of ours has."""
    return format_html_join("\n", "{}", ([tag] for tag in media.render_js() if "quazzar/" in tag))


@register.simple_tag
def cells(headers: Sequence[dict[str, Any]], row: Sequence[SafeString]) -> list[SafeString]:
    """The cells of a row of a list. Unfold labels the first one as if every list had boxes to tick."""
    first, *others = row
    if "action-select" not in first:
        label = f'data-label="{headers[0]["text"]}"'
        first = mark_safe(first.replace('data-label="Select record"', label))  # noqa: S308  # both are escaped
    return [first, *others]
