"""Static files: only those that our pages use, compressed, under names that change with their content."""

from __future__ import annotations

from django.contrib.staticfiles.apps import StaticFilesConfig
from whitenoise.storage import CompressedManifestStaticFilesStorage  # type: ignore[import-untyped]


class StaticFiles(StaticFilesConfig):
    """Django's app, without the files of templates that ours replace."""

    ignore_patterns = [  # as in Django
        "CVS",
        ".*",
        "*~",
        "admin",
        "django_filters",
        "django-prometheus",
        "rest_framework",
        "drf_spectacular_sidecar/redoc*",
        "unfold/css/simplebar/*",
        "unfold/fonts/*",
        "unfold/filters/*",
        "unfold/forms/*",
        "unfold/js/alpine/*",
        "unfold/js/app.js",
        "unfold/js/chart/*",
        "unfold/js/simplebar/*",
        "unfold/js/select2.init.js",
    ]


class Hashed(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # whitenoise has no types
    """Browsers may keep each file indefinitely. One that is not collected keeps its name, and pages still work."""

    def stored_name(self, name: str) -> str:
        """The name with the hash of the content."""
        return str(self.hashed_files.get(self.hash_key(self.clean_name(name)), name))
