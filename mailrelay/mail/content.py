"""A complete mail as people read it: header, text, HTML that can do nothing, attached files. Pure.

nh3 (https://nh3.readthedocs.io) cleans the HTML: scripts, forms, frames, links to style sheets, refreshes and bases go;
``cid:`` pictures are put in. What is left may still name pictures elsewhere, in attributes and in styles: the page that
shows it must forbid those by a Content-Security-Policy.
"""

from __future__ import annotations

import base64
import email
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message as Part

import nh3

from mailrelay.mail import addresslists, charsets, rawmail

#: The most characters of a text, and of HTML, that are shown.
LONGEST = 500_000
#: The largest picture that is put into the HTML, in bytes.
_LARGEST_PICTURE = 2 * 1024 * 1024
_PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_TAGS = (nh3.ALLOWED_TAGS | {"style", "font"}) - {"map", "area"}
_EVERYWHERE = {
    "style",
    "class",
    "id",
    "align",
    "valign",
    "bgcolor",
    "dir",
    "lang",
    "width",
    "height",
    "title",
}
_ATTRIBUTES = {
    **nh3.ALLOWED_ATTRIBUTES,
    "*": _EVERYWHERE,
    "a": {"href"},
    "img": {"src", "alt", "border"},
    "table": {"border", "cellpadding", "cellspacing", "role"},
    "td": {"colspan", "rowspan", "nowrap"},
    "th": {"colspan", "rowspan", "nowrap", "scope"},
    "font": {"color", "face", "size"},
}
_SCHEMES = {"http", "https", "mailto", "tel", "data", "cid"}


@dataclass(frozen=True, slots=True)
class File:
    """An attached file.

    Attributes:
        kind: its MIME type.
    """

    name: str
    kind: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Content:
    """A mail, taken apart.

    Attributes:
        headers: name and decoded text of each header field, in order.
        html: cleaned; empty when the mail has none.
        names_remote: the HTML names pictures elsewhere.
        shortened: a text was longer than ``LONGEST``.
    """

    headers: tuple[tuple[str, str], ...]
    text: str
    html: str = field(repr=False)
    files: tuple[File, ...]
    names_remote: bool = False
    shortened: bool = False


def read(data: bytes, *, remote: bool = False) -> Content:
    """Take a complete mail apart. Never fails: what cannot be decoded is shown as far as it can be.

    Args:
        remote: leave the addresses of pictures elsewhere in the HTML.
    """
    try:
        return _read(data, remote=remote)
    except RecursionError:  # parts nested hundreds deep: no mail program shows those
        text = data.decode("utf-8", "replace")
        return Content(tuple(_headers(data)), text[:LONGEST], "", (), shortened=len(text) > LONGEST)


def _read(data: bytes, *, remote: bool) -> Content:
    texts: dict[str, list[str]] = {"plain": [], "html": []}
    pictures: dict[str, str] = {}
    files: list[File] = []
    for part in _leaves(email.message_from_bytes(data)):
        kind, charset, name = part.get_content_type(), _charset(part), _filename(part)
        body = _bytes(part)
        attached = part.get_content_disposition() == "attachment" or name
        if kind in ("text/plain", "text/html") and not attached:
            texts[kind.removeprefix("text/")].append(_decoded(body, charset))
            continue
        cid = str(part.get("Content-ID", "")).strip().strip("<>")
        if cid and kind in _PICTURES and len(body) <= _LARGEST_PICTURE:
            pictures[cid] = f"data:{kind};base64,{base64.b64encode(body).decode()}"
        files.append(File(name or _unnamed(kind, len(files) + 1), kind, body))
    text, html = "\n".join(texts["plain"]), "\n".join(texts["html"])
    shown, names_remote = cleaned(html[:LONGEST], pictures, remote=remote) if html else ("", False)
    return Content(
        headers=tuple(_headers(data)),
        text=text[:LONGEST],
        html=shown,
        files=tuple(files),
        names_remote=names_remote,
        shortened=len(text) > LONGEST or len(html) > LONGEST,
    )


def cleaned(html: str, pictures: Mapping[str, str], *, remote: bool = False) -> tuple[str, bool]:
    """HTML without anything that runs, submits, embeds or redirects; ``cid:`` addresses become those pictures.

    Returns:
        The HTML, and whether it named pictures elsewhere. Their addresses stay only with ``remote``.
    """
    elsewhere: list[str] = []

    def attribute(element: str, name: str, value: str) -> str | None:
        scheme, _, rest = value.strip().partition(":")
        if scheme.lower() == "cid":
            return pictures.get(rest) if (element, name) == ("img", "src") else None
        if (element, name) != ("img", "src") or scheme.lower() == "data":
            return value
        elsewhere.append(value)
        return value if remote else None

    html = nh3.clean(
        html,
        tags=_TAGS,
        clean_content_tags={"script", "title", "noscript", "template", "iframe", "object"},
        attributes=_ATTRIBUTES,
        attribute_filter=attribute,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    # A byte order mark that is now at the start would be dropped the next time.
    return html.lstrip("\ufeff"), bool(elsewhere) or "url(" in html.lower()


def _leaves(mail: Part) -> Iterator[Part]:
    """The parts that hold something. An attached mail is one of them, not looked into."""
    # Without decode, get_payload() takes the charset's name for a codec of Python's, and some of those fail.
    if mail.get_content_maintype() == "multipart" and mail.is_multipart():
        for part in mail.get_payload():
            if isinstance(part, Part):
                yield from _leaves(part)
    else:
        yield mail


def _charset(part: Part) -> str:
    try:
        return str(part.get_content_charset(charsets.ASCII))
    except ValueError:  # NUL in the name
        return charsets.ASCII


def _filename(part: Part) -> str:
    try:
        return addresslists.decoded(str(part.get_filename("")))
    except ValueError:
        return ""


def _bytes(part: Part) -> bytes:
    body = part.get_payload(decode=True)
    if isinstance(body, bytes):
        return body
    inner = part.get_payload() if part.is_multipart() else []  # message/rfc822: a list with the mail in it
    mail = inner[0] if isinstance(inner, list) and inner else None
    if not isinstance(mail, Part):
        return b""
    try:
        return mail.as_bytes()
    except UnicodeError:  # a multipart that has text in place of parts
        return mail.as_string().encode("utf-8", "surrogateescape")


def _decoded(body: bytes, declared: str) -> str:
    return body.decode(charsets.guess(body, declared), "replace").replace("\r\n", "\n")


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    for one in rawmail.read(data).fields:
        name = one.raw.partition(b":")[0].decode("ascii", "replace").strip()
        yield name, addresslists.decoded(one.text)


def _unnamed(kind: str, number: int) -> str:
    return f"part {number} ({kind})"
