"""Which image each container is created from: the one that was proved, by its id, whatever its tag names now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from django.conf import settings

from mailboxes.models import StackImage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mailboxes.engine.client import Engine
    from mailboxes.engine.spec import ServiceSpec, StackSpec
    from mailboxes.engine.values import ContainerState

#: An image as it is stored in rows: ref, id, digest.
Image = dict[str, str]


def configured(service: str) -> str:
    """The reference that QUAZZAR_IMAGE_… names."""
    return str(getattr(settings, f"QUAZZAR_IMAGE_{service.upper()}"))


def read() -> dict[str, Image]:
    """Service → its pinned image; a service whose container was never healthy has none."""
    return {row.service: row.value for row in StackImage.objects.all()}


def applied(spec: StackSpec, images: Mapping[str, Image]) -> StackSpec:
    """The specification with these images in place of the configured ones. Pure."""
    return replace(spec, services=tuple(_applied(service, images) for service in spec.services))


def _applied(service: ServiceSpec, images: Mapping[str, Image]) -> ServiceSpec:
    image = images.get(service.service)
    return replace(service, image=image["ref"], pinned=image["id"]) if image else service


def store(images: Mapping[str, Image]) -> None:
    """Pins these images. Of one that was pinned before, it stays known whether there is a newer one."""
    known = dict(StackImage.objects.values_list("service", "image_id"))
    for service, image in images.items():
        values = {"ref": image["ref"], "image_id": image["id"], "digest": image["digest"]}
        newer = {} if known.get(service) == image["id"] else {"newer": None}
        StackImage.objects.update_or_create(service=service, defaults={**values, **newer})


def remember(engine: Engine, spec: StackSpec, containers: Mapping[str, ContainerState]) -> None:
    """Pins what runs under the configured name, where nothing is pinned yet.

    Raises:
        StackError: the Engine does not answer.
    """
    pinned = read()
    for service in spec.services:
        state = containers.get(service.service)
        if service.service not in pinned and state is not None and state.image == service.image:
            store({service.service: described(engine, service.image, state.image_id)})


def described(engine: Engine, ref: str, image_id: str) -> Image:
    """An image that the Engine has, with the digest by which the registry of ``ref`` knows it.

    Raises:
        StackError: the Engine does not answer.
    """
    name = ref.partition("@")[0].rpartition(":")[0] or ref
    digests = engine.digests(image_id)
    digest = next((each for each in digests if each.startswith(f"{name}@")), next(iter(digests), ""))
    return {"ref": ref, "id": image_id, "digest": digest}


def sources(service: ServiceSpec) -> list[str]:
    """References to fetch a service's image by, the most exact first."""
    digest = read().get(service.service, {}).get("digest", "") if service.pinned else ""
    return [ref for ref in (digest, service.image) if ref]


def outdated(engine: Engine, containers: Mapping[str, ContainerState]) -> dict[str, str]:
    """Service → a sentence, for each container that runs another image than its setting stands for on this Engine.

    Raises:
        StackError: the Engine does not answer.
    """
    pinned, sentences = read(), {}
    for service, state in containers.items():
        wanted, ref = configured(service), pinned.get(service, {}).get("ref", state.image)
        if ref != wanted:
            setting = f"QUAZZAR_IMAGE_{service.upper()}"
            sentences[service] = f"The container {state.name} runs {ref}, but {setting} names {wanted}."
        elif engine.image_id(wanted) not in (None, state.image_id):
            sentences[service] = (
                f"The container {state.name} runs an older {wanted} than the one on the Docker host."
            )
    return sentences
