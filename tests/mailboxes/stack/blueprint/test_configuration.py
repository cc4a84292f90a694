"""The static files: what is filled in, what is refused, and that the real daemons take them."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import requests

from mailboxes.stack.blueprint import configuration
from tests.mailboxes.trials import case
from tests.rig import wait_until
from tests.rig.standins import put, running, said

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.rig.images import Images

PASSWORD = "controller-password"


def rendered(
    hostname: str = "mail.example.com", gateway: str = "172.18.0.1", password: str = PASSWORD
) -> dict[str, bytes]:
    return {file.path: file.data for file in configuration.static_files(hostname, gateway, password)}


def digest(service: str = "", **facts: str) -> str:
    chosen = {"hostname": "mail.example.com", "gateway": "172.18.0.1", "controller_password": PASSWORD}
    return configuration.digest(configuration.static_files(**{**chosen, **facts}), service)


def test_every_file_of_the_package_is_there() -> None:
    root = Path(str(files("mailboxes.stack.blueprint") / "files"))
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert {name for name in names if not name.startswith("scripts/")} == rendered().keys()


def test_the_host_name_is_filled_in() -> None:
    assert b"\nhostname = mail.example.com\n" in rendered()["dovecot.conf"]


def test_the_gateway_is_the_only_address_whose_name_is_not_judged() -> None:
    assert b'ip = "172.18.0.1";' in rendered()["rspamd/override.d/settings.conf"]


def test_without_a_known_gateway_every_address_is_judged() -> None:
    assert b'ip = "192.0.2.1";' in rendered(gateway="")["rspamd/override.d/settings.conf"]


def test_rspamd_reads_no_file_that_a_client_names_at_either_port() -> None:
    # Rspamd's worker option; true by default from 4.1.5 on. The stand-in's Rspamd does not know it.
    for name in ("rspamd/local.d/worker-proxy.inc", "rspamd/override.d/worker-controller.inc"):
        assert b"\nallow_file_and_shm_inputs = false;\n" in rendered()[name]


def test_the_password_itself_is_in_no_file() -> None:
    assert not [path for path, data in rendered().items() if PASSWORD.encode() in data]


def test_a_host_name_that_could_add_something_is_refused() -> None:
    for hostname in ("", "mail.example.com\nssl = no", "mail example.com", "{x}.example.com", "-a.b"):
        with case(hostname), pytest.raises(ValueError, match="not a host name"):
            rendered(hostname)


def test_a_gateway_that_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match="does not appear to be an IPv4 or IPv6 address"):
        rendered(gateway='172.18.0.1"; x {')


def test_nobody_but_root_writes_and_nothing_is_executable() -> None:
    # The image sources an executable init script, and runs another one in a bash of its own.
    modes = {file.path: file.mode for file in configuration.static_files("mail.example.com", "", "")}
    assert modes.pop("policy.conf") == 0o600
    assert set(modes.values()) == {0o644}


def test_the_stock_configuration_with_its_fixed_password_is_not_included() -> None:
    included = [line for line in rendered()["dovecot.conf"].splitlines() if b"!include" in line]
    assert included == [b"!include_try /etc/dovecot/policy.conf", b"!include_try /mail-config/sockets.conf"]


def test_dovecot_asks_rspamd_with_a_password_that_is_not_the_operators() -> None:
    static = configuration.static_files("mail.example.com", "", PASSWORD, "policypassword")
    files = {file.path: file for file in static}
    asked = b"policypassword"
    assert [path for path, file in files.items() if asked in file.data] == ["policy.conf"]
    assert b"Password: " + asked in files["policy.conf"].data
    assert not [path for path, file in files.items() if PASSWORD.encode() in file.data]
    hashes = re.findall(rb"\$1\$\w+\$\w+", files["rspamd/override.d/worker-controller.inc"].data)
    assert len(set(hashes)) == 2


def test_without_a_password_of_its_own_dovecot_asks_nobody() -> None:
    assert b"auth_policy_server_url = \n" in rendered()["policy.conf"]


def test_the_digest_is_the_same_for_the_same() -> None:
    assert digest() == digest()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fact", "value", "readers"),
    [
        ("hostname", "other.example.com", {"dovecot", "postfix"}),
        ("gateway", "172.19.0.1", {"rspamd"}),
        ("controller_password", "another", {"rspamd"}),
    ],
)
def test_a_services_digest_tells_of_its_own_files_only(fact: str, value: str, readers: set[str]) -> None:
    changed = {
        name for name in ("postfix", "dovecot", "rspamd") if digest(name, **{fact: value}) != digest(name)
    }
    assert changed == readers


# --- on the real daemons
@pytest.mark.real
def test_dovecot_takes_it_without_a_warning(docker_client: docker.DockerClient, stack_images: Images) -> None:
    with running(docker_client, stack_images.dovecot, command=["sleep", "60"]) as container:
        put(container, "/etc/dovecot", rendered())
        code, output = said(container, "doveconf", "-n", "-c", "/etc/dovecot/dovecot.conf")
    assert code == 0
    assert "Warning" not in output
    assert "quota_storage_grace = 0" in output


@pytest.fixture(scope="module")
def controller(docker_client: docker.DockerClient, stack_images: Images) -> Iterator[str]:
    """Where the controller of a real Rspamd with our files answers."""
    container = docker_client.containers.create(
        stack_images.rspamd,
        command=["/usr/bin/rspamd", "-f", "--var", "LOCAL_CONFDIR=/mail-config/rspamd"],
        ports={"11334/tcp": ("127.0.0.1", 0)},  # a free one
    )
    try:
        maps = {"rspamd/mailboxes.map": b"", "rspamd/domains.map": b""}
        put(container, "/", {f"mail-config/{path}": data for path, data in (rendered() | maps).items()})
        container.start()
        container.reload()
        (binding,) = container.ports["11334/tcp"] or []
        url = f"http://127.0.0.1:{binding['HostPort']}"
        wait_until(lambda: pings(url), 60, "Rspamd's answer")
        yield url
    finally:
        container.remove(v=True, force=True)


def pings(url: str) -> bool:
    try:
        return requests.get(f"{url}/ping", timeout=2).ok
    except requests.RequestException:
        return False


def asked(url: str, **headers: str) -> int:
    return requests.get(f"{url}/stat", headers=headers, timeout=5).status_code


@pytest.mark.real
def test_rspamds_controller_lets_our_password_in_and_no_other(controller: str) -> None:
    assert asked(controller, Password=PASSWORD) == 200
    assert asked(controller) == 401
    # The stock password.
    assert [asked(controller, Password=password) for password in ("q1", "", "Controller-password")] == [
        401
    ] * 3


@pytest.mark.real
def test_a_claim_to_come_from_the_machine_itself_opens_nothing(controller: str) -> None:
    assert asked(controller, **{"X-Forwarded-For": "127.0.0.1", "X-Real-IP": "127.0.0.1"}) == 401


@pytest.mark.real
def test_a_container_of_an_older_release_goes_on_with_its_milter_port(
    controller: str, docker_client: docker.DockerClient
) -> None:
    """It does not have the volume of the sockets, and its Postfix asks the port, until it is created again."""
    (container,) = docker_client.containers.list(filters={"publish": f"{urlsplit(controller).port}"})
    reaches = ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/11332"]
    wait_until(lambda: said(container, *reaches)[0] == 0, 20, "the milter's port")
