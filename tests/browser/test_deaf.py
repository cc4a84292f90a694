"""The tests' browser does not hear of the machine's networks: its requests go on while containers come and go."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Playwright

from tests.browser.chromium import DEAF, Chromium
from tests.rig import or_skip
from tests.rig.daemon import program

OPEN = "import socket; socket.socket(); socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)"
#: Twenty requests at a time, more than Chromium makes of them at once: those that wait for a connection are aborted.
ASK = """() => {
    window.done = 0; window.failed = 0;
    const ask = () => fetch("/", {cache: "no-store"}).then(() => window.done++, () => window.failed++).then(ask);
    for (let number = 0; number < 20; number++) ask();
}"""


class Slow(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        threading.Event().wait(0.1)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def slow() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_it_runs_has_no_netlink_and_keeps_all_other_sockets() -> None:
    environment = {**os.environ, "QUAZZAR_TEST_BROWSER": sys.executable}
    done = subprocess.run([DEAF, "-c", OPEN], check=False, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "Address family not supported by protocol" in done.stderr.splitlines()[-1]


@pytest.mark.real
@pytest.mark.thorough
def test_a_network_that_comes_and_goes_fails_no_request(slow: str, driver: Playwright) -> None:
    def ip(*words: str) -> None:
        subprocess.run([or_skip(lambda: program("ip", "iproute2")), *words], check=True)

    if os.geteuid() != 0:
        pytest.skip("only root may add a network")
    with or_skip(lambda: Chromium(slow, driver)) as chromium:
        page = chromium.page()
        page.evaluate(ASK)
        for turn in range(1, 5):
            ip("link", "add", "quazzar-deaf", "type", "veth", "peer", "name", "quazzar-deaf-2")
            ip("addr", "add", "198.51.100.77/24", "dev", "quazzar-deaf")
            ip("link", "set", "quazzar-deaf", "up")
            ip("link", "set", "quazzar-deaf-2", "up")
            page.wait_for_function("many => window.done + window.failed > many", arg=turn * 40 - 20)
            ip("link", "del", "quazzar-deaf")
            page.wait_for_function("many => window.done + window.failed > many", arg=turn * 40)
        assert page.evaluate("window.failed") == 0
