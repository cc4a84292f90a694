"""Settings, read top to bottom; every choice of the operator comes from the environment (docs/configuration.md)."""

import socket
from pathlib import Path

import dj_database_url

from quazzar import __version__, paths
from quazzar.env import (
    env_addresses,
    env_bind,
    env_bool,
    env_choice,
    env_docker_name,
    env_host_port,
    env_image,
    env_int,
    env_list,
    env_networks,
    env_optional_path,
    env_origin,
    env_path,
    env_paths,
    env_public_addresses,
    env_rate,
    env_secret,
    env_some,
    env_str,
    env_url,
    env_zone,
)

BASE_DIR = Path(__file__).resolve().parent.parent

# --- where things live -------------------------------------------------------------------------------------
QUAZZAR_DATA_DIR = paths.private_dir(env_path("QUAZZAR_DATA_DIR", BASE_DIR / "var"))
QUAZZAR_SECRETS_KEY_FILE = paths.key_file(env_optional_path("QUAZZAR_SECRETS_KEY_FILE"), QUAZZAR_DATA_DIR)
QUAZZAR_LICENSE_FILE = env_path("QUAZZAR_LICENSE_FILE", QUAZZAR_DATA_DIR / "license.jwt")
QUAZZAR_LICENSE_PUBLIC_KEY = env_str("QUAZZAR_LICENSE_PUBLIC_KEY")
#: Read by monitoring/logs.py, which loads no Django; here a mistake is refused.
QUAZZAR_LOG_FORMAT = env_choice("QUAZZAR_LOG_FORMAT", ("json", "text"))

# --- Django ------------------------------------------------------------------------------------------------
DEBUG = env_bool("DEBUG")
SECRET_KEY = env_secret("SECRET_KEY") or paths.stored_secret(QUAZZAR_DATA_DIR / "django-secret.key")
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", f"localhost,127.0.0.1,[::1],{socket.gethostname()}")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS")
#: Where operators open the console, for links in mails; empty: mails have none.
QUAZZAR_URL = env_origin("QUAZZAR_URL")
ROOT_URLCONF = "quazzar.urls"
WSGI_APPLICATION = "quazzar.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = True

INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "quazzar",
    "mailrelay",
    "mailboxes",
    "dnsrecords",
    # Simple: only the process that serves pages loads the admin (urls.py), not the worker and beat.
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "quazzar.console.statics.StaticFiles",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "axes",
    "django_prometheus",
]

#: The model whose ``name`` lists the domains that have mailboxes on this node. The relay, which the mailboxes build on,
#: must know whose mail is real; it finds the model by this name.
HOSTED_DOMAINS_MODEL = "mailboxes.Domain"

MIDDLEWARE = [
    "quazzar.console.headers.HeadersMiddleware",
    "quazzar.console.headers.GzipPages",
    "quazzar.bodies.BodySizeMiddleware",
    "quazzar.access.addresses.ClientAddressMiddleware",
    # Before the others: mail servers and mail programs ask for its files by names that ALLOWED_HOSTS does not know.
    "dnsrecords.wellknown.WellKnownMiddleware",
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "quazzar.access.caching.NoStoreMiddleware",
    "quazzar.monitoring.logs.RequestIdMiddleware",
    "quazzar.api.methods.MethodMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "quazzar.access.sessions.SessionNotesMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "quazzar.access.strangers.StrangersMiddleware",
    "quazzar.access.audit.ActorMiddleware",
    "quazzar.console.signin.FirstSignInMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
    "quazzar.console.errors.ErrorPagesMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
PASSWORD_HASHERS = [
    "quazzar.access.hashing.Argon2",
    "quazzar.access.hashing.PBKDF2",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "quazzar.access.firstpassword.OwnPassword"},
]
# By name *and* address, so that one guesser cannot lock the operator out from elsewhere; and by address alone, with a
# limit of its own (quazzar/access/lockout.py).
AXES_HANDLER = "quazzar.access.lockout.Lockout"
AXES_LOCKOUT_PARAMETERS = "quazzar.access.lockout.parameters"
AXES_CLIENT_IP_CALLABLE = "quazzar.access.lockout.address"
AXES_FAILURE_LIMIT = 10
# Otherwise, a stranger could keep a name locked with every further try, and its row would grow.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_COOLOFF_TIME = 0.25  # hours
AXES_RESET_ON_SUCCESS = True
AXES_VERBOSE = False
# Not kept with a failure. The password is not either, by itself.
AXES_SENSITIVE_PARAMETERS = ["code", "token", "response", "csrfmiddlewaretoken"]
AXES_LOCKOUT_TEMPLATE = "locked_out.html"
AXES_ENABLE_ADMIN = False  # its pages would be unstyled

LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"  # also where a foreign address was to follow
SESSION_ENGINE = "quazzar.access.sessions"
SESSION_COOKIE_NAME = "quazzar_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
# Behind a TLS proxy: QUAZZAR_HTTPS=true.
QUAZZAR_HTTPS = env_bool("QUAZZAR_HTTPS")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = QUAZZAR_HTTPS
#: Networks of proxies whose X-Forwarded-For is believed.
QUAZZAR_TRUSTED_PROXIES = env_networks("QUAZZAR_TRUSTED_PROXIES", "127.0.0.0/8,::1" if QUAZZAR_HTTPS else "")
SECURE_HSTS_SECONDS = 31_536_000 if QUAZZAR_HTTPS else 0
# Not for subdomains and not preloaded: we must not decide about the node's other names for a year.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if QUAZZAR_HTTPS else None
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$"]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = QUAZZAR_DATA_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "quazzar.console.statics.Hashed"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 40 * 1024 * 1024

# --- database ----------------------------------------------------------------------------------------------
_sqlite = f"sqlite:///{QUAZZAR_DATA_DIR / 'quazzar.sqlite3'}"
DATABASES = {
    # Health checks: otherwise, after a restart of PostgreSQL, each thread would fail once on its dead connection.
    "default": dj_database_url.parse(
        env_url("DATABASE_URL", tuple(dj_database_url.ENGINE_SCHEMES)) or _sqlite,
        conn_max_age=60,
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        # IMMEDIATE: a transaction that will write waits for its turn at the start, and cannot fail half-way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        # FULL: what was answered with 202 survives a power cut, not only a crash.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
    }

# --- broker and cache --------------------------------------------------------------------------------------
REDIS_URL = env_url("REDIS_URL", ("redis", "rediss", "unix", "redis+socket"))
QUAZZAR_BROKER_SOCKET = paths.broker_socket(QUAZZAR_DATA_DIR)
# Celery and the cache write Unix sockets in different ways: either is accepted.
CELERY_BROKER_URL = (REDIS_URL or f"unix://{QUAZZAR_BROKER_SOCKET}").replace("unix://", "redis+socket://", 1)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CELERY_BROKER_URL.replace("redis+socket://", "unix://", 1),
        "KEY_PREFIX": "quazzar",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},
    }
}

# --- mail --------------------------------------------------------------------------------------------------
EMAIL_BACKEND = "mailrelay.backends.RelayBackend"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = "webmaster@localhost"  # replaced by the relay's from address
ADMINS: list[tuple[str, str]] = []
#: The most days that a setting accepts, 100 years: dates much further away do not exist.
_MOST_DAYS = 36_500
#: Days a delivered message's sealed body is kept; 0 removes it on delivery.
QUAZZAR_BODY_RETENTION_DAYS = env_int("QUAZZAR_BODY_RETENTION_DAYS", 0, maximum=_MOST_DAYS)
#: Days a finished message's row (without body) stays in the queue page.
QUAZZAR_MESSAGE_RETENTION_DAYS = env_int("QUAZZAR_MESSAGE_RETENTION_DAYS", 90, minimum=1, maximum=_MOST_DAYS)
#: Hours of temporary failure after which a message becomes a dead letter.
QUAZZAR_GIVE_UP_HOURS = env_int("QUAZZAR_GIVE_UP_HOURS", 30, minimum=1, maximum=_MOST_DAYS * 24)
#: How often the node mails what is still wrong, in hours; 0: never.
QUAZZAR_NODE_DIGEST_HOURS = env_int("QUAZZAR_NODE_DIGEST_HOURS", 24, maximum=_MOST_DAYS * 24)
#: The time zone of the node's jobs, such as Europe/Berlin; empty: that of this machine.
QUAZZAR_TIME_ZONE = env_zone("QUAZZAR_TIME_ZONE")
#: Most connections held open to the relay at once; 0, if unset: as many as its preset says.
QUAZZAR_RELAY_CONNECTIONS = env_int("QUAZZAR_RELAY_CONNECTIONS", 0, minimum=1, maximum=1000)

