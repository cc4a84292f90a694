"""The product's settings for `make demo`, and for nothing else.

No variable switches the product into a demo: the relay that captures mail, its page and the banner exist only under
these settings, which refuse to start on any data dir that `make demo` has not made.

The licence: `python -m demo` gives the new node what `make run` gives any new node, an evaluation signed with the key
in its own data dir. It counts nowhere else (another node has another key, and one whose QUAZZAR_LICENSE_PUBLIC_KEY is
set trusts no evaluation at all), and it unlocks nothing of value here: no mail leaves this machine.
"""

import copy
import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy

from demo import environment, loopback

if not (Path(os.environ.get("QUAZZAR_DATA_DIR", "/")) / environment.MARK).is_file():
    raise ImproperlyConfigured("demo.settings is only for make demo. For your own node, use make run.")
loopback.stay(int(os.environ["DEMO_RELAY_PORT"]))

from quazzar.console import site  # noqa: E402
from quazzar.rights import READ_MESSAGES  # noqa: E402
from quazzar.settings import *  # noqa: E402, F403
from quazzar.settings import BASE_DIR, INSTALLED_APPS, TEMPLATES  # noqa: E402

INSTALLED_APPS = [*INSTALLED_APPS, "demo"]
_FOLDERS = ["templates"] if os.environ.get("DEMO_MAIL_SERVER") else ["templates_without_docker", "templates"]
TEMPLATES = [
    {**TEMPLATES[0], "DIRS": [*(BASE_DIR / "demo" / name for name in _FOLDERS), BASE_DIR / "templates"]}
]
# Browsers send cookies to every port of a host: those of a real node on this machine stay as they are.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "quazzar_demo_session", "quazzar_demo_csrf"

UNFOLD = copy.deepcopy(site.UNFOLD)
UNFOLD["SITE_SUBHEADER"] = "Demo"
next(group for group in UNFOLD["SIDEBAR"]["navigation"] if group.get("title") == "Mail")["items"].append(
    {
        "title": "Captured mail",
        "icon": "move_to_inbox",
        "link": reverse_lazy("admin:captured"),
        "permission": lambda request: READ_MESSAGES(request.user),
    }
)
