"""One console, provider, name server and Chromium for all browser tests; each test begins without a relay."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright, expect, sync_playwright

from tests.browser import failures
from tests.browser.chromium import Chromium
from tests.live.console import OPERATOR, OPERATOR_PASSWORD, Console
from tests.rig import or_skip
from tests.rig.nameserver import Nameserver
from tests.rig.postfix import RealPostfix

#: Milliseconds until what a test waits for must be on the page: several processes share the machine's cores.
expect.set_options(timeout=30_000)


@pytest.fixture(autouse=True)
def _hands_over_what_was_seen(record_property: Callable[[str, object], None]) -> Iterator[None]:
    yield
    while failures.SEEN:
        record_property("seen", failures.SEEN.pop(0))


@pytest.fixture(scope="package")
def provider() -> Iterator[RealPostfix]:
    with or_skip(RealPostfix) as postfix:
        yield postfix


@pytest.fixture(scope="package")
def nameserver() -> Iterator[Nameserver]:
    with or_skip(Nameserver) as server:
        yield server


@pytest.fixture(scope="package")
def node(
    tmp_path_factory: pytest.TempPathFactory, provider: RealPostfix, nameserver: Nameserver
) -> Iterator[Console]:
    directory = tmp_path_factory.mktemp("browser")
    asked = {"QUAZZAR_DNS_RESOLVERS": nameserver.address, "SSL_CERT_FILE": str(provider.ca_file)}
    with Console(directory, static=True, **asked) as console:
        yield console


@pytest.fixture(scope="package")
def driver() -> Iterator[Playwright]:
    """One for all browsers: a second one in the same thread would not start.

    Stopped with the last of these tests: its event loop would keep later ones in this process from the database.
    """
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="package")
def signed_in(node: Console, driver: Playwright) -> Iterator[Chromium]:
    with or_skip(lambda: Chromium(node.url(""), driver)) as chromium:
        chromium.sign_in(OPERATOR, OPERATOR_PASSWORD).close()
        yield chromium


@pytest.fixture(scope="module")
def _leaves_no_rows(node: Console) -> Iterator[None]:
    """The next file may run on the same node, and would find them."""
    yield
    for kind in ("aliases", "mailboxes", "domains", "inboxes"):
        for row in node.get(f"/api/mail/{kind}?page_size=200")[1]["results"]:
            node.call("DELETE", f"/api/mail/{kind}/{row['id']}")


@pytest.fixture
def chromium(signed_in: Chromium, node: Console, _leaves_no_rows: None) -> Iterator[Chromium]:
    """Signed in, on a node without a relay. Afterwards: no script failed, and nothing came from elsewhere."""
    node.call("DELETE", "/api/mail/relay")
    signed_in.outside.clear()
    signed_in.problems.clear()
    yield signed_in
    for page in signed_in.context.pages[1:]:
        page.close()
    assert not signed_in.outside
    assert not signed_in.problems


@pytest.fixture
def tab(chromium: Chromium) -> Page:
    """The Relay settings tab."""
    return chromium.page("/admin/mail-relay/")


@pytest.fixture
def licence(node: Console) -> Iterator[str]:
    """A good licence, while the node has none; afterwards it is back."""
    file, away = Path(node.data) / "license.jwt", Path(node.data) / "away"
    file.rename(away)
    yield away.read_text().strip()
    away.rename(file)
