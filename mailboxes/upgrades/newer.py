"""Whether there is a newer image than the one that runs: named in the settings, on the Docker host, or in its registry.

It asks the registries of the configured images, through the Docker Engine, and no other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from mailboxes.engine import connect
from mailboxes.engine.spec import PROJECT_LABEL, Limits, ServiceSpec
from mailboxes.models import Stack, StackImage
from mailboxes.stack import pins, versions
from mailboxes.stack.blueprint import services
from quazzar.errors import ImageUnavailable, StackError

if TYPE_CHECKING:
    from mailboxes.engine.client import Engine
    from mailboxes.stack.pins import Image

#: Seconds that a container for reading a version lives if nobody removes it.
_LIFE = 60


def look() -> list[StackImage]:
    """Looks for a newer image of each service, and stores and returns what was found.

    Raises:
        StackError: the Docker Engine does not answer.
    """
    rows = list(StackImage.objects.all())
    with connect.to_docker() as engine:
        local = {row.service: engine.image_id(pins.configured(row.service)) for row in rows}
        with ThreadPoolExecutor(max_workers=3, thread_name_prefix="registry") as pool:
            remote = dict(zip(local, pool.map(_registry, map(pins.configured, local)), strict=True))
        for row in rows:
            digest, problem = remote[row.service]
            row.newer = _newer(engine, row, local[row.service], digest)
            row.problem = problem[:300]
            row.looked_at = timezone.now()
            # Unless an upgrade has pinned another image in the meantime.
            StackImage.objects.filter(pk=row.pk, image_id=row.image_id).update(
                newer=row.newer, problem=row.problem, looked_at=row.looked_at
            )
    return rows


def _registry(ref: str) -> tuple[str, str]:
    """The digest of what the registry has now, or why it cannot be said."""
    if "@" in ref:  # always the same
        return "", ""
    try:
        with connect.to_docker() as engine:  # one for each thread
            return engine.registry_digest(ref), ""
    except ImageUnavailable as exc:
        return "", exc.message


def _newer(engine: Engine, row: StackImage, local: str | None, digest: str) -> dict[str, Any] | None:
    """What to upgrade to, as it is stored; None if what runs is the newest."""
    ref = pins.configured(row.service)
    known = engine.digests(local) if local else []
    fetched = not digest or any(each.endswith(f"@{digest}") for each in known)
    if fetched and local:
        if local == row.image_id:
            return None
        where = "setting" if ref != row.ref else "docker"
        version = version_of(engine, row.service, {"ref": ref, "id": local, "digest": ""})
        return {"ref": ref, "id": local, "digest": digest, "version": version, "where": where}
    if ref == row.ref and any(each.endswith(f"@{digest}") for each in engine.digests(row.image_id)):
        return None
    if not digest and ref == row.ref:
        return None  # neither the Engine nor the registry says
    where = "setting" if ref != row.ref else "registry"
    return {"ref": ref, "id": "", "digest": digest, "version": "", "where": where}


_WHERE = {
    "setting": "named in the settings",
    "docker": "on the Docker host under the same name",
    "registry": "in the registry under the same name",
}


def sentence(row: StackImage) -> str:
    """What was found, for people: ``Newer: rspamd/rspamd:4.1.6 (version 4.1.6), named in the settings.``"""
    if row.newer:
        version = f" (version {row.newer['version']})" if row.newer["version"] else ""
        return f"Newer: {row.newer['ref']}{version}, {_WHERE[row.newer['where']]}."
    if row.looked_at is None:
        return "Not looked for a newer image yet."
    if row.problem:
        return f"No newer image on the Docker host. {row.problem}"
    return "There is no newer image."


def version_of(engine: Engine, service: str, image: Image) -> str:
    """The version of the program in an image, from a container that is there for a moment; empty if it does not say."""
    project = services.for_hostname(Stack.load().hostname).project
    spec = ServiceSpec(
        service="",
        name=f"{project}-version-{service}",
        image=image["ref"],
        pinned=image["id"],
        hostname="version",
        network="none",
        aliases=(),
        environment=(),
        mounts=(),
        ports=(),
        command=("sleep", str(_LIFE)),
        healthcheck=None,
        limits=Limits(256, 64, ()),
        labels=((PROJECT_LABEL, project),),
        stop_grace=1,
        temporary=True,
    )
    with suppress(StackError):
        engine.remove(spec.name)
        engine.create(spec)
        try:
            engine.start(spec.name)
            return versions.ask(engine, spec.name, service)
        finally:
            with suppress(StackError):
                engine.remove(spec.name)
    return ""
