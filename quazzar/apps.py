"""The project package's entry in INSTALLED_APPS."""

from django.apps import AppConfig


class QuazzarConfig(AppConfig):
    """What every app of the node needs."""

    name = "quazzar"
    verbose_name = "Quazzar"

    def ready(self) -> None:
        """Register the system checks, and make our Celery app the one that every process publishes with."""
        from quazzar import celery, checks  # noqa: F401
