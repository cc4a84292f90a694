"""The configuration of the app ``quazzar``."""

from datetime import timedelta

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class QuazzarConfig(AppConfig):
    """The project package as an app: it has models, checks and commands of its own."""

    name = "quazzar"
    verbose_name = "Quazzar"

    def ready(self) -> None:
        """Register checks and metrics, make our Celery app the default one, keep the roles, and note sign-ins."""
        from axes.signals import user_locked_out
        from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed

        from quazzar import celery, checks  # noqa: F401
        from quazzar.access import firstpassword, reproof, roles, signins
        from quazzar.access.secondfactor import policy
        from quazzar.backups import age
        from quazzar.home import own
        from quazzar.machines import comparing, reporting
        from quazzar.monitoring import doctor, licence, metrics, nodechecks, readings
        from quazzar.sealing import agreement, keyring

        keyring.guard = agreement.require
        nodechecks.register()
        comparing.register()
        doctor.stores_local = reporting.is_first
        doctor.register("backups", age.examine, every=timedelta(minutes=5))
        metrics.register_collector(licence.collect)
        own.register()
        metrics.register_collector(readings.collect)
        user_logged_in.connect(firstpassword.note, dispatch_uid="quazzar.firstpassword")
        user_logged_in.connect(policy.note, dispatch_uid="quazzar.secondfactor")
        user_logged_in.connect(reproof.note, dispatch_uid="quazzar.reproof")
        user_logged_in.connect(signins.signed_in, dispatch_uid="quazzar.signins")
        user_logged_out.connect(signins.signed_out, dispatch_uid="quazzar.signins")
        user_login_failed.connect(signins.failed, dispatch_uid="quazzar.signins")
        user_locked_out.connect(signins.locked, dispatch_uid="quazzar.signins")
        post_migrate.connect(roles.keep, sender=self)
