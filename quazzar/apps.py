"""The configuration of the app ``quazzar``."""

from django.apps import AppConfig


class QuazzarConfig(AppConfig):
    """The project package as an app: it has models, checks and commands of its own."""

    name = "quazzar"
    verbose_name = "Quazzar"

    def ready(self) -> None:
        """Register the system checks, and make our Celery app the default one in every process."""
        from quazzar import celery, checks  # noqa: F401
