"""What forms and copying do to the text of a TXT record: quotes, backslashes, invisible blanks. Pure."""

from __future__ import annotations

#: Invisible, and left over from copying out of a page or a document: byte order mark, no-break and zero-width spaces.
_UNSEEN = "\ufeff\u00a0\u200b\u200c\u200d\u2060"
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
_BLANKS = " \t\r\n"


def mistake(value: str, marker: str) -> str:
    """Why a record is not recognised, and what to do about it, as a sentence; empty: no mistake of this kind.

    Args:
        value: as it is published, its bytes read as Latin-1.
        marker: what such a record starts with: ``v=spf1``.
    """
    text = typed(value)
    if not _bare(text).lower().startswith(marker.lower()):
        return ""
    if text[0] in _QUOTES:
        return "The quotes were published as part of the record. Enter the value without quotes."
    if text[0] in _UNSEEN or text.lstrip(_BLANKS)[0] in _UNSEEN:
        return (
            "There is an invisible character before the record, left over from copying. Retype the beginning."
        )
    if text[0] in _BLANKS:
        return (
            f"There is a space before {marker}, so receivers do not recognise the record. Delete the space."
        )
    if "\\;" in text:
        return "Backslashes were published as part of the record. Write ; instead of \\;."
    if any(char in text for char in _UNSEEN):
        return "The record contains invisible characters, left over from copying. Paste the suggested value again."
    return ""


def typed(value: str) -> str:
    """The characters that the operator entered, most likely in UTF-8."""
    return value.encode("latin-1", "replace").decode("utf-8", "replace")


def _bare(text: str) -> str:
    return text.lstrip(_QUOTES + _BLANKS + _UNSEEN)
