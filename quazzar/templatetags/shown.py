"""Times and states in templates, as ``quazzar.shown`` shows them."""

from django import template

from quazzar.console import shown

register = template.Library()
register.filter(shown.moment)
register.filter(shown.distance)
register.simple_tag(shown.key_badge)
