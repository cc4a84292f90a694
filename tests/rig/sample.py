"""A small message, for the rig's own tests."""

SENDER, INBOX = "node@quazzar.test", "ops@inbox.test"


def mail(message_id: str = "<1@quazzar.test>", body: str = "92 %") -> str:
    """The text of a message."""
    return f"From: {SENDER}\r\nSubject: Disk\r\nMessage-ID: {message_id}\r\n\r\n{body}\r\n"
