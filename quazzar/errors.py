"""The errors that operators read, in one tree: each has a code, a sentence, a hint, and whether to try again."""


class QuazzarError(Exception):
    """Base class of every error that an operator may read.

    Attributes:
        code: a short machine-readable word; the API's ``error``.
        message: one sentence saying what happened.
        hint: what to do next; may be empty.
        permanent: whether trying the same again is pointless.
        status: the HTTP status that the API answers with.
    """

    code = "error"
    message = "Something went wrong."
    hint = ""
    permanent = True
    status = 500

    def __init__(self, message: str = "", *, hint: str = "", code: str = "") -> None:
        self.message = message or self.message
        self.hint = hint or self.hint
        self.code = code or self.code
        super().__init__(self.message)


class RelayNotConfigured(QuazzarError):
    """No relay is set (its host is empty), so mail cannot be sent or queued."""

    code = "relay_not_configured"
    message = "No relay is configured, so this node cannot send mail."
    hint = "Open Mail Relay, choose a provider, and save host, username and password."
    status = 409


class InvalidFields(QuazzarError, ValueError):
    """One or more values are wrong.

    Attributes:
        fields: name of the field → sentences on what is wrong with it.
    """

    code = "validation_error"
    message = "Some fields are not valid."
    status = 400

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self.fields = fields
        super().__init__()


class InvalidEmail(QuazzarError, ValueError):
    """A mail cannot be sent as it is: an address, a header field or an attachment is wrong.

    Attributes:
        field: name of the ``Email`` field that is wrong.
    """

    code = "invalid_email"
    status = 400

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class NotFound(QuazzarError):
    """The requested row does not exist, or no longer exists. The console answers with its 404 page."""

    code = "not_found"
    message = "This address does not exist."
    status = 404


class TooBusy(QuazzarError):
    """Too many passwords are being checked at this moment. The console answers with a page, both with Retry-After."""

    code = "too_busy"
    message = "Too many passwords are being checked right now."
    hint = "Try again in a few seconds."
    permanent = False
    status = 503


class DeliveryError(QuazzarError):
    """A delivery attempt failed.

    Attributes:
        stage: resolve, connect, tls, auth, sender, recipient or data.
        kind: the failure in one word (see ``mailrelay/diagnosis/explain.py``), such as refused or cert_expired.
        smtp_code: the server's three-digit reply, or None when it never answered.
        permanent: True for a 5xx reply; a 4xx reply or a broken connection is temporary.
        refused: recipient → sentence, for recipients that were refused while others were accepted.
    """

    code = "delivery_failed"
    status = 502

    def __init__(
        self,
        message: str,
        *,
        stage: str,
        kind: str = "rejected",
        smtp_code: int | None = None,
        permanent: bool = False,
        hint: str = "",
        code: str = "",
        refused: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint=hint, code=code)
        self.stage = stage
        self.kind = kind
        self.smtp_code = smtp_code
        self.permanent = permanent
        self.refused = refused or {}


class IdempotencyConflict(QuazzarError):
    """An idempotency key was used again, with another body."""

    code = "idempotency_conflict"
    message = "This Idempotency-Key was already used with a different body."
    hint = "Send the same body again, or use a new key."
    status = 409


class SealError(QuazzarError):
    """Base class of all errors with sealed secrets."""

    code = "seal_error"


class KeyFileError(SealError):
    """The key file is missing where it must exist, readable by others, or not a key ring."""

    code = "key_file"
    message = "The key file cannot be used."
    status = 503


class KeyDiffers(KeyFileError):
    """The key file of this machine is not the one that the other machines use."""

    code = "key_differs"
    permanent = False


class Unreadable(SealError):
    """A stored secret does not open: its key is gone, or the stored bytes were changed."""

    code = "unreadable"
    message = "This secret was sealed with a key that is no longer in the key file. Enter it again."


class LicenseError(QuazzarError):
    """A licence is missing, expired, tampered with or for an unknown plan."""

    code = "invalid_license"
    message = "This licence cannot be used."
    status = 400


class AlreadyExists(QuazzarError):
    """An address or a domain exists already."""

    code = "already_exists"
    status = 409


class DomainNotEmpty(QuazzarError):
    """A domain that still has mailboxes cannot be deleted."""

    code = "domain_not_empty"
    message = "This domain still has mailboxes."
    hint = "Delete its mailboxes first."
    status = 409


class StackError(QuazzarError):
    """The mailbox stack, or the Docker Engine that runs it, failed to do something."""

    code = "stack_error"
    permanent = False
    status = 503


class EngineUnreachable(StackError):
    """The Docker Engine does not answer."""

    code = "docker_unreachable"
    message = "The Docker Engine does not answer."
    hint = "Start Docker (systemctl start docker), and check DOCKER_HOST."


class ImageUnavailable(StackError):
    """An image is missing and cannot be pulled."""

    code = "image_unavailable"


class PortTaken(StackError):
    """Something else listens on a port that the stack needs."""

    code = "port_taken"


class NameTaken(StackError):
    """A container, network or volume of that name exists, but is not ours."""

    code = "name_taken"


class NetworkInUse(StackError):
    """Containers that are not ours use our network, so it cannot be removed."""

    code = "network_in_use"


class NotThere(StackError):
    """The container, network or volume is gone."""

    code = "not_there"


class NotRunning(StackError):
    """The container exists, but does not run."""

    code = "not_running"


class EngineTimeout(StackError):
    """The Docker Engine, or a command in a container, took too long."""

    code = "docker_timeout"


class CommandFailed(StackError):
    """A command in a container failed.

    Attributes:
        exit_code: its exit code, not 0.
    """

    code = "command_failed"

    def __init__(self, message: str = "", *, exit_code: int = 1, hint: str = "", code: str = "") -> None:
        super().__init__(message, hint=hint, code=code)
        self.exit_code = exit_code


class StaleGeneration(CommandFailed):
    """Another writer has changed the file since we read it; nothing was written."""

    code = "stale_generation"
