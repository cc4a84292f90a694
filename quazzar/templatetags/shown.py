"""Times and states in templates, as ``quazzar.shown`` shows them."""

from django import template

from quazzar import shown

register = template.Library()
register.filter(shown.moment)
register.filter(shown.distance)
register.simple_tag(shown.key_badge)
