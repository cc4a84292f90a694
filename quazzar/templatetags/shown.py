"""Times, states and headings in templates, as ``quazzar.console.shown`` shows them."""

from django import template

from quazzar.console import shown

register = template.Library()
register.filter(shown.moment)
register.filter(shown.distance)
register.filter(shown.heading)
register.simple_tag(shown.key_badge)
register.simple_tag(shown.licence_ends)
