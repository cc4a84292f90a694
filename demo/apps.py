"""The configuration of the app ``demo``, which only demo.settings installs."""

from django.apps import AppConfig


class DemoConfig(AppConfig):
    """Captured mail in the console."""

    name = "demo"
    verbose_name = "Demo"

    def ready(self) -> None:
        """Whether something keeps the machine's clock right is no matter of a demo's."""
        from quazzar.monitoring import doctor

        doctor.register("clock", lambda: doctor.ok("A demo leaves the clock to you."))
