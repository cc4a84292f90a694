"""Links of Home in templates."""

from django import template

from quazzar.console.home import views

register = template.Library()
register.filter(views.href)
