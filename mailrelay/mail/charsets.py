"""Bytes beyond ASCII, from a program that does not say in which charset it writes, or is wrong about it. Pure."""

from __future__ import annotations

import codecs

#: What RFC 2045 §5.2 assumes where nothing is declared.
ASCII = "us-ascii"
#: What programs write that do not know UTF-8. It has a letter for nearly every byte.
_OLD = "windows-1252"
_ISO_2022 = (b"\x1b$", b"\x1b(")
#: Python codecs that are not charsets but convert text to text; some of them fail for any other text.
_NO_CHARSETS = frozenset({"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"})


def decode(data: bytes, declared: str = "") -> str:
    """The text of a header field: UTF-8, ISO-2022-JP, the ``declared`` charset of the body, or Windows-1252.

    Never fails: what no charset explains is read as ISO 8859-1.
    """
    if data.isascii():
        if not any(escape in data for escape in _ISO_2022):
            return data.decode("ascii")
        likely = ["iso-2022-jp"]
    else:
        likely = ["utf-8", guess(data, declared)]
    for charset in likely:
        if _decodes(data, charset):
            return data.decode(charset)
    return data.decode("utf-8" if likely[-1] == "utf-8" else "latin-1", "replace")


def guess(data: bytes, declared: str = "") -> str:
    """The charset of a text: the ``declared`` one, unless the bytes show that it cannot be; else the likeliest.

    A text in UTF-8 with a few broken bytes in it, such as a log that was cut, is still UTF-8.
    """
    if data.isascii():
        return declared if is_known(declared) else ASCII
    if is_known(declared) and _decodes(data, declared):
        return declared
    if _mostly_utf8(data):
        return "utf-8"
    return _OLD if _decodes(data, _OLD) else "iso-8859-1"


def is_known(charset: str) -> bool:
    """Whether this is the name of a charset.

    Python codecs that are not charsets, such as ``hex``, do not count.
    """
    return _newline(charset) is not None


def is_wide(charset: str) -> bool:
    """Whether the charset writes a line end in another way than ASCII does, as UTF-16 does."""
    return _newline(charset) not in (None, b"\n")


def _newline(charset: str) -> bytes | None:
    try:
        if codecs.lookup(charset).name.replace("_", "-") in _NO_CHARSETS:
            return None
        return "\n".encode(charset)
    except (LookupError, ValueError):
        return None


def _decodes(data: bytes, charset: str) -> bool:
    try:
        data.decode(charset)
    except ValueError:
        return False
    return True


def _mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    readable = len(text) - len(text.encode("ascii", "ignore")) - broken
    return broken * 2 <= readable
