"""The product's settings over a data dir of this run's own; DATABASE_URL counts as it does there."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# The machine's own settings are ignored here, except for the database.
_OTHERS = {
    "ALLOWED_HOSTS",
    "CSRF_TRUSTED_ORIGINS",
    "DEBUG",
    "REDIS_URL",
    "REDIS_URL_FILE",
    "SECRET_KEY",
    "SECRET_KEY_FILE",
}
for _name in tuple(os.environ):
    if _name in _OTHERS or (_name.startswith("QUAZZAR_") and not _name.startswith("QUAZZAR_TEST_")):
        del os.environ[_name]
# There must be no proxy between a test and what it starts.
for _name in ("NO_PROXY", "no_proxy"):
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "localhost,127.0.0.1")))

_data_dir = Path(tempfile.mkdtemp(prefix="quazzar-test-"))
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
(_data_dir / "static").mkdir()  # else whitenoise warns in each test
os.environ["QUAZZAR_DATA_DIR"] = str(_data_dir)
os.environ["QUAZZAR_SECRETS_KEY_FILE"] = str(_data_dir / "secrets.key")
os.environ["QUAZZAR_CERTIFICATE_DIRS"] = tempfile.gettempdir()  # where the tests put theirs
# No test talks to strangers.
os.environ["QUAZZAR_OUTBOUND_PROBE"] = "off"
os.environ["QUAZZAR_DNS_RESOLVERS"] = "127.0.0.1:9"

from tests import covered  # noqa: E402

covered.start()
from quazzar.settings import *  # noqa: E402, F403
from quazzar.settings import DATABASES, MIDDLEWARE  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
MIDDLEWARE = [*MIDDLEWARE, "tests.markup.Markup"]
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]

if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, because threads cannot share a database in memory; not made durable, because it is thrown away.
    DATABASES["default"]["TEST"] = {"NAME": str(_data_dir / "test.sqlite3")}
    DATABASES["default"]["OPTIONS"]["init_command"] = (
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA secure_delete=ON;"
    )
