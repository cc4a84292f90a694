"""The bytes that a browser with an empty cache fetches for a page, as sent."""

import gzip
import re
from collections.abc import Callable
from pathlib import PurePosixPath

#: Kinds of files that are sent as they are: compressed already.
_PACKED = {".woff2", ".png", ".jpg"}
_LINKS = re.compile(
    r'<(?:script|img)\b[^>]*?\ssrc="([^"]+)"|<link\b(?=[^>]*rel="(?:stylesheet|icon)")[^>]*?\shref="([^"]+)"'
)
_IN_STYLES = re.compile(r"""url\(["']?(?!data:)([^"')#]+)""")


def weight(page: str, read: Callable[[str], bytes]) -> int:
    """The page, its style sheets, scripts and pictures, and every font that a style sheet names.

    Args:
        read: the content of the static file at an address such as ``/static/quazzar/frame.css``.
    """
    addresses = {first or second for first, second in _LINKS.findall(page)}
    styles = [address for address in addresses if address.endswith(".css")]
    fonts = {
        _beside(address, name) for address in styles for name in _IN_STYLES.findall(read(address).decode())
    }
    return _sent(".html", page.encode()) + sum(
        _sent(PurePosixPath(address).suffix, read(address)) for address in addresses | fonts
    )


def _beside(address: str, name: str) -> str:
    return name if name.startswith("/") else str(PurePosixPath(address).parent / name)


def _sent(suffix: str, content: bytes) -> int:
    return len(content if suffix in _PACKED else gzip.compress(content))
