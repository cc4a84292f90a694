"""The configuration of the app ``demo``, which only demo.settings installs."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Captured mail in the console."""

    name = "demo"
    verbose_name = "Demo"

    def ready(self) -> None:
        """Skip the clock check: a demo needs no synchronised clock."""
        from quazzar.monitoring import doctor

        doctor.register("clock", lambda: doctor.ok("The demo does not check the clock."))
