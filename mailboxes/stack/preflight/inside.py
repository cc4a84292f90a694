"""The preflight check of the network as a container sees it: other name servers and other rules may apply there."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings

from mailboxes.engine.spec import PROJECT_LABEL, Limits, ServiceSpec
from mailboxes.stack.preflight import names
from mailboxes.stack.preflight.machine import Check, Machine, passed, warning
from quazzar import words
from quazzar.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Iterator

ID = "container_network"
#: Says whether the first argument resolves; with a port as the second one, also how the server there greets.
SCRIPT = """
getent hosts "$1" >/dev/null && echo dns || exit 0
[ -n "$2" ] || exit 0
greet='exec 3<>"/dev/tcp/$1/$2" && read -r line <&3 && printf "smtp %s\\n" "$line"'
timeout 4 bash -c "$greet" look "$1" "$2" 2>/dev/null
exit 0
"""
#: Seconds that the container lives if nobody removes it.
_LIFE = 30
#: Seconds for the script.
_TIMEOUT = 8.0
#: Of the images of the stack, those with what the script needs; the first that is here is used.
_IMAGES = ("dovecot", "postfix")
_BRIDGE = "bridge"


def check_inside(machine: Machine) -> Check:
    """Whether a container finds names and reaches other mail servers, where this machine does."""
    probe: tuple[str, int] | None = settings.QUAZZAR_OUTBOUND_PROBE
    host, port = probe if probe else (machine.hostname, 0)
    try:
        said = _said(machine, host, str(port) if probe else "")
    except StackError as exc:
        return _untried(exc.message)
    if said is None:
        return _untried("no image has been fetched yet.")
    if "dns" not in said:
        return _without_dns(host)
    greeting = next((line.removeprefix("smtp ") for line in said if line.startswith("smtp ")), "")
    if probe is None or greeting.startswith("2"):
        way = " and reach other mail servers" if probe else ""
        return passed(ID, f"Containers can resolve names{way}.", "warning")
    return _without_way_out(machine, host, port, greeting)


def _untried(why: str) -> Check:
    text = f"The network could not be tested from inside a container: {why}"
    return Check(ID, True, "warning", text, tried=False)


def _without_dns(host: str) -> Check:
    try:
        names.resolve(host)
    except OSError:
        return passed(ID, f"Neither this machine nor a container can resolve {host}.", "warning")
    return warning(
        ID,
        f"Containers cannot resolve names: {host} resolves on this machine, but not inside a container.",
        "Docker does not pass on name servers at 127.0.0.1 or ::1. Set others in /etc/docker/daemon.json, such as "
        '"dns": ["9.9.9.9"], and make sure that no firewall rule blocks containers from reaching them.',
    )


def _without_way_out(machine: Machine, host: str, port: int, greeting: str) -> Check:
    try:
        own = names.greeting(host, port, machine.left / 2)
    except OSError:
        own = ""
    if not own.startswith("2"):
        return passed(ID, "Outgoing port 25 is blocked for containers, as it is for this machine.", "warning")
    answer = f"it answers “{words.one_line(greeting, 120)}”" if greeting else "it does not answer there"
    return warning(
        ID,
        f"Outgoing port 25 is open for this machine, but not for containers: {host} greets this machine, "
        f"but from inside a container {answer}.",
        "Check the firewall's rules for forwarded connections (chains FORWARD and DOCKER-USER), or send "
        "the mail server's mail through the relay.",
    )


def _said(machine: Machine, *arguments: str) -> list[str] | None:
    """What the script prints in a container; None if there is none, and no image to create one from."""
    argv = ["bash", "-c", SCRIPT, "look", *arguments]
    with _container(machine) as name:
        if not name:
            return None
        result = machine.engine.run(name, argv, timeout=min(_TIMEOUT, machine.left))
    return result.stdout.decode(errors="replace").splitlines()


@contextmanager
def _container(machine: Machine) -> Iterator[str]:
    """The name of a running container: the stack's own, or a temporary one; empty if there is neither."""
    engine, project = machine.engine, machine.options.project
    machine.info()  # at once a sentence, where no Engine answers
    running = [
        state.name
        for service, state in engine.containers(project).items()
        if service in _IMAGES and state.status == "running"
    ]
    image = next((ref for name in _IMAGES if engine.image_id(ref := machine.options.images[name])), "")
    if running or not image:
        yield running[0] if running else ""
        return
    spec = _for_a_moment(project, image, project if engine.network(project) else _BRIDGE)
    engine.create(spec)
    try:
        engine.start(spec.name)
        yield spec.name
    finally:
        engine.remove(spec.name)


def _for_a_moment(project: str, image: str, network: str) -> ServiceSpec:
    name = f"{project}-preflight-{secrets.token_hex(4)}"
    return ServiceSpec(
        service="preflight",
        name=name,
        image=image,
        hostname="preflight",
        network=network,
        aliases=(),
        environment=(),
        mounts=(),
        ports=(),
        command=("sleep", str(_LIFE)),
        healthcheck=None,
        limits=Limits(128, 32, ()),
        labels=((PROJECT_LABEL, project),),
        stop_grace=1,
        temporary=True,
    )