# --- mailbox stack -----------------------------------------------------------------------------------------
#: IPv4 address of the host that the stack's ports are published on.
QUAZZAR_STACK_BIND = env_bind("QUAZZAR_STACK_BIND")
#: Added to every published port: 20000 puts SMTP on 20025. The highest of them is Rspamd's 11334.
QUAZZAR_STACK_PORT_OFFSET = env_int("QUAZZAR_STACK_PORT_OFFSET", 0, maximum=65_535 - 11_334)
#: Whether this machine's worker looks after the stack; of several machines, those that reach the Engine do.
QUAZZAR_STACK_WORKER = env_bool("QUAZZAR_STACK_WORKER", default=True)
#: Prefix of container, network and volume names.
QUAZZAR_STACK_PROJECT = env_docker_name("QUAZZAR_STACK_PROJECT", "quazzar-mail")
#: Named by exact versions, so that two nodes run the same; see also mailboxes/stack/versions.py.
QUAZZAR_IMAGE_POSTFIX = env_image("QUAZZAR_IMAGE_POSTFIX", "boky/postfix:v5.1.0")
QUAZZAR_IMAGE_DOVECOT = env_image("QUAZZAR_IMAGE_DOVECOT", "dovecot/dovecot:2.4.5-root")
QUAZZAR_IMAGE_RSPAMD = env_image("QUAZZAR_IMAGE_RSPAMD", "rspamd/rspamd:4.1.5")
#: Directories below which the stack's certificate and key may be read by path.
QUAZZAR_CERTIFICATE_DIRS = env_paths(
    "QUAZZAR_CERTIFICATE_DIRS",
    "/etc/letsencrypt,/etc/ssl,/etc/pki,/etc/acme,/etc/dehydrated,/usr/local/etc/letsencrypt,/var/lib/acme,"
    "/var/lib/caddy,/var/lib/dehydrated,/root/.acme.sh",
)
#: Days a deleted mailbox can be restored, with its mail.
QUAZZAR_RESTORE_DAYS = env_int("QUAZZAR_RESTORE_DAYS", 30, maximum=_MOST_DAYS)
#: Days for which the stack's logs are kept as journeys of mails; 0: its logs are not followed.
QUAZZAR_MAIL_LOG_DAYS = env_int("QUAZZAR_MAIL_LOG_DAYS", 14, maximum=_MOST_DAYS)
#: Where the preflight connects to find out whether outgoing port 25 is open; None: it does not try.
QUAZZAR_OUTBOUND_PROBE = env_host_port("QUAZZAR_OUTBOUND_PROBE", "gmail-smtp-in.l.google.com:25", off="off")

