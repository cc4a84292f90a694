"""The look of the console: what django-unfold reads."""

from typing import Any

UNFOLD: dict[str, Any] = {}
