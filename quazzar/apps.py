"""The configuration of the app ``quazzar``."""

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class QuazzarConfig(AppConfig):
    """The project package as an app: it has models, checks and commands of its own."""

    name = "quazzar"
    verbose_name = "Quazzar"

    def ready(self) -> None:
        """Register the system checks, make our Celery app the default one in every process, and keep the roles."""
        from quazzar import celery, checks  # noqa: F401
        from quazzar.access import roles
        from quazzar.monitoring import licence, metrics

        metrics.register_collector(licence.collect)
        post_migrate.connect(roles.keep, sender=self)