# --- DNS ---------------------------------------------------------------------------------------------------
#: Recursive name servers, as address or address:port; empty: those of this machine.
QUAZZAR_DNS_RESOLVERS = env_addresses("QUAZZAR_DNS_RESOLVERS", ports=True)
#: Networks in which publishing may reach name servers on every port; see dnsrecords/publishing/services/reach.py.
QUAZZAR_DNS_PRIMARIES = env_networks("QUAZZAR_DNS_PRIMARIES")
#: Addresses of this node as the world sees them; empty: records that need them are not offered.
QUAZZAR_PUBLIC_ADDRESSES = env_public_addresses("QUAZZAR_PUBLIC_ADDRESSES")
#: Days for which what DMARC and TLS reports say is kept; 0: reports are not read.
#: Days for which mail stays in the mailbox that Quazzar owns.
QUAZZAR_OWN_MAILBOX_DAYS = env_int("QUAZZAR_OWN_MAILBOX_DAYS", 14, minimum=1, maximum=_MOST_DAYS)
QUAZZAR_REPORT_RETENTION_DAYS = env_int("QUAZZAR_REPORT_RETENTION_DAYS", 400, maximum=3650)
#: The blocklists that are asked about this node, by their keys (dnsrecords/blocklists/lists.py).
QUAZZAR_BLOCKLISTS = env_some(
    "QUAZZAR_BLOCKLISTS", ("spamhaus", "barracuda", "spamcop", "psbl", "dbl", "surbl", "uribl")
)
#: Look up in DNS whose the addresses in reports are.
QUAZZAR_REPORT_NETWORKS = env_bool("QUAZZAR_REPORT_NETWORKS", True)

# --- API ---------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # First, so that anonymous callers get 401 with WWW-Authenticate and not 403.
        "quazzar.api.gate.authentication.ApiKeyAuthentication",
        "quazzar.api.gate.authentication.StaffSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["quazzar.api.gate.permissions.Entitlement"],
    "DEFAULT_PAGINATION_CLASS": "quazzar.api.lists.PageNumbers",
    "DEFAULT_FILTER_BACKENDS": [
        "quazzar.api.lists.StrictFilterBackend",
        "quazzar.api.lists.BoundedSearchFilter",
        "quazzar.api.lists.StrictOrderingFilter",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "quazzar.api.browsable.renderers.ConsolePages",
    ],
    "DEFAULT_PARSER_CLASSES": ["quazzar.api.parsers.StrictJSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "quazzar.api.negotiation.LenientNegotiation",
    "DEFAULT_THROTTLE_CLASSES": ["quazzar.api.gate.throttling.PrincipalThrottle"],
    "DEFAULT_THROTTLE_RATES": {"principal": env_rate("QUAZZAR_API_RATE", "6000/min")},
    "DEFAULT_SCHEMA_CLASS": "quazzar.api.schema.ApiSchema",
    "EXCEPTION_HANDLER": "quazzar.api.exceptions.handle",
    "DATETIME_FORMAT": "iso-8601",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Quazzar Mail Relay",
    "VERSION": __version__,
    "OAS_VERSION": "3.1.0",
    "DEFAULT_GENERATOR_CLASS": "quazzar.api.schema.Generator",
    "SERVE_INCLUDE_SCHEMA": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # deepLinking would put a link into the button that opens an operation, which is no use to a screen reader.
    # validatorUrl: otherwise, the page would send the description to a validator on the Internet.
    "SWAGGER_UI_SETTINGS": {"deepLinking": False, "validatorUrl": None},
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "MessageStatusEnum": "mailrelay.models.Message.Status",
        "MessageSourceEnum": "mailrelay.models.Message.Source",
        "CertificateSourceEnum": "mailboxes.models.Stack.TlsSource",
        "UpgradeStateEnum": "mailboxes.models.images.ImageUpgrade.State",
        "ProofStateEnum": "dnsrecords.models.proofs.Proof.State",
        "DmarcPolicyEnum": "dnsrecords.dmarc.policy.POLICIES",
        "StageEnum": "mailrelay.smtp.dialogue.STAGES",
        "WebhookProviderEnum": "mailrelay.events.providers.CHOICES",
    },
    "SCHEMA_PATH_PREFIX": r"/api(/mail)?",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "quazzar.api.schema.add_errors",
    ],
}

from quazzar.console.site import UNFOLD  # noqa: E402, F401  (the console's look is data of its own)
from quazzar.monitoring.logs import LOGGING  # noqa: E402, F401
