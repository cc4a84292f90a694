"""The one error tree. Each error has a code, a sentence, a hint, and says whether trying again can help."""


class QuazzarError(Exception):
    """Base of every error that an operator may read.

    Attributes:
        code: short machine-readable word, the API's ``error``.
        message: one sentence saying what happened.
        hint: what to do next; may be empty.
        permanent: True when trying the same again cannot help.
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
    """No relay is set (its host is empty): the caller can fall back to logging."""

    code = "relay_not_configured"
    message = "No relay is configured, so mail cannot leave this node."
    hint = "Open Mail Relay, pick a provider, and save host, username and password."
    status = 409


class InvalidFields(QuazzarError, ValueError):
    """Several named values are wrong; each has its sentences.

    Attributes:
        fields: name → sentences.
    """

    code = "validation_error"
    message = "Some fields are not right."
    status = 400

    def __init__(self, fields: dict[str, list[str]]) -> None:
        self.fields = fields
        super().__init__()


class InvalidEmail(QuazzarError, ValueError):
    """The message cannot be sent as it is: an address, a header or an attachment is wrong.

    Attributes:
        field: name of the ``Email`` field that is wrong.
    """

    code = "invalid_email"
    status = 400

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


class DeliveryError(QuazzarError):
    """A delivery attempt failed.

    Attributes:
        stage: resolve, connect, tls, auth, sender, recipient or data.
        kind: the failure in one word (see ``mailrelay/diagnosis.py``), such as refused or cert_expired.
        smtp_code: the server's three-digit reply, or None when it never answered.
        permanent: a 5xx reply; a 4xx reply or a broken connection may pass.
        refused: recipient → sentence, for those refused when others were accepted.
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
    """The same idempotency key came with another body."""

    code = "idempotency_conflict"
    message = "This Idempotency-Key was already used with another body."
    hint = "Send the same body again, or use a new key."
    status = 409


class SealError(QuazzarError):
    """Base of what can go wrong with sealed secrets."""

    code = "seal_error"


class KeyFileError(SealError):
    """The key file is missing where it must exist, readable by others, or not a key ring."""

    code = "key_file"
    message = "The key file cannot be used."
    status = 503


class Unreadable(SealError):
    """A stored secret cannot be opened: its key is gone, or the stored bytes were changed."""

    code = "unreadable"
    message = "This secret was sealed with a key that is no longer in the key file; enter it again."


class LicenseError(QuazzarError):
    """A licence is missing, expired, tampered with or for an unknown plan."""

    code = "invalid_license"
    message = "This licence cannot be used."
    status = 400
