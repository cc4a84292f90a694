"""The product's settings with the peer beside it, on a data dir of the run's own."""

import os

from quazzar.settings import *  # noqa: F403
from quazzar.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "post_office"]
EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
EMAIL_HOST = "127.0.0.1"
EMAIL_PORT = int(os.environ.get("BENCH_SMTP_PORT", "25"))
# django-post_office as it comes: batches of 100, five threads.
POST_OFFICE: dict[str, object] = {"BACKENDS": {"default": EMAIL_BACKEND}}
if os.environ.get("BENCH_TUNED"):
    POST_OFFICE |= {"BATCH_SIZE": 1000, "THREADS_PER_PROCESS": 10, "SENDING_ORDER": ["id"]}
LOGGING = {"version": 1, "disable_existing_loggers": True}
SILENCED_SYSTEM_CHECKS = ["*"]
