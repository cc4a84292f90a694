"""The three services as they are specified: names, ports, volumes, and a digest that tells of every change."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from mailboxes.engine import bodies
from mailboxes.engine.spec import Limits, Mount, Port, ServiceSpec, StackSpec
from mailboxes.stack.blueprint.services import Options, build
from tests.mailboxes.trials import case

IMAGES = {"postfix": "postfix:1", "dovecot": "dovecot:2", "rspamd": "rspamd:3"}
CHANGES: dict[str, Any] = {
    "service": "other",
    "name": "other",
    "image": "other:1",
    "hostname": "other.example.com",
    "network": "other",
    "aliases": ("other",),
    "environment": (("a", "b"),),
    "mounts": (),
    "ports": (),
    "command": ("true",),
    "healthcheck": None,
    "limits": Limits(1, 1, ()),
    "labels": (),
    "stop_grace": 99,
    "temporary": True,
}


def built(hostname: str = "mail.example.com", bind: str = "0.0.0.0", offset: int = 0) -> StackSpec:
    return build(Options("qz", hostname, bind, offset, IMAGES))


def published(service: ServiceSpec) -> list[tuple[int, int, str]]:
    return [(port.container, port.host, port.bind) for port in service.ports]


def test_everything_bears_the_projects_name() -> None:
    stack = built()
    assert stack.network == "qz"
    assert stack.volumes == ("qz-mail-config", "qz-mail-data", "qz-mail-dkim", "qz-mail-sockets")
    assert {service.name for service in stack.services} == {"qz-postfix", "qz-dovecot", "qz-rspamd"}


def test_everything_is_labelled() -> None:
    stack = built()
    assert stack.labels == (("quazzar.project", "qz"),)
    for service in stack.services:
        assert dict(service.labels) == {"quazzar.project": "qz", "quazzar.service": service.service}


def test_a_service_is_found_by_its_name() -> None:
    assert built().service("dovecot").image == "dovecot:2"
    with pytest.raises(KeyError):
        built().service("redis")


def test_the_mail_ports_are_published_on_all_addresses() -> None:
    stack = built()
    assert published(stack.service("postfix")) == [
        (25, 25, "0.0.0.0"),
        (587, 587, "0.0.0.0"),
        (465, 465, "0.0.0.0"),
    ]
    assert published(stack.service("dovecot")) == [(143, 143, "0.0.0.0"), (993, 993, "0.0.0.0")]


def test_an_offset_and_an_address_move_them() -> None:
    stack = built(bind="192.0.2.1", offset=20_000)
    assert (25, 20_025, "192.0.2.1") in published(stack.service("postfix"))
    assert (993, 20_993, "192.0.2.1") in published(stack.service("dovecot"))


def test_rspamds_web_interface_is_for_this_machine_alone() -> None:
    for bind in ("0.0.0.0", "192.0.2.1"):
        with case(bind):
            assert published(built(bind=bind, offset=10).service("rspamd")) == [(11334, 11344, "127.0.0.1")]


def test_what_asks_for_no_login_is_never_published() -> None:
    ports = {port.container for service in built().services for port in service.ports}
    assert not ports & {24, 12345, 12340, 11332, 11333, 8891}


def test_rspamd_may_read_the_configuration_and_the_keys_and_change_neither() -> None:
    assert built().service("rspamd").mounts == (
        Mount("qz-mail-config", "/mail-config", read_only=True),
        Mount("qz-mail-dkim", "/mail-dkim", read_only=True),
        Mount("qz-mail-sockets", "/mail-sockets"),
    )


def test_init_scripts_are_served_where_either_image_looks() -> None:
    mounts = built().service("postfix").mounts
    assert Mount("qz-mail-config", "/docker-init.d", read_only=True) in mounts
    assert Mount("qz-mail-config", "/docker-init.db", read_only=True) in mounts


def test_every_container_has_a_health_check_and_its_alias() -> None:
    for service in built().services:
        assert service.healthcheck is not None
        assert service.aliases == (service.service,)


def test_a_host_name_that_linux_takes_becomes_the_containers() -> None:
    long = f"{'a' * 50}.{'b' * 50}.example.com"
    assert built().service("postfix").hostname == "mail.example.com"
    assert built(long).service("postfix").hostname == "postfix"
    assert dict(built(long).service("postfix").environment)["POSTFIX_myhostname"] == long


def test_the_digest_is_the_same_for_the_same() -> None:
    assert built().service("postfix").digest == built().service("postfix").digest


def test_the_digest_differs_with_every_field_but_the_pinned_image() -> None:
    service = built().service("rspamd")
    assert replace(service, pinned="sha256:1").digest == service.digest
    for field in [field.name for field in fields(ServiceSpec) if field.name != "pinned"]:
        with case(field):
            service = built().service("rspamd")
            assert replace(service, **{field: CHANGES[field]}).digest != service.digest


def test_the_digest_tells_equal_looking_ports_apart() -> None:
    service = built().service("rspamd")
    loopback = replace(service, ports=(Port(11334, 11334, "127.0.0.1"),))
    assert replace(service, ports=(Port(11334, 11334, "0.0.0.0"),)).digest != loopback.digest


def test_the_options_come_from_the_settings(settings: Any) -> None:
    settings.QUAZZAR_STACK_PROJECT = "other"
    settings.QUAZZAR_STACK_BIND = "192.0.2.9"
    settings.QUAZZAR_STACK_PORT_OFFSET = 7
    settings.QUAZZAR_IMAGE_RSPAMD = "rspamd:x"
    chosen = Options.from_settings("mail.example.com")
    assert (chosen.project, chosen.hostname, chosen.bind) == ("other", "mail.example.com", "192.0.2.9")
    assert (chosen.port_offset, chosen.images["rspamd"]) == (7, "rspamd:x")


def test_a_container_gets_no_more_than_a_server_needs() -> None:
    # Docker's default set (moby, oci/caps/defaults.go) without what none of the three uses.
    needed = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL"}
    needed |= {"NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"}
    for service in built().services:
        with case(service.service):
            host = bodies.container(service)["HostConfig"]
            assert (host["CapDrop"], host["SecurityOpt"]) == (["ALL"], ["no-new-privileges:true"])
            assert set(host["CapAdd"]) == (set() if service.service == "rspamd" else needed)
            assert 0 < host["Memory"] <= 4 << 30 and 0 < host["PidsLimit"] <= 4096
