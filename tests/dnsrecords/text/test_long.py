"""A TXT record has up to 64 KiB, with any content: each parser needs only linear time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dnsrecords.dmarc import policy
from dnsrecords.spf import repair, terms
from dnsrecords.text import mistakes, reportaddresses, taglists, versioned

SIZE = 65_000
READERS: dict[str, Callable[[str], object]] = {
    "dmarc": lambda text: policy.parse(f"v=DMARC1; {text}"),
    "dmarc as meant": policy.as_meant,
    "spf": lambda text: terms.parse(f"v=spf1 {text}"),
    "spf as meant": lambda text: (repair.meant(text), repair.read(f"v=spf1 {text}")),
    "addresses for reports": lambda text: reportaddresses.read(text, sizes=True),
    "tags": taglists.parse,
    "versioned": lambda text: versioned.parse(f"v=STSv1; {text}", "id"),
    "mistakes": lambda text: mistakes.mistake(text, "v=spf1"),
}


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_a_record_of_64_kib_is_read(reader: str) -> None:
    """A parser that tried each position again took minutes here."""
    for piece in (
        " ",
        "\t",
        ", ",
        ";",
        '"',
        "<",
        "'",
        "-",
        "/",
        "a",
        "a.",
        "1",
        "%",
        "=",
        "@",
        "mailto:",
        "p=",
    ):
        for end in ("", "!"):
            READERS[reader]((piece * SIZE)[:SIZE] + end)
