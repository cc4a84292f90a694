"""What a browser says about itself, in words that people know: Firefox on Linux."""

from __future__ import annotations

#: A word in the header → what it means. The first one found counts: most browsers name the others as well.
_PROGRAMS = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
    ("BSD", "BSD"),
)


def in_words(agent: str) -> str:
    """Program and system; ``a browser`` if neither is known."""
    program = next((name for word, name in _PROGRAMS if word in agent), "a browser")
    system = next((name for word, name in _SYSTEMS if word in agent), "")
    return f"{program} on {system}" if system else program


def is_handheld(agent: str) -> bool:
    """Whether it is a phone or a tablet."""
    return any(word in agent for word in ("iPhone", "iPad", "Android", "Mobile"))
