"""Links of Home in templates."""

from django import template

from quazzar.console import home

register = template.Library()
register.filter(home.href)
