"""The demo's mail server, with MAILSERVER=1: three containers that are removed when the demo ends.

Their network has no way to other machines: Docker does not translate its addresses, so that no server outside can
answer them. Mail from one mailbox to another arrives; mail to anybody else waits in Postfix.
"""

from __future__ import annotations

import hashlib
import smtplib
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from demo import environment, letters
from mailboxes.engine.client import Engine
from mailboxes.engine.values import NetworkState

_OFFSET = 20_000
_NO_WAY_OUT = {"com.docker.network.bridge.enable_ip_masquerade": "false"}
#: Seconds until the mail server must accept mail: its images may have to be pulled first.
_PATIENCE = 1_800.0
#: What the demo keeps of a person's own environment: where Docker is, and which images to use.
_KEPT = (
    *("DOCKER_CERT_PATH", "DOCKER_CONTEXT", "DOCKER_HOST", "DOCKER_TLS_VERIFY"),
    *("QUAZZAR_IMAGE_POSTFIX", "QUAZZAR_IMAGE_DOVECOT", "QUAZZAR_IMAGE_RSPAMD"),
)


class Apart(Engine):
    """A Docker Engine on which the mail server's network has no way to other machines."""

    def ensure_network(self, name: str, labels: Mapping[str, str]) -> NetworkState:
        """The network of that name; creates it without address translation if there is none."""
        if self.network(name) is None:
            with self._asking(f"create the network {name}"):
                self._client().create_network(
                    name, driver="bridge", labels=dict(labels), check_duplicate=True, options=_NO_WAY_OUT
                )
        return super().ensure_network(name, labels)


def settings(own: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What the demo's processes need in their environment for it.

    Args:
        own: the environment of the person who starts it.
    """
    return {
        # Docker's own default, if the person names none.
        "DOCKER_HOST": "",
        **{name: own[name] for name in _KEPT if own.get(name)},
        "DEMO_MAIL_SERVER": "1",
        "QUAZZAR_STACK_PROJECT": project(folder),
        "QUAZZAR_STACK_BIND": "127.0.0.1",
        "QUAZZAR_STACK_PORT_OFFSET": own.get("QUAZZAR_STACK_PORT_OFFSET") or str(_OFFSET),
    }


def project(folder: Path) -> str:
    """What the names of its containers, network and volumes begin with; a demo in another folder has other ones."""
    if folder == environment.FOLDER:
        return "quazzar-demo"
    return f"quazzar-demo-{hashlib.sha256(bytes(folder)).hexdigest()[:8]}"


def remove(folder: Path) -> None:
    """Remove its containers, its network, and its volumes with all mail in them.

    Raises:
        StackError: the Docker Engine does not answer, or refused.
    """
    name = project(folder)
    with Engine() as engine:
        for container in engine.containers(name).values():
            engine.stop(container.name, 5)
            engine.remove(container.name)
        engine.remove_network(name)
        for volume in engine.volumes(name):
            engine.remove_volume(volume)


def deliver_letters(folder: Path, offset: int) -> None:
    """Put some mail into its mailboxes once it accepts mail, in a thread that ends with this process."""
    threading.Thread(target=_deliver, args=(folder, offset), daemon=True).start()


def _deliver(folder: Path, offset: int) -> None:
    until = time.monotonic() + _PATIENCE
    password = ""
    while not password and time.monotonic() < until:
        time.sleep(1)
        file = folder / environment.MAILBOX
        password = file.read_text().strip() if file.exists() else ""
    for send in letters.write(25 + offset, 587 + offset, password):
        while time.monotonic() < until:
            try:
                send()
                break
            except (smtplib.SMTPException, OSError):
                time.sleep(3)  # it is still starting
