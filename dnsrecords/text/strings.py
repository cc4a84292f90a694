"""The text of a TXT record: cut into strings of 255 bytes, and quoted for a zone file. Pure."""

from __future__ import annotations

#: A string of a TXT record has its length in one byte (RFC 1035 §3.3).
STRING_LIMIT = 255


def split(value: str) -> tuple[str, ...]:
    """The strings that carry a value, each of at most 255 bytes; one empty string for an empty value.

    Readers join them without a space (RFC 7208 §3.3, RFC 6376 §3.6.2.2).

    Raises:
        ValueError: a character is not a byte. Text from DNS is read as Latin-1.
    """
    _bytes(value)
    return tuple(value[at : at + STRING_LIMIT] for at in range(0, len(value), STRING_LIMIT)) or ("",)


def quoted(value: str) -> str:
    """A value as a zone file and most registrars' forms take it: ``"…" "…"``, one line of ASCII.

    Raises:
        ValueError: a character is not a byte.
    """
    return " ".join(f'"{"".join(map(_escaped, string))}"' for string in split(value))


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    # RFC 1035 §5.1: a backslash and three decimal digits stand for a byte.
    return character if " " <= character <= "~" else f"\\{ord(character):03}"


def _bytes(value: str) -> bytes:
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError as exc:
        raise ValueError(f"{value[exc.start]!a} cannot be written to a TXT record.") from exc
